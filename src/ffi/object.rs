//! The connection object behind `struct mgos_mqtt_conn *`: the sans-IO core and the C pointers that go with it, and the guard that
//! keeps it alive while C runs.

use super::shim::{self, Log, Number};
use super::types::{Reason, mg_connection, mgos_config_mqtt, mgos_mqtt_conn, mgos_mqtt_connect_fn_t};
use super::websocket::WebSocket;
use crate::conn::{Conn, Slot};
use crate::heap::{self, List};
use crate::session::GivenUp;
use crate::wire::QoS;
use core::ffi::{CStr, c_char, c_void};
use core::ptr::NonNull;

/// A handler of the app's: its address, `mg_event_handler_t` or, of subscriptions that want messages only, `sub_handler_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Handler {
    /// NULL only for a `sub_handler_t`.
    pub address: *const c_void,
    /// Handed back to it.
    pub user_data: *mut c_void,
}

/// What `struct mgos_mqtt_conn` is on this side of the seam. Small fields stand first, where the shortest instructions reach them.
#[repr(C)]
pub struct Object {
    /// The Mongoose connection, from the beginning of an attempt until its MG_EV_CLOSE.
    pub(super) nc: *mut mg_connection,
    /// Nothing is to be done at a poll but to call the handlers: all that there is to do waits for another event, for the timer or for a
    /// call of the app, and each of these ends it.
    pub(super) quiet: bool,
    /// A packet or an event is being dealt with: another must wait.
    pub(super) delivering: bool,
    /// The connection has ended while something was being dealt with; the app is to be told of it.
    pub(super) closed_meanwhile: bool,
    /// To be freed when the last [`Hold`] ends.
    pub(super) doomed: bool,
    /// Why this connection is being closed, a [`Reason`]; 0 where it is not by us.
    pub(super) closing: u8,
    /// The app was told of this connection by a cloud event, and so is to be told of its end.
    pub(super) announced: bool,
    /// An attempt is about to begin.
    pub(super) beginning: bool,
    /// Why the last has ended.
    pub(super) last_reason: u8,
    /// What `set_max_qos` was given, plus 1; 0 for what the configuration says.
    pub(super) max_qos: u8,
    /// It has been logged that the broker takes messages at QoS 2 at QoS 1.
    pub(super) downgraded: bool,
    /// A message that was given up has been logged since the event loop last went round.
    pub(super) overflow_logged: bool,
    /// The app has written a PUBACK: messages that nobody has subscribed to are its to acknowledge.
    pub(super) app_acks: bool,
    /// Messages that it has not acknowledged; beyond [`UNACKED`](super::events::UNACKED) it has been told.
    pub(super) unacked: u8,
    /// Messages set aside of which the app is to be told by an event, the first and the last of them,
    pub(super) set_aside: GivenUp,
    /// and subscriptions refused.
    pub(super) refused: u16,
    /// When the app is to be told; 0 if it is not known yet.
    pub(super) news_at: u32,
    /// Bytes at the front of the send buffer of which it is known who has written them.
    pub(super) seen: usize,
    /// An attempt waits for the wall clock to be set.
    pub(super) needs_time: bool,
    /// How many connections in a row have ended before CONNACK, the server having been reached.
    pub(super) unanswered: u8,
    /// It has been logged that a topic has control characters.
    pub(super) control_characters: bool,
    pub(super) id: i16,
    holds: u16,
    /// One for each [`Slot`].
    pub(super) configs: [*const mgos_config_mqtt; 3],
    pub(super) timer: usize,
    /// When the timer fires.
    pub(super) timer_at: u32,
    /// Of the connection's events.
    pub(super) handlers: List<Handler>,
    pub(super) core: Conn<Handler>,
    pub(super) websocket: WebSocket,
    pub(super) connect_fn: mgos_mqtt_connect_fn_t,
    pub(super) connect_arg: *mut c_void,
}

impl Object {
    /// One without a configuration. All zeros, so that making one is filling memory with them.
    pub(super) const NEW: Self = Object {
        core: Conn::NEW,
        handlers: List::new(),
        nc: core::ptr::null_mut(),
        configs: [core::ptr::null(); 3],
        websocket: WebSocket::NEW,
        connect_fn: None,
        connect_arg: core::ptr::null_mut(),
        timer: 0,
        timer_at: 0,
        id: 0,
        max_qos: 0,
        delivering: false,
        closed_meanwhile: false,
        announced: false,
        closing: Reason::None as u8,
        last_reason: Reason::None as u8,
        beginning: false,
        downgraded: false,
        overflow_logged: false,
        app_acks: false,
        unacked: 0,
        set_aside: GivenUp { count: 0, first: 0, last: 0 },
        refused: 0,
        news_at: 0,
        seen: 0,
        needs_time: false,
        unanswered: 0,
        control_characters: false,
        quiet: false,
        doomed: false,
        holds: 0,
    };
}

/// The object to be looked at, or changed in a way that asks for nothing to be done, by a function that calls nothing of the app's; `None` for NULL.
///
/// # Safety
/// `c` is NULL or came from `mgos_mqtt_conn_create` and has not been freed, and no C that may call back is called while the reference is in use.
pub unsafe fn look<'a>(c: *mut mgos_mqtt_conn) -> Option<&'a mut Object> {
    // SAFETY: by the contract.
    unsafe { c.cast::<Object>().as_mut() }
}

