//! The broker of the soak test: mosquitto with several listeners, and settings for long runs. Starting
//! and killing it is in e2e/kit.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use project::process::Process;
use test_kit::broker::{About, Broker, Endpoints, Setup};
use test_kit::mosquitto::{self, Mosquitto};
use test_kit::transport::{Certificates, Transport};

/// With its listeners besides the one for plain TCP.
#[derive(Default)]
pub struct SoakBroker(pub Vec<(SocketAddr, Transport)>);

impl Broker for SoakBroker {
    fn about(&self) -> About {
        Mosquitto.about()
    }

    fn version(&self) -> Result<String> {
        Mosquitto.version()
    }

    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let (anonymous, dir_shown) = (setup.login.is_none(), dir.display());
        // Keep all queued messages in order: see docs/testing.md. State is saved on request and on
        // shutdown.
        let mut conf = format!(
            "user root\nlog_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nset_tcp_nodelay true\n\
             max_queued_messages 100000\nmax_inflight_messages 200\nautosave_interval 0\npersistence true\n\
             persistence_location {dir_shown}/\nallow_anonymous {anonymous}\n{}",
            setup.lines
        );
        for &(address, transport) in [(endpoints.plain, Transport::Tcp)].iter().chain(&self.0) {
            conf += &mosquitto::listener(address, transport, files, false, dir)?;
        }
        mosquitto::started_with(dir, &conf)
    }

    fn save(&self, process: &mut Process, dir: &Path, end: Instant) -> Result<()> {
        Mosquitto.save(process, dir, end)
    }
}
