//! The suite with failing allocations: each area runs with the library's first allocation failing,
//! then its second, and so on; then with 1 % failing at random. Uses the builds with sanitizers;
//! the host decides which allocation fails.
//!
//! Checks may fail, for example when a publish is refused and the script times out. Not allowed
//! are crashes, leaks, hangs, and a library that no longer works: at the end of each run with one
//! failed allocation a message must get through. The area `memory` handles failures as apps should
//! and must pass; there allocations of the app and the system fail as well.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use project::some_at_a_time;

use super::program::{Area, Finished, Mode, REPORTED, judge, run_to_end};

/// The area that retries after every failure and therefore must pass.
const MUST_PASS: &str = "memory";

/// Runs in parallel: they mostly wait.
const PARALLEL: usize = 6;

/// How long a script of another area waits for an event, in ms; usually none comes.
const WAIT_MS: &str = "500";

/// Prefix of the check that the library still works.
const WORKS_AFTERWARDS: &str = " - afterwards: ";

pub fn run(areas: &[Area], seeds: u32, at_most: u64) -> Result<()> {
    let mut bad = Vec::new();
    for area in areas {
        let started = Instant::now();
        let count = allocations(&run_with_faults(area, "0", 0)?)?.0;
        let step = count.div_ceil(at_most.max(1)).max(1);
        let each = (1..=count).step_by(step as usize).map(|n| (n.to_string(), 0));
        let random = (1..=seeds).map(|seed| ("1%".to_string(), seed));
        let runs: Vec<(String, u32)> = each.chain(random).collect();
        let run = |i: usize| run_with_faults(area, &runs[i].0, runs[i].1);
        let finished = some_at_a_time(PARALLEL, runs.len(), run).into_iter().collect::<Result<Vec<_>>>()?;
        // A crashed app reports no count.
        let failed: u64 = finished.iter().filter_map(|finished| Some(allocations(finished).ok()?.1)).sum();
        let first = bad.len();
        for ((which, seed), finished) in runs.iter().zip(&finished) {
            let Some(problem) = problem(area, finished, *seed == 0) else { continue };
            if bad.len() == first {
                println!("{}: {problem}\n{}{}", area.name, finished.out, finished.err);
            }
            bad.push(format!("MGOS_HOST_ALLOC_FAULTS={}{which} MGOS_HOST_SEED={seed} {}: {problem}", whose(area), area.name));
        }
        let seconds = started.elapsed().as_secs_f32();
        let skipped = if step > 1 { format!(" (one in {step}, the others skipped)") } else { String::new() };
        println!(
            "{}: {count} allocations by {}; {failed} made to fail{skipped} in {} runs, {seconds:.0} s",
            area.name,
            if area.name == MUST_PASS { "all code" } else { "the library" },
            runs.len()
        );
        ensure!(failed >= count / step / 2, "{}: fewer allocations failed than expected", area.name);
    }
    ensure!(bad.is_empty(), "failed allocations were not handled; the first of each area is shown above\n  {}", bad.join("\n  "));
    Ok(())
}

/// Prefix that selects whose allocations fail.
fn whose(area: &Area) -> &'static str {
    if area.name == MUST_PASS { "" } else { "library:" }
}

fn run_with_faults(area: &Area, which: &str, seed: u32) -> Result<Finished> {
    let mut environment = vec![("MGOS_HOST_ALLOC_FAULTS", format!("{}{which}", whose(area))), ("MGOS_HOST_SEED", seed.to_string())];
    if seed == 0 && area.name != MUST_PASS {
        environment.push(("SUITE_AFTERWARDS", "1".into()));
    }
    if area.name != MUST_PASS && which != "0" {
        environment.push(("SUITE_PATIENCE", WAIT_MS.into()));
    }
    run_to_end(area, Mode::Sanitize, &environment)
}

/// What is wrong with how an app ended, if anything.
fn problem(area: &Area, finished: &Finished, one: bool) -> Option<String> {
    let Some(status) = finished.status else {
        return Some(format!("timed out after {} s", Mode::Sanitize.limit().as_secs()));
    };
    match status.code() {
        Some(0) => return None,
        Some(REPORTED) => return Some("the sanitizers report errors".into()),
        Some(1) => {}
        _ => return Some(status.to_string()),
    }
    let outcome = judge(&finished.out);
    // An app that cannot start reports that and exits.
    let refused =
        finished.out.is_empty() && finished.err.contains(" failed; the log says why") || finished.err.contains("() of the app failed with");
    match outcome.problem {
        _ if refused => None,
        None if one && area.name != MUST_PASS && !finished.out.contains(WORKS_AFTERWARDS) => {
            Some("the library no longer works afterwards".into())
        }
        None if area.name == MUST_PASS => Some(format!("{} failed", outcome.failed)),
        problem => problem,
    }
}

/// Allocations that the host counted, and how many of them failed.
fn allocations(finished: &Finished) -> Result<(u64, u64)> {
    let numbers = finished.err.lines().rev().find_map(|line| {
        let (made, failed) = line.strip_prefix("alloc faults: ")?.split_once(" allocations, ")?;
        Some((made.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
    });
    numbers.with_context(|| format!("no allocation count in the host's output:\n{}{}", finished.out, finished.err))
}
