//! docs/security.md and docs/testing.md name the evidence for each statement. Here: that it exists.

use std::path::Path;

use project::{files, root};

use super::{names_in, read, spans, tables};

/// All Rust sources of the project.
pub fn rust_sources() -> String {
    let files = files::of_project().unwrap();
    files.iter().filter(|file| files::ends_in(file, &["rs"])).map(read).collect()
}

/// The names in a cell that do not exist.
fn missing(cell: &str, rust: &str, scenarios: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut look = |found: bool, what: &str| {
        if !found {
            missing.push(what.to_owned());
        }
    };
    for part in cell.split("; ") {
        for span in spans(part).into_iter().filter(|span| !span.starts_with("cargo ")) {
            let found = match span {
                path if path.contains('/') => root().join(path).exists(),
                target if part.starts_with("fuzz target") => root().join(format!("fuzz/fuzz_targets/{target}.rs")).exists(),
                test => rust.contains(&format!("fn {test}(")),
            };
            look(found, span);
        }
        // After the Rust tests, if there are any.
        let rest = part.rsplit_once("`, ").map_or(part, |(_, rest)| rest);
        if rest.contains('`') {
            continue;
        }
        let (source_name, names) = rest.split_once(": ").unwrap_or((rest, ""));
        let source = match source_name {
            "interop" => scenarios.to_owned(),
            path if Path::new(path).extension().is_some() => project::read(path).unwrap_or_default(),
            // Prose: the same as in the row before, a whole suite.
            _ => continue,
        };
        look(!source.is_empty(), source_name);
        for name in names.split(", ").filter(|name| !name.is_empty()) {
            look(source.contains(&format!("\"{name}\"")), &format!("{source_name}: {name}"));
        }
    }
    missing
}

#[test]
fn the_evidence_for_each_statement_exists() {
    let (rust, scenarios) = (rust_sources(), read("e2e/interop/src/scenarios/mod.rs"));
    for name in ["docs/security.md", "docs/testing.md"] {
        let page = read(name);
        let lists = tables(&page).into_iter().filter(|table| table.columns.last() == Some(&"shown by"));
        let cells: Vec<_> = lists.flat_map(|table| table.rows).filter_map(|row| row.last().copied()).collect();
        assert!(cells.len() > 15, "{name}: {}", cells.len());
        let absent: Vec<String> = cells.iter().flat_map(|cell| missing(cell, &rust, &scenarios)).collect();
        assert!(absent.is_empty(), "{name} names missing evidence: {absent:#?}");
    }
}

#[test]
fn the_table_of_the_field_lists_each_field_test() {
    let page = read("docs/testing.md");
    let sources: String = names_in("tests/field").iter().map(|name| read(format!("tests/field/{name}"))).collect();
    let tests: Vec<&str> = sources.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next()).collect();
    assert!(tests.len() > 25, "only {} tests were found", tests.len());
    let lacking: Vec<_> = tests.iter().filter(|test| !page.contains(&format!("`{test}`"))).collect();
    assert!(lacking.is_empty(), "docs/testing.md does not name {lacking:#?}");
}

#[test]
fn missing_evidence_is_reported() {
    let scenarios = "name: \"trust\"";
    let named = "`a_test_that_does_not_exist_`; fuzz target `nothing`; c_tests/malicious_broker.c: no such script; c_tests/none.c; interop: trust, none";
    assert_eq!(
        missing(named, "", scenarios),
        ["a_test_that_does_not_exist_", "nothing", "c_tests/malicious_broker.c: no such script", "c_tests/none.c", "interop: none"]
    );
}
