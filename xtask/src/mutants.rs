//! `cargo xtask mutants`: mutation testing with cargo-mutants. It makes one small change to the
//! library at a time, which must make a test fail. .cargo/mutants.toml lists the mutated files and
//! the equivalent mutants.
//!
//! Each mutant is tested with the unit tests of the core; those that survive, with all unit tests
//! and the simulations. The C suite is not run.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use project::tools;

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
const MEMORY: libc::rlim_t = 8 << 30;

/// The mutants to test.
#[derive(Default)]
struct Scope {
    /// The file with the changed lines.
    diff: Option<PathBuf>,
    shard: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    let tool = Tool { program: CARGO_MUTANTS.ensure()? };
    let all = tool.list(&Scope::default(), &[])?.len();
    tool.check_exclusions()?;
    let mut scope = Scope { shard: args.shard.clone(), ..Scope::default() };
    let base = match (&args.in_diff, args.change) {
        (Some(base), _) => Some(base.clone()),
        (None, true) => base(),
        (None, false) => None,
    };
    if let Some(base) = &base {
        scope.diff = Some(diff(base)?);
        println!("mutants of the change since {base}");
    } else if args.change {
        println!("no commit to compare with (shallow clone?): testing a sample, shard {SAMPLE}");
        scope.shard = Some(SAMPLE.to_owned());
    }
    let mut found = tool.list(&scope, &args.more)?;
    if args.more.iter().any(|arg| arg == "--list") {
        println!("{}", found.join("\n"));
        return Ok(());
    }
    if found.is_empty() {
        println!("no mutants to test: none of {all} in {} is selected", FILES.join(", "));
        return Ok(());
    }
    let touched = found.len();
    if args.change && touched > MAX_FOR_CHANGE {
        scope.shard = Some(format!("0/{}", touched.div_ceil(MAX_FOR_CHANGE)));
        found = tool.list(&scope, &args.more)?;
    }
    println!("testing {} of {touched} selected mutants, {all} in total", found.len());
    let start = Instant::now();
    tool.test(&scope, &args.more, found.len())?;
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

struct Tool {
    program: PathBuf,
}

impl Tool {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(project::root()).args(["mutants", "--package", "mgos-mqtt"]);
        // Each copy of the tree has its own target directory.
        command.env_remove("CARGO_TARGET_DIR");
        command
    }

    fn tester(&self, count: usize) -> Command {
        let mut command = self.command();
        command.arg("--output").arg(output());
        // Each job has a copy of the tree and runs a compiler.
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        command.args(["--jobs", &cores.min(count).clamp(1, 4).to_string()]);
        command.args(["--cargo-arg=--config=profile.test.debug=0", "--cargo-arg=--config=profile.dev.debug=0"]);
        command
    }

    fn limit(command: &mut Command, scope: &Scope, more: &[String]) {
        if let Some(diff) = &scope.diff {
            command.arg("--in-diff").arg(diff);
        }
        if let Some(shard) = &scope.shard {
            command.args(["--shard", shard, "--sharding", "round-robin"]);
        }
        command.args(more);
    }

    /// Returns the names of the mutants.
    fn list(&self, scope: &Scope, more: &[String]) -> Result<Vec<String>> {
        let mut command = self.command();
        command.args(["--list", "--colors", "never"]);
        let more: Vec<String> = more.iter().filter(|arg| *arg != "--list").cloned().collect();
        Self::limit(&mut command, scope, &more);
        lines(command.stderr(Stdio::inherit()))
    }

    /// Checks that each exclusion matches a mutant: an outdated one could later match a mutant for
    /// which it was not meant.
    fn check_exclusions(&self) -> Result<()> {
        let text = fs::read_to_string(project::root().join(CONFIG)).context(CONFIG)?;
        for re in exclusions(&text)? {
            let mut command = self.command();
            command.args(["--no-config", "--list", "--colors", "never", "--re", &re]);
            for file in FILES {
                command.args(["--file", &if file.ends_with(".rs") { file.to_owned() } else { format!("{file}/**") }]);
            }
            // Mutants that delete a field are listed whatever the expression is.
            if lines(command.stderr(Stdio::inherit()))?.iter().all(|name| name.contains(": delete field ")) {
                bail!("{CONFIG}: {re:?} matches no mutant");
            }
        }
        Ok(())
    }

