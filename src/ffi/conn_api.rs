//! The functions of mgos_mqtt_conn.h. Each checks its pointers and hands over; the comments here become the header's.

use super::events;
use super::lifecycle;
use super::object::{Handler, Held, Hold, c_str, look, no_connection};
use super::pump::{self, NotWritten};
use super::shim::{self, Log, Number};
use super::types::{mg_connection, mg_event_handler_t, mg_str, mgos_config_mqtt, mgos_mqtt_conn, mgos_mqtt_connect_fn_t, mgos_mqtt_stats};
use crate::session::{Limits, Recipient, RequestError};
use crate::wire::{OutPacket, QoS};
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null;

/// The connection object, or a complaint in the log for NULL.
///
/// # Safety
/// `c` is NULL or alive.
unsafe fn held(c: *mut mgos_mqtt_conn) -> Option<Hold> {
    // SAFETY: by the contract.
    let hold = unsafe { Hold::new(c) };
    if hold.is_none() {
        no_connection();
    }
    hold
}

/// Makes a connection with its configuration and, for when it can't be reached, that of a backup server. It connects when the
/// network comes up, or at mgos_mqtt_conn_connect(), and stays connected from then on.
///
/// `conn_id` shows in the log, as MQTT0, MQTT1 and so on. `cfg` and `cfg2` are copied, unless they are mgos_sys_config_get_mqtt() or
/// mgos_sys_config_get_mqtt1(): these are used as they are at each attempt. Either may be NULL.
///
/// Returns the connection, to be freed with mgos_mqtt_conn_free() if ever; NULL without memory. May be called from a handler.
///
/// # Safety
/// Both configurations are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_create2(
    conn_id: c_int,
    cfg: *const mgos_config_mqtt,
    cfg2: *const mgos_config_mqtt,
) -> *mut mgos_mqtt_conn {
    lifecycle::create(conn_id, cfg, cfg2)
}

/// Makes a connection without a backup server: mgos_mqtt_conn_create2() with `cfg2` NULL.
///
/// # Safety
/// The configuration is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_create(conn_id: c_int, cfg: *const mgos_config_mqtt) -> *mut mgos_mqtt_conn {
    lifecycle::create(conn_id, cfg, null())
}

/// Closes a connection without sending DISCONNECT, and forgets it with all that belongs to it: queue, subscriptions, handlers. None of
/// its handlers is called any more. NULL is fine. May be called from a handler, that of the connection itself included. The pointer
/// is not to be used again. New; the original has no such function.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_free(c: *mut mgos_mqtt_conn) {
    // SAFETY: by the contract.
    if let Some(c) = unsafe { Hold::new(c) } {
        super::global::forget(c.ptr());
        lifecycle::free(*c);
    }
}

/// The connection that a Mongoose connection belongs to, for use in handlers. NULL for NULL, as a handler of MG_EV_CLOSE is given.
///
/// # Safety
/// `nc` is NULL or a live Mongoose connection of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_from_nc(nc: *mut mg_connection) -> *mut mgos_mqtt_conn {
    if nc.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: by the contract.
    unsafe { shim::mgos_mqtt_shim_owner(nc) }
}

/// The Mongoose connection behind a connection, from the beginning of an attempt until MG_EV_CLOSE; NULL otherwise. Not in the headers,
/// as with the original.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_nc(c: *mut mgos_mqtt_conn) -> *mut mg_connection {
    // SAFETY: by the contract.
    unsafe { look(c) }.map_or(core::ptr::null_mut(), |c| c.nc)
}

