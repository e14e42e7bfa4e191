//! Opening connections: mg_connect*, mg_bind*, mg_add_sock*, accepting, and trying a host's
//! addresses in turn. Name lookups are in resolve.rs.

use std::{
    ffi::{CStr, CString},
    io as std_io,
    net::SocketAddr,
    ptr,
    sync::Mutex,
};

use libc::{c_char, c_int, c_void};

use crate::{
    abi::*,
    addr::{self, Host, Target},
    clock,
    conn::{self, Conn},
    io,
    log::log,
    mgr::Mgr,
    resolve,
    stream::{Stream, StreamError, Tcp, Udp},
    sync::lock,
    tls::{Settings, Tls},
    trace,
};

/// Time limit for each address while a host has more.
const ATTEMPT_MICROS: i64 = 5_000_000;

/// Status of MG_EV_CONNECT if the name was not found.
const NO_SUCH_NAME: c_int = -1;

const NOT_INITIALISED: &CStr = c"event manager is not initialised, or closing";
const CANNOT_PARSE: &CStr = c"cannot parse address";
const NO_UDP_SERVER: &CStr = c"UDP servers are not supported on the host, use tcp";
const NO_DTLS: &CStr = c"TLS over UDP is not supported on the host, clear the ssl_* settings";
const NO_TLS_SERVER: &CStr = c"TLS servers are not supported on the host, clear the ssl_* settings";
const NO_CONNECTION: &CStr = c"failed to create connection";
const NO_LOOK_UP: &CStr = c"cannot schedule DNS lookup";
const NO_LISTENER: &CStr = c"failed to open listener";
const NOT_A_SOCKET: &CStr = c"not a socket";

/// Default handler.
unsafe extern "C" fn ignore(_: *mut MgConnection, _: c_int, _: *mut c_void, _: *mut c_void) {}

/// Reports the reason in the caller's `error_string`, or in the log if that is NULL; returns NULL.
///
/// # Safety
/// `error_string` is NULL or valid.
pub(crate) unsafe fn fail(error_string: *mut *const c_char, reason: &'static CStr) -> *mut MgConnection {
    if error_string.is_null() {
        log!(Error, "cannot connect or listen: {}", reason.to_string_lossy());
    } else {
        // SAFETY: upheld by the caller, see `# Safety`.
        unsafe { *error_string = reason.as_ptr() };
    }
    ptr::null_mut()
}

/// Keeps an error's text for `error_string` until the next error.
fn keep(text: String) -> &'static CStr {
    static LAST: Mutex<Option<&'static CStr>> = Mutex::new(None);
    let text = CString::new(text.replace('\0', "?")).unwrap_or_default();
    let kept: &'static CStr = Box::leak(text.into_boxed_c_str());
    if let Some(old) = lock(&LAST).replace(kept) {
        // SAFETY: leaked above, and freed once, when it is no longer the latest. Such error strings
        // are documented to live until the next one.
        drop(unsafe { Box::from_raw(ptr::from_ref(old).cast_mut()) });
    }
    kept
}

/// The `ssl_*` options.
///
/// # Safety
/// The strings are NULL or NUL-terminated, and outlive the result.
unsafe fn tls_settings<'a>(opts: &MgConnectOpts) -> Settings<'a> {
    // SAFETY: upheld by the caller, see `# Safety`.
    let text = |p: *const c_char| (!p.is_null()).then(|| unsafe { CStr::from_ptr(p) });
    Settings {
        cert: text(opts.ssl_cert),
        key: text(opts.ssl_key),
        ca_cert: text(opts.ssl_ca_cert),
        cipher_suites: text(opts.ssl_cipher_suites),
        server_name: text(opts.ssl_server_name),
        psk_identity: text(opts.ssl_psk_identity),
        psk_key: text(opts.ssl_psk_key),
    }
}

