//! TLS clients as a stream over another: implements the `ssl_*` options of `mg_connect_opt()`, and
//! describes failures. mbedTLS does the work, behind tls/ffi.rs. Does not log: its callers hold a
//! connection.

mod explain;
mod ffi;
mod verify;

use std::{
    cell::Cell,
    ffi::{CStr, OsStr, c_int},
    fs,
    net::SocketAddr,
    os::{fd::RawFd, unix::ffi::OsStrExt},
};

use embedded_io::{ErrorType, Read, Write};
use mbedtls_sys as mbed;

use crate::stream::{Stream, StreamError};
use ffi::{Authority, Chain, Key, Parameters, Session};
use verify::Name;

/// Has certificates checked as a device does: not their dates, and not the name where the server is
/// an address or in the hosts file.
const VARIABLE: &str = "MGOS_HOST_DEVICE_TLS";

thread_local! {
    /// Whether that was asked for. All connections are made in one thread.
    static AS_DEVICE: Cell<bool> = const { Cell::new(false) };
}

/// Reads the environment.
pub(crate) fn init() -> Result<(), String> {
    match std::env::var_os(VARIABLE) {
        None => {}
        Some(text) if text == "0" || text == "1" => AS_DEVICE.set(text == "1"),
        Some(text) => return Err(format!("{VARIABLE} must be 0 or 1, not {text:?}")),
    }
    Ok(())
}

/// Runs `f` with certificates checked as a device does.
#[cfg(test)]
pub(crate) fn as_device<R>(f: impl FnOnce() -> R) -> R {
    AS_DEVICE.set(true);
    let result = f();
    AS_DEVICE.set(false);
    result
}

/// A device's cipher suites if `ssl_cipher_suites` is not set, in its order.
const DEFAULT_SUITES: [c_int; 15] = [
    mbed::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    mbed::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    mbed::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    mbed::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
    mbed::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
    mbed::TLS_DHE_RSA_WITH_AES_128_CBC_SHA256,
    mbed::TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256,
    mbed::TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256,
    mbed::TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA,
    mbed::TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256,
    mbed::TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256,
    mbed::TLS_ECDH_RSA_WITH_AES_128_CBC_SHA,
    mbed::TLS_RSA_WITH_AES_128_GCM_SHA256,
    mbed::TLS_RSA_WITH_AES_128_CBC_SHA256,
    mbed::TLS_RSA_WITH_AES_128_CBC_SHA,
];

/// The `ssl_*` fields of `struct mg_connect_opts`; `None` is NULL.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings<'a> {
    pub(crate) cert: Option<&'a CStr>,
    pub(crate) key: Option<&'a CStr>,
    pub(crate) ca_cert: Option<&'a CStr>,
    pub(crate) cipher_suites: Option<&'a CStr>,
    pub(crate) server_name: Option<&'a CStr>,
    pub(crate) psk_identity: Option<&'a CStr>,
    pub(crate) psk_key: Option<&'a CStr>,
}

/// Settings that failure messages refer to.
struct Told {
    /// The server name that the certificate must match.
    server: Option<String>,
    ca_file: Option<String>,
    has_cert: bool,
    has_psk: bool,
}

/// A TLS connection, before or after its handshake.
pub(crate) struct Tls {
    session: Session,
    told: Told,
    /// Length of a write that would block, as the retry must have the same.
    pending: usize,
    /// The alert with which the server closed, if mbedTLS has not seen it.
    alert: Option<u8>,
    pub(crate) warnings: Vec<String>,
}

impl Settings<'_> {
    /// Whether TLS is requested.
    pub(crate) fn wanted(&self) -> bool {
        self.cert.is_some() || self.ca_cert.is_some() || self.psk_identity.is_some()
    }
}

fn show(text: &CStr) -> String {
    text.to_string_lossy().into_owned()
}

/// mbedTLS's error number in its usual form.
fn code_text(code: c_int) -> String {
    format!("mbedTLS -0x{:04x}", -code)
}

/// Reads a file named by a setting.
fn read(setting: &str, path: &CStr) -> Result<Vec<u8>, String> {
    fs::read(OsStr::from_bytes(path.to_bytes())).map_err(|e| format!("{setting}: cannot read \"{}\": {e}", show(path)))
}

