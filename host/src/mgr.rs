//! The event manager: its connections, its rounds, waiting for sockets. A connection's part of a
//! round is in io.rs.

use std::{
    collections::HashMap,
    os::fd::BorrowedFd,
    ptr,
    sync::{Arc, Mutex},
    time::Duration,
};

use libc::{c_int, c_void};
use polling::{Event, Events, PollMode, Poller};

use crate::{
    abi::*,
    clock,
    conn::{self, Conn},
    connect, io,
    log::log,
    resolve::{self, Answers},
};

/// Rust's data of a manager, in its interface's `data`.
pub(crate) struct State {
    pub(crate) poller: Arc<Poller>,
    pub(crate) answers: Answers,
    /// Connections whose name is being resolved. They are not in the manager's list yet.
    pub(crate) resolving: Vec<Conn>,
    last_key: usize,
    /// Nested rounds: more than one if a handler has called mg_mgr_poll().
    depth: u32,
    /// Closed in an inner round, to be freed when no outer one can access them.
    graveyard: Vec<Conn>,
    /// No new connections are accepted.
    pub(crate) closing: bool,
}

impl State {
    pub(crate) fn new_key(&mut self) -> usize {
        self.last_key += 1;
        self.last_key
    }

    /// Whether a closed connection may be freed immediately; if not, it is kept for later.
    pub(crate) fn bury(&mut self, conn: Conn) -> bool {
        let at_once = self.depth <= 1;
        if !at_once {
            self.graveyard.push(conn);
        }
        at_once
    }
}

/// An initialised manager.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mgr(*mut MgMgr);

impl Mgr {
    /// `None` for NULL and for one that is not initialised or already freed.
    ///
    /// # Safety
    /// `mgr` is NULL, or valid and initialised or all zero.
    pub(crate) unsafe fn new(mgr: *mut MgMgr) -> Option<Mgr> {
        // SAFETY: upheld by the caller, see `# Safety`.
        (!mgr.is_null() && unsafe { !(*mgr).ifaces.is_null() }).then_some(Mgr(mgr))
    }

    /// # Safety
    /// `mgr` is an initialised manager.
    pub(crate) unsafe fn of(mgr: *mut MgMgr) -> Mgr {
        Mgr(mgr)
    }

    pub(crate) fn ptr(self) -> *mut MgMgr {
        self.0
    }

    pub(crate) fn iface(self) -> *mut MgIface {
        // SAFETY: an initialised manager has one interface.
        unsafe { *(*self.0).ifaces }
    }

    /// Accesses Rust's data. `f` must not call into C.
    pub(crate) fn state<R>(self, f: impl FnOnce(&mut State) -> R) -> R {
        // SAFETY: data is a Box<State> from init to free, and as `f` calls neither C nor this
        // function, the reference is unique.
        f(unsafe { &mut *(*self.iface()).data.cast::<State>() })
    }

    fn first(self) -> *mut MgConnection {
        // SAFETY: a Mgr points to an initialised manager.
        unsafe { (*self.0).active_connections }
    }

    fn set_first(self, nc: *mut MgConnection) {
        // SAFETY: as above.
        unsafe { (*self.0).active_connections = nc }
    }

    /// The connections in the list, newest first.
    pub(crate) fn connections(self) -> Vec<Conn> {
        let mut all = Vec::new();
        let mut at = self.first();
        // SAFETY: the list holds connections that are not freed.
        while let Some(conn) = unsafe { Conn::new(at) } {
            all.push(conn);
            at = conn.next();
        }
        all
    }

    /// Inserts a connection at the head of the list.
    pub(crate) fn link(self, conn: Conn) {
        let first = self.first();
        conn.set_next(first);
        conn.set_prev(ptr::null_mut());
        // SAFETY: the list holds connections that are not freed.
        if let Some(first) = unsafe { Conn::new(first) } {
            first.set_prev(conn.ptr());
        }
        self.set_first(conn.ptr());
    }

