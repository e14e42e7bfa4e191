//! A child process that never outlives its parent, however the parent ends: brokers and apps under
//! test or in the demo. Not here: reading the child's output.

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use anyhow::Result;

use crate::try_until;

/// Killed on drop, and by the kernel when the thread that spawned it exits: spawn it from a thread
/// that lives long enough.
#[derive(Debug)]
pub struct Child(std::process::Child);

impl Child {
    /// Spawns the command.
    pub fn spawn(command: &mut Command) -> io::Result<Child> {
        // SAFETY: only one async-signal-safe system call runs between fork and exec.
        unsafe { command.pre_exec(die_with_parent) };
        command.spawn().map(Child)
    }

    /// Waits for the child to exit until `end`. Returns `None` on timeout.
    pub fn wait_until(&mut self, end: Instant) -> Result<Option<ExitStatus>> {
        try_until(end, || Ok(self.try_wait()?))
    }

    /// Kills the child with SIGKILL and reaps it.
    pub fn kill(&mut self) {
        // An error means that the child has already exited.
        let _ = self.0.kill();
        let _ = self.wait();
    }

    /// Sends a signal. Does nothing once the child has been reaped.
    pub fn signal(&mut self, signal: libc::c_int) {
        // After reaping, the process id may belong to another process.
        if let (Ok(None), Ok(id)) = (self.try_wait(), libc::pid_t::try_from(self.id())) {
            // SAFETY: a plain system call; the child has not been reaped, so the process id is
            // still valid.
            unsafe { libc::kill(id, signal) };
        }
    }

    /// Asks the child to exit, with SIGTERM.
    pub fn terminate(&mut self) {
        self.signal(libc::SIGTERM);
    }
}

impl Deref for Child {
    type Target = std::process::Child;

    fn deref(&self) -> &std::process::Child {
        &self.0
    }
}

impl DerefMut for Child {
    fn deref_mut(&mut self) -> &mut std::process::Child {
        &mut self.0
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs between fork and exec: the kernel kills the child when the spawning thread exits.
fn die_with_parent() -> io::Result<()> {
    // SAFETY: a plain system call with constant arguments.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::time::Duration;

    use super::*;

    fn sleeper() -> Child {
        Child::spawn(Command::new("sleep").arg("1000")).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn a_child_ends_when_it_is_asked_to_and_a_signal_afterwards_goes_nowhere() {
        let mut child = sleeper();
        assert_eq!(child.wait_until(Instant::now()).unwrap(), None);
        child.terminate();
        assert_eq!(child.wait_until(soon()).unwrap().and_then(|status| status.signal()), Some(libc::SIGTERM));
        child.signal(libc::SIGKILL);
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    }

    /// Whether the process exists; a zombie counts as gone.
    fn lives(id: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    }

    #[test]
    fn a_child_goes_when_it_is_dropped_and_with_the_thread_that_started_it() {
        let child = sleeper();
        let id = child.id();
        assert!(lives(id));
        drop(child);
        assert!(!lives(id));
        // Leak the child, as if this process had been killed.
        let id = std::thread::spawn(|| std::mem::ManuallyDrop::new(sleeper()).id()).join().unwrap();
        let gone = try_until(soon(), || Ok((!lives(id)).then_some(()))).unwrap();
        assert!(gone.is_some(), "it outlives the thread");
    }
}
