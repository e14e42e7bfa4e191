//! RabbitMQ with its MQTT plugins. Runs as a child process with its own directory; the service
//! installed by the package is not used. Its quirks are described in docs/testing.md.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use project::files;
use project::setup::{Package, program};

use crate::broker::{About, Broker, Endpoints, Quirks, Setup, Skip, free_addresses};
use crate::transport::{Certificates, Transport};
use crate::workdir;

pub struct Rabbitmq;

const PACKAGES: &[Package] = &[program("rabbitmq-server", "rabbitmq-server"), program("util-linux", "setpriv")];

/// Debian's installation directory. The wrapper in the path insists on the service's user.
const HOME: &str = "/usr/lib/rabbitmq";

const SLOW: &str = "it takes 10 s to start and makes no difference to this scenario";

const WILL_AFTER_DISCONNECT: &str = "over WebSocket it also publishes the will after DISCONNECT, however the connection is closed";

const SKIPS: &[Skip] = &[
    Skip::CAPTURE,
    Skip::FIELD,
    Skip { what: "psk", why: "it has no support for pre-shared keys" },
    Skip { what: "oversized", why: "wildcard subscriptions get no retained messages" },
    Skip { what: "refusal", why: "its access rules can only be set at run time by a separate program" },
    Skip { what: "trust-cert", why: "it sends bad_certificate for an unknown issuer, which does not tell the cause" },
    Skip { what: "will-ws", why: WILL_AFTER_DISCONNECT },
    Skip { what: "will-wss", why: WILL_AFTER_DISCONNECT },
    Skip { what: "direct_calls", why: SLOW },
    Skip { what: "backup", why: SLOW },
    Skip { what: "bytewise", why: SLOW },
    Skip { what: "handshake", why: SLOW },
];

/// RabbitMQ nodes use epmd, which RabbitMQ would leave running: here each has its own, which dies
/// with it.
const START: &str = "setpriv --pdeathsig KILL epmd -port $ERL_EPMD_PORT & exec /usr/lib/rabbitmq/bin/rabbitmq-server";

impl Broker for Rabbitmq {
    fn about(&self) -> About {
        About {
            name: "rabbitmq",
            packages: PACKAGES,
            skips: SKIPS,
            quirks: Quirks { highest_qos: 1, exactly_once: false, retained_by_wildcard: false, ..Quirks::NONE },
        }
    }

    fn version(&self) -> Result<String> {
        let lib = Path::new(HOME).join("lib");
        let version = |dir: &PathBuf| Some(dir.file_name()?.to_str()?.strip_prefix("rabbitmq_server-")?.to_owned());
        files::list(&lib)?.iter().find_map(version).with_context(|| format!("no RabbitMQ in {}", lib.display()))
    }

    fn prepare(&self, setup: &Setup, endpoints: &Endpoints, files: &Certificates, dir: &Path) -> Result<Command> {
        let config = workdir::write(dir, "rabbitmq.conf", &config(setup, endpoints, files))?;
        let plugins = workdir::write(dir, "plugins", "[rabbitmq_mqtt, rabbitmq_web_mqtt].\n")?;
        let [names, nodes] = free_addresses()?;
        let mut command = Command::new("sh");
        command.args(["-c", START]);
        command.env("HOME", dir).env("RABBITMQ_CONFIG_FILE", config).env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins);
        command.env("RABBITMQ_MNESIA_BASE", dir.join("data")).env("RABBITMQ_GENERATED_CONFIG_DIR", dir.join("generated"));
        command.env("RABBITMQ_LOG_BASE", dir).env("RABBITMQ_LOGS", "-").env("RABBITMQ_CONF_ENV_FILE", dir.join("none"));
        command.env("RABBITMQ_NODENAME", "interop@localhost").env("RABBITMQ_DIST_PORT", nodes.port().to_string());
        command.env("ERL_EPMD_PORT", names.port().to_string()).env("ERL_EPMD_ADDRESS", names.ip().to_string());
        // Makes the script exec the broker instead of spawning it: the broker would outlive the
        // script.
        command.env("detached", "1");
        Ok(command)
    }
}

fn config(setup: &Setup, endpoints: &Endpoints, files: &Certificates) -> String {
    let mut conf = String::from("listeners.tcp = none\nlog.console = true\nlog.console.level = info\n");
    // Kept on disk, not only in memory.
    conf.push_str("mqtt.retained_message_store = rabbit_mqtt_retained_msg_store_dets\n");
    let _ = writeln!(conf, "mqtt.listeners.tcp.1 = {}", endpoints.plain);
    match setup.login {
        Some((user, password)) => {
            let _ = writeln!(conf, "mqtt.allow_anonymous = false\ndefault_user = {user}\ndefault_pass = {password}");
        }
        None => conf.push_str("mqtt.allow_anonymous = true\n"),
    }
    let (ip, port) = (endpoints.app.ip(), endpoints.app.port());
    // The WebSocket plugin listens in any case.
    let web = if setup.transport == Transport::Ws { port } else { 0 };
    let _ = writeln!(conf, "web_mqtt.ws_path = /mqtt\nweb_mqtt.tcp.ip = {ip}\nweb_mqtt.tcp.port = {web}");
    if setup.transport == Transport::Wss {
        let _ = writeln!(conf, "web_mqtt.ssl.ip = {ip}\nweb_mqtt.ssl.port = {port}");
    } else if setup.transport.has_certificates() {
        let _ = writeln!(conf, "mqtt.listeners.ssl.1 = {}", endpoints.app);
    }
    if setup.transport.has_certificates() {
        let options = if setup.transport == Transport::Wss { "web_mqtt.ssl" } else { "ssl_options" };
        let [certificate, key] = files.of_server(setup.wrong_host);
        let _ = writeln!(conf, "{options}.certfile = {}\n{options}.keyfile = {}", certificate.display(), key.display());
        let _ = writeln!(conf, "{options}.cacertfile = {}", files.path("ca.pem").display());
        if setup.transport == Transport::Cert {
            let _ = writeln!(conf, "{options}.verify = verify_peer\n{options}.fail_if_no_peer_cert = true");
        }
    }
    conf
}