/// A connection object in use. C may call back into the library at any time and change the object, or ask for it to be freed; so
/// it is only ever borrowed between two calls of C, through [`Held::get`], and it is freed when the outermost hold ends.
pub struct Hold(Held);

/// The object that a [`Hold`] keeps alive. Whoever is handed one is called under that hold, and does not keep it beyond.
#[derive(Clone, Copy)]
pub struct Held(NonNull<Object>);

impl core::ops::Deref for Hold {
    type Target = Held;

    fn deref(&self) -> &Held {
        &self.0
    }
}

impl Hold {
    /// `None` for NULL.
    ///
    /// # Safety
    /// `c` is NULL or came from `mgos_mqtt_conn_create` and has not been freed.
    pub unsafe fn new(c: *mut mgos_mqtt_conn) -> Option<Hold> {
        // SAFETY: by the contract.
        let hold = unsafe { Self::leave_quiet(c) }?;
        hold.get().quiet = false;
        Some(hold)
    }

    /// The same for an event that may leave the object as it is.
    ///
    /// # Safety
    /// As for `new`.
    pub unsafe fn leave_quiet(c: *mut mgos_mqtt_conn) -> Option<Hold> {
        let held = Held(NonNull::new(c.cast())?);
        held.get().holds += 1;
        Some(Hold(held))
    }
}

impl Held {
    /// The object again, after its address has been through C; `None` for NULL.
    ///
    /// # Safety
    /// `c` is NULL or someone further up holds it.
    pub unsafe fn again(c: *mut mgos_mqtt_conn) -> Option<Held> {
        Some(Held(NonNull::new(c.cast())?))
    }

    /// The object, for as long as no C is called.
    pub fn get<'a>(self) -> &'a mut Object {
        // SAFETY: the object lives as long as a hold on it. The firmware is single-threaded, and everyone here lets go of
        // the reference before C, or another function that borrows, is called; so it is the only one.
        unsafe { &mut *self.0.as_ptr() }
    }

    /// The object's address, to be handed to C.
    pub fn ptr(self) -> *mut mgos_mqtt_conn {
        self.0.as_ptr().cast()
    }

    /// The configuration in use; NULL for none.
    pub fn config(self) -> *const mgos_config_mqtt {
        self.config_of(self.get().core.slot())
    }

    /// The configuration in a slot; NULL for none.
    pub fn config_of(self, slot: Slot) -> *const mgos_config_mqtt {
        self.get().configs.get(slot as usize).copied().unwrap_or(core::ptr::null())
    }

    /// A number of the configuration in use; 0 where there is none.
    pub fn number(self, which: Number) -> i32 {
        number(self.config(), which)
    }

    /// What stands for the session that the configuration in use asks for: broker and client identifier. 0 where there is no configuration.
    pub fn session_key(self) -> u32 {
        let config = self.config();
        // SAFETY: a configuration that the object holds is alive.
        if config.is_null() { 0 } else { unsafe { shim::mgos_mqtt_shim_session_key(config) } }
    }

    /// The highest QoS that may be used.
    pub fn max_qos(self) -> QoS {
        let mut max = self.get().max_qos as i32 - 1;
        if max < 0 {
            max = self.number(Number::MaxQos);
        }
        // A negative one means no limit.
        if max < 0 { QoS::ExactlyOnce } else { QoS::clamped(max) }
    }

    /// Has the session keep to the highest QoS that may be used.
    pub fn limit_qos(self) {
        let max = self.max_qos();
        self.get().core.session.limit_qos(max);
    }

    /// Notes why the connection is going to end. What was said first holds.
    pub fn ends(self, why: Reason) {
        let object = self.get();
        if object.closing == Reason::None as u8 {
            object.closing = why as u8;
        }
    }

    /// Writes a log line that says always the same.
    pub(super) fn say(self, what: Log) {
        self.log(what, &[], 0, 0);
    }

    /// Writes a log line. `s` is there when it is called; what a log hook does may be the end of it, so it is no reference.
    pub(super) fn log(self, what: Log, s: *const [u8], a: i32, b: i32) {
        let id = self.get().id as i32;
        log_line(what, id, s, a, b);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let object = self.get();
        object.holds -= 1;
        if object.holds == 0 && object.doomed {
            // SAFETY: the object came from `heap::place`, this was the last hold, and who asked for it to be freed gave
            // up the pointer.
            unsafe { heap::release(self.0.0) };
        }
    }
}

/// The bytes of a C string; `None` for NULL.
///
/// # Safety
/// `s` is NULL or ends with a NUL, and does not change while the slice is in use.
pub(super) unsafe fn c_str<'a>(s: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: by the contract.
    if s.is_null() { None } else { Some(unsafe { CStr::from_ptr(s) }.to_bytes()) }
}

/// A number of a configuration; 0 where there is none.
pub(super) fn number(config: *const mgos_config_mqtt, which: Number) -> i32 {
    if config.is_null() {
        return 0;
    }
    // SAFETY: a configuration that the object holds is alive.
    unsafe { shim::mgos_mqtt_shim_number(config, which) }
}

/// Writes a log line of no connection in particular, or of that with number `id`.
pub(super) fn log_line(what: Log, id: i32, s: *const [u8], a: i32, b: i32) {
    // SAFETY: the shim copies the bytes before it calls anyone; the callers hold no reference to an object.
    unsafe { shim::mgos_mqtt_shim_log(what, id, s.cast(), s.len(), a, b) }
}

/// Complains that a call needs a connection and has none.
pub(super) fn no_connection() {
    log_line(Log::NoConnection, 0, &[], 0, 0);
}
