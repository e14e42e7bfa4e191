//! Debian packages that commands need: checked, and missing ones installed where possible.

use std::{
    env, io,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{has_program, libclang, shown};

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
    /// By a command that succeeds.
    Command(&'static [&'static str]),
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

/// What building an app needs besides Rust: the host's TLS library is built with CMake and make, and
/// its headers are parsed by libclang.
pub const COMPILERS: &[Package] = &[
    program("gcc", "cc"),
    program("g++", "c++"),
    program("cmake", "cmake"),
    program("make", "make"),
    Package { name: "libclang-dev", sign: Sign::LibClang },
];

/// What the host's tests need in addition.
pub const TEST_TOOLS: &[Package] = &[program("openssl", "openssl"), program("valgrind", "valgrind"), program("nodejs", "node")];

/// Set by --no-install, in this process and by the variable in those that it starts.
static NO_INSTALL: AtomicBool = AtomicBool::new(false);
pub const NO_INSTALL_VARIABLE: &str = "MGOS_NO_INSTALL";

/// Makes `ensure` name missing packages instead of installing them.
pub fn do_not_install() {
    NO_INSTALL.store(true, Ordering::Relaxed);
}

pub fn installs() -> bool {
    !NO_INSTALL.load(Ordering::Relaxed) && env::var_os(NO_INSTALL_VARIABLE).is_none()
}

/// Makes sure that the packages are installed; installs missing ones, or says how.
pub fn ensure(packages: &[Package]) -> Result<()> {
    ensure_if(installs(), packages)
}

fn ensure_if(installs: bool, packages: &[Package]) -> Result<()> {
    if packages.iter().any(|package| matches!(package.sign, Sign::LibClang)) {
        libclang::check_variable()?;
    }
    let mut missing: Vec<&str> = packages.iter().filter(|package| !package.is_there()).map(|package| package.name).collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    ensure!(has_program("apt-get"), "missing: {list} (names of Debian packages); install them with your package manager");
    let root = is_root();
    if !installs || !root && !sudo_does_not_prompt() {
        let sudo = if root { "" } else { "sudo " };
        bail!("missing: {list}; install them with: {sudo}apt-get update && {sudo}apt-get install -y {list}");
    }
    eprintln!("installing Debian packages: {list}");
    apt_get(root, &["update", "-q"])?;
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(missing);
    apt_get(root, &install)
}

impl Package {
    fn is_there(self) -> bool {
        match self.sign {
            Sign::Program(program) => has_program(program),
            Sign::Command(words) => {
                let mut command = Command::new(words[0]);
                let status = command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
                status.is_ok_and(|status| status.success())
            }
            Sign::Installed => {
                let query = Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", self.name]).output();
                query.is_ok_and(|output| output.stdout == b"installed")
            }
            Sign::LibClang => libclang::is_there(),
        }
    }
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
/// which it does not wait. Shows its progress on stderr, as stdout is that of an app.
fn until_unlocked(command: &mut Command, limit: Duration, pause: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    loop {
        command.stdin(Stdio::null()).stdout(io::stderr()).stderr(Stdio::piped());
        let output =
            command.spawn().and_then(|child| child.wait_with_output()).with_context(|| format!("cannot start {}", shown(command)))?;
        if output.status.success() {
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        if !errors.contains("Could not get lock") || Instant::now() >= end {
            bail!("{} failed ({}): {errors}", shown(command), output.status);
        }
        thread::sleep(pause);
    }
}

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn sudo_does_not_prompt() -> bool {
    let sudo = Command::new("sudo").args(["-n", "true"]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    sudo.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn without_installing_each_missing_package_is_named_once() {
        let missing = |name| Package { name, sign: Sign::Command(&["false"]) };
        let error = ensure_if(false, &[missing("b"), missing("a"), missing("b"), program("sh", "sh")]).unwrap_err().to_string();
        assert!(error.starts_with("missing: a b"), "{error}");
    }

    #[test]
    fn apt_get_waits_for_another_one() {
        let command = shown(&apt_command(true, &["update"]));
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
