//! A broker on loopback: rumqttd in its own process.
//!
//! Its QoS 2 suffices for the demo, with one connection per client and no retransmissions. Beyond
//! that (as of 0.20) it does not: it drops messages between PUBREC and PUBREL with the connection,
//! and takes a retransmitted PUBLISH for a new one. Tests that reconnect to the same broker need
//! another.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use project::child::Child;
use serde_json::json;

/// Which of the two brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Primary,
    Backup,
}

impl Role {
    pub const BOTH: [Role; 2] = [Role::Primary, Role::Backup];

    pub fn name(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Backup => "backup",
        }
    }
}

/// A running broker.
pub struct Broker {
    pub address: SocketAddr,
    process: Child,
}

impl Broker {
    /// Starts a broker on a free port and waits until it answers.
    pub fn start(role: Role, logs: &Path) -> Result<Broker> {
        let program = std::env::current_exe().context("cannot find this program itself")?;
        let mut last_error = anyhow!("no port tried");
        // Another program may take the port between probing it and the broker's bind.
        for _ in 0..3 {
            let address = free_address()?;
            let log = logs.join(format!("{}.log", role.name()));
            let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
            let mut command = Command::new(&program);
            command.args(["broker", &address.to_string()]).stdout(file.try_clone()?).stderr(file);
            let mut process = Child::spawn(&mut command).context("cannot start a broker")?;
            match wait_for(address, &mut process) {
                Ok(()) => return Ok(Broker { address, process }),
                Err(error) => last_error = error.context(format!("see {}", log.display())),
            }
        }
        Err(last_error.context(format!("cannot start the {} broker", role.name())))
    }

    /// Kills it with SIGKILL, as a crash or power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

fn free_address() -> Result<SocketAddr> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    Ok(probe.local_addr()?)
}

fn wait_for(address: SocketAddr, process: &mut Child) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if let Some(status) = process.exit_status()? {
            bail!("it exited immediately ({status})");
        }
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("it does not answer on {address}")
}

/// Runs a broker in this process until killed.
pub fn serve(address: SocketAddr) -> Result<()> {
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::INFO).with_ansi(false).init();
    let config = json!({
        "id": 0,
        "router": {
            "max_connections": 100,
            "max_outgoing_packet_count": 200,
            "max_segment_size": 1024 * 1024,
            "max_segment_count": 10,
        },
        "v4": {"1": {
            "name": "v4",
            "listen": address.to_string(),
            "next_connection_delay_ms": 1,
            "connections": {
                "connection_timeout_ms": 5000,
                "max_payload_size": 20480,
                "max_inflight_count": 200,
                "dynamic_filters": true,
            },
        }},
    });
    let mut broker = rumqttd::Broker::new(serde_json::from_value(config).context("the broker's configuration")?);
    broker.start().map_err(|error| anyhow!("the broker has ended: {error}"))
}
