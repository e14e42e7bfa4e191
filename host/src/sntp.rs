//! SNTP clients of mongoose/mg_sntp.h, over UDP. Packets are parsed by the crate ntp-parser.

use std::ffi::{CString, c_char, c_int, c_void};

use ntp_parser::{NtpMode, NtpPacket, parse_ntp};

use crate::{abi::*, addr, clock, conn::Conn, connect::mg_connect, io, log::log, websocket::tell};

/// Length of a packet without extensions.
const PACKET: usize = 48;
/// First byte of a request: version 4, mode client.
const REQUEST: u8 = 4 << 3 | 3;
/// From 1900, NTP's epoch, to 1970.
const EPOCH: f64 = 2_208_988_800.0;
/// Seconds of an NTP era.
const ERA: f64 = 4_294_967_296.0;
const DEFAULT_PORT: u16 = 123;

/// Of mg_sntp_get_time().
const ATTEMPTS: usize = 3;
const INTERVAL: f64 = 10.0;

/// An NTP timestamp: seconds since 1900, modulo an era, and their fraction.
fn timestamp(unix: f64) -> u64 {
    let seconds = (unix + EPOCH).rem_euclid(ERA);
    (seconds * ERA) as u64
}

/// As seconds since 1970. Timestamps before 1968 are of the era that begins in 2036.
fn unix(timestamp: u64) -> f64 {
    let era = if timestamp >> 63 == 0 { ERA } else { 0.0 };
    timestamp as f64 / ERA + era - EPOCH
}

fn request(now: f64) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = REQUEST;
    packet[PACKET - 8..].copy_from_slice(&timestamp(now).to_be_bytes());
    packet
}

/// The time that a reply tells, now that it is `now`; `None` if it is not one.
fn reply(bytes: &[u8], now: f64) -> Option<SntpMessage> {
    let (mode, stratum, ts) = match parse_ntp(bytes.get(..PACKET)?).ok()?.1 {
        NtpPacket::V3(p) => (p.mode, p.stratum, [p.ts_orig, p.ts_recv, p.ts_xmit]),
        NtpPacket::V4(p) => (p.mode, p.stratum, [p.ts_orig, p.ts_recv, p.ts_xmit]),
    };
    if mode != NtpMode::Server {
        return None;
    }
    let [asked, received, sent] = ts.map(unix);
    // The reply took half of the time that was not spent in the server.
    let on_the_way = ((now - asked) - (sent - received)).max(0.0) / 2.0;
    Some(SntpMessage { kiss_of_death: c_int::from(stratum == 0), time: sent + on_the_way })
}

/// What was received, which is then removed.
fn take(conn: Conn) -> Vec<u8> {
    let mbuf = conn.recv_mbuf();
    // SAFETY: the connection owns the mbuf, which holds `len` bytes.
    unsafe {
        let bytes = MgStr { p: (*mbuf).buf, len: (*mbuf).len }.bytes().to_vec();
        mbuf_remove(mbuf, bytes.len());
        bytes
    }
}

/// The event of what was received, and its data.
fn event(conn: Conn) -> (c_int, Option<SntpMessage>) {
    match reply(&take(conn), clock::wall()) {
        Some(message) => (EV_SNTP_REPLY, Some(message)),
        None => {
            log!(Error, "{:?} {}: this is no SNTP reply", conn.ptr(), conn.peer_text());
            (EV_SNTP_MALFORMED_REPLY, None)
        }
    }
}

fn deliver(conn: Conn, ev: c_int, message: Option<SntpMessage>) {
    let mut message = message;
    tell(conn, ev, message.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut));
}

/// The protocol handler of mg_sntp_connect().
unsafe extern "C" fn sntp_handler(nc: *mut MgConnection, ev: c_int, data: *mut c_void, _: *mut c_void) {
    // SAFETY: handlers are called with live connections.
    let Some(conn) = (unsafe { Conn::new(nc) }) else { return };
    tell(conn, ev, data);
    if ev == EV_RECV && !conn.closed() {
        let (ev, message) = event(conn);
        deliver(conn, ev, message);
    }
}

/// The state of mg_sntp_get_time(), in proto_data.
struct Attempts {
    left: usize,
    done: bool,
}

unsafe extern "C" fn free_attempts(data: *mut c_void) {
    // SAFETY: the destructor of what mg_sntp_get_time() made, called once.
    drop(unsafe { Box::from_raw(data.cast::<Attempts>()) });
}

/// Accesses the state. `f` must not call into C.
fn attempts<R>(conn: Conn, f: impl FnOnce(&mut Attempts) -> R) -> R {
    // SAFETY: proto_data is a Box<Attempts> until the connection is destroyed, and `f` has the only
    // reference.
    f(unsafe { &mut *(*conn.ptr()).proto_data.cast::<Attempts>() })
}

/// Asks, or gives up after the last attempt.
fn attempt(conn: Conn) {
    let goes_on = attempts(conn, |a| {
        let goes_on = a.left > 0;
        a.left = a.left.saturating_sub(1);
        goes_on
    });
    if goes_on {
        io::append(conn, &request(clock::wall()));
        conn.set_timer(clock::wall() + INTERVAL);
    } else {
        end(conn, EV_SNTP_FAILED, None);
    }
}

