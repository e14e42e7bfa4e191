//! Tests of the documents: links lead somewhere, commands exist, and what is told of configuration, API and log lines is so.
//! Here: finding the pages and their parts. No code of the runner itself.

mod commands;
mod contents;
mod links;
mod shown;

use std::fs;
use std::path::{Path, PathBuf};

use crate::project::root;

/// All Markdown files of the project, by their paths in it.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut left = vec![root()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
                left.push(path);
            } else if name.ends_with(".md") {
                pages.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 10, "too few pages were found: {pages:?}");
    pages
}

fn read(page: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(page.as_ref())).unwrap_or_else(|e| panic!("{}: {e}", page.as_ref().display()))
}

/// The lines of a page, and whether each is code: in a fence, or indented by four after an empty line.
fn lines(text: &str) -> Vec<(bool, &str)> {
    let (mut fenced, mut indented, mut empty) = (false, false, true);
    let mut all = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        indented = line.starts_with("    ") && (indented || empty) || line.is_empty() && indented;
        all.push((fenced || indented, line));
        empty = line.is_empty();
    }
    all
}

/// What stands between single backticks.
fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split(" | ").map(str::trim).collect();
    (!inner.starts_with("---") && !inner.starts_with("--:")).then_some(cells)
}

#[test]
fn code_is_told_from_text() {
    let text = "text\n    not code\n\n    code\n\n    code\ntext\n```\ncode\n```\n";
    let code: Vec<&str> = lines(text).into_iter().filter(|(code, line)| *code && !line.is_empty()).map(|(_, line)| line.trim()).collect();
    assert_eq!(code, ["code", "code", "code"]);
    assert_eq!(spans("a `b` c `d e`."), ["b", "d e"]);
    assert_eq!(cells("| a | `b` |"), Some(vec!["a", "`b`"]));
}