    /// Tests the mutants with the unit tests, and those that survive with the simulations as well.
    fn test(&self, scope: &Scope, more: &[String], count: usize) -> Result<()> {
        let mut units = self.tester(count);
        // Not optimised: this saves more time in the build than it costs in the tests.
        units.args(["--cargo-arg=--config=profile.test.package.mgos-mqtt.opt-level=0", "--cargo-arg=--lib"]);
        Self::limit(&mut units, scope, more);
        units.args(["--", "--"]).args(SKIPPED.iter().flat_map(|(name, _)| ["--skip", name])).args(UNITS);
        let mut result = run_tests(units, count)?;
        println!("unit tests: {}", result.shown());
        if !result.missed.is_empty() {
            let mut all = self.tester(result.missed.len());
            // The files in the configuration would be added to these.
            all.args(["--no-config", "--cap-lints=true", "--minimum-test-timeout=30", "--cargo-arg=--lib"]);
            for name in &result.missed {
                all.arg(format!("--re=^{}$", literal(name)));
                // The mutants of the file that delete a field are tested too.
                all.args(["--file", name.split(':').next().unwrap_or_default()]);
            }
            all.args(TESTS.map(|test| format!("--cargo-arg=--test={test}")));
            all.env("MGOS_MQTT_SIM_SEEDS", SEEDS);
            result = run_tests(all, result.missed.len())?;
            println!("simulations, for those missed by the unit tests: {}", result.shown());
        }
        if !result.missed.is_empty() {
            bail!(
                "no test fails with:\n  {}\nEach needs a test that detects it or, if it behaves like the original, \
                 a line in {CONFIG} with the reason. Test output: {}",
                result.missed.join("\n  "),
                output().join("mutants.out/log").display()
            );
        }
        Ok(())
    }
}

/// The directory in which cargo-mutants creates mutants.out.
fn output() -> PathBuf {
    project::target_dir().join("mutants")
}

fn run_tests(mut command: Command, count: usize) -> Result<Outcome> {
    fs::create_dir_all(output()).with_context(|| format!("cannot create {}", output().display()))?;
    limit_memory(&mut command);
    let status = command.status().with_context(|| format!("cannot start {}", project::shown(&command)))?;
    let result = Outcome::read(&output().join("mutants.out/outcomes.json"))?;
    // 2: some were missed; 3: some timed out, which counts as caught.
    if !matches!(status.code(), Some(0 | 2 | 3)) || result.tested() < count {
        bail!("{} failed ({status}), with {} of {count} mutants tested", project::shown(&command), result.tested());
    }
    Ok(result)
}

/// Returns a regular expression that matches exactly this text.
fn literal(text: &str) -> String {
    let mut re = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            re.push('\\');
        }
        re.push(c);
    }
    re
}

const CONFIG: &str = ".cargo/mutants.toml";

/// Tests that are skipped because they take too long for what they detect.
const SKIPPED: &[(&str, &str)] = &[("identifiers_are_left_over", "70,000 messages in one queue, to check one constant")];

#[derive(Default)]
struct Outcome {
    caught: usize,
    timeout: usize,
    unviable: usize,
    missed: Vec<String>,
}

impl Outcome {
    fn read(path: &std::path::Path) -> Result<Outcome> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("cannot read {}", path.display()))
    }

    fn parse(text: &str) -> Result<Outcome> {
        let json: serde_json::Value = serde_json::from_str(text)?;
        let mut result = Outcome::default();
        for outcome in json["outcomes"].as_array().context("no outcomes")? {
            // The other scenario is the unmodified tree.
            let Some(name) = outcome["scenario"]["Mutant"]["name"].as_str() else { continue };
            match outcome["summary"].as_str() {
                Some("CaughtMutant") => result.caught += 1,
                Some("Timeout") => result.timeout += 1,
                Some("Unviable") => result.unviable += 1,
                Some("MissedMutant") => result.missed.push(name.to_owned()),
                other => bail!("{name}: {other:?}"),
            }
        }
        Ok(result)
    }

    fn tested(&self) -> usize {
        self.caught + self.timeout + self.unviable + self.missed.len()
    }

    fn shown(&self) -> String {
        let Outcome { caught, timeout, unviable, missed } = self;
        format!(
            "{} mutants: {} caught ({timeout} by timeout), {unviable} do not compile, {} missed",
            self.tested(),
            caught + timeout,
            missed.len()
        )
    }
}

