//! The only place that calls mbedTLS: its certificates, keys and sessions as safe
//! types that free what they hold. What the settings mean is in ../tls.rs, what a
//! failure means in explain.rs.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uchar, c_void},
    mem::MaybeUninit,
    net::IpAddr,
    ptr, slice,
};

use mbedtls_sys as mbed;

use super::verify::{Finding, Moment, Name};
use crate::{
    clock,
    stream::{Stream, StreamError},
};

/// An object of mbedTLS: at one address from its init function to its free function.
struct Owned<T> {
    at: *mut T,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// `init` and `free` are the two that mbedTLS has for a `T`.
    fn new(init: unsafe extern "C" fn(*mut T), free: unsafe extern "C" fn(*mut T)) -> Owned<T> {
        let at = Box::into_raw(Box::new(MaybeUninit::<T>::zeroed())).cast::<T>();
        // SAFETY: init functions want nothing but memory.
        unsafe { init(at) };
        Owned { at, free }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: made in `new`, initialised, and freed here alone.
        unsafe {
            (self.free)(self.at);
            drop(Box::from_raw(self.at.cast::<MaybeUninit<T>>()));
        }
    }
}

/// mbedTLS tells PEM from DER by the NUL that it wants counted after PEM.
fn for_parser(mut data: Vec<u8>) -> (Vec<u8>, usize) {
    let is_pem = data.windows(11).any(|w| w == b"-----BEGIN ");
    data.push(0);
    let len = if is_pem { data.len() } else { data.len() - 1 };
    (data, len)
}

/// One or more certificates.
pub(super) struct Chain(Owned<mbed::x509_crt>);

impl Chain {
    /// The certificates in a file's content, and how many of them could not be read.
    pub(super) fn parse(data: Vec<u8>) -> Result<(Chain, c_int), c_int> {
        let chain = Chain(Owned::new(mbed::x509_crt_init, mbed::x509_crt_free));
        let (data, len) = for_parser(data);
        // SAFETY: the chain is initialised, the data has `len` bytes and is copied.
        match unsafe { mbed::x509_crt_parse(chain.0.at, data.as_ptr(), len) } {
            unread @ 0.. => Ok((chain, unread)),
            code => Err(code),
        }
    }
}

/// A private key.
pub(super) struct Key(Owned<mbed::pk_context>);

impl Key {
    pub(super) fn parse(data: Vec<u8>) -> Result<Key, c_int> {
        let key = Key(Owned::new(mbed::pk_init, mbed::pk_free));
        let (data, len) = for_parser(data);
        // SAFETY: the key is initialised, the data has `len` bytes and is copied; no password.
        match unsafe { mbed::pk_parse_key(key.0.at, data.as_ptr(), len, ptr::null(), 0) } {
            0 => Ok(key),
            code => Err(code),
        }
    }

    /// Whether it belongs to the first certificate.
    pub(super) fn fits(&self, chain: &Chain) -> bool {
        // SAFETY: both are initialised and filled.
        unsafe { mbed::pk_check_pair(&raw const (*chain.0.at).pk, self.0.at) == 0 }
    }
}

/// Who vouches for the server.
pub(super) enum Authority {
    /// Nobody was named: only a pre-shared key will do.
    Unset,
    /// Anybody: the certificate is not looked at.
    Anybody,
    These(Chain),
}

/// What a session is made of.
pub(super) struct Parameters {
    pub(super) authority: Authority,
    pub(super) own: Option<(Chain, Key)>,
    /// By number, best first.
    pub(super) suites: Vec<c_int>,
    /// Identity and key.
    pub(super) psk: Option<(CString, Vec<u8>)>,
    /// What the server's certificate must be for; `None`: for whatever it likes.
    pub(super) name: Option<Name>,
}

/// What the callbacks of a session use.
struct Shared {
    stream: Option<Box<dyn Stream>>,
    /// Why the stream failed, if it did.
    error: Option<StreamError>,
    /// The address that the certificate must be for. Names are mbedTLS's to check.
    address: Option<IpAddr>,
    findings: Vec<Finding>,
}

/// One TLS connection, client side. Fields are freed in this order: users first.
pub(super) struct Session {
    ssl: Owned<mbed::ssl_context>,
    conf: Owned<mbed::ssl_config>,
    shared: *mut Shared,
    _authority: Authority,
    _own: Option<(Chain, Key)>,
    _suites: Vec<c_int>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: made in `new`; no function of mbedTLS is running, and freeing a session calls
        // no callback.
        drop(unsafe { Box::from_raw(self.shared) });
    }
}

