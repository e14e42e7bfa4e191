//! RabbitMQ with its plugins for MQTT. It runs as our child, with all that is its own in a directory: the service that the package brings is
//! not used. What is peculiar to it stands in docs/interop.md.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::broker::{Broker, Endpoints, Quirks, Setup, Skip, free_addresses};
use super::transport::{Certificates, Transport};
use crate::setup::{self, Package, program};

pub struct Rabbitmq;

const PACKAGES: &[Package] = &[program("rabbitmq-server", "rabbitmq-server"), program("util-linux", "setpriv")];

/// Where Debian puts it. What is in the path insists on the service's user.
const HOME: &str = "/usr/lib/rabbitmq";

const SLOW: &str = "it takes 10 s to start, and has no part in what this shows";

const WILL_AFTER_DISCONNECT: &str =
    "over WebSocket it publishes the will of a client that has sent DISCONNECT, too, however that closes the connection";

const SKIPS: &[Skip] = &[
    Skip::CAPTURE,
    Skip::FIELD,
    Skip { what: "psk", why: "its configuration file has no pre-shared keys" },
    Skip { what: "oversized", why: "a subscription with a wildcard does not get what is retained" },
    Skip { what: "refusal", why: "its access rules are set while it runs, by a program of its own, which the tests do not use" },
    Skip { what: "trust-cert", why: "it says bad_certificate to one by nobody, which tells no cause" },
    Skip { what: "will-ws", why: WILL_AFTER_DISCONNECT },
    Skip { what: "will-wss", why: WILL_AFTER_DISCONNECT },
    Skip { what: "direct_calls", why: SLOW },
    Skip { what: "backup", why: SLOW },
    Skip { what: "bytewise", why: SLOW },
    Skip { what: "handshake", why: SLOW },
];

/// Its nodes find each other through a program that it would leave running behind: here it has one to itself, that ends with it.
const START: &str = "setpriv --pdeathsig KILL epmd -port $ERL_EPMD_PORT & exec /usr/lib/rabbitmq/bin/rabbitmq-server";

impl Broker for Rabbitmq {
    fn name(&self) -> &'static str {
        "rabbitmq"
    }

    fn install(&self) -> Result<()> {
        setup::ensure(PACKAGES)
    }

    fn version(&self) -> Result<String> {
        let lib = Path::new(HOME).join("lib");
        let entries = std::fs::read_dir(&lib).with_context(|| format!("cannot read {}", lib.display()))?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut versions = names.filter_map(|name| name.strip_prefix("rabbitmq_server-").map(str::to_owned));
        versions.next().with_context(|| format!("{} has no RabbitMQ", lib.display()))
    }

    fn skips(&self) -> &'static [Skip] {
        SKIPS
    }

    fn quirks(&self) -> Quirks {
        Quirks { highest_qos: 1, exactly_once: false, retained_by_wildcard: false, ..Quirks::default() }
    }

    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let write = |name: &str, text: String| -> Result<PathBuf> {
            let file = dir.join(name);
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(file)
        };
        let config = write("rabbitmq.conf", config(setup, endpoints, files))?;
        let plugins = write("plugins", "[rabbitmq_mqtt, rabbitmq_web_mqtt].\n".into())?;
        let [names, nodes] = free_addresses()?;
        let mut command = Command::new("sh");
        command.args(["-c", START]);
        command.env("HOME", dir).env("RABBITMQ_CONFIG_FILE", config).env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins);
        command.env("RABBITMQ_MNESIA_BASE", dir.join("data")).env("RABBITMQ_GENERATED_CONFIG_DIR", dir.join("generated"));
        command.env("RABBITMQ_LOG_BASE", dir).env("RABBITMQ_LOGS", "-").env("RABBITMQ_CONF_ENV_FILE", dir.join("none"));
        command.env("RABBITMQ_NODENAME", "interop@localhost").env("RABBITMQ_DIST_PORT", nodes.port().to_string());
        command.env("ERL_EPMD_PORT", names.port().to_string()).env("ERL_EPMD_ADDRESS", names.ip().to_string());
        // For the script to become the broker, not to start it: else it would outlive the script.
        command.env("detached", "1");
        Ok(command)
    }
}

fn config(setup: &Setup, endpoints: &Endpoints, files: &Certificates) -> String {
    let mut conf = String::from("listeners.tcp = none\nlog.console = true\nlog.console.level = info\n");
    // Kept in a file, not only in memory.
    conf.push_str("mqtt.retained_message_store = rabbit_mqtt_retained_msg_store_dets\n");
    let _ = writeln!(conf, "mqtt.listeners.tcp.1 = {}", endpoints.plain);
    match setup.login {
        Some((user, password)) => {
            let _ = writeln!(conf, "mqtt.allow_anonymous = false\ndefault_user = {user}\ndefault_pass = {password}");
        }
        None => conf.push_str("mqtt.allow_anonymous = true\n"),
    }
    let (ip, port) = (endpoints.app.ip(), endpoints.app.port());
    // Its plugin for WebSocket listens in any case.
    let web = if endpoints.transport == Transport::Ws { port } else { 0 };
    let _ = writeln!(conf, "web_mqtt.ws_path = /mqtt\nweb_mqtt.tcp.ip = {ip}\nweb_mqtt.tcp.port = {web}");
    if endpoints.transport == Transport::Wss {
        let _ = writeln!(conf, "web_mqtt.ssl.ip = {ip}\nweb_mqtt.ssl.port = {port}");
    } else if endpoints.transport.has_certificates() {
        let _ = writeln!(conf, "mqtt.listeners.ssl.1 = {}", endpoints.app);
    }
    if endpoints.transport.has_certificates() {
        let options = if endpoints.transport == Transport::Wss { "web_mqtt.ssl" } else { "ssl_options" };
        let [certificate, key] = files.of_server(setup.wrong_host);
        let _ = writeln!(conf, "{options}.certfile = {}\n{options}.keyfile = {}", certificate.display(), key.display());
        let _ = writeln!(conf, "{options}.cacertfile = {}", files.path("ca.pem").display());
        if endpoints.transport == Transport::Cert {
            let _ = writeln!(conf, "{options}.verify = verify_peer\n{options}.fail_if_no_peer_cert = true");
        }
    }
    conf
}
