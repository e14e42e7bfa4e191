//! Links in the documents: the file and heading exist, and a test named by a link's text is in the
//! file. Also file names without a link. External links are not checked.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use project::root;
use regex::Regex;

use super::{lines, pages, read, spans};

/// Text and target of each link in a line.
fn links(line: &str) -> Vec<(&str, &str)> {
    static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?:^|\[)([^\[]*?)\]\(([^)]*)\)").unwrap());
    LINK.captures_iter(line).map(|link| link.extract().1).map(|[text, target]| (text, target)).collect()
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ')).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn headings(text: &str) -> Vec<String> {
    lines(text).into_iter().filter(|(code, line)| !code && line.starts_with('#')).map(|(_, line)| anchor(line)).collect()
}

/// What is wrong with a link on a page, if anything.
fn wrong(page: &Path, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path: PathBuf = if file.is_empty() { page.to_owned() } else { page.parent()?.join(file) };
    if !root().join(&path).exists() {
        return Some(format!("{} does not exist", path.display()));
    }
    if !heading.is_empty() && !headings(&read(&path)).iter().any(|known| known == heading) {
        return Some(format!("{} has no heading #{heading}", path.display()));
    }
    let is_source = path.extension().is_some_and(|e| e == "c" || e == "rs");
    let name = text.strip_prefix('`').and_then(|t| t.strip_suffix('`')).filter(|_| is_source)?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (is_name && !read(&path).contains(&format!(" {name}("))).then(|| format!("{} has no function {name}", path.display()))
}

#[test]
fn every_link_has_a_valid_target() {
    let mut all = Vec::new();
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for (_, line) in lines(&text).into_iter().filter(|(code, _)| !code) {
            for (text, target) in links(line) {
                count += 1;
                all.extend(wrong(&page, text, target).map(|what| format!("{}: [{text}]({target}): {what}", page.display())));
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
    assert!(count > 100, "only {count} links were found");
}

/// Whether this names a file of the project, relative to the root, the page, or src.
fn is_there(page: &Path, name: &str) -> bool {
    let here = page.parent().map(|folder| folder.join(name)).unwrap_or_default();
    [Path::new(name), &here, &Path::new("src").join(name)].iter().any(|path| root().join(path).exists())
}

#[test]
fn every_source_file_that_is_named_exists() {
    let (mut gone, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = read(&page);
        for name in text.lines().flat_map(spans).filter(|span| span.contains('/') && !span.contains(|c: char| c == ' ' || c.is_uppercase()))
        {
            if [".rs", ".c", ".h", ".txt", ".yml"].iter().any(|ending| name.ends_with(ending)) && !name.contains('*') {
                count += 1;
                if !is_there(&page, name) {
                    gone.push(format!("{}: {name}", page.display()));
                }
            }
        }
    }
    assert!(gone.is_empty(), "{}", gone.join("\n"));
    assert!(count > 20, "only {count} were found");
    assert!(is_there(Path::new("docs/x.md"), "ffi/pump.rs") && !is_there(Path::new("docs/x.md"), "ffi/none.rs"));
}

#[test]
fn broken_links_are_reported() {
    let page = Path::new("docs/architecture.md");
    assert_eq!(links("a [b](c.md) and [`d`](e.rs#f)."), [("b", "c.md"), ("`d`", "e.rs#f")]);
    assert_eq!(anchor("## set_config(), and so on"), "set_config-and-so-on");
    assert_eq!(wrong(page, "x", "differences.md#publishing"), None);
    assert!(wrong(page, "x", "no.md").is_some());
    assert!(wrong(page, "x", "differences.md#no").is_some());
    assert_eq!(wrong(page, "`overflow`", "../c_tests/queue.c"), None);
    assert!(wrong(page, "`overflown`", "../c_tests/queue.c").is_some());
}
