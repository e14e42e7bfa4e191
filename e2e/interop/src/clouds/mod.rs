//! Clouds used with Mongoose OS, each emulated by a mosquitto with that cloud's requirements. Here:
//! the broker's configuration. The scenarios are in scenarios.rs, and for apps in the style of the
//! clouds' libraries in apps.rs; token_auth.c checks signed tokens.

mod apps;
mod scenarios;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use project::process::Process;
use project::setup::{Package, installed};
pub use scenarios::ALL;
use test_kit::broker::{Broker, Endpoints, Setup};
use test_kit::mosquitto::{self, Mosquitto};
use test_kit::transport::{Certificates, Transport};

/// To compile token_auth.c.
pub const PACKAGES: &[Package] = &[installed("mosquitto-dev"), installed("libmosquitto-dev"), installed("libssl-dev")];

/// An emulated cloud. Observers have an endpoint of their own that imposes only `quirks`.
struct Cloud {
    name: &'static str,
    retains: bool,
    /// Options for both endpoints.
    quirks: &'static str,
    /// Options for the apps' endpoint.
    required: String,
    /// Access rules for apps, in mosquitto's `acl_file` syntax.
    rules: String,
    /// Options of the token_auth plugin; empty for none.
    token_auth: Vec<(&'static str, String)>,
}

impl Broker for Cloud {
    fn name(&self) -> &'static str {
        self.name
    }

    fn packages(&self) -> &'static [Package] {
        PACKAGES
    }

    fn version(&self) -> Result<String> {
        Mosquitto.version()
    }

    fn retains(&self) -> bool {
        self.retains
    }

    fn prepare(&self, _: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let mut lines = vec![mosquitto::COMMON.to_owned(), "per_listener_settings true".into()];
        if !self.retains {
            lines.push("retain_available false".into());
        }
        let endpoint = |at: std::net::SocketAddr| format!("listener {} {}\n{}", at.port(), at.ip(), self.quirks);
        lines.extend([endpoint(endpoints.plain), "allow_anonymous true".into(), endpoint(endpoints.app)]);
        let path = |name: &str| files.path(name).display().to_string();
        lines.push(format!("certfile {}\nkeyfile {}", path("server.pem"), path("server.key")));
        if endpoints.transport == Transport::Cert {
            lines.push(format!("cafile {}\nrequire_certificate true\nuse_identity_as_username true", path("ca.pem")));
        }
        lines.push(self.required.clone());
        lines.push(format!("acl_file {}", written(dir.join("rules"), &self.rules)?.display()));
        if !self.token_auth.is_empty() {
            lines.push(format!("allow_anonymous false\nplugin {}", token_auth(dir)?.display()));
            lines.extend(self.token_auth.iter().map(|(key, value)| format!("plugin_opt_{key} {value}")));
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

/// Compiles the plugin.
fn token_auth(dir: &Path) -> Result<PathBuf> {
    let plugin = dir.join("token_auth.so");
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Wextra", "-shared", "-fPIC", "-o"]).arg(&plugin);
    cc.arg(project::root().join("e2e/interop/src/clouds/token_auth.c")).arg("-lcrypto");
    project::run(&mut cc).context("the token_auth plugin does not compile")?;
    Ok(plugin)
}

/// Runs openssl in `dir`.
fn openssl(dir: &Path, args: &str) -> Result<()> {
    let mut command = Command::new("openssl");
    project::run(command.args(args.split_whitespace()).current_dir(dir).stderr(std::process::Stdio::null()))
}
