//! `cargo xtask mutants`: small changes to the library, one at a time, each of which must make a test
//! fail. What is changed, and which of it changes nothing: .cargo/mutants.toml.
//!
//! The tests are the units of what is changed; for what survives them, all units and the simulations.
//! Not the C suite.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::project;

#[derive(clap::Args)]
pub struct Args {
    /// One part of all, the first being 0/N
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Only what has changed since this commit
    #[arg(long, value_name = "REF")]
    in_diff: Option<String>,
    /// Only what has changed since the default branch was left, on that branch itself since the last
    /// commit; and a sample of it where that is much
    #[arg(long, conflicts_with_all = ["shard", "in_diff"])]
    change: bool,
    /// For cargo-mutants: `-- --re Outbox::accepted`, `-- --list`
    #[arg(last = true)]
    more: Vec<String>,
}

/// The version whose mutants .cargo/mutants.toml speaks of; another one makes others.
const VERSION: &str = "27.1.0";

/// What is mutated, as cargo-mutants and git name it.
const FILES: [&str; 4] = ["src/wire", "src/session", "src/conn", "src/heap.rs"];

/// The unit tests of these.
const UNITS: [&str; 4] = ["wire::", "session::", "conn::", "heap::"];

/// Beside all unit tests.
const TESTS: [&str; 4] = ["field", "malicious_broker", "simulation", "wire_properties"];

/// Lives that the simulation goes through for each mutant: those that are seen at all are seen soon.
const SEEDS: &str = "300";

/// As many mutants are tested for a change, about: some minutes on two cores.
const MOST: usize = 40;

/// What is tested where no change is known: one in so many.
const SAMPLE: &str = "0/60";

/// A mutant that allocates without end is to fail, not the machine.
const MEMORY: libc::rlim_t = 8 << 30;

/// What a run is limited to.
#[derive(Default)]
struct Scope {
    /// The file with the changed lines.
    diff: Option<PathBuf>,
    shard: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    let tool = Tool { program: program()? };
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
        println!("the change since {base}");
    } else if args.change {
        println!("there is no commit to compare with, as in a clone of depth 1: a sample instead, shard {SAMPLE}");
        scope.shard = Some(SAMPLE.to_owned());
    }
    let mut found = tool.list(&scope, &args.more)?;
    if args.more.iter().any(|arg| arg == "--list") {
        println!("{}", found.join("\n"));
        return Ok(());
    }
    if found.is_empty() {
        println!("no mutants: of {all} in {}, none is in what is to be tested", FILES.join(", "));
        return Ok(());
    }
    let touched = found.len();
    if args.change && touched > MOST {
        scope.shard = Some(format!("0/{}", touched.div_ceil(MOST)));
        found = tool.list(&scope, &args.more)?;
    }
    println!("testing {} mutants of {touched} in question, and {all} in all", found.len());
    let start = Instant::now();
    tool.test(&scope, &args.more, found.len())?;
    println!("that took {} s", start.elapsed().as_secs());
    if found.len() < all {
        println!(
            "NOT tested: {} of those in question, and {} others. `cargo xtask mutants`, in parts \
             with `--shard`, tests all",
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
        // Each copy of the tree has its own.
        command.env_remove("CARGO_TARGET_DIR");
        command
    }

    fn tester(&self, count: usize) -> Command {
        let mut command = self.command();
        command.arg("--output").arg(output());
        // Each has a copy of the tree, and a compiler.
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

    /// The names of the mutants.
    fn list(&self, scope: &Scope, more: &[String]) -> Result<Vec<String>> {
        let mut command = self.command();
        command.args(["--list", "--colors", "never"]);
        let more: Vec<String> = more.iter().filter(|arg| *arg != "--list").cloned().collect();
        Self::limit(&mut command, scope, &more);
        lines(command.stderr(Stdio::inherit()))
    }

    /// An exclusion that fits no mutant any more may one day fit one that it was not meant for.
    fn check_exclusions(&self) -> Result<()> {
        let text = fs::read_to_string(project::root().join(CONFIG)).context(CONFIG)?;
        for re in exclusions(&text)? {
            let mut command = self.command();
            command.args(["--no-config", "--list", "--colors", "never", "--re", &re]);
            for file in FILES {
                command.args(["--file", &if file.ends_with(".rs") { file.to_owned() } else { format!("{file}/**") }]);
            }
            // Those that leave out a field are listed whatever the expression is.
            if lines(command.stderr(Stdio::inherit()))?.iter().all(|name| name.contains(": delete field ")) {
                bail!("{CONFIG}: {re:?} excludes nothing, as no mutant has such a name");
            }
        }
        Ok(())
    }

    /// Tests them with the units; and those that survive that, with the simulations as well.
    fn test(&self, scope: &Scope, more: &[String], count: usize) -> Result<()> {
        let mut units = self.tester(count);
        // Not optimised, it is built in a fraction of the time that the tests then take longer.
        units.args(["--cargo-arg=--config=profile.test.package.mgos-mqtt.opt-level=0", "--cargo-arg=--lib"]);
        Self::limit(&mut units, scope, more);
        units.args(["--", "--"]).args(SKIPPED.iter().flat_map(|(name, _)| ["--skip", name])).args(UNITS);
        let mut result = run_tests(units, count)?;
        println!("units: {}", result.shown());
        if !result.missed.is_empty() {
            let mut all = self.tester(result.missed.len());
            // The configuration would add its files to these.
            all.args(["--no-config", "--cap-lints=true", "--minimum-test-timeout=30", "--cargo-arg=--lib"]);
            for name in &result.missed {
                all.arg(format!("--re=^{}$", literal(name)));
                // With it come those mutants of a file that leave out a field.
                all.args(["--file", name.split(':').next().unwrap_or_default()]);
            }
            all.args(TESTS.map(|test| format!("--cargo-arg=--test={test}")));
            all.env("MGOS_MQTT_SIM_SEEDS", SEEDS);
            result = run_tests(all, result.missed.len())?;
            println!("simulations, of what the units have missed: {}", result.shown());
        }
        if !result.missed.is_empty() {
            bail!(
                "no test fails with:\n  {}\nEach wants a test that shows what it breaks; or, if it breaks \
                 nothing, a line in {CONFIG} with the reason. What the tests have printed: {}",
                result.missed.join("\n  "),
                output().join("mutants.out/log").display()
            );
        }
        Ok(())
    }
}

/// Where cargo-mutants puts its folder.
fn output() -> PathBuf {
    project::target_dir().join("mutants")
}

fn run_tests(mut command: Command, count: usize) -> Result<Outcome> {
    fs::create_dir_all(output()).with_context(|| format!("cannot make {}", output().display()))?;
    limit_memory(&mut command);
    let status = command.status().with_context(|| format!("cannot start {}", project::shown(&command)))?;
    let result = Outcome::read(&output().join("mutants.out/outcomes.json"))?;
    // 2: some were missed; 3: of some the tests did not come to an end, which is to be caught.
    if !matches!(status.code(), Some(0 | 2 | 3)) || result.tested() < count {
        bail!("{} failed ({status}), with {} of {count} mutants tested", project::shown(&command), result.tested());
    }
    Ok(result)
}

/// A regular expression for this text and nothing else.
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

/// Tests that are not run, as they take too long for what they see.
const SKIPPED: &[(&str, &str)] = &[("identifiers_are_left_over", "70,000 messages in one queue, for one constant")];

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
            // The other scenario is the tree as it is.
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
            "{} mutants: {} caught, of them {timeout} as the tests did not end; {unviable} do not compile; {} missed",
            self.tested(),
            caught + timeout,
            missed.len()
        )
    }
}