fn check(code: c_int) -> Result<(), c_int> {
    if code == 0 { Ok(()) } else { Err(code) }
}

impl Session {
    /// A session that has no socket yet.
    pub(super) fn new(mut with: Parameters) -> Result<Session, c_int> {
        let address = with.name.as_ref().and_then(Name::address);
        let shared = Box::new(Shared { stream: None, error: None, address, findings: Vec::new() });
        with.suites.push(0);
        let session = Session {
            ssl: Owned::new(mbed::ssl_init, mbed::ssl_free),
            conf: Owned::new(mbed::ssl_config_init, mbed::ssl_config_free),
            shared: Box::into_raw(shared),
            _authority: with.authority,
            _own: with.own,
            _suites: with.suites,
        };
        let (ssl, conf, shared) = (session.ssl.at, session.conf.at, session.shared.cast::<c_void>());
        let host = match &with.name {
            Some(Name::Host(host)) => host.as_ptr(),
            // Addresses are no names to ask for, and `verified` checks them.
            _ => ptr::null(),
        };
        // SAFETY: all objects are initialised and live as long as the session, at one address;
        // the callbacks have the types wanted and get the pointer that they cast back. Name and
        // pre-shared key are copied. The list of suites ends in 0.
        unsafe {
            let (client, tcp, preset) = (mbed::SSL_IS_CLIENT, mbed::SSL_TRANSPORT_STREAM, mbed::SSL_PRESET_DEFAULT);
            check(mbed::ssl_config_defaults(conf, client, tcp, preset))?;
            mbed::ssl_conf_min_version(conf, mbed::SSL_MAJOR_VERSION_3, mbed::SSL_MINOR_VERSION_3);
            mbed::ssl_conf_rng(conf, Some(mg_ssl_if_mbed_random), ptr::null_mut());
            mbed::ssl_conf_verify(conf, Some(verified), shared);
            mbed::ssl_conf_ciphersuites(conf, session._suites.as_ptr());
            match &session._authority {
                Authority::Unset => {}
                Authority::Anybody => mbed::ssl_conf_authmode(conf, mbed::SSL_VERIFY_NONE),
                Authority::These(chain) => {
                    mbed::ssl_conf_authmode(conf, mbed::SSL_VERIFY_REQUIRED);
                    mbed::ssl_conf_ca_chain(conf, chain.0.at, ptr::null_mut());
                }
            }
            if let Some((chain, key)) = &session._own {
                check(mbed::ssl_conf_own_cert(conf, chain.0.at, key.0.at))?;
            }
            if let Some((identity, key)) = &with.psk {
                let identity = identity.as_bytes();
                check(mbed::ssl_conf_psk(conf, key.as_ptr(), key.len(), identity.as_ptr(), identity.len()))?;
            }
            check(mbed::ssl_setup(ssl, conf))?;
            check(mbed::ssl_set_hostname(ssl, host))?;
            mbed::ssl_set_bio(ssl, shared, Some(send), Some(receive), None);
        }
        Ok(session)
    }

    /// What the callbacks use. `f` must not call mbedTLS.
    fn shared<R>(&self, f: impl FnOnce(&mut Shared) -> R) -> R {
        // SAFETY: lives as long as the session; only callbacks use it otherwise, which run inside
        // the functions below and not while `f` does.
        f(unsafe { &mut *self.shared })
    }

    pub(super) fn set_stream(&mut self, stream: Box<dyn Stream>) {
        self.shared(|s| s.stream = Some(stream));
    }

    /// Looks at the stream below; `None` if there is none yet.
    pub(super) fn stream<R>(&self, f: impl FnOnce(&mut dyn Stream) -> R) -> Option<R> {
        self.shared(|s| s.stream.as_mut().map(|stream| f(stream.as_mut())))
    }

    pub(super) fn handshake(&mut self) -> Result<(), c_int> {
        // SAFETY: set up in `new`.
        check(unsafe { mbed::ssl_handshake(self.ssl.at) })
    }

