//! Test bench for the event manager: a manager, a handler that records events, and peers on
//! loopback.

use std::{
    ffi::{CStr, CString},
    net::{SocketAddr, TcpListener, TcpStream},
    ptr,
    sync::MutexGuard,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use libc::{c_char, c_int, c_ulong, c_void};

use crate::{
    abi::*,
    addr,
    conn::{self, Conn},
    connect::{self, mg_bind_opt, mg_connect_opt},
    io::mg_send,
    mgr::{Mgr, mg_mgr_free, mg_mgr_init, mg_mgr_poll, mg_next},
    testing::serial,
};

pub(super) type Nc = *mut MgConnection;

/// An event with its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Poll,
    /// Whether the connection has a listener.
    Accept(bool),
    Connect(c_int),
    Recv(c_int),
    Send(c_int),
    Close,
    Timer,
    /// The response to a WebSocket handshake, with its status code.
    HandshakeDone(c_int),
    /// A WebSocket message or control frame, with its first byte.
    Frame(u8),
    ControlFrame(u8),
    /// A reply to an HTTP request, with its status code.
    HttpReply(c_int),
    /// A reply of a time server, and whether it is a farewell.
    SntpReply(c_int),
    SntpMalformed,
}

impl Seen {
    pub(super) fn received(&self) -> Option<c_int> {
        if let Seen::Recv(n) = self { Some(*n) } else { None }
    }

    pub(super) fn sent(&self) -> Option<c_int> {
        if let Seen::Send(n) = self { Some(*n) } else { None }
    }
}

/// A step of a test, run inside a handler.
pub(super) type Step = fn(&mut Bench, Nc);

/// A manager, and the recorded events. Boxed, as C has its address.
pub(super) struct Bench {
    pub(super) mgr: MgMgr,
    pub(super) seen: Vec<Seen>,
    pub(super) received: Vec<u8>,
    /// Leave received data in recv_mbuf.
    pub(super) keep: bool,
    /// Echo received data.
    pub(super) echo: bool,
    pub(super) on_connect: Option<Step>,
    pub(super) on_poll: Option<Step>,
    pub(super) on_recv: Option<Step>,
    pub(super) on_close: Option<Step>,
    pub(super) on_handshake: Option<Step>,
    pub(super) on_frame: Option<Step>,
    /// Payload of WebSocket frames of either kind, and bodies of HTTP replies.
    pub(super) frames: Vec<Vec<u8>>,
    _alone: MutexGuard<'static, ()>,
}

/// The handler of all connections.
pub(super) unsafe extern "C" fn note(nc: Nc, ev: c_int, data: *mut c_void, user: *mut c_void) {
    // SAFETY: the bench passes its own address as user data, outlives its connections, and accesses
    // none of its fields while it calls into the manager; the events have these data.
    unsafe {
        let bench = &mut *user.cast::<Bench>();
        let (seen, step) = match ev {
            EV_POLL => (Seen::Poll, bench.on_poll),
            EV_ACCEPT => (Seen::Accept(!(*nc).listener.is_null()), None),
            EV_CONNECT => (Seen::Connect(*data.cast::<c_int>()), bench.on_connect),
            EV_RECV => (Seen::Recv(*data.cast::<c_int>()), bench.on_recv),
            EV_SEND => (Seen::Send(*data.cast::<c_int>()), None),
            EV_CLOSE => {
                assert!(data.is_null());
                (Seen::Close, bench.on_close)
            }
            EV_TIMER => (Seen::Timer, None),
            EV_WEBSOCKET_HANDSHAKE_DONE => (Seen::HandshakeDone((*data.cast::<HttpMessage>()).resp_code), bench.on_handshake),
            EV_WEBSOCKET_FRAME | EV_WEBSOCKET_CONTROL_FRAME => {
                let frame = &*data.cast::<WebsocketMessage>();
                bench.frames.push(std::slice::from_raw_parts(frame.data, frame.size).to_vec());
                let seen = if ev == EV_WEBSOCKET_FRAME { Seen::Frame } else { Seen::ControlFrame };
                (seen(frame.flags), bench.on_frame)
            }
            EV_HTTP_REPLY => {
                let reply = &*data.cast::<HttpMessage>();
                bench.frames.push(reply.body.bytes().to_vec());
                (Seen::HttpReply(reply.resp_code), bench.on_frame)
            }
            EV_SNTP_REPLY => (Seen::SntpReply((*data.cast::<SntpMessage>()).kiss_of_death), bench.on_frame),
            EV_SNTP_MALFORMED_REPLY => (Seen::SntpMalformed, bench.on_frame),
            _ => panic!("event {ev}"),
        };
        if (*nc).flags & F_LISTENING != 0 {
            return;
        }
        bench.seen.push(seen);
        if ev == EV_RECV && !bench.keep {
            let data = bench.take(nc);
            if bench.echo {
                bench.send(nc, &data);
            }
            bench.received.extend(data);
        }
        if let Some(step) = step {
            step(bench, nc);
        }
    }
}

