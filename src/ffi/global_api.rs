//! The functions of mgos_mqtt.h: the same as mgos_mqtt_conn.h's, on the one connection that the
//! `mqtt` section configures. Not here: those that the shim has (global_shim.h).

use super::conn_api as conn;
use super::connection::Handler;
use super::global::{current, mgos_mqtt_core_global as global};
use super::types::{
    PassedBool, ReturnedBool, ReturnedU16, mg_connection, mg_event_handler_t, mg_str, mgos_config_mqtt, mgos_mqtt_connect_fn_t,
    mgos_mqtt_finish_fn_t, mgos_mqtt_pub_opts, mgos_mqtt_stats, sub_handler_t,
};
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null;

/// Adds a handler of the connection's events; the newest is called first. It may be added before
/// the configuration is known. It is given MG_EV_POLL; MG_EV_MQTT_CONNACK; MG_EV_MQTT_PUBLISH of
/// messages without a subscription; MG_EV_MQTT_SUBACK without one; MG_EV_MQTT_PUBACK, _PUBREC,
/// _PUBREL, _PUBCOMP, _UNSUBACK; MG_EV_CLOSE, with `nc` NULL, after a CONNACK.
///
/// @param handler The handler. NULL, or without memory: an error in the log, and nothing else.
/// @param ud Handed back to it; it stays the app's.
///
/// May be called from a handler.
///
/// # Safety
/// `handler` is right to be called with `ud` for as long as the firmware runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_add_global_handler(handler: mg_event_handler_t, ud: *mut c_void) {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_add_handler(global(), handler, ud) }
}

/// Sets the callback that sends CONNECT in place of the library, on this and every later
/// connection.
///
/// @param cb The callback. NULL: the library sends CONNECT again.
/// @param fn_arg Handed back to it; it stays the app's.
///
/// May be called from a handler.
///
/// # Safety
/// `cb` is right to be called with `fn_arg` for as long as the firmware runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_set_connect_fn(cb: mgos_mqtt_connect_fn_t, fn_arg: *mut c_void) {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_set_connect_fn(global(), cb, fn_arg) }
}

/// The Mongoose connection: from the beginning of an attempt, so also before CONNACK, until
/// MG_EV_CLOSE.
///
/// @return The connection; NULL while there is none.
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_get_global_conn() -> *mut mg_connection {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_nc(current()) }
}

/// Connects now, without waiting for the network event or the next attempt, and also after
/// mgos_mqtt_global_disconnect().
///
/// @return true if an attempt was begun, or one is under way, or the connection is up. false if the
/// configuration is not enabled or names no server, `require_time` is set and the clock is not, or
/// the attempt failed at once; except for a configuration that is not enabled, with the reason in
/// the log. When the clock is not set or the attempt failed, the next one follows by itself.
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_global_connect() -> ReturnedBool {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_connect(global()) }
}

/// Disconnects when what has been written is sent, and stays so until mgos_mqtt_global_connect().
/// Ends the attempts to connect, too. What is queued and subscribed is kept.
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_global_disconnect() {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_disconnect(global()) }
}

/// Tells whether the connection is up: from CONNACK until MG_EV_CLOSE.
///
/// @return true if it is up.
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_global_is_connected() -> ReturnedBool {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_is_connected(current()) }
}

/// Publishes a message.
///
/// At QoS 0 it is sent if the connection is up. At QoS 1 and 2 it is sent, now or when the
/// connection is up, and again after `ack_timeout` or a reconnection, until the broker has
/// acknowledged it. Up to `max_queue_length` messages are kept for that; one more takes the place
/// of the oldest, which is given up unless it is under way.
///
/// ```c
/// mgos_mqtt_pub("room/temperature", "21.5", 4, 1, false);
/// ```
///
/// @param topic The topic, not needed any more on return.
/// @param message The payload, not needed any more on return.
/// @param len Bytes of the payload.
/// @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_set_max_qos().
/// @param retain Whether the broker is to keep it for later subscribers.
/// @return The packet ID, > 0, repeated in MG_EV_MQTT_PUBACK (QoS 1) or MG_EV_MQTT_PUBCOMP (QoS 2),
/// on whichever connection that comes; MGOS_MQTT_EVENT_GIVEN_UP tells if the message was given up.
/// 0 if it was neither sent nor kept, with the reason in the log: at QoS 0, or without a queue, no
/// connection, a network that is down, or a link that takes no more; a topic that is empty, not
/// UTF-8, longer than 65,535 bytes or with a wildcard; no memory; `topic` NULL, `message` NULL
/// while `len` is not 0.
///
/// May be called from a handler.
///
/// # Safety
/// `topic` is NULL or ends with a NUL; `message` is NULL or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_pub(
    topic: *const c_char,
    message: *const c_void,
    len: usize,
    qos: c_int,
    retain: PassedBool,
) -> ReturnedU16 {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_pub(global(), topic, mg_str { p: message.cast(), len }, qos, retain) }
}

