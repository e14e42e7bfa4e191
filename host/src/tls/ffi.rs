//! The only code that calls mbedTLS: certificates, keys and sessions as safe types that free what
//! they own. Sizes and fields of its structures come from ../tls.c. Settings are interpreted in
//! ../tls.rs, failures in explain.rs.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uchar, c_void},
    net::IpAddr,
    ptr, slice,
};

use mbedtls_sys as mbed;

use super::verify::{Finding, Moment, Name};
use crate::{
    clock,
    stream::{Stream, StreamError},
};

unsafe extern "C" {
    safe static mgos_host_sizeof_ssl_context: usize;
    safe static mgos_host_sizeof_ssl_config: usize;
    safe static mgos_host_sizeof_x509_crt: usize;
    safe static mgos_host_sizeof_pk_context: usize;

    fn mgos_host_ssl_step(ssl: *const mbed::ssl_context) -> c_int;
    fn mgos_host_ssl_alert(ssl: *const mbed::ssl_context) -> c_uchar;
    fn mgos_host_crt_key(crt: *mut mbed::x509_crt) -> *mut mbed::pk_context;
    fn mgos_host_crt_subject(crt: *const mbed::x509_crt) -> *const mbed::x509_name;
    fn mgos_host_crt_issuer(crt: *const mbed::x509_crt) -> *const mbed::x509_name;
    fn mgos_host_crt_dates(crt: *const mbed::x509_crt, first: *mut Date, last: *mut Date);
    fn mgos_host_crt_name(crt: *const mbed::x509_crt, index: usize, tag: *mut c_int, bytes: *mut *const c_uchar, len: *mut usize) -> bool;
}

/// Year, month, day, hour, minute, second.
type Date = [c_int; 6];

/// An mbedTLS object, pinned from its init function to its free function.
struct Owned<T> {
    at: *mut T,
    free: unsafe extern "C" fn(*mut T),
    /// Memory of the object, aligned for any C type. Not a `T`, whose size in Rust may be wrong.
    memory: *mut [u128],
}

impl<T> Owned<T> {
    /// `init` and `free` are mbedTLS's functions for a `T`, `size` is its size in C.
    fn new(size: usize, init: unsafe extern "C" fn(*mut T), free: unsafe extern "C" fn(*mut T)) -> Owned<T> {
        let memory = Box::into_raw(vec![0u128; size.div_ceil(size_of::<u128>())].into_boxed_slice());
        let at = memory.cast::<T>();
        // SAFETY: init functions only need valid memory of this size.
        unsafe { init(at) };
        Owned { at, free, memory }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: created and initialised in `new`, and freed only here.
        unsafe {
            (self.free)(self.at);
            drop(Box::from_raw(self.memory));
        }
    }
}

/// mbedTLS recognises PEM by its trailing NUL, which must be counted.
fn for_parser(mut data: Vec<u8>) -> (Vec<u8>, usize) {
    let is_pem = data.windows(11).any(|w| w == b"-----BEGIN ");
    data.push(0);
    let len = if is_pem { data.len() } else { data.len() - 1 };
    (data, len)
}

/// One or more certificates.
pub(super) struct Chain(Owned<mbed::x509_crt>);

impl Chain {
    /// The certificates in a file's content, and the number of unreadable ones.
    pub(super) fn parse(data: Vec<u8>) -> Result<(Chain, c_int), c_int> {
        let chain = Chain(Owned::new(mgos_host_sizeof_x509_crt, mbed::x509_crt_init, mbed::x509_crt_free));
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
        let key = Key(Owned::new(mgos_host_sizeof_pk_context, mbed::pk_init, mbed::pk_free));
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
        unsafe { mbed::pk_check_pair(mgos_host_crt_key(chain.0.at), self.0.at) == 0 }
    }
}

/// How the server is authenticated.
pub(super) enum Authority {
    /// No CA given: only a pre-shared key is accepted.
    Unset,
    /// The certificate is not checked.
    Anybody,
    These(Chain),
}

/// Parameters of a session.
pub(super) struct Parameters {
    pub(super) authority: Authority,
    pub(super) own: Option<(Chain, Key)>,
    /// By number, in order of preference.
    pub(super) suites: Vec<c_int>,
    /// Identity and key.
    pub(super) psk: Option<(CString, Vec<u8>)>,
    /// The name that the server's certificate must match; `None` to accept any.
    pub(super) name: Option<Name>,
    /// Whether the dates of certificates are checked.
    pub(super) dates: bool,
}

/// Data of a session's callbacks.
struct Shared {
    stream: Option<Box<dyn Stream>>,
    /// The stream's error, if it failed.
    error: Option<StreamError>,
    /// The address that the certificate must match. mbedTLS checks names itself.
    address: Option<IpAddr>,
    dates: bool,
    findings: Vec<Finding>,
}

/// A TLS client connection. Fields are dropped in this order: users first.
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
        // SAFETY: created in `new`; no function of mbedTLS is running, and freeing a session calls
        // no callback.
        drop(unsafe { Box::from_raw(self.shared) });
    }
}

fn check(code: c_int) -> Result<(), c_int> {
    if code == 0 { Ok(()) } else { Err(code) }
}

