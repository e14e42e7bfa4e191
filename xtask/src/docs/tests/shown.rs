//! docs/security.md says of each statement what shows it. Here: that all of that is there.

use std::fs;
use std::path::Path;

use super::{cells, read, spans};
use crate::project::root;

/// All Rust sources of the project.
fn rust_sources() -> String {
    let mut all = String::new();
    let mut left = ["src", "tests", "host", "xtask", "fuzz"].map(|dir| root().join(dir)).to_vec();
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && entry.file_name() != "target" {
                left.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                all += &fs::read_to_string(&path).unwrap();
            }
        }
    }
    all
}

/// What is not there of the things that one cell names.
fn missing(cell: &str, rust: &str, talks: &str) -> Vec<String> {
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
        // Behind the tests of Rust, if there are any.
        let rest = part.rsplit_once("`, ").map_or(part, |(_, rest)| rest);
        if rest.contains('`') {
            continue;
        }
        let (place, names) = rest.split_once(": ").unwrap_or((rest, ""));
        let source = match place {
            "interop" => talks.to_owned(),
            path if Path::new(path).extension().is_some() => fs::read_to_string(root().join(path)).unwrap_or_default(),
            // In words: the same as in the row before, a whole suite.
            _ => continue,
        };
        look(!source.is_empty(), place);
        for name in names.split(", ").filter(|name| !name.is_empty()) {
            let found =
                if place == "interop" { source.contains(&format!("name: \"{name}\"")) } else { source.contains(&format!("\"{name}\"")) };
            look(found, &format!("{place}: {name}"));
        }
    }
    missing
}

#[test]
fn what_shows_that_a_statement_on_security_holds_is_there() {
    let (rust, talks) = (rust_sources(), read("xtask/src/interop/talks/mod.rs"));
    let page = read("docs/security.md");
    let mut in_table = false;
    let (mut rows, mut not_there) = (0, Vec::new());
    for line in page.lines() {
        let Some(cells) = cells(line) else {
            in_table &= line.starts_with('|');
            continue;
        };
        match cells.last() {
            Some(&"shown by") => in_table = true,
            Some(cell) if in_table => {
                rows += 1;
                not_there.extend(missing(cell, &rust, &talks));
            }
            _ => {}
        }
    }
    assert!(rows > 15, "{rows}");
    assert!(not_there.is_empty(), "docs/security.md names what is not there: {not_there:#?}");
}

#[test]
fn what_is_not_there_is_missed() {
    let talks = "name: \"trust\"";
    let named = "`a_test_that_nobody_has_written_yet_`; fuzz target `nothing`; c_tests/hostile.c: no such script; c_tests/none.c; interop: trust, none";
    assert_eq!(
        missing(named, "", talks),
        ["a_test_that_nobody_has_written_yet_", "nothing", "c_tests/hostile.c: no such script", "c_tests/none.c", "interop: none"]
    );
}
