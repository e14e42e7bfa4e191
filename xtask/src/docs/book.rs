//! The documents as HTML: docs/ as a book by mdBook, the C headers by doxygen. The pages' links to
//! files outside docs/ lead to the repository, or where it has no address yet to this clone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;
use project::files;
use project::setup::{self, Package, program};
use project::tools::Tool;

/// Without its server.
const MDBOOK: Tool = Tool { name: "mdbook", version: "0.5.4", options: &["--no-default-features", "--features", "search"] };

pub const PACKAGES: &[Package] = &[program("doxygen", "doxygen")];

const DOXYFILE: &str = include_str!("Doxyfile");

/// The first page of the C reference.
const FRONT: &str = "/** @mainpage
 * - mgos_mqtt.h: the global connection, which most apps need.
 * - mgos_mqtt_conn.h: any number of connections.
 */
";

/// Where links to files outside docs/ lead.
fn repository() -> String {
    match env!("CARGO_PKG_REPOSITORY") {
        "" => format!("file://{}", project::root().display()),
        address => format!("{address}/blob/main"),
    }
}

/// Builds book and reference, and shows them.
pub fn open() -> Result<()> {
    let html = build()?;
    let first = html.join("index.html");
    println!("{}\n{}", first.display(), html.join("reference/index.html").display());
    if project::has_program("xdg-open") {
        project::run(Command::new("xdg-open").arg(&first))?;
    }
    Ok(())
}

fn build() -> Result<PathBuf> {
    let mdbook = MDBOOK.ensure()?;
    let book = project::target_dir().join("book");
    let (pages, html) = (book.join("src"), book.join("html"));
    files::empty_dir(&pages)?;
    let repository = repository();
    for path in files::list(&project::root().join("docs"))? {
        let to = pages.join(path.file_name().unwrap_or_default());
        if files::ends_in(&path, &["md"]) {
            fs::write(to, for_book(&project::read(&path)?, &repository))?;
        } else {
            fs::copy(&path, to)?;
        }
    }
    project::run(Command::new(mdbook).arg("build").arg(&pages).arg("--dest-dir").arg(&html))?;
    reference(&html.join("reference"))?;
    Ok(html)
}

/// The page with links to files outside docs/ that work from the book.
fn for_book(page: &str, repository: &str) -> String {
    page.replace("](../include/mgos_mqtt.h)", "](reference/mgos__mqtt_8h.html)")
        .replace("](../include/mgos_mqtt_conn.h)", "](reference/mgos__mqtt__conn_8h.html)")
        .replace("](../", &format!("]({repository}/"))
}

/// Makes the C reference in this directory. What is undocumented or documented wrongly is an error.
pub fn reference(dir: &Path) -> Result<()> {
    setup::ensure(PACKAGES)?;
    fs::create_dir_all(dir)?;
    let [front, doxyfile] = ["front.dox", "Doxyfile"].map(|name| project::target_dir().join(name));
    fs::write(&front, FRONT)?;
    fs::write(&doxyfile, format!("{DOXYFILE}INPUT += \"{}\"\nOUTPUT_DIRECTORY = \"{}\"\n", front.display(), dir.display()))?;
    project::run(Command::new("doxygen").arg(&doxyfile).current_dir(project::root()))
        .context("doxygen finds errors in the comments of include/*.h, which are written in src/ffi")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_the_book_lead_to_the_repository_and_headers_to_the_reference() {
        let page = "[a](b.md#c), [d](../src/e.rs), [`f`](../include/mgos_mqtt.h)";
        assert_eq!(for_book(page, "R"), "[a](b.md#c), [d](R/src/e.rs), [`f`](reference/mgos__mqtt_8h.html)");
    }

    #[test]
    fn the_summary_lists_each_page_once() {
        let docs = project::root().join("docs");
        let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
        for path in files::list(&docs).unwrap() {
            let name = path.file_name().unwrap().to_string_lossy();
            if name.ends_with(".md") && name != "SUMMARY.md" {
                assert_eq!(summary.matches(&format!("]({name})")).count(), 1, "{name}");
            }
        }
    }
}
