//! A connection: Rust's handle of a `struct mg_connection`, delivering events to it, and closing
//! it. Moving data is in io.rs, opening in connect.rs, rounds in mgr.rs.
//!
//! C callbacks may do anything, so no reference to a connection lives across one: all access goes
//! through `Conn`, a pointer that is dereferenced anew each time.

use std::{collections::VecDeque, net::SocketAddr, ptr};

use libc::{c_double, c_int, c_ulong, c_void, time_t};

use crate::{
    abi::*,
    addr, alloc_faults, clock,
    io::{self, Received},
    log::log,
    mgr::Mgr,
    stream::Stream,
    tls::Tls,
    trace::{self, Observed},
};

/// Flags that a handler may change; other changes are undone.
const HANDLER_FLAGS: c_ulong = F_USER_ALL | F_PROTO_1 | F_PROTO_2 | F_IS_WEBSOCKET | F_SEND_AND_CLOSE | F_CLOSE_IMMEDIATELY;

/// Flags that `mg_connect_opt()` and similar functions accept.
pub(crate) const OPTION_FLAGS: c_ulong = F_USER_ALL | F_PROTO_1 | F_ENABLE_BROADCAST;

/// The manager's data of a connection, in `mgr_data`.
pub(crate) struct State {
    pub(crate) stream: Option<Box<dyn Stream>>,
    /// For TLS connections, until it is wrapped around the stream.
    pub(crate) tls: Option<Tls>,
    /// Identifies the connection to the poller and to name lookups.
    pub(crate) key: usize,
    /// Registered interest of the poller: read, write. `None` while the socket is not registered.
    pub(crate) watched: Option<(bool, bool)>,
    /// The key of the last WebSocket handshake request.
    pub(crate) websocket_key: Option<String>,
    /// Addresses not tried yet.
    pub(crate) addrs: VecDeque<SocketAddr>,
    /// Uptime in microseconds when the next address is tried.
    pub(crate) give_up_at: i64,
    /// State of `--pcap` and `--trace` while it is open.
    pub(crate) observed: Option<Box<Observed>>,
    /// MG_EV_CLOSE was delivered: the memory will be freed.
    pub(crate) closed: bool,
}

/// A connection that is not freed yet. The holder ensures that: only [`destroy`] frees, and after a
/// callback that may have led there, `closed()` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Conn(*mut MgConnection);

macro_rules! field {
    ($get:ident, $set:ident, $field:ident: $type:ty) => {
        pub(crate) fn $get(self) -> $type {
            // SAFETY: a Conn points to a connection that is not freed.
            unsafe { (*self.0).$field }
        }
        pub(crate) fn $set(self, value: $type) {
            // SAFETY: as above, and no reference into it is alive.
            unsafe { (*self.0).$field = value }
        }
    };
}

impl Conn {
    /// `None` for NULL and for connections that no manager has created.
    ///
    /// # Safety
    /// `nc` is NULL or a connection that is not freed.
    pub(crate) unsafe fn new(nc: *mut MgConnection) -> Option<Conn> {
        // SAFETY: upheld by the caller, see `# Safety`.
        (!nc.is_null() && unsafe { !(*nc).mgr_data.is_null() }).then_some(Conn(nc))
    }

    pub(crate) fn ptr(self) -> *mut MgConnection {
        self.0
    }

    field!(next, set_next, next: *mut MgConnection);
    field!(prev, set_prev, prev: *mut MgConnection);
    field!(flags, set_flags, flags: c_ulong);
    field!(err, set_err, err: c_int);
    field!(sock, set_sock, sock: c_int);
    field!(peer, set_peer, sa: SocketAddress);
    field!(timer, set_timer, ev_timer_time: c_double);
    field!(limit, set_limit, recv_mbuf_limit: usize);

    pub(crate) fn user_data(self) -> *mut c_void {
        // SAFETY: as in the fields above.
        unsafe { (*self.0).user_data }
    }

    pub(crate) fn has(self, flags: c_ulong) -> bool {
        self.flags() & flags != 0
    }

    pub(crate) fn set(self, flags: c_ulong) {
        self.set_flags(self.flags() | flags);
    }

    pub(crate) fn clear(self, flags: c_ulong) {
        self.set_flags(self.flags() & !flags);
    }

