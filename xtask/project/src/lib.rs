//! What all tools of the project share. Here: its directories, calling other programs, working in
//! parallel, waiting. Elsewhere: files, setup (Debian packages), tools (programs from crates.io),
//! libclang (finding it), child (a process that does not outlive its parent), process (one whose
//! output is waited for).

pub mod child;
pub mod files;
pub mod libclang;
pub mod process;
pub mod setup;
pub mod tools;

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, ensure};
pub use files::{read, write_if_changed};

/// The root of the workspace.
pub fn root() -> PathBuf {
    // Both variables, as a built xtask may be started without cargo.
    let of_a_package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()));
    let root = of_a_package.ancestors().find(|dir| dir.join("Cargo.lock").is_file());
    root.unwrap_or(&of_a_package).to_path_buf()
}

/// Cargo's target directory; our own output goes next to cargo's.
pub fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        // Relative to where cargo was called, which is the current directory.
        Some(dir) => std::path::absolute(&dir).unwrap_or(dir.into()),
        None => root().join("target"),
    }
}

/// The cargo that started us, else the one in the path.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command.envs(libclang::variable().map(|folder| (libclang::VARIABLE, folder)));
    if !setup::installs() {
        command.env(setup::NO_INSTALL_VARIABLE, "1");
    }
    command
}

/// cargo of the nightly toolchain, the only one with sanitizers.
pub fn nightly() -> Result<Command> {
    let command = || {
        let mut command = Command::new("cargo");
        // Set by the cargo that started us, for its own toolchain.
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
        command.current_dir(root()).arg("+nightly");
        command
    };
    let found = command().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().context("cannot start cargo")?;
    ensure!(found.success(), "this needs the nightly toolchain: rustup toolchain install nightly");
    Ok(command())
}

/// Runs a program to its end; fails with the command on a non-zero exit status.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(status.success(), "{} failed ({status})", shown(command));
    Ok(())
}

/// Runs a program and returns its output; fails with what it says on a non-zero exit status.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(output.status.success(), "{} failed ({}): {}", shown(command), output.status, String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What git says in the project's directory, with times in UTC.
pub fn git(args: &[&str]) -> Result<String> {
    let text = output(Command::new("git").args(args).env("TZ", "UTC").current_dir(root()))?;
    Ok(text.trim_end().to_owned())
}

/// Runs `work` for each index below `count`, `threads` at a time; results are in order.
pub fn some_at_a_time<T: Send>(threads: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let indices = || std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < count));
    let mut results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| indices().map(|i| (i, work(i))).collect::<Vec<_>>())).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Tries every few milliseconds until there is something; `None` if there is nothing by `end`.
pub fn try_until<T>(end: Instant, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    loop {
        let found = attempt()?;
        if found.is_some() || Instant::now() > end {
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Prints lines, as long as anybody reads them: `| head`.
pub fn print_lines(lines: impl IntoIterator<Item = String>) {
    let mut out = std::io::stdout().lock();
    let _ = lines.into_iter().try_for_each(|line| writeln!(out, "{line}"));
}

/// A command as typed in a shell.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./:+,@%".contains(c)) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Whether a program is in the path, or in the directories of administration programs.
pub fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]).any(|dir| dir.join(name).is_file())
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_order() {
        assert_eq!(super::some_at_a_time(2, 5, |i| i * i), [0, 1, 4, 9, 16]);
    }
}
