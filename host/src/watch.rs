//! Looking on: what every connection says and hears, before TLS, for `--pcap` and `--trace`. Here: what is asked for,
//! and each connection's beginning, data and end. The file is written in watch/capture.rs, lines in watch/trace.rs.

mod capture;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Mutex, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{addr, conn::Conn, sync::lock};
use capture::{Capture, Side, Stream};

/// What the arguments ask for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Where to write the capture.
    pub(crate) pcap: Option<PathBuf>,
}

static CAPTURE: OnceLock<Mutex<Capture>> = OnceLock::new();

/// One connection that is looked at.
pub(crate) struct Watched {
    stream: Stream,
}

/// To be called once, before there is any connection.
pub(crate) fn begin(wishes: &Wishes) -> Result<(), String> {
    if let Some(file) = &wishes.pcap {
        let capture = Capture::create(file).map_err(|e| format!("--pcap: cannot write {}: {e}", file.display()))?;
        // It is the only call, so nothing is there.
        let _ = CAPTURE.set(Mutex::new(capture));
    }
    Ok(())
}

fn now() -> Duration {
    // The machine's time: that of the app may be anything.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The connection is there: both sides can speak.
pub(crate) fn opened(conn: Conn) {
    if CAPTURE.get().is_none() {
        return;
    }
    let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let here = conn.local_addr().unwrap_or(unknown);
    let there = addr::from_c(&conn.peer()).unwrap_or(unknown);
    // SAFETY: a Conn points to a connection that is not freed.
    let is_server = unsafe { !(*conn.ptr()).listener.is_null() };
    let stream = if is_server { Stream::new(there, here, Side::Server) } else { Stream::new(here, there, Side::Client) };
    conn.state(|s| s.looked_at = Some(Box::new(Watched { stream })));
}

/// Does something with the capture. When that fails it is the last time.
fn capture(conn: Conn, what: impl FnOnce(&mut Capture, &mut Stream) -> std::io::Result<()>) {
    let Some(file) = CAPTURE.get() else { return };
    let failed = conn.state(|s| s.looked_at.as_mut().and_then(|w| what(&mut lock(file), &mut w.stream).err()));
    if let Some(e) = failed {
        // Not to the log: its handlers may call anything, and the connection is in the midst of something.
        eprintln!("--pcap: writing failed, and ends here: {e}");
        lock(file).end();
    }
}

/// Bytes have come in.
pub(crate) fn received(conn: Conn, bytes: &[u8]) {
    capture(conn, |file, stream| file.data(stream, stream.here().other(), bytes, now()));
}

/// Bytes have gone out.
pub(crate) fn sent(conn: Conn, bytes: &[u8]) {
    capture(conn, |file, stream| file.data(stream, stream.here(), bytes, now()));
}

/// The connection ends.
pub(crate) fn closed(conn: Conn) {
    capture(conn, |file, stream| file.close(stream, now()));
    conn.state(|s| s.looked_at = None);
}
