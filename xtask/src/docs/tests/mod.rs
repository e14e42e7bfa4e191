//! Tests of the documents: links are valid, commands exist, and statements about configuration, API
//! and log lines are true. Here: finding pages, and helpers.

mod commands;
mod contents;
mod differences;
mod evidence;
mod file_headers;
mod interop;
mod links;

use std::fs;
use std::path::{Path, PathBuf};

use project::root;

use super::text::{lines, spans};

/// All Markdown files of the project, with paths relative to its root.
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

/// The cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    (!inner.starts_with("---") && !inner.starts_with("--:")).then_some(cells)
}

#[test]
fn a_row_is_distinguished_from_the_separator() {
    assert_eq!(cells("| a | `b` |"), Some(vec!["a", "`b`"]));
    assert_eq!(cells("| a | | |"), Some(vec!["a", "", ""]));
    assert_eq!(cells("|---|---|"), None);
}