/// mgos_mqtt_pub_opt() with the size of the structure that the caller knows, so that a library compiled
/// against an older one keeps working. Apps call that one.
///
/// # Safety
/// As for `mgos_mqtt_pub`; `opts` is NULL or points to `size` readable bytes, and its callback is right
/// to be called with its `arg` until it was called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_pub_opt_sized(
    topic: *const c_char,
    message: *const c_void,
    len: usize,
    opts: *const mgos_mqtt_pub_opts,
    size: usize,
) -> ReturnedU16 {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_pub_opt_sized(global(), topic, mg_str { p: message.cast(), len }, opts, size) }
}

/// Keeps the queue in a file from now on, so that it survives a restart, and takes what is there.
/// Call it in mgos_app_init(), before anything is published. New; the original has no such function.
///
/// Kept are the messages at QoS 1 and 2 that are queued or in flight, with what is left of their
/// `ttl_ms`, and the packet IDs of QoS 2 messages under way in both directions. Two copies are written
/// in turn, `path` with `.a` and `.b` at its end, so that a power cut at any time loses nothing that
/// was in the file.
///
/// @param path The file's name, not needed any more on return.
/// @param delay_ms At most one copy is written in this time, milliseconds. A message is in the file at the
/// latest after one and a half of it, and is never written if it is acknowledged within half of it. 0: a
/// message is in the file before publishing returns, and a QoS 2 message that was received is not
/// delivered again after a restart.
/// @return true if the queue is in the file from now on. false, with an error in the log, if `path` is
/// NULL or empty, another connection has it, the connection has begun or something is queued,
/// or there is not memory for all that is in the file, which is left as it is; then nothing changes. A
/// file that is damaged is renamed to `path` with `.bad` at its end, with an error in the log, and the
/// queue begins empty.
///
/// May be called from a handler.
///
/// # Safety
/// `path` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_set_queue_file(path: *const c_char, delay_ms: u32) -> ReturnedBool {
    // SAFETY: by the contract; the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_set_queue_file(global(), path, delay_ms) }
}

/// Disconnects gracefully, before deep sleep, an update or a restart: what is queued goes out and
/// is acknowledged, then DISCONNECT is sent, so that the broker does not publish the will. Then the
/// connection stays down, as after mgos_mqtt_global_disconnect(). New; the original has no such
/// function.
///
/// Until the callback is called, nothing can be published: 0 is returned. Messages that are set aside,
/// as the broker closes the connection on them, are not waited for. If the connection is not up, and
/// something is queued, attempts to connect go on meanwhile. mgos_mqtt_global_disconnect() cuts the wait
/// short.
///
/// @param timeout_ms How long to wait for acknowledgements, milliseconds, at most 2,147,483,647; 0: not
/// at all. DISCONNECT may take a second more.
/// @param cb Called once, from the event loop and never inside this call, when the connection is gone.
/// What is left is kept, and sent after the next mgos_mqtt_global_connect(), which `cb` may call. NULL:
/// nobody is told.
/// @param arg Handed back to `cb`; it stays the app's.
/// @return true if `cb` is going to be called. false if the connection is being ended so already, and
/// without memory; then nothing changes.
///
/// May be called from a handler.
///
/// # Safety
/// `cb` is right to be called with `arg` until it was called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_global_finish(timeout_ms: u32, cb: mgos_mqtt_finish_fn_t, arg: *mut c_void) -> ReturnedBool {
    // SAFETY: by the contract; the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_finish(global(), timeout_ms, cb, arg) }
}

/// What mgos_mqtt_sub() does, at the QoS that the firmware's cdefs say, which the shim knows.
///
/// # Safety
/// `topic` is NULL or ends with a NUL; `handler` is right to be called with `ud` until
/// mgos_mqtt_unsub().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_sub(topic: *const c_char, handler: sub_handler_t, ud: *mut c_void, qos: c_int) {
    let address = handler.map_or(null(), |handler| handler as *const c_void);
    // SAFETY: by the contract; the global connection is alive or NULL.
    unsafe {
        conn::subscribe_to_messages(global(), topic, qos, Handler { address, user_data: ud });
    }
}

