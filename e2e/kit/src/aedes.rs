//! Aedes, a Node.js library, turned into a program by brokers/aedes. Its quirks are
//! described in docs/testing.md.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use project::setup::{Package, program};
use serde_json::json;

use crate::broker::{About, Broker, Endpoints, Quirks, Setup, Skip};
use crate::transport::{Certificates, PSK, Transport};
use crate::workdir;

pub struct Aedes;

const PACKAGES: &[Package] = &[program("nodejs", "node"), program("npm", "npm")];

/// The oldest supported Node.js.
const NODE: u32 = 20;

const SKIPS: &[Skip] = &[
    Skip::CAPTURE,
    Skip::FIELD,
    Skip { what: "trust-cert", why: "Node.js closes the connection on an untrusted certificate without an alert" },
];

impl Broker for Aedes {
    fn about(&self) -> About {
        About {
            name: "aedes",
            packages: PACKAGES,
            skips: SKIPS,
            quirks: Quirks { exactly_once: false, downgrades_qos: false, keeps_order: false, ..Quirks::NONE },
        }
    }

    fn install(&self) -> Result<()> {
        let version = project::output(Command::new("node").arg("--version"))?;
        let major: u32 = version.trim_start_matches('v').split('.').next().unwrap_or_default().parse().unwrap_or_default();
        ensure!(major >= NODE, "Aedes needs Node.js {NODE} or later, found {}; put a later one first in the path", version.trim_end());
        // Install scripts would only compile native code for platforms without a prebuilt binary.
        workdir::install("aedes", &["package.json", "package-lock.json", "server.js"], |dir| {
            project::run(
                Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(dir),
            )
        })
    }

    fn version(&self) -> Result<String> {
        let package: serde_json::Value =
            serde_json::from_str(&project::read(workdir::dir("aedes").join("node_modules/aedes/package.json"))?)?;
        Ok(package["version"].as_str().unwrap_or_default().to_owned())
    }

    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let place = |address: std::net::SocketAddr| json!({"host": address.ip(), "port": address.port()});
        let mut config = json!({"plain": place(endpoints.plain)});
        if setup.transport != Transport::Tcp {
            let mut app = place(endpoints.app);
            app["websocket"] = setup.transport.is_websocket().into();
            if setup.transport.has_certificates() {
                let [cert, key] = files.of_server(setup.wrong_host);
                app["cert"] = json!(cert);
                app["key"] = json!(key);
            }
            if setup.transport == Transport::Cert {
                app["ca"] = json!(files.path("ca.pem"));
            }
            if setup.transport == Transport::Psk {
                app["psk"] = json!({"identity": PSK.0, "key": PSK.1});
            }
            config["app"] = app;
        }
        if let Some((user, password)) = setup.login {
            config["login"] = json!({"user": user, "password": password});
        }
        if let Some(filter) = setup.refused {
            config["refused"] = filter.trim_end_matches('#').into();
        }
        if setup.persistent {
            config["data"] = json!(dir.join("data"));
        }
        let mut command = Command::new("node");
        command.arg(workdir::dir("aedes").join("server.js")).arg(workdir::write(dir, "config.json", &config.to_string())?);
        Ok(command)
    }
}
