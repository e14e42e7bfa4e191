//! `--million`: a million messages each way on one connection, at each QoS in turn
//! (bench/million.c). A message must cost the same number of instructions, and the heap must have
//! the same size, at the end as at the start.

use anyhow::{Context, Result, ensure};

use super::callgrind;
use crate::firmware::UBUNTU;
use crate::firmware::harness::{Core, Harness};

/// Half a percent: this program's heap is first fit, and the position of the library's timer block
/// affects how far malloc searches. Growth per message would exceed this by far over a million
/// messages.
const PER_MILLE: u64 = 5;

/// Measurements of a slice of the run.
struct Slice {
    name: String,
    /// Messages up to this point.
    upto: u64,
    /// Messages in the slice.
    messages: u64,
    bytes: u64,
    blocks: u64,
    peak: u64,
    requests: u64,
    instructions: u64,
}

pub fn run(messages: u64) -> Result<()> {
    let sources = &["bench/million.c", "qemu/memory.c"];
    let program = Harness { name: "million", machine: None, sources, own_heap: true, core: Core::Archive }.build(&UBUNTU)?;
    let (listing, dumps) = callgrind::run(&program, "callgrind", &["--instr-atstart=no".into()], &[&messages.to_string()])?;
    let mut slices: Vec<Slice> = listing.lines().filter_map(Slice::parse).collect();
    for slice in &mut slices {
        slice.instructions = dumps.get(&slice.name).with_context(|| format!("callgrind counted nothing for {:?}", slice.name))?.1;
    }
    let [first, last] = &slices[..] else { anyhow::bail!("expected two slices: {listing}") };
    println!("{messages} messages published and {messages} received, at QoS 0, 1 and 2 in turn");
    for slice in [first, last] {
        println!(
            "  up to {:>8}: {:>6} instructions, {} allocations per 100 round trips; in use {} bytes in {} blocks, peak {} bytes",
            slice.upto,
            slice.instructions * 100 / slice.messages,
            slice.requests * 100 / slice.messages,
            slice.bytes,
            slice.blocks,
            slice.peak,
        );
    }
    let (least, most) = (first.instructions.min(last.instructions), first.instructions.max(last.instructions));
    ensure!(
        first.instructions > 0 && (most - least) * 1000 <= least * PER_MILLE,
        "the number of instructions differs between start and end"
    );
    // The timer is reset about every ten thousand messages: once in a slice, or not at all.
    ensure!(first.requests.abs_diff(last.requests) <= 1, "the number of allocations differs between start and end");
    ensure!((first.bytes, first.blocks) == (last.bytes, last.blocks), "the heap has grown");
    ensure!(first.peak == last.peak, "the heap's peak has grown");
    println!("million: PASS");
    Ok(())
}

impl Slice {
    /// Parses a line of bench/million.c.
    fn parse(line: &str) -> Option<Slice> {
        let mut words = line.split('\t');
        let name = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        let (upto, messages, bytes, blocks, peak, requests) = (number()?, number()?, number()?, number()?, number()?, number()?);
        Some(Slice { name, upto, messages, bytes, blocks, peak, requests, instructions: 0 })
    }
}
