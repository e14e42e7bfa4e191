//! MQTT over WebSocket: Mongoose does the opening handshake, then the connection is ours, and frames are made and taken apart here.
//!
//! The receive buffer holds, in front, bytes that have been taken out of their frames, and behind them what has come in since. The
//! send buffer holds, in front, whole frames, and behind them what has been written since by whomever, the app's own calls
//! of Mongoose included: it is put into a frame before Mongoose gets to send it.

use super::lifecycle;
use super::object::Held;
use super::pump::{self, close_now, cloud_event, put, received};
use super::shim::{self, Cloud, Frames, Log};
use super::types::{Reason, mg_connection, mgos_mqtt_conn};
use crate::wire::websocket::{Piece, Unframer, apply_mask, frame_head, opcode};
use core::ffi::c_void;
use core::ptr::null_mut;

/// How far the connection has got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    /// It is not one over WebSocket.
    Off,
    /// Frames go both ways.
    Open,
    /// TCP and TLS are coming up.
    Connecting,
    /// The HTTP request was sent.
    Upgrading,
    /// The server has agreed. Mongoose's handler is still on the stack.
    Agreed,
}

/// The state of a connection over WebSocket.
pub struct WebSocket {
    stage: Stage,
    unframer: Unframer,
    /// Bytes at the front of the receive buffer that belong to MQTT.
    unframed: usize,
    /// Bytes at the front of the send buffer that are whole frames.
    framed: usize,
    /// A close frame has been written.
    close_is_sent: bool,
}

impl WebSocket {
    /// None.
    pub const NEW: Self = WebSocket { stage: Stage::Off, unframer: Unframer::NEW, unframed: 0, framed: 0, close_is_sent: false };

    /// A connection begins, over WebSocket or not.
    pub fn start(&mut self, enabled: bool) {
        *self = Self::NEW;
        if enabled {
            self.stage = Stage::Connecting;
        }
    }

    /// True if the connection is one over WebSocket.
    pub fn is_used(&self) -> bool {
        self.stage != Stage::Off
    }

    /// True while the handshake is Mongoose's affair: what is in the buffers is not MQTT.
    pub fn is_opening(&self) -> bool {
        self.stage > Stage::Open
    }

    /// How many of the `len` bytes received belong to MQTT.
    pub fn readable(&self, len: usize) -> usize {
        if self.stage == Stage::Open { self.unframed } else { len }
    }

    /// `n` bytes of MQTT have been dealt with.
    pub fn consumed(&mut self, n: usize) {
        self.unframed = self.unframed.saturating_sub(n);
    }

    /// Mongoose has sent `n` bytes.
    pub fn sent(&mut self, n: usize) {
        self.framed = self.framed.saturating_sub(n);
    }
}

/// TCP and TLS are up: asks for WebSocket.
pub fn upgrade(c: Held) {
    let object = c.get();
    object.websocket.stage = Stage::Upgrading;
    let nc = object.nc;
    let config = c.config();
    if config.is_null() {
        return close_now(c, Reason::Config);
    }
    // SAFETY: `nc` and the configuration are alive.
    if unsafe { shim::mgos_mqtt_shim_ws_upgrade(nc, config) } == 0 {
        c.say(Log::NoMemory);
        close_now(c, Reason::NoMemory);
    }
}

/// The server has answered: `reply` is Mongoose's `struct http_message`; or, with NULL, it may have
/// said more than there is room for.
pub fn answered(c: Held, reply: *mut c_void) {
    if c.get().websocket.stage != Stage::Upgrading {
        return;
    }
    let object = c.get();
    let (nc, id) = (object.nc, object.id as i32);
    // SAFETY: `nc` is alive, and the reply is NULL or what belongs to the event.
    match unsafe { shim::mgos_mqtt_shim_ws_agreed(nc, reply, id) } {
        1 => c.get().websocket.stage = Stage::Agreed,
        0 => {
            close_now(c, Reason::Refused);
            cloud_event(c, Cloud::ConnectError);
        }
        _ => {}
    }
}

/// Called at each event while the handshake is Mongoose's affair. Takes the connection over once the server has agreed.
pub fn opening(c: Held, nc: *mut mg_connection, is_poll: bool) {
    if is_poll {
        answered(c, null_mut());
    }
    if c.get().websocket.stage != Stage::Agreed {
        return;
    }
    // From now on Mongoose calls us directly. Its handler has returned when the next poll comes: only then may its data go.
    // SAFETY: `nc` is alive.
    unsafe { shim::mgos_mqtt_shim_ws_take_over(nc, is_poll as u32) };
    if is_poll {
        c.get().websocket.stage = Stage::Open;
        lifecycle::handshake(c);
    }
}

/// Takes what has come in out of its frames, and answers control frames. A close waits until the packets before it have been dealt with, unless
/// `to_the_end`.
pub fn unframe(c: Held, nc: *mut mg_connection, to_the_end: bool) {
    by_way_of_the_shim(c, nc, if to_the_end { Frames::OutOfToTheEnd } else { Frames::OutOf });
}

/// Puts what has been written since the last frame into one.
pub fn frame(c: Held, nc: *mut mg_connection) {
    if c.get().websocket.stage == Stage::Open {
        by_way_of_the_shim(c, nc, Frames::Into);
    }
}

