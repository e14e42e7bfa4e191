//! A process under test or next to it. Its output is recorded and can be waited for, and it does
//! not outlive the run (child.rs).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use fs_err::File;
use parking_lot::{Condvar, Mutex};

use crate::child::Child;
use crate::{shown, try_until};

/// Output of a process, from both streams.
#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    /// Streams that are still open.
    open: usize,
}

#[derive(Default)]
struct Shared {
    printed: Mutex<Printed>,
    changed: Condvar,
}

/// A running process.
pub struct Process {
    name: String,
    log: PathBuf,
    pub child: Child,
    shared: Arc<Shared>,
    /// The line up to which `wait_for` has read.
    read: usize,
    end: Instant,
}

impl Process {
    /// Starts a process whose output also goes to `log`. No wait lasts beyond `end`.
    pub fn start(name: &str, command: &mut Command, log: &Path, end: Instant) -> Result<Process> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Child::spawn(command).with_context(|| format!("cannot start {}", shown(command)))?;
        let shared = Arc::new(Shared::default());
        let mut file = File::options().create(true).append(true).open(log)?;
        writeln!(file, "$ {}", shown(command))?;
        shared.printed.lock().open = 2;
        collect(child.stdout.take(), file.try_clone()?, Arc::clone(&shared));
        collect(child.stderr.take(), file, Arc::clone(&shared));
        Ok(Process { name: name.into(), log: log.into(), child, shared, read: 0, end })
    }

    /// Waits for the next line for which `wanted` returns a value. `what` completes "waiting for".
    pub fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let mut printed = self.shared.printed.lock();
        loop {
            while let Some(line) = printed.lines.get(self.read) {
                self.read += 1;
                if let Some(found) = wanted(line) {
                    return Ok(found);
                }
            }
            if printed.open == 0 {
                bail!("{} exited while waiting for {what}; see {}", self.name, self.log.display());
            }
            if self.shared.changed.wait_until(&mut printed, self.end).timed_out() {
                bail!("timed out waiting for {what} of {}; see {}", self.name, self.log.display());
            }
        }
    }

    /// Waits for a line that contains this text.
    pub fn wait_for_text(&mut self, text: &str) -> Result<()> {
        self.wait_for(&format!("{text:?}"), |line| line.contains(text).then_some(()))
    }

    /// Makes the next wait start at the first line again.
    pub fn read_again(&mut self) {
        self.read = 0;
    }

    /// All output so far.
    pub fn lines(&self) -> Vec<String> {
        self.shared.printed.lock().lines.clone()
    }

    /// Waits until the process exits and all of its output is read.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        // The streams end first, then the process.
        let Shared { printed, changed } = &*self.shared;
        if changed.wait_while_until(&mut printed.lock(), |printed| printed.open > 0, self.end).timed_out() {
            bail!("timed out: {} does not exit; see {}", self.name, self.log.display());
        }
        let status = self.child.wait_until(self.end)?;
        status.with_context(|| format!("timed out: {} has closed its output but does not exit", self.name))
    }

    /// Waits until the process accepts connections at this address: for brokers.
    pub fn wait_until_listening(&mut self, address: SocketAddr) -> Result<()> {
        let listening = try_until(self.end, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} exited immediately ({status}); see {}", self.name, self.log.display());
            }
            Ok(TcpStream::connect(address).ok())
        })?;
        listening.map(drop).with_context(|| format!("{} does not listen on {address}; see {}", self.name, self.log.display()))
    }
}

/// Collects the lines of a stream in a thread of its own.
fn collect(stream: Option<impl Read + Send + 'static>, mut copy: File, shared: Arc<Shared>) {
    std::thread::spawn(move || {
        let lines = stream.into_iter().flat_map(|stream| BufReader::new(stream).split(b'\n')).map_while(Result::ok);
        for line in lines {
            let line = String::from_utf8_lossy(&line).into_owned();
            // The copy is for reading afterwards; the test works without it.
            let _ = writeln!(copy, "{line}");
            shared.printed.lock().lines.push(line);
            shared.changed.notify_all();
        }
        shared.printed.lock().open -= 1;
        shared.changed.notify_all();
    });
}
