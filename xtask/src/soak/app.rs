//! The app under test, soak/app: started, told what to do by its control file, and listened to.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use mgos_child::Child;

use super::ledger::{Ledger, Way};
use super::watch::Watch;

/// What it told last of itself.
#[derive(Clone, Copy, Default, Debug)]
pub struct State {
    /// Of the order that it has carried out.
    pub serial: u32,
    pub connected: bool,
    /// The numbers that come next, by QoS.
    pub next: [u32; 3],
    /// Payload bytes that are kept.
    pub unsent: u32,
    /// Bytes of heap, now and at most.
    pub used: u32,
    pub most: u32,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// How often all its subscriptions were acknowledged.
    subscribed: AtomicU32,
    /// Exchanges at QoS 2 that were between PUBREC and PUBCOMP when a connection ended: the most since it was last asked.
    released: AtomicU32,
    /// Messages that its full queue has given up.
    overflows: AtomicU32,
}

/// What the log says of messages that were given up: one line names the first, and if there were
/// more in that second, another has their number, that one included.
#[derive(Default)]
struct GivenUp {
    named: Option<u32>,
}

impl GivenUp {
    /// How many more were given up, by this line.
    fn read(&mut self, line: &str) -> u32 {
        let first_of = |text: &str| text.split_whitespace().next()?.parse().ok();
        if let Some((_, rest)) = line.split_once("queue overflow! Message ") {
            self.named = first_of(rest);
            return 1;
        }
        let Some((before, ids)) = line.split_once(" messages were given up, packet ids ") else { return 0 };
        let count: u32 = before.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let is_counted = self.named.take().is_some_and(|id| first_of(ids) == Some(id));
        count.saturating_sub(u32::from(is_counted))
    }
}

/// The app, running.
pub struct App {
    child: Child,
    control: PathBuf,
    serial: u32,
    shared: Arc<Shared>,
}

impl App {
    /// Start `command`, which knows its configuration but for the control file, with all that it leaves in `dir`.
    pub fn start(mut command: Command, dir: &Path, ledger: &Arc<Ledger>, watch: &Arc<Watch>) -> Result<App> {
        let control = dir.join("control");
        command.arg("--set").arg(format!("soak.control={}", control.display()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Child::spawn(&mut command).context("cannot start the app")?;
        let shared = Arc::new(Shared::default());
        let streams = (child.take_stdout(), child.take_stderr());
        let (Some(told), Some(log)) = streams else { anyhow::bail!("the app has no output") };
        let mut copy = File::create(dir.join("app.log"))?;
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut given_up = GivenUp::default();
            for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
                own.overflows.fetch_add(given_up.read(&String::from_utf8_lossy(&line)), Ordering::Relaxed);
                // The copy is for reading afterwards.
                let _ = copy.write_all(&[&line[..], b"\n"].concat());
            }
        });
        let (own, ledger, watch) = (Arc::clone(&shared), Arc::clone(ledger), Arc::clone(watch));
        std::thread::spawn(move || {
            for line in BufReader::new(told).lines().map_while(Result::ok) {
                if own.take(&line, &ledger, &watch).is_none() {
                    ledger.bad(format!("the app: {line}"));
                }
            }
        });
        Ok(App { child, control, serial: 0, shared })
    }

    /// Tell it what to do, and at which door. Returns the order's serial number.
    pub fn order(&mut self, mode: &str, way: &str, port: u16) -> Result<u32> {
        self.serial += 1;
        let new = self.control.with_extension("new");
        std::fs::write(&new, format!("{} {mode} {way} {port}\n", self.serial))?;
        std::fs::rename(&new, &self.control)?;
        Ok(self.serial)
    }

    pub fn state(&self) -> State {
        *self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn subscribed(&self) -> u32 {
        self.shared.subscribed.load(Ordering::Relaxed)
    }

    /// Since this was last asked.
    pub fn released(&self) -> u32 {
        self.shared.released.swap(0, Ordering::Relaxed)
    }

    pub fn overflows(&self) -> u32 {
        self.shared.overflows.load(Ordering::Relaxed)
    }

    /// None while it runs.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.child.exit_status()?)
    }

    /// Open file descriptors: what it has always, not what it opens for a moment.
    pub fn descriptors(&self) -> Result<usize> {
        let dir = format!("/proc/{}/fd", self.child.id());
        let mut least = usize::MAX;
        for _ in 0..5 {
            least = least.min(std::fs::read_dir(&dir).with_context(|| format!("cannot read {dir}"))?.count());
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        Ok(least)
    }

    /// End it in order.
    pub fn stop(mut self) -> Result<std::process::ExitStatus> {
        self.child.terminate();
        Ok(self.child.wait()?)
    }
}

impl Shared {
    /// One line of the app's; `None` if it must not be. See soak/app/src/main.c.
    fn take(&self, line: &str, ledger: &Ledger, watch: &Watch) -> Option<()> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let mut number = || words.next()?.parse::<u32>().ok();
        match kind {
            "in" => ledger.arrived(Way::In, number()? as u8, number()?),
            "mark" => ledger.mark(Way::In, number()? as u8, number()?),
            "up" => watch.up(),
            "down" => {
                number()?;
                self.released.fetch_max(number()?, Ordering::Relaxed);
                watch.down();
            }
            "sub" => drop(self.subscribed.fetch_add(1, Ordering::Relaxed)),
            "state" => {
                let state = State {
                    serial: number()?,
                    connected: number()? == 1,
                    next: [number()?, number()?, number()?],
                    unsent: number()?,
                    used: number()?,
                    most: number()?,
                };
                *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::GivenUp;

    #[test]
    fn each_message_that_was_given_up_is_counted_once() {
        let mut log = GivenUp::default();
        let counts = [
            "MQTT0 queue overflow! Message 7 was given up: a/b; see mqtt.max_queue_length",
            "MQTT0 5 messages were given up, packet ids 7 to 11",
            "MQTT0 3 messages were given up, packet ids 20 to 22",
            "MQTT0 pub -> 3 given up @ 1",
        ]
        .map(|line| log.read(line));
        assert_eq!(counts, [1, 4, 3, 0]);
    }
}
