//! The functions of mgos_mqtt.h: the same as mgos_mqtt_conn.h's, on the one connection that the `mqtt` section configures.

use super::conn_api as conn;
use super::global::{current, mgos_mqtt_core_global as global};
use super::object::{Handler, Hold, c_str};
use super::types::{mg_connection, mg_event_handler_t, mg_str, mgos_config_mqtt, mgos_mqtt_connect_fn_t, mgos_mqtt_stats, sub_handler_t};
use crate::session::Recipient;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null;

/// QoS of subscriptions made without one.
const SUBSCRIBE_QOS: c_int = 1;

/// Subscribes to a topic filter at QoS 1 on the global connection: mgos_mqtt_conn_sub() with a string that need not end with a NUL.
///
/// # Safety
/// As for mgos_mqtt_conn_sub(); `topic.p` is NULL or points to `topic.len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_global_subscribe(topic: mg_str, handler: mg_event_handler_t, ud: *mut c_void) {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_sub_s(global(), topic, SUBSCRIBE_QOS, handler, ud) }
}

/// Adds a handler of the global connection's events: see mgos_mqtt_conn_add_handler(). May be called before the configuration is known.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_add_global_handler(handler: mg_event_handler_t, ud: *mut c_void) {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_add_handler(global(), handler, ud) }
}

/// Sets the callback that sends CONNECT on the global connection: see mgos_mqtt_conn_set_connect_fn().
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_set_connect_fn(cb: mgos_mqtt_connect_fn_t, fn_arg: *mut c_void) {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_set_connect_fn(global(), cb, fn_arg) }
}

/// The Mongoose connection of the global connection: from the beginning of an attempt, so also before CONNACK, until MG_EV_CLOSE. NULL otherwise.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_get_global_conn() -> *mut mg_connection {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_nc(current()) }
}

/// Connects the global connection now: see mgos_mqtt_conn_connect().
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_global_connect() -> bool {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_connect(global()) }
}

/// Disconnects the global connection: see mgos_mqtt_conn_disconnect().
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_global_disconnect() {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_disconnect(global()) }
}

/// True if the global connection is up: see mgos_mqtt_conn_is_connected().
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_global_is_connected() -> bool {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_is_connected(current()) }
}

/// Publishes `len` bytes on the global connection: see mgos_mqtt_conn_pub() for what is returned.
///
/// # Safety
/// `topic` is NULL or ends with a NUL; `message` is NULL or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_pub(topic: *const c_char, message: *const c_void, len: usize, qos: c_int, retain: bool) -> u16 {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_pub(global(), topic, mg_str { p: message.cast(), len }, qos, retain) }
}

/// Subscribes to a topic filter at QoS 1 on the global connection. `handler` is called with each message that matches; `ud` is handed back
/// to it and stays the app's. See mgos_mqtt_conn_sub() for the rest.
///
/// # Safety
/// `topic` is NULL or ends with a NUL; `handler` is right to be called with `ud` until mgos_mqtt_unsub().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_sub(topic: *const c_char, handler: sub_handler_t, ud: *mut c_void) {
    // SAFETY: the global connection is alive or NULL.
    let Some(c) = (unsafe { Hold::new(global()) }) else { return };
    // SAFETY: by the contract.
    let topic = unsafe { c_str(topic) }.unwrap_or(&[]);
    // Without a handler the subscription is made all the same: the messages are acknowledged and dropped.
    let address = handler.map_or(null(), |handler| handler as *const c_void);
    conn::subscribe(*c, topic, SUBSCRIBE_QOS, Recipient { handler: Handler { address, user_data: ud }, messages_only: true });
}

/// Removes the newest subscription with exactly this filter from the global connection: see mgos_mqtt_conn_unsub().
///
/// # Safety
/// `topic` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_unsub(topic: *const c_char) -> bool {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_unsub(global(), topic) }
}

/// Bytes that the global connection has still to send: see mgos_mqtt_conn_num_unsent_bytes().
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_num_unsent_bytes() -> usize {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_num_unsent_bytes(current()) }
}

/// Fills `*stats` with what has happened to the global connection so far: see mgos_mqtt_conn_get_stats(). False for NULL, and if nobody has used MQTT yet.
///
/// # Safety
/// `stats` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_get_stats(stats: *mut mgos_mqtt_stats) -> bool {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_get_stats(current(), stats) }
}

/// One number of mgos_mqtt_get_stats(), for languages without C structures: `which` is its place in `struct mgos_mqtt_stats`, counted from 0. What is over
/// 2,147,483,647 comes out negative, less by 2^32. 0 if there is no such number, or nobody has used MQTT yet. May be called from a handler.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_get_stat(which: c_int) -> c_int {
    const FIELDS: usize = size_of::<mgos_mqtt_stats>() / size_of::<u32>();
    let mut stats = mgos_mqtt_stats::default();
    // SAFETY: the structure is there to be written to, and consists of so many `u32`.
    let numbers = unsafe {
        mgos_mqtt_get_stats(&raw mut stats);
        &*(&raw const stats).cast::<[u32; FIELDS]>()
    };
    numbers.get(which as usize).map_or(0, |&n| n as c_int)
}

/// A Packet Identifier for a packet that the app sends by itself on the global connection: never 0, never one that is in use. Each call returns the next.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_get_packet_id() -> u16 {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_get_packet_id(global()) }
}

/// Sets the highest QoS to be used on the global connection: see mgos_mqtt_conn_set_max_qos(). Declared by the original, but never defined.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_set_max_qos(qos: c_int) {
    // SAFETY: the global connection is alive or NULL.
    unsafe { conn::mgos_mqtt_conn_set_max_qos(global(), qos) }
}

/// Takes another configuration for the global connection: see mgos_mqtt_conn_set_config(). The first one makes the connection possible even if
/// `mqtt.enable` is false; it connects when the network comes up, or at mgos_mqtt_global_connect().
///
/// # Safety
/// `cfg` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_set_config(cfg: *const mgos_config_mqtt) -> bool {
    // SAFETY: by the contract.
    unsafe { conn::mgos_mqtt_conn_set_config(global(), cfg) }
}
