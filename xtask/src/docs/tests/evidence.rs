//! docs/security.md and docs/testing.md name the evidence for each statement. Here: that it exists.

use std::fs;
use std::path::Path;

use project::root;

use super::{cells, read, spans};

/// All Rust sources of the project.
pub fn rust_sources() -> String {
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
            path if Path::new(path).extension().is_some() => fs::read_to_string(root().join(path)).unwrap_or_default(),
            // Prose: the same as in the row before, a whole suite.
            _ => continue,
        };
        look(!source.is_empty(), source_name);
        for name in names.split(", ").filter(|name| !name.is_empty()) {
            let found = if source_name == "interop" {
                source.contains(&format!("name: \"{name}\""))
            } else {
                source.contains(&format!("\"{name}\""))
            };
            look(found, &format!("{source_name}: {name}"));
        }
    }
    missing
}

/// The last cell of each row in tables whose last column is "shown by".
fn shown_by(page: &str) -> Vec<&str> {
    let (mut found, mut in_table) = (Vec::new(), false);
    for line in page.lines() {
        let Some(cells) = cells(line) else {
            in_table &= line.starts_with('|');
            continue;
        };
        match cells.last() {
            Some(&"shown by") => in_table = true,
            Some(cell) if in_table => found.push(*cell),
            _ => {}
        }
    }
    found
}

#[test]
fn the_evidence_for_each_statement_exists() {
    let (rust, scenarios) = (rust_sources(), read("e2e/interop/src/scenarios/mod.rs"));
    for name in ["docs/security.md", "docs/testing.md"] {
        let page = read(name);
        let cells = shown_by(&page);
        assert!(cells.len() > 15, "{name}: {}", cells.len());
        let absent: Vec<String> = cells.iter().flat_map(|cell| missing(cell, &rust, &scenarios)).collect();
        assert!(absent.is_empty(), "{name} names missing evidence: {absent:#?}");
    }
}

/// The names of the tests in a source.
fn tests_in(source: &str) -> Vec<&str> {
    source.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next()).collect()
}

#[test]
fn the_table_of_the_field_lists_each_field_test() {
    let page = read("docs/testing.md");
    let folder = fs::read_dir(root().join("tests/field")).unwrap().flatten();
    let sources: Vec<String> = folder.map(|entry| fs::read_to_string(entry.path()).unwrap()).collect();
    let tests: Vec<&str> = sources.iter().flat_map(|source| tests_in(source)).collect();
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