/// Tells the result, once, and closes the connection.
fn end(conn: Conn, ev: c_int, message: Option<SntpMessage>) {
    if !attempts(conn, |a| std::mem::replace(&mut a.done, true)) {
        conn.set(F_CLOSE_IMMEDIATELY);
        deliver(conn, ev, message);
    }
}

/// The protocol handler of mg_sntp_get_time(): the app gets only the result.
unsafe extern "C" fn query_handler(nc: *mut MgConnection, ev: c_int, data: *mut c_void, _: *mut c_void) {
    // SAFETY: handlers are called with live connections.
    let Some(conn) = (unsafe { Conn::new(nc) }) else { return };
    match ev {
        // SAFETY: this event carries an int.
        EV_CONNECT if unsafe { *data.cast::<c_int>() } == 0 => attempt(conn),
        EV_TIMER => attempt(conn),
        EV_RECV => {
            if let (EV_SNTP_REPLY, message) = event(conn) {
                end(conn, EV_SNTP_REPLY, message);
            }
        }
        EV_CLOSE => end(conn, EV_SNTP_FAILED, None),
        _ => {}
    }
}

/// Connects to HOST[:PORT].
///
/// # Safety
/// As for [`mg_connect`].
unsafe fn connect(mgr: *mut MgMgr, handler: Handler, user_data: *mut c_void, server: *const c_char) -> Option<Conn> {
    // SAFETY: upheld by the caller, see `# Safety`.
    let server = unsafe { addr::text(server) }.unwrap_or_default();
    let bare = server.strip_prefix("udp://").unwrap_or(server);
    let has_port = addr::parse(bare).is_some();
    let address = if has_port { format!("udp://{bare}") } else { format!("udp://{bare}:{DEFAULT_PORT}") };
    let address = CString::new(address).unwrap_or_default();
    // SAFETY: upheld by the caller; the result is NULL or live.
    unsafe { Conn::new(mg_connect(mgr, address.as_ptr(), handler, user_data)) }
}

/// `mg_sntp_connect()`
///
/// # Safety
/// `mgr` was initialised, `server` is NUL-terminated, and `handler` may be called with `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_sntp_connect(
    mgr: *mut MgMgr,
    handler: Handler,
    user_data: *mut c_void,
    server: *const c_char,
) -> *mut MgConnection {
    // SAFETY: upheld by the caller; the connection was just created.
    unsafe {
        let Some(conn) = connect(mgr, handler, user_data, server) else { return std::ptr::null_mut() };
        (*conn.ptr()).proto_handler = Some(sntp_handler);
        conn.ptr()
    }
}

/// `mg_sntp_send_request()`
///
/// # Safety
/// `nc` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_sntp_send_request(nc: *mut MgConnection) {
    // SAFETY: upheld by the caller, see `# Safety`.
    if let Some(conn) = unsafe { Conn::new(nc) } {
        io::append(conn, &request(clock::wall()));
    }
}

/// `mg_sntp_get_time()`
///
/// # Safety
/// As for [`mg_sntp_connect`], with NULL as user data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_sntp_get_time(mgr: *mut MgMgr, handler: Handler, server: *const c_char) -> *mut MgConnection {
    // SAFETY: upheld by the caller; the connection was just created.
    unsafe {
        let Some(conn) = connect(mgr, handler, std::ptr::null_mut(), server) else { return std::ptr::null_mut() };
        let nc = conn.ptr();
        (*nc).proto_handler = Some(query_handler);
        (*nc).proto_data = Box::into_raw(Box::new(Attempts { left: ATTEMPTS, done: false })).cast();
        (*nc).proto_data_destructor = Some(free_attempts);
        nc
    }
}

/// A reply to a request sent at `asked`, of a server whose clock is 100 s ahead and that answers
/// after 2 s.
#[cfg(test)]
pub(crate) fn answer(asked: f64) -> [u8; PACKET] {
    let mut packet = request(asked);
    packet[0] = 4 << 3 | 4;
    packet[1] = 2;
    for (at, time) in [(24, asked), (32, asked + 100.5), (40, asked + 102.5)] {
        packet[at..at + 8].copy_from_slice(&timestamp(time).to_be_bytes());
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_survive_conversion_in_this_era_and_the_next() {
        for seconds in [1.0e9, 1_764_000_000.25, 2_085_978_495.0, 2_085_978_497.5, 4.0e9] {
            assert!((unix(timestamp(seconds)) - seconds).abs() < 1e-5, "{seconds}");
        }
    }

    #[test]
    fn the_time_of_a_reply_includes_its_way() {
        let asked = 1_764_000_000.0;
        // On the way for half a second each.
        let message = reply(&answer(asked), asked + 3.0).unwrap();
        assert!((message.time - (asked + 103.0)).abs() < 1e-3, "{}", message.time - asked);
        assert_eq!(message.kiss_of_death, 0);
        let mut farewell = answer(asked);
        farewell[1] = 0;
        assert_eq!(reply(&farewell, asked).unwrap().kiss_of_death, 1);
    }

    #[test]
    fn what_is_cut_off_or_no_reply_is_malformed() {
        let packet = answer(1.0e9);
        assert_eq!(reply(&packet[..47], 1.0e9), None);
        assert_eq!(reply(&request(1.0e9), 1.0e9), None, "a request");
        assert_eq!(reply(&[0; PACKET], 1.0e9), None);
    }
}
