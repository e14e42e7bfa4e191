//! rumqttd, a crate, turned into a program by e2e/demo. Its quirks are described in
//! docs/testing.md.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::broker::{About, Broker, Endpoints, Quirks, Setup, Skip};
use crate::transport::{Certificates, Transport};
use crate::workdir;

pub struct Rumqttd;

const SKIPS: &[Skip] = &[
    Skip::CAPTURE,
    Skip::FIELD,
    Skip { what: "cert", why: "client certificates need a different build" },
    Skip { what: "psk", why: "it has no support for pre-shared keys" },
    Skip { what: "session", why: "it keeps no state across restarts" },
    Skip { what: "cut", why: "it drops messages between PUBREC and PUBREL with the connection" },
    Skip { what: "killed", why: "it closes the connection on the PUBREL of such a message, until that is given up" },
    Skip { what: "bytewise-ws", why: "it rejects a WebSocket handshake in single bytes as an attack" },
    Skip { what: "refusal", why: "it has no access rules for subscriptions" },
    Skip { what: "login", why: "it closes the connection without a CONNACK" },
];

impl Broker for Rumqttd {
    fn about(&self) -> About {
        About { name: "rumqttd", packages: &[], skips: SKIPS, quirks: Quirks { downgrades_qos: false, ..Quirks::NONE } }
    }

    fn install(&self) -> Result<()> {
        eprintln!("building rumqttd");
        project::run(project::cargo().args(["build", "--package", "mgos-demo"]))
    }

    /// As in the lock file.
    fn version(&self) -> Result<String> {
        let lock = project::read("Cargo.lock")?;
        let after = lock.split("name = \"rumqttd\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
        after.map(str::to_owned).context("Cargo.lock has no rumqttd")
    }

    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let mut config = config(endpoints.plain, setup);
        if setup.transport != Transport::Tcp {
            let [certificate, key] = files.of_server(setup.wrong_host);
            let tls = if setup.transport.has_certificates() { json!({"certpath": certificate, "keypath": key}) } else { Value::Null };
            let kind = if setup.transport.is_websocket() { "ws" } else { "v4" };
            config[kind]["app"] = listener("app", endpoints.app, setup, tls);
        }
        started_with(dir, &config)
    }
}

/// The command to start it with a listener for plain TCP, its configuration in `dir`.
pub fn plain(address: SocketAddr, dir: &Path) -> Result<Command> {
    started_with(dir, &config(address, &Setup::default()))
}

fn started_with(dir: &Path, config: &Value) -> Result<Command> {
    let mut command = Command::new(project::target_dir().join("debug/mgos-rumqttd"));
    command.arg(workdir::write(dir, "config.json", &config.to_string())?);
    Ok(command)
}

fn config(plain: SocketAddr, setup: &Setup) -> Value {
    json!({
        "id": 0,
        "router": {
            "max_connections": 100,
            "max_outgoing_packet_count": 200,
            "max_segment_size": 100 * 1024 * 1024,
            "max_segment_count": 10,
        },
        "v4": {"plain": listener("plain", plain, setup, Value::Null)},
    })
}

fn listener(name: &str, address: SocketAddr, setup: &Setup, tls: Value) -> Value {
    let users = setup.login.map(|(user, password)| json!({user: password}));
    json!({
        "name": name,
        "listen": address,
        "next_connection_delay_ms": 1,
        "tls": tls,
        "connections": {
            "connection_timeout_ms": 5000,
            "max_payload_size": 2 * 1024 * 1024,
            "max_inflight_count": 200,
            "auth": users,
            "dynamic_filters": true,
        },
    })
}
