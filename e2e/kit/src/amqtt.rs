//! aMQTT, a broker in Python, in its own virtual environment. Its quirks are described in
//! docs/testing.md.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use project::setup::{Package, Sign, program};
use serde_json::json;

use crate::broker::{About, Broker, Endpoints, Quirks, Setup, Skip};
use crate::transport::{Certificates, Transport};
use crate::workdir;

pub struct Amqtt;

const PACKAGES: &[Package] =
    &[program("python3", "python3"), Package { name: "python3-venv", sign: Sign::Command(&["python3", "-c", "import venv, ensurepip"]) }];

const SKIPS: &[Skip] = &[
    Skip::CAPTURE,
    Skip::FIELD,
    Skip { what: "cert", why: "it also accepts clients without a certificate" },
    Skip { what: "psk", why: "it has no support for pre-shared keys" },
    Skip { what: "session", why: "its database loses one of two concurrent subscriptions" },
    Skip { what: "oversized", why: "it queues no messages for clients without a user name" },
    Skip { what: "cut", why: "it does not answer PUBREL for an unknown message" },
    Skip { what: "killed", why: "it does not answer PUBREL for an unknown message" },
    Skip { what: "refusal", why: "its rules list what is allowed and refuse everything else" },
    Skip { what: "direct", why: "a new client also gets retained messages for other clients' subscriptions" },
];

impl Broker for Amqtt {
    fn about(&self) -> About {
        About {
            name: "amqtt",
            packages: PACKAGES,
            skips: SKIPS,
            quirks: Quirks { downgrades_qos: false, repeats: false, drops_incomplete: false, heeds_disconnect: false, ..Quirks::NONE },
        }
    }

    fn install(&self) -> Result<()> {
        workdir::install("amqtt", &["requirements.txt"], |dir| {
            project::run(Command::new("python3").args(["-m", "venv", "env"]).current_dir(dir))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
            project::run(Command::new(python()).args(pip).current_dir(dir))
        })
    }

    fn version(&self) -> Result<String> {
        let version = project::output(Command::new(python()).args(["-c", "import amqtt; print(amqtt.__version__)"]))?;
        Ok(version.trim().to_owned())
    }

    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let mut listeners = json!({"default": {"type": "tcp", "bind": endpoints.plain.to_string()}});
        if setup.transport != Transport::Tcp {
            let kind = if setup.transport.is_websocket() { "ws" } else { "tcp" };
            let mut app = json!({"type": kind, "bind": endpoints.app.to_string()});
            if setup.transport.has_certificates() {
                let [certificate, key] = files.of_server(setup.wrong_host);
                app["ssl"] = true.into();
                app["certfile"] = json!(certificate);
                app["keyfile"] = json!(key);
            }
            listeners["app"] = app;
        }
        let mut plugins = json!({});
        if let Some((user, password)) = setup.login {
            let hash = project::output(Command::new(python()).args(["-c", HASH, password]))?;
            let file = workdir::write(dir, "passwords", &format!("{user}:{hash}"))?;
            plugins["amqtt.plugins.authentication.FileAuthPlugin"] = json!({"password_file": file});
        } else {
            plugins["amqtt.plugins.authentication.AnonymousAuthPlugin"] = json!({"allow_anonymous": true});
        }
        if setup.persistent {
            let connection = format!("sqlite+aiosqlite:///{}", dir.join("data.db").display());
            plugins["amqtt.contrib.persistence.SessionDBPlugin"] = json!({"connection": connection, "clear_on_shutdown": false});
        }
        // JSON is valid YAML.
        let file = workdir::write(dir, "config.yaml", &json!({"listeners": listeners, "plugins": plugins}).to_string())?;
        let mut command = Command::new(python());
        command.args(["-m", "amqtt.scripts.broker_script", "-c"]).arg(file);
        Ok(command)
    }
}

/// Prints a password in the form of the password file.
const HASH: &str = "import sys, pwdlib.hashers.argon2 as a; print(a.Argon2Hasher().hash(sys.argv[1]))";

fn python() -> PathBuf {
    workdir::dir("amqtt").join("env/bin/python3")
}
