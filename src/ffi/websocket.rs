//! MQTT over WebSocket. Mongoose does the opening handshake; then the connection is ours, and
//! frames are made and taken apart here. What has happened is returned; what follows from it is the
//! caller's matter.

use super::connection::{Connection, ConnectionRef};
use super::frames::{Interruption, NORMAL_CLOSURE, Stage, WebSocket};
use super::nc::NcId;
use super::shim::{self, Frames};
use super::token::NoApp;
use super::types::{mg_connection, mgos_mqtt_conn};
use crate::wire::websocket::opcode;
use core::ffi::c_void;
use core::num::NonZeroU32;
use core::ptr::null_mut;

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

impl Connection {
    /// A connection begins, over WebSocket or not.
    pub fn start_websocket(&mut self, enabled: bool) {
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
        self.websocket.get().is_some()
    }

    /// How many of the `len` bytes received belong to MQTT.
    pub fn readable(&self, len: usize) -> usize {
        self.websocket.get().map_or(len, |websocket| websocket.unframed)
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

/// Called at each event while Mongoose does the handshake. Takes the connection over once the
/// server has agreed.
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
    if connection.websocket.get_or_alloc(|| WebSocket::opened(nc.unsent())).is_err() {
        return Opening::OutOfMemory;
    }
    connection.stage = Stage::Open;
    Opening::Open
}

/// Works on the frames of the live connection. It goes by way of the shim, which comes back only
/// where Mongoose has WebSocket: the linker leaves all of it out of other firmware.
pub fn frames(c: ConnectionRef<'_>, t: &mut NoApp, what: Frames) -> Result<(), Interruption> {
    let connection = c.get(t);
    let Some(nc) = connection.nc else { return Ok(()) };
    // SAFETY: `nc` is alive; no reference to the connection is.
    let result = unsafe { shim::mgos_mqtt_shim_ws_frames(c.ptr(), nc.ptr(), what) };
    NonZeroU32::new(result).map_or(Ok(()), |n| Err(Interruption(n)))
}

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
    let (Some(websocket), nc) = (connection.websocket.get_mut(), &mut nc) else { return 0 };
    let result = match what {
        Frames::Into => websocket.frame(nc, opcode::BINARY, false),
        Frames::Close => websocket.frame_close(nc, |nc| nc.put(&NORMAL_CLOSURE)),
        Frames::OutOf | Frames::OutOfToTheEnd => websocket.unframe(nc, what == Frames::OutOfToTheEnd),
    };
    result.err().map_or(0, |why| why.0.get())
}
