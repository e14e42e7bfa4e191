//! `cargo xtask fuzz`: all fuzz targets, one after the other, for so many seconds each.
//!
//! What is found lies in fuzz/artifacts; the corpus that grows, in the target directory. The seeds are in fuzz/corpus.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::project::{cargo, nightly, run, target_dir};

#[derive(clap::Args)]
pub struct Args {
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// These targets only
    targets: Vec<String>,
}

const TARGETS: [&str; 3] = ["decode", "matching", "session"];

pub fn run_all(args: Args) -> Result<()> {
    for wanted in &args.targets {
        if !TARGETS.contains(&wanted.as_str()) {
            bail!("there is no fuzz target {wanted:?}; there are {}", TARGETS.join(", "));
        }
    }
    install()?;
    for target in TARGETS.iter().filter(|t| args.targets.is_empty() || args.targets.iter().any(|wanted| wanted == *t)) {
        let corpus = target_dir().join("fuzz").join("corpus").join(target);
        std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        let mut command = nightly()?;
        // Without its dead code the library needs none of the functions that a firmware provides.
        command.args(["fuzz", "run", "--strip-dead-code=true", target]).arg(corpus).arg(format!("fuzz/corpus/{target}"));
        command.env("CARGO_TARGET_DIR", target_dir().join("fuzz"));
        command.args(["--", "-max_len=4096", "-print_final_stats=1"]).arg(format!("-max_total_time={}", args.seconds));
        println!("fuzzing {target} for {} s", args.seconds);
        run(&mut command).with_context(|| format!("fuzz target {target}: the input that fails lies in fuzz/artifacts/{target}"))?;
    }
    Ok(())
}

/// Sees to it that cargo-fuzz is there.
fn install() -> Result<()> {
    let found = nightly()?.args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.context("cannot start cargo")?.success() {
        return Ok(());
    }
    println!("cargo-fuzz is missing; installing it");
    run(cargo().args(["install", "cargo-fuzz", "--locked"]))
}
