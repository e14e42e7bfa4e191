//! `cargo xtask size`: how much flash the library takes, beside the original's figures; and that nothing is in it that must not be.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::exports::public_api;
use crate::firmware::{CORTEX_M4F, Logs, Target, forbidden};

#[derive(clap::Args)]
pub struct Args {}

/// The functions that a typical app calls.
const TYPICAL: [&str; 7] = [
    "mgos_mqtt_init",
    "mgos_mqtt_pub",
    "mgos_mqtt_pubf",
    "mgos_mqtt_sub",
    "mgos_mqtt_add_global_handler",
    "mgos_mqtt_global_is_connected",
    "mgos_mqtt_ev",
];

/// What is measured, and what the original takes: text and rodata, bytes.
struct Figure {
    what: &'static str,
    typical: bool,
    logs: Logs,
    original: u64,
}

const FIGURES: [Figure; 4] = [
    Figure { what: "whole public API", typical: false, logs: Logs::On, original: 7685 },
    Figure { what: "whole public API, no log", typical: false, logs: Logs::Off, original: 5889 },
    Figure { what: "typical app", typical: true, logs: Logs::On, original: 6963 },
    Figure { what: "typical app, no log", typical: true, logs: Logs::Off, original: 5333 },
];

pub fn run(_: Args) -> Result<()> {
    let target = &CORTEX_M4F;
    let archive = target.archive()?;
    println!("Flash on {}, bytes of text and read-only data, linked with --gc-sections:", target.name);
    println!("{:<28} {:>8} {:>8} {:>8} {:>8}", "", "original", "now", "of it C", "RAM");
    for figure in &FIGURES {
        let roots = if figure.typical { TYPICAL.map(String::from).into() } else { public_api()? };
        let (flash, ram) = measure(target, &archive, &roots, figure.logs)?;
        let (shim, _) = measure_shim(target, &roots, figure.logs)?;
        println!("{:<28} {:>8} {flash:>8} {shim:>8} {ram:>8}", figure.what, figure.original);
    }
    let symbols = target.symbols(&archive)?;
    let bad = forbidden(&symbols);
    if !bad.is_empty() {
        bail!("the archive holds what firmware must not: {}", bad.join(", "));
    }
    println!("No symbol of core::panicking, core::fmt or alloc in the archive.");
    Ok(())
}

/// Flash and RAM of what is linked.
fn measure(target: &Target, archive: &std::path::Path, roots: &BTreeSet<String>, logs: Logs) -> Result<(u64, u64)> {
    let program = target.link(archive, roots, logs)?;
    sum(target, &program)
}

/// The same for the shim alone.
fn measure_shim(target: &Target, roots: &BTreeSet<String>, logs: Logs) -> Result<(u64, u64)> {
    let empty = crate::project::target_dir().join("firmware").join(target.name).join("empty.a");
    crate::project::run(target.tool("ar").arg("rcs").arg(&empty))?;
    // Without the core nothing leads to the functions that only it calls.
    let shim = roots.iter().cloned().chain(crate::exports::shim_functions()?).collect();
    measure(target, &empty, &shim, logs)
}

fn sum(target: &Target, program: &std::path::Path) -> Result<(u64, u64)> {
    let (mut flash, mut ram) = (0, 0);
    for (name, size) in target.sections(program)? {
        if [".text", ".rodata", ".ARM.ex"].iter().any(|prefix| name.starts_with(prefix)) {
            flash += size;
        } else if [".data", ".bss"].iter().any(|prefix| name.starts_with(prefix)) {
            ram += size;
        }
    }
    Ok((flash, ram))
}
