//! docs/differences.md names the check of the compatibility suite, or the Rust test, that shows
//! each difference. Here: that it exists. Whether it shows the difference is up to the suite, which
//! compares the original's behaviour with ours.

use super::evidence::rust_sources;
use super::{read, tables};

/// Differences without a check, by the start of their rows: log lines that only differ in wording.
const WITHOUT_CHECK: &[&str] = &["The log names the server with its port"];

/// The source of an area of the suite, with continued strings joined.
fn source(area: &str) -> Option<String> {
    let files = [format!("c_tests/{area}.c"), format!("c_tests/{area}/{area}.c")];
    let text = files.iter().find_map(|file| project::read(file).ok())?;
    let mut whole = String::new();
    for line in text.lines() {
        match (whole.strip_suffix('"'), line.trim_start().strip_prefix('"')) {
            (Some(before), Some(after)) => whole = format!("{before}{after}"),
            _ => whole = whole + "\n" + line,
        }
    }
    Some(whole)
}

/// The checks named by a cell that do not exist. `rust` is where Rust tests are looked up.
fn missing(cell: &str, rust: &str) -> Vec<String> {
    let (mut missing, mut area) = (Vec::new(), None);
    for part in cell.split("; ") {
        if let Some(test) = part.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
            if !rust.contains(&format!("fn {test}(")) {
                missing.push(test.to_owned());
            }
            continue;
        }
        let (named, check) = part.split_once(": ").map_or((None, part), |(area, check)| (source(area), check));
        area = named.or(area);
        let in_words = check == "all of it" || check.starts_with("the tests of src");
        if !in_words && !area.as_ref().is_some_and(|source| source.contains(check)) {
            missing.push(part.to_owned());
        }
    }
    missing
}

#[test]
fn every_difference_names_an_existing_check() {
    let (page, rust) = (read("docs/differences.md"), rust_sources());
    let (mut rows, mut faults) = (0, Vec::new());
    let lists = tables(&page).into_iter().filter(|table| table.columns.last() == Some(&"Shown by"));
    for row in lists.flat_map(|table| table.rows) {
        assert_eq!(row.len(), 4, "{row:?}");
        rows += 1;
        match row[3] {
            "" if WITHOUT_CHECK.iter().any(|start| row[0].starts_with(start)) => {}
            "" => faults.push(format!("no check for: {}", row[0])),
            cell => faults.extend(missing(cell, &rust)),
        }
    }
    assert!(rows > 50, "{rows}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_unknown_check_is_reported() {
    let rust = "fn a_test() {";
    assert_eq!(missing("queue: queued messages are sent in order; no such check; `a_test`", rust), ["no such check"]);
    assert_eq!(missing("no_such_area: queued messages are sent in order", rust).len(), 1);
    assert_eq!(missing("`no_such_test`", rust), ["no_such_test"]);
}