impl Session {
    /// A session without a socket.
    pub(super) fn new(mut with: Parameters) -> Result<Session, c_int> {
        let address = with.name.as_ref().and_then(Name::address);
        let shared = Box::new(Shared { stream: None, error: None, address, dates: with.dates, findings: Vec::new() });
        with.suites.push(0);
        let session = Session {
            ssl: Owned::new(mgos_host_sizeof_ssl_context, mbed::ssl_init, mbed::ssl_free),
            conf: Owned::new(mgos_host_sizeof_ssl_config, mbed::ssl_config_init, mbed::ssl_config_free),
            shared: Box::into_raw(shared),
            _authority: with.authority,
            _own: with.own,
            _suites: with.suites,
        };
        let (ssl, conf, shared) = (session.ssl.at, session.conf.at, session.shared.cast::<c_void>());
        let host = match &with.name {
            Some(Name::Host(host)) => host.as_ptr(),
            // Addresses cannot be sent as server name; `verified` checks them.
            _ => ptr::null(),
        };
        // SAFETY: all objects are initialised and pinned for the life of the session; the callbacks
        // have the required types and get the pointer that they cast back. Name and pre-shared key
        // are copied. The list of suites ends in 0.
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

    /// Accesses the callbacks' data. `f` must not call mbedTLS.
    fn shared<R>(&self, f: impl FnOnce(&mut Shared) -> R) -> R {
        // SAFETY: lives as long as the session; otherwise only callbacks use it, which run inside
        // the functions below and not while `f` does.
        f(unsafe { &mut *self.shared })
    }

    pub(super) fn set_stream(&mut self, stream: Box<dyn Stream>) {
        self.shared(|s| s.stream = Some(stream));
    }

    /// Accesses the underlying stream; `None` if there is none yet.
    pub(super) fn stream<R>(&self, f: impl FnOnce(&mut dyn Stream) -> R) -> Option<R> {
        self.shared(|s| s.stream.as_mut().map(|stream| f(stream.as_mut())))
    }

    pub(super) fn handshake(&mut self) -> Result<(), c_int> {
        // SAFETY: set up in `new`.
        check(unsafe { mbed::ssl_handshake(self.ssl.at) })
    }

    /// Reads at most `buf.len()` bytes; 0 at the end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<usize, c_int> {
        // SAFETY: set up in `new`; the buffer has this length.
        let n = unsafe { mbed::ssl_read(self.ssl.at, buf.as_mut_ptr(), buf.len()) };
        usize::try_from(n).map_err(|_| n)
    }

    /// Number of bytes written. After a would-block error, the next call must pass the same bytes.
    pub(super) fn write(&mut self, buf: &[u8]) -> Result<usize, c_int> {
        // SAFETY: set up in `new`; the buffer has this length.
        let n = unsafe { mbed::ssl_write(self.ssl.at, buf.as_ptr(), buf.len()) };
        usize::try_from(n).map_err(|_| n)
    }

    pub(super) fn close_notify(&mut self) {
        // SAFETY: set up in `new`. If close_notify cannot be sent now, closing the socket has to
        // do.
        let _ = unsafe { mbed::ssl_close_notify(self.ssl.at) };
    }

    /// The number of the alert that the peer sent, after the corresponding error.
    pub(super) fn alert(&self) -> u8 {
        // SAFETY: set up in `new`, so the buffer of the current message exists.
        unsafe { mgos_host_ssl_alert(self.ssl.at) }
    }

    /// The current step of the handshake, by mbedTLS's number.
    pub(super) fn step(&self) -> c_int {
        // SAFETY: set up in `new`.
        unsafe { mgos_host_ssl_step(self.ssl.at) }
    }

    /// What was wrong with the peer's certificates, starting from the CA.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.shared(|s| s.findings.clone())
    }

    /// The underlying stream's error, if that ended the session.
    pub(super) fn socket_error(&self) -> Option<StreamError> {
        self.shared(|s| s.error)
    }

    /// For the log: version and cipher suite.
    pub(super) fn summary(&self) -> String {
        // SAFETY: set up in `new`; both return literals, the second NULL before the handshake.
        unsafe {
            let suite = mbed::ssl_get_ciphersuite(self.ssl.at);
            let suite = if suite.is_null() { c"no cipher suite" } else { CStr::from_ptr(suite) };
            let version = CStr::from_ptr(mbed::ssl_get_version(self.ssl.at));
            format!("{}, {}", version.to_string_lossy(), suite.to_string_lossy())
        }
    }
}

/// mbedTLS's source of random numbers. Apps use it for signing under this name, as on a device.
///
/// # Safety
/// `to` points to `len` writable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn mg_ssl_if_mbed_random(_: *mut c_void, to: *mut c_uchar, len: usize) -> c_int {
    // SAFETY: mbedTLS passes a buffer of this length; it is initialised before it becomes a slice.
    let buf = unsafe {
        to.write_bytes(0, len);
        slice::from_raw_parts_mut(to, len)
    };
    match getrandom::fill(buf) {
        Ok(()) => 0,
        Err(_) => mbed::ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED,
    }
}

