//! Tests of the documents: links are valid, commands exist, and statements about configuration, API
//! and log lines are true. Here: finding pages, and helpers.

mod commands;
mod contents;
mod differences;
mod evidence;
mod file_headers;
mod interop;
mod links;

use std::path::{Path, PathBuf};

use project::{files, root};

use super::text::{lines, spans, tables};

/// All Markdown files of the project, with paths relative to its root.
fn pages() -> Vec<PathBuf> {
    let mut pages = files::of_project().unwrap();
    pages.retain(|file| files::ends_in(file, &["md"]));
    assert!(pages.len() > 10, "too few pages were found: {pages:?}");
    pages
}

fn read(page: impl AsRef<Path>) -> String {
    project::read(page).unwrap()
}

/// The names of what is in a directory.
fn names_in(dir: &str) -> Vec<String> {
    let paths = files::list(&root().join(dir)).unwrap();
    paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}
