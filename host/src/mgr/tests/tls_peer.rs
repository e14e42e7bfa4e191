//! Servers for the TLS tests: generated certificates, rustls, and `openssl` for what rustls does
//! not support.

use std::{
    cell::RefCell,
    ffi::{CString, c_char},
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

use super::bench::peer;

/// A certificate with its key.
pub(super) struct Cert {
    pub(super) pem: String,
    pub(super) key_pem: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

/// A certificate authority.
pub(super) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(super) cert: Cert,
}

fn named(mut params: CertificateParams, common_name: &str) -> CertificateParams {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

impl Ca {
    pub(super) fn new(common_name: &str) -> Ca {
        let key = KeyPair::generate().unwrap();
        let mut params = named(CertificateParams::new([]).unwrap(), common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap();
        let cert = Cert { pem: cert.pem(), key_pem: key.serialize_pem(), der: cert.der().clone(), key_der: key.serialize_der() };
        Ca { issuer: Issuer::new(params, key), cert }
    }

    /// A certificate for these names and addresses.
    pub(super) fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Cert {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = named(CertificateParams::new(names).unwrap(), "the server");
        change(&mut params);
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Cert { pem: cert.pem(), key_pem: key.serialize_pem(), der: cert.der().clone(), key_der: key.serialize_der() }
    }
}

pub(super) type Link = StreamOwned<ServerConnection, Wire>;

/// A socket that optionally transfers one byte at a time.
pub(super) struct Wire {
    socket: TcpStream,
    slow: bool,
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = if self.slow { 1 } else { buf.len() };
        self.socket.read(&mut buf[..len])
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let len = if self.slow { 1 } else { buf.len() };
        self.socket.write(&buf[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Configuration of a server.
pub(super) struct Server<'a> {
    pub(super) cert: &'a Cert,
    /// Requires client certificates of this CA.
    pub(super) clients_of: Option<&'a Ca>,
    pub(super) version: &'static SupportedProtocolVersion,
    pub(super) slow: bool,
}

impl<'a> Server<'a> {
    pub(super) fn new(cert: &'a Cert) -> Server<'a> {
        Server { cert, clients_of: None, version: &rustls::version::TLS12, slow: false }
    }

    /// Accepts one connection in its own thread. Returns the port, and the result of `talk`.
    pub(super) fn start<R: Send + 'static>(self, talk: impl FnOnce(&mut Link) -> R + Send + 'static) -> (u16, JoinHandle<R>) {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[self.version]).unwrap();
        let builder = match self.clients_of {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.cert.der.clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.cert.key_der.clone()));
        let config = Arc::new(builder.with_single_cert(vec![self.cert.der.clone()], key).unwrap());
        let slow = self.slow;
        let (addr, thread) = peer(move |socket| {
            socket.set_nodelay(true).unwrap();
            let session = ServerConnection::new(config).unwrap();
            talk(&mut StreamOwned::new(session, Wire { socket, slow }))
        });
        (addr.rsplit_once(':').unwrap().1.parse().unwrap(), thread)
    }
}

/// A server that answers `ping` with `pong`, if the handshake succeeds.
pub(super) fn ping_pong(link: &mut Link) -> io::Result<()> {
    let mut got = [0; 4];
    link.read_exact(&mut got)?;
    assert_eq!(&got, b"ping");
    link.write_all(b"pong")?;
    link.conn.send_close_notify();
    link.flush()
}

/// Files in a directory that is removed on drop.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file; returns its path.
    pub(super) fn put(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }
}

thread_local! {
    static KEPT: RefCell<Vec<CString>> = const { RefCell::new(Vec::new()) };
}

/// A string for the options, which only have a pointer: kept until the end of the test.
pub(super) fn c(text: &str) -> *const c_char {
    let text = CString::new(text).unwrap();
    let at = text.as_ptr();
    KEPT.with_borrow_mut(|kept| kept.push(text));
    at
}

/// `openssl s_server`, which echoes every line reversed.
pub(super) struct Openssl {
    child: Child,
    pub(super) port: u16,
}

impl Openssl {
    pub(super) fn start(args: &[&str]) -> Openssl {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-rev"]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program openssl (Debian package openssl)");
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.parse().ok());
        // Keep reading, or it would block.
        std::thread::spawn(move || said.for_each(drop));
        Openssl { child, port: port.expect("openssl s_server listens") }
    }

    /// A self-signed RSA certificate for localhost, and its key.
    pub(super) fn rsa(files: &Files) -> (String, String) {
        let path = |name| files.path(name).to_str().unwrap().to_owned();
        let (cert, key) = (path("rsa.crt"), path("rsa.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", &key, "-out", &cert])
            .stderr(Stdio::null())
            .status();
        assert!(made.expect("the program openssl (Debian package openssl)").success());
        (cert, key)
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
