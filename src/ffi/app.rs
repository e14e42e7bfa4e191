//! What may run app code: log lines, events, handlers, the connect callback. Each function here
//! takes `&mut NoApp`, so that nothing is borrowed from a connection when it is called.

use super::connection::{Connection, ConnectionRef, Handler};
use super::nc::{Nc, NcId};
use super::shim::{self, Cloud, Log, Number, QueueLog};
use super::token::NoApp;
use super::types::{PassedBool, mg_connection, mgos_mqtt_conn, mgos_mqtt_event, mgos_mqtt_event_arg, mgos_mqtt_packet, mgos_mqtt_piece};
use crate::LOGS;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null_mut;

/// A log line: which, and what it shows.
pub struct Line<'a> {
    /// `None`: it is not logged after all.
    pub what: Option<Log>,
    /// A string from outside: a topic, a filter.
    pub text: &'a [u8],
    pub a: i32,
    pub b: i32,
}

/// Writes a log line of connection number `id`. A hook may publish it.
///
/// # Safety
/// No reference to a connection is alive, and `text` is readable now.
unsafe fn write_line(what: Log, id: i32, text: *const [u8], a: i32, b: i32) {
    if LOGS {
        // SAFETY: by the contract. The shim copies the text before it calls anyone.
        unsafe { shim::mgos_mqtt_shim_log(what, id, text.cast(), text.len(), a, b) }
    }
}

/// Writes a log line that belongs to no connection object.
pub fn log_without_connection(_: &mut NoApp, what: Log, id: i32) {
    // SAFETY: the token is here, so nothing is borrowed; there is no text.
    unsafe { write_line(what, id, &[], 0, 0) };
}

/// Raises a cloud event.
pub fn raise_cloud_event(_: &mut NoApp, which: Cloud) {
    // SAFETY: no reference to a connection is alive.
    unsafe { shim::mgos_mqtt_shim_cloud_event(which) };
}

