//! `cargo xtask fuzz`: runs all fuzz targets, one after another, for a number of seconds each.
//!
//! Findings are in fuzz/artifacts, the growing corpus in the target directory, the seeds in
//! fuzz/corpus.

use std::process::Command;

use anyhow::{Context, Result};
use project::tools::Tool;
use project::{nightly, root, run, target_dir};

#[derive(clap::Args)]
pub struct Args {
    /// Run time per target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Targets to run [default: all]
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
}

const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2", options: &[] };

const TARGETS: [&str; 3] = ["decode", "matching", "session"];

pub fn run_all(args: Args) -> Result<()> {
    nightly()?;
    let fuzz = CARGO_FUZZ.ensure()?;
    for target in TARGETS.iter().filter(|t| args.targets.is_empty() || args.targets.iter().any(|wanted| wanted == *t)) {
        let corpus = target_dir().join("fuzz").join("corpus").join(target);
        fs_err::create_dir_all(&corpus)?;
        let mut command = Command::new(&fuzz);
        // Without what the cargo that started us has set for its own toolchain.
        command.env_remove("CARGO").env_remove("RUSTC").env("RUSTUP_TOOLCHAIN", "nightly").current_dir(root());
        // With dead code removed, the library needs none of the functions that firmware provides.
        command.args(["fuzz", "run", "--strip-dead-code=true", target]).arg(corpus).arg(format!("fuzz/corpus/{target}"));
        command.env("CARGO_TARGET_DIR", target_dir().join("fuzz"));
        command.args(["--", "-max_len=4096", "-print_final_stats=1"]).arg(format!("-max_total_time={}", args.seconds));
        println!("fuzzing {target} for {} s", args.seconds);
        run(&mut command).with_context(|| format!("fuzz target {target}: the failing input is in fuzz/artifacts/{target}"))?;
    }
    Ok(())
}
