//! `cargo xtask conformance`: completes the table in docs/testing.md of the MQTT 3.1.1 statements that
//! apply to clients and the tests that cover each.
//!
//! A test covers a statement by its name: mqtt_2_3_1_2_... covers [MQTT-2.3.1-2], and is written into
//! its row. What else a row says is written by hand: its requirement, and links to other tests, by
//! name or as `c_tests/file.c:function`. With --check nothing is written; a stale table is an error.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use project::{files, root};
use regex::{Captures, Regex};

#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if the table is stale
    #[arg(long)]
    check: bool,
}

const PAGE: &str = "docs/testing.md";

/// The lines between which the table is.
const BEGIN: &str = "<!-- `cargo xtask conformance` writes the tests that are named after a statement; the rest is written here. -->\n";
const END: &str = "<!-- End of the table. -->\n";

/// Where Rust tests are searched.
const RUST: [&str; 3] = ["src", "tests", "host/src"];

pub fn run(args: Args) -> Result<()> {
    let old = project::read(PAGE)?;
    let (new, count) = completed(&old, &rust_tests()?)?;
    if !args.check {
        return project::write_if_changed(&root().join(PAGE), &new);
    }
    ensure!(old == new, "{PAGE} is stale: run cargo xtask conformance");
    println!("{count} statements, each covered by a test");
    Ok(())
}

/// The page with the tests named after each statement in its row, and the number of statements. Fails
/// with all problems found: a statement without a test, an unknown test or statement.
fn completed(page: &str, rust: &BTreeMap<String, String>) -> Result<(String, usize)> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (table, after)) = parts.with_context(|| format!("{PAGE} lacks the lines between which the table is"))?;
    let (row, link) = (Regex::new(r"(?m)^\| ([\d.-]+) \| (.+) \| (.*) \|$")?, Regex::new(r"\[([\w./:]+)\]\(")?);
    let (mut wrong, mut statements) = (Vec::new(), BTreeSet::new());
    let table = row.replace_all(table, |row: &Captures| {
        let (id, number) = (&row[1], row[1].replace(['.', '-'], "_"));
        let is_after = |name: &str| number_of(name) == Some(&number);
        let mut tests: Vec<_> = rust.iter().filter(|(name, _)| is_after(name)).map(|(name, file)| (name.as_str(), file.as_str())).collect();
        for (_, [name]) in link.captures_iter(&row[3]).map(|link| link.extract()).filter(|(_, [name])| !is_after(name)) {
            match find(name, rust) {
                Some(file) => tests.push((name, file)),
                None => wrong.push(format!("{id}: unknown test {name}")),
            }
        }
        if tests.is_empty() {
            wrong.push(format!("{id}: no test covers it"));
        }
        statements.insert(number.clone());
        let links: Vec<_> = tests.iter().map(|(name, file)| format!("[{name}](../{file})")).collect();
        format!("| {id} | {} | {} |", &row[2], links.join("<br>"))
    });
    // Behind the head.
    wrong.extend(table.lines().skip(3).filter(|line| !line.is_empty() && !row.is_match(line)).map(|line| format!("not a row: {line}")));
    let strays = rust.keys().filter(|name| number_of(name).is_some_and(|number| !statements.contains(number)));
    wrong.extend(strays.map(|name| format!("{name}: its statement is not in {PAGE}")));
    ensure!(wrong.is_empty(), "conformance:\n  {}", wrong.join("\n  "));
    Ok((format!("{before}{BEGIN}{table}{END}{after}"), statements.len()))
}

/// The statement's number in a test's name, `2_3_1_2`, if any.
fn number_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("mqtt_")?;
    let number = rest.split(|c: char| !c.is_ascii_digit() && c != '_').next()?.trim_end_matches('_');
    (number.matches('_').count() >= 2).then_some(number)
}

/// The file with a test, given by its name or as `c_tests/file.c:function`.
fn find<'a>(name: &'a str, rust: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let Some((file, function)) = name.split_once(':') else { return rust.get(name).map(String::as_str) };
    project::read(file).ok()?.contains(&format!(" {function}(void) {{")).then_some(file)
}

/// All Rust tests, with their files.
fn rust_tests() -> Result<BTreeMap<String, String>> {
    let test = Regex::new(r"#\[test\]\s+fn (\w+)\(")?;
    let mut tests = BTreeMap::new();
    for path in files::of_project()? {
        if files::ends_in(&path, &["rs"]) && RUST.iter().any(|dir| path.starts_with(dir)) {
            let file = path.display().to_string();
            tests.extend(test.captures_iter(&project::read(&path)?).map(|test| (test[1].to_owned(), file.clone())));
        }
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tests_statement_number_is_parsed_from_its_name() {
        assert_eq!(number_of("mqtt_2_3_1_2_a_new_packet"), Some("2_3_1_2"));
        assert_eq!(number_of("mqtt_2_2_3_a_length"), Some("2_2_3"));
        assert_eq!(number_of("mqtt_is_fine"), None);
        assert_eq!(number_of("other"), None);
    }

    /// What becomes of a table with one row, with these Rust tests.
    fn table(row: &str, tests: &[&str]) -> Result<String> {
        let head = "\n| statement | requirement | tests |\n|---|---|---|\n";
        let tests = tests.iter().map(|name| (name.to_string(), "src/a.rs".to_owned())).collect();
        let (page, count) = completed(&format!("# Testing\n{BEGIN}{head}{row}\n\n{END}More.\n"), &tests)?;
        assert_eq!(count, 1);
        let (before, after) = (format!("# Testing\n{BEGIN}{head}"), format!("\n\n{END}More.\n"));
        Ok(page.strip_prefix(&before).and_then(|page| page.strip_suffix(&after)).context("only the table is replaced")?.to_owned())
    }

    #[test]
    fn tests_named_after_a_statement_are_written_before_others() {
        let expected = "| 9.1.1-1 | something | [mqtt_9_1_1_1_is_so](../src/a.rs)<br>[other](../src/a.rs) |";
        let gone = "| 9.1.1-1 | something | [mqtt_9_1_1_1_was_so](../src/b.rs)<br>[other](../src/b.rs) |";
        assert_eq!(table(gone, &["other", "mqtt_9_1_1_1_is_so"]).unwrap(), expected);
        assert!(completed("# Testing\n", &BTreeMap::new()).is_err());
    }

    #[test]
    fn statements_without_tests_and_tests_without_statements_are_found() {
        let wrong = |row: &str, tests: &[&str]| table(row, tests).unwrap_err().to_string();
        assert!(wrong("| 9.1.1-1 | something |  |", &[]).contains("9.1.1-1: no test covers it"));
        assert!(wrong("| 9.1.1-1 | something |  |", &["mqtt_9_1_1_12_is_so"]).contains("mqtt_9_1_1_12_is_so: its statement"));
        assert!(wrong("| 9.1.1-1 | something | [c_tests/no.c:test](x) |", &[]).contains("9.1.1-1: unknown test c_tests/no.c:test"));
        assert!(wrong("| 9.1.1 1 | something | [other](x) |", &["other"]).contains("not a row: | 9.1.1 1"));
    }
}
