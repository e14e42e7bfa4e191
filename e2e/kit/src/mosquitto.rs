//! Eclipse Mosquitto, as packaged by Debian: its configuration for each scenario. Its quirks are
//! described in docs/testing.md.

use std::fmt::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use project::files;
use project::process::Process;
use project::setup::{Package, program};

use crate::broker::{About, Broker, Endpoints, Quirks, Setup};
use crate::transport::{Certificates, PSK, Transport};
use crate::workdir;

pub struct Mosquitto;

const PACKAGES: &[Package] = &[program("mosquitto", "mosquitto")];

/// The plugin that can refuse subscriptions, which an ACL file cannot.
const PLUGIN: &str = "mosquitto_dynamic_security.so";

/// Start of every configuration. `user root` keeps a broker started by root from switching to a
/// user who cannot write here, and has no effect otherwise. The queue limit must exceed any number
/// of messages: 0 means none at all, though it should mean unlimited.
pub const COMMON: &str = "\
user root
max_queued_messages 100000
log_dest stderr
log_type all
log_timestamp_format %H:%M:%S
set_tcp_nodelay true
";

impl Broker for Mosquitto {
    fn about(&self) -> About {
        About { name: "mosquitto", packages: PACKAGES, skips: &[], quirks: Quirks::NONE }
    }

    fn version(&self) -> Result<String> {
        let output = command("mosquitto").arg("-h").output().context("cannot start mosquitto")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1);
        version.map(str::to_owned).context("mosquitto -h does not tell its version")
    }

    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let mut conf = String::from(COMMON);
        let _ = writeln!(conf, "allow_anonymous {}", setup.login.is_none());
        if let Some((user, password)) = setup.login {
            let file = dir.join("passwords");
            let mut passwd = Command::new("mosquitto_passwd");
            project::run(passwd.args(["-c", "-b"]).arg(&file).args([user, password]))?;
            let _ = writeln!(conf, "password_file {}", file.display());
        }
        if let Some(filter) = setup.refused {
            let file = workdir::write(dir, "rules.json", &rules(filter))?;
            let _ = writeln!(conf, "plugin {}\nplugin_opt_config_file {}", plugin()?.display(), file.display());
        }
        if setup.persistent {
            let _ = writeln!(conf, "persistence true\npersistence_location {}/", dir.display());
            // Save on request only.
            conf.push_str("autosave_interval 0\n");
        }
        conf.push_str(&setup.lines);
        conf += &listener(endpoints.plain, Transport::Tcp, files, setup.wrong_host, dir)?;
        // mosquitto starts a WebSocket listener only after a plain one.
        if setup.transport != Transport::Tcp {
            conf += &listener(endpoints.app, setup.transport, files, setup.wrong_host, dir)?;
        }
        started_with(dir, &conf)
    }

    fn save(&self, process: &mut Process, dir: &Path, end: Instant) -> Result<()> {
        let file = dir.join("mosquitto.db");
        // A complete new file replaces the old one.
        let version = || file.metadata().map(|data| (data.ino(), data.mtime(), data.mtime_nsec())).ok();
        let before = version();
        process.child.signal(libc::SIGUSR1);
        let written = project::try_until(end, || Ok((version() != before).then_some(())))?;
        written.with_context(|| format!("mosquitto does not write {}", file.display()))
    }
}

/// The command to start it with this configuration.
pub fn started_with(dir: &Path, conf: &str) -> Result<Command> {
    let mut command = command("mosquitto");
    command.arg("-c").arg(workdir::write(dir, "mosquitto.conf", conf)?);
    Ok(command)
}

/// The lines of a listener, and who may connect. Options after it apply to it.
pub fn listener(address: SocketAddr, transport: Transport, files: &Certificates, wrong_host: bool, dir: &Path) -> Result<String> {
    let mut conf = format!("listener {} {}\n", address.port(), address.ip());
    if transport.is_websocket() {
        // Without the address family given, it does not start.
        conf += "protocol websockets\nsocket_domain ipv4\n";
    }
    if transport.has_certificates() {
        let [certificate, key] = files.of_server(wrong_host);
        let _ = writeln!(conf, "certfile {}\nkeyfile {}", certificate.display(), key.display());
    }
    if transport == Transport::Cert {
        let _ = writeln!(conf, "cafile {}\nrequire_certificate true", files.path("ca.pem").display());
    }
    if transport == Transport::Psk {
        let file = workdir::write(dir, "keys", &format!("{}:{}\n", PSK.0, PSK.1))?;
        let _ = writeln!(conf, "psk_hint interop\npsk_file {}", file.display());
    }
    Ok(conf)
}

/// Debian installs the broker outside a normal user's path.
pub fn command(name: &str) -> Command {
    let path = PathBuf::from("/usr/sbin").join(name);
    Command::new(if path.is_file() { path } else { name.into() })
}

/// Allow everything except subscriptions to one filter.
fn rules(refused: &str) -> String {
    format!(
        r#"{{
  "defaultACLAccess": {{"publishClientSend": true, "publishClientReceive": true, "subscribe": true, "unsubscribe": true}},
  "roles": [{{"rolename": "all", "acls": [{{"acltype": "subscribePattern", "topic": "{refused}", "priority": 1, "allow": false}}]}}],
  "groups": [{{"groupname": "all", "roles": [{{"rolename": "all"}}]}}],
  "anonymousGroup": "all"
}}
"#
    )
}

fn plugin() -> Result<PathBuf> {
    let dirs = ["/usr/lib", "/usr/local/lib", "/usr/lib64", "/opt/homebrew/lib"].map(PathBuf::from);
    let below = dirs.iter().flat_map(|dir| files::list(dir).unwrap_or_default());
    let found = below.chain(dirs.iter().cloned()).map(|dir| dir.join(PLUGIN)).find(|file| file.is_file());
    found.with_context(|| format!("{PLUGIN} not found: it comes with mosquitto 2.0"))
}
