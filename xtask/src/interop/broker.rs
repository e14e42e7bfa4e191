//! What the conversations know of a broker: how it is started, killed, and started again on what it has kept.
//! Not here: the brokers themselves, each has a file of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::observer;
use super::transport::{Certificates, Transport};
use crate::process::Process;

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
    pub wrong_host: bool,
    /// Further lines of mosquitto's configuration. What asks for them is left out with other brokers.
    pub lines: &'static str,
}

/// Where a broker listens.
#[derive(Clone, Copy)]
pub struct Endpoints {
    /// Transport TCP, for observers.
    pub plain: SocketAddr,
    /// What apps connect to. With `Transport::Tcp` it is the plain one.
    pub app: SocketAddr,
    /// How they do it.
    pub transport: Transport,
}

/// What is not held with a broker, and why: a conversation (`login`), a kind of connection (`psk`), or one over the other (`will-ws`).
pub struct Skip {
    pub what: &'static str,
    pub why: &'static str,
}

impl Skip {
    /// Once is enough: what is looked at is the app, which says the same to each broker.
    pub const CAPTURE: Skip = Skip { what: "capture", why: "it is the app that is looked at, which says the same to each broker" };

    /// It depends on settings of mosquitto's.
    pub const FIELD: Skip = Skip { what: "field", why: "it depends on limits that mosquitto can be given" };
}

/// Quirks of a broker that conversations go on with. The default is how it should be.
#[derive(Clone, Copy)]
pub struct Quirks {
    /// The highest QoS that it grants.
    pub highest_qos: u8,
    /// A message at QoS 2 comes once, though the connection breaks.
    pub exactly_once: bool,
    /// A message comes at the lower of the QoS of its publisher and its subscriber.
    pub downgrades_qos: bool,
    /// Messages come in the order in which they were sent, however many are sent ahead.
    pub keeps_order: bool,
    /// A subscription with a wildcard gets what is retained.
    pub retained_by_wildcard: bool,
}

impl Default for Quirks {
    fn default() -> Quirks {
        Quirks { highest_qos: 2, exactly_once: true, downgrades_qos: true, keeps_order: true, retained_by_wildcard: true }
    }
}

/// A kind of broker.
pub trait Broker: Sync {
    fn name(&self) -> &'static str;

    /// Make sure that it is there, and what it takes.
    fn install(&self) -> Result<()>;

    fn version(&self) -> Result<String>;

    /// Whether it keeps retained messages; else it hangs up on who sends one.
    fn retains(&self) -> bool {
        true
    }

    /// What it can't do, or does otherwise than MQTT says.
    fn skips(&self) -> &'static [Skip] {
        &[]
    }

    /// What conversations have to put up with.
    fn quirks(&self) -> Quirks {
        Quirks::default()
    }

    /// Write its configuration into `dir`, and say how it is started.
    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command>;

    /// Have a persistent one write down what it knows, so that it survives SIGKILL. Most do so by themselves.
    fn save(&self, _process: &mut Process, _dir: &Path, _end: Instant) -> Result<()> {
        Ok(())
    }
}

/// A broker that runs, or has been killed.
pub struct Running<'a> {
    kind: &'a dyn Broker,
    /// For observers, over TCP.
    pub address: SocketAddr,
    /// For apps.
    pub endpoint: SocketAddr,
    pub login: Option<(&'static str, &'static str)>,
    pub dir: PathBuf,
    command: Command,
    process: Process,
    end: Instant,
}

impl<'a> Running<'a> {
    /// Start one on free ports of loopback, with all that is its own in `dir`, and wait until it answers.
    pub fn start(
        kind: &'a dyn Broker,
        setup: &Setup,
        transport: Transport,
        files: &Certificates,
        dir: &Path,
        end: Instant,
    ) -> Result<Running<'a>> {
        let mut tries = 0;
        loop {
            tries += 1;
            std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
            let endpoints = Endpoints::find(transport)?;
            let mut command = kind.prepare(setup, &endpoints, files, dir)?;
            let process = Process::start(kind.name(), &mut command, &dir.join("log"), end)?;
            let mut running = Running {
                kind,
                address: endpoints.plain,
                endpoint: endpoints.app,
                login: setup.login,
                dir: dir.into(),
                command,
                process,
                end,
            };
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

    pub fn save(&mut self) -> Result<()> {
        self.kind.save(&mut self.process, &self.dir, self.end)
    }

    pub fn retains(&self) -> bool {
        self.kind.retains()
    }

    /// What it has logged since it was started.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    pub fn quirks(&self) -> Quirks {
        self.kind.quirks()
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

impl Endpoints {
    /// Free ports of loopback.
    fn find(transport: Transport) -> Result<Endpoints> {
        let [plain, other] = free_addresses()?;
        Ok(Endpoints { plain, app: if transport == Transport::Tcp { plain } else { other }, transport })
    }
}

/// Addresses on loopback that nobody listens on.
pub fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let probes: Vec<_> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>().context("no free port on loopback")?;
    let mut found = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, probe) in found.iter_mut().zip(&probes) {
        *address = probe.local_addr()?;
    }
    Ok(found)
}