    /// At most `buf.len()` bytes; 0 at the end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<usize, c_int> {
        // SAFETY: set up in `new`; the buffer has this length.
        let n = unsafe { mbed::ssl_read(self.ssl.at, buf.as_mut_ptr(), buf.len()) };
        usize::try_from(n).map_err(|_| n)
    }

    /// How many of the bytes were taken. After "want" errors the next call must offer the same.
    pub(super) fn write(&mut self, buf: &[u8]) -> Result<usize, c_int> {
        // SAFETY: set up in `new`; the buffer has this length.
        let n = unsafe { mbed::ssl_write(self.ssl.at, buf.as_ptr(), buf.len()) };
        usize::try_from(n).map_err(|_| n)
    }

    pub(super) fn close_notify(&mut self) {
        // SAFETY: set up in `new`. If it cannot be sent now, the socket's end has to tell.
        let _ = unsafe { mbed::ssl_close_notify(self.ssl.at) };
    }

    /// The number of the alert that the peer sent, after the error that says so.
    pub(super) fn alert(&self) -> u8 {
        // SAFETY: set up in `new`, so the buffer of the message in hand is there; an alert that was
        // accepted has two bytes, the second of which says which.
        unsafe { *(*self.ssl.at).in_msg.add(1) }
    }

    /// The step that the handshake has come to, a number of mbedTLS's.
    pub(super) fn step(&self) -> c_int {
        // SAFETY: set up in `new`.
        unsafe { (*self.ssl.at).state }
    }

    /// What was wrong with the peer's certificates, from the CA's side to its own.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.shared(|s| s.findings.clone())
    }

    /// The error of the stream below that ended it all, if that is what did.
    pub(super) fn socket_error(&self) -> Option<StreamError> {
        self.shared(|s| s.error)
    }

    /// For the log: version and cipher suite.
    pub(super) fn summary(&self) -> String {
        // SAFETY: set up in `new`; both give literals, the second NULL before the handshake.
        unsafe {
            let suite = mbed::ssl_get_ciphersuite(self.ssl.at);
            let suite = if suite.is_null() { c"no cipher suite" } else { CStr::from_ptr(suite) };
            let version = CStr::from_ptr(mbed::ssl_get_version(self.ssl.at));
            format!("{}, {}", version.to_string_lossy(), suite.to_string_lossy())
        }
    }
}

/// What mbedTLS draws keys from. Under this name apps have it on a device as well, for signing.
///
/// # Safety
/// `to` points to `len` writable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn mg_ssl_if_mbed_random(_: *mut c_void, to: *mut c_uchar, len: usize) -> c_int {
    // SAFETY: mbedTLS gives a buffer of this length; it is initialised before it becomes a slice.
    let buf = unsafe {
        to.write_bytes(0, len);
        slice::from_raw_parts_mut(to, len)
    };
    match getrandom::fill(buf) {
        Ok(()) => 0,
        Err(_) => mbed::ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED,
    }
}

/// What a callback of the transport gives mbedTLS for what the stream gave.
fn moved(shared: &mut Shared, result: Option<Result<usize, StreamError>>, broken: c_int) -> c_int {
    match result {
        Some(Ok(n)) => c_int::try_from(n).unwrap_or(c_int::MAX),
        Some(Err(StreamError::WantRead)) => mbed::ERR_SSL_WANT_READ,
        Some(Err(StreamError::WantWrite)) => mbed::ERR_SSL_WANT_WRITE,
        Some(Err(e)) => {
            shared.error = Some(e);
            broken
        }
        None => broken,
    }
}

unsafe extern "C" fn send(shared: *mut c_void, data: *const c_uchar, len: usize) -> c_int {
    // SAFETY: the pointer that `new` gave, with nobody else using what it points to while a
    // function of mbedTLS runs; the data has this length.
    let (shared, data) = unsafe { (&mut *shared.cast::<Shared>(), slice::from_raw_parts(data, len)) };
    let result = shared.stream.as_mut().map(|s| s.write(data));
    moved(shared, result, mbed::ERR_NET_SEND_FAILED)
}

unsafe extern "C" fn receive(shared: *mut c_void, to: *mut c_uchar, len: usize) -> c_int {
    // SAFETY: as in `send`; the buffer is part of mbedTLS's own, which is zeroed when made.
    let (shared, buf) = unsafe { (&mut *shared.cast::<Shared>(), slice::from_raw_parts_mut(to, len)) };
    let result = shared.stream.as_mut().map(|s| s.read(buf));
    moved(shared, result, mbed::ERR_NET_RECV_FAILED)
}