impl ConnectionRef<'_> {
    /// Writes a log line that has nothing to show.
    pub fn say(self, t: &mut NoApp, what: Log) {
        self.log(t, what, 0, 0);
    }

    /// Writes a log line that shows numbers.
    pub fn log(self, t: &mut NoApp, what: Log, a: i32, b: i32) {
        self.log_text(t, what, &[], a, b);
    }

    /// Writes a log line that shows a string of the caller's.
    pub fn log_text(self, t: &mut NoApp, what: Log, text: &[u8], a: i32, b: i32) {
        // SAFETY: the token is here, so nothing is borrowed from a connection, `text` neither.
        unsafe { write_line(what, self.look(t).id, text, a, b) };
    }

    /// Writes the log line that `line` finds in the connection, or in its Mongoose connection.
    /// False if it finds none.
    pub fn log_found(self, t: &mut NoApp, line: impl for<'x> FnOnce(&'x mut Connection, Option<Nc<'x>>) -> Option<Line<'x>>) -> bool {
        let connection = self.get(t);
        let id = connection.id;
        // SAFETY: as in `ConnectionRef::live`.
        let nc = connection.nc.map(|nc| unsafe { Nc::new(nc) });
        let Some(Line { what, text, a, b }) = line(connection, nc) else { return false };
        let text = &raw const *text;
        if let Some(what) = what {
            // SAFETY: what `line` was lent is given back; the text has not changed since.
            unsafe { write_line(what, id, text, a, b) };
        }
        true
    }

    /// Writes a log line that shows a string which is borrowed from the connection no longer.
    ///
    /// # Safety
    /// `text` has stayed where and as it is since it was borrowed.
    pub unsafe fn log_raw(self, t: &mut NoApp, what: Log, text: *const [u8], a: i32, b: i32) {
        // SAFETY: the token is here, so nothing is borrowed; the text by the contract.
        unsafe { write_line(what, self.look(t).id, text, a, b) };
    }

    /// Writes a log line about the file of the queue.
    ///
    /// # Safety
    /// `claim` is NULL or this connection's. `path` is NULL or ends with a NUL, and is not borrowed
    /// from the connection.
    pub unsafe fn log_queue(self, t: &mut NoApp, what: QueueLog, claim: *mut c_void, path: *const c_char, n: u32) {
        if LOGS {
            // SAFETY: the token is here, so nothing is borrowed; the shim copies the name before it
            // calls anyone.
            unsafe { shim::mgos_mqtt_shim_queue_log(what, self.look(t).id, claim, path, n) };
        }
    }

    /// Logs that an attempt to connect begins, and raises the cloud event.
    pub fn announce_attempt(self, t: &mut NoApp) {
        let connection = self.get(t);
        let (config, id) = (connection.config_ptr(), connection.id);
        if LOGS {
            // SAFETY: the configuration is alive until app code runs, and is read before that.
            unsafe { shim::mgos_mqtt_shim_log_connecting(config, id) };
        }
        raise_cloud_event(t, Cloud::Connecting);
    }

    /// Raises a cloud event, if the configuration asks for them.
    pub fn cloud_event(self, t: &mut NoApp, which: Cloud) {
        if self.number(t, Number::CloudEvents) != 0 {
            raise_cloud_event(t, which);
        }
    }

    /// Raises one of the library's own events, if there is something to tell.
    pub fn event(self, t: &mut NoApp, which: mgos_mqtt_event, count: u32, ids: [u16; 2]) {
        // A handler of the event before, or a log hook, may have freed the connection.
        if count == 0 || self.look(t).is_freed() {
            return;
        }
        let [first_id, last_id] = ids;
        let mut arg = mgos_mqtt_event_arg { conn: self.ptr(), count, first_id, last_id };
        // SAFETY: no reference to a connection is alive; `arg` lives until this returns.
        unsafe { shim::mgos_mqtt_shim_event(which as i32, (&raw mut arg).cast()) };
    }

    /// Begins to connect. `None`, with the reason in the log, if that failed at once.
    pub fn open(self, t: &mut NoApp) -> Option<NcId> {
        let connection = self.get(t);
        let (config, id) = (connection.config_ptr(), connection.id);
        // SAFETY: the configuration is alive until app code runs, and the log line comes last.
        NcId::new(unsafe { shim::mgos_mqtt_shim_open(self.ptr(), config, id) })
    }

    /// Looks at the reply to the WebSocket handshake, a `struct http_message`, or at what there is
    /// of it, for NULL. 1 if the server agrees, 0 if not, 2 if that is not known yet; see
    /// `mgos_mqtt_shim_ws_agreed`.
    ///
    /// # Safety
    /// `reply` is NULL, or what came with MG_EV_WEBSOCKET_HANDSHAKE_DONE.
    pub unsafe fn ws_agreed(self, t: &mut NoApp, reply: *mut c_void) -> u32 {
        let connection = self.get(t);
        let Some(nc) = connection.nc else { return 2 };
        // SAFETY: `nc` was alive until now, and is read before anything is logged.
        unsafe { shim::mgos_mqtt_shim_ws_agreed(nc.ptr(), reply, connection.id) }
    }

    /// Has the app's connect callback send CONNECT. Returns how many bytes it has sent; 0 if the
    /// connection did not survive it.
    pub fn call_connect_fn(self, t: &mut NoApp) -> usize {
        let connection = self.get(t);
        let Some(nc) = connection.nc else { return 0 };
        let (config, connect_fn) = (connection.config_ptr(), connection.connect_fn);
        let arg = connection.connect_arg;
        // SAFETY: `nc` and the configuration are alive until the callback runs; what the shim looks
        // at afterwards it asks us about.
        unsafe { shim::mgos_mqtt_shim_call_connect_fn(self.ptr(), nc.ptr(), config, connect_fn, arg) }
    }

    /// Calls a handler of the connection's events with something other than a packet.
    ///
    /// # Safety
    /// `ev_data` is what belongs to `ev`.
    pub unsafe fn call_handler(self, t: &mut NoApp, handler: Handler, ev: c_int, ev_data: *mut c_void) {
        type Call = unsafe extern "C" fn(*mut mg_connection, c_int, *mut c_void, *mut c_void);
        let nc = self.look(t).nc.map_or(null_mut(), NcId::ptr);
        // SAFETY: handlers of the connection are added as `mg_event_handler_t`, never NULL. `nc` is
        // alive or NULL, and no reference to a connection is alive.
        unsafe {
            let call = core::mem::transmute::<*const c_void, Call>(handler.address);
            call(nc, ev, ev_data, handler.user_data);
        }
    }

    /// Tells the app what became of a message: `handler` was added as a `mgos_mqtt_result_fn_t`, which
    /// may be NULL.
    pub fn call_result(self, _: &mut NoApp, handler: Handler, id: u16, result: c_int) {
        type Call = unsafe extern "C" fn(*mut c_void, u16, c_int);
        if !handler.address.is_null() {
            // SAFETY: it is what was added, and not NULL. No reference to a connection is alive.
            unsafe {
                let call = core::mem::transmute::<*const c_void, Call>(handler.address);
                call(handler.user_data, id, result);
            }
        }
    }

    /// Tells the app that the end it asked for has come: `handler` was added as a
    /// `mgos_mqtt_finish_fn_t`, which may be NULL.
    pub fn call_finished(self, _: &mut NoApp, handler: Handler, left: c_int) {
        type Call = unsafe extern "C" fn(*mut c_void, c_int);
        if !handler.address.is_null() {
            // SAFETY: it is what was added, and not NULL. No reference to a connection is alive.
            unsafe {
                let call = core::mem::transmute::<*const c_void, Call>(handler.address);
                call(handler.user_data, left);
            }
        }
    }

    /// Calls a handler that was added as a `mgos_mqtt_stream_handler_t`, which may be NULL, with a piece
    /// of a message. False if it does not want the rest.
    ///
    /// # Safety
    /// What `piece` points to is there until app code runs the event loop or frees the connection.
    pub unsafe fn call_with_piece(self, _: &mut NoApp, handler: Handler, piece: &mgos_mqtt_piece) -> bool {
        type Call = unsafe extern "C" fn(*mut mgos_mqtt_conn, *const mgos_mqtt_piece, *mut c_void) -> PassedBool;
        if handler.address.is_null() {
            return false;
        }
        // SAFETY: it is what was added, and not NULL. No reference to a connection is alive.
        unsafe {
            let call = core::mem::transmute::<*const c_void, Call>(handler.address);
            call(self.ptr(), piece, handler.user_data) != 0
        }
    }

    /// Asks the app for the bytes of a message from `offset` on: `read` is a `mgos_mqtt_read_fn_t`, not
    /// NULL. Returns what it returns.
    pub fn call_read(self, _: &mut NoApp, read: *const c_void, arg: *mut c_void, offset: usize, to: &mut [u8]) -> c_int {
        type Call = unsafe extern "C" fn(*mut c_void, usize, *mut c_void, usize) -> c_int;
        // SAFETY: it is what was added. `to` is the caller's alone. No reference to a connection is alive.
        unsafe {
            let call = core::mem::transmute::<*const c_void, Call>(read);
            call(arg, offset, to.as_mut_ptr().cast(), to.len())
        }
    }

    /// Calls a handler with the packet at the front of the receive buffer: with a `struct
    /// mg_mqtt_message`, or, where `ev` is 0, as a `sub_handler_t`. False if `nc` is not the
    /// connection's any more, and with it the packet is gone.
    ///
    /// # Safety
    /// If `nc` is still the connection's, the packet that `packet` describes is at the front of its
    /// receive buffer.
    pub unsafe fn call_with_packet(self, t: &mut NoApp, handler: Handler, nc: NcId, ev: c_int, packet: &mgos_mqtt_packet) -> bool {
        if self.look(t).nc != Some(nc) {
            return false;
        }
        // SAFETY: `nc` is alive as it is the connection's, and the packet is there by the contract.
        // The handler was added as what `ev` says. No reference to a connection is alive.
        unsafe {
            let Handler { address, user_data } = handler;
            shim::mgos_mqtt_shim_call(address, nc.ptr(), ev, packet, user_data);
        }
        true
    }
}
