//! Commands in the documents: each `cargo xtask ...` is one that the runner takes, and each that stands in a block is run by somebody.
//! Here they are parsed; examples.rs runs them.

use std::fs;

use clap::Parser;
use clap::error::ErrorKind;

use super::super::examples;
use super::super::text::blocks;
use super::{lines, pages, read, spans};
use crate::project::root;
use crate::{Cli, ci, test};

/// How the line of a block begins that is a command. In blocks stand also drawings, code and log lines.
const PROGRAMS: &[&str] =
    &["cargo", "cc", "./app", "mos", "mosquitto", "nm", "openssl", "tshark", "cd", "sh", "docker", "rustup", "apt", "sudo"];

/// What is run nowhere, by how it begins, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo xtask run APP_DIR", "no command, but the form of many"),
    ("mos build ", "takes Mongoose OS' build images, which are not to be had here"),
    ("nm build/objs/*.elf ", "looks at what mos build has made"),
    ("cd target/dist/mqtt && sha256sum ", "takes a release; cargo xtask dist --check compares the same sums in the same file"),
];

/// Whether a step of CI runs a command of the runner's, be it with other options: the demo, the tests, dist, size ...
fn is_a_step(command: &str) -> bool {
    let steps = ci::STEPS.iter().chain(&test::STEPS).map(|(_, step)| *step);
    let name = command.strip_prefix("cargo xtask ").and_then(|rest| rest.split_whitespace().next());
    steps.filter(|step| step[0] == "xtask").any(|step| Some(step[1]) == name)
}

/// Whether the block is one that `cargo xtask docs` follows.
fn is_example(page: &str, block: &[&str]) -> bool {
    examples::ALL
        .iter()
        .any(|example| example.page == page && block.iter().any(|line| example.known_by.iter().any(|start| line.starts_with(start))))
}

#[test]
fn every_command_in_a_block_is_run_by_an_example_or_a_step_of_ci() {
    let (mut by_nobody, mut examples_found, mut unused) = (Vec::new(), 0, NOT_RUN.to_vec());
    for page in pages() {
        let text = read(&page);
        let page = page.display().to_string();
        for block in blocks(&text) {
            if is_example(&page, &block) {
                examples_found += 1;
                continue;
            }
            for line in block.iter().map(|line| line.trim()) {
                let program = line.split_whitespace().next().unwrap_or_default();
                unused.retain(|(start, _)| !line.starts_with(start));
                let known = is_a_step(line) || NOT_RUN.iter().any(|(start, _)| line.starts_with(start));
                if PROGRAMS.contains(&program) && !known {
                    by_nobody.push(format!("{page}: {line}"));
                }
            }
        }
    }
    assert!(by_nobody.is_empty(), "nobody runs:\n{}", by_nobody.join("\n"));
    assert!(unused.is_empty(), "in no document any more: {unused:?}");
    assert!(examples_found >= examples::ALL.len(), "{examples_found}");
    assert!(is_a_step("cargo xtask dist") && !is_a_step("cargo xtask run examples/tls") && !is_a_step("cc app.c"));
}

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
fn every_example_in_c_says_how_to_run_it_here() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("examples")).unwrap().flatten() {
        let (folder, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let Ok(source) = fs::read_to_string(folder.join("src/main.c")) else { continue };
        count += 1;
        // The one for TLS has it on a page of its own, as it takes certificates.
        let text = fs::read_to_string(folder.join("README.md")).unwrap_or(source);
        let command = text.lines().find_map(|line| line.find("cargo xtask run").map(|at| &line[at..])).unwrap_or_default();
        assert!(command.contains(&format!("examples/{name}")), "examples/{name}/src/main.c does not say how to run it: {command:?}");
        assert_eq!(refusal(command), None, "{command}");
    }
    assert!(count >= 5, "{count}");
}

#[test]
fn a_command_that_does_not_exist_is_refused() {
    assert_eq!(refusal("cargo xtask c-test queue inbound    some of them"), None);
    assert_eq!(refusal("cargo xtask run APP_DIR [-- --conf FILE.json]  # a comment"), None);
    assert!(refusal("cargo xtask c-tests").is_some());
    assert!(refusal("cargo xtask demo --no-such-option").is_some());
}
