//! `cargo xtask miri`: runs the library's tests under Miri, which detects undefined behaviour that
//! test runs do not show.
//!
//! Covers everything in src/: wire, session, conn, heap, and ffi with Rust in place of the shim.
//! The shim itself is C and runs under sanitizers in the C suite.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use project::{nightly, run, shown, target_dir};

#[derive(clap::Args)]
pub struct Args {
    /// Do not shorten the callback tests under Miri: takes hours
    #[arg(long)]
    all: bool,
    /// Only tests with this in their names
    filter: Vec<String>,
}

/// A test that is skipped because it takes too long under Miri.
const SKIPPED: (&str, &str) =
    ("identifiers_are_left_over", "70,000 messages in one queue; shorter queues are in the other tests of the session");

/// Tests that are shortened under Miri.
const SHORTENED: &str = "every_function_*, another_connection_* and any_allocation_may_fail try a sample of what an ordinary run tries (--all: everything); \
    all_sequences_of_up_to_three_bytes, four_bytes_are_judged, every_character_is_valid some of the strings; all_short_filters_match, wildcards_are_judged shorter ones.";

pub fn test(args: Args) -> Result<()> {
    ensure()?;
    let start = Instant::now();
    let tests = |names: &[String]| -> Result<Command> {
        let mut command = nightly()?;
        command.args(["miri", "test", "--quiet", "--package", "mgos-mqtt", "--lib", "--"]).args(names);
        command.args(["--skip", SKIPPED.0]);
        // A separate target directory: Miri's builds are of no use to anything else.
        command.env("CARGO_TARGET_DIR", target_dir().join("miri"));
        if args.all {
            command.env("MGOS_MQTT_MIRI_ALL", "1");
        }
        Ok(command)
    };
    if args.filter.is_empty() {
        // Miri uses one processor. The pump's tests take about as long as all others together.
        run(tests(&[])?.arg("--list").stdout(Stdio::null()))?;
        let mut others = tests(&[])?;
        others.args(["--skip", "ffi::"]);
        let mut others_run = others.spawn().with_context(|| format!("cannot start {}", shown(&others)))?;
        let ffi = run(&mut tests(&["ffi::".into()])?);
        ensure!(others_run.wait()?.success(), "{} failed", shown(&others));
        ffi?;
    } else {
        run(&mut tests(&args.filter)?)?;
    }
    println!("\nno undefined behaviour found in {} s", start.elapsed().as_secs());
    println!("skipped (too slow): {}, {}", SKIPPED.0, SKIPPED.1);
    if !args.all {
        println!("shortened (too slow): {SHORTENED}");
    }
    Ok(())
}

/// Checks that Miri is installed; installs it where rustup can.
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
        bail!("Miri is missing and can't be installed: {} (some nightlies lack it)", shown(&add));
    }
    Ok(())
}
