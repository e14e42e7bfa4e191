//! A directory below target/ that looks like the root of a clone to the documents' commands, so
//! that they run verbatim and the user's tree stays clean. The commands are in examples.rs.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use project::files;
use project::process::Process;
use test_kit::mosquitto;

/// Time limit of an example: far more than needed, as the machine may be busy.
const LIMIT: Duration = Duration::from_secs(300);

pub struct Sandbox {
    pub dir: PathBuf,
    end: Instant,
}

impl Sandbox {
    /// Creates an empty one. Below the root, as cargo looks for the workspace in parent
    /// directories.
    pub fn new(name: &str) -> Result<Sandbox> {
        let dir = project::root().join("target/docs").join(name);
        files::empty_dir(&dir)?;
        std::os::unix::fs::symlink(project::target_dir(), dir.join("target"))?;
        // Copied, as some commands write into an example's directory.
        files::copy_dir(&project::root().join("examples"), &dir.join("examples"))?;
        Ok(Sandbox { dir, end: Instant::now() + LIMIT })
    }

    /// Runs lines of a document in a directory of the sandbox and returns their output. The first
    /// failure is an error.
    pub fn run(&self, folder: &str, lines: &[&str]) -> Result<Vec<String>> {
        let mut process = self.bash(folder, &lines.join("\n"))?;
        let status = process.wait_for_end()?;
        let printed = process.lines();
        ensure!(status.success(), "{} ended with {status}:\n{}", lines.join("; "), printed.join("\n"));
        Ok(printed)
    }

    /// Starts a line that runs until stopped. The program replaces the shell, so that signals and
    /// exit status are its own.
    pub fn start(&self, folder: &str, line: &str) -> Result<Process> {
        self.bash(folder, &format!("exec {line}"))
    }

    fn bash(&self, folder: &str, script: &str) -> Result<Process> {
        let mut bash = Command::new("bash");
        // A relative path would be resolved against the sandbox.
        bash.args(["-e", "-c", script]).current_dir(self.dir.join(folder)).env("CARGO_TARGET_DIR", project::target_dir());
        Process::start("bash", &mut bash, &self.dir.join("log"), self.end)
    }

    /// mosquitto on port 1883, as the documents assume. `None` if it is already running there, as
    /// it is where Debian's package has started it.
    pub fn broker(&self) -> Result<Option<Process>> {
        const PORT: u16 = 1883;
        if is_free(PORT) {
            let mut process = Process::start("mosquitto", &mut mosquitto::command("mosquitto"), &self.dir.join("mosquitto.log"), self.end)?;
            process.wait_until_listening(on_loopback(PORT))?;
            return Ok(Some(process));
        }
        let ask = ["-p", "1883", "-t", "$SYS/broker/version", "-C", "1", "-W", "5"];
        let version = Command::new("mosquitto_sub").args(ask).output().context("cannot start mosquitto_sub")?;
        ensure!(
            version.stdout.starts_with(b"mosquitto"),
            "port 1883, where the documents expect mosquitto, is in use by another program: stop that program and try again"
        );
        Ok(None)
    }
}

/// Whether nothing listens on this port, on loopback or on all interfaces.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(on_loopback(port)).is_ok()
}

pub fn on_loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
