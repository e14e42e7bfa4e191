//! The files that a manifest's `sources` and `filesystem` name, as the mos tool reads them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use project::files;

use super::Language;
use crate::manifest::FsFilter;

/// The C and C++ files of `sources`.
pub fn sources(entries: &[String], dir: &Path) -> Result<Vec<PathBuf>> {
    files(entries, dir, |file| Language::of(file).is_some())
}

/// The files of `filesystem`, without those that a filter excludes.
pub fn filesystem(entries: &[String], filters: &[FsFilter], dir: &Path) -> Result<Vec<PathBuf>> {
    let filters = filters.iter().map(|filter| {
        let pattern = glob::Pattern::new(&filter.pattern).with_context(|| format!("fs_filters: {:?}", filter.pattern))?;
        Ok((pattern, filter.include))
    });
    let filters: Vec<_> = filters.collect::<Result<_>>()?;
    let included = |file: &Path| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        filters.iter().find(|(pattern, _)| pattern.matches(&name)).is_none_or(|(_, include)| *include)
    };
    files(entries, dir, included)
}

/// An entry is a directory (its files, not recursively), a file, or a pattern with `*`. One that
/// names nothing is not an error: manifests name directories of all platforms. A leading `-`
/// excludes files, a leading `+` means nothing.
fn files(entries: &[String], dir: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut excluded = BTreeSet::new();
    for entry in entries {
        match entry.strip_prefix('-') {
            Some(entry) => excluded.extend(matching(entry, dir, &wanted)?),
            None => found.extend(matching(entry.strip_prefix('+').unwrap_or(entry), dir, &wanted)?),
        }
    }
    // Twice the same is once.
    found.retain(|file| excluded.insert(file.clone()));
    Ok(found)
}

fn matching(entry: &str, dir: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let path = dir.join(entry);
    let mut files = if path.is_dir() {
        files::list(&path)?
    } else if path.is_file() {
        vec![path]
    } else {
        let pattern = if Path::new(entry).is_absolute() {
            entry.to_owned()
        } else {
            format!("{}/{entry}", glob::Pattern::escape(&dir.display().to_string()))
        };
        glob::glob(&pattern).with_context(|| format!("{entry:?} is not a pattern for files"))?.collect::<Result<_, _>>()?
    };
    files.retain(|file| file.is_file() && wanted(file));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_directories_files_and_patterns_and_a_minus_excludes() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["src/b.c", "src/a.cpp", "src/a.h", "src/deep/c.c", "more/x_1.c", "more/x_2.c", "one.c"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = |entries: &[&str]| -> Vec<String> {
            let entries: Vec<String> = entries.iter().map(|entry| (*entry).into()).collect();
            let files = sources(&entries, dir.path()).unwrap();
            files.iter().map(|file| file.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(found(&["src", "+more/*", "one.c", "src/b.c"]), ["src/a.cpp", "src/b.c", "more/x_1.c", "more/x_2.c", "one.c"]);
        assert_eq!(found(&["*/*.c", "-more/x_2.c", "-src"]), ["more/x_1.c"]);
        assert!(found(&["src/esp32", "nosuch/*.c"]).is_empty());
    }

    #[test]
    fn the_first_filter_that_matches_a_name_decides() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["init.js", "other.js", "page.html"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let filter = |pattern: &str, include| FsFilter { pattern: pattern.into(), include };
        let filters = [filter("init*", true), filter("*.js", false)];
        let files = filesystem(&[".".into()], &filters, dir.path()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["init.js", "page.html"]);
    }
}