/// Adds a handler of the connection's events; the newest is called first. It is given:
///
/// - MG_EV_POLL, at each round of the event loop;
/// - MG_EV_MQTT_CONNACK, when the broker has accepted the connection;
/// - MG_EV_MQTT_PUBLISH and MG_EV_MQTT_SUBACK that no subscription of this library has taken. Such
///   a message is acknowledged by the library: at QoS 2 before the handlers are called, at QoS 1
///   when they have returned. Once a handler of this connection has acknowledged one at QoS 1 by
///   itself, with mg_mqtt_puback(), all of them at QoS 1 are the handlers' to acknowledge;
/// - MG_EV_MQTT_PUBACK, _PUBREC, _PUBREL, _PUBCOMP, _UNSUBACK;
/// - MG_EV_CLOSE, if there was a CONNACK before; `nc` is NULL then.
///
/// `ev_data` of the MQTT events is a `struct mg_mqtt_message *`, gone when the handler returns. Without memory, and for a NULL `c` or `handler`, an
/// error in the log and nothing else. May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `handler` is right to be called with `user_data` for as long as the connection lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_add_handler(c: *mut mgos_mqtt_conn, handler: mg_event_handler_t, user_data: *mut c_void) {
    // SAFETY: by the contract.
    let Some(c) = (unsafe { held(c) }) else { return };
    let Some(handler) = handler else { return c.say(Log::NoHandler) };
    if c.get().handlers.push_front(Handler { address: handler as *const c_void, user_data }, &[]).is_err() {
        c.say(Log::NoMemory);
    }
}

/// Sets the callback that sends CONNECT in place of the library, now and at every later connection. NULL goes back to the library.
///
/// # Safety
/// `c` is NULL or alive; `fn` is right to be called with `fn_arg` for as long as the connection lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_set_connect_fn(c: *mut mgos_mqtt_conn, r#fn: mgos_mqtt_connect_fn_t, fn_arg: *mut c_void) {
    // SAFETY: by the contract.
    let Some(c) = (unsafe { held(c) }) else { return };
    let object = c.get();
    object.connect_fn = r#fn;
    object.connect_arg = fn_arg;
}

/// Connects now, if it is enabled and not connected: without waiting for the network event or for the next attempt, and also after
/// mgos_mqtt_conn_disconnect().
///
/// Returns true if an attempt was begun or one is under way or the connection is up. False if `c` is NULL, the configuration is not enabled or
/// names no server, the wall clock is to be set first, or the attempt failed at once; in the last two cases another follows by
/// itself. May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_connect(c: *mut mgos_mqtt_conn) -> bool {
    // SAFETY: by the contract.
    unsafe { held(c) }.is_some_and(|c| lifecycle::connect(*c))
}

/// Disconnects, after what has been published is sent, and stays so until mgos_mqtt_conn_connect(). Ends the attempts to connect, too. What
/// is queued and subscribed is kept. NULL is fine. May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_disconnect(c: *mut mgos_mqtt_conn) {
    // SAFETY: by the contract.
    if let Some(c) = unsafe { held(c) } {
        lifecycle::disconnect(*c);
    }
}

/// Schedules the next attempt to connect. Not in the headers, as with the original; apps have no use for it.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_reconnect(c: *mut mgos_mqtt_conn) {
    // SAFETY: by the contract.
    if let Some(c) = unsafe { held(c) }
        && c.get().nc.is_null()
    {
        pump::reconnect(*c);
    }
}

/// True from CONNACK until MG_EV_CLOSE. False for NULL.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_is_connected(c: *mut mgos_mqtt_conn) -> bool {
    // SAFETY: by the contract.
    unsafe { look(c) }.is_some_and(|c| c.core.is_online())
}

/// A Packet Identifier, never 0 and not in use, for packets that the app sends by itself. 0 for NULL. Not in the headers, as with the original;
/// see mgos_mqtt_get_packet_id().
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_get_packet_id(c: *mut mgos_mqtt_conn) -> u16 {
    // SAFETY: by the contract.
    unsafe { held(c) }.map_or(0, |c| c.get().core.session.packet_id().get())
}