    /// Removes a connection from the list.
    pub(crate) fn unlink(self, conn: Conn) {
        // SAFETY: adjacent connections in the list are not freed.
        let (prev, next) = unsafe { (Conn::new(conn.prev()), Conn::new(conn.next())) };
        match prev {
            Some(prev) => prev.set_next(conn.next()),
            None if self.first() == conn.ptr() => self.set_first(conn.next()),
            None => {}
        }
        if let Some(next) = next {
            next.set_prev(conn.prev());
        }
        conn.set_next(ptr::null_mut());
        conn.set_prev(ptr::null_mut());
    }

    /// Registers with the poller what the connection waits for now.
    fn watch(self, conn: Conn) {
        if conn.sock() == INVALID_SOCKET {
            return;
        }
        let handshaking = conn.has(F_SSL) && !conn.has(F_SSL_HANDSHAKE_DONE);
        let connecting = conn.has(F_CONNECTING);
        let read = !connecting && (handshaking || conn.recv_len() < conn.limit());
        let write = connecting || conn.send_len() > 0 && !handshaking || conn.has(F_WANT_WRITE);
        let (before, key) = conn.state(|s| (s.watched, s.key));
        let wanted = (read || write).then_some((read, write));
        if wanted == before {
            return;
        }
        let poller = self.state(|m| m.poller.clone());
        let event = Event::new(key, read, write);
        // SAFETY: the socket is open, as the stream owns it, and `unwatch` precedes closing it.
        let fd = unsafe { BorrowedFd::borrow_raw(conn.sock()) };
        let done = match (before, wanted) {
            // SAFETY: as above.
            (None, _) => unsafe { poller.add_with_mode(&fd, event, PollMode::Level) },
            // If registered without interest, it would still wake the loop on a hang-up.
            (Some(_), None) => poller.delete(fd),
            (Some(_), Some(_)) => poller.modify_with_mode(fd, event, PollMode::Level),
        };
        match done {
            Ok(()) => conn.state(|s| s.watched = wanted),
            Err(e) => {
                log!(Error, "cannot watch socket {}: {e}", conn.sock());
                conn.set(F_CLOSE_IMMEDIATELY);
            }
        }
    }

    /// Removes the connection's socket from the poller before it is closed.
    pub(crate) fn unwatch(self, conn: Conn) {
        if conn.state(|s| s.watched.take()).is_some() {
            // SAFETY: the socket is still open.
            let fd = unsafe { BorrowedFd::borrow_raw(conn.sock()) };
            let gone = self.state(|m| m.poller.delete(fd));
            if let Err(e) = gone {
                log!(Error, "cannot stop watching socket {}: {e}", conn.sock());
            }
        }
    }

    /// Time limit of a round, if the app allows `millis`.
    fn timeout(self, millis: c_int) -> Duration {
        let (now, uptime) = (clock::wall(), clock::uptime_micros());
        let mut micros = i64::from(millis.max(0)) * 1000;
        let resolving = self.state(|m| m.resolving.clone());
        for conn in self.connections().into_iter().chain(resolving) {
            if conn.timer() > 0.0 {
                micros = micros.min(((conn.timer() - now) * 1e6) as i64 + 1);
            }
            if conn.has(F_CONNECTING) {
                let give_up_at = conn.state(|s| s.give_up_at);
                micros = micros.min(give_up_at.saturating_sub(uptime));
            }
            let failed = conn.has(F_CONNECTING) && conn.err() != 0;
            let waits_for_app = conn.has(F_RECV_AND_CLOSE);
            if failed || (io::closes(conn) && !waits_for_app) {
                micros = 0;
            }
        }
        Duration::from_micros(micros.max(0) as u64)
    }

    /// Waits for sockets; returns readiness for reading and writing, by key.
    fn wait(self, millis: c_int) -> HashMap<usize, (bool, bool)> {
        for conn in self.connections() {
            self.watch(conn);
        }
        let mut events = Events::new();
        let poller = self.state(|m| m.poller.clone());
        if let Err(e) = poller.wait(&mut events, Some(self.timeout(millis))) {
            log!(Error, "waiting for sockets failed: {e}");
        }
        events.iter().map(|e| (e.key, (e.readable, e.writable))).collect()
    }

