//! The clouds that devices with Mongoose OS go to, each played by a mosquitto that demands what that cloud demands. Here: how it is set up for
//! that. What is said to them is in talks.rs; who may come in with a signed token, decides keeper.c.

mod talks;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

pub use talks::{ALL, APPS};

use super::broker::{Broker, Doors, Setup};
use super::mosquitto::{self, Mosquitto};
use super::over::{Certificates, Over};
use crate::process::Process;
use crate::project;
use crate::setup::{self, Package, installed};

/// For compiling keeper.c.
pub const PACKAGES: &[Package] = &[installed("mosquitto-dev"), installed("libmosquitto-dev"), installed("libssl-dev")];

/// A cloud. Observers have a door of their own, where nothing is demanded but what its `ways` say.
struct Cloud {
    name: &'static str,
    retains: bool,
    /// Options for both doors.
    ways: &'static str,
    /// Options for the apps' door.
    demands: String,
    /// Who may do what there, as mosquitto's `acl_file` has it.
    rules: String,
    /// Options of the keeper, if there is one.
    keeper: Vec<(&'static str, String)>,
}

impl Broker for Cloud {
    fn name(&self) -> &'static str {
        self.name
    }

    fn install(&self) -> Result<()> {
        setup::ensure(PACKAGES)
    }

    fn version(&self) -> Result<String> {
        Mosquitto.version()
    }

    fn retains(&self) -> bool {
        self.retains
    }

    fn prepare(&self, _: &Setup, doors: &Doors, files: &Certificates, dir: &Path) -> Result<Command> {
        let mut lines = vec![mosquitto::COMMON.to_owned(), "per_listener_settings true".into()];
        if !self.retains {
            lines.push("retain_available false".into());
        }
        let door = |at: std::net::SocketAddr| format!("listener {} {}\n{}", at.port(), at.ip(), self.ways);
        lines.extend([door(doors.plain), "allow_anonymous true".into(), door(doors.app)]);
        let path = |name: &str| files.path(name).display().to_string();
        lines.push(format!("certfile {}\nkeyfile {}", path("server.pem"), path("server.key")));
        if doors.over == Over::Cert {
            lines.push(format!("cafile {}\nrequire_certificate true\nuse_identity_as_username true", path("ca.pem")));
        }
        lines.push(self.demands.clone());
        lines.push(format!("acl_file {}", written(dir.join("rules"), &self.rules)?.display()));
        if !self.keeper.is_empty() {
            lines.push(format!("allow_anonymous false\nplugin {}", keeper(dir)?.display()));
            lines.extend(self.keeper.iter().map(|(key, value)| format!("plugin_opt_{key} {value}")));
        }
        let file = written(dir.join("mosquitto.conf"), &(lines.join("\n") + "\n"))?;
        let mut command = mosquitto::command("mosquitto");
        command.arg("-c").arg(file);
        Ok(command)
    }

    fn save(&self, _: &mut Process, _: &Path, _: Instant) -> Result<()> {
        Ok(())
    }
}

fn written(file: PathBuf, text: &str) -> Result<PathBuf> {
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Compile the plugin.
fn keeper(dir: &Path) -> Result<PathBuf> {
    let plugin = dir.join("keeper.so");
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Wextra", "-shared", "-fPIC", "-o"]).arg(&plugin);
    cc.arg(project::root().join("xtask/src/interop/clouds/keeper.c")).arg("-lcrypto");
    project::run(&mut cc).context("the plugin that checks tokens does not compile")?;
    Ok(plugin)
}

/// Have openssl make something in `dir`.
fn openssl(dir: &Path, args: &str) -> Result<()> {
    let mut command = Command::new("openssl");
    project::run(command.args(args.split_whitespace()).current_dir(dir).stderr(std::process::Stdio::null()))
}