/// Publishes a message. `qos` is lowered to what is allowed, see mgos_mqtt_conn_set_max_qos(). At
/// QoS 0 it is sent if the connection is up. At QoS 1 and 2 it is sent, now or when the connection
/// is up, and again after `ack_timeout` or a reconnection, until the broker has acknowledged it. Up
/// to `max_queue_length` messages are kept for that; one more takes the place of the oldest, which
/// is given up unless it is under way. QoS 2 is exactly once within a session; over a lost session,
/// as with `clean_session` true after each reconnection, the message may arrive twice.
///
/// Returns the packet ID, more than 0, that MG_EV_MQTT_PUBACK (QoS 1) or MG_EV_MQTT_PUBCOMP (QoS 2)
/// carries, over any number of connections; MGOS_MQTT_EVENT_GIVEN_UP tells if it was given up.
/// Returns 0 if the message was neither sent nor kept, with the reason in the log: at QoS 0, or
/// without a queue, no connection, a network that is down, or a link that takes no more; a topic
/// that is empty, not UTF-8, longer than 65,535 bytes or with a wildcard; no memory; `c` or `topic`
/// NULL, `msg.p` NULL while `msg.len` is not 0. `topic` and `msg` are not needed any more when it
/// returns. May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `topic` is NULL or ends with a NUL; `msg.p` is NULL or points to `msg.len`
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_pub(c: *mut mgos_mqtt_conn, topic: *const c_char, msg: mg_str, qos: c_int, retain: bool) -> u16 {
    // SAFETY: by the contract.
    let (Some(c), topic) = (unsafe { (held(c), c_str(topic).unwrap_or(&[])) }) else { return 0 };
    if msg.p.is_null() && msg.len > 0 {
        return refuse(*c, topic, RequestError::NullMessage);
    }
    // SAFETY: by the contract.
    let published = publish(*c, topic, unsafe { msg.bytes() }, qos, retain);
    warn_of_control_characters(*c, topic);
    published.unwrap_or_else(|refused| refuse(*c, topic, refused))
}

/// Counts a message that is not taken, and says why.
#[inline(never)]
fn refuse(c: Held, topic: &[u8], refused: RequestError) -> u16 {
    let counters = &mut c.get().core.session.counters;
    counters.dropped = counters.dropped.wrapping_add(1);
    complain(c, topic, refused);
    0
}

fn publish(c: Held, topic: &[u8], payload: &[u8], qos: c_int, retain: bool) -> Result<u16, RequestError> {
    let qos = QoS::clamped(qos);
    let room = pump::has_room(c, topic.len() + payload.len());
    let mut limits = Limits { max_qos: QoS::AtMostOnce, max_queue: 0, room };
    if qos > QoS::AtMostOnce {
        // Where MQTT is disabled nothing is kept: it would never go out.
        let most = if c.number(Number::Enable) != 0 { c.number(Number::MaxQueue) } else { 0 };
        limits = Limits { max_qos: c.max_qos(), max_queue: most.clamp(0, u16::MAX as i32) as u16, room };
    }
    let now = pump::now();
    let published = c.get().core.session.publish(topic, payload, qos, retain, limits, now)?;
    if published.direct {
        let id = (published.flags & 6 != 0).then_some(published.id);
        let sent = pump::send(c, &OutPacket::publish(published.flags, id, topic, payload));
        if let Err(why) = sent {
            c.get().core.session.unpublished(published.id);
            return Err(if why == NotWritten::TooLarge { RequestError::TooLarge } else { RequestError::OutOfMemory });
        }
        c.log(Log::Pub, topic, published.id.get() as i32, published.flags as i32);
    } else {
        pump::pump(c);
    }
    Ok(published.id.get())
}

/// Says in the log why a message or a subscription was not taken.
#[inline(never)]
fn complain(c: Held, topic: &[u8], refused: RequestError) {
    let (what, why) = match refused {
        RequestError::Topic(e) => (Log::BadTopic, e as i32),
        RequestError::NullMessage => (Log::NullMessage, 0),
        RequestError::TooLarge => (Log::TooLarge, 0),
        RequestError::Offline => (Log::Dropped, 0),
        RequestError::Congested => (Log::Congested, 0),
        RequestError::OutOfMemory => (Log::NoMemory, 0),
    };
    c.log(what, topic, why, 0);
}

