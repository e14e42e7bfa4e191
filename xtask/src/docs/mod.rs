//! The documents against what is: `cargo xtask docs` runs commands that they show, as they stand there; tests look at all the rest.
//! Here: the command. Not here: what is run (walks) and where (sandbox), the tests, and what a page consists of (text).

mod examples;
mod sandbox;
#[cfg(test)]
mod tests;
mod text;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::interop::{broker::Broker as _, mosquitto::Mosquitto, observer, scenarios};
use crate::{app, setup};

#[derive(clap::Args)]
pub struct Args {
    /// Only walks with one of these words in their name, as in: tls, trace
    words: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    let wanted = |example: &&examples::Example| args.words.is_empty() || args.words.iter().any(|word| example.name.contains(word.as_str()));
    let chosen: Vec<_> = examples::ALL.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<_> = examples::ALL.iter().map(|example| example.name).collect();
        bail!("no walk is called so; there are: {}", names.join(", "));
    }
    for packages in [setup::COMPILERS, setup::TEST_TOOLS, observer::PACKAGES, scenarios::PACKAGES] {
        setup::ensure(packages)?;
    }
    Mosquitto.install()?;
    // What takes longest of what the commands build, so that no walk has to wait for it.
    app::host_library(false)?;
    for example in chosen {
        let begun = Instant::now();
        example.run()?;
        println!("ok  {:14} {:24} {:5.1} s", example.name, example.page, begun.elapsed().as_secs_f64());
    }
    Ok(())
}