/// The manager, if it can have new connections.
///
/// # Safety
/// `mgr` is NULL, or valid and initialised or all zero.
unsafe fn open(mgr: *mut MgMgr) -> Result<Mgr, &'static CStr> {
    // SAFETY: upheld by the caller, see `# Safety`.
    match unsafe { Mgr::new(mgr) } {
        Some(mgr) if !mgr.state(|m| m.closing) => Ok(mgr),
        _ => Err(NOT_INITIALISED),
    }
}

/// # Safety
/// `address` is NULL or NUL-terminated.
unsafe fn parse(address: *const c_char) -> Result<Target, &'static CStr> {
    // SAFETY: upheld by the caller, see `# Safety`.
    let text = unsafe { addr::text(address) };
    text.and_then(addr::parse).ok_or(CANNOT_PARSE)
}

/// `mg_connect()`
///
/// # Safety
/// As for [`mg_connect_opt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_connect(
    mgr: *mut MgMgr,
    address: *const c_char,
    handler: Handler,
    user_data: *mut c_void,
) -> *mut MgConnection {
    // SAFETY: all zero means no options; the rest is upheld by the caller.
    unsafe { mg_connect_opt(mgr, address, handler, user_data, std::mem::zeroed()) }
}

/// `mg_connect_opt()`
///
/// # Safety
/// `mgr` was initialised, the strings are NULL or NUL-terminated, `error_string` is
/// NULL or valid, and `handler` may be called with `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_connect_opt(
    mgr: *mut MgMgr,
    address: *const c_char,
    handler: Handler,
    user_data: *mut c_void,
    opts: MgConnectOpts,
) -> *mut MgConnection {
    // SAFETY: upheld by the caller, see `# Safety`.
    let settings = unsafe { tls_settings(&opts) };
    let attempt = || {
        // SAFETY: upheld by the caller, see `# Safety`.
        let (mgr, target) = unsafe { (open(mgr)?, parse(address)?) };
        if target.udp && settings.wanted() {
            return Err(NO_DTLS);
        }
        let tls = settings.wanted().then(|| Tls::client(&settings, &target.host.to_string())).transpose().map_err(keep)?;
        let handler = handler.or(Some(ignore));
        let conn = conn::create(mgr, handler, user_data, opts.flags.into()).ok_or(NO_CONNECTION)?;
        if target.udp {
            conn.set(F_UDP);
        }
        if let Some(mut tls) = tls {
            std::mem::take(&mut tls.warnings).iter().for_each(|warning| log!(Warn, "{warning}"));
            conn.state(|s| s.tls = Some(tls));
            conn.set(F_SSL);
        }
        match target.host {
            Host::Ip(ip) => begin(conn, vec![SocketAddr::new(ip, target.port)]),
            Host::Name(name) => {
                let (key, (answers, poller)) = (conn.state(|s| s.key), mgr.state(|m| (m.answers.clone(), m.poller.clone())));
                if let Err(e) = resolve::begin(name, target.port, key, answers, poller) {
                    log!(Error, "cannot start a thread for a name lookup: {e}");
                    conn::destroy(conn);
                    return Err(NO_LOOK_UP);
                }
                conn.set(F_RESOLVING);
                mgr.state(|m| m.resolving.push(conn));
            }
        }
        Ok(conn.ptr())
    };
    // SAFETY: upheld by the caller, see `# Safety`.
    attempt().unwrap_or_else(|reason| unsafe { fail(opts.error_string, reason) })
}

/// Starts to connect to the first address that permits it; later rounds report the result.
pub(crate) fn begin(conn: Conn, addrs: Vec<SocketAddr>) {
    conn.clear(F_RESOLVING);
    conn.set(F_CONNECTING);
    conn.state(|s| s.addrs = addrs.into());
    if let Err(errno) = next_address(conn) {
        conn.set_err(errno);
    }
    conn.mgr().link(conn);
}

fn scheme(conn: Conn) -> &'static str {
    if conn.has(F_UDP) { "udp" } else { "tcp" }
}

