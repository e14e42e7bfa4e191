//! The suite without enough memory: each area is run with the library's first allocation failing, its second, and so on, until none is left
//! to fail; then with one in a hundred failing at random. The programs are those with sanitizers; which allocation fails is up to the host.
//!
//! Scripts may fail: a message is refused, and they wait for it in vain. What must not come is a crash, a leak, a hanging app, nor a library
//! that does not work any more: at the end of each run with one failed allocation, a message must come through.
//! The area `memory` does what apps should do, and must pass; there the allocations of app and system fail as well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::program::{Area, Finished, Mode, REPORTED, judge, run_to_end};
use super::some_at_a_time;

/// The area that goes on after every refusal, and so passes.
const MUST_PASS: &str = "memory";

/// For most of the time they wait.
const PARALLEL: usize = 6;

/// How long a script of another area waits for what must come, ms; mostly it waits in vain.
const PATIENCE: &str = "500";

/// How the line of the check begins that the library works afterwards.
const AFTERWARDS: &str = " - afterwards: ";

pub fn run(areas: &[Area], seeds: u32, at_most: u64) -> Result<()> {
    let mut bad = Vec::new();
    for area in areas {
        let started = Instant::now();
        let count = allocations(&run_with_faults(area, "0", 0)?)?.0;
        let step = count.div_ceil(at_most.max(1)).max(1);
        let each = (1..=count).step_by(step as usize).map(|n| (n.to_string(), 0));
        let random = (1..=seeds).map(|seed| ("1%".to_string(), seed));
        let runs: Vec<(String, u32)> = each.chain(random).collect();
        let failed = AtomicBool::new(false);
        let results = some_at_a_time(PARALLEL, runs.len(), |i| -> Result<(Option<String>, u64)> {
            let (which, seed) = &runs[i];
            let finished = run_with_faults(area, which, *seed)?;
            let problem = problem(area, &finished, *seed == 0);
            if let Some(problem) = &problem
                && !failed.swap(true, Ordering::Relaxed)
            {
                println!("{}: {problem}\n{}{}", area.name, finished.out, finished.err);
            }
            // An app that has crashed has not counted.
            let failed = allocations(&finished).map_or(0, |(_, failed)| failed);
            Ok((
                problem
                    .map(|problem| format!("MGOS_HOST_ALLOC_FAULTS={}{which} MGOS_HOST_SEED={seed} {}: {problem}", whose(area), area.name)),
                failed,
            ))
        });
        let results = results.into_iter().collect::<Result<Vec<_>>>()?;
        let failed: u64 = results.iter().map(|(_, failed)| failed).sum();
        let seconds = started.elapsed().as_secs_f32();
        let left_out = if step > 1 { format!(" (one in {step}, the others were not tried)") } else { String::new() };
        println!(
            "{}: {count} allocations of {}; {failed} have failed{left_out} in {} runs, in {seconds:.0} s",
            area.name,
            if area.name == MUST_PASS { "all" } else { "the library" },
            runs.len()
        );
        bad.extend(results.into_iter().filter_map(|(problem, _)| problem));
        if failed < count / step / 2 {
            bail!("{}: allocations have not failed as they should", area.name);
        }
    }
    if !bad.is_empty() {
        bail!("not every failed allocation is survived; the first of each area is shown above\n  {}", bad.join("\n  "));
    }
    Ok(())
}

/// Whose allocations fail.
fn whose(area: &Area) -> &'static str {
    if area.name == MUST_PASS { "" } else { "library:" }
}

fn run_with_faults(area: &Area, which: &str, seed: u32) -> Result<Finished> {
    let mut environment = vec![("MGOS_HOST_ALLOC_FAULTS", format!("{}{which}", whose(area))), ("MGOS_HOST_SEED", seed.to_string())];
    if seed == 0 && area.name != MUST_PASS {
        environment.push(("SUITE_AFTERWARDS", "1".into()));
    }
    if area.name != MUST_PASS && which != "0" {
        environment.push(("SUITE_PATIENCE", PATIENCE.into()));
    }
    run_to_end(area, Mode::Sanitize, &environment)
}

/// What is wrong with the way an app has ended.
fn problem(area: &Area, finished: &Finished, one: bool) -> Option<String> {
    let Some(status) = finished.status else {
        return Some(format!("not done after {} s", Mode::Sanitize.limit().as_secs()));
    };
    match status.code() {
        Some(0) => return None,
        Some(REPORTED) => return Some("the sanitizers have something to say".into()),
        Some(1) => {}
        _ => return Some(status.to_string()),
    }
    let outcome = judge(&finished.out);
    // An app that cannot even start says so, and ends.
    let refused =
        finished.out.is_empty() && finished.err.contains(" failed; the log says why") || finished.err.contains("() of the app failed with");
    match outcome.problem {
        _ if refused => None,
        None if one && area.name != MUST_PASS && !finished.out.contains(AFTERWARDS) => Some("the library does not work afterwards".into()),
        None if area.name == MUST_PASS => Some(format!("{} failed", outcome.failed)),
        problem => problem,
    }
}

/// How many allocations the host has counted, and how many failed.
fn allocations(finished: &Finished) -> Result<(u64, u64)> {
    let numbers = finished.err.lines().rev().find_map(|line| {
        let (made, failed) = line.strip_prefix("alloc faults: ")?.split_once(" allocations, ")?;
        Some((made.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
    });
    numbers.with_context(|| format!("the host has not counted allocations:\n{}{}", finished.out, finished.err))
}
