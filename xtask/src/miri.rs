//! `cargo xtask miri`: the library's tests under Miri, which sees undefined behaviour that no run on a machine shows.
//!
//! wire, session, conn and heap, as far as their unit tests go. Not ffi: the pump calls C, which Miri can't; the C suite runs it under the sanitizers.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::project::{nightly, run, target_dir};

#[derive(clap::Args)]
pub struct Args {
    /// Only tests with this in their names
    filter: Vec<String>,
}

/// Tests that go through so much that Miri would take hours. What is undefined in them is so in the others.
const TOO_LONG: [&str; 5] = [
    "identifiers_are_left_over",
    "all_sequences_of_up_to_three_bytes",
    "four_bytes_are_judged",
    "every_character_is_valid",
    "all_short_filters_match",
];

pub fn test(args: Args) -> Result<()> {
    let there = nightly()?.args(["miri", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.context("cannot start cargo")?.success() {
        bail!("Miri is missing: rustup component add --toolchain nightly miri rust-src");
    }
    let mut command = nightly()?;
    command.args(["miri", "test", "--package", "mgos-mqtt", "--lib", "--"]).args(&args.filter);
    for name in TOO_LONG {
        command.args(["--skip", name]);
    }
    // Its own: what is compiled for Miri is of no use to anyone else.
    run(command.env("CARGO_TARGET_DIR", target_dir().join("miri")))
}
