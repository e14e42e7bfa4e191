//! `cargo xtask mutants`: mutation testing with cargo-mutants. It makes one small change to the
//! library at a time, which must make a test fail. .cargo/mutants.toml lists the mutated files and
//! the equivalent mutants.
//!
//! Each mutant is tested with the unit tests of the core; those that survive, with all unit tests
//! and the simulations. The C suite is not run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use project::{git, tools};

#[derive(clap::Args)]
pub struct Args {
    /// Test only part K of N, counted from 0
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Test only what has changed since this commit
    #[arg(long, value_name = "REF")]
    in_diff: Option<String>,
    /// Test only what has changed since the branch point, or on the default branch in the last
    /// commit; a sample of it if there are many mutants
    #[arg(long, conflicts_with_all = ["shard", "in_diff"])]
    change: bool,
    /// Passed to cargo-mutants: `-- --re Outbox::accepted`, `-- --list`
    #[arg(last = true, value_name = "ARGS")]
    more: Vec<String>,
}

/// The version for which .cargo/mutants.toml is written; others generate different mutants.
const CARGO_MUTANTS: tools::Tool = tools::Tool { name: "cargo-mutants", version: "27.1.0", options: &[] };

/// The mutated files, as cargo-mutants and git name them.
const FILES: [&str; 4] = ["src/wire", "src/session", "src/conn", "src/heap.rs"];

/// Their unit tests.
const UNITS: [&str; 4] = ["wire::", "session::", "conn::", "heap::"];

/// Integration tests for mutants that survive the unit tests.
const TESTS: [&str; 4] = ["field", "malicious_broker", "simulation", "wire_properties"];

/// Runs of the simulation per mutant: more detect hardly any others.
const SEEDS: &str = "300";

/// About this many mutants are tested for a change: a few minutes on two cores.
const MAX_FOR_CHANGE: usize = 40;

/// The shard to test if there is no commit to compare with.
const SAMPLE: &str = "0/60";

/// Memory limit in bytes, for mutants that allocate endlessly.
const MEMORY: u64 = 8 << 30;

pub fn run(args: Args) -> Result<()> {
    let program = CARGO_MUTANTS.ensure()?;
    let all = list(&program, &[])?.len();
    check_exclusions(&program)?;
    // cargo-mutants' options that select mutants.
    let mut selection = Vec::new();
    let base = args.in_diff.or_else(|| if args.change { base() } else { None });
    if let Some(base) = &base {
        selection.extend(["--in-diff".to_owned(), diff(base)?]);
        println!("mutants of the change since {base}");
    } else if args.change {
        println!("no commit to compare with (shallow clone?): testing a sample, shard {SAMPLE}");
        selection.extend(shard(SAMPLE));
    }
    selection.extend(args.shard.iter().flat_map(|part| shard(part)));
    let (lists, more): (Vec<_>, Vec<_>) = args.more.into_iter().partition(|arg| arg == "--list");
    selection.extend(more);
    let mut found = list(&program, &selection)?;
    if !lists.is_empty() {
        println!("{}", found.join("\n"));
        return Ok(());
    }
    if found.is_empty() {
        println!("no mutants to test: none of {all} in {} is selected", FILES.join(", "));
        return Ok(());
    }
    let touched = found.len();
    if args.change && touched > MAX_FOR_CHANGE {
        selection.extend(shard(&format!("0/{}", touched.div_ceil(MAX_FOR_CHANGE))));
        found = list(&program, &selection)?;
    }
    println!("testing {} of {touched} selected mutants, {all} in total", found.len());
    let start = Instant::now();
    test(&program, &selection, found.len())?;
    println!("took {} s", start.elapsed().as_secs());
    if found.len() < all {
        println!(
            "NOT tested: {} selected mutants, {} others. `cargo xtask mutants` tests all; `--shard` \
             splits that into parts",
            touched - found.len(),
            all - touched
        );
    }
    Ok(())
}

fn shard(part: &str) -> [String; 3] {
    ["--sharding=round-robin", "--shard", part].map(String::from)
}

fn command(program: &Path) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={MEMORY}")).arg(program).args(["mutants", "--package", "mgos-mqtt"]);
    // Each copy of the tree has its own target directory.
    command.current_dir(project::root()).env_remove("CARGO_TARGET_DIR");
    command
}

fn tester(program: &Path, count: usize) -> Command {
    let mut command = command(program);
    command.arg("--output").arg(output());
    // Each job has a copy of the tree and runs a compiler.
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    command.args(["--jobs", &cores.min(count).clamp(1, 4).to_string()]);
    command.args(["--cargo-arg=--config=profile.test.debug=0", "--cargo-arg=--config=profile.dev.debug=0"]);
    command
}

/// Returns the names of the mutants that these options select.
fn list(program: &Path, selection: &[String]) -> Result<Vec<String>> {
    let mut command = command(program);
    command.args(["--list", "--colors", "never"]).args(selection).stderr(Stdio::inherit());
    Ok(project::output(&mut command)?.lines().map(str::to_owned).collect())
}

/// Checks that each exclusion matches a mutant: an outdated one could later match a mutant for
/// which it was not meant.
fn check_exclusions(program: &Path) -> Result<()> {
    let files = FILES.map(|file| format!("--file={}", if file.ends_with(".rs") { file.to_owned() } else { format!("{file}/**") }));
    for re in exclusions(&project::read(CONFIG)?)? {
        let selection = [&["--no-config".to_owned(), format!("--re={re}")][..], &files].concat();
        // Mutants that delete a field are listed whatever the expression is.
        if list(program, &selection)?.iter().all(|name| name.contains(": delete field ")) {
            bail!("{CONFIG}: {re:?} matches no mutant");
        }
    }
    Ok(())
}

