//! Commands in the documents: each `cargo xtask ...` is one that the runner takes. They are parsed, not run.

use clap::Parser;
use clap::error::ErrorKind;

use super::{lines, pages, read, spans};
use crate::Cli;

/// The words of a command as it stands in a document: without a comment behind it, and with what is optional.
fn words(text: &str) -> Vec<String> {
    let text = text.split(" #").next().unwrap_or_default();
    // A column that explains follows after two spaces.
    let text = text.split("  ").next().unwrap_or_default();
    let text = text.replace(['[', ']'], "").replace("...", "");
    let mut words = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        match at % 2 {
            1 => words.push(part.to_owned()),
            // N stands for a number.
            _ => words.extend(part.split_whitespace().map(|word| if word == "N" { "1".into() } else { word.to_owned() })),
        }
    }
    words.split_off(1)
}

fn refusal(command: &str) -> Option<String> {
    let error = Cli::try_parse_from(words(command)).err()?;
    (error.kind() != ErrorKind::DisplayHelp).then(|| error.to_string())
}

#[test]
fn every_command_in_the_documents_is_one_that_the_runner_takes() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for (code, line) in lines(&text) {
            let found: Vec<&str> = if code { vec![line.trim()] } else { spans(line) };
            for command in found.into_iter().filter(|command| command.starts_with("cargo xtask ")) {
                // The name of the runner, and of all its commands: `cargo xtask ...`.
                if words(command).len() < 2 {
                    continue;
                }
                count += 1;
                wrong.extend(refusal(command).map(|why| format!("{}: {command}: {why}", page.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "only {count} commands were found");
}

#[test]
fn a_command_that_does_not_exist_is_refused() {
    assert_eq!(refusal("cargo xtask c-test queue inbound    some of them"), None);
    assert_eq!(refusal("cargo xtask run APP_DIR [-- --conf FILE.json]  # a comment"), None);
    assert!(refusal("cargo xtask c-tests").is_some());
    assert!(refusal("cargo xtask demo --no-such-option").is_some());
}
