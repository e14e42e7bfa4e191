//! `cargo xtask c-test`: the compatibility suite, plain C apps in c_tests against a scripted broker.
//! Here: building them, running them with a time limit, and adding up. What they check is theirs to know.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::app::{self, Compiler};
use crate::manifest::Manifest;
use crate::{project, setup};

const VALGRIND: setup::Package = setup::Package { name: "valgrind", sign: setup::Sign::Program("valgrind") };

#[derive(clap::Args)]
pub struct Args {
    /// Under valgrind: no leak, no invalid access
    #[arg(long)]
    valgrind: bool,
    /// With the C compiler's address and undefined-behaviour sanitizers
    #[arg(long)]
    sanitize: bool,
    /// Plain, under valgrind and with sanitizers
    #[arg(long)]
    all: bool,
    /// Show the apps' logs, not only those of apps that fail
    #[arg(long)]
    log: bool,
    /// Areas to test: names of files in c_tests without .c, or of directories; all when none is named
    areas: Vec<String>,
}

/// A way to build and run the apps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    Valgrind,
    Sanitize,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Plain => "plain",
            Mode::Valgrind => "valgrind",
            Mode::Sanitize => "sanitize",
        }
    }

    /// The time in which an app must be done. Hanging is a failure, too.
    fn limit(self) -> Duration {
        Duration::from_secs(if self == Mode::Valgrind { 240 } else { 90 })
    }

    fn command(self, program: &Path) -> Command {
        if self != Mode::Valgrind {
            let mut command = Command::new(program);
            command.env("ASAN_OPTIONS", "detect_leaks=1").env("UBSAN_OPTIONS", "print_stacktrace=1");
            return command;
        }
        let mut command = Command::new("valgrind");
        // What is still reachable when the app calls exit() is in use: connections live as long as the app.
        command.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"]);
        command.arg("--fair-sched=try").arg(program);
        command
    }
}

struct Area {
    name: String,
    program: PathBuf,
    files: PathBuf,
}