/// Warns where `topic`, which the session has just checked, is the first with control characters.
fn warn_of_control_characters(c: Held, topic: &[u8]) {
    let object = c.get();
    if object.core.session.control_characters != object.control_characters {
        first_control_characters(c, topic);
    }
}

#[cold]
#[inline(never)]
fn first_control_characters(c: Held, topic: &[u8]) {
    c.get().control_characters = true;
    c.log(Log::ControlCharacters, topic, 0, 0);
}

/// Subscribes to a topic filter, now or when the connection is up, and again at every later connection. `qos` is lowered to what is
/// allowed. `handler` is given MG_EV_MQTT_SUBACK when the broker has answered, and MG_EV_MQTT_PUBLISH for each message that matches; a message is
/// acknowledged by the library. Several subscriptions to the same filter all have their handlers called, the newest first. The same
/// with a filter that is refused: empty, not UTF-8, a wildcard that does not fill its level, without memory, `c`, `topic` or `handler` NULL: an error in the
/// log and nothing else. `topic` is not needed any more when it returns. May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `topic` is NULL or ends with a NUL; `handler` is right to be called with `user_data` until mgos_mqtt_conn_unsub().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_sub(
    c: *mut mgos_mqtt_conn,
    topic: *const c_char,
    qos: c_int,
    handler: mg_event_handler_t,
    user_data: *mut c_void,
) {
    // SAFETY: by the contract.
    let topic = unsafe { c_str(topic) }.map_or(mg_str { p: null(), len: 0 }, |t| mg_str { p: t.as_ptr().cast(), len: t.len() });
    // SAFETY: by the contract.
    unsafe { mgos_mqtt_conn_sub_s(c, topic, qos, handler, user_data) }
}

/// mgos_mqtt_conn_sub() with a string that need not end with a NUL. Not in the headers, as with the original.
///
/// # Safety
/// As there; `topic.p` is NULL or points to `topic.len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_sub_s(
    c: *mut mgos_mqtt_conn,
    topic: mg_str,
    qos: c_int,
    handler: mg_event_handler_t,
    user_data: *mut c_void,
) {
    // SAFETY: by the contract.
    let (Some(c), topic) = (unsafe { (held(c), topic.bytes()) }) else { return };
    let Some(handler) = handler else { return c.log(Log::NoHandler, topic, 0, 0) };
    let handler = Handler { address: handler as *const c_void, user_data };
    subscribe(*c, topic, qos, Recipient { handler, messages_only: false });
}

/// Subscribes, and complains where that is refused.
pub(super) fn subscribe(c: Held, topic: &[u8], qos: c_int, recipient: Recipient<Handler>) {
    let qos = QoS::clamped(qos).min(c.max_qos());
    let now = pump::now();
    match c.get().core.session.subscribe(topic, qos, recipient, now) {
        Ok(()) => pump::pump(c),
        Err(refused) => complain(c, topic, refused),
    }
    warn_of_control_characters(c, topic);
}

/// Removes the newest subscription with exactly this filter. When it was the last with this filter,
/// the broker is told, now or on the next connection to the same session, until it has confirmed
/// that; at most 16 filters wait for it, beyond which the oldest is forgotten with a warning in the
/// log. Memory that `user_data` points to stays the app's. Returns false if there is no such
/// subscription, and for NULL; then nothing changes. May be called from a handler, that of the
/// subscription itself included.
///
/// # Safety
/// `c` is NULL or alive; `topic` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_unsub(c: *mut mgos_mqtt_conn, topic: *const c_char) -> bool {
    // SAFETY: by the contract.
    let (Some(c), Some(topic)) = (unsafe { (held(c), c_str(topic)) }) else { return false };
    let now = pump::now();
    let Some(forgotten) = c.get().core.session.unsubscribe(topic, now) else { return false };
    pump::pump(*c);
    c.log(Log::Unsub, topic, 0, 0);
    if forgotten {
        c.say(Log::UnsubForgotten);
    }
    true
}

