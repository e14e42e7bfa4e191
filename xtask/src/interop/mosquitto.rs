//! Eclipse Mosquitto, of Debian: its configuration for each conversation. What is peculiar to it stands in docs/interop.md.

use std::fmt::Write;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::broker::{Broker, Endpoints, Setup};
use super::transport::{Certificates, PSK, Transport};
use crate::process::Process;
use crate::project;
use crate::setup::{self, Package, program};

pub struct Mosquitto;

const PACKAGES: &[Package] = &[program("mosquitto", "mosquitto")];

/// Where distributions put the plugin that can refuse subscriptions; the access list in a file can't.
const PLUGIN: &str = "mosquitto_dynamic_security.so";

/// How each configuration begins. As root it would become another user, who can't write here; for others that line has no effect.
/// Every message counts, however slow its receiver is. Not 0: that means none, where it should mean no limit.
pub const COMMON: &str = "\
user root
max_queued_messages 100000
log_dest stderr
log_type all
log_timestamp_format %H:%M:%S
set_tcp_nodelay true
";

impl Broker for Mosquitto {
    fn name(&self) -> &'static str {
        "mosquitto"
    }

    fn install(&self) -> Result<()> {
        setup::ensure(PACKAGES)
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
            let file = dir.join("rules.json");
            std::fs::write(&file, rules(filter)).with_context(|| format!("cannot write {}", file.display()))?;
            let _ = writeln!(conf, "plugin {}\nplugin_opt_config_file {}", plugin()?.display(), file.display());
        }
        if setup.persistent {
            let _ = writeln!(conf, "persistence true\npersistence_location {}/", dir.display());
            // When it is told to, and not between.
            conf.push_str("autosave_interval 0\n");
        }
        conf.push_str(setup.lines);
        listeners(&mut conf, setup, endpoints, files, dir)?;
        let file = dir.join("mosquitto.conf");
        std::fs::write(&file, conf).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = command("mosquitto");
        command.arg("-c").arg(file);
        Ok(command)
    }

    fn save(&self, process: &mut Process, dir: &Path, end: Instant) -> Result<()> {
        let file = dir.join("mosquitto.db");
        // A new file takes the old one's place when it is complete.
        let version = || file.metadata().ok().as_ref().map(identity);
        let before = version();
        process.signal(libc::SIGUSR1);
        while Instant::now() < end {
            if version() != before {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("mosquitto does not write {}", file.display())
    }
}

/// Where it listens, and to whom. Options that follow a listener are its own.
fn listeners(conf: &mut String, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<()> {
    let mut add = |line: String| {
        conf.push_str(&line);
        conf.push('\n');
    };
    add(format!("listener {} {}", endpoints.plain.port(), endpoints.plain.ip()));
    if endpoints.transport == Transport::Tcp {
        return Ok(());
    }
    // One with WebSocket does not start without a plain one before it, nor without being told of IPv4.
    add(format!("listener {} {}", endpoints.app.port(), endpoints.app.ip()));
    if endpoints.transport.is_websocket() {
        add("protocol websockets\nsocket_domain ipv4".into());
    }
    if endpoints.transport.has_certificates() {
        let [certificate, key] = files.of_server(setup.wrong_host);
        add(format!("certfile {}", certificate.display()));
        add(format!("keyfile {}", key.display()));
    }
    if endpoints.transport == Transport::Cert {
        add(format!("cafile {}\nrequire_certificate true", files.path("ca.pem").display()));
    }
    if endpoints.transport == Transport::Psk {
        let file = dir.join("keys");
        std::fs::write(&file, format!("{}:{}\n", PSK.0, PSK.1)).with_context(|| format!("cannot write {}", file.display()))?;
        add(format!("psk_hint interop\npsk_file {}", file.display()));
    }
    Ok(())
}

fn identity(file: &Metadata) -> (u64, i64, i64) {
    (file.ino(), file.mtime(), file.mtime_nsec())
}

/// Debian puts the broker where only administrators' paths lead.
pub fn command(name: &str) -> Command {
    let path = PathBuf::from("/usr/sbin").join(name);
    Command::new(if path.is_file() { path } else { name.into() })
}

/// Anybody may do anything, but for one thing.
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
    let below = dirs.iter().flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()));
    let found = below.chain(dirs.iter().cloned()).map(|dir| dir.join(PLUGIN)).find(|file| file.is_file());
    found.with_context(|| format!("{PLUGIN} is not there: it comes with mosquitto 2.0"))
}
