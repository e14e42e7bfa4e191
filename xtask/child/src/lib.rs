//! A process that does not outlive the one that started it, however that ends: for brokers and apps of tests and the demo.
//! A crate of its own, as the runner and the demo have no other in common. Not here: what a process prints, which is their matter.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Killed when dropped, and by the kernel when the thread that started it is gone: start it from one that lasts.
#[derive(Debug)]
pub struct Child(std::process::Child);

impl Child {
    /// Start it, without an input.
    pub fn spawn(command: &mut Command) -> io::Result<Child> {
        // SAFETY: what runs between fork and exec is a single system call, which is allowed there.
        unsafe { command.pre_exec(die_with_parent) };
        command.stdin(Stdio::null()).spawn().map(Child)
    }

    /// Its standard output, if it is piped and was not asked for before.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Its standard error, likewise.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.0.stderr.take()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// None while it runs.
    pub fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Wait until it ends by itself.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }

    /// Wait until it ends by itself. None if it has not by then.
    pub fn wait_until(&mut self, end: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            let status = self.exit_status()?;
            if status.is_some() || Instant::now() > end {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// At once, with SIGKILL.
    pub fn kill(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Send it a signal. Nothing happens if its end has been seen.
    pub fn signal(&mut self, signal: libc::c_int) {
        // Once it has been waited for, its number may be another's.
        if let (Ok(None), Ok(id)) = (self.0.try_wait(), libc::pid_t::try_from(self.0.id())) {
            // SAFETY: a plain system call; the child has not been waited for, so the number is still its own.
            unsafe { libc::kill(id, signal) };
        }
    }

    /// Ask it to end, with SIGTERM.
    pub fn terminate(&mut self) {
        self.signal(libc::SIGTERM);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Between fork and exec: have the kernel end the child with the thread that starts it.
#[cfg(target_os = "linux")]
fn die_with_parent() -> io::Result<()> {
    // SAFETY: a plain system call with constant arguments.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

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

    /// A process that is there; one that waits for its parent to look at its end counts as gone.
    #[cfg(target_os = "linux")]
    fn lives(id: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_goes_when_it_is_dropped_and_with_the_thread_that_started_it() {
        let child = sleeper();
        let id = child.id();
        assert!(lives(id));
        drop(child);
        assert!(!lives(id));
        // Without a drop: as if the process had been killed.
        let id = std::thread::spawn(|| std::mem::ManuallyDrop::new(sleeper()).id()).join().unwrap();
        let end = soon();
        while lives(id) {
            assert!(Instant::now() < end, "it outlives the thread");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
