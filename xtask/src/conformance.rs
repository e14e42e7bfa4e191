//! `cargo xtask conformance`: generates the table in docs/testing.md of the MQTT 3.1.1 statements that
//! apply to clients and the tests that cover each.
//!
//! A test covers a statement by its name: mqtt_2_3_1_2_... covers [MQTT-2.3.1-2]. Others are named
//! in statements.rs. With --check nothing is written; a statement without a test, an unknown test
//! or statement, or a stale table is an error.

mod statements;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use project::{root, write_if_changed};
use statements::{STATEMENTS, Statement};

#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if the table is stale
    #[arg(long)]
    check: bool,
}

const PAGE: &str = "docs/testing.md";

/// The lines between which the table is.
const BEGIN: &str = "<!-- Written by `cargo xtask conformance`; checked by `cargo xtask conformance --check`. -->\n";
const END: &str = "<!-- End of what `cargo xtask conformance` writes. -->\n";

/// Where Rust tests are searched.
const RUST: [&str; 3] = ["src", "tests", "host/src"];

pub fn run(args: Args) -> Result<()> {
    let path = root().join(PAGE);
    let old = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let new = replaced(&old, &table(STATEMENTS, &root())?)?;
    if !args.check {
        return write_if_changed(&path, &new);
    }
    if old != new {
        bail!("{PAGE} is stale: run cargo xtask conformance");
    }
    println!("{} statements, each covered by a test", STATEMENTS.len());
    Ok(())
}

/// The page with this table.
fn replaced(page: &str, table: &str) -> Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.with_context(|| format!("{PAGE} lacks the lines between which the table is"))?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

/// Renders the table, or fails with all problems found.
fn table(statements: &[Statement], root: &Path) -> Result<String> {
    let rust = rust_tests(root)?;
    let mut wrong = Vec::new();
    let mut claimed = BTreeSet::new();
    let mut rows = String::new();
    for Statement { id, requirement, also } in statements {
        let prefix = format!("mqtt_{}_", id.replace(['.', '-'], "_"));
        let mut tests: Vec<String> = Vec::new();
        for (name, file) in rust.iter().filter(|(name, _)| name.starts_with(&prefix) && number_of(name) == Some(id_of(&prefix))) {
            claimed.insert(name.clone());
            tests.push(link(name, file));
        }
        for name in *also {
            match find(name, &rust, root) {
                Some(found) => tests.push(found),
                None => wrong.push(format!("{id}: unknown test {name}")),
            }
        }
        if tests.is_empty() {
            wrong.push(format!("{id}: no test covers it"));
        }
        writeln!(rows, "| {id} | {requirement} | {} |", tests.join("<br>"))?;
    }
    let strays = rust.keys().filter(|name| number_of(name).is_some() && !claimed.contains(*name));
    wrong.extend(strays.map(|name| format!("{name}: its statement is not in xtask/src/conformance/statements.rs")));
    if !wrong.is_empty() {
        bail!("conformance:\n  {}", wrong.join("\n  "));
    }
    Ok(format!("{HEAD}{rows}"))
}

const HEAD: &str = "| statement | requirement | tests |\n|---|---|---|\n";

fn link(name: &str, file: &str) -> String {
    format!("[{name}](../{file})")
}

fn id_of(prefix: &str) -> &str {
    prefix.trim_start_matches("mqtt_").trim_end_matches('_')
}

/// The statement's number in a test's name, `2_3_1_2`, if any.
fn number_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("mqtt_")?;
    let end = rest.char_indices().find(|(_, c)| !c.is_ascii_digit() && *c != '_').map_or(rest.len(), |(i, _)| i);
    let number = rest[..end].trim_end_matches('_');
    (number.matches('_').count() >= 2).then_some(number)
}

/// Finds a test by its name or as `c_tests/file.c:function`.
fn find(name: &str, rust: &BTreeMap<String, String>, root: &Path) -> Option<String> {
    let Some((file, function)) = name.split_once(':') else {
        return rust.get(name).map(|file| link(name, file));
    };
    let text = fs::read_to_string(root.join(file)).ok()?;
    text.contains(&format!(" {function}(void) {{")).then(|| link(name, file))
}

/// All Rust tests, with their files.
fn rust_tests(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut tests = BTreeMap::new();
    let mut left: Vec<_> = RUST.iter().map(|dir| root.join(dir)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
            left.extend(entries.flatten().map(|entry| entry.path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let mut lines = text.lines().map(str::trim).peekable();
            while let Some(line) = lines.next() {
                if line == "#[test]"
                    && let Some(name) = lines.peek().and_then(|l| l.strip_prefix("fn ")).and_then(|l| l.split('(').next())
                {
                    tests.insert(name.to_owned(), file.clone());
                }
            }
        }
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, Statement, number_of, replaced, table};

    #[test]
    fn a_tests_statement_number_is_parsed_from_its_name() {
        assert_eq!(number_of("mqtt_2_3_1_2_a_new_packet"), Some("2_3_1_2"));
        assert_eq!(number_of("mqtt_2_2_3_a_length"), Some("2_2_3"));
        assert_eq!(number_of("mqtt_is_fine"), None);
        assert_eq!(number_of("other"), None);
    }

    /// Renders the table of one statement and one test file.
    fn wrong(statement: Statement, source: &str) -> String {
        let root = tempfile::tempdir().unwrap();
        for dir in super::RUST {
            std::fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        std::fs::write(root.path().join("src/tests.rs"), source).unwrap();
        table(&[statement], root.path()).map_or_else(|e| e.to_string(), |_| String::new())
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let page = format!("# Testing\n{BEGIN}\n| old |\n\n{END}More.\n");
        assert_eq!(replaced(&page, "| new |\n").unwrap(), format!("# Testing\n{BEGIN}\n| new |\n\n{END}More.\n"));
        assert!(replaced("# Testing\n", "| new |\n").is_err());
    }

    #[test]
    fn statements_without_tests_and_tests_without_statements_are_found() {
        const LISTED: Statement = Statement { id: "9.1.1-1", requirement: "something", also: &[] };
        assert_eq!(wrong(LISTED, "#[test]\nfn mqtt_9_1_1_1_is_so() {}\n"), "");
        assert!(wrong(LISTED, "fn mqtt_9_1_1_1_is_so() {}\n").contains("9.1.1-1: no test covers it"));
        assert!(wrong(LISTED, "#[test]\nfn mqtt_9_1_1_12_is_so() {}\n").contains("mqtt_9_1_1_12_is_so: its statement"));
        let gone = Statement { also: &["c_tests/no.c:test"], ..LISTED };
        assert!(wrong(gone, "#[test]\nfn mqtt_9_1_1_1_is_so() {}\n").contains("9.1.1-1: unknown test c_tests/no.c:test"));
    }
}
