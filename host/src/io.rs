//! Moves data between a connection's buffers and its stream, with the events in Mongoose's order
//! and portions.

use libc::{c_int, c_void, time_t};

use crate::{
    abi::*,
    conn::{self, Conn},
    connect,
    log::log,
    stream::StreamError,
    trace,
};

/// Bytes per read, and per write to TCP. A UDP connection sends all as one datagram.
const IO_SIZE: usize = 1460;

/// How [`receive`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// The connection cannot receive in this state.
    No,
    /// recv_mbuf is at its limit.
    Throttled,
    /// Everything was read; or the end or a failure, as the flags tell.
    All,
}

/// Bytes by which recv_mbuf may grow.
fn room(conn: Conn) -> usize {
    conn.limit().saturating_sub(conn.recv_len()).min(IO_SIZE)
}

/// Reads available data, with MG_EV_RECV for each portion, until there is none, recv_mbuf is full,
/// or the connection must close.
pub(crate) fn receive(conn: Conn) -> Received {
    if conn.closed() || conn.has(F_CLOSE_IMMEDIATELY | F_CONNECTING | F_LISTENING) {
        return Received::No;
    }
    loop {
        if conn.has(F_SSL) && !conn.has(F_SSL_HANDSHAKE_DONE) {
            handshake(conn);
            return Received::All;
        }
        let room = room(conn);
        if room == 0 {
            return Received::Throttled;
        }
        let Some(more) = receive_portion(conn, room) else {
            // No memory for the buffer; the data stays in the socket.
            return Received::Throttled;
        };
        if !more || conn.closed() || conn.has(F_CLOSE_IMMEDIATELY) {
            return Received::All;
        }
    }
}

/// Reads once. Returns whether there may be more; `None` without memory.
fn receive_portion(conn: Conn, room: usize) -> Option<bool> {
    let mbuf = conn.recv_mbuf();
    // SAFETY: the connection owns the mbuf, and it stays while nothing calls back. Its memory has
    // `size` bytes, of which `room` after `len` become the slice, initialised before.
    let result = unsafe {
        if (*mbuf).size < (*mbuf).len + room {
            mbuf_resize(mbuf, (*mbuf).len + room);
        }
        if (*mbuf).size < (*mbuf).len + room {
            return None;
        }
        let spare = (*mbuf).buf.add((*mbuf).len).cast::<u8>();
        spare.write_bytes(0, room);
        let spare = std::slice::from_raw_parts_mut(spare, room);
        conn.state(|s| s.stream.as_mut().map(|t| t.read(spare)))
    };
    let mut n: c_int = 0;
    match result? {
        Ok(0) => {
            trace::ended(conn);
            // With TLS, the end of the stream closes the connection. Otherwise the peer has finished
            // sending, and our pending data is still sent.
            conn.set(if conn.has(F_SSL) { F_CLOSE_IMMEDIATELY } else { F_SEND_AND_CLOSE });
        }
        Ok(got) => n = got as c_int,
        Err(e) => note(conn, e),
    }
    if n > 0 {
        // SAFETY: as above; `n` bytes were just written there.
        unsafe {
            trace::received(conn, std::slice::from_raw_parts((*mbuf).buf.add((*mbuf).len).cast::<u8>(), n as usize));
            (*mbuf).len += n as usize;
            mbuf_trim(mbuf);
        }
        conn.clear(F_WANT_READ);
        conn.touch();
        conn.event(EV_RECV, &mut n);
    }
    if !conn.closed() {
        // SAFETY: the connection, and so its mbuf, still exists.
        unsafe { mbuf_trim(mbuf) };
    }
    Some(n > 0)
}

/// What a stream's error means for the connection.
fn note(conn: Conn, e: StreamError) {
    if let StreamError::Tls(code) = e {
        conn.set_err(code);
        if let Some(why) = conn.state(|s| s.stream.as_ref().map(|t| t.explain(e))) {
            log!(Error, "{:?} {}: {why}", conn.ptr(), conn.peer_text());
        }
    }
    match e {
        StreamError::WantRead if conn.has(F_SSL) => conn.set(F_WANT_READ),
        StreamError::WantWrite if conn.has(F_SSL) => conn.set(F_WANT_WRITE),
        StreamError::WantRead | StreamError::WantWrite => {}
        StreamError::Os(_) | StreamError::Tls(_) => {
            trace::ended(conn);
            conn.set(F_CLOSE_IMMEDIATELY);
        }
    }
}