    fn round(self, millis: c_int) {
        self.state(|m| m.depth += 1);
        let ready = self.wait(millis);
        resolve::deliver(self);
        let now = clock::wall();
        for conn in self.connections() {
            // An earlier connection's handler may have run a nested round that closed this one; its
            // memory is then in the graveyard.
            if !conn.closed() {
                let key = conn.state(|s| s.key);
                io::round(conn, ready.get(&key).copied().unwrap_or_default(), now);
            }
        }
        let dead = self.state(|m| {
            m.depth -= 1;
            if m.depth == 0 { std::mem::take(&mut m.graveyard) } else { Vec::new() }
        });
        dead.into_iter().for_each(conn::free);
    }
}

/// `mg_mgr_init()`
///
/// # Safety
/// `mgr` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_mgr_init(mgr: *mut MgMgr, user_data: *mut c_void) {
    // SAFETY: SIG_IGN is a valid disposition; all zero is a valid manager.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        ptr::write_bytes(mgr, 0, 1);
        (*mgr).user_data = user_data;
    }
    let poller = match Poller::new() {
        Ok(poller) => Arc::new(poller),
        Err(e) => return log!(Error, "cannot create the event manager: {e}"),
    };
    let state = Box::new(State {
        poller,
        answers: Arc::new(Mutex::new(Vec::new())),
        resolving: Vec::new(),
        last_key: 0,
        depth: 0,
        graveyard: Vec::new(),
        closing: false,
    });
    let iface = Box::new(MgIface { mgr, data: Box::into_raw(state).cast(), vtable: ptr::null() });
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        (*mgr).num_ifaces = 1;
        (*mgr).ifaces = Box::into_raw(Box::new(Box::into_raw(iface)));
    }
}

/// `mg_mgr_free()`
///
/// # Safety
/// `mgr` is NULL or was initialised; none of its handlers is running.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_mgr_free(mgr: *mut MgMgr) {
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some(m) = (unsafe { Mgr::new(mgr) }) else { return };
    if m.state(|s| s.depth) > 0 {
        return log!(Error, "mg_mgr_free() called by a handler: ignored");
    }
    m.round(0);
    m.state(|s| s.closing = true);
    // One at a time: a handler may run a round, which closes others. SAFETY: the list has
    // connections that are not freed.
    while let Some(conn) = unsafe { Conn::new(m.first()) } {
        conn.set(F_CLOSE_IMMEDIATELY);
        conn::close(conn);
    }
    while let Some(conn) = m.state(|s| s.resolving.pop()) {
        connect::look_up_failed(conn);
    }
    // SAFETY: mg_mgr_init() made these, and no connection is left that uses them.
    unsafe {
        let ifaces = Box::from_raw((*mgr).ifaces);
        let iface = Box::from_raw(*ifaces);
        drop(Box::from_raw(iface.data.cast::<State>()));
        ptr::write_bytes(mgr, 0, 1);
    }
}

/// `mg_mgr_poll()`
///
/// # Safety
/// `mgr` is NULL or was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_mgr_poll(mgr: *mut MgMgr, milli: c_int) -> c_int {
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some(m) = (unsafe { Mgr::new(mgr) }) else { return 0 };
    // SAFETY: a Mgr points to an initialised manager.
    let calls = || unsafe { (*m.ptr()).num_calls };
    let before = calls();
    m.round(milli);
    calls().wrapping_sub(before)
}

/// `mg_next()`
///
/// # Safety
/// `mgr` was initialised, `c` is NULL or one of its connections.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_next(mgr: *mut MgMgr, c: *mut MgConnection) -> *mut MgConnection {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        match Conn::new(c) {
            Some(conn) => conn.next(),
            None => Mgr::new(mgr).map_or(ptr::null_mut(), Mgr::first),
        }
    }
}

#[cfg(test)]
mod tests;
