//! `cargo xtask deny`: checks licences, sources and duplicate versions of all dependencies with
//! cargo-deny and deny.toml, and that firmware has only the allowed ones.
//!
//! Advisories are checked only on request: their database is a git repository that cargo-deny
//! fetches.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail};
use project::tools::Tool;

use crate::release::sbom;

#[derive(clap::Args)]
pub struct Args {
    /// Check advisories as well; fetches their database
    #[arg(long)]
    advisories: bool,
}

/// Allowed in firmware: heapless and embedded-io with their dependencies. Each additional one costs
/// flash.
pub const FIRMWARE: [&str; 6] = ["mgos-mqtt", "heapless", "embedded-io", "hash32", "byteorder", "stable_deref_trait"];

/// A version that is known to accept deny.toml.
const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", options: &[] };

pub fn run(args: Args) -> Result<()> {
    firmware()?;
    let deny = DENY.ensure()?;
    let mut command = Command::new(&deny);
    // Only tools have duplicates, and many of them: `cargo deny check bans` shows them in full.
    command.current_dir(project::root()).args(["--workspace", "--log-level", "error", "check"]);
    project::run(command.args(["licenses", "bans", "sources"])).context("dependencies violate deny.toml")?;
    if args.advisories {
        let mut command = Command::new(&deny);
        command.current_dir(project::root()).args(["--workspace", "check", "advisories"]);
        project::run(&mut command).context("there are advisories, or their database could not be fetched")?;
        println!("licences, sources, duplicates and advisories: ok");
    } else {
        println!("licences, sources and duplicates: ok. Advisories NOT checked: run `cargo xtask deny --advisories` with network access");
    }
    Ok(())
}

/// The firmware library depends on nothing but the list above.
fn firmware() -> Result<()> {
    let crates = sbom::crates()?;
    let found: BTreeSet<&str> = crates.iter().map(|component| component.name.as_str()).collect();
    let strangers: Vec<_> = found.iter().copied().filter(|name| !FIRMWARE.contains(name)).collect();
    if !strangers.is_empty() {
        bail!(
            "firmware would include {}: each dependency costs flash; if it is needed, list it in xtask/src/deny.rs",
            strangers.join(", ")
        );
    }
    println!("firmware includes {}", found.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}