/// Writes one portion of send_mbuf and raises MG_EV_SEND.
pub(crate) fn send(conn: Conn) {
    if conn.closed() || conn.has(F_CLOSE_IMMEDIATELY | F_CONNECTING | F_LISTENING) {
        return;
    }
    if conn.has(F_SSL) && !conn.has(F_SSL_HANDSHAKE_DONE) {
        return handshake(conn);
    }
    let most = if conn.has(F_UDP) { usize::MAX } else { IO_SIZE };
    let len = conn.send_len().min(most);
    if len == 0 {
        // The app removed the data that TLS was about to retry; waiting further would loop forever.
        return conn.clear(F_WANT_WRITE);
    }
    let mbuf = conn.send_mbuf();
    // SAFETY: the connection owns the mbuf, which has at least `len` bytes; nothing changes it
    // while the stream reads them.
    let result = unsafe {
        let data = std::slice::from_raw_parts((*mbuf).buf.cast::<u8>(), len);
        conn.state(|s| s.stream.as_mut().map(|t| t.write(data)))
    };
    let mut n: c_int = 0;
    match result {
        Some(Ok(sent)) => n = sent as c_int,
        Some(Err(e)) => {
            note(conn, e);
            if matches!(e, StreamError::Os(_) | StreamError::Tls(_)) {
                n = -1;
            }
        }
        None => {}
    }
    if n > 0 {
        conn.clear(F_WANT_WRITE);
        conn.touch();
        // SAFETY: as above.
        unsafe {
            trace::sent(conn, std::slice::from_raw_parts((*mbuf).buf.cast::<u8>(), n as usize));
            mbuf_remove(mbuf, n as usize);
            mbuf_trim(mbuf);
        }
    }
    if n != 0 {
        conn.event(EV_SEND, &mut n);
    }
}

/// Continues the TLS handshake; raises MG_EV_CONNECT or MG_EV_ACCEPT at its end.
pub(crate) fn handshake(conn: Conn) {
    // SAFETY: a Conn points to a connection that is not freed.
    let is_server = unsafe { !(*conn.ptr()).listener.is_null() };
    let Some(result) = conn.state(|s| s.stream.as_mut().map(|t| t.handshake())) else { return };
    conn.clear(F_WANT_READ | F_WANT_WRITE);
    match result {
        Ok(()) => {
            conn.set(F_SSL_HANDSHAKE_DONE);
            if let Some(agreed) = conn.state(|s| s.stream.as_ref().map(|t| t.summary())) {
                log!(Debug, "{:?} {}: {agreed}", conn.ptr(), conn.peer_text());
            }
            trace::opened(conn);
            if is_server {
                let mut peer = conn.peer();
                conn.event(EV_ACCEPT, &mut peer);
            } else {
                conn.event(EV_CONNECT, &mut 0);
            }
        }
        Err(e @ (StreamError::Os(_) | StreamError::Tls(_))) => {
            note(conn, e);
            if !is_server {
                let mut status = SSL_ERROR;
                conn.event(EV_CONNECT, &mut status);
            }
        }
        Err(e) => note(conn, e),
    }
}

/// A connection's part of a round: close it if due, else timer, POLL, and I/O as the socket is
/// ready.
pub(crate) fn round(conn: Conn, (readable, writable): (bool, bool), now: f64) {
    if closes(conn) {
        if conn.has(F_SEND_AND_CLOSE) {
            conn.set(F_CLOSE_IMMEDIATELY);
        }
        return conn::close(conn);
    }
    drain_layer(conn);
    fire_timer(conn, now);
    if conn.closed() {
        return;
    }
    conn.event(EV_POLL, &mut (now as time_t));
    if conn.closed() {
        return;
    }
    if conn.has(F_CONNECTING) {
        connect::progress(conn, readable || writable);
    }
    if readable && !conn.closed() {
        match conn.has(F_LISTENING) {
            true => connect::accept(conn),
            false => {
                receive(conn);
            }
        }
    }
    if writable {
        send(conn);
    }
}

/// Whether the connection closes in its next round.
pub(crate) fn closes(conn: Conn) -> bool {
    let sent = conn.has(F_SEND_AND_CLOSE) && conn.send_len() == 0;
    let taken = conn.has(F_RECV_AND_CLOSE) && !conn.has(F_SEND_AND_CLOSE);
    conn.has(F_CLOSE_IMMEDIATELY) || sent || taken
}

/// Reads data that a layer above TCP has buffered: the socket's readiness does not show it.
fn drain_layer(conn: Conn) {
    if conn.has(F_SSL_HANDSHAKE_DONE) && !conn.has(F_CONNECTING | F_WANT_READ | F_WANT_WRITE) {
        receive(conn);
    }
}

/// MG_EV_TIMER, if it is due.
pub(crate) fn fire_timer(conn: Conn, now: f64) {
    let mut due = conn.timer();
    if !conn.closed() && due > 0.0 && now >= due {
        conn.set_timer(0.0);
        conn.event(EV_TIMER, &mut due);
    }
}

/// Appends to the send buffer. Does nothing without memory.
pub(crate) fn append(conn: Conn, data: &[u8]) {
    conn.touch();
    // SAFETY: the connection owns the mbuf, and the data has this length.
    unsafe { mbuf_append(conn.send_mbuf(), data.as_ptr().cast(), data.len()) };
}

/// `mg_send()`
///
/// # Safety
/// `nc` is a live connection, `buf` holds `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_send(nc: *mut MgConnection, buf: *const c_void, len: c_int) {
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some(conn) = (unsafe { Conn::new(nc) }) else { return };
    conn.touch();
    let Ok(len @ 1..) = usize::try_from(len) else { return };
    // SAFETY: upheld by the caller. Without memory mbuf_append() changes nothing.
    unsafe { mbuf_append(conn.send_mbuf(), buf, len) };
}