/// Called for each certificate of the server's chain, its own last: checks what mbedTLS cannot
/// (addresses) or does by another clock than the app's (dates), and notes what is wrong.
unsafe extern "C" fn verified(shared: *mut c_void, crt: *mut mbed::x509_crt, depth: c_int, flags: *mut u32) -> c_int {
    // SAFETY: the pointer that `new` gave, as in `send`; a parsed certificate; valid flags.
    let (shared, crt, flags) = unsafe { (&mut *shared.cast::<Shared>(), &*crt, &mut *flags) };
    let mut finding = Finding {
        flags: 0,
        subject: distinguished_name(&crt.subject),
        issuer: distinguished_name(&crt.issuer),
        from: moment(&crt.valid_from),
        to: moment(&crt.valid_to),
        names: names(crt),
        about: String::new(),
    };
    *flags &= !(mbed::X509_BADCERT_EXPIRED | mbed::X509_BADCERT_FUTURE) as u32;
    let now = clock::wall_micros() / 1_000_000;
    if finding.to.seconds() < now {
        *flags |= mbed::X509_BADCERT_EXPIRED as u32;
    }
    if finding.from.seconds() > now {
        *flags |= mbed::X509_BADCERT_FUTURE as u32;
    }
    if depth == 0 && shared.address.is_some_and(|a| !finding.is_for(a)) {
        *flags |= mbed::X509_BADCERT_CN_MISMATCH as u32;
    }
    if *flags != 0 {
        finding.flags = *flags as c_int;
        finding.about = verify_info(*flags);
        shared.findings.push(finding);
    }
    0
}

/// A text that a function of mbedTLS writes into a buffer.
fn text(write: impl FnOnce(*mut c_char, usize)) -> String {
    let mut buf = [0 as c_char; 512];
    // The last byte stays 0 whatever the function does with its room.
    write(buf.as_mut_ptr(), buf.len() - 1);
    // SAFETY: NUL-terminated, as just said.
    unsafe { CStr::from_ptr(buf.as_ptr()) }.to_string_lossy().into_owned()
}

fn distinguished_name(name: &mbed::x509_name) -> String {
    // SAFETY: part of a parsed certificate; the buffer has this size.
    text(|buf, size| _ = unsafe { mbed::x509_dn_gets(buf, size, name) })
}

fn verify_info(flags: u32) -> String {
    // SAFETY: the buffer has this size, the prefix ends in NUL.
    let lines = text(|buf, size| _ = unsafe { mbed::x509_crt_verify_info(buf, size, c"".as_ptr(), flags) });
    lines.trim().replace('\n', "; ")
}

/// mbedTLS's own words for an error.
pub(super) fn describe(code: c_int) -> String {
    // SAFETY: the buffer has this size.
    text(|buf, size| unsafe { mbed::strerror(code, buf, size) })
}

fn moment(t: &mbed::x509_time) -> Moment {
    Moment { year: t.year, month: t.mon, day: t.day, hour: t.hour, minute: t.min, second: t.sec }
}

/// What a certificate is for: its alternative names, or without any its common name.
fn names(crt: &mbed::x509_crt) -> Vec<Name> {
    let bytes = |buf: &mbed::asn1_buf| match buf.p.is_null() {
        true => Vec::new(),
        // SAFETY: the buffers of a parsed certificate are parts of its own memory.
        false => unsafe { slice::from_raw_parts(buf.p, buf.len) }.to_vec(),
    };
    let mut found = Vec::new();
    let mut at: *const mbed::x509_sequence = &crt.subject_alt_names;
    // SAFETY: the list of a parsed certificate, ended by NULL.
    while let Some(entry) = unsafe { at.as_ref() } {
        found.extend(Name::of_certificate(entry.buf.tag, bytes(&entry.buf)));
        at = entry.next;
    }
    if crt.subject_alt_names.buf.p.is_null() {
        let mut at: *const mbed::x509_name = &crt.subject;
        // SAFETY: as above.
        while let Some(part) = unsafe { at.as_ref() } {
            const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
            if bytes(&part.oid) == COMMON_NAME {
                found.extend(Name::of_host(bytes(&part.val)));
            }
            at = part.next;
        }
    }
    found
}

/// The number of a cipher suite, if mbedTLS has it.
pub(super) fn suite(name: &str) -> Option<c_int> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends in NUL.
    match unsafe { mbed::ssl_get_ciphersuite_id(name.as_ptr()) } {
        0 => None,
        id => Some(id),
    }
}

/// The names of all cipher suites that mbedTLS has.
pub(super) fn suite_names() -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: a constant list of mbedTLS's, ended by 0, and names that are literals.
    unsafe {
        let mut at = mbed::ssl_list_ciphersuites();
        while *at != 0 {
            names.push(CStr::from_ptr(mbed::ssl_get_ciphersuite_name(*at)).to_string_lossy().into_owned());
            at = at.add(1);
        }
    }
    names
}
