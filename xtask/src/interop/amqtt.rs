//! aMQTT, a broker in Python, in a virtual environment of its own. What is peculiar to it stands in docs/interop.md.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use super::broker::{Broker, Doors, LeftOut, Setup, Ways};
use super::over::{Certificates, Over};
use super::workshop;
use crate::project;
use crate::setup::{self, Package, installed, program};

pub struct Amqtt;

const PYTHON: Package = program("python3", "python3");

const LEFT_OUT: &[LeftOut] = &[
    LeftOut::CAPTURE,
    LeftOut::FIELD,
    LeftOut { what: "cert", why: "it takes clients without a certificate as well" },
    LeftOut { what: "psk", why: "it has no pre-shared keys" },
    LeftOut { what: "session", why: "its database loses one of two subscriptions that come at once" },
    LeftOut { what: "oversized", why: "it keeps no messages for a client without a user name" },
    LeftOut { what: "cut", why: "it does not answer a PUBREL of a message that it has forgotten" },
    LeftOut { what: "refusal", why: "its rules say what is allowed, and what is not listed is refused" },
    LeftOut { what: "direct", why: "it sends who connects what is retained for the subscriptions of others" },
];

impl Broker for Amqtt {
    fn name(&self) -> &'static str {
        "amqtt"
    }

    fn install(&self) -> Result<()> {
        setup::ensure(&[PYTHON])?;
        workshop::install("amqtt", &["requirements.txt"], |dir| {
            let there = Command::new("python3").args(["-c", "import venv, ensurepip"]).stderr(std::process::Stdio::null()).status();
            if !there.is_ok_and(|status| status.success()) {
                setup::ensure(&[installed("python3-venv")])?;
            }
            project::run(Command::new("python3").args(["-m", "venv", "env"]).current_dir(dir))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
            project::run(Command::new(python()).args(pip).current_dir(dir))
        })
    }

    fn version(&self) -> Result<String> {
        let output = Command::new(python()).args(["-c", "import amqtt; print(amqtt.__version__)"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn left_out(&self) -> &'static [LeftOut] {
        LEFT_OUT
    }

    fn ways(&self) -> Ways {
        Ways { lowers_qos: false, ..Ways::default() }
    }

    fn prepare(&self, setup: &Setup, doors: &Doors, files: &Certificates, dir: &Path) -> Result<Command> {
        let mut listeners = json!({"default": {"type": "tcp", "bind": doors.plain.to_string()}});
        if doors.over != Over::Tcp {
            let kind = if doors.over.is_websocket() { "ws" } else { "tcp" };
            let mut app = json!({"type": kind, "bind": doors.app.to_string()});
            if doors.over.has_certificates() {
                let [certificate, key] = files.of_server(setup.elsewhere);
                app["ssl"] = true.into();
                app["certfile"] = json!(certificate);
                app["keyfile"] = json!(key);
            }
            listeners["app"] = app;
        }
        let mut plugins = json!({});
        if let Some((user, password)) = setup.login {
            let file = dir.join("passwords");
            let hash = Command::new(python()).args(["-c", HASH, password]).output().context("cannot start python")?;
            std::fs::write(&file, format!("{user}:{}", String::from_utf8_lossy(&hash.stdout)))?;
            plugins["amqtt.plugins.authentication.FileAuthPlugin"] = json!({"password_file": file});
        } else {
            plugins["amqtt.plugins.authentication.AnonymousAuthPlugin"] = json!({"allow_anonymous": true});
        }
        if setup.persistent {
            let connection = format!("sqlite+aiosqlite:///{}", dir.join("data.db").display());
            plugins["amqtt.contrib.persistence.SessionDBPlugin"] = json!({"connection": connection, "clear_on_shutdown": false});
        }
        // JSON is YAML, too.
        let file = dir.join("config.yaml");
        let config = json!({"listeners": listeners, "plugins": plugins});
        std::fs::write(&file, config.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = Command::new(python());
        command.args(["-m", "amqtt.scripts.broker_script", "-c"]).arg(file);
        Ok(command)
    }
}

/// Prints a password as its file has it.
const HASH: &str = "import sys, pwdlib.hashers.argon2 as a; print(a.Argon2Hasher().hash(sys.argv[1]))";

fn python() -> PathBuf {
    workshop::dir("amqtt").join("env/bin/python3")
}
