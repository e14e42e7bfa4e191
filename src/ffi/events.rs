//! What Mongoose, the network, the timer and the shim tell us: entries from C.

use super::clock::{now, time_is_set};
use super::config::c_str;
use super::connection::{ConnectionGuard, ConnectionRef, Moment};
use super::deliver::{call_handlers, receive};
use super::frames::Stage;
use super::handshake::{self, note_app};
use super::hooks;
use super::lifecycle;
use super::nc::{Nc, NcId};
use super::notices::raise_events;
use super::publish;
use super::pump::{arm, frame_app_writes, pump};
use super::shim::Number;
use super::token::NoApp;
use super::types::{ReturnedU16, mg_connection, mgos_mqtt_conn};
use super::websocket;
use crate::session::RequestError;
use core::ffi::{c_char, c_int, c_void};

const MG_EV_POLL: c_int = 0;
const MG_EV_CONNECT: c_int = 2;
const MG_EV_RECV: c_int = 3;
const MG_EV_SEND: c_int = 4;
const MG_EV_CLOSE: c_int = 5;
const MG_EV_WEBSOCKET_HANDSHAKE_DONE: c_int = 112;

/// Mongoose's handler of our connections; `user_data` is the connection object. Exported because
/// the original's is; apps have no use for it.
///
/// # Safety
/// As Mongoose calls its handlers: `nc` is alive, `user_data` is NULL or a live connection object,
/// `ev_data` is what belongs to `ev`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_ev(nc: *mut mg_connection, ev: c_int, ev_data: *mut c_void, user_data: *mut c_void) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    let Some(nc) = NcId::new(nc) else { return };
    // SAFETY: by the contract; nothing is borrowed yet.
    let guard = unsafe { ConnectionGuard::keep_idle(user_data.cast()) };
    match &guard {
        // SAFETY: by the contract.
        Some(guard) if guard.get().is_on(t, nc) => unsafe { on_event(guard.get(), t, nc, ev, ev_data) },
        // It belongs to nobody any more.
        // SAFETY: by the contract it is alive, and nothing runs until it is closed.
        _ => unsafe { Nc::new(nc) }.close(false),
    }
}

/// # Safety
/// As for [`mgos_mqtt_ev`]; `nc` is the connection's.
unsafe fn on_event(c: ConnectionRef<'_>, t: &mut NoApp, nc: NcId, ev: c_int, ev_data: *mut c_void) {
    if ev == MG_EV_RECV || ev == MG_EV_SEND {
        // SAFETY: these events come with the address of an int.
        count_bytes(c, t, ev == MG_EV_SEND, unsafe { *ev_data.cast::<c_int>() });
    }
    let connection = c.get(t);
    if ev != MG_EV_POLL {
        connection.poll_idle = false;
    }
    // A handler runs the event loop itself. What came in meanwhile waits in the buffer until that
    // handler has returned; so does the news of the connection's end, but the connection itself is
    // gone.
    let nested = core::mem::replace(&mut connection.delivering, true);
    if nested && ev == MG_EV_CLOSE {
        connection.nc = None;
        connection.core.closing(0, 0);
        connection.close_pending = true;
        return;
    }
    if connection.is_upgrading() {
        let opening = websocket::opening(c, t, ev == MG_EV_POLL);
        handshake::opened(c, t, opening);
    }
    match ev {
        MG_EV_POLL if !nested => {
            if c.is_on(t, nc) {
                poll(c, t, nc);
            }
            // SAFETY: it is what came with this event.
            unsafe { call_handlers(c, t, ev, ev_data) };
        }
        // No handler hears of these two, so they need not wait.
        // SAFETY: this event comes with the address of an int.
        MG_EV_CONNECT => handshake::connected(c, t, unsafe { *ev_data.cast::<c_int>() }),
        MG_EV_WEBSOCKET_HANDSHAKE_DONE => {
            // SAFETY: it is what came with this event.
            let opening = unsafe { websocket::answered(c, t, ev_data) };
            handshake::opened(c, t, opening);
        }
        MG_EV_RECV if nested => c.get(t).core.session.bytes_received(now()),
        _ if nested => {}
        MG_EV_RECV => receive(c, t, nc, true),
        MG_EV_CLOSE => lifecycle::closed(c, t),
        MG_EV_SEND if c.look(t).core.session.may_have_more() => pump(c, t),
        _ => {}
    }
    if nested {
        frame_app_writes(c, t);
        return;
    }
    while core::mem::take(&mut c.get(t).close_pending) {
        lifecycle::closed(c, t);
    }
    // Whatever handlers have written by themselves.
    if c.is_on(t, nc) {
        frame_app_writes(c, t);
    }
    let connection = c.get(t);
    connection.delivering = false;
    if connection.has_events() && connection.events_at == 0 {
        // More may come with it.
        arm(c, t);
    }
    tell(c, t);
}

