//! The broker of the soak test: mosquitto with three listeners, which can be stopped, killed, and
//! restarted with or without its state.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use project::process::Process;
use test_kit::broker::{Broker as _, free_addresses};
use test_kit::mosquitto::{self, Mosquitto};
use test_kit::transport::{Certificates, Transport};

/// The app's transports; the peer uses the first.
pub const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Tls, Transport::Ws];

/// Time limit for saving.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Broker {
    pub endpoints: [SocketAddr; TRANSPORTS.len()],
    dir: PathBuf,
    process: Process,
    end: Instant,
}

impl Broker {
    /// `extra` is appended to the configuration. No wait lasts beyond `end`.
    pub fn start(dir: &Path, files: &Certificates, extra: &str, end: Instant) -> Result<Broker> {
        let endpoints: [SocketAddr; TRANSPORTS.len()] = free_addresses()?;
        let mut conf =
            format!("user root\nlog_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nset_tcp_nodelay true\n{extra}");
        // Keep all queued messages in order: see docs/testing.md. State is saved on request and on
        // shutdown.
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

    /// Stops it with SIGTERM: it saves its state.
    pub fn end(&mut self) -> Result<()> {
        self.process.signal(libc::SIGTERM);
        self.process.wait_for_end().map(drop)
    }

    /// Makes it save its state.
    pub fn save(&mut self) -> Result<()> {
        Mosquitto.save(&mut self.process, &self.dir, Instant::now() + LIMIT)
    }

    /// Kills it with SIGKILL, as a crash or power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Removes the saved state.
    pub fn forget(&self) -> Result<()> {
        let file = self.dir.join("mosquitto.db");
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).with_context(|| format!("cannot remove {}", file.display())),
            _ => Ok(()),
        }
    }

    /// Restarts it on the same ports.
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