/// What `exclude_re` has. Each stands in a line of its own, and above it, in a comment, the reason.
fn exclusions(text: &str) -> Result<Vec<String>> {
    let mut list = Vec::new();
    let mut reason = false;
    let entries = text.lines().map(str::trim).skip_while(|line| !line.starts_with("exclude_re")).skip(1);
    for line in entries.take_while(|line| !line.starts_with(']')) {
        if line.starts_with('#') {
            reason = true;
        } else if let Some(re) = line.strip_prefix('\'').and_then(|rest| rest.strip_suffix("',")) {
            if !reason {
                bail!("{CONFIG}: no reason stands above {re:?}");
            }
            list.push(re.to_owned());
        } else if line.is_empty() {
            reason = false;
        } else {
            bail!("{CONFIG}: one exclusion a line, between ' and ', and not {line:?}");
        }
    }
    Ok(list)
}

/// The commit that a change is compared with: where it has left the default branch, or else the one
/// before. `None` where there is none.
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

/// The change of what is mutated since then, what is not committed included, in a file.
fn diff(base: &str) -> Result<PathBuf> {
    let mut args = vec!["diff", "--no-ext-diff", "--no-color", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/", base, "--"];
    args.extend(FILES);
    let diff = git(&args).with_context(|| format!("no change since {base} is to be had"))?;
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
        // SAFETY: setrlimit reads the structure, and is safe to call between fork and exec.
        match unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: what runs between fork and exec neither allocates nor locks.
    unsafe { command.pre_exec(limit) };
}

/// cargo-mutants of this version: the one in the path, else one of our own in the target directory.
fn program() -> Result<PathBuf> {
    let is_it = |program: &PathBuf| {
        let version = Command::new(program).args(["mutants", "--version"]).stderr(Stdio::null()).output();
        version.is_ok_and(|output| output.stdout.trim_ascii() == format!("cargo-mutants {VERSION}").as_bytes())
    };
    let tools = project::target_dir().join("tools");
    for program in ["cargo-mutants".into(), tools.join("bin").join("cargo-mutants")] {
        if is_it(&program) {
            return Ok(program);
        }
    }
    println!("cargo-mutants {VERSION} is missing; building it into {}", tools.display());
    // Not optimised: it has little to do, and is built in half the time.
    let mut install = project::cargo();
    install.args(["install", "cargo-mutants", "--version", VERSION, "--locked", "--debug", "--force", "--quiet", "--root"]);
    let hint = || format!("cargo-mutants is missing; install it with: cargo install cargo-mutants --version {VERSION} --locked");
    project::run(install.arg(&tools)).with_context(hint)?;
    Ok(tools.join("bin").join("cargo-mutants"))
}

#[cfg(test)]
mod tests {
    use super::{CONFIG, Outcome, exclusions, literal};
    use crate::project;

    #[test]
    fn each_exclusion_has_its_reason() {
        let text = std::fs::read_to_string(project::root().join(CONFIG)).unwrap();
        exclusions(&text).unwrap();
        let list = |entries: &str| exclusions(&format!("a = 1\nexclude_re = [\n{entries}]\n'c',\n"));
        assert_eq!(list("  # One.\n  'a',\n  'b',\n\n  # Another.\n  'c',\n").unwrap(), ["a", "b", "c"]);
        assert!(list("  # One.\n  'a',\n\n  'b',\n").is_err());
        assert!(list("  # One.\n  \"a\",\n").is_err());
    }

    #[test]
    fn a_name_is_looked_for_as_it_stands() {
        assert_eq!(literal("a/b.rs:1:2: replace |= with ^= in List<T>"), r"a/b\.rs:1:2: replace \|= with \^= in List<T>");
    }

    #[test]
    fn what_survives_is_told_from_what_is_caught() {
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