/// Bytes that are still to be sent: the payloads that are kept until the broker acknowledges them,
/// an empty one counting as a byte, and what the link has not taken yet. Messages that are set
/// aside, as the broker closes the connection on them, do not count. 0 for NULL. May be called from
/// a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_num_unsent_bytes(c: *mut mgos_mqtt_conn) -> usize {
    // SAFETY: by the contract.
    let Some(c) = (unsafe { look(c) }) else { return 0 };
    let (kept, nc) = (c.core.session.payload_bytes(), c.nc);
    // SAFETY: `nc` is alive from the beginning of the attempt to MG_EV_CLOSE.
    kept + if nc.is_null() { 0 } else { unsafe { shim::mgos_mqtt_shim_unsent(nc) } }
}

/// Fills `*stats` with what has happened to the connection so far: how often it was connected and
/// why it ended, messages and bytes, the queue, the last ping, what is set aside. See `struct
/// mgos_mqtt_stats` for the units, and for what is never reset. Only what the library sends counts
/// as `sent`: not what the app writes with mg_mqtt_publish(), of which there are the bytes.
///
/// Returns true; false, without a word in the log, if either is NULL. May be called from a handler: what is being delivered has been counted.
/// New; the original has no such function. There is no size to be given: shim and archive of different versions can't be linked, so the structure
/// of the header is the library's.
///
/// # Safety
/// `c` is NULL or alive; `stats` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_get_stats(c: *mut mgos_mqtt_conn, stats: *mut mgos_mqtt_stats) -> bool {
    // SAFETY: by the contract.
    let (Some(object), false) = (unsafe { look(c) }, stats.is_null()) else { return false };
    let now = pump::now();
    let (counters, up) = (&object.core.session.counters, object.core.is_online());
    let filled = mgos_mqtt_stats {
        connects: counters.connects,
        disconnects: counters.connects.wrapping_sub(up as u32),
        last_reason: object.last_reason as u32,
        sent: counters.sent,
        retried: counters.repeated,
        received: counters.received,
        dropped: counters.dropped,
        oversized: counters.oversized,
        queued: object.core.session.kept() as u32,
        queued_max: counters.most_kept as u32,
        bytes_sent: counters.bytes_sent,
        bytes_received: counters.bytes_received,
        ping_ms: counters.ping,
        connected_ms: if up { now.wrapping_sub(counters.connected_at) } else { 0 },
        set_aside: object.core.session.set_aside() as u32,
    };
    // SAFETY: by the contract.
    unsafe { stats.write(filled) };
    true
}

/// Sets the highest QoS to be used, 0, 1 or 2, in place of `max_qos` in the configuration: for brokers that do not take more. Messages and subscriptions
/// above it are lowered without a word. A negative one goes back to the configuration. An error in the log for NULL.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_set_max_qos(c: *mut mgos_mqtt_conn, qos: c_int) {
    // SAFETY: by the contract.
    if let Some(c) = unsafe { held(c) } {
        c.get().max_qos = (qos.clamp(-1, 2) + 1) as u8;
        c.limit_qos();
    }
}

/// Takes another configuration, which is copied; the system's own are used as they are. If there is a connection, or one coming up, it is
/// closed and one with the new configuration follows at once; what is queued and subscribed is kept. One that is not enabled closes the connection
/// for good. After this there is no backup server, unless the configuration is the system's own.
///
/// Returns true if the configuration was taken. False, with an error in the log, if it is enabled and names no server, without memory, and for
/// NULL; then nothing changes. May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `cfg` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_set_config(c: *mut mgos_mqtt_conn, cfg: *const mgos_config_mqtt) -> bool {
    // SAFETY: by the contract.
    unsafe { held(c) }.is_some_and(|c| lifecycle::set_config(*c, cfg))
}

/// Handler of connections over WebSocket; exported because the original's is.
///
/// # Safety
/// As for [`events::mgos_mqtt_ev`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_ws_ev(nc: *mut mg_connection, ev: c_int, ev_data: *mut c_void, user_data: *mut c_void) {
    // SAFETY: by the contract.
    unsafe { events::mgos_mqtt_ev(nc, ev, ev_data, user_data) }
}
