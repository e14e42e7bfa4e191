//! Transports between app and broker, and the settings that each side needs. The certificates are
//! made here, anew for each run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workdir;

/// How an app connects to its broker.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Transport {
    #[default]
    Tcp,
    Tls,
    /// TLS with a certificate on both sides.
    Cert,
    /// TLS with a pre-shared key.
    Psk,
    Ws,
    Wss,
}

/// Identity and key of `Transport::Psk`.
pub const PSK: (&str, &str) = ("device", "00112233445566778899aabbccddeeff");

impl Transport {
    /// In the order of the table in docs/testing.md.
    pub const ALL: [Transport; 6] = [Transport::Tcp, Transport::Tls, Transport::Cert, Transport::Psk, Transport::Ws, Transport::Wss];

    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// Whether the server has a certificate.
    pub fn has_certificates(self) -> bool {
        matches!(self, Transport::Tls | Transport::Cert | Transport::Wss)
    }

    /// Approximate lower bound of bytes exchanged, both ways, before MQTT begins.
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

    /// The app's settings.
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

/// openssl's configuration: the certificates and their extensions. "stranger" is a CA that nobody
/// trusts.
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
    /// Creates them all.
    pub fn make(dir: PathBuf) -> Result<Certificates> {
        fs_err::create_dir_all(&dir)?;
        let config = workdir::write(&dir, "extensions.conf", EXTENSIONS)?;
        let files = Certificates(dir);
        for (name, signed) in [("ca", false), ("stranger", false), ("server", true), ("wrong_host", true), ("client", true)] {
            files.issue(name, signed, &config)?;
        }
        Ok(files)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The server's certificate and key; or those for another host name.
    pub fn of_server(&self, wrong_host: bool) -> [PathBuf; 2] {
        let name = if wrong_host { "wrong_host" } else { "server" };
        ["pem", "key"].map(|kind| self.path(&format!("{name}.{kind}")))
    }

    /// Signed by "ca", or self-signed.
    fn issue(&self, name: &str, signed: bool, config: &Path) -> Result<()> {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-config"]);
        command.arg(config).args(["-extensions", name, "-subj", &format!("/CN=interop {name}")]);
        command.arg("-out").arg(self.path(&format!("{name}.pem"))).arg("-keyout").arg(self.path(&format!("{name}.key")));
        if signed {
            command.arg("-CA").arg(self.path("ca.pem")).arg("-CAkey").arg(self.path("ca.key"));
        }
        // openssl prints dots while it generates a key.
        project::run(command.stderr(std::process::Stdio::null()))
            .context("openssl cannot create the certificates; version 3.0 or later is required")
    }
}
