//! External programs that commands need: checked, and installed if missing where possible.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::project;

/// A Debian package, and how to tell that it is installed.
#[derive(Clone, Copy)]
pub struct Package {
    pub name: &'static str,
    pub sign: Sign,
}

/// How to detect a package.
#[derive(Clone, Copy)]
pub enum Sign {
    /// By a program in the path.
    Program(&'static str),
    /// By asking the package manager: for libraries.
    Installed,
    /// libclang, wherever the system has it.
    LibClang,
}

/// A package detected by a program.
pub const fn program(name: &'static str, program: &'static str) -> Package {
    Package { name, sign: Sign::Program(program) }
}

/// A package detected by the package manager.
pub const fn installed(name: &'static str) -> Package {
    Package { name, sign: Sign::Installed }
}

/// What building an app needs besides Rust: the host's TLS library is built with CMake, and its
/// headers are parsed by libclang.
pub const COMPILERS: &[Package] =
    &[program("gcc", "cc"), program("g++", "c++"), program("cmake", "cmake"), Package { name: "libclang-dev", sign: Sign::LibClang }];

/// What the host's tests need in addition.
pub const TEST_TOOLS: &[Package] = &[program("openssl", "openssl"), program("valgrind", "valgrind"), program("nodejs", "node")];

/// Makes sure that the packages are installed; installs missing ones, or says how.
pub fn ensure(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().filter(|package| !package.is_there()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !project::has_program("apt-get") {
        bail!("missing: {list} (names of Debian packages); install them with your package manager");
    }
    let root = is_root();
    if !root && !sudo_does_not_prompt() {
        bail!("missing: {list}; install them with: sudo apt-get update && sudo apt-get install -y {list}");
    }
    eprintln!("installing {list}");
    apt_get(root, &["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(missing);
    apt_get(root, &install)
}

impl Package {
    fn is_there(self) -> bool {
        match self.sign {
            Sign::Program(program) => project::has_program(program),
            Sign::Installed => {
                let query = Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", self.name]).output();
                query.is_ok_and(|output| output.stdout == b"installed")
            }
            Sign::LibClang => env::var_os("LIBCLANG_PATH").is_some() || lib_folders().any(|folder| folder.join("libclang.so").exists()),
        }
    }
}

/// Library directories: the system's, and those of each LLVM installed next to it.
fn lib_folders() -> impl Iterator<Item = PathBuf> {
    let inside = |folder: &str, tail: &'static str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(move |entry| entry.path().join(tail))
    };
    let known = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    known.into_iter().chain(inside("/usr/lib", "lib")).chain(inside("/usr/lib", ""))
}

/// How long to wait for another package manager.
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);

fn apt_get(root: bool, args: &[&str]) -> Result<()> {
    let mut command = apt_command(root, args);
    until_unlocked(&mut command, LOCK_TIMEOUT, Duration::from_secs(1))
}

fn apt_command(root: bool, args: &[&str]) -> Command {
    let mut command = Command::new(if root { "env" } else { "sudo" });
    if !root {
        command.args(["-n", "env"]);
    }
    // Messages are matched below. apt-get waits for the lock of dpkg by itself.
    command.args(["LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command.arg("-o").arg(format!("DPkg::Lock::Timeout={}", LOCK_TIMEOUT.as_secs())).args(args);
    command
}

/// Runs apt-get, again while another one holds the locks of the package lists or the cache, for
/// which it does not wait. Hides its progress; errors are shown.
fn until_unlocked(command: &mut Command, limit: Duration, pause: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    loop {
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", project::shown(command)))?;
        if output.status.success() {
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        if !errors.contains("Could not get lock") || Instant::now() >= end {
            bail!("{} failed ({}): {errors}", project::shown(command), output.status);
        }
        thread::sleep(pause);
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn sudo_does_not_prompt() -> bool {
    let sudo = Command::new("sudo").args(["-n", "true"]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    sudo.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that fails with this message until it has been called often enough.
    fn fails(message: &str, times: usize, dir: &tempfile::TempDir) -> Command {
        let mut command = Command::new("sh");
        let script = "echo >> calls; [ $(wc -l < calls) -gt $1 ] || { echo \"$0\" >&2; exit 100; }";
        command.args(["-c", script, message, &times.to_string()]).current_dir(dir.path());
        command
    }

    fn calls(dir: &tempfile::TempDir) -> usize {
        fs::read_to_string(dir.path().join("calls")).unwrap().lines().count()
    }

    #[test]
    fn apt_get_waits_for_another_one() {
        let command = project::shown(&apt_command(true, &["update"]));
        assert_eq!(command, "env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 update");
        let dir = tempfile::tempdir().unwrap();
        let locked = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)";
        until_unlocked(&mut fails(locked, 2, &dir), LOCK_TIMEOUT, Duration::ZERO).unwrap();
        assert_eq!(calls(&dir), 3);
    }

    #[test]
    fn other_errors_of_apt_get_and_a_lock_that_stays_end_at_once() {
        for (message, limit) in [("E: Unable to locate package x", LOCK_TIMEOUT), ("E: Could not get lock", Duration::ZERO)] {
            let dir = tempfile::tempdir().unwrap();
            let error = until_unlocked(&mut fails(message, 9, &dir), limit, Duration::ZERO).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert_eq!(calls(&dir), 1);
        }
    }
}
