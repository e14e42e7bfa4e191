//! What an app and a broker may have between them beside TCP, and what either has to be told for it. The certificates are made here,
//! anew for each run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::project;

/// How an app reaches its broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    Tcp,
    Tls,
    /// TLS with a certificate on either side.
    Cert,
    /// TLS with a key that both know beforehand.
    Psk,
    Ws,
    Wss,
}

/// What the broker of `Transport::Psk` knows.
pub const PSK: (&str, &str) = ("device", "00112233445566778899aabbccddeeff");

impl Transport {
    /// As in the table of docs/interop.md.
    pub const ALL: [Transport; 6] = [Transport::Tcp, Transport::Tls, Transport::Cert, Transport::Psk, Transport::Ws, Transport::Wss];

    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Cert => "cert",
            Transport::Psk => "psk",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// Whether the server shows a certificate.
    pub fn has_certificates(self) -> bool {
        matches!(self, Transport::Tls | Transport::Cert | Transport::Wss)
    }

    /// About how many bytes go both quirks, for certain, before MQTT begins.
    pub fn handshake_bytes(self) -> u32 {
        match self {
            Transport::Tcp => 0,
            Transport::Ws => 400,
            Transport::Psk => 500,
            Transport::Tls => 1300,
            Transport::Wss => 1700,
            Transport::Cert => 2200,
        }
    }

    /// What the app is to be configured with.
    pub fn settings(self, files: &Certificates) -> Vec<(&'static str, String)> {
        let path = |name: &str| files.path(name).display().to_string();
        let mut settings = Vec::new();
        if self.has_certificates() {
            settings.push(("mqtt.ssl_ca_cert", path("ca.pem")));
        }
        match self {
            Transport::Cert => {
                settings.extend([("mqtt.ssl_cert", path("client.pem")), ("mqtt.ssl_key", path("client.key"))]);
            }
            Transport::Psk => {
                let suite = "TLS-PSK-WITH-AES-128-GCM-SHA256".to_owned();
                settings.push(("mqtt.ssl_cipher_suites", suite));
                settings.extend([("mqtt.ssl_psk_identity", PSK.0.to_owned()), ("mqtt.ssl_psk_key", PSK.1.to_owned())]);
            }
            _ => {}
        }
        if self.is_websocket() {
            settings.push(("mqtt.ws_enable", "true".into()));
        }
        settings
    }
}

/// Certificates and their keys, in a directory: NAME.pem and NAME.key for each of `EXTENSIONS`.
pub struct Certificates(PathBuf);

/// For openssl: which certificates there are, and what they are good for. "stranger" is an authority that nobody knows.
const EXTENSIONS: &str = "\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
[stranger]
basicConstraints = critical, CA:TRUE
[server]
subjectAltName = IP:127.0.0.1, DNS:localhost
[wrong_host]
subjectAltName = DNS:elsewhere.example
[client]
basicConstraints = CA:FALSE
";

impl Certificates {
    /// Make them all.
    pub fn make(dir: PathBuf) -> Result<Certificates> {
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let config = dir.join("extensions.conf");
        std::fs::write(&config, EXTENSIONS).with_context(|| format!("cannot write {}", config.display()))?;
        let files = Certificates(dir);
        for (name, signed) in [("ca", false), ("stranger", false), ("server", true), ("wrong_host", true), ("client", true)] {
            files.issue(name, signed, &config)?;
        }
        Ok(files)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What a server shows, and the key to it; or what one of another name shows.
    pub fn of_server(&self, wrong_host: bool) -> [PathBuf; 2] {
        let name = if wrong_host { "wrong_host" } else { "server" };
        ["pem", "key"].map(|kind| self.path(&format!("{name}.{kind}")))
    }

    /// Signed by "ca", or by itself.
    fn issue(&self, name: &str, signed: bool, config: &Path) -> Result<()> {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-config"]);
        command.arg(config).args(["-extensions", name, "-subj", &format!("/CN=interop {name}")]);
        command.arg("-out").arg(self.path(&format!("{name}.pem"))).arg("-keyout").arg(self.path(&format!("{name}.key")));
        if signed {
            command.arg("-CA").arg(self.path("ca.pem")).arg("-CAkey").arg(self.path("ca.key"));
        }
        // It draws dots while it looks for a key.
        project::run(command.stderr(std::process::Stdio::null()))
            .context("openssl makes no certificates; it has to be version 3.0 or later")
    }
}