fn connect_to(to: SocketAddr, udp: bool) -> std_io::Result<Box<dyn Stream>> {
    Ok(if udp { Box::new(Udp::connect(to)?) } else { Box::new(Tcp::connect(to)?) })
}

/// Switches to the next address that can be tried; the last one's errno if there is none.
fn next_address(conn: Conn) -> Result<(), c_int> {
    conn.drop_stream();
    let mut errno = libc::ECONNREFUSED;
    while let Some(to) = conn.state(|s| s.addrs.pop_front()) {
        conn.set_peer(addr::to_c(to));
        log!(Debug, "{:?} {}://{to}", conn.ptr(), scheme(conn));
        match connect_to(to, conn.has(F_UDP)) {
            Ok(stream) => {
                conn.adopt(stream);
                let more = conn.state(|s| !s.addrs.is_empty());
                let limit = clock::uptime_micros() + ATTEMPT_MICROS;
                conn.state(|s| s.give_up_at = if more { limit } else { i64::MAX });
                return Ok(());
            }
            Err(e) => errno = e.raw_os_error().unwrap_or(libc::EIO),
        }
    }
    Err(errno)
}

/// One round of a connecting connection; `ready` if its socket is.
pub(crate) fn progress(conn: Conn, ready: bool) {
    let mut status = if ready {
        conn.state(|s| s.stream.as_mut().map_or(libc::ENOTCONN, |t| t.connect_result()))
    } else if conn.err() != 0 {
        conn.err()
    } else if clock::uptime_micros() >= conn.state(|s| s.give_up_at) {
        libc::ETIMEDOUT
    } else {
        return;
    };
    log!(Debug, "{:?} {}://{} -> {status}", conn.ptr(), scheme(conn), conn.peer_text());
    if status != 0 && conn.state(|s| !s.addrs.is_empty()) {
        match next_address(conn) {
            Ok(()) => return,
            Err(errno) => status = errno,
        }
    }
    conn.clear(F_CONNECTING);
    if status != 0 {
        conn.set(F_CLOSE_IMMEDIATELY);
    }
    if status == 0 && conn.has(F_SSL) {
        conn.state(|s| {
            if let Some((tls, tcp)) = s.tls.take().zip(s.stream.take()) {
                s.stream = Some(tls.over(tcp));
            }
        });
        io::handshake(conn);
    } else {
        if status == 0 {
            trace::opened(conn);
        }
        conn.event(EV_CONNECT, &mut status);
    }
}

/// Closes a connection whose host was not found.
pub(crate) fn look_up_failed(conn: Conn) {
    conn.clear(F_RESOLVING);
    let mut status = NO_SUCH_NAME;
    conn.event(EV_CONNECT, &mut status);
    conn::finish(conn);
}

/// `mg_bind()`
///
/// # Safety
/// As for [`mg_bind_opt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_bind(mgr: *mut MgMgr, address: *const c_char, handler: Handler, user_data: *mut c_void) -> *mut MgConnection {
    // SAFETY: all zero means no options; the rest is upheld by the caller.
    unsafe { mg_bind_opt(mgr, address, handler, user_data, std::mem::zeroed()) }
}

