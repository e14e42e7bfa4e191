//! What scenarios need of a broker: starting, killing, and restarting it with its saved state. Not
//! here: the individual brokers, each in its own file.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use project::process::Process;
use project::setup::Package;

use crate::observer;
use crate::transport::{Certificates, Transport};

/// What a scenario requires of a broker.
#[derive(Default)]
pub struct Setup {
    /// How apps connect.
    pub transport: Transport,
    /// The only user and password that may connect; `None` for anonymous access.
    pub login: Option<(&'static str, &'static str)>,
    /// Subscriptions to this filter are refused.
    pub refused: Option<&'static str>,
    /// Sessions and messages survive a kill once `save` has been called.
    pub persistent: bool,
    /// The certificate names another host.
    pub wrong_host: bool,
    /// Additional lines of mosquitto's configuration. Scenarios that use it skip other brokers.
    pub lines: String,
}

/// Where a broker listens.
#[derive(Clone, Copy)]
pub struct Endpoints {
    /// Plain TCP, for observers.
    pub plain: SocketAddr,
    /// For apps. Same as `plain` with `Transport::Tcp`.
    pub app: SocketAddr,
}

/// A scenario (`login`), a transport (`psk`), or a combination (`will-ws`) that is skipped with a
/// broker, and why.
pub struct Skip {
    pub what: &'static str,
    pub why: &'static str,
}

impl Skip {
    /// One broker is enough: this tests the app, which sends the same to every broker.
    pub const CAPTURE: Skip = Skip { what: "capture", why: "tests the app, which sends the same to every broker" };

    /// Requires limits that only mosquitto can be configured with.
    pub const FIELD: Skip = Skip { what: "field", why: "needs limits that only mosquitto can be configured with" };
}

/// Deviations of a broker that scenarios account for.
#[derive(Clone, Copy)]
pub struct Quirks {
    /// The highest QoS that it grants.
    pub highest_qos: u8,
    /// QoS 2 stays exactly once across a broken connection.
    pub exactly_once: bool,
    /// Delivers at the lower QoS of publisher and subscriber.
    pub downgrades_qos: bool,
    /// Preserves the order of messages, however many are sent ahead of their acknowledgements.
    pub keeps_order: bool,
    /// Supports retained messages; otherwise it closes the connection of a client that sends one.
    pub retains: bool,
    /// Delivers retained messages to wildcard subscriptions.
    pub retained_by_wildcard: bool,
    /// Repeats an unacknowledged message when its session is resumed.
    pub repeats: bool,
    /// Drops a packet that the end of the connection has cut off.
    pub drops_incomplete: bool,
    /// Publishes no will after a DISCONNECT that the end of the connection follows at once.
    pub heeds_disconnect: bool,
}

impl Quirks {
    pub const NONE: Quirks = Quirks {
        highest_qos: 2,
        exactly_once: true,
        downgrades_qos: true,
        keeps_order: true,
        retains: true,
        retained_by_wildcard: true,
        repeats: true,
        drops_incomplete: true,
        heeds_disconnect: true,
    };
}

/// What is fixed for a kind of broker.
pub struct About {
    pub name: &'static str,
    /// The Debian packages that it is or needs.
    pub packages: &'static [Package],
    /// What it cannot do, or does in violation of MQTT.
    pub skips: &'static [Skip],
    pub quirks: Quirks,
}

/// A kind of broker.
pub trait Broker: Sync {
    fn about(&self) -> About;

    fn name(&self) -> &'static str {
        self.about().name
    }

    /// Installs what it needs beyond its packages.
    fn install(&self) -> Result<()> {
        Ok(())
    }

    fn version(&self) -> Result<String>;

    /// Writes its configuration into `dir` and returns the command to start it.
    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command>;

    /// Makes a persistent broker write its state to disk, so that it survives SIGKILL. Most do so
    /// on their own.
    fn save(&self, _process: &mut Process, _dir: &Path, _end: Instant) -> Result<()> {
        Ok(())
    }
}

/// A running or killed broker.
pub struct Running<'a> {
    kind: &'a dyn Broker,
    /// For observers, plain TCP.
    pub address: SocketAddr,
    /// For apps.
    pub endpoint: SocketAddr,
    pub login: Option<(&'static str, &'static str)>,
    pub quirks: Quirks,
    pub dir: PathBuf,
    command: Command,
    process: Process,
    end: Instant,
}

impl<'a> Running<'a> {
    /// Starts a broker on free ports of loopback, with its files in `dir`, and waits until it
    /// answers.
    pub fn start(kind: &'a dyn Broker, setup: &Setup, files: &Certificates, dir: &Path, end: Instant) -> Result<Running<'a>> {
        let mut tries = 0;
        loop {
            tries += 1;
            fs_err::create_dir_all(dir)?;
            let [plain, other] = free_addresses()?;
            let endpoints = Endpoints { plain, app: if setup.transport == Transport::Tcp { plain } else { other } };
            let mut command = kind.prepare(setup, &endpoints, files, dir)?;
            let process = Process::start(kind.name(), &mut command, &dir.join("log"), end)?;
            let mut running = Running {
                kind,
                address: endpoints.plain,
                endpoint: endpoints.app,
                login: setup.login,
                quirks: kind.about().quirks,
                dir: dir.into(),
                command,
                process,
                end,
            };
            match running.wait_until_it_answers() {
                Ok(()) => return Ok(running),
                // Another program may take the port between probing it and the broker's bind.
                Err(error) if tries == 3 => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Kills it with SIGKILL, as a crash or power cut would.
    pub fn kill(&mut self) {
        self.process.child.kill();
    }

    /// Stops it with SIGTERM: it saves its state.
    pub fn stop(&mut self) -> Result<()> {
        self.process.child.terminate();
        self.process.wait_for_end().map(drop)
    }

    /// Restarts it on the same ports, with the state that it saved.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.process = Process::start(self.kind.name(), &mut self.command, &self.dir.join("log"), self.end)?;
        self.wait_until_it_answers()
    }

    pub fn save(&mut self) -> Result<()> {
        self.kind.save(&mut self.process, &self.dir, self.end)
    }

    /// Log lines since the last start.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let (name, address, log) = (self.kind.name(), self.address, self.dir.join("log"));
        let answered = project::try_until(self.end, || {
            if let Some(status) = self.process.child.try_wait()? {
                bail!("{name} exited immediately ({status}); see {}", log.display());
            }
            // Observers wait for this very message.
            Ok(observer::publish(self, observer::READY, "yes", 1, self.quirks.retains).ok())
        })?;
        answered.with_context(|| format!("{name} does not answer on {address}; see {}", log.display()))
    }
}

/// Addresses on loopback that nothing listens on.
pub fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let probes: Vec<_> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>().context("no free port on loopback")?;
    let mut found = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, probe) in found.iter_mut().zip(&probes) {
        *address = probe.local_addr()?;
    }
    Ok(found)
}