fn certificates(setting: &str, path: &CStr, warnings: &mut Vec<String>) -> Result<Chain, String> {
    let (chain, unread) = Chain::parse(read(setting, path)?).map_err(|code| {
        let (file, why) = (show(path), ffi::describe(code));
        format!("{setting}: \"{file}\" is not a certificate in PEM or DER form: {why} ({})", code_text(code))
    })?;
    if unread > 0 {
        warnings.push(format!("{setting}: {unread} of the certificates in \"{}\" cannot be read and are ignored", show(path)));
    }
    Ok(chain)
}

/// The client's certificate and key.
fn own(cert: &CStr, key: Option<&CStr>, warnings: &mut Vec<String>) -> Result<Option<(Chain, Key)>, String> {
    let (setting, file) = key.map_or(("ssl_key, not set, so in ssl_cert", cert), |key| ("ssl_key", key));
    if cert.is_empty() || file.is_empty() {
        return Ok(None);
    }
    if file.to_bytes().starts_with(b"ATCA:") {
        return Err(format!("ssl_key: \"{}\" is a key in a crypto chip, which the host does not have; use a file", show(file)));
    }
    let chain = certificates("ssl_cert", cert, warnings)?;
    let key = Key::parse(read(setting, file)?).map_err(|code| {
        let why = match code {
            mbed::ERR_PK_PASSWORD_REQUIRED | mbed::ERR_PK_PASSWORD_MISMATCH => "it is encrypted; give one without a password".to_owned(),
            _ => ffi::describe(code),
        };
        format!("{setting}: no usable key in \"{}\": {why} ({})", show(file), code_text(code))
    })?;
    if !key.fits(&chain) {
        return Err(format!("ssl_key: the key in \"{}\" does not belong to the certificate in \"{}\"", show(file), show(cert)));
    }
    Ok(Some((chain, key)))
}

fn suites(list: Option<&CStr>) -> Result<Vec<c_int>, String> {
    let Some(list) = list else { return Ok(DEFAULT_SUITES.to_vec()) };
    let list = show(list);
    let number = |name| {
        ffi::suite(name).ok_or_else(|| {
            let all = ffi::suite_names();
            let near = all.iter().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)));
            let hint = near.map_or(String::new(), |near| format!(", is it {near}?"));
            format!("ssl_cipher_suites: unknown cipher suite \"{name}\"{hint}")
        })
    };
    list.split(':').map(number).collect()
}

/// Identity and key, both or neither.
fn psk(identity: Option<&CStr>, key: Option<&CStr>) -> Result<Option<(std::ffi::CString, Vec<u8>)>, String> {
    let (identity, key) = match (identity, key) {
        (None, None) => return Ok(None),
        (Some(identity), Some(key)) => (identity, key.to_bytes()),
        (Some(_), None) => return Err("ssl_psk_identity is set, but ssl_psk_key is not".to_owned()),
        (None, Some(_)) => return Err("ssl_psk_key is set, but ssl_psk_identity is not".to_owned()),
    };
    if key.len() != 32 && key.len() != 64 {
        return Err(format!("ssl_psk_key must have 32 or 64 hex digits (16 or 32 bytes), it has {} characters", key.len()));
    }
    let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
    let bytes = key.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect::<Option<_>>();
    let bytes = bytes.ok_or_else(|| "ssl_psk_key has characters that are not hex digits".to_owned())?;
    Ok(Some((identity.to_owned(), bytes)))
}

/// Whether Mongoose would find the name there.
fn in_hosts_file(name: &str) -> bool {
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let lines = hosts.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| line.split_whitespace().skip(1)).any(|alias| alias == name)
}

/// The server's name, which the certificate must match; `None` to accept any.
fn server(settings: &Settings<'_>, host: &str) -> Option<Name> {
    settings.ca_cert?;
    match settings.server_name {
        Some(name) if name == c"*" => None,
        Some(name) => Name::written(&name.to_string_lossy()),
        None => Name::written(host).filter(|name| !AS_DEVICE.get() || name.address().is_none() && !in_hosts_file(host)),
    }
}