impl Bench {
    pub(super) fn new() -> Box<Bench> {
        let mut bench = Box::new(Bench {
            // SAFETY: all zero is a valid manager, not initialised yet.
            mgr: unsafe { std::mem::zeroed() },
            seen: Vec::new(),
            received: Vec::new(),
            keep: false,
            echo: false,
            on_connect: None,
            on_poll: None,
            on_recv: None,
            on_close: None,
            on_handshake: None,
            on_frame: None,
            frames: Vec::new(),
            _alone: serial(),
        });
        // SAFETY: valid for writing, and it does not move afterwards.
        unsafe { mg_mgr_init(&mut bench.mgr, ptr::null_mut()) };
        bench
    }

    pub(super) fn user(&mut self) -> *mut c_void {
        ptr::from_mut(self).cast()
    }

    /// Connects; the error string if that fails immediately.
    pub(super) fn try_connect(&mut self, to: &str, change: impl FnOnce(&mut MgConnectOpts)) -> Result<Nc, &'static str> {
        let to = CString::new(to).unwrap();
        let mut error: *const c_char = ptr::null();
        // SAFETY: all zero means no options; the manager is initialised, the strings end in
        // NUL, and error strings are literals.
        unsafe {
            let mut opts: MgConnectOpts = std::mem::zeroed();
            opts.error_string = &raw mut error;
            change(&mut opts);
            let user = self.user();
            let nc = mg_connect_opt(&mut self.mgr, to.as_ptr(), Some(note), user, opts);
            assert_eq!(nc.is_null(), !error.is_null());
            if error.is_null() { Ok(nc) } else { Err(CStr::from_ptr(error).to_str().unwrap()) }
        }
    }

    pub(super) fn connect(&mut self, to: &str) -> Nc {
        self.try_connect(to, |_| {}).unwrap()
    }

    /// A connection whose lookup never completes.
    pub(super) fn unresolved(&mut self) -> Nc {
        let conn = self.create();
        conn.set(F_RESOLVING);
        conn.mgr().state(|m| m.resolving.push(conn));
        conn.ptr()
    }

    /// A connection to a host with these addresses.
    pub(super) fn begin(&mut self, addrs: &[&str]) -> Nc {
        let conn = self.create();
        connect::begin(conn, addrs.iter().map(|a| a.parse().unwrap()).collect());
        conn.ptr()
    }

    fn create(&mut self) -> Conn {
        // SAFETY: initialised.
        let mgr = unsafe { Mgr::of(&mut self.mgr) };
        conn::create(mgr, Some(note), self.user(), 0).unwrap()
    }

    pub(super) fn listen(&mut self, at: &str) -> (Nc, SocketAddr) {
        let at = CString::new(at).unwrap();
        // SAFETY: as in `connect`.
        let nc = unsafe {
            let user = self.user();
            mg_bind_opt(&mut self.mgr, at.as_ptr(), Some(note), user, std::mem::zeroed())
        };
        // SAFETY: NULL or just created.
        let conn = unsafe { Conn::new(nc) }.expect("a listener");
        (nc, addr::from_c(&conn.peer()).unwrap())
    }

    pub(super) fn poll(&mut self) -> c_int {
        // SAFETY: initialised.
        unsafe { mg_mgr_poll(&mut self.mgr, 10) }
    }

    /// Polls until the events are as expected; fails if that does not happen.
    pub(super) fn run_until(&mut self, wanted: impl Fn(&[Seen]) -> bool) {
        let begun = Instant::now();
        while !wanted(&self.seen) {
            assert!(begun.elapsed() < Duration::from_secs(60), "only {:?}", self.events());
            self.poll();
        }
    }

    /// All events except POLL.
    pub(super) fn events(&self) -> Vec<Seen> {
        self.seen.iter().copied().filter(|s| *s != Seen::Poll).collect()
    }

    pub(super) fn connections(&mut self) -> Vec<Nc> {
        let mut all = Vec::new();
        let mut nc = ptr::null_mut();
        loop {
            // SAFETY: initialised, and the connection belongs to it.
            nc = unsafe { mg_next(&mut self.mgr, nc) };
            if nc.is_null() {
                return all;
            }
            all.push(nc);
        }
    }

    pub(super) fn free(&mut self) {
        // SAFETY: initialised, or all zero after the first time.
        unsafe { mg_mgr_free(&mut self.mgr) };
    }

    fn conn(nc: Nc) -> Conn {
        // SAFETY: the tests use connections before their CLOSE only.
        unsafe { Conn::new(nc) }.unwrap()
    }

    pub(super) fn send(&mut self, nc: Nc, data: &[u8]) {
        // SAFETY: as in `conn`; the length is the data's.
        unsafe { mg_send(nc, data.as_ptr().cast(), data.len() as c_int) };
    }

    pub(super) fn take(&mut self, nc: Nc) -> Vec<u8> {
        let mbuf = Bench::conn(nc).recv_mbuf();
        // SAFETY: as in `conn`; an mbuf holds `len` bytes.
        unsafe {
            if (*mbuf).len == 0 {
                return Vec::new();
            }
            let data = std::slice::from_raw_parts((*mbuf).buf.cast::<u8>(), (*mbuf).len).to_vec();
            mbuf_remove(mbuf, data.len());
            data
        }
    }

    pub(super) fn recv_len(&self, nc: Nc) -> usize {
        Bench::conn(nc).recv_len()
    }

    pub(super) fn watched(&self, nc: Nc) -> Option<(bool, bool)> {
        Bench::conn(nc).state(|s| s.watched)
    }

    pub(super) fn flags(&self, nc: Nc) -> c_ulong {
        Bench::conn(nc).flags()
    }

    pub(super) fn set_flags(&mut self, nc: Nc, flags: c_ulong) {
        Bench::conn(nc).set(flags);
    }

    pub(super) fn set_limit(&mut self, nc: Nc, limit: usize) {
        Bench::conn(nc).set_limit(limit);
    }

    pub(super) fn set_timer(&mut self, nc: Nc, at: f64) {
        // SAFETY: as in `conn`.
        unsafe { conn::mg_set_timer(nc, at) };
    }

    pub(super) fn address(&self, nc: Nc) -> String {
        Bench::conn(nc).peer_text()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.on_close = None;
        self.free();
    }
}

/// A peer that accepts one connection in its own thread.
pub(super) fn peer<R: Send + 'static>(talk: impl FnOnce(TcpStream) -> R + Send + 'static) -> (String, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    (addr, thread::spawn(move || talk(listener.accept().unwrap().0)))
}

/// A port that nothing listens on.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An address where connecting hangs: the backlog is full, and nothing accepts.
pub(super) struct Silent {
    pub(super) addr: String,
    _listener: socket2::Socket,
    _queue: Vec<socket2::Socket>,
}

impl Silent {
    pub(super) fn new() -> Silent {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let addr = listener.local_addr().unwrap();
        let queue = (0..8).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&addr);
            socket
        });
        let queue = queue.collect();
        Silent { addr: addr.as_socket().unwrap().to_string(), _listener: listener, _queue: queue }
    }
}