/// Writes a close frame (RFC 6455, 5.5.1); all packets before it are in frames already.
pub fn close(c: Held, nc: *mut mg_connection) {
    if c.get().websocket.stage == Stage::Open {
        by_way_of_the_shim(c, nc, Frames::Close);
    }
}

/// All that knows of frames is called by the shim alone, and by that only where Mongoose has WebSocket: the linker leaves it out of other firmware.
fn by_way_of_the_shim(c: Held, nc: *mut mg_connection, what: Frames) {
    // SAFETY: `nc` is alive.
    unsafe { shim::mgos_mqtt_shim_ws_frames(c.ptr(), nc, what) };
}

/// Does what `mgos_mqtt_shim_ws_frames` was asked for.
///
/// # Safety
/// `c` is a connection object that the caller holds, and `nc` its live Mongoose connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_ws_frames(c: *mut mgos_mqtt_conn, nc: *mut mg_connection, what: Frames) {
    // SAFETY: by the contract.
    let Some(c) = (unsafe { Held::again(c) }) else { return };
    match what {
        Frames::Into => frame_as(c, nc, opcode::BINARY, false),
        Frames::Close => close_frame(c, nc, &NORMAL_CLOSURE),
        _ => take_out(c, nc, what == Frames::OutOfToTheEnd),
    }
}

fn take_out(c: Held, nc: *mut mg_connection, to_the_end: bool) {
    // What the app has written comes before an answer, and if there is no memory for its header, the log hook runs before anything is looked at.
    if c.get().websocket.stage == Stage::Open {
        frame_as(c, nc, opcode::BINARY, false);
    }
    while c.get().nc == nc && c.get().websocket.stage == Stage::Open {
        let at = c.get().websocket.unframed;
        let (bytes, _) = received(nc);
        let raw = bytes.get(at..).unwrap_or(&[]);
        let gone = match c.get().websocket.unframer.next(raw) {
            Ok(Piece::More) => return,
            Ok(Piece::Data(n)) => {
                c.get().websocket.unframed += n;
                0
            }
            Ok(Piece::Head(n)) => n,
            Ok(Piece::Control { opcode: opcode::CLOSE, .. }) if at > 0 && !to_the_end => return,
            Ok(Piece::Control { opcode, head, len }) => {
                if opcode != opcode::PONG {
                    let payload = raw.get(head..head + len).unwrap_or(&[]);
                    control(c, nc, opcode, payload);
                    // Without memory for the answer a log hook has run.
                    if c.get().nc != nc {
                        return;
                    }
                }
                head + len
            }
            Err(bad) => {
                c.log(Log::BadFrame, &[], bad as i32, 0);
                close_now(c, Reason::Violation);
                return;
            }
        };
        // SAFETY: `nc` is alive: nothing since has called the app.
        unsafe { shim::mgos_mqtt_shim_cut(nc, at, gone) };
    }
}

/// The status code 1000 (RFC 6455, 7.4.1).
const NORMAL_CLOSURE: [u8; 2] = [0x03, 0xe8];

/// Answers a ping with a pong, and a close with a close.
fn control(c: Held, nc: *mut mg_connection, opcode: u8, payload: &[u8]) {
    if opcode == opcode::CLOSE {
        close_frame(c, nc, payload);
        // Without memory for it a log hook has run.
        if c.get().nc != nc {
            return;
        }
        c.get().core.closing(0, 0);
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_close(nc, 1) };
        return;
    }
    // Without memory a ping stays unanswered. So does that of a server that does not read.
    // SAFETY: `nc` is alive.
    let unread = unsafe { shim::mgos_mqtt_shim_unsent(nc) } >= super::events::UNREAD;
    if !unread && put(nc, payload) {
        frame_as(c, nc, opcode::PONG, true);
    }
}

/// Writes a close frame, unless one has been written. Without memory the connection ends without.
fn close_frame(c: Held, nc: *mut mg_connection, payload: &[u8]) {
    if !core::mem::replace(&mut c.get().websocket.close_is_sent, true) && put(nc, payload) {
        frame_as(c, nc, opcode::CLOSE, true);
    }
}

fn frame_as(c: Held, nc: *mut mg_connection, opcode: u8, even_empty: bool) {
    let at = c.get().websocket.framed;
    // SAFETY: `nc` is alive; the bytes behind `at` lie in the send buffer, and nobody else looks at them meanwhile.
    unsafe {
        let len = shim::mgos_mqtt_shim_unsent(nc).saturating_sub(at);
        if len == 0 && !even_empty {
            return;
        }
        let mask = shim::mgos_mqtt_shim_random().to_ne_bytes();
        let head = frame_head(opcode, len, mask);
        let tail = shim::mgos_mqtt_shim_insert_unsent(nc, at, head.as_ptr(), head.len());
        if tail.is_null() {
            // Without its header what follows makes no sense to the server.
            c.say(Log::NoMemory);
            return pump::close_now(c, Reason::NoMemory);
        }
        apply_mask(core::slice::from_raw_parts_mut(tail, len), mask);
        c.get().websocket.framed = at + head.len() + len;
    }
}