    pub(crate) fn recv_mbuf(self) -> *mut Mbuf {
        // SAFETY: as in the fields above.
        unsafe { &raw mut (*self.0).recv_mbuf }
    }

    pub(crate) fn send_mbuf(self) -> *mut Mbuf {
        // SAFETY: as in the fields above.
        unsafe { &raw mut (*self.0).send_mbuf }
    }

    pub(crate) fn recv_len(self) -> usize {
        // SAFETY: as in the fields above.
        unsafe { (*self.recv_mbuf()).len }
    }

    pub(crate) fn send_len(self) -> usize {
        // SAFETY: as in the fields above.
        unsafe { (*self.send_mbuf()).len }
    }

    /// The manager that owns it and outlives it.
    pub(crate) fn mgr(self) -> Mgr {
        // SAFETY: `mgr` is set at creation and never NULL, and the manager is freed last.
        unsafe { Mgr::of((*self.0).mgr) }
    }

    /// Accesses the manager's data. `f` must not call into C.
    pub(crate) fn state<R>(self, f: impl FnOnce(&mut State) -> R) -> R {
        // SAFETY: mgr_data is a Box<State> from `create` to `destroy`, and as `f` calls neither C
        // nor this function, the reference is unique.
        f(unsafe { &mut *(*self.0).mgr_data.cast::<State>() })
    }

    pub(crate) fn closed(self) -> bool {
        self.state(|s| s.closed)
    }

    /// Records that data was transferred.
    pub(crate) fn touch(self) {
        // SAFETY: as in the fields above.
        unsafe { (*self.0).last_io_time = clock::wall() as time_t };
    }

    pub(crate) fn local_addr(self) -> Option<SocketAddr> {
        self.state(|s| s.stream.as_ref()?.local_addr())
    }

    /// For log lines.
    pub(crate) fn peer_text(self) -> String {
        addr::from_c(&self.peer()).map_or_else(|| "?".to_owned(), |a| a.to_string())
    }

    /// Delivers an event to the connection's current handler.
    pub(crate) fn event<T>(self, ev: c_int, data: &mut T) {
        // SAFETY: callers pass the type that belongs to `ev`.
        unsafe { call(self, None, self.user_data(), ev, ptr::from_mut(data).cast()) }
    }

    /// Attaches a connected, connecting or listening stream.
    pub(crate) fn adopt(self, stream: Box<dyn Stream>) {
        self.set_sock(stream.fd());
        self.state(|s| s.stream = Some(stream));
    }

    /// Closes the socket, if any.
    pub(crate) fn drop_stream(self) {
        self.mgr().unwatch(self);
        self.state(|s| s.stream = None);
        self.set_sock(INVALID_SOCKET);
    }
}

/// Calls a handler, or with `None` the connection's own: the protocol's if set, else the app's.
///
/// # Safety
/// `data` is what handlers of `ev` expect.
pub(crate) unsafe fn call(conn: Conn, handler: Handler, user_data: *mut c_void, ev: c_int, data: *mut c_void) {
    let nc = conn.ptr();
    // SAFETY: a Conn points to a connection that is not freed. The app registered the handler for
    // such calls. If the handler closes the connection in a nested round, its memory stays until
    // this round is over.
    unsafe {
        if let Some(f) = handler.or((*nc).proto_handler).or((*nc).handler) {
            let before = (*nc).flags;
            f(nc, ev, data, user_data);
            let is_apps = (*nc).handler.is_some_and(|own| ptr::fn_addr_eq(own, f));
            if is_apps && (*nc).flags != before {
                (*nc).flags = (before & !HANDLER_FLAGS) | ((*nc).flags & HANDLER_FLAGS);
            }
        }
        if ev != EV_POLL {
            (*(*nc).mgr).num_calls = (*(*nc).mgr).num_calls.wrapping_add(1);
        }
    }
}

/// `mg_call()`
///
/// # Safety
/// `nc` is a live connection, `ev_data` what handlers of `ev` expect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_call(nc: *mut MgConnection, handler: Handler, user_data: *mut c_void, ev: c_int, ev_data: *mut c_void) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        if let Some(conn) = Conn::new(nc) {
            call(conn, handler, user_data, ev, ev_data);
        }
    }
}

