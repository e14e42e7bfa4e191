//! `cargo xtask miri`: the library's tests under Miri, which sees undefined behaviour that no run on a machine shows.
//!
//! Everything in src/: wire, session, conn, heap, and ffi with Rust in the place of the shim. Not shim/, which is C: that runs under the sanitizers, in the C suite.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::project::{nightly, run, shown, target_dir};

#[derive(clap::Args)]
pub struct Args {
    /// Try all that the tests of callbacks try without Miri: that takes hours
    #[arg(long)]
    all: bool,
    /// Only tests with this in their names
    filter: Vec<String>,
}

/// A test that is not run: what it goes through takes Miri too long.
const LEFT_OUT: (&str, &str) =
    ("identifiers_are_left_over", "70,000 messages in one queue; shorter queues are in the other tests of the session");

/// Tests that try less under Miri.
const SHORTENED: &str = "every_function_*, another_connection_* and any_allocation_may_fail try a sample of what an ordinary run tries (--all: everything); \
    all_sequences_of_up_to_three_bytes, four_bytes_are_judged, every_character_is_valid some of the strings; all_short_filters_match, wildcards_are_judged shorter ones.";

pub fn test(args: Args) -> Result<()> {
    ensure()?;
    let start = Instant::now();
    let tests = |names: &[String]| -> Result<Command> {
        let mut command = nightly()?;
        command.args(["miri", "test", "--quiet", "--package", "mgos-mqtt", "--lib", "--"]).args(names);
        command.args(["--skip", LEFT_OUT.0]);
        // Its own: what is compiled for Miri is of no use to anyone else.
        command.env("CARGO_TARGET_DIR", target_dir().join("miri"));
        if args.all {
            command.env("MGOS_MQTT_MIRI_ALL", "1");
        }
        Ok(command)
    };
    if args.filter.is_empty() {
        // Miri uses one processor. The pump's tests take about as long as all others.
        run(tests(&[])?.arg("--list").stdout(Stdio::null()))?;
        let mut others = tests(&[])?;
        others.args(["--skip", "ffi::"]);
        let mut others_run = others.spawn().with_context(|| format!("cannot start {}", shown(&others)))?;
        let ffi = run(&mut tests(&["ffi::".into()])?);
        if !others_run.wait()?.success() {
            bail!("{} failed", shown(&others));
        }
        ffi?;
    } else {
        run(&mut tests(&args.filter)?)?;
    }
    println!("\nno undefined behaviour found in {} s", start.elapsed().as_secs());
    println!("left out for its time: {}, {}", LEFT_OUT.0, LEFT_OUT.1);
    if !args.all {
        println!("shortened for their time: {SHORTENED}");
    }
    Ok(())
}

/// Miri is there, or is installed where rustup can do that.
fn ensure() -> Result<()> {
    let is_there = || -> Result<bool> {
        let mut version = nightly()?;
        let status = version.args(["miri", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        Ok(status.context("cannot start cargo")?.success())
    };
    if is_there()? {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["component", "add", "--toolchain", "nightly", "miri", "rust-src"]);
    eprintln!("installing Miri: {}", shown(&add));
    if run(&mut add).is_err() || !is_there()? {
        bail!("Miri is missing and can't be installed: {} (not every day's nightly has it)", shown(&add));
    }
    Ok(())
}