/// Returns the expressions in `exclude_re`: one a line, with the reason in a comment above.
fn exclusions(text: &str) -> Result<Vec<String>> {
    let mut list = Vec::new();
    let mut reason = false;
    let entries = text.lines().map(str::trim).skip_while(|line| !line.starts_with("exclude_re")).skip(1);
    for line in entries.take_while(|line| !line.starts_with(']')) {
        if line.starts_with('#') {
            reason = true;
        } else if let Some(re) = line.strip_prefix('\'').and_then(|rest| rest.strip_suffix("',")) {
            if !reason {
                bail!("{CONFIG}: {re:?} has no comment with the reason above it");
            }
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
fn diff(base: &str) -> Result<PathBuf> {
    let mut args = vec!["diff", "--no-ext-diff", "--no-color", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/", base, "--"];
    args.extend(FILES);
    let diff = git(&args).with_context(|| format!("cannot compare with {base}"))?;
    let path = project::target_dir().join("mutants.diff");
    fs::create_dir_all(project::target_dir())?;
    fs::write(&path, diff + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn git(args: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command.current_dir(project::root()).args(args);
    let output = command.stderr(Stdio::null()).output().context("cannot start git")?;
    if !output.status.success() {
        bail!("{} failed ({})", project::shown(&command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn lines(command: &mut Command) -> Result<Vec<String>> {
    let output = command.output().with_context(|| format!("cannot start {}", project::shown(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", project::shown(command), output.status);
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

#[cfg(unix)]
fn limit_memory(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let limit = || {
        let limit = libc::rlimit { rlim_cur: MEMORY, rlim_max: MEMORY };
        // SAFETY: setrlimit only reads `limit`, which outlives the call, and is async-signal-safe.
        match unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure runs between fork and exec; it neither allocates nor locks.
    unsafe { command.pre_exec(limit) };
}

#[cfg(test)]
mod tests {
    use super::{CONFIG, Outcome, exclusions, literal};

    #[test]
    fn each_exclusion_has_a_reason() {
        let text = std::fs::read_to_string(project::root().join(CONFIG)).unwrap();
        exclusions(&text).unwrap();
        let list = |entries: &str| exclusions(&format!("a = 1\nexclude_re = [\n{entries}]\n'c',\n"));
        assert_eq!(list("  # One.\n  'a',\n  'b',\n\n  # Another.\n  'c',\n").unwrap(), ["a", "b", "c"]);
        assert!(list("  # One.\n  'a',\n\n  'b',\n").is_err());
        assert!(list("  # One.\n  \"a\",\n").is_err());
    }

    #[test]
    fn a_name_is_matched_literally() {
        assert_eq!(literal("a/b.rs:1:2: replace |= with ^= in List<T>"), r"a/b\.rs:1:2: replace \|= with \^= in List<T>");
    }

    #[test]
    fn outcomes_are_parsed() {
        let of = |name: &str, summary: &str| format!(r#"{{"scenario":{{"Mutant":{{"name":"{name}"}}}},"summary":"{summary}"}}"#);
        let text = format!(
            r#"{{"outcomes":[{{"scenario":"Baseline","summary":"Success"}},{},{},{}]}}"#,
            of("a", "CaughtMutant"),
            of("b", "MissedMutant"),
            of("c", "Timeout")
        );
        let result = Outcome::parse(&text).unwrap();
        assert_eq!((result.tested(), result.caught, result.timeout), (3, 1, 1));
        assert_eq!(result.missed, ["b"]);
        assert!(Outcome::parse(&format!(r#"{{"outcomes":[{}]}}"#, of("d", "SomethingNew"))).is_err());
    }
}