/// Converts a stream's result to that of a transport callback.
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
    // SAFETY: the pointer from `new`; nothing else uses its target while a function of mbedTLS
    // runs; the data has this length.
    let (shared, data) = unsafe { (&mut *shared.cast::<Shared>(), slice::from_raw_parts(data, len)) };
    let result = shared.stream.as_mut().map(|s| s.write(data));
    moved(shared, result, mbed::ERR_NET_SEND_FAILED)
}

unsafe extern "C" fn receive(shared: *mut c_void, to: *mut c_uchar, len: usize) -> c_int {
    // SAFETY: as in `send`; the buffer belongs to mbedTLS, which zeroes it on creation.
    let (shared, buf) = unsafe { (&mut *shared.cast::<Shared>(), slice::from_raw_parts_mut(to, len)) };
    let result = shared.stream.as_mut().map(|s| s.read(buf));
    moved(shared, result, mbed::ERR_NET_RECV_FAILED)
}

/// Called for each certificate of the server's chain, its own last: checks what mbedTLS cannot
/// (addresses) or checks by a clock other than the app's (dates), and records errors.
unsafe extern "C" fn verified(shared: *mut c_void, crt: *mut mbed::x509_crt, depth: c_int, flags: *mut u32) -> c_int {
    // SAFETY: the pointer from `new`, as in `send`; valid flags.
    let (shared, flags) = unsafe { (&mut *shared.cast::<Shared>(), &mut *flags) };
    // SAFETY: mbedTLS passes a parsed certificate.
    let mut finding = unsafe { describe_certificate(crt) };
    *flags &= !(mbed::X509_BADCERT_EXPIRED | mbed::X509_BADCERT_FUTURE) as u32;
    let now = clock::wall_micros() / 1_000_000;
    if shared.dates && finding.to.seconds() < now {
        *flags |= mbed::X509_BADCERT_EXPIRED as u32;
    }
    if shared.dates && finding.from.seconds() > now {
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

/// Text that a function of mbedTLS writes into a buffer.
fn text(write: impl FnOnce(*mut c_char, usize)) -> String {
    let mut buf = [0 as c_char; 512];
    // The last byte stays 0 whatever the function writes.
    write(buf.as_mut_ptr(), buf.len() - 1);
    // SAFETY: NUL-terminated, see above.
    unsafe { CStr::from_ptr(buf.as_ptr()) }.to_string_lossy().into_owned()
}

/// What a failure's description needs of a certificate; without flags.
///
/// # Safety
/// `crt` is a parsed certificate.
unsafe fn describe_certificate(crt: *const mbed::x509_crt) -> Finding {
    // SAFETY: a parsed certificate; each buffer has this size.
    let distinguished_name = |name| text(|buf, size| _ = unsafe { mbed::x509_dn_gets(buf, size, name) });
    let (mut first, mut last) = (Date::default(), Date::default());
    // SAFETY: a parsed certificate; both have six elements.
    let (subject, issuer) = unsafe {
        mgos_host_crt_dates(crt, &raw mut first, &raw mut last);
        (mgos_host_crt_subject(crt), mgos_host_crt_issuer(crt))
    };
    let moment = |[year, month, day, hour, minute, second]: Date| Moment { year, month, day, hour, minute, second };
    Finding {
        flags: 0,
        subject: distinguished_name(subject),
        issuer: distinguished_name(issuer),
        from: moment(first),
        to: moment(last),
        // SAFETY: a parsed certificate.
        names: unsafe { names(crt) },
        about: String::new(),
    }
}

fn verify_info(flags: u32) -> String {
    // SAFETY: the buffer has this size, the prefix ends in NUL.
    let lines = text(|buf, size| _ = unsafe { mbed::x509_crt_verify_info(buf, size, c"".as_ptr(), flags) });
    lines.trim().replace('\n', "; ")
}

/// mbedTLS's description of an error.
pub(super) fn describe(code: c_int) -> String {
    // SAFETY: the buffer has this size.
    text(|buf, size| unsafe { mbed::strerror(code, buf, size) })
}

/// The subject of a certificate: its alternative names, or its common name without any.
///
/// # Safety
/// `crt` is a parsed certificate.
unsafe fn names(crt: *const mbed::x509_crt) -> Vec<Name> {
    let nth = |index| {
        let (mut tag, mut bytes, mut len) = (0, ptr::null(), 0);
        // SAFETY: a parsed certificate; the bytes are memory of the certificate, and this many.
        let bytes = unsafe {
            if !mgos_host_crt_name(crt, index, &raw mut tag, &raw mut bytes, &raw mut len) {
                return None;
            }
            slice::from_raw_parts(bytes, len)
        };
        Some(Name::of_certificate(tag, bytes.to_vec()))
    };
    (0..).map_while(nth).flatten().collect()
}

/// The number of a cipher suite, if mbedTLS supports it.
pub(super) fn suite(name: &str) -> Option<c_int> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends in NUL.
    match unsafe { mbed::ssl_get_ciphersuite_id(name.as_ptr()) } {
        0 => None,
        id => Some(id),
    }
}

/// The names of all cipher suites that mbedTLS supports.
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
