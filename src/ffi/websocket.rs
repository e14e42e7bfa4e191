//! MQTT over WebSocket. Mongoose does the opening handshake; then the connection is ours, and frames
//! are made and taken apart here. What has happened is returned; what follows from it is the
//! caller's matter.
//!
//! The receive buffer holds, in front, bytes that have been taken out of their frames, and behind
//! them what has come in since. The send buffer holds, in front, whole frames, and behind them what
//! has been written since, by the app's own calls of Mongoose too: it is put into a frame before
//! Mongoose gets to send it.

use super::app::NoApp;
use super::connection::{Connection, ConnectionRef};
use super::nc::{Nc, NcId};
use super::shim::{self, Frames};
use super::types::{mg_connection, mgos_mqtt_conn};
use crate::wire::websocket::{FrameError, FramePart, FrameReader, apply_mask, frame_header, opcode};
use core::ffi::c_void;
use core::num::NonZeroU32;
use core::ptr::null_mut;

/// How far a connection over WebSocket has got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Stage {
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
    unframer: FrameReader,
    /// Bytes at the front of the receive buffer that belong to MQTT.
    unframed: usize,
    /// Bytes at the front of the send buffer that are whole frames.
    framed: usize,
    /// A close frame has been written.
    close_is_sent: bool,
}

/// What has come of the handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It is not over.
    Pending,
    /// Frames go both ways: CONNECT is next.
    Open,
    /// The server has refused it; that has been logged.
    Refused,
    /// No memory.
    OutOfMemory,
}

/// Why the work on frames has ended early, as the number that crosses the seam.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interruption(NonZeroU32);

impl Interruption {
    /// The server has closed the WebSocket, and was answered.
    pub const CLOSED: Self = Interruption(NonZeroU32::MIN);
    /// There was no memory for the header of a frame: what follows makes no sense to the server.
    pub const OUT_OF_MEMORY: Self = Interruption(NonZeroU32::MIN.saturating_add(1));
    const BAD_FRAME: u32 = 256;

    /// The server has broken the protocol.
    fn bad_frame(error: FrameError) -> Self {
        Interruption(NonZeroU32::MIN.saturating_add(Self::BAD_FRAME - 1 + error as u32))
    }

    /// The rule that the server has broken, a `FrameError`.
    pub fn rule(self) -> i32 {
        (self.0.get() & (Self::BAD_FRAME - 1)) as i32
    }
}

impl WebSocket {
    /// None.
    pub const NEW: Self = WebSocket { unframer: FrameReader::NEW, unframed: 0, framed: 0, close_is_sent: false };

    /// `n` bytes of MQTT have been dealt with.
    pub fn consumed(&mut self, n: usize) {
        self.unframed = self.unframed.saturating_sub(n);
    }

    /// Mongoose has sent `n` bytes.
    pub fn sent(&mut self, n: usize) {
        self.framed = self.framed.saturating_sub(n);
    }

    /// Puts what has been written since the last frame into one; with `even_empty` also nothing.
    fn frame(&mut self, nc: &mut Nc<'_>, opcode: u8, even_empty: bool) -> Result<(), Interruption> {
        let at = self.framed;
        let len = nc.unsent().saturating_sub(at);
        if len == 0 && !even_empty {
            return Ok(());
        }
        // SAFETY: makes a number.
        let mask = unsafe { shim::mgos_mqtt_shim_random() }.to_ne_bytes();
        let head = frame_header(opcode, len, mask);
        let payload = nc.insert_unsent(at, &head).ok_or(Interruption::OUT_OF_MEMORY)?;
        apply_mask(payload, mask);
        self.framed = at + head.len() + len;
        Ok(())
    }

    /// Writes a close frame (RFC 6455, 5.5.1) with the payload that `put` writes, unless one has
    /// been written. Without memory for it the connection ends without.
    fn frame_close(&mut self, nc: &mut Nc<'_>, put: impl FnOnce(&mut Nc<'_>) -> bool) -> Result<(), Interruption> {
        if !core::mem::replace(&mut self.close_is_sent, true) && put(nc) {
            self.frame(nc, opcode::CLOSE, true)?;
        }
        Ok(())
    }

    /// Takes what has come in out of its frames, and answers control frames. A close waits until
    /// the packets before it have been dealt with, unless `to_the_end`.
    fn unframe(&mut self, nc: &mut Nc<'_>, to_the_end: bool) -> Result<(), Interruption> {
        // What the app has written goes before an answer.
        self.frame(nc, opcode::BINARY, false)?;
        loop {
            let at = self.unframed;
            let raw = nc.received().0.get(at..).unwrap_or(&[]);
            let gone = match self.unframer.next(raw).map_err(Interruption::bad_frame)? {
                FramePart::Incomplete => return Ok(()),
                FramePart::Payload(n) => {
                    self.unframed += n;
                    0
                }
                FramePart::Header(n) => n,
                FramePart::Control { opcode: opcode::CLOSE, head, len } => {
                    if at > 0 && !to_the_end {
                        return Ok(());
                    }
                    self.frame_close(nc, |nc| nc.echo(at + head, len))?;
                    nc.consume(at, head + len);
                    return Err(Interruption::CLOSED);
                }
                FramePart::Control { opcode, head, len } => {
                    // A ping stays unanswered without memory, and if the server does not read.
                    let answer = opcode == opcode::PING && !nc.is_backlogged();
                    if answer && nc.echo(at + head, len) {
                        self.frame(nc, opcode::PONG, true)?;
                    }
                    head + len
                }
            };
            nc.consume(at, gone);
        }
    }
}