/// Creates a connection that is in no list yet. `None` without memory.
pub(crate) fn create(mgr: Mgr, handler: Handler, user_data: *mut c_void, flags: c_ulong) -> Option<Conn> {
    if alloc_faults::fails() {
        return None;
    }
    // SAFETY: calloc() has no preconditions; the result is checked.
    let nc = alloc_faults::exempt(|| unsafe { libc::calloc(1, size_of::<MgConnection>()) }).cast::<MgConnection>();
    if nc.is_null() {
        return None;
    }
    let state = Box::new(State {
        stream: None,
        tls: None,
        websocket_key: None,
        key: mgr.state(|m| m.new_key()),
        watched: None,
        addrs: VecDeque::new(),
        give_up_at: i64::MAX,
        observed: None,
        closed: false,
    });
    // SAFETY: just allocated, and all zero is a valid connection.
    unsafe {
        (*nc).sock = INVALID_SOCKET;
        (*nc).mgr = mgr.ptr();
        (*nc).iface = mgr.iface();
        (*nc).recv_mbuf_limit = usize::MAX;
        (*nc).handler = handler;
        (*nc).user_data = user_data;
        (*nc).flags = flags & OPTION_FLAGS;
        (*nc).mgr_data = Box::into_raw(state).cast();
    }
    let conn = Conn(nc);
    conn.touch();
    Some(conn)
}

/// Closes a connection in the manager's list: last events, then the memory. If received data cannot
/// be delivered yet, the connection stays, marked, until the app has made room.
pub(crate) fn close(conn: Conn) {
    if conn.sock() != INVALID_SOCKET && io::receive(conn) == Received::Throttled {
        conn.set(F_RECV_AND_CLOSE);
        return;
    }
    if conn.has(F_SSL_HANDSHAKE_DONE) {
        conn.state(|s| s.stream.as_mut().map(|t| t.close_notify()));
    }
    conn.mgr().unlink(conn);
    finish(conn);
}

/// Closes a connection that is in no list (any more): MG_EV_CLOSE, then the memory.
pub(crate) fn finish(conn: Conn) {
    // Timer-only connections come and go without log lines.
    if conn.sock() != INVALID_SOCKET {
        log!(Debug, "{:?} {} closed", conn.ptr(), conn.peer_text());
    }
    trace::closed(conn);
    conn.set(F_CLOSE_IMMEDIATELY);
    conn.state(|s| s.closed = true);
    conn.drop_stream();
    // SAFETY: MG_EV_CLOSE carries NULL.
    unsafe { call(conn, None, conn.user_data(), EV_CLOSE, ptr::null_mut()) };
    destroy(conn);
}

/// Frees a connection without an event, or defers that until no caller up the stack can access it.
pub(crate) fn destroy(conn: Conn) {
    conn.state(|s| s.closed = true);
    conn.drop_stream();
    // SAFETY: a Conn points to a connection that is not freed; the app registered its destructor to
    // be called once.
    unsafe {
        let nc = conn.ptr();
        let data = std::mem::replace(&mut (*nc).proto_data, ptr::null_mut());
        if let (false, Some(free)) = (data.is_null(), (*nc).proto_data_destructor) {
            free(data);
        }
    }
    if conn.mgr().state(|m| m.bury(conn)) {
        free(conn);
    }
}

/// Frees the memory. Nothing may use `conn` afterwards.
pub(crate) fn free(conn: Conn) {
    // SAFETY: `create` made both allocations, and `destroy` gets here once for each. The mbufs are
    // freed only here, as a handler up the stack may have sent something after the close.
    unsafe {
        let nc = conn.ptr();
        mbuf_free(conn.recv_mbuf());
        mbuf_free(conn.send_mbuf());
        drop(Box::from_raw((*nc).mgr_data.cast::<State>()));
        ptr::write_bytes(nc, 0, 1);
        libc::free(nc.cast());
    }
}

/// `mg_set_timer()`
///
/// # Safety
/// `c` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_set_timer(c: *mut MgConnection, timestamp: c_double) -> c_double {
    // SAFETY: upheld by the caller, see `# Safety`.
    match unsafe { Conn::new(c) } {
        Some(conn) => {
            let old = conn.timer();
            conn.set_timer(timestamp);
            old
        }
        None => 0.0,
    }
}
