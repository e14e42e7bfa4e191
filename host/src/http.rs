//! HTTP clients as in Mongoose: mg_connect_http(), and replies on any connection that speaks HTTP.
//! The protocol handler, which HTTP shares with WebSocket, is in websocket.rs.

mod body;
pub(crate) mod message;

use std::ffi::{CStr, CString, c_char, c_void};

use data_encoding::BASE64;

use crate::{
    abi::*,
    addr,
    conn::Conn,
    connect, io,
    log::log,
    uri,
    websocket::{mg_send_websocket_handshake3, mg_set_protocol_http_websocket, tell},
};
use body::{Body, body};
use message::string;

const INVALID_URL: &CStr = c"invalid URL, it must be [http[s]://]HOST[:PORT][/PATH], with special characters URL-encoded";

const INVALID_WS_URL: &CStr = c"invalid URL, it must be [ws[s]://]HOST[:PORT][/PATH], with special characters URL-encoded";

/// What a request needs of its URL.
struct Destination {
    tls: bool,
    /// For mg_connect().
    address: CString,
    host: String,
    path: String,
    login: Option<String>,
}

/// `schemes` are those without and with TLS.
fn destination(url: &str, schemes: [&str; 2]) -> Option<Destination> {
    let parts = uri::parse(url)?;
    let tls = parts.scheme == schemes[1];
    if !tls && !parts.scheme.is_empty() && parts.scheme != schemes[0] {
        return None;
    }
    if parts.host.is_empty() {
        return None;
    }
    let port = parts.port.unwrap_or(if tls { 443 } else { 80 });
    let path = if parts.path.is_empty() { "/" } else { parts.path };
    let query = if parts.query.is_empty() { String::new() } else { format!("?{}", parts.query) };
    Some(Destination {
        tls,
        address: CString::new(format!("tcp://{}:{port}", parts.host)).ok()?,
        host: parts.port.map_or(parts.host.to_owned(), |port| format!("{}:{port}", parts.host)),
        path: format!("{path}{query}"),
        login: (!parts.user_info.is_empty()).then(|| parts.user_info.to_owned()),
    })
}

/// The line of a basic authentication; `login` is USER:PASSWORD.
fn authorization(login: &[u8]) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(login))
}

/// A request. `headers` are whole lines.
fn request(to: &Destination, headers: &[u8], post_data: Option<&[u8]>) -> Vec<u8> {
    let method = if post_data.is_some() { "POST" } else { "GET" };
    let data = post_data.unwrap_or_default();
    let login = to.login.as_ref().map_or(String::new(), |login| authorization(login.as_bytes()));
    let line = format!("{method} {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n{login}", to.path, to.host, data.len());
    [line.as_bytes(), headers, b"\r\n", data].concat()
}

/// `mg_connect_http_opt()`
///
/// # Safety
/// As for [`connect::mg_connect_opt`]; the strings are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_connect_http_opt(
    mgr: *mut MgMgr,
    handler: Handler,
    user_data: *mut c_void,
    mut opts: MgConnectOpts,
    url: *const c_char,
    extra_headers: *const c_char,
    post_data: *const c_char,
) -> *mut MgConnection {
    // SAFETY: upheld by the caller, see `# Safety`.
    let text = |text: *const c_char| (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes());
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some(to) = (unsafe { addr::text(url) }).and_then(|url| destination(url, ["http", "https"])) else {
        // SAFETY: upheld by the caller, see `# Safety`.
        return unsafe { connect::fail(opts.error_string, INVALID_URL) };
    };
    if to.tls && opts.ssl_ca_cert.is_null() {
        opts.ssl_ca_cert = c"*".as_ptr();
    }
    // SAFETY: upheld by the caller; a new connection is live.
    unsafe {
        let nc = connect::mg_connect_opt(mgr, to.address.as_ptr(), handler, user_data, opts);
        if let Some(conn) = Conn::new(nc) {
            mg_set_protocol_http_websocket(nc);
            io::append(conn, &request(&to, text(extra_headers).unwrap_or_default(), text(post_data)));
        }
        nc
    }
}

/// `mg_connect_http()`
///
/// # Safety
/// As for [`mg_connect_http_opt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_connect_http(
    mgr: *mut MgMgr,
    handler: Handler,
    user_data: *mut c_void,
    url: *const c_char,
    extra_headers: *const c_char,
    post_data: *const c_char,
) -> *mut MgConnection {
    // SAFETY: all zero means no options; the rest is upheld by the caller.
    unsafe { mg_connect_http_opt(mgr, handler, user_data, std::mem::zeroed(), url, extra_headers, post_data) }
}