/// Tests the mutants with the unit tests, and those that survive with the simulations as well.
fn test(program: &Path, selection: &[String], count: usize) -> Result<()> {
    let mut units = tester(program, count);
    // Not optimised: this saves more time in the build than it costs in the tests.
    units.args(["--cargo-arg=--config=profile.test.package.mgos-mqtt.opt-level=0", "--cargo-arg=--lib"]).args(selection);
    units.args(["--", "--"]).args(SKIPPED.iter().flat_map(|(name, _)| ["--skip", name])).args(UNITS);
    let mut missed = run_tests(units, count)?;
    if !missed.is_empty() {
        println!("testing those missed by the unit tests with all tests and the simulations");
        let mut all = tester(program, missed.len());
        // The files in the configuration would be added to these.
        all.args(["--no-config", "--cap-lints=true", "--minimum-test-timeout=30", "--cargo-arg=--lib"]);
        for name in &missed {
            all.arg(format!("--re=^{}$", regex::escape(name)));
            // The mutants of the file that delete a field are tested too.
            all.args(["--file", name.split(':').next().unwrap_or_default()]);
        }
        all.args(TESTS.map(|test| format!("--cargo-arg=--test={test}")));
        all.env("MGOS_MQTT_SIM_SEEDS", SEEDS);
        missed = run_tests(all, missed.len())?;
    }
    if !missed.is_empty() {
        bail!(
            "no test fails with:\n  {}\nEach needs a test that detects it or, if it behaves like the original, \
             a line in {CONFIG} with the reason. Test output: {}",
            missed.join("\n  "),
            output().join("mutants.out/log").display()
        );
    }
    Ok(())
}

/// The directory in which cargo-mutants creates mutants.out.
fn output() -> PathBuf {
    project::target_dir().join("mutants")
}

/// Tests the mutants; returns those that no test detects.
fn run_tests(mut command: Command, count: usize) -> Result<Vec<String>> {
    fs::create_dir_all(output())?;
    let status = command.status().with_context(|| format!("cannot start {}", project::shown(&command)))?;
    let [missed, caught, timeout, unviable] =
        ["missed", "caught", "timeout", "unviable"].map(|list| project::read(output().join(format!("mutants.out/{list}.txt"))));
    let missed: Vec<_> = missed?.lines().map(str::to_owned).collect();
    let tested = missed.len() + caught?.lines().count() + timeout?.lines().count() + unviable?.lines().count();
    // 2: some were missed; 3: some timed out, which counts as caught.
    if !matches!(status.code(), Some(0 | 2 | 3)) || tested < count {
        bail!("{} failed ({status}), with {tested} of {count} mutants tested", project::shown(&command));
    }
    Ok(missed)
}

const CONFIG: &str = ".cargo/mutants.toml";

/// Tests that are skipped because they take too long for what they detect.
const SKIPPED: &[(&str, &str)] = &[("identifiers_are_left_over", "70,000 messages in one queue, to check one constant")];

/// Returns the expressions in `exclude_re`: one a line, with the reason in a comment above.
fn exclusions(text: &str) -> Result<Vec<String>> {
    let mut list = Vec::new();
    let mut reason = false;
    let entries = text.lines().map(str::trim).skip_while(|line| !line.starts_with("exclude_re")).skip(1);
    for line in entries.take_while(|line| !line.starts_with(']')) {
        if line.starts_with('#') {
            reason = true;
        } else if let Some(re) = line.strip_prefix('\'').and_then(|rest| rest.strip_suffix("',")) {
            ensure!(reason, "{CONFIG}: {re:?} has no comment with the reason above it");
            list.push(re.to_owned());
        } else if line.is_empty() {
            reason = false;
        } else {
            bail!("{CONFIG}: expected one expression in single quotes, found {line:?}");
        }
    }
    Ok(list)
}

/// Returns the commit to compare with: the branch point from the default branch or, on that branch,
/// the parent. `None` if there is none.
fn base() -> Option<String> {
    let head = git(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).ok()?;
    for branch in ["origin/HEAD", "origin/main", "origin/master", "main", "master"] {
        if let Ok(base) = git(&["merge-base", branch, "HEAD"]) {
            if base != head {
                return Some(base);
            }
            break;
        }
    }
    git(&["rev-parse", "--verify", "--quiet", "HEAD~1^{commit}"]).ok()
}

/// Writes the changes to the mutated files since `base`, uncommitted ones included, to a file.
fn diff(base: &str) -> Result<String> {
    let args = ["diff", "--no-ext-diff", "--no-color", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/", base, "--"];
    let diff = git(&[&args[..], &FILES].concat()).with_context(|| format!("cannot compare with {base}"))?;
    let path = project::target_dir().join("mutants.diff");
    fs::write(&path, diff + "\n")?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::{CONFIG, exclusions};

    #[test]
    fn each_exclusion_has_a_reason() {
        let text = project::read(CONFIG).unwrap();
        exclusions(&text).unwrap();
        let list = |entries: &str| exclusions(&format!("a = 1\nexclude_re = [\n{entries}]\n'c',\n"));
        assert_eq!(list("  # One.\n  'a',\n  'b',\n\n  # Another.\n  'c',\n").unwrap(), ["a", "b", "c"]);
        assert!(list("  # One.\n  'a',\n\n  'b',\n").is_err());
        assert!(list("  # One.\n  \"a\",\n").is_err());
    }
}
