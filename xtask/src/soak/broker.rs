//! The broker of a soak: mosquitto with three endpoints, that can be ended, killed, and started again with or without what it knew.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::interop::broker::{Broker as _, free_addresses};
use crate::interop::mosquitto::{self, Mosquitto};
use crate::interop::transport::{Certificates, Transport};
use crate::process::Process;

/// How the app reaches it; the peer comes by the first.
pub const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Tls, Transport::Ws];

/// As long as saving may take.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Broker {
    pub endpoints: [SocketAddr; TRANSPORTS.len()],
    dir: PathBuf,
    process: Process,
    end: Instant,
}

impl Broker {
    /// `extra`: further lines of its configuration. Nothing waits for it beyond `end`.
    pub fn start(dir: &Path, files: &Certificates, extra: &str, end: Instant) -> Result<Broker> {
        let endpoints: [SocketAddr; TRANSPORTS.len()] = free_addresses()?;
        let mut conf =
            format!("user root\nlog_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nset_tcp_nodelay true\n{extra}");
        // Whatever waits is to be kept, and in order: see docs/interop.md. It writes down what it knows when it is told to, or ends.
        conf.push_str("max_queued_messages 100000\nmax_inflight_messages 200\nautosave_interval 0\npersistence true\n");
        let _ = writeln!(conf, "persistence_location {}/", dir.display());
        for (endpoint, transport) in endpoints.iter().zip(TRANSPORTS) {
            let _ = writeln!(conf, "listener {} {}", endpoint.port(), endpoint.ip());
            if transport.is_websocket() {
                conf.push_str("protocol websockets\nsocket_domain ipv4\n");
            }
            if transport.has_certificates() {
                let _ = writeln!(conf, "certfile {}\nkeyfile {}", files.path("server.pem").display(), files.path("server.key").display());
            }
        }
        let file = dir.join("mosquitto.conf");
        std::fs::write(&file, conf).with_context(|| format!("cannot write {}", file.display()))?;
        let process = launch(dir, endpoints[0], end)?;
        Ok(Broker { endpoints, dir: dir.into(), process, end })
    }

    /// As an administrator does it: it writes down what it knows.
    pub fn end(&mut self) -> Result<()> {
        self.process.signal(libc::SIGTERM);
        self.process.wait_for_end().map(drop)
    }

    /// Have it write down what it knows.
    pub fn save(&mut self) -> Result<()> {
        Mosquitto.save(&mut self.process, &self.dir, Instant::now() + LIMIT)
    }

    /// As the kernel or a power cut does it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Remove what it has written down.
    pub fn forget(&self) -> Result<()> {
        let file = self.dir.join("mosquitto.db");
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).with_context(|| format!("cannot remove {}", file.display())),
            _ => Ok(()),
        }
    }

    /// Start it again where it was.
    pub fn restart(&mut self) -> Result<()> {
        self.process = launch(&self.dir, self.endpoints[0], self.end)?;
        Ok(())
    }
}

fn launch(dir: &Path, endpoint: SocketAddr, end: Instant) -> Result<Process> {
    let mut command: Command = mosquitto::command("mosquitto");
    command.arg("-c").arg(dir.join("mosquitto.conf"));
    let log = dir.join("broker.log");
    let mut process = Process::start("mosquitto", &mut command, &log, end)?;
    process.wait_until_listening(endpoint)?;
    Ok(process)
}
