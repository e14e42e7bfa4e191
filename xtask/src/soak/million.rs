//! `--million`: a million messages there and a million back on one connection, at each QoS in turn (soak/million.c): as many instructions for a message
//! at the end as at the start, as many bytes and blocks of heap.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::callgrind;
use crate::firmware::harness::Harness;
use crate::firmware::{UBUNTU, output};

/// Half a percent: the heap of this program is first fit, and where the block of the library's timer lies just then changes how far
/// malloc walks. What grew with the messages would grow by far more over a million of them.
const PER_MILLE: u64 = 5;

/// What was seen in a slice of the run.
struct Slice {
    name: String,
    /// Messages up to here.
    upto: u64,
    /// In the slice.
    messages: u64,
    bytes: u64,
    blocks: u64,
    peak: u64,
    requests: u64,
    instructions: u64,
}

pub fn run(messages: u64) -> Result<()> {
    let sources = &["soak/million.c"];
    let program = Harness { name: "million", machine: None, sources, own_heap: true, names: false }.build(&UBUNTU)?;
    let dir = program.with_file_name("callgrind");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", "--collect-atstart=no", "--instr-atstart=no"]);
    valgrind.arg(format!("--callgrind-out-file={}", dir.join("out").display())).arg(&program).arg(messages.to_string());
    let listing = output(&mut valgrind)?;
    let dumps = callgrind::dumps(&dir)?;
    let slices: Vec<Slice> = listing.lines().filter_map(Slice::parse).collect();
    let mut measured = Vec::new();
    for mut slice in slices {
        slice.instructions = dumps.get(&slice.name).with_context(|| format!("callgrind has counted nothing for {:?}", slice.name))?.1;
        measured.push(slice);
    }
    let [first, last] = &measured[..] else { anyhow::bail!("there is no beginning, or no end: {listing}") };
    println!("{messages} messages published and {messages} received, at QoS 0, 1 and 2 in turn, each in its turn");
    for slice in [first, last] {
        println!(
            "  up to {:>8}: {:>6} instructions, {} allocations for 100 there and back; in use {} bytes in {} blocks, at most {} bytes",
            slice.upto,
            slice.instructions * 100 / slice.messages,
            slice.requests * 100 / slice.messages,
            slice.bytes,
            slice.blocks,
            slice.peak,
        );
    }
    let (least, most) = (first.instructions.min(last.instructions), first.instructions.max(last.instructions));
    ensure!(first.instructions > 0 && (most - least) * 1000 <= least * PER_MILLE, "not as many instructions at the end as at the start");
    // The timer is set anew about every ten thousand messages: once in a slice, or not.
    ensure!(first.requests.abs_diff(last.requests) <= 1, "not as many allocations at the end as at the start");
    ensure!((first.bytes, first.blocks) == (last.bytes, last.blocks), "the heap has grown");
    ensure!(first.peak == last.peak, "more of the heap was in use at once than at the start");
    println!("million: PASS");
    Ok(())
}

impl Slice {
    /// From a line as in soak/million.c.
    fn parse(line: &str) -> Option<Slice> {
        let mut words = line.split('\t');
        let name = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        let (upto, messages, bytes, blocks, peak, requests) = (number()?, number()?, number()?, number()?, number()?, number()?);
        Some(Slice { name, upto, messages, bytes, blocks, peak, requests, instructions: 0 })
    }
}
