//! The app under test, e2e/soak/apps/app: starts it, controls it through its control file, parses its
//! output.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use fs_err::{self as fs, File};
use parking_lot::Mutex;
use project::child::Child;
use test_kit::transport::Transport;

use super::delivery_log::{DeliveryLog, Direction};
use super::faults::Session;
use super::outages::Outages;

/// Where the app connects, and with which session.
#[derive(Clone, Copy)]
pub struct Target {
    pub transport: Transport,
    pub port: u16,
    pub session: Session,
}

/// What the app has reported.
#[derive(Clone, Copy, Default, Debug)]
pub struct State {
    /// Serial number of the last order carried out.
    pub serial: u32,
    /// Connected and subscribed.
    pub ready: bool,
    /// The next message number, by QoS.
    pub next: [u32; 3],
    /// Unsent payload bytes.
    pub unsent: u32,
    /// Bytes of heap, now and peak.
    pub used: u32,
    pub most: u32,
    /// Number of times that all subscriptions were acknowledged.
    pub subscribed: u32,
    /// QoS 2 exchanges between PUBREC and PUBCOMP when a connection ended, since last taken.
    released: u32,
    /// Messages given up, as reported to the app.
    pub given_up: u32,
    /// Log lines of a full queue: logged once when it becomes full, not per message.
    pub overflows: u32,
}

/// The running app.
pub struct App {
    pub child: Child,
    /// Writes its log until it ends.
    logging: JoinHandle<()>,
    control: PathBuf,
    serial: u32,
    shared: Arc<Mutex<State>>,
}

impl App {
    /// Starts `command`, for which the control file is `control` in `dir`; its log goes there, too.
    pub fn start(mut command: Command, dir: &Path, delivery_log: &Arc<DeliveryLog>, outages: &Arc<Outages>) -> Result<App> {
        let control = dir.join("control");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Child::spawn(&mut command).context("cannot start the app")?;
        let shared = Arc::new(Mutex::<State>::default());
        let streams = (child.stdout.take(), child.stderr.take());
        let (Some(told), Some(log)) = streams else { anyhow::bail!("the app has no output") };
        let mut copy = File::create(dir.join("app.log"))?;
        let own = Arc::clone(&shared);
        let logging = std::thread::spawn(move || {
            for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
                if line.windows(14).any(|part| part == b"queue overflow") {
                    own.lock().overflows += 1;
                }
                // The copy is for reading afterwards.
                let _ = copy.write_all(&[&line[..], b"\n"].concat());
            }
        });
        let (own, delivery_log, outages) = (Arc::clone(&shared), Arc::clone(delivery_log), Arc::clone(outages));
        std::thread::spawn(move || {
            for line in BufReader::new(told).lines().map_while(Result::ok) {
                if take(&line, &own, &delivery_log, &outages).is_none() {
                    delivery_log.bad(format!("the app: {line}"));
                }
            }
        });
        Ok(App { child, logging, control, serial: 0, shared })
    }

    /// Orders the app to switch to a mode, an endpoint and a session. Returns the order's serial
    /// number.
    pub fn order(&mut self, mode: &str, target: Target) -> Result<u32> {
        self.serial += 1;
        let new = self.control.with_extension("new");
        fs::write(&new, format!("{} {mode} {} {} {}\n", self.serial, target.transport.name(), target.port, target.session.name()))?;
        fs::rename(&new, &self.control)?;
        Ok(self.serial)
    }

    pub fn state(&self) -> State {
        *self.shared.lock()
    }

    /// `State::released` since the last call.
    pub fn released(&self) -> u32 {
        std::mem::take(&mut self.shared.lock().released)
    }

    /// Permanently open file descriptors: the minimum of a few samples.
    pub fn descriptors(&self) -> Result<usize> {
        let dir = format!("/proc/{}/fd", self.child.id());
        let mut least = usize::MAX;
        for _ in 0..5 {
            least = least.min(fs::read_dir(&dir)?.count());
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        Ok(least)
    }

    /// Terminates it with SIGTERM. Its log is complete afterwards.
    pub fn stop(mut self) -> Result<std::process::ExitStatus> {
        self.child.terminate();
        let status = self.child.wait()?;
        // It fails only if it has panicked, which shows.
        let _ = self.logging.join();
        Ok(status)
    }
}

/// Processes one line of the app's output; `None` if it is malformed. See
/// e2e/soak/apps/app/src/main.c.
fn take(line: &str, state: &Mutex<State>, delivery_log: &DeliveryLog, outages: &Outages) -> Option<()> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let mut number = || words.next()?.parse::<u32>().ok();
    match kind {
        "in" => delivery_log.arrived(Direction::In, number()? as u8, number()?),
        "mark" => delivery_log.mark(Direction::In, number()? as u8, number()?),
        "up" => outages.up(),
        "down" => {
            number()?;
            state.lock().released += number()?;
            outages.down();
        }
        "sub" => {
            state.lock().subscribed += 1;
            delivery_log.subscribed();
        }
        "given_up" => state.lock().given_up += number()?,
        "state" => {
            let (serial, ready, next) = (number()?, number()? == 1, [number()?, number()?, number()?]);
            let (unsent, used, most) = (number()?, number()?, number()?);
            let mut state = state.lock();
            *state = State { serial, ready, next, unsent, used, most, ..*state };
        }
        _ => return None,
    }
    Some(())
}