/// Tells the app what it is told in the event loop only. What it writes by itself meanwhile is put into
/// frames, or kept until the packet before it is complete, before Mongoose sends it.
fn tell(c: ConnectionRef<'_>, t: &mut NoApp) {
    raise_events(c, t);
    hooks::run(c, t, Moment::Round, 0);
    frame_app_writes(c, t);
}

/// The event loop goes round.
fn poll(c: ConnectionRef<'_>, t: &mut NoApp, nc: NcId) {
    if !c.look(t).is_upgrading() {
        note_app(c, t);
    }
    let Some((connection, live)) = c.live_as(t, nc) else { return };
    if connection.poll_idle {
        return;
    }
    let unsent = live.unsent();
    // Whatever has to be tried again takes this back.
    connection.poll_idle = !connection.is_websocket() && unsent == 0;
    connection.core.session.polled(unsent, now());
    lifecycle::wake(c, t);
    pump(c, t);
    receive(c, t, nc, false);
}

/// Counts what the link has taken or brought, but for the opening of a WebSocket.
fn count_bytes(c: ConnectionRef<'_>, t: &mut NoApp, sent: bool, n: c_int) {
    let Some((connection, nc)) = c.live(t).filter(|_| n > 0) else { return };
    let count = n as usize;
    let mut bytes = &mut connection.counters.bytes_received;
    if sent {
        if let Some(websocket) = connection.websocket.get_mut() {
            websocket.sent(count);
        }
        connection.accounted = connection.accounted.saturating_sub(count);
        bytes = &mut connection.counters.bytes_sent;
    }
    // Mongoose tells of some bytes of the opening of a WebSocket twice.
    if connection.stage > Stage::Open {
        return;
    }
    *bytes = bytes.wrapping_add(n as u32);
    if sent {
        connection.core.session.transmitted(count, nc.unsent(), now());
    }
}

/// The timer that `mgos_mqtt_shim_timer` has set. It repeats, so that there is one even where memory
/// for the next is lacking.
///
/// # Safety
/// `c` is a live connection object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_timer(c: *mut mgos_mqtt_conn) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { ConnectionGuard::new(c) }) else { return };
    let c = guard.get();
    c.get(t).timer_fired(now());
    lifecycle::wake(c, t);
    pump(c, t);
    tell(c, t);
}

/// The network has come up (`up` = 1) or gone down (0).
///
/// # Safety
/// `c` is a live connection object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_net(c: *mut mgos_mqtt_conn, up: u32) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { ConnectionGuard::new(c) }) else { return };
    let c = guard.get();
    let connection = c.get(t);
    if up == 0 {
        connection.core.network_down();
    } else {
        connection.core.network_up(now());
        if connection.core.is_wanted() && connection.number(Number::Enable) != 0 {
            lifecycle::connect(c, t);
        }
    }
    pump(c, t);
}

/// The wall clock has been set.
///
/// # Safety
/// `c` is a live connection object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_time_set(c: *mut mgos_mqtt_conn) {
    // SAFETY: nothing is borrowed yet.
    let t = &unsafe { NoApp::enter() };
    // SAFETY: by the contract; no app code runs here.
    let waits = unsafe { ConnectionRef::kept_alive(c) }.is_some_and(|c| c.look(t).core.awaiting_time);
    if waits && time_is_set() {
        // SAFETY: by the contract; nothing is borrowed any more.
        unsafe { mgos_mqtt_core_net(c, 1) };
    }
}

/// The shim could not make a message for lack of memory: an error in the log, and the message
/// counts as dropped. Returns 0.
///
/// # Safety
/// `c` is alive; `topic` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_pub_failed(c: *mut mgos_mqtt_conn, topic: *const c_char) -> ReturnedU16 {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { ConnectionGuard::new(c) }) else { return 0 };
    // SAFETY: by the contract.
    let topic = unsafe { c_str(topic) }.unwrap_or(&[]);
    publish::refuse(guard.get(), t, topic, RequestError::OutOfMemory)
}
