//! WebSocket clients as in Mongoose: mg_set_protocol_http_websocket(), the handshake functions,
//! frames in and out, and their events. HTTP without WebSocket is in http.rs.
//! mg_printf_websocket_frame() is C.

mod frames;
mod handshake;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    slice,
};

use libc::{size_t, time_t};
use tungstenite::{handshake::client::generate_key, protocol::frame::coding::Control};

use crate::{
    abi::*,
    conn::{self, Conn},
    http, io,
    log::log,
};
use frames::Step;
use handshake::{Request, Verdict};

/// Seconds of silence after which a ping is sent.
const PING_AFTER: time_t = 5;
/// Close code of a protocol error.
const PROTOCOL_ERROR: [u8; 2] = 1002_u16.to_be_bytes();

/// In proto_data, from the handshake response on.
struct ProtoData {
    /// Bytes of a fragmented message reassembled in recv_mbuf so far.
    joined: usize,
}

unsafe extern "C" fn free_proto_data(data: *mut c_void) {
    // SAFETY: the destructor of what `new_proto_data` made, called once.
    drop(unsafe { Box::from_raw(data.cast::<ProtoData>()) });
}

/// Replaces proto_data by ours.
fn new_proto_data(conn: Conn) {
    let nc = conn.ptr();
    // SAFETY: a Conn points to a connection that is not freed; a destructor is called once, with
    // what it was set for.
    unsafe {
        let old = std::mem::replace(&mut (*nc).proto_data, std::ptr::null_mut());
        if let (false, Some(free)) = (old.is_null(), (*nc).proto_data_destructor) {
            free(old);
        }
        (*nc).proto_data = Box::into_raw(Box::new(ProtoData { joined: 0 })).cast();
        (*nc).proto_data_destructor = Some(free_proto_data);
    }
}

/// Accesses proto_data. `None` if something else has replaced it. `f` must not call into C.
fn proto_data<R>(conn: Conn, f: impl FnOnce(&mut ProtoData) -> R) -> Option<R> {
    let nc = conn.ptr();
    // SAFETY: as above; the destructor identifies the owner, and `f` has the only reference.
    unsafe {
        let is_ours = (*nc).proto_data_destructor.is_some_and(|d| std::ptr::fn_addr_eq(d, free_proto_data as unsafe extern "C" fn(_)));
        if is_ours { (*nc).proto_data.cast::<ProtoData>().as_mut().map(f) } else { None }
    }
}

/// Delivers an event to the app's handler.
pub(crate) fn tell<T>(conn: Conn, ev: c_int, data: *mut T) {
    // SAFETY: a Conn points to a connection that is not freed; callers pass what belongs to `ev`.
    unsafe { conn::call(conn, (*conn.ptr()).handler, conn.user_data(), ev, data.cast()) }
}

/// Sends a frame, masked as required of clients.
fn send<'a>(conn: Conn, op: c_int, parts: impl Iterator<Item = &'a [u8]> + Clone) {
    // SAFETY: a Conn points to a connection that is not freed; rand() has no preconditions.
    let mask = unsafe { (*conn.ptr()).listener.is_null().then(|| libc::rand().to_ne_bytes()) };
    io::append(conn, &frames::frame(op, parts, mask));
    if op == WEBSOCKET_OP_CLOSE {
        conn.set(F_SEND_AND_CLOSE);
    }
}

