//! `cargo xtask c-test`: the compatibility suite, plain C apps in c_tests against a scripted
//! broker. Here: finding the apps, selecting modes, adding up results. Elsewhere: build, program
//! (running one app), alloc_faults (running with failing allocations).

mod alloc_faults;
mod build;
mod program;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use build::build;
use parking_lot::Mutex;
use program::{Mode, Outcome, run_one};
use project::{files, setup, some_at_a_time};

/// Areas that say by themselves which allocations fail.
const SET_THEIR_OWN: [&str; 2] = ["seam", "alloc_faults"];

#[derive(clap::Args)]
pub struct Args {
    /// Run under valgrind: no leaks, no invalid accesses
    #[arg(long)]
    valgrind: bool,
    /// Build with address and undefined-behaviour sanitizers (C with clang, Rust with the nightly
    /// compiler)
    #[arg(long)]
    sanitize: bool,
    /// Run plain, under valgrind and with sanitizers
    #[arg(long)]
    all: bool,
    /// Let allocations of the mqtt library fail: one per run, from the first to the last, then 1 %
    /// at random. Areas must exit cleanly, without leaks; `memory` must pass, whosever allocation
    /// fails
    #[arg(long, conflicts_with_all = ["all", "valgrind", "sanitize"])]
    alloc_faults: bool,
    /// Number of runs per area with random failures
    #[arg(long, default_value_t = 20, requires = "alloc_faults")]
    seeds: u32,
    /// Upper limit of runs per area with a single failure; the others are skipped and the summary
    /// says so
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true, requires = "alloc_faults", value_name = "RUNS")]
    at_most: u64,
    /// Show the logs of all apps, not only of those that fail
    #[arg(long)]
    log: bool,
    /// Areas to test: names of files in c_tests without .c, or of directories [default: all]
    areas: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::COMPILERS)?;
    let chosen = [(Mode::Plain, args.all), (Mode::Valgrind, args.all || args.valgrind), (Mode::Sanitize, args.all || args.sanitize)];
    let mut modes: Vec<Mode> = chosen.into_iter().filter(|(_, on)| *on).map(|(mode, _)| mode).collect();
    if modes.is_empty() {
        modes.push(Mode::Plain);
    }
    if modes.contains(&Mode::Valgrind) {
        setup::ensure(&[setup::program("valgrind", "valgrind")])?;
    }
    let mut sources = sources(&args.areas)?;
    if args.alloc_faults {
        sources.retain(|source| !SET_THEIR_OWN.contains(&name_of(source).as_str()));
        return alloc_faults::run(&build(&sources, Mode::Sanitize)?, args.seeds, args.at_most);
    }
    let mut total = Outcome::default();
    let mut bad = Vec::new();
    for mode in modes {
        let started = Instant::now();
        let areas = build(&sources, mode)?;
        let screen = Mutex::new(());
        let outcomes = some_at_a_time(2, areas.len(), |i| run_one(&areas[i], mode, args.log, &screen));
        for (area, outcome) in areas.iter().zip(outcomes) {
            let outcome = outcome?;
            total.passed += outcome.passed;
            total.failed += outcome.failed;
            if outcome.failed > 0 || outcome.problem.is_some() {
                let why = outcome.problem.unwrap_or_else(|| format!("{} failed", outcome.failed));
                bad.push(format!("{} ({}): {why}", area.name, mode.name()));
            }
        }
        println!("{}: {} areas in {:.0} s", mode.name(), areas.len(), started.elapsed().as_secs_f32());
    }
    println!("{} checks passed, {} failed", total.passed, total.failed);
    ensure!(bad.is_empty(), "the compatibility suite failed\n  {}", bad.join("\n  "));
    Ok(())
}

/// The apps: each source next to c_tests/mos.yml, and each subdirectory with its own mos.yml.
fn sources(areas: &[String]) -> Result<Vec<PathBuf>> {
    let dir = project::root().join("c_tests");
    let mut all = files::list(&dir)?;
    all.retain(|path| files::ends_in(path, &["c"]) || path.join("mos.yml").is_file());
    if let Some(unknown) = areas.iter().find(|area| !all.iter().any(|path| name_of(path) == **area)) {
        let known: Vec<_> = all.iter().map(|path| name_of(path)).collect();
        bail!("unknown area {unknown:?}; areas: {}", known.join(", "));
    }
    all.retain(|path| areas.is_empty() || areas.contains(&name_of(path)));
    Ok(all)
}

fn name_of(source: &Path) -> String {
    source.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