/// How an app has done.
#[derive(Default)]
struct Outcome {
    passed: usize,
    failed: usize,
    /// What is wrong beside failed checks.
    trouble: Option<String>,
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
    let sources = sources(&args.areas)?;
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

/// Build all apps. Those of one manifest have everything but their own source in common.
fn build(sources: &[PathBuf], mode: Mode) -> Result<Vec<Area>> {
    let host = app::host_library(false)?;
    let (dirs, files): (Vec<PathBuf>, Vec<PathBuf>) = sources.iter().cloned().partition(|source| source.is_dir());
    let root = project::root().join("c_tests");
    let mut areas = if files.is_empty() { Vec::new() } else { build_group(&root, &files, mode, &host)? };
    for dir in &dirs {
        areas.extend(build_group(dir, &[], mode, &host)?);
    }
    Ok(areas)
}

/// Build an app of each source with the manifest in `dir`; without any, the one app that the manifest describes.
fn build_group(dir: &Path, sources: &[PathBuf], mode: Mode, host: &Path) -> Result<Vec<Area>> {
    let mut manifest = Manifest::load(dir)?;
    if !sources.is_empty() {
        manifest.sources = vec!["lib".into()];
    }
    manifest.cflags.extend(["-Wextra", "-Werror"].map(String::from));
    let mut link_flags: Vec<&str> = Vec::new();
    if mode == Mode::Sanitize {
        link_flags = vec!["-fsanitize=address,undefined"];
        manifest.cflags.extend(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"].map(String::from));
    }
    // valgrind runs the programs of the plain mode.
    let flavour = format!("{}{}", name_of(dir), if mode == Mode::Sanitize { "-sanitize" } else { "" });
    let plan = app::plan(&flavour, Some(manifest))?;
    let compiler = Compiler::for_plan(&plan);
    let common = compiler.compile(&plan.sources)?;
    let own: Vec<_> = sources.iter().map(|source| ("area".to_string(), source.clone())).collect();
    let own = compiler.compile(&own)?;
    let names = if sources.is_empty() { vec![name_of(dir)] } else { sources.iter().map(|source| name_of(source)).collect() };
    let files = plan.dir.join("fs");
    std::fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    let link = |i: usize| -> Result<Area> {
        let name = names[i].clone();
        let program = plan.dir.join(&name);
        let mut command = Command::new("cc");
        command.args(["-g", "-Wl,--gc-sections", "-o"]).arg(&program).args(own.get(i)).args(&common).arg(host);
        project::run(command.args(&link_flags).args(["-lpthread", "-ldl", "-lm"]))?;
        Ok(Area { name, program, files: files.clone() })
    };
    two_at_a_time(names.len(), link).into_iter().collect()
}

fn run_all(areas: &[Area], mode: Mode, log: bool) -> Result<Vec<Outcome>> {
    let screen = Mutex::new(());
    two_at_a_time(areas.len(), |i| run_one(&areas[i], mode, log, &screen)).into_iter().collect()
}

/// Do something for each number below `count`, two at a time; the results come in order.
fn two_at_a_time<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
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

/// Run an app to its end and print what it says.
fn run_one(area: &Area, mode: Mode, log: bool, screen: &Mutex<()>) -> Result<Outcome> {
    let mut command = mode.command(&area.program);
    // On this host the log goes where it can be seen.
    command.args(["--set", "debug.stderr_uart=0"]).current_dir(&area.files);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", project::shown(&command)))?;
    let reader = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read before an error is still worth showing.
            let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = reader(child.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>));
    let err = reader(child.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for the app")? {
            break Some(status);
        }
        if started.elapsed() > mode.limit() {
            child.kill().context("cannot stop the app")?;
            child.wait().context("cannot wait for the app")?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let took = started.elapsed().as_secs_f32();
    let out = out.join().unwrap_or_default();
    let err = err.join().unwrap_or_default();
    let mut outcome = judge(&out);
    match status {
        None => outcome.trouble = Some(format!("not done after {} s", mode.limit().as_secs())),
        Some(status) if !status.success() && outcome.failed == 0 => outcome.trouble = Some(format!("{status}")),
        Some(_) if outcome.passed == 0 => outcome.trouble = Some("no check was made".into()),
        Some(_) => {}
    }
    let _one_at_a_time = screen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    println!("== {} ({}, {took:.1} s)", area.name, mode.name());
    print!("{out}");
    if log || outcome.failed > 0 || outcome.trouble.is_some() {
        eprint!("{err}");
    }
    if let Some(trouble) = &outcome.trouble {
        println!("trouble: {trouble}");
    }
    Ok(outcome)
}

/// Count an app's lines. Its own count must agree: else it came to an untimely end.
fn judge(out: &str) -> Outcome {
    let count = |start: &str| out.lines().filter(|line| line.starts_with(start)).count();
    let (passed, failed) = (count("ok "), count("not ok "));
    let closing = format!("{passed} passed, {failed} failed");
    let trouble = (out.lines().last() != Some(closing.as_str())).then(|| "it did not come to its end".to_string());
    Outcome { passed, failed, trouble }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_ends_early_is_in_trouble_whatever_it_has_passed() {
        let whole = judge("ok 1 - a\nnot ok 2 - b\n# why\n1 passed, 1 failed\n");
        assert_eq!((whole.passed, whole.failed, whole.trouble), (1, 1, None));
        let cut = judge("ok 1 - a\n");
        assert_eq!(cut.passed, 1);
        assert!(cut.trouble.is_some());
    }

    /// In the last column: AREA: the beginning of a check's words; more of the same area, or of another, after a semicolon.
    #[test]
    fn the_checks_that_the_list_of_differences_names_are_there() {
        let root = project::root();
        let list = std::fs::read_to_string(root.join("docs/differences.md")).unwrap();
        let rows =
            list.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.trim_end_matches([' ', '|']).rsplit_once("| "));
        let mut named = 0;
        for (_, column) in rows.filter(|(_, column)| !column.starts_with("Shown by")) {
            let mut source = String::new();
            for check in column.split("; ") {
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
