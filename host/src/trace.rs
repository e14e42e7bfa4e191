//! Observes what every connection sends and receives, before TLS, for `--pcap` and `--trace`. Here:
//! the options, and each connection's start, data and end. trace/capture.rs writes the file,
//! trace/packets.rs makes the lines, trace/ws_unwrap.rs removes WebSocket framing.

mod capture;
mod format;
mod packets;
mod ws_unwrap;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{abi::F_UDP, addr, conn::Conn, sync::lock};
use capture::{Capture, Side, Stream};
use packets::PacketTrace;
use ws_unwrap::WsUnwrap;

/// Requested output.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// File for the capture.
    pub(crate) pcap: Option<PathBuf>,
    /// Print a line for each packet on stderr.
    pub(crate) trace: bool,
}

static CAPTURE: OnceLock<Mutex<Capture>> = OnceLock::new();
/// When tracing started.
static TRACE: OnceLock<Instant> = OnceLock::new();
/// Number of traced connections.
static TRACED: AtomicU32 = AtomicU32::new(0);

/// An observed connection.
pub(crate) struct Observed {
    here: Side,
    stream: Stream,
    /// The content of WebSocket frames, as a separate connection.
    unwrapped: Option<Stream>,
    /// Client and server.
    ws: [WsUnwrap; 2],
    /// Its number, and its packet decoder.
    trace: Option<(u32, PacketTrace)>,
    /// The other side closed it, or the link broke.
    ended: bool,
}

/// Called once, before there are connections.
pub(crate) fn begin(options: &Options) -> Result<(), String> {
    // Called only once, so the cells are empty.
    if let Some(file) = &options.pcap {
        let capture = Capture::create(file).map_err(|e| format!("--pcap: cannot write {}: {e}", file.display()))?;
        let _ = CAPTURE.set(Mutex::new(capture));
    }
    if options.trace {
        let _ = TRACE.set(Instant::now());
    }
    Ok(())
}

fn now() -> Duration {
    // The machine's time: the app may set its own to anything.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Prints a line of the trace. Not logged: log handlers may call anything, and the connection is in
/// the middle of an operation.
fn print(number: u32, text: &str) {
    if let Some(begin) = TRACE.get() {
        eprintln!("trace {:9.3} #{number} {text}", begin.elapsed().as_secs_f64());
    }
}

/// The connection is established. UDP is not captured.
pub(crate) fn opened(conn: Conn) {
    if conn.has(F_UDP) || CAPTURE.get().is_none() && TRACE.get().is_none() {
        return;
    }
    let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let local = conn.local_addr().unwrap_or(unknown);
    let there = addr::from_c(&conn.peer()).unwrap_or(unknown);
    // SAFETY: a Conn points to a connection that is not freed.
    let is_server = unsafe { !(*conn.ptr()).listener.is_null() };
    let (here, client, server) = if is_server { (Side::Server, there, local) } else { (Side::Client, local, there) };
    let trace = TRACE.get().map(|_| {
        let number = TRACED.fetch_add(1, Relaxed) + 1;
        print(number, &format!("{} {there}", if is_server { "accepted from" } else { "connected to" }));
        (number, PacketTrace::new(here))
    });
    let stream = Stream::new(client, server, here);
    conn.state(|s| {
        s.observed = Some(Box::new(Observed { here, stream, unwrapped: None, ws: [WsUnwrap::new(), WsUnwrap::new()], trace, ended: false }))
    });
}

impl Observed {
    fn data(&mut self, from: Side, bytes: &[u8]) -> std::io::Result<()> {
        let ws = &mut self.ws[from as usize];
        let said = ws.take(bytes);
        if let Some((number, trace)) = &mut self.trace {
            trace.data(from, &said, |line| print(*number, &line));
        }
        let Some(capture) = CAPTURE.get() else { return Ok(()) };
        let mut capture = lock(capture);
        capture.data(&mut self.stream, from, bytes, now())?;
        if ws.is_websocket() && !said.is_empty() {
            let unwrapped = self.unwrapped.get_or_insert_with(|| self.stream.another());
            capture.data(unwrapped, from, &said, now())?;
        }
        Ok(())
    }

    fn close(&mut self) -> std::io::Result<()> {
        if let Some((number, trace)) = &self.trace {
            trace.close(self.ended, |line| print(*number, &line));
        }
        let Some(capture) = CAPTURE.get() else { return Ok(()) };
        let mut capture = lock(capture);
        capture.close(&mut self.stream, now())?;
        self.unwrapped.as_mut().map_or(Ok(()), |unwrapped| capture.close(unwrapped, now()))
    }
}

/// Accesses the connection's state. If writing the file fails, capturing ends.
fn with_observed(conn: Conn, what: impl FnOnce(&mut Observed) -> std::io::Result<()>) {
    let failed = conn.state(|s| s.observed.as_mut().and_then(|w| what(w).err()));
    if let (Some(e), Some(capture)) = (failed, CAPTURE.get()) {
        eprintln!("--pcap: writing failed, capture stopped: {e}");
        lock(capture).end();
    }
}

/// Bytes were received.
pub(crate) fn received(conn: Conn, bytes: &[u8]) {
    with_observed(conn, |w| w.data(w.here.other(), bytes));
}

/// Bytes were sent.
pub(crate) fn sent(conn: Conn, bytes: &[u8]) {
    with_observed(conn, |w| w.data(w.here, bytes));
}

/// The other side closed the connection, or the link broke.
pub(crate) fn ended(conn: Conn) {
    with_observed(conn, |w| {
        w.ended = true;
        Ok(())
    });
}

/// The connection closed.
pub(crate) fn closed(conn: Conn) {
    with_observed(conn, Observed::close);
    conn.state(|s| s.observed = None);
}
