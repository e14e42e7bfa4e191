//! A broker on loopback: rumqttd in its own process.
//!
//! Its QoS 2 suffices for the demo, with one connection per client and no retransmissions. Beyond
//! that (as of 0.20) it does not: it drops messages between PUBREC and PUBREL with the connection,
//! and takes a retransmitted PUBLISH for a new one. Tests that reconnect to the same broker need
//! another.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use project::process::Process;
use test_kit::{broker::free_addresses, rumqttd};

/// Which of the two brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Primary,
    Backup,
}

impl Role {
    pub const BOTH: [Role; 2] = [Role::Primary, Role::Backup];

    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A running broker.
pub struct Broker {
    pub address: SocketAddr,
    pub process: Process,
}

impl Broker {
    /// Starts a broker on a free port and waits until it answers. Its files go to a directory of
    /// its own.
    pub fn start(role: Role, logs: &Path) -> Result<Broker> {
        let dir = logs.join(role.name());
        fs_err::create_dir_all(&dir)?;
        let start = || {
            let [address] = free_addresses()?;
            let end = Instant::now() + Duration::from_secs(10);
            let mut process = Process::start(&role.name(), &mut rumqttd::plain(address, &dir)?, &dir.join("log"), end)?;
            process.wait_until_listening(address).map(|()| Broker { address, process })
        };
        // Another program may take the port between probing it and the broker's bind.
        start().or_else(|_| start()).or_else(|_| start())
    }
}
