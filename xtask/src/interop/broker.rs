//! What the conversations know of a broker: how it is started, killed, and started again on what it has kept.
//! Not here: the brokers themselves, each has a file of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::observer;
use super::over::{Certificates, Over};
use super::process::Process;
use crate::setup::Package;

/// What a conversation asks of a broker, beside being one.
#[derive(Clone, Copy, Default)]
pub struct Setup {
    /// Only this user with this password may connect; without, anybody.
    pub login: Option<(&'static str, &'static str)>,
    /// A subscription to this filter is refused.
    pub refused: Option<&'static str>,
    /// Sessions and messages survive the broker's death, once `save` has been called.
    pub persistent: bool,
    /// Its certificate is for another name.
    pub elsewhere: bool,
}

/// Where a broker listens.
#[derive(Clone, Copy)]
pub struct Doors {
    /// Over TCP, for observers.
    pub plain: SocketAddr,
    /// What apps connect to. With `Over::Tcp` it is the plain one.
    pub app: SocketAddr,
    /// How they do it.
    pub over: Over,
}

/// A kind of broker.
pub trait Broker: Sync {
    fn name(&self) -> &'static str;

    /// What has to be installed for it.
    fn packages(&self) -> &'static [Package];

    fn version(&self) -> Result<String>;

    /// Whether it keeps retained messages; else it hangs up on who sends one.
    fn retains(&self) -> bool {
        true
    }

    /// Write its configuration into `dir`, and say how it is started.
    fn prepare(&self, setup: &Setup, doors: &Doors, files: &Certificates, dir: &Path) -> Result<Command>;

    /// Have a persistent one write down what it knows, so that it survives SIGKILL.
    fn save(&self, process: &Process, dir: &Path, end: Instant) -> Result<()>;
}

/// A broker that runs, or has been killed.
pub struct Running<'a> {
    kind: &'a dyn Broker,
    /// For observers, over TCP.
    pub address: SocketAddr,
    /// For apps.
    pub door: SocketAddr,
    pub login: Option<(&'static str, &'static str)>,
    pub dir: PathBuf,
    command: Command,
    process: Process,
    end: Instant,
}

impl<'a> Running<'a> {
    /// Start one on free ports of loopback, with all that is its own in `dir`, and wait until it answers.
    pub fn start(kind: &'a dyn Broker, setup: &Setup, over: Over, files: &Certificates, dir: &Path, end: Instant) -> Result<Running<'a>> {
        let mut tries = 0;
        loop {
            tries += 1;
            std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
            let doors = Doors::find(over)?;
            let mut command = kind.prepare(setup, &doors, files, dir)?;
            let process = Process::start(kind.name(), &mut command, &dir.join("log"), end)?;
            let mut running =
                Running { kind, address: doors.plain, door: doors.app, login: setup.login, dir: dir.into(), command, process, end };
            match running.wait_until_it_answers() {
                Ok(()) => return Ok(running),
                // Between finding a free port and the broker's taking it, another program may have taken it.
                Err(error) if tries == 3 => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// As the kernel or a power cut would do it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Start it again where it was, on what it has saved.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.process = Process::start(self.kind.name(), &mut self.command, &self.dir.join("log"), self.end)?;
        self.wait_until_it_answers()
    }

    pub fn save(&self) -> Result<()> {
        self.kind.save(&self.process, &self.dir, self.end)
    }

    pub fn retains(&self) -> bool {
        self.kind.retains()
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        while Instant::now() < self.end {
            if let Some(status) = self.process.exit_status()? {
                bail!("{} ended at once ({status}); see {}", self.kind.name(), self.dir.join("log").display());
            }
            // Observers wait for this very message.
            if observer::publish(self, observer::READY, "yes", 1, self.retains()).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} does not answer on {}; see {}", self.kind.name(), self.address, self.dir.join("log").display())
    }
}

impl Doors {
    /// Free ports of loopback.
    fn find(over: Over) -> Result<Doors> {
        let probe = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback");
        let (plain, other) = (probe()?, probe()?);
        let plain = plain.local_addr()?;
        Ok(Doors { plain, app: if over == Over::Tcp { plain } else { other.local_addr()? }, over })
    }
}
