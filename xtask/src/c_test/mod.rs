//! `cargo xtask c-test`: the compatibility suite, plain C apps in c_tests against a scripted broker.
//! Here: which there are, in which ways they are run, and adding up. What they check is theirs to know. The rest: build, program (running
//! one of them), starve (running them without enough memory).

mod build;
mod program;
mod starve;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{project, setup};
use build::build;
use program::{Area, Mode, Outcome, run_one};

const VALGRIND: setup::Package = setup::Package { name: "valgrind", sign: setup::Sign::Program("valgrind") };

/// Areas that say by themselves which allocations fail.
const STARVE_THEMSELVES: [&str; 2] = ["seam", "starved"];

#[derive(clap::Args)]
pub struct Args {
    /// Under valgrind: no leak, no invalid access
    #[arg(long)]
    valgrind: bool,
    /// With address and undefined-behaviour sanitizers, C by clang and Rust by its nightly compiler
    #[arg(long)]
    sanitize: bool,
    /// Plain, under valgrind and with sanitizers
    #[arg(long)]
    all: bool,
    /// With allocations of the mqtt library failing: the first of an app, the second, and so on, one in each run; then, at random, one in
    /// a hundred. Areas must come to an orderly end, without a leak. `memory` must pass whoever's allocation fails
    #[arg(long, conflicts_with_all = ["all", "valgrind", "sanitize"])]
    starve: bool,
    /// How many runs of each area have allocations fail at random
    #[arg(long, default_value_t = 20, requires = "starve")]
    seeds: u32,
    /// No more runs of each area than this with one allocation failing: those between are left out, and the count says so
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true, requires = "starve", value_name = "RUNS")]
    at_most: u64,
    /// Show the apps' logs, not only those of apps that fail
    #[arg(long)]
    log: bool,
    /// Areas to test: names of files in c_tests without .c, or of directories; all when none is named
    areas: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::COMPILERS)?;
    let modes: Vec<Mode> = if args.all {
        vec![Mode::Plain, Mode::Valgrind, Mode::Sanitize]
    } else {
        let chosen = [(args.valgrind, Mode::Valgrind), (args.sanitize, Mode::Sanitize)];
        let chosen: Vec<_> = chosen.iter().filter(|(on, _)| *on).map(|(_, mode)| *mode).collect();
        if chosen.is_empty() { vec![Mode::Plain] } else { chosen }
    };
    if modes.contains(&Mode::Valgrind) {
        setup::ensure(&[VALGRIND])?;
    }
    let mut sources = sources(&args.areas)?;
    if args.starve {
        sources.retain(|source| !STARVE_THEMSELVES.contains(&name_of(source).as_str()));
        return starve::run(&build(&sources, Mode::Sanitize)?, args.seeds, args.at_most);
    }
    let mut total = Outcome::default();
    let mut bad = Vec::new();
    for mode in modes {
        let started = Instant::now();
        let areas = build(&sources, mode)?;
        for (area, outcome) in areas.iter().zip(run_all(&areas, mode, args.log)?) {
            total.passed += outcome.passed;
            total.failed += outcome.failed;
            if outcome.failed > 0 || outcome.trouble.is_some() {
                let why = outcome.trouble.unwrap_or_else(|| format!("{} failed", outcome.failed));
                bad.push(format!("{} ({}): {why}", area.name, mode.name()));
            }
        }
        println!("{}: {} areas in {:.0} s", mode.name(), areas.len(), started.elapsed().as_secs_f32());
    }
    println!("{} checks passed, {} failed", total.passed, total.failed);
    if !bad.is_empty() {
        bail!("the compatibility suite fails\n  {}", bad.join("\n  "));
    }
    Ok(())
}

/// The apps: a source beside c_tests/mos.yml each, and the directories there that have a mos.yml of their own.
fn sources(areas: &[String]) -> Result<Vec<PathBuf>> {
    let dir = project::root().join("c_tests");
    let entries = std::fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    all.retain(|path| path.extension().is_some_and(|ending| ending == "c") || path.join("mos.yml").is_file());
    all.sort();
    if let Some(unknown) = areas.iter().find(|area| !all.iter().any(|path| name_of(path) == **area)) {
        let known: Vec<_> = all.iter().map(|path| name_of(path)).collect();
        bail!("there is no area {unknown:?} in c_tests; there are: {}", known.join(", "));
    }
    all.retain(|path| areas.is_empty() || areas.contains(&name_of(path)));
    Ok(all)
}

fn name_of(source: &Path) -> String {
    source.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn run_all(areas: &[Area], mode: Mode, log: bool) -> Result<Vec<Outcome>> {
    let screen = Mutex::new(());
    two_at_a_time(areas.len(), |i| run_one(&areas[i], mode, log, &screen)).into_iter().collect()
}

/// Do something for each number below `count`, two at a time; the results come in order.
fn two_at_a_time<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    some_at_a_time(2, count, work)
}

/// The same, with `threads` at a time.
fn some_at_a_time<T: Send>(threads: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count {
                        break;
                    }
                    let result = work(i);
                    results.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((i, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the last column: AREA: the beginning of a check's words; more of the same area, or of another,
    /// after a semicolon. In backticks are Rust tests, which xtask/src/docs looks for.
    #[test]
    fn the_checks_that_the_list_of_differences_names_are_there() {
        let root = project::root();
        let list = std::fs::read_to_string(root.join("docs/differences.md")).unwrap();
        let rows =
            list.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.trim_end_matches([' ', '|']).rsplit_once("| "));
        let mut named = 0;
        for (_, column) in rows.filter(|(_, column)| !column.starts_with("Shown by")) {
            let mut source = String::new();
            for check in column.split("; ").filter(|check| !check.starts_with('`')) {
                let words = match check.split_once(": ") {
                    Some((area, words)) if sources(&[area.to_string()]).is_ok() => {
                        let path = sources(&[area.to_string()]).unwrap().remove(0);
                        let path = if path.is_dir() { path.join(format!("{area}.c")) } else { path };
                        source = std::fs::read_to_string(path).unwrap();
                        words
                    }
                    _ if source.is_empty() => continue,
                    _ => check,
                };
                assert!(words == "all of it" || source.contains(words), "docs/differences.md names a check that is not there: {check}");
                named += 1;
            }
        }
        assert!(named > 40, "{named}");
    }

    #[test]
    fn results_come_in_order() {
        assert_eq!(two_at_a_time(5, |i| i * i), [0, 1, 4, 9, 16]);
    }
}