/// Processes a frame in recv_mbuf, if it is complete. Returns whether there may be more.
fn deliver(conn: Conn) -> bool {
    let mbuf = conn.recv_mbuf();
    if conn.closed() || conn.recv_len() == 0 {
        return false;
    }
    let join = !conn.has(F_PROTO_1);
    // SAFETY: an mbuf holds `len` bytes, its connection's own; nothing calls back here.
    let step = proto_data(conn, |data| unsafe {
        let (step, left) = frames::step(slice::from_raw_parts_mut((*mbuf).buf.cast(), (*mbuf).len), &mut data.joined, join);
        (*mbuf).len = left;
        step
    });
    let (flags, data, remove) = match step {
        Some(Step::Part) => return true,
        Some(Step::Deliver { flags, data, remove }) => (flags, data, remove),
        Some(Step::Wait) => return false,
        Some(Step::Illegal(what)) => {
            log!(Error, "{:?} {}: WebSocket: {what}, closing", conn.ptr(), conn.peer_text());
            send(conn, WEBSOCKET_OP_CLOSE, [&PROTOCOL_ERROR[..], what.as_bytes()].into_iter());
            proto_data(conn, |data| data.joined = 0);
            // SAFETY: as above.
            unsafe { mbuf_remove(mbuf, (*mbuf).len) };
            return false;
        }
        None => {
            log!(Error, "{:?} proto_data of a WebSocket connection was replaced, closing", conn.ptr());
            conn.set(F_CLOSE_IMMEDIATELY);
            return false;
        }
    };
    // SAFETY: `data` is part of the mbuf's `len` bytes.
    let mut message = unsafe {
        let at = (*mbuf).buf.cast::<u8>().add(data.start);
        let content = slice::from_raw_parts(at, data.len());
        match frames::control(flags) {
            Some(Control::Ping) => send(conn, WEBSOCKET_OP_PONG, std::iter::once(content)),
            Some(Control::Close) => send(conn, WEBSOCKET_OP_CLOSE, std::iter::once(content)),
            _ => {}
        }
        WebsocketMessage { data: at, size: data.len(), flags }
    };
    let ev = if frames::control(flags).is_some() { EV_WEBSOCKET_CONTROL_FRAME } else { EV_WEBSOCKET_FRAME };
    tell(conn, ev, &raw mut message);
    // SAFETY: as above; the handler may have removed bytes itself.
    unsafe {
        if (*mbuf).len >= remove.end {
            let buf = slice::from_raw_parts_mut((*mbuf).buf.cast::<u8>(), (*mbuf).len);
            buf.copy_within(remove.end.., remove.start);
            (*mbuf).len -= remove.len();
        }
    }
    true
}

/// The protocol handler after the handshake.
unsafe extern "C" fn websocket_handler(nc: *mut MgConnection, ev: c_int, data: *mut c_void, _: *mut c_void) {
    // SAFETY: handlers are called with live connections.
    let Some(conn) = (unsafe { Conn::new(nc) }) else { return };
    tell(conn, ev, data);
    match ev {
        EV_RECV => while deliver(conn) {},
        // SAFETY: MG_EV_POLL carries the time, or NULL from some protocols.
        EV_POLL if conn.has(F_IS_WEBSOCKET) && !conn.closed() => unsafe {
            if data.cast::<time_t>().as_ref().is_some_and(|now| *now > (*nc).last_io_time + PING_AFTER) {
                send(conn, WEBSOCKET_OP_PING, std::iter::empty());
            }
        },
        _ => {}
    }
}

/// The protocol handler of HTTP, and of WebSocket during the handshake.
unsafe extern "C" fn http_handler(nc: *mut MgConnection, ev: c_int, data: *mut c_void, user_data: *mut c_void) {
    // SAFETY: handlers are called with live connections.
    let Some(conn) = (unsafe { Conn::new(nc) }) else { return };
    if ev == EV_CLOSE && !conn.has(F_IS_WEBSOCKET) {
        http::ended(conn);
    }
    tell(conn, ev, data);
    if ev != EV_RECV || conn.closed() || conn.recv_len() == 0 {
        return;
    }
    if !conn.has(F_IS_WEBSOCKET) {
        return http::receive(conn);
    }
    let mbuf = conn.recv_mbuf();
    // SAFETY: an mbuf has `len` bytes, which do not move until the response is processed.
    let bytes = unsafe { slice::from_raw_parts((*mbuf).buf.cast::<u8>(), (*mbuf).len) };
    let reply = conn.state(|s| handshake::reply(bytes, s.websocket_key.as_deref()));
    let mut reply = match reply {
        Ok(Some(reply)) => reply,
        Ok(None) => return,
        Err(why) => {
            log!(Error, "{nc:?} {}: invalid response to the WebSocket handshake: {why}", conn.peer_text());
            return conn.set(F_CLOSE_IMMEDIATELY);
        }
    };
    new_proto_data(conn);
    match reply.verdict {
        Verdict::Accepted => {}
        Verdict::Refused => log!(Debug, "{nc:?} {}: WebSocket refused, HTTP status {}", conn.peer_text(), reply.message.resp_code),
        Verdict::WrongKey => {
            log!(Error, "{nc:?} {}: wrong Sec-WebSocket-Accept in the handshake response", conn.peer_text());
            return conn.set(F_CLOSE_IMMEDIATELY);
        }
    }
    tell(conn, EV_WEBSOCKET_HANDSHAKE_DONE, &raw mut reply.message);
    if conn.closed() {
        return;
    }
    // SAFETY: as above; the handler may have removed bytes itself.
    unsafe {
        if (*mbuf).len >= reply.len {
            mbuf_remove(mbuf, reply.len);
        }
        match reply.verdict {
            Verdict::Accepted => {
                (*nc).proto_handler = Some(websocket_handler);
                websocket_handler(nc, EV_RECV, data, user_data);
            }
            _ => conn.set(F_CLOSE_IMMEDIATELY),
        }
    }
}