/// Removes the newest subscription with exactly this filter. When it was the last with this filter,
/// the broker is told, now or on the next connection to the same session.
///
/// @param topic The filter.
/// @return true if it was removed. false if there is no such subscription, and for NULL; then
/// nothing changes.
///
/// May be called from a handler, that of the subscription itself included.
///
/// # Safety
/// `topic` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_unsub(topic: *const c_char) -> ReturnedBool {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_unsub(global(), topic) }
}

/// Tells whether the message that a handler has been called with is a retained one: one that the
/// broker had kept and sends because of the subscription, and not one that was published just now.
/// New; the original has no such function.
///
/// @return true if it is retained. false if it is not, in handlers of other events, where no handler
/// is running, and when the connection has ended meanwhile. For handlers of another connection than
/// the global one: mgos_mqtt_conn_is_retained().
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_is_retained() -> ReturnedBool {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_is_retained(current()) }
}

/// Tells whether the broker has kept the session of the connections before: with `clean_session`
/// false it has kept the subscriptions, and what was published to them meanwhile, and sends that. New;
/// the original has no such function.
///
/// @return true if it has, as its last CONNACK says. false if it has begun a new session, with
/// `clean_session` true, when another broker or client id has been connected to, and between CONNECT
/// and CONNACK.
///
/// May be called from a handler; at MG_EV_MQTT_CONNACK it tells of the connection that begins.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_session_present() -> ReturnedBool {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_session_present(current()) }
}

/// Bytes that are still to be sent: the payloads that are kept until the broker acknowledges them,
/// an empty one counting as a byte, and what the link has not taken yet.
///
/// @return Bytes; 0 if nobody has used MQTT yet.
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_num_unsent_bytes() -> usize {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_num_unsent_bytes(current()) }
}

/// Tells what has happened to the connection so far: how often it was connected and why it ended,
/// messages and bytes, the queue, the last ping. New; the original has no such function.
///
/// @param stats To be filled; see `struct mgos_mqtt_stats`.
/// @return true. false for NULL, and if nobody has used MQTT yet; then nothing is filled in.
///
/// May be called from a handler: what is being delivered has been counted.
///
/// # Safety
/// `stats` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_get_stats(stats: *mut mgos_mqtt_stats) -> ReturnedBool {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_get_stats(current(), stats) }
}

/// One number of mgos_mqtt_get_stats(), for languages without C structures.
///
/// @param which Its place in `struct mgos_mqtt_stats`, counted from 0.
/// @return The number; what is over 2,147,483,647 comes out negative, less by 2^32. 0 if there is
/// no such number, or nobody has used MQTT yet.
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_get_stat(which: c_int) -> c_int {
    const FIELDS: usize = size_of::<mgos_mqtt_stats>() / size_of::<u32>();
    let mut stats = mgos_mqtt_stats::default();
    // SAFETY: the structure is there to be written to, and consists of that many `u32`.
    let numbers = unsafe {
        mgos_mqtt_get_stats(&raw mut stats);
        &*(&raw const stats).cast::<[u32; FIELDS]>()
    };
    numbers.get(which as usize).map_or(0, |&n| n as c_int)
}

/// A packet ID for a packet that the app sends by itself. Each call returns the next.
///
/// @return The packet ID, never 0 and never one that is in use; 0 without memory for the connection
/// object.
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_get_packet_id() -> ReturnedU16 {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_get_packet_id(global()) }
}

/// Sets the highest QoS to be used in place of `mqtt.max_qos`, for brokers that do not support
/// more. Messages and subscriptions above it are silently downgraded. The original declares this
/// function and does not define it.
///
/// @param qos 0, 1 or 2; negative: what the configuration says.
///
/// May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_set_max_qos(qos: c_int) {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_set_max_qos(global(), qos) }
}

/// Changes the configuration. If there is a connection, or one coming up, it is closed and one with
/// the new configuration follows at once; what is queued and subscribed is kept. A configuration
/// that is not enabled closes the connection for good. The first one makes the connection possible
/// even if `mqtt.enable` is false; it connects when the network comes up, or at
/// mgos_mqtt_global_connect(). After this there is no backup server, unless the configuration is
/// the system's own.
///
/// @param cfg The configuration, which is copied; the system's own are used as they are.
/// @return true if the configuration was taken. false, with an error in the log, if it is enabled
/// and names no server, without memory, and for NULL; then nothing changes.
///
/// May be called from a handler.
///
/// # Safety
/// `cfg` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_set_config(cfg: *const mgos_config_mqtt) -> ReturnedBool {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_set_config(global(), cfg) }
}
