//! Each source file starts with two or three lines that say what it contains. Here: that they
//! exist, not that they are true. Generated files name the command that generates them instead.

use std::path::PathBuf;

use project::files;

use super::read;

const ENDINGS: &[&str] = &["rs", "c", "h", "cpp", "js", "py", "awk", "sh"];

/// A single line suffices if it is this long.
const MIN_LENGTH: usize = 60;

fn sources() -> Vec<PathBuf> {
    let mut found = files::of_project().unwrap();
    found.retain(|file| files::ends_in(file, ENDINGS));
    assert!(found.len() > 300, "only {} sources were found", found.len());
    found
}

/// The leading comment of a file, line by line.
fn file_header(text: &str) -> Vec<&str> {
    let mut lines = text.lines().skip_while(|line| line.starts_with("#!") || line.trim().is_empty() || *line == "#pragma once").peekable();
    let mut said = Vec::new();
    if lines.peek().is_some_and(|line| line.starts_with("/*")) {
        for line in lines {
            said.push(line.trim().trim_start_matches(['/', '*']).trim_end_matches(['/', '*']).trim());
            if line.contains("*/") {
                break;
            }
        }
    } else {
        let is_comment = |line: &&str| line.starts_with("//") || *line == "#" || line.starts_with("# ");
        said.extend(lines.take_while(is_comment).map(|line| line.trim_start_matches(['/', '!', '#']).trim()));
    }
    said.retain(|line| !line.is_empty());
    said
}

/// What is missing, if anything.
fn problem(text: &str) -> Option<&'static str> {
    let said = file_header(text);
    if said.iter().any(|line| line.contains("do not edit, run `cargo xtask ")) {
        return None;
    }
    match said.as_slice() {
        [] => Some("starts without a comment that says what it contains"),
        [line] if line.chars().count() < MIN_LENGTH => Some("has too short a leading comment"),
        _ => None,
    }
}

#[test]
fn every_source_file_starts_by_saying_what_it_contains() {
    let problems: Vec<String> =
        sources().iter().filter_map(|path| problem(&read(path)).map(|what| format!("{} {what}", path.display()))).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn file_headers_are_found_in_every_language_and_missing_ones_reported() {
    assert_eq!(file_header("#!/bin/sh\n# One.\n#\n# Two.\nset -e # no\n"), ["One.", "Two."]);
    assert_eq!(file_header("//! One.\n//! Two.\n\n//! Three.\n"), ["One.", "Two."]);
    assert_eq!(file_header("#pragma once\n\n/* One.\n * Two. */\n/* Three. */\n"), ["One.", "Two."]);
    assert!(problem("#include <stdio.h>\n").is_some() && problem("use std::fs;\n").is_some() && problem("").is_some());
    assert!(problem("/* Tests. */\n").is_some());
    assert_eq!(problem("/*\n * Made by a tool: do not edit, run `cargo xtask header`.\n */\n"), None);
}