/// `mg_connect_ws_opt()`
///
/// # Safety
/// As for [`connect::mg_connect_opt`]; the strings are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_connect_ws_opt(
    mgr: *mut MgMgr,
    handler: Handler,
    user_data: *mut c_void,
    mut opts: MgConnectOpts,
    url: *const c_char,
    protocol: *const c_char,
    extra_headers: *const c_char,
) -> *mut MgConnection {
    // SAFETY: upheld by the caller, see `# Safety`.
    let to = (unsafe { addr::text(url) }).and_then(|url| destination(url, ["ws", "wss"]));
    let texts = to.and_then(|to| {
        let (user, pass) = to.login.as_deref().map(|login| login.split_once(':').unwrap_or((login, ""))).unzip();
        let optional = |text: Option<&str>| text.map(CString::new).transpose().ok();
        Some((
            to.tls,
            to.address.clone(),
            CString::new(to.path.as_str()).ok()?,
            CString::new(to.host.as_str()).ok()?,
            optional(user)?,
            optional(pass)?,
        ))
    });
    let Some((tls, address, path, host, user, pass)) = texts else {
        // SAFETY: upheld by the caller, see `# Safety`.
        return unsafe { connect::fail(opts.error_string, INVALID_WS_URL) };
    };
    if tls && opts.ssl_ca_cert.is_null() {
        opts.ssl_ca_cert = c"*".as_ptr();
    }
    let or_null = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
    // SAFETY: upheld by the caller; a new connection is live.
    unsafe {
        let nc = connect::mg_connect_opt(mgr, address.as_ptr(), handler, user_data, opts);
        if !nc.is_null() {
            mg_set_protocol_http_websocket(nc);
            let (user, pass) = (or_null(&user), or_null(&pass));
            mg_send_websocket_handshake3(nc, path.as_ptr(), host.as_ptr(), protocol, extra_headers, user, pass);
        }
        nc
    }
}

/// `mg_connect_ws()`
///
/// # Safety
/// As for [`mg_connect_ws_opt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_connect_ws(
    mgr: *mut MgMgr,
    handler: Handler,
    user_data: *mut c_void,
    url: *const c_char,
    protocol: *const c_char,
    extra_headers: *const c_char,
) -> *mut MgConnection {
    // SAFETY: all zero means no options; the rest is upheld by the caller.
    unsafe { mg_connect_ws_opt(mgr, handler, user_data, std::mem::zeroed(), url, protocol, extra_headers) }
}

/// `mg_basic_auth_header()`
///
/// # Safety
/// The strings point to their length in bytes, `buf` is an initialised mbuf.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_basic_auth_header(user: MgStr, pass: MgStr, buf: *mut Mbuf) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        let login = match pass.bytes() {
            [] => user.bytes().to_vec(),
            pass => [user.bytes(), b":", pass].concat(),
        };
        let line = authorization(&login);
        mbuf_append(buf, line.as_ptr().cast(), line.len());
    }
}

/// What was received so far.
fn received<'a>(conn: Conn) -> &'a [u8] {
    let mbuf = conn.recv_mbuf();
    // SAFETY: an mbuf holds `len` bytes, which do not move before the next call into C.
    unsafe { MgStr { p: (*mbuf).buf, len: (*mbuf).len }.bytes() }
}

/// Delivers a reply. `len` is that of head and body as received. The body may lie in recv_mbuf, so
/// it is no reference: the handler may change that.
fn deliver(conn: Conn, mut message: HttpMessage, body: MgStr, len: usize) {
    message.body = body;
    message.message.len = len;
    tell(conn, EV_HTTP_REPLY, &raw mut message);
    // SAFETY: the connection is not freed; the handler may have removed bytes itself.
    unsafe {
        let mbuf = conn.recv_mbuf();
        if !conn.closed() && (*mbuf).len >= len {
            mbuf_remove(mbuf, len);
        }
    }
}

/// Delivers replies that are complete.
pub(crate) fn receive(conn: Conn) {
    // SAFETY: a Conn points to a connection that is not freed.
    if unsafe { !(*conn.ptr()).listener.is_null() } {
        log!(Error, "{:?} {}: HTTP servers are not supported on the host, closing", conn.ptr(), conn.peer_text());
        return conn.set(F_CLOSE_IMMEDIATELY);
    }
    while !conn.closed() && !conn.has(F_CLOSE_IMMEDIATELY) && conn.recv_len() > 0 {
        let bytes = received(conn);
        let reply = message::response(bytes).and_then(|head| match head {
            Some((message, len)) => body(&message, &bytes[len..]).map(|body| Some((message, len, body))),
            None => Ok(None),
        });
        match reply {
            Ok(Some((message, head, Body::Whole(body, len)))) => deliver(conn, message, string(&body), head + len),
            Ok(_) if conn.recv_len() < conn.limit() => return,
            Ok(_) => return fail(conn, "it exceeds recv_mbuf_limit"),
            Err(why) => return fail(conn, &why),
        }
    }
}

fn fail(conn: Conn, why: &str) {
    log!(Error, "{:?} {}: invalid HTTP reply: {why}", conn.ptr(), conn.peer_text());
    conn.set(F_CLOSE_IMMEDIATELY);
}

/// Delivers a reply that ends with the connection, which is closing.
pub(crate) fn ended(conn: Conn) {
    let bytes = received(conn);
    let Ok(Some((message, len))) = message::response(bytes) else { return };
    match body(&message, &bytes[len..]) {
        Ok(Body::Open(body)) => deliver(conn, message, string(body), bytes.len()),
        Ok(Body::Incomplete) => log!(Error, "{:?} {}: the HTTP reply is cut off", conn.ptr(), conn.peer_text()),
        _ => {}
    }
}
