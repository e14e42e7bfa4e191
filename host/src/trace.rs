//! Looking on: what every connection says and hears, before TLS, for `--pcap` and `--trace`. Here: what is asked for,
//! and each connection's beginning, data and end. The file is written in trace/capture.rs, lines are made in trace/packets.rs, WebSocket is taken
//! off in trace/ws_unwrap.rs.

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

use crate::{addr, conn::Conn, sync::lock};
use capture::{Capture, Side, Stream};
use packets::PacketTrace;
use ws_unwrap::WsUnwrap;

/// What the arguments ask for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Where to write the capture.
    pub(crate) pcap: Option<PathBuf>,
    /// A line for each packet, on stderr.
    pub(crate) trace: bool,
}

static CAPTURE: OnceLock<Mutex<Capture>> = OnceLock::new();
/// Since when lines are printed.
static TRACE: OnceLock<Instant> = OnceLock::new();
/// How many connections have been traced.
static TRACED: AtomicU32 = AtomicU32::new(0);

/// One connection that is looked at.
pub(crate) struct Observed {
    here: Side,
    stream: Stream,
    /// What is inside WebSocket, as a connection of its own.
    unwrapped: Option<Stream>,
    /// Of client and server.
    ws: [WsUnwrap; 2],
    /// Its number, and what its lines are made from.
    trace: Option<(u32, PacketTrace)>,
}

/// To be called once, before there is any connection.
pub(crate) fn begin(options: &Options) -> Result<(), String> {
    // These are the only calls, so nothing is there.
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
    // The machine's time: that of the app may be anything.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// One line of the trace. Not to the log: its handlers may call anything, and the connection is in the midst of something.
fn print(number: u32, text: &str) {
    if let Some(begin) = TRACE.get() {
        eprintln!("trace {:9.3} #{number} {text}", begin.elapsed().as_secs_f64());
    }
}

/// The connection is there: both sides can speak.
pub(crate) fn opened(conn: Conn) {
    if CAPTURE.get().is_none() && TRACE.get().is_none() {
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
    conn.state(|s| s.observed = Some(Box::new(Observed { here, stream, unwrapped: None, ws: [WsUnwrap::new(), WsUnwrap::new()], trace })));
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
            trace.close(|line| print(*number, &line));
        }
        let Some(capture) = CAPTURE.get() else { return Ok(()) };
        let mut capture = lock(capture);
        capture.close(&mut self.stream, now())?;
        self.unwrapped.as_mut().map_or(Ok(()), |unwrapped| capture.close(unwrapped, now()))
    }
}

/// Does something with what is known of the connection. When the file can't be written it is the last time for it.
fn with_observed(conn: Conn, what: impl FnOnce(&mut Observed) -> std::io::Result<()>) {
    let failed = conn.state(|s| s.observed.as_mut().and_then(|w| what(w).err()));
    if let (Some(e), Some(capture)) = (failed, CAPTURE.get()) {
        eprintln!("--pcap: writing failed, and ends here: {e}");
        lock(capture).end();
    }
}

/// Bytes have come in.
pub(crate) fn received(conn: Conn, bytes: &[u8]) {
    with_observed(conn, |w| w.data(w.here.other(), bytes));
}

/// Bytes have gone out.
pub(crate) fn sent(conn: Conn, bytes: &[u8]) {
    with_observed(conn, |w| w.data(w.here, bytes));
}

/// The connection ends.
pub(crate) fn closed(conn: Conn) {
    with_observed(conn, Observed::close);
    conn.state(|s| s.observed = None);
}