impl Connection {
    /// A connection begins, over WebSocket or not.
    pub fn start_websocket(&mut self, enabled: bool) {
        self.websocket = WebSocket::NEW;
        self.stage = if enabled { Stage::Connecting } else { Stage::Off };
    }

    /// True if the connection is one over WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.stage != Stage::Off
    }

    /// True while Mongoose does the handshake: what is in the buffers is not MQTT.
    pub fn is_upgrading(&self) -> bool {
        self.stage > Stage::Open
    }

    /// True if there are frames to be made or taken apart.
    pub fn has_frames(&self) -> bool {
        self.stage == Stage::Open
    }

    /// How many of the `len` bytes received belong to MQTT.
    pub fn readable(&self, len: usize) -> usize {
        if self.has_frames() { self.websocket.unframed } else { len }
    }
}

/// The handshake has come to `stage`.
fn enter(c: ConnectionRef<'_>, t: &mut NoApp, stage: Stage) {
    c.get(t).stage = stage;
}

/// TCP and TLS are up: asks for WebSocket. False without memory.
pub fn upgrade(c: ConnectionRef<'_>, t: &mut NoApp) -> bool {
    enter(c, t, Stage::Upgrading);
    let Some((connection, mut nc)) = c.live(t) else { return true };
    connection.config().is_none_or(|config| nc.ws_upgrade(config))
}

/// The server has answered: `reply` is Mongoose's `struct http_message`; or, with NULL, it may have
/// said more than there is room for.
///
/// # Safety
/// `reply` is NULL, or what came with MG_EV_WEBSOCKET_HANDSHAKE_DONE.
pub unsafe fn answered(c: ConnectionRef<'_>, t: &mut NoApp, reply: *mut c_void) -> Opening {
    if c.look(t).stage != Stage::Upgrading {
        return Opening::Pending;
    }
    let Some(nc) = c.look(t).nc else { return Opening::Pending };
    // SAFETY: by the contract.
    match unsafe { c.ws_agreed(t, reply) } {
        1 => enter(c, t, Stage::Agreed),
        // The line about it may have run app code that has ended this connection.
        0 if c.is_on(t, nc) => return Opening::Refused,
        _ => {}
    }
    Opening::Pending
}

/// Called at each event while Mongoose does the handshake. Takes the connection over once the server
/// has agreed.
pub fn opening(c: ConnectionRef<'_>, t: &mut NoApp, is_poll: bool) -> Opening {
    // SAFETY: NULL.
    if is_poll && unsafe { answered(c, t, null_mut()) } == Opening::Refused {
        return Opening::Refused;
    }
    if c.look(t).stage != Stage::Agreed {
        return Opening::Pending;
    }
    let Some((connection, mut nc)) = c.live(t) else { return Opening::Pending };
    // From now on Mongoose calls us directly. Its handler has returned when the next poll comes:
    // only then may its data go.
    if !nc.ws_take_over(is_poll) {
        return Opening::OutOfMemory;
    }
    if !is_poll {
        return Opening::Pending;
    }
    connection.stage = Stage::Open;
    Opening::Open
}

/// Works on the frames of the live connection. It goes by way of the shim, which comes back only
/// where Mongoose has WebSocket: the linker leaves all of it out of other firmware.
pub fn frames(c: ConnectionRef<'_>, t: &mut NoApp, what: Frames) -> Result<(), Interruption> {
    let connection = c.get(t);
    let Some(nc) = connection.nc.filter(|_| connection.has_frames()) else { return Ok(()) };
    // SAFETY: `nc` is alive; no reference to the connection is.
    let result = unsafe { shim::mgos_mqtt_shim_ws_frames(c.ptr(), nc.ptr(), what) };
    NonZeroU32::new(result).map_or(Ok(()), |n| Err(Interruption(n)))
}

/// The status code 1000 (RFC 6455, 7.4.1).
const NORMAL_CLOSURE: [u8; 2] = [0x03, 0xe8];

/// Does what `mgos_mqtt_shim_ws_frames` was asked for. Returns 0; 1 if the server has closed the
/// WebSocket; 2 without memory; 256 and a `FrameError` if the server has broken the protocol.
///
/// # Safety
/// `c` is a connection object that a caller further up keeps alive, and `nc` its live Mongoose
/// connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_ws_frames(c: *mut mgos_mqtt_conn, nc: *mut mg_connection, what: Frames) -> u32 {
    // SAFETY: `frames` has lent its token to the call that led here.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract.
    let (Some(c), Some(nc)) = (unsafe { ConnectionRef::kept_alive(c) }, NcId::new(nc)) else { return 0 };
    let Some((connection, mut nc)) = c.live_as(t, nc) else { return 0 };
    let (websocket, nc) = (&mut connection.websocket, &mut nc);
    let result = match what {
        Frames::Into => websocket.frame(nc, opcode::BINARY, false),
        Frames::Close => websocket.frame_close(nc, |nc| nc.put(&NORMAL_CLOSURE)),
        Frames::OutOf | Frames::OutOfToTheEnd => websocket.unframe(nc, what == Frames::OutOfToTheEnd),
    };
    result.err().map_or(0, |why| why.0.get())
}
