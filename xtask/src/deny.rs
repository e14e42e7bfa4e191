//! `cargo xtask deny`: licences, sources and doubles of all dependencies, by cargo-deny and deny.toml; and that the firmware's are the few that it may have.
//!
//! Advisories are looked at only where asked for: their database is a git repository, which cargo-deny fetches.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::project;

#[derive(clap::Args)]
pub struct Args {
    /// Advisories as well; fetches their database
    #[arg(long)]
    advisories: bool,
}

/// What firmware may carry: heapless and embedded-io, and what they bring with them. Each further one costs flash.
const FIRMWARE: [&str; 6] = ["mgos-mqtt", "heapless", "embedded-io", "hash32", "byteorder", "stable_deref_trait"];

/// Of the versions there are, one that is known to take deny.toml.
const VERSION: &str = "0.20.2";

pub fn run(args: Args) -> Result<()> {
    firmware()?;
    let deny = program()?;
    let mut command = Command::new(&deny);
    // Doubles are in tools only, and many: shown in full by `cargo deny check bans`.
    command.current_dir(project::root()).args(["--workspace", "--log-level", "error", "check"]);
    project::run(command.args(["licenses", "bans", "sources"])).context("the dependencies break a rule of deny.toml")?;
    if args.advisories {
        let mut command = Command::new(&deny);
        command.current_dir(project::root()).args(["--workspace", "check", "advisories"]);
        project::run(&mut command).context("there are advisories, or their database could not be fetched")?;
        println!("licences, sources, doubles and advisories: well");
    } else {
        println!(
            "licences, sources and doubles: well. Advisories were NOT looked at: `cargo xtask deny --advisories`, where their database can be fetched"
        );
    }
    Ok(())
}

/// The dependencies of the firmware's library are those listed above.
fn firmware() -> Result<()> {
    let mut tree = project::cargo();
    tree.args(["tree", "--package", "mgos-mqtt", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--quiet"]);
    let output = tree.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo tree failed");
    }
    let tree = String::from_utf8(output.stdout).context("cargo tree")?;
    let found: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let strangers = strangers(&found);
    if !strangers.is_empty() {
        bail!("firmware would carry {}: each dependency costs flash; if it must be, list it in xtask/src/deny.rs", strangers.join(", "));
    }
    println!("firmware carries {}", found.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}

fn strangers<'a>(found: &BTreeSet<&'a str>) -> Vec<&'a str> {
    found.iter().copied().filter(|name| !FIRMWARE.contains(name)).collect()
}

/// cargo-deny: the one in the path, else one of our own in the target directory.
fn program() -> Result<PathBuf> {
    if project::has_program("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let tools = project::target_dir().join("tools");
    let program = tools.join("bin").join("cargo-deny");
    if !program.exists() {
        println!("cargo-deny is missing; building it into {}", tools.display());
        // Not optimised: it has little to do, and is built in half the time.
        let mut install = project::cargo();
        install.args(["install", "cargo-deny", "--version", VERSION, "--locked", "--debug", "--quiet", "--root"]).arg(&tools);
        project::run(&mut install).context("cargo-deny is missing; install it with: cargo install cargo-deny --locked")?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::strangers;
    use std::collections::BTreeSet;

    #[test]
    fn a_dependency_that_firmware_may_not_have_is_named() {
        assert_eq!(strangers(&BTreeSet::from(["heapless", "serde", "mgos-mqtt"])), ["serde"]);
        assert!(strangers(&BTreeSet::from(["mgos-mqtt", "embedded-io"])).is_empty());
    }
}