/// `mg_set_protocol_http_websocket()`
///
/// # Safety
/// `nc` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_set_protocol_http_websocket(nc: *mut MgConnection) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        if Conn::new(nc).is_some() {
            (*nc).proto_handler = Some(http_handler);
        }
    }
}

/// # Safety
/// `text` is NULL or NUL-terminated, and outlives `'a`.
unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: upheld by the caller, see `# Safety`.
    if text.is_null() { &[] } else { unsafe { CStr::from_ptr(text) }.to_bytes() }
}

/// `mg_send_websocket_handshake3()`
///
/// # Safety
/// `nc` is a live connection, the strings are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_send_websocket_handshake3(
    nc: *mut MgConnection,
    path: *const c_char,
    host: *const c_char,
    protocol: *const c_char,
    extra_headers: *const c_char,
    user: *const c_char,
    pass: *const c_char,
) {
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some(conn) = (unsafe { Conn::new(nc) }) else { return };
    // SAFETY: upheld by the caller, see `# Safety`.
    let request = unsafe {
        Request {
            path: bytes(path),
            host: bytes(host),
            protocol: bytes(protocol),
            extra_headers: bytes(extra_headers),
            user: bytes(user),
            password: bytes(pass),
        }
    };
    let key = generate_key();
    io::append(conn, &request.with_key(&key));
    conn.state(|s| s.websocket_key = Some(key));
    conn.set(F_IS_WEBSOCKET);
}

/// `mg_send_websocket_handshake2()`
///
/// # Safety
/// As for [`mg_send_websocket_handshake3`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_send_websocket_handshake2(
    nc: *mut MgConnection,
    path: *const c_char,
    host: *const c_char,
    protocol: *const c_char,
    extra_headers: *const c_char,
) {
    let none = std::ptr::null();
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { mg_send_websocket_handshake3(nc, path, host, protocol, extra_headers, none, none) }
}

/// `mg_send_websocket_handshake()`
///
/// # Safety
/// As for [`mg_send_websocket_handshake3`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_send_websocket_handshake(nc: *mut MgConnection, path: *const c_char, extra_headers: *const c_char) {
    let none = std::ptr::null();
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { mg_send_websocket_handshake2(nc, path, none, none, extra_headers) }
}

/// `mg_send_websocket_frame()`
///
/// # Safety
/// `nc` is a live connection, `data` holds `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_send_websocket_frame(nc: *mut MgConnection, op: c_int, data: *const c_void, len: size_t) {
    let part = MgStr { p: data.cast(), len };
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { mg_send_websocket_framev(nc, op, &part, 1) }
}

/// `mg_send_websocket_framev()`
///
/// # Safety
/// `nc` is a live connection, `strv` holds `strvcnt` strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_send_websocket_framev(nc: *mut MgConnection, op: c_int, strv: *const MgStr, strvcnt: c_int) {
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some(conn) = (unsafe { Conn::new(nc) }) else { return };
    let parts: &[MgStr] = match usize::try_from(strvcnt) {
        // SAFETY: upheld by the caller, see `# Safety`.
        Ok(count @ 1..) => unsafe { slice::from_raw_parts(strv, count) },
        _ => &[],
    };
    // SAFETY: upheld by the caller. Empty strings may be NULL.
    let parts = parts.iter().filter(|part| part.len > 0).map(|part| unsafe { slice::from_raw_parts(part.p.cast::<u8>(), part.len) });
    send(conn, op, parts);
}
