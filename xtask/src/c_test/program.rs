//! Runs a built app of the suite in one of the modes, with a time limit, and evaluates its output.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use project::child::Child;

/// Exit status of a program for which valgrind or a sanitizer reports errors.
pub const REPORTED: i32 = 99;

/// How the apps are built and run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Plain,
    Valgrind,
    Sanitize,
}

impl Mode {
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Time limit of an app; a hang counts as a failure.
    pub fn limit(self) -> Duration {
        Duration::from_secs(if self == Mode::Valgrind { 240 } else { 90 })
    }

    fn command(self, program: &Path) -> Command {
        if self != Mode::Valgrind {
            let mut command = Command::new(program);
            command.env("ASAN_OPTIONS", format!("detect_leaks=1:exitcode={REPORTED}"));
            command.env("UBSAN_OPTIONS", format!("print_stacktrace=1:exitcode={REPORTED}"));
            return command;
        }
        let mut command = Command::new("valgrind");
        // Memory that is still reachable at exit() is in use: connections live as long as the app.
        command.arg(format!("--error-exitcode={REPORTED}"));
        command.args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"]);
        command.arg("--fair-sched=try").arg(program);
        command
    }
}

pub struct Area {
    pub name: String,
    pub program: PathBuf,
    pub files: PathBuf,
}

/// Result of a finished app.
pub struct Finished {
    /// `None` if it was killed after the time limit.
    pub status: Option<ExitStatus>,
    pub out: String,
    pub err: String,
}

/// Checks of an app, counted.
#[derive(Default)]
pub struct Outcome {
    pub passed: usize,
    pub failed: usize,
    /// A problem other than failed checks.
    pub problem: Option<String>,
}

/// Runs an app to its end.
pub fn run_to_end(area: &Area, mode: Mode, environment: &[(&str, String)]) -> Result<Finished> {
    let mut command = mode.command(&area.program);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    // On this host the log goes where it can be seen.
    command.args(["--set", "debug.stderr_uart=0"]).current_dir(&area.files);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Child::spawn(&mut command).with_context(|| format!("cannot start {}", project::shown(&command)))?;
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let status = child.wait_until(Instant::now() + mode.limit())?;
    // Kills it if it still runs, which ends its output.
    drop(child);
    Ok(Finished { status, out: out.join().unwrap_or_default(), err: err.join().unwrap_or_default() })
}

/// Reads all of a stream in a thread of its own.
fn reader(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(|| {
        let mut bytes = Vec::new();
        // Output read before an error is still worth showing.
        let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs an app to its end and prints its output.
pub fn run_one(area: &Area, mode: Mode, log: bool, screen: &Mutex<()>) -> Result<Outcome> {
    let started = Instant::now();
    let Finished { status, out, err } = run_to_end(area, mode, &[])?;
    let took = started.elapsed().as_secs_f32();
    let mut outcome = judge(&out);
    match status {
        None => outcome.problem = Some(format!("timed out after {} s", mode.limit().as_secs())),
        Some(status) if !status.success() && (outcome.failed == 0 || status.code() != Some(1)) => {
            outcome.problem = Some(format!("{status}"))
        }
        Some(_) if outcome.passed == 0 => outcome.problem = Some("it made no checks".into()),
        Some(_) => {}
    }
    let _one_at_a_time = screen.lock();
    println!("== {} ({}, {took:.1} s)", area.name, mode.name());
    print!("{out}");
    if log || outcome.failed > 0 || outcome.problem.is_some() {
        eprint!("{err}");
    }
    if let Some(problem) = &outcome.problem {
        println!("problem: {problem}");
    }
    Ok(outcome)
}

/// Counts the checks in an app's output. The app's own total must match, or it ended early.
pub fn judge(out: &str) -> Outcome {
    let count = |start: &str| out.lines().filter(|line| line.starts_with(start)).count();
    let (passed, failed) = (count("ok "), count("not ok "));
    let closing = format!("{passed} passed, {failed} failed");
    let problem = (out.lines().last() != Some(closing.as_str())).then(|| "it ended early".to_string());
    Outcome { passed, failed, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_ends_early_has_a_problem_whatever_it_has_passed() {
        let whole = judge("ok 1 - a\nnot ok 2 - b\n# why\n1 passed, 1 failed\n");
        assert_eq!((whole.passed, whole.failed, whole.problem), (1, 1, None));
        let cut = judge("ok 1 - a\n");
        assert_eq!(cut.passed, 1);
        assert!(cut.problem.is_some());
    }
}
