//! A process that does not outlive the demo, however that ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child as Process, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Killed when dropped, and by the kernel when the thread that started it is gone: start children from the main thread.
pub struct Child(Process);

impl Child {
    pub fn spawn(command: &mut Command) -> io::Result<Child> {
        // SAFETY: what runs between fork and exec is a single system call, which is allowed there.
        unsafe { command.pre_exec(die_with_parent) };
        command.stdin(Stdio::null()).spawn().map(Child)
    }

    /// The child's standard error, if it is piped and was not asked for before.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.0.stderr.take()
    }

    /// None while it runs.
    pub fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// At once, with SIGKILL.
    pub fn kill(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Ask it to end, with SIGTERM. None if it has not within the time.
    pub fn stop(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
        unsafe { libc::kill(libc::pid_t::try_from(self.0.id()).unwrap_or_default(), libc::SIGTERM) };
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.exit_status()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(None)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

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
