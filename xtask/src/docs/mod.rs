//! Keeps documents and reality in agreement: `cargo xtask docs` runs commands that the documents
//! show, verbatim; tests check the rest. Here: the command. Elsewhere: book (the documents as HTML),
//! examples (what is run), sandbox (where), tests, text (parsing pages).

pub mod book;
mod examples;
mod sandbox;
#[cfg(test)]
mod tests;
pub mod text;

use std::time::Instant;

use anyhow::{Result, bail};
use interop::scenarios;
use project::setup;
use test_kit::{broker::Broker as _, mosquitto::Mosquitto, observer};

#[derive(clap::Args)]
pub struct Args {
    /// Build the documents and the C reference as HTML instead, and show them
    #[arg(long, conflicts_with = "words")]
    open: bool,
    /// Only examples whose name contains one of these words, for example: tls, trace
    words: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    if args.open {
        return book::open();
    }
    let wanted = |example: &&examples::Example| args.words.is_empty() || args.words.iter().any(|word| example.name.contains(word.as_str()));
    let chosen: Vec<_> = examples::ALL.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<_> = examples::ALL.iter().map(|example| example.name).collect();
        bail!("no example matches; examples: {}", names.join(", "));
    }
    setup::ensure(&[setup::COMPILERS, setup::TEST_TOOLS, observer::PACKAGES, scenarios::PACKAGES, Mosquitto.about().packages].concat())?;
    // Built first, as it takes longest, so that no example's time limit includes it.
    host_app::host_library(false)?;
    for example in chosen {
        let begun = Instant::now();
        example.run()?;
        println!("ok  {:14} {:24} {:5.1} s", example.name, example.page, begun.elapsed().as_secs_f64());
    }
    Ok(())
}