impl Tls {
    /// Reads the files and checks the settings; an error is a sentence for the user. `host` is
    /// where the app connects.
    pub(crate) fn client(settings: &Settings<'_>, host: &str) -> Result<Tls, String> {
        let mut warnings = Vec::new();
        let own = match settings.cert {
            Some(cert) => own(cert, settings.key, &mut warnings)?,
            None => None,
        };
        let authority = match settings.ca_cert {
            None => Authority::Unset,
            Some(any) if any == c"*" => {
                warnings.push(format!("ssl_ca_cert is \"*\": encrypted, but the identity of {host} is not verified"));
                Authority::Anybody
            }
            Some(file) => Authority::These(certificates("ssl_ca_cert", file, &mut warnings)?),
        };
        let name = server(settings, host);
        let psk = psk(settings.psk_identity, settings.psk_key)?;
        if psk.is_some() && !settings.cipher_suites.is_some_and(|list| show(list).contains("PSK")) {
            let example = "TLS-PSK-WITH-AES-128-GCM-SHA256";
            warnings.push(format!("a pre-shared key is set, but no cipher suite that uses it: set ssl_cipher_suites, as to {example}"));
        }
        let told = Told {
            server: name.as_ref().map(Name::to_string),
            ca_file: settings.ca_cert.map(show),
            has_cert: own.is_some(),
            has_psk: psk.is_some(),
        };
        let suites = suites(settings.cipher_suites)?;
        let session = Session::new(Parameters { authority, own, suites, psk, name, dates: !AS_DEVICE.get() })
            .map_err(|code| format!("cannot set up TLS: {} ({})", ffi::describe(code), code_text(code)))?;
        Ok(Tls { session, told, pending: 0, alert: None, warnings })
    }

    /// Wraps a connected stream.
    pub(crate) fn over(mut self, stream: Box<dyn Stream>) -> Box<dyn Stream> {
        self.session.set_stream(stream);
        Box::new(self)
    }

    /// Looks for an alert in what the server sent before it closed.
    fn last_words(&mut self) -> Option<u8> {
        let mut words = Vec::new();
        let mut portion = [0; 512];
        while let Some(Ok(n @ 1..)) = self.session.stream(|s| s.read(&mut portion)) {
            words.extend_from_slice(&portion[..n]);
        }
        explain::alert_in(&words)
    }
}

fn error(code: c_int) -> StreamError {
    match code {
        mbed::ERR_SSL_WANT_READ => StreamError::WantRead,
        mbed::ERR_SSL_WANT_WRITE => StreamError::WantWrite,
        code => StreamError::Tls(code),
    }
}

impl ErrorType for Tls {
    type Error = StreamError;
}

impl Read for Tls {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, StreamError> {
        match self.session.read(buf) {
            Err(mbed::ERR_SSL_PEER_CLOSE_NOTIFY) => Ok(0),
            result => result.map_err(error),
        }
    }
}

impl Write for Tls {
    fn write(&mut self, buf: &[u8]) -> Result<usize, StreamError> {
        let len = if self.pending > 0 { self.pending.min(buf.len()) } else { buf.len() };
        let result = self.session.write(&buf[..len]).map_err(error);
        self.pending = if matches!(result, Err(StreamError::WantRead | StreamError::WantWrite)) { len } else { 0 };
        result
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }
}

impl Stream for Tls {
    fn fd(&self) -> RawFd {
        self.session.stream(|s| s.fd()).unwrap_or(crate::abi::INVALID_SOCKET)
    }

    fn connect_result(&mut self) -> i32 {
        self.session.stream(|s| s.connect_result()).unwrap_or(libc::ENOTCONN)
    }

    fn handshake(&mut self) -> Result<(), StreamError> {
        let result = self.session.handshake();
        if result == Err(mbed::ERR_NET_SEND_FAILED) {
            // A server that refuses closes while we are still sending, so its alert would not be
            // read otherwise.
            self.alert = self.last_words();
            if self.alert.is_some() {
                return Err(StreamError::Tls(mbed::ERR_SSL_FATAL_ALERT_MESSAGE));
            }
        }
        result.map_err(error)
    }

    fn explain(&self, e: StreamError) -> String {
        match e {
            StreamError::Tls(code) => {
                let alert = self.alert.unwrap_or_else(|| self.session.alert());
                explain::failure(&self.session, &self.told, code, alert)
            }
            e => e.to_string(),
        }
    }

    fn summary(&self) -> String {
        self.session.summary()
    }

    fn close_notify(&mut self) {
        self.session.close_notify();
    }

    fn accept(&mut self) -> Result<(Box<dyn Stream>, SocketAddr), StreamError> {
        Err(StreamError::Os(libc::EOPNOTSUPP))
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.session.stream(|s| s.local_addr()).flatten()
    }
}
