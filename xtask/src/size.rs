//! `cargo xtask size`: measures the library's flash use, compares it with the original's, and
//! checks that nothing unwanted is included. Counts text and read-only data of archive and shim,
//! linked with --gc-sections, without the app and the platform.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use regex::Regex;

use crate::exports::public_api;
use crate::figures::{self, Measured, Options};
use crate::firmware::{CORTEX_M4F, LX106, Logs, RV32IMC, Shim, Target, forbidden};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    /// List the largest functions and data of the whole public API on the first target
    #[arg(long)]
    symbols: bool,
}

/// Heading of the committed table.
pub const SECTION: &str = "Flash";

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

/// What is measured per target.
const VARIANTS: [(&str, bool, Shim); 5] = [
    ("whole public API", false, Shim::WHOLE),
    ("whole public API, no log", false, Shim::WITHOUT_LOGS),
    ("typical app", true, Shim::WHOLE),
    ("typical app, no log", true, Shim::WITHOUT_LOGS),
    ("typical app, no log, no WebSocket", true, Shim { websocket: false, ..Shim::WITHOUT_LOGS }),
];

/// Heading of the table with what an app can add to the typical one, or leave out of it.
const USES: &str = "Flash for what an app uses";

/// Calls that bring in what an app without them does not carry.
const CALLS: [&str; 13] = [
    "mgos_mqtt_conn_free",
    "mgos_mqtt_set_config",
    "mgos_mqtt_unsub",
    "mgos_mqtt_get_stats",
    "mgos_mqtt_set_connect_fn",
    "mgos_mqtt_set_max_qos",
    "mgos_mqtt_pub_opt_sized",
    "mgos_mqtt_global_finish",
    "mgos_mqtt_set_queue_file",
    "mgos_mqtt_sub_stream",
    "mgos_mqtt_pub_stream",
    "mgos_mqtt_is_retained",
    "mgos_mqtt_session_present",
];

pub fn run(args: Args) -> Result<()> {
    let mut measured = Vec::new();
    let mut parts = String::new();
    for (target, name) in [(&CORTEX_M4F, "Cortex-M4F"), (&RV32IMC, "rv32imc"), (&LX106, "lx106")] {
        let (archive, without_logs) = (target.archive(Logs::With)?, target.archive(Logs::Without)?);
        let bad = target.symbols(&archive)?;
        let bad = forbidden(&bad);
        ensure!(bad.is_empty(), "the archive for {} contains symbols that firmware must not have: {}", target.name, bad.join(", "));
        let mut most_ram = 0;
        for (what, typical, shim) in VARIANTS {
            let roots = if typical { TYPICAL.map(String::from).into() } else { public_api()? };
            let archive = if shim.logs { &archive } else { &without_logs };
            let program = target.link(archive, &roots, shim)?;
            let (flash, ram) = sum(target, &program)?;
            let core = core_part(&project::read(program.with_extension("map"))?)?;
            parts += &format!("{:<52} {:>9} {:>9}\n", format!("{name}, {what}"), figures::grouped(core), figures::grouped(flash - core));
            measured.push(Measured { name: format!("{name}, {what}"), value: flash });
            most_ram = most_ram.max(ram);
        }
        measured.push(Measured { name: format!("{name}, .data + .bss"), value: most_ram });
    }
    if args.symbols {
        largest(&CORTEX_M4F, &public_api()?)?;
    }
    print!("{:<52} {:>9} {:>9}\n{parts}", "Of it", "Rust", "C");
    figures::report(&[(SECTION, measured), (USES, uses(&CORTEX_M4F)?)], &args.options)
}

/// What each of the calls adds to the typical app, and what each cdef leaves out of it.
fn uses(target: &Target) -> Result<Vec<Measured>> {
    let (archive, without_logs) = (target.archive(Logs::With)?, target.archive(Logs::Without)?);
    let flash = |added: &[&str], shim: Shim| {
        let roots = TYPICAL.iter().chain(added).map(|name| name.to_string()).collect();
        anyhow::Ok(sum(target, &target.link(if shim.logs { &archive } else { &without_logs }, &roots, shim)?)?.0)
    };
    let typical = flash(&[], Shim::WHOLE)?;
    let mut uses = Vec::new();
    for call in CALLS {
        uses.push(Measured { name: format!("`{call}()`"), value: flash(&[call], Shim::WHOLE)? - typical });
    }
    let cdefs = [
        ("log lines: `CS_ENABLE_STDIO`", Shim::WITHOUT_LOGS),
        ("MQTT over WebSocket: `MGOS_MQTT_ENABLE_WS`", Shim { websocket: false, ..Shim::WHOLE }),
        ("log over MQTT: `MGOS_MQTT_ENABLE_DEBUG_TOPICS`", Shim { debug_topics: false, ..Shim::WHOLE }),
    ];
    for (name, without) in cdefs {
        uses.push(Measured { name: name.into(), value: typical - flash(&[], without)? });
    }
    Ok(uses)
}

/// Flash and RAM of the linked program.
fn sum(target: &Target, program: &Path) -> Result<(u64, u64)> {
    let (mut flash, mut ram) = (0, 0);
    for (name, size) in target.sections(program)? {
        if [".text", ".rodata", ".srodata", ".ARM.ex"].iter().any(|prefix| name.starts_with(prefix)) {
            flash += size;
        } else if [".data", ".sdata", ".bss", ".sbss"].iter().any(|prefix| name.starts_with(prefix)) {
            ram += size;
        }
    }
    Ok((flash, ram))
}

/// Bytes of flash that come from the archive, by the linker's map.
fn core_part(map: &str) -> Result<u64> {
    // Discarded sections are listed first.
    let placed = map.split_once("Linker script and memory map").map_or("", |(_, placed)| placed);
    // Address, size and file; those of a long name follow on the next line.
    let entry = Regex::new(r"(?m)^ \.(?:text|s?rodata)\S*\s+0x\w+\s+0x(\w+) .*libmgos_mqtt")?;
    let sizes = entry.captures_iter(placed).map(|entry| u64::from_str_radix(&entry[1], 16));
    Ok(sizes.sum::<Result<u64, _>>()?)
}

/// Prints the largest symbols of the linked program. The archive has no names for symbols that are
/// not exported.
fn largest(target: &Target, roots: &BTreeSet<String>) -> Result<()> {
    let program = target.link(&target.object_with_names()?, roots, Shim::WHOLE)?;
    let listing = project::output(
        target.tool("nm").args(["--print-size", "--size-sort", "--reverse-sort", "--demangle", "--radix=d"]).arg(&program),
    )?;
    for line in listing.lines().take(60) {
        let mut words = line.splitn(4, ' ').skip(1);
        let (Some(size), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        println!("{:>6} {kind} {name}", size.trim_start_matches('0'));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flash_sections_from_the_archive_count_in_the_map() {
        let map = " .text.gone    0x00 0x100 libmgos_mqtt.a(core.o)\n\nLinker script and memory map\n\n\
                   .text           0x8000      0x60\n .text.short    0x8000       0x10 x/libmgos_mqtt.a(core.o)\n\
                   \x20                0x8000                short\n \
                   .text.a_name_that_has_a_line_of_its_own\n                0x8010       0x20 x/libmgos_mqtt.a(core.o)\n \
                   .text.shim     0x8030       0x30 x/mgos_mqtt.o\n .bss.state     0x9000        0x8 x/libmgos_mqtt.a(core.o)\n";
        assert_eq!(core_part(map).unwrap(), 0x30);
    }
}
