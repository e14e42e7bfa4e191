//! `cargo xtask bench`: cost of the library's operations compared with the original: instructions,
//! counted while the library runs (bench/instructions.c), by callgrind on this machine and by QEMU on
//! emulated chips; heap and stack (bench/heap_stack.c); scaling; throughput. The tables are in figures.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use project::setup::{self, Package, program};

use crate::figures::{self, Measured, Options};
use crate::firmware::harness::{Core, Harness};
use crate::firmware::{CORTEX_M4F, ESP32, LX106, RV32IMC, Target, UBUNTU, UBUNTU_FAST};
use crate::qemu;

mod callgrind;
mod million;
mod throughput;

pub use throughput::PEERS;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    /// Only show how costs scale with the number of subscriptions and queued messages
    #[arg(long)]
    growth: bool,
    /// Only count instructions of a build optimised for speed instead of size
    #[arg(long)]
    speed: bool,
    /// Only print where instructions are spent, by function, for operations whose name contains
    /// this
    #[arg(long, value_name = "OPERATION")]
    profile: Option<String>,
    /// Only send this many messages on one connection, comparing their cost at the start and at the
    /// end
    #[arg(long, value_name = "MESSAGES", num_args = 0..=1, default_missing_value = "1000000", value_parser = clap::value_parser!(u64).range(10_000..))]
    million: Option<u64>,
    /// Only measure messages per second on this machine, compared with libmosquitto and paho-mqtt-c
    #[arg(long)]
    throughput: bool,
    /// Messages per client and QoS
    #[arg(long, requires = "throughput", default_value_t = 10_000)]
    messages: u32,
    /// Use the host's test build: checks that the benchmark works, not how fast it is
    #[arg(long, requires = "throughput")]
    unoptimised: bool,
}

pub const PACKAGES: &[Package] = &[program("valgrind", "valgrind"), program("gcc", "cc"), program("binutils", "objcopy")];

/// Headings of the committed tables.
pub const INSTRUCTIONS: &str = "Instructions";
pub const CHIPS: &str = "Instructions on chips";
pub const GROWTH: &str = "Growth";
pub const MEMORY: &str = "Heap and stack";

pub fn run(args: Args) -> Result<()> {
    if args.throughput {
        return throughput::run(args.messages, !args.unoptimised);
    }
    setup::ensure(PACKAGES)?;
    if let Some(messages) = args.million {
        return million::run(messages);
    }
    if let Some(operation) = &args.profile {
        return profile(operation);
    }
    if args.growth || args.speed {
        let figures = if args.growth { instructions(&UBUNTU, "growth")? } else { instructions(&UBUNTU_FAST, "operations")? };
        let lines = figures.into_iter().map(|Measured { name, value }| format!("{name:<60} {:>9}", figures::grouped(value)));
        project::print_lines(lines);
        return Ok(());
    }
    let (operations, growth) = (instructions(&UBUNTU, "operations")?, instructions(&UBUNTU, "growth")?);
    figures::report(&[(INSTRUCTIONS, operations), (CHIPS, chips()?), (GROWTH, growth), (MEMORY, memory()?)], &args.options)
}

/// Entry point of the benchmark into the library.
const ENTRIES: [&str; 3] = ["mgos_mqtt_pub", "mgos_mqtt_ev", "mgos_mqtt_core_timer"];

/// An operation as counted by callgrind.
struct Counted {
    figure: Measured,
    /// How often it ran.
    rounds: u64,
    /// callgrind's output file.
    file: PathBuf,
}

/// Runs part of bench/instructions.c.
fn instructions(target: &Target, part: &str) -> Result<Vec<Measured>> {
    Ok(count(target, part, false)?.into_iter().map(|counted| counted.figure).collect())
}

/// As above, with per-function data; the totals are slightly off in this mode.
fn count(target: &Target, part: &str, by_function: bool) -> Result<Vec<Counted>> {
    let sources = &["bench/instructions.c", "bench/callgrind.c"];
    let program = Harness { name: "instructions", machine: None, sources, own_heap: false, core: Core::Named }.build(target)?;
    let toggles = ENTRIES.map(|name| format!("--toggle-collect={name}"));
    let (options, args) = if by_function { (&toggles[..], &[part, "by-function"][..]) } else { (&[][..], &[part][..]) };
    let (listing, dumps) = callgrind::run(&program, &format!("callgrind-{part}"), options, args)?;
    // Starting and stopping the count costs a few instructions itself.
    let mut price = 0;
    let mut all = Vec::new();
    for line in listing.lines() {
        let words: Vec<_> = line.split('\t').collect();
        let [name, rounds, pairs] = words[..] else { continue };
        let (rounds, pairs): (u64, u64) = (rounds.parse()?, pairs.parse()?);
        let (file, total) = dumps.get(name).with_context(|| format!("callgrind wrote nothing about {name:?}"))?;
        if name == "nothing" {
            price = total / pairs;
            continue;
        }
        let figure = Measured { name: name.into(), value: (total - pairs * price) / rounds };
        all.push(Counted { figure, rounds, file: file.clone() });
    }
    ensure!((price > 0 || by_function) && !all.is_empty(), "callgrind counted nothing in {}", program.display());
    Ok(all)
}

/// Instructions of each operation on emulated chips.
fn chips() -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for (target, name) in [(&CORTEX_M4F, "Cortex-M4F"), (&RV32IMC, "rv32imc"), (&LX106, "lx106"), (&ESP32, "esp32")] {
        // Each instruction takes 2 to the power of 10 nanoseconds.
        let text = qemu::printed(target, "instructions", &["bench/instructions.c", "bench/chip.c"], &["-icount", "shift=10,sleep=off"])?;
        for line in text.lines() {
            let words: Vec<_> = line.split('\t').collect();
            let [what, rounds, _, count] = words[..] else { continue };
            let (rounds, count): (u64, u64) = (rounds.parse()?, count.parse().with_context(|| format!("{name}: {line:?}"))?);
            if what != "nothing" {
                measured.push(Measured { name: format!("{name}, {what}"), value: count / rounds });
            }
        }
    }
    Ok(measured)
}

/// Heap and stack, on a chip and on this machine.
fn memory() -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for (target, name) in [(&CORTEX_M4F, "Cortex-M4"), (&UBUNTU, "x86-64")] {
        let text = qemu::printed(target, "heap_stack", &["bench/heap_stack.c", "qemu/memory.c"], &[])?;
        for (what, value) in text.lines().filter_map(|line| line.split_once('\t')) {
            let value = value.trim().parse().with_context(|| format!("{what}: {value:?} is not a number"))?;
            measured.push(Measured { name: format!("{name}, {what}"), value });
        }
    }
    Ok(measured)
}

/// Shows each function's own instructions, and those with the functions that it calls.
fn profile(operation: &str) -> Result<()> {
    for part in ["operations", "growth"] {
        let mut found = count(&UBUNTU, part, true)?;
        found.retain(|counted| counted.figure.name.contains(operation));
        for Counted { figure: Measured { name, value }, rounds, file } in &found {
            println!("== {name}: {} instructions each, {rounds} times", figures::grouped(*value));
            for (inclusive, what) in [("no", "Own instructions"), ("yes", "With those of the functions called")] {
                let table = project::output(
                    Command::new("callgrind_annotate")
                        .args(["--auto=no", "--threshold=100", &format!("--inclusive={inclusive}")])
                        .arg(file),
                )?;
                println!("{what}:");
                project::print_lines(table.lines().filter_map(callgrind::function));
            }
        }
        if !found.is_empty() {
            return Ok(());
        }
    }
    bail!("no operation's name contains {operation:?}")
}
