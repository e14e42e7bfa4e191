//! Commands in the documents: the runner accepts each `cargo xtask ...`, and each command in a
//! block is run by something. Here they are parsed; examples.rs runs them.

use clap::Parser;
use clap::error::ErrorKind;

use super::super::examples;
use super::super::text::blocks;
use super::{lines, names_in, pages, read, spans};
use crate::{Cli, ci, test};

/// Programs that start a command line. Blocks also contain drawings, code and log lines.
const PROGRAMS: &str = "cargo cc ./app mos mosquitto nm openssl tshark cd sh docker git rustup sha256sum apt sudo";

/// Commands that are never run, by their start, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo xtask run my_app", "a template, not a command"),
    ("cargo xtask run examples/javascript --deps-dir", "needs mJS' sources: cargo xtask interop javascript runs the same"),
    ("git clone https://github.com/", "fetches from another machine"),
    ("mos build ", "needs Mongoose OS' build images"),
    ("nm build/objs/*.elf ", "inspects the output of mos build"),
    ("git -C target/dist/release/mqtt push ", "publishes a release"),
    ("sha256sum --check ", "needs a release; cargo xtask dist --check compares the same checksums"),
];

/// Whether a CI step runs this command, possibly with other options: the demo, the tests, dist,
/// size ...
fn is_a_step(command: &str) -> bool {
    let steps = [ci::STEPS, test::STEPS, test::MORE].concat().into_iter().map(|(_, step)| step);
    let name = command.strip_prefix("cargo xtask ").and_then(|rest| rest.split_whitespace().next());
    steps.filter(|step| step[0] == "xtask").any(|step| Some(step[1]) == name)
}

/// Whether `cargo xtask docs` runs the block.
fn is_example(page: &str, block: &[&str]) -> bool {
    examples::ALL
        .iter()
        .any(|example| example.page == page && block.iter().any(|line| example.known_by.iter().any(|start| line.starts_with(start))))
}

#[test]
fn every_command_in_a_block_is_run_by_an_example_or_a_ci_step() {
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
                if PROGRAMS.split(' ').any(|known| known == program) && !known {
                    by_nobody.push(format!("{page}: {line}"));
                }
            }
        }
    }
    assert!(by_nobody.is_empty(), "not run anywhere:\n{}", by_nobody.join("\n"));
    assert!(unused.is_empty(), "no longer in any document: {unused:?}");
    assert!(examples_found >= examples::ALL.iter().filter(|example| !example.known_by.is_empty()).count(), "{examples_found}");
    assert!(is_a_step("cargo xtask dist") && !is_a_step("cargo xtask run examples/tls") && !is_a_step("cc app.c"));
}

/// Splits a command of a document into words, without a trailing comment and including optional
/// parts.
fn words(text: &str) -> Vec<String> {
    // An explanation follows after two spaces.
    let text = text.split("  ").next().unwrap_or_default();
    let words = shlex::split(&text.replace(['[', ']'], "").replace("...", "")).unwrap_or_default();
    // N stands for a number, NAME for a broker's.
    let meant = |word: String| match word.as_str() {
        "N" => "1".into(),
        "NAME" => "mosquitto".into(),
        _ => word,
    };
    words.into_iter().skip(1).map(meant).collect()
}

fn refusal(command: &str) -> Option<String> {
    let error = Cli::try_parse_from(words(command)).err()?;
    (error.kind() != ErrorKind::DisplayHelp).then(|| error.to_string())
}

#[test]
fn the_runner_accepts_every_command_in_the_documents() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for (code, line) in lines(&text) {
            let found: Vec<&str> = if code { vec![line.trim()] } else { spans(line) };
            for command in found.into_iter().filter(|command| command.starts_with("cargo xtask ")) {
                // The runner itself or all its commands: `cargo xtask ...`.
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
fn every_c_example_says_how_to_run_it_on_the_host() {
    let mut count = 0;
    for name in names_in("examples") {
        let Ok(source) = project::read(format!("examples/{name}/src/main.c")) else { continue };
        count += 1;
        // The TLS example has its own page, as it needs certificates.
        let text = project::read(format!("examples/{name}/README.md")).unwrap_or(source);
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