/// `mg_bind_opt()`
///
/// # Safety
/// `mgr` was initialised, the strings are NULL or NUL-terminated, `error_string` is
/// NULL or valid, and `handler` may be called with `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_bind_opt(
    mgr: *mut MgMgr,
    address: *const c_char,
    handler: Handler,
    user_data: *mut c_void,
    opts: MgBindOpts,
) -> *mut MgConnection {
    let wants_tls = !opts.ssl_cert.is_null() || !opts.ssl_ca_cert.is_null();
    let attempt = || {
        // SAFETY: upheld by the caller, see `# Safety`.
        let (mgr, target) = unsafe { (open(mgr)?, parse(address)?) };
        if wants_tls {
            return Err(NO_TLS_SERVER);
        }
        if target.udp {
            return Err(NO_UDP_SERVER);
        }
        let Host::Ip(ip) = target.host else { return Err(CANNOT_PARSE) };
        let tcp = Tcp::listen(SocketAddr::new(ip, target.port)).map_err(|e| {
            log!(Error, "cannot listen on {ip}, port {}: {e}", target.port);
            NO_LISTENER
        })?;
        let handler = handler.or(Some(ignore));
        let conn = conn::create(mgr, handler, user_data, opts.flags.into()).ok_or(NO_CONNECTION)?;
        conn.adopt(Box::new(tcp));
        if let Some(at) = conn.local_addr() {
            conn.set_peer(addr::to_c(at));
        }
        conn.set(F_LISTENING);
        mgr.link(conn);
        Ok(conn.ptr())
    };
    // SAFETY: upheld by the caller, see `# Safety`.
    attempt().unwrap_or_else(|reason| unsafe { fail(opts.error_string, reason) })
}

/// Accepts a client of a listening connection.
pub(crate) fn accept(listener: Conn) {
    let Some(result) = listener.state(|s| s.stream.as_mut().map(|t| t.accept())) else { return };
    let (stream, from) = match result {
        Ok(client) => client,
        Err(StreamError::WantRead | StreamError::WantWrite) => return,
        Err(e) => return log!(Error, "accepting a connection failed: {e}"),
    };
    let lc = listener.ptr();
    // SAFETY: a Conn points to a connection that is not freed.
    let (handler, proto_handler) = unsafe { ((*lc).handler, (*lc).proto_handler) };
    let Some(conn) = conn::create(listener.mgr(), handler, listener.user_data(), 0) else {
        return log!(Error, "no memory for a connection from {from}");
    };
    // SAFETY: as above, just created.
    unsafe {
        (*conn.ptr()).listener = lc;
        (*conn.ptr()).proto_handler = proto_handler;
    }
    conn.set_limit(listener.limit());
    let mut peer = addr::to_c(from);
    conn.set_peer(peer);
    conn.adopt(stream);
    conn.mgr().link(conn);
    log!(Debug, "{:?} accepted from {from}", conn.ptr());
    trace::opened(conn);
    conn.event(EV_ACCEPT, &mut peer);
}

/// `mg_add_sock()`
///
/// # Safety
/// As for [`mg_add_sock_opt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_add_sock(mgr: *mut MgMgr, sock: c_int, handler: Handler, user_data: *mut c_void) -> *mut MgConnection {
    // SAFETY: all zero means no options; the rest is upheld by the caller.
    unsafe { mg_add_sock_opt(mgr, sock, handler, user_data, std::mem::zeroed()) }
}

/// `mg_add_sock_opt()`
///
/// # Safety
/// `mgr` was initialised, `sock` is INVALID_SOCKET or an open socket used only by the
/// connection, `error_string` is NULL or valid, and `handler` may be called with `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_add_sock_opt(
    mgr: *mut MgMgr,
    sock: c_int,
    handler: Handler,
    user_data: *mut c_void,
    opts: MgAddSockOpts,
) -> *mut MgConnection {
    let attempt = || {
        // SAFETY: upheld by the caller, see `# Safety`.
        let mgr = unsafe { open(mgr)? };
        let tcp = match sock {
            INVALID_SOCKET => None,
            // SAFETY: upheld by the caller, see `# Safety`.
            fd => Some(unsafe { Tcp::from_fd(fd) }.map_err(|_| NOT_A_SOCKET)?),
        };
        let conn = conn::create(mgr, handler, user_data, opts.flags.into()).ok_or(NO_CONNECTION)?;
        if let Some(tcp) = tcp {
            conn.adopt(Box::new(tcp));
        }
        mgr.link(conn);
        Ok(conn.ptr())
    };
    // SAFETY: upheld by the caller, see `# Safety`.
    attempt().unwrap_or_else(|reason| unsafe { fail(opts.error_string, reason) })
}
