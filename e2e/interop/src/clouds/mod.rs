//! Clouds used with Mongoose OS, each emulated by a mosquitto with that cloud's requirements. Here:
//! the broker's configuration. The scenarios are in scenarios.rs, and for apps in the style of the
//! clouds' libraries in apps.rs; token_auth.c checks signed tokens.

mod apps;
mod scenarios;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use project::setup::{Package, installed};
pub use scenarios::ALL;
use test_kit::broker::{About, Broker, Endpoints, Quirks, Setup};
use test_kit::mosquitto::{self, Mosquitto};
use test_kit::transport::{Certificates, Transport};
use test_kit::workdir;

/// To compile token_auth.c.
pub const PACKAGES: &[Package] = &[installed("mosquitto-dev"), installed("libmosquitto-dev"), installed("libssl-dev")];

/// An emulated cloud. Observers have an endpoint of their own that imposes only what a cloud does
/// with all messages.
struct Cloud {
    name: &'static str,
    retains: bool,
    /// Access rules for apps, in mosquitto's `acl_file` syntax.
    rules: String,
    /// Options of the token_auth plugin; empty for none.
    token_auth: Vec<(&'static str, String)>,
}

impl Broker for Cloud {
    fn about(&self) -> About {
        About { name: self.name, packages: PACKAGES, skips: &[], quirks: Quirks { retains: self.retains, ..Quirks::NONE } }
    }

    fn version(&self) -> Result<String> {
        Mosquitto.version()
    }

    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let listener = |at, transport| mosquitto::listener(at, transport, files, false, dir).map(|lines| lines + "max_qos 1\n");
        let mut conf = format!("{}per_listener_settings true\nretain_available {}\n", mosquitto::COMMON, self.retains);
        conf += &(listener(endpoints.plain, Transport::Tcp)? + "allow_anonymous true\n");
        conf += &listener(endpoints.app, setup.transport)?;
        if setup.transport == Transport::Cert {
            conf += "use_identity_as_username true\n";
        }
        conf += &format!("acl_file {}\n", workdir::write(dir, "rules", &self.rules)?.display());
        if !self.token_auth.is_empty() {
            conf += &format!("allow_anonymous false\nplugin {}\n", token_auth(dir)?.display());
            self.token_auth.iter().for_each(|(key, value)| conf += &format!("plugin_opt_{key} {value}\n"));
        }
        mosquitto::started_with(dir, &conf)
    }
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
