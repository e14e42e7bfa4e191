//! The functions of mgos_mqtt_conn.h. Each checks its pointers and hands over; the comments here
//! become the header's.

use super::app;
use super::clock::now;
use super::config::{Config, c_str};
use super::connection::{ConnectionGuard, ConnectionRef, Handler, Upload};
use super::deliver;
use super::events;
use super::finish;
use super::handshake;
use super::lifecycle;
use super::nc::{Nc, NcId};
use super::pieces;
use super::publish;
use super::pump::pump;
use super::queue_file;
use super::shim::Log;
use super::token::NoApp;
use super::types::{
    PassedBool, ReturnedBool, ReturnedU16, mg_connection, mg_event_handler_t, mg_str, mgos_config_mqtt, mgos_mqtt_conn,
    mgos_mqtt_connect_fn_t, mgos_mqtt_finish_fn_t, mgos_mqtt_pub_opts, mgos_mqtt_read_fn_t, mgos_mqtt_result_fn_t, mgos_mqtt_stats,
    mgos_mqtt_stream_handler_t,
};
use super::upload;
use crate::session::{Recipient, RequestError, Wants};
use crate::wire::QoS;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::{null, null_mut};

/// A guard of the connection object, or a line in the log for NULL.
///
/// # Safety
/// `c` is NULL or alive, and nothing is borrowed from it.
unsafe fn guard(t: &mut NoApp, c: *mut mgos_mqtt_conn) -> Option<ConnectionGuard> {
    // SAFETY: by the contract.
    let guard = unsafe { ConnectionGuard::new(c) };
    if guard.is_none() {
        app::log_without_connection(t, Log::NoConnection, 0);
    }
    guard
}

/// The connection object, for a function that asks for nothing to be done and runs no app code;
/// `None` for NULL.
///
/// # Safety
/// `c` is NULL, or alive for 'a.
unsafe fn look<'a>(c: *mut mgos_mqtt_conn) -> Option<ConnectionRef<'a>> {
    // SAFETY: by the contract.
    unsafe { ConnectionRef::kept_alive(c) }
}

/// Makes a connection, with a backup server for when its own can't be reached.
///
/// It connects when the network comes up, or at mgos_mqtt_conn_connect(), and stays connected from
/// then on.
///
/// @param conn_id Shown in the log as MQTT0, MQTT1 and so on.
/// @param cfg Its configuration, which is copied; mgos_sys_config_get_mqtt() and
/// mgos_sys_config_get_mqtt1() are used as they are at each attempt. NULL:
/// mgos_mqtt_conn_set_config() follows.
/// @param cfg2 That of the backup server, likewise. NULL: there is none.
/// @return The connection, to be freed with mgos_mqtt_conn_free() if ever. NULL without memory,
/// with an error in the log.
///
/// May be called from a handler.
///
/// # Safety
/// Both configurations are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_create2(
    conn_id: c_int,
    cfg: *const mgos_config_mqtt,
    cfg2: *const mgos_config_mqtt,
) -> *mut mgos_mqtt_conn {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract.
    let (cfg, cfg2) = unsafe { (Config::new(cfg), Config::new(cfg2)) };
    lifecycle::create(t, conn_id, cfg, cfg2)
}

/// Makes a connection without a backup server: mgos_mqtt_conn_create2() with `cfg2` NULL.
///
/// @param conn_id As there.
/// @param cfg As there.
/// @return As there.
///
/// May be called from a handler.
///
/// # Safety
/// The configuration is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_create(conn_id: c_int, cfg: *const mgos_config_mqtt) -> *mut mgos_mqtt_conn {
    // SAFETY: by the contract.
    unsafe { mgos_mqtt_conn_create2(conn_id, cfg, null()) }
}

/// Closes a connection without sending DISCONNECT, and frees it with its queue, subscriptions and
/// handlers, none of which is called any more. New; the original has no such function.
///
/// @param c The connection, not to be used again. NULL: nothing happens.
///
/// May be called from a handler, one of the connection itself included.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_free(c: *mut mgos_mqtt_conn) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    if let Some(guard) = unsafe { ConnectionGuard::new(c) } {
        super::global::forget(c);
        lifecycle::free(guard.get(), t);
    }
}

/// The connection that a Mongoose connection belongs to, for use in handlers.
///
/// @param nc A Mongoose connection of this library, as handlers are given it.
/// @return The connection. NULL for NULL, which handlers of MG_EV_CLOSE are given.
///
/// # Safety
/// `nc` is NULL or a live Mongoose connection of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_from_nc(nc: *mut mg_connection) -> *mut mgos_mqtt_conn {
    // SAFETY: by the contract it is alive, and nothing runs here that could end it.
    NcId::new(nc).map_or(null_mut(), |nc| unsafe { Nc::new(nc) }.owner())
}

/// The Mongoose connection behind a connection, from the beginning of an attempt until MG_EV_CLOSE;
/// NULL otherwise. Not in the headers, as with the original.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_nc(c: *mut mgos_mqtt_conn) -> *mut mg_connection {
    // SAFETY: the first thing here, once.
    let t = &unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing here runs app code.
    unsafe { look(c) }.and_then(|c| c.look(t).nc).map_or(null_mut(), NcId::ptr)
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
/// `ev_data` of the MQTT events is a `struct mg_mqtt_message *`, gone when the handler returns.
///
/// @param c The connection. NULL: an error in the log, and nothing else.
/// @param handler The handler. NULL: likewise. Without memory: likewise.
/// @param user_data Handed back to it; it stays the app's.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `handler` is right to be called with `user_data` for as long as the
/// connection lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_add_handler(c: *mut mgos_mqtt_conn, handler: mg_event_handler_t, user_data: *mut c_void) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return };
    let c = guard.get();
    let Some(handler) = handler else { return c.say(t, Log::NoHandler) };
    let handler = Handler { address: handler as *const c_void, user_data };
    if c.get(t).handlers.push_front(handler, &[]).is_err() {
        c.say(t, Log::NoMemory);
    }
}

/// Sets the callback that sends CONNECT in place of the library, on this and every later
/// connection.
///
/// @param c The connection. NULL: an error in the log, and nothing else.
/// @param fn The callback. NULL: the library sends CONNECT again.
/// @param fn_arg Handed back to it; it stays the app's.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `fn` is right to be called with `fn_arg` for as long as the connection
/// lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_set_connect_fn(c: *mut mgos_mqtt_conn, r#fn: mgos_mqtt_connect_fn_t, fn_arg: *mut c_void) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return };
    let connection = guard.get().get(t);
    connection.connect_fn = r#fn;
    connection.own_connect = Some(handshake::own_connect);
    connection.connect_arg = fn_arg;
}

/// Connects now, without waiting for the network event or the next attempt, and also after
/// mgos_mqtt_conn_disconnect().
///
/// @param c The connection.
/// @return true if an attempt was begun, or one is under way, or the connection is up. false if the
/// configuration is not enabled or names no server, `require_time` is set and the clock is not, the
/// attempt failed at once, or `c` is NULL; except for a configuration that is not enabled, with the
/// reason in the log. When the clock is not set or the attempt failed, the next one follows by
/// itself.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_connect(c: *mut mgos_mqtt_conn) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    unsafe { guard(t, c) }.is_some_and(|guard| lifecycle::connect(guard.get(), t)) as ReturnedBool
}

/// Disconnects when what has been written is sent, and stays so until mgos_mqtt_conn_connect().
/// Ends the attempts to connect, too. What is queued and subscribed is kept.
///
/// @param c The connection. NULL: an error in the log, and nothing else.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_disconnect(c: *mut mgos_mqtt_conn) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    if let Some(guard) = unsafe { guard(t, c) } {
        lifecycle::disconnect(guard.get(), t);
    }
}

/// Schedules the next attempt to connect. Not in the headers, as with the original; apps have no
/// use for it.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_reconnect(c: *mut mgos_mqtt_conn) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    if let Some(guard) = unsafe { guard(t, c) }
        && guard.get().look(t).nc.is_none()
    {
        lifecycle::reconnect(guard.get(), t);
    }
}

/// Tells whether a connection is up: from CONNACK until MG_EV_CLOSE.
///
/// @param c The connection.
/// @return true if it is up. false for NULL.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_is_connected(c: *mut mgos_mqtt_conn) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing here runs app code.
    unsafe { look(c) }.is_some_and(|c| c.look(t).core.is_online()) as ReturnedBool
}

/// Tells whether the message that a handler has been called with is a retained one: one that the
/// broker had kept and sends because of the subscription, and not one that was published just now.
/// New; the original has no such function.
///
/// @param c The connection, which handlers find with mgos_mqtt_conn_from_nc().
/// @return true if it is retained. false if it is not, in handlers of other events, where no handler
/// is running, when the connection has ended meanwhile, and for NULL. If a handler runs the event
/// loop, and another connection delivers meanwhile, each has its own message.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_is_retained(c: *mut mgos_mqtt_conn) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing here runs app code.
    unsafe { look(c) }.is_some_and(|c| deliver::is_retained(c, t)) as ReturnedBool
}

/// Tells whether the broker has kept the session of the connections before: with `clean_session`
/// false it has kept the subscriptions, and what was published to them meanwhile, and sends that. New;
/// the original has no such function.
///
/// @param c The connection.
/// @return true if it has, as its last CONNACK says. false if it has begun a new session, with
/// `clean_session` true, when another broker or client id has been connected to, between CONNECT and
/// CONNACK, and for NULL.
///
/// May be called from a handler; at MG_EV_MQTT_CONNACK it tells of the connection that begins.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_session_present(c: *mut mgos_mqtt_conn) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing here runs app code.
    unsafe { look(c) }.is_some_and(|c| c.look(t).core.session.is_kept()) as ReturnedBool
}

/// A packet ID, never 0 and not in use, for packets that the app sends by itself. 0 for NULL. Not
/// in the headers, as with the original; see mgos_mqtt_get_packet_id().
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_get_packet_id(c: *mut mgos_mqtt_conn) -> ReturnedU16 {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return 0 };
    guard.get().get(t).core.session.packet_id().get() as ReturnedU16
}

/// Publishes a message.
///
/// At QoS 0 it is sent if the connection is up. At QoS 1 and 2 it is sent, now or when the
/// connection is up, and again after `ack_timeout` or a reconnection, until the broker has
/// acknowledged it. Up to `max_queue_length` messages are kept for that; one more takes the place
/// of the oldest, which is given up unless it is under way. QoS 2 is exactly once within a session;
/// over a lost session, as with `clean_session` true after each reconnection, the message may
/// arrive twice.
///
/// @param c The connection.
/// @param topic The topic, not needed any more on return.
/// @param msg The payload, not needed any more on return.
/// @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_conn_set_max_qos().
/// @param retain Whether the broker is to keep it for later subscribers.
/// @return The packet ID, > 0, repeated in MG_EV_MQTT_PUBACK (QoS 1) or MG_EV_MQTT_PUBCOMP (QoS 2),
/// on whichever connection that comes; MGOS_MQTT_EVENT_GIVEN_UP tells if the message was given up.
/// 0 if it was neither sent nor kept, with the reason in the log: at QoS 0, or without a queue, no
/// connection, a network that is down, or a link that takes no more; a topic that is empty, not
/// UTF-8, longer than 65,535 bytes or with a wildcard; no memory; `c` or `topic` NULL, `msg.p` NULL
/// while `msg.len` is not 0.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `topic` is NULL or ends with a NUL; `msg.p` is NULL or points to `msg.len`
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_pub(
    c: *mut mgos_mqtt_conn,
    topic: *const c_char,
    msg: mg_str,
    qos: c_int,
    retain: PassedBool,
) -> ReturnedU16 {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return 0 };
    let c = guard.get();
    // SAFETY: by the contract.
    let topic = unsafe { c_str(topic) }.unwrap_or(&[]);
    if msg.p.is_null() && msg.len > 0 {
        return publish::refuse(c, t, topic, RequestError::NullMessage);
    }
    // SAFETY: by the contract.
    let payload = unsafe { msg.bytes() };
    publish::publish(c, t, topic, payload, qos, retain != 0)
}

/// mgos_mqtt_conn_pub_opt() with the size of the structure that the caller knows, so that a library
/// compiled against an older one keeps working. Apps call that one.
///
/// # Safety
/// As for `mgos_mqtt_conn_pub`; `opts` is NULL or points to `size` readable bytes, and its callback is
/// right to be called with its `arg` until it was called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_pub_opt_sized(
    c: *mut mgos_mqtt_conn,
    topic: *const c_char,
    msg: mg_str,
    opts: *const mgos_mqtt_pub_opts,
    size: usize,
) -> ReturnedU16 {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return 0 };
    let c = guard.get();
    // SAFETY: by the contract.
    let (topic, opts) = unsafe { (c_str(topic).unwrap_or(&[]), mgos_mqtt_pub_opts::read(opts, size)) };
    if msg.p.is_null() && msg.len > 0 {
        return publish::refuse(c, t, topic, RequestError::NullMessage);
    }
    // SAFETY: by the contract.
    let payload = unsafe { msg.bytes() };
    publish::publish_opt(c, t, topic, payload, opts)
}

/// Publishes a message in pieces, as the app reads them: one that is larger than the memory, as a picture
/// or a log file. New; the original has no such function.
///
/// It begins when the connection is up and nothing else waits to be sent, and is one packet on
/// the wire: until its last byte other messages at QoS 1 and 2 wait in the queue, those at QoS 0 are
/// refused, and no ping is sent. So it should take less than `keep_alive`, after one and a half of which
/// a broker may close the connection; brokers also limit the size. It is not kept: if the connection ends
/// inside it, it is begun anew on the next, three times in all. After its last byte it is sent no more. If
/// nothing of it can be written for 30 seconds the connection is closed.
///
/// @param c The connection. NULL: an error in the log, and false is returned.
/// @param topic The topic, not needed any more on return.
/// @param len Bytes of the message, at most 268,435,451 less those of the topic.
/// @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_conn_set_max_qos().
/// @param retain Whether the broker is to keep it for later subscribers.
/// @param read Called from the event loop for up to 256 bytes at a time, until `cb` is called.
/// @param cb Called once, from the event loop, with the packet ID (0 if it has not begun) and one of `enum
/// mgos_mqtt_result`: MGOS_MQTT_RESULT_ACKNOWLEDGED; at QoS 0 MGOS_MQTT_RESULT_SENT or _LOST;
/// MGOS_MQTT_RESULT_GIVEN_UP if three connections have ended inside it, if `read` gave it up, or if the
/// connection ended after its last byte and before it was acknowledged, though it may have arrived;
/// MGOS_MQTT_RESULT_FREED. NULL: nobody is told.
/// @param arg Handed back to both; it stays the app's.
/// @return true if it is accepted. false, with the reason in the log, if another is under way on this
/// connection, or during mgos_mqtt_conn_finish(); for a topic that is empty, not UTF-8, longer than 65,535
/// bytes or with a wildcard; for a message too large for MQTT; without memory; if `topic` or `read` is
/// NULL. Then neither is called.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `topic` is NULL or ends with a NUL; `read` and `cb` are right to be called with
/// `arg` until `cb` was called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_pub_stream(
    c: *mut mgos_mqtt_conn,
    topic: *const c_char,
    len: usize,
    qos: c_int,
    retain: PassedBool,
    read: mgos_mqtt_read_fn_t,
    cb: mgos_mqtt_result_fn_t,
    arg: *mut c_void,
) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return 0 };
    let c = guard.get();
    // SAFETY: by the contract.
    let topic = unsafe { c_str(topic) }.unwrap_or(&[]);
    let Some(read) = read else {
        c.log_text(t, Log::NoHandler, topic, 0, 0);
        return 0;
    };
    let callback = Handler { address: cb.map_or(null(), |cb| cb as *const c_void), user_data: arg };
    let published = upload::publish(c, t, topic, Upload::new(read as *const c_void, callback, QoS::clamped(qos), retain != 0, len));
    if let Err(error) = published {
        publish::refuse(c, t, topic, error);
    }
    published.is_ok() as ReturnedBool
}

/// Keeps the queue in a file from now on, so that it survives a restart, and takes what is there.
/// Call it before the connection is begun and before anything is published on it, at each start of the
/// firmware. New; the original has no such function.
///
/// Kept are the messages at QoS 1 and 2 that are queued or in flight, with what is left of their
/// `ttl_ms`, and the packet IDs of QoS 2 messages under way in both directions. Two copies are written
/// in turn, `path` with `.a` and `.b` at its end, so that a power cut at any time loses nothing that
/// was in the file.
///
/// @param c The connection. NULL: an error in the log, and false is returned.
/// @param path The file's name, not needed any more on return. Two connections can't
/// have the same.
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
/// `c` is NULL or alive; `path` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_set_queue_file(c: *mut mgos_mqtt_conn, path: *const c_char, delay_ms: u32) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return 0 };
    // SAFETY: by the contract.
    unsafe { queue_file::keep(guard.get(), t, path, delay_ms) as ReturnedBool }
}

/// Disconnects gracefully, before deep sleep, an update or a restart: what is queued goes out and
/// is acknowledged, then DISCONNECT is sent, so that the broker does not publish the will. Then the
/// connection stays down, as after mgos_mqtt_conn_disconnect(). New; the original has no such function.
///
/// Until the callback is called, nothing can be published: 0 is returned. Messages that are set aside,
/// as the broker closes the connection on them, are not waited for. If the connection is not up, and
/// something is queued, attempts to connect go on meanwhile. mgos_mqtt_conn_disconnect() cuts the wait
/// short.
///
/// @param c The connection. NULL: an error in the log, and false is returned.
/// @param timeout_ms How long to wait for acknowledgements, milliseconds, at most 2,147,483,647; 0: not
/// at all. DISCONNECT may take a second more.
/// @param cb Called once, from the event loop and never inside this call, when the connection is gone;
/// inside mgos_mqtt_conn_free() if that comes first. What is left is kept, and sent after the next
/// mgos_mqtt_conn_connect(), which `cb` may call. NULL: nobody is told.
/// @param arg Handed back to `cb`; it stays the app's.
/// @return true if `cb` is going to be called. false if the connection is being ended so already, and
/// without memory; then nothing changes.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `cb` is right to be called with `arg` until it was called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_finish(
    c: *mut mgos_mqtt_conn,
    timeout_ms: u32,
    cb: mgos_mqtt_finish_fn_t,
    arg: *mut c_void,
) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return 0 };
    let callback = Handler { address: cb.map_or(null(), |cb| cb as *const c_void), user_data: arg };
    finish::finish(guard.get(), t, timeout_ms, callback) as ReturnedBool
}

/// Subscribes to a topic filter, now or when the connection is up, and again at every later
/// connection.
///
/// Several subscriptions to the same filter all have their handlers called, the newest first. A
/// message is acknowledged by the library.
///
/// @param c The connection. NULL: an error in the log, and nothing else.
/// @param topic The filter, not needed any more on return. NULL, empty, not UTF-8, or with a
/// misplaced wildcard: likewise. Without memory: likewise.
/// @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_conn_set_max_qos().
/// @param handler Called with MG_EV_MQTT_SUBACK when the broker has answered, and with
/// MG_EV_MQTT_PUBLISH for each message that matches. NULL: an error in the log, and nothing else.
/// @param user_data Handed back to it; it stays the app's.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `topic` is NULL or ends with a NUL; `handler` is right to be called with
/// `user_data` until mgos_mqtt_conn_unsub().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_sub(
    c: *mut mgos_mqtt_conn,
    topic: *const c_char,
    qos: c_int,
    handler: mg_event_handler_t,
    user_data: *mut c_void,
) {
    let none = mg_str { p: null(), len: 0 };
    // SAFETY: by the contract.
    let topic = unsafe { c_str(topic) }.map_or(none, |t| mg_str { p: t.as_ptr().cast(), len: t.len() });
    // SAFETY: by the contract.
    unsafe { mgos_mqtt_conn_sub_s(c, topic, qos, handler, user_data) }
}

/// mgos_mqtt_conn_sub() with a string that need not end with a NUL. Not in the headers, as with the
/// original.
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
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return };
    let c = guard.get();
    // SAFETY: by the contract.
    let topic = unsafe { topic.bytes() };
    let Some(handler) = handler else { return c.log_text(t, Log::NoHandler, topic, 0, 0) };
    let handler = Handler { address: handler as *const c_void, user_data };
    publish::subscribe(c, t, topic, qos, Recipient { handler, wants: Wants::EVENTS });
}

/// mgos_mqtt_conn_sub() with a `sub_handler_t`, which is called with messages only. NULL: they are
/// acknowledged and dropped.
///
/// # Safety
/// As there.
pub unsafe fn subscribe_to_messages(c: *mut mgos_mqtt_conn, topic: *const c_char, qos: c_int, handler: Handler) {
    // SAFETY: the first thing in the function that C calls, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { ConnectionGuard::new(c) }) else { return };
    // SAFETY: by the contract.
    let topic = unsafe { c_str(topic) }.unwrap_or(&[]);
    publish::subscribe(guard.get(), t, topic, qos, Recipient { handler, wants: Wants::MESSAGES });
}

/// Subscribes to a topic filter with a handler that takes messages in pieces, as they come in: also
/// those that exceed `recv_mbuf_limit`, up to the 256 MB that MQTT allows. New; the original has no such
/// function.
///
/// A message that fits comes as one piece. One that does not goes to the newest matching subscription
/// of this kind alone; others that match, of whatever kind, do not get it. Its topic has to fit the
/// limit. It is acknowledged when the last piece was taken; at QoS 2, once it was taken, it does not
/// come again.
///
/// @param c The connection. NULL: an error in the log, and nothing else.
/// @param topic The filter, not needed any more on return. NULL, empty, not UTF-8, or with a misplaced
/// wildcard: likewise. Without memory: likewise.
/// @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_conn_set_max_qos().
/// @param handler Called with each piece. NULL: an error in the log, and nothing else.
/// @param arg Handed back to it; it stays the app's.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `topic` is NULL or ends with a NUL; `handler` is right to be called with
/// `arg` until mgos_mqtt_conn_unsub().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_sub_stream(
    c: *mut mgos_mqtt_conn,
    topic: *const c_char,
    qos: c_int,
    handler: mgos_mqtt_stream_handler_t,
    arg: *mut c_void,
) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return };
    let c = guard.get();
    // SAFETY: by the contract.
    let topic = unsafe { c_str(topic) }.unwrap_or(&[]);
    let Some(handler) = handler else { return c.log_text(t, Log::NoHandler, topic, 0, 0) };
    if pieces::install(c, t).is_err() {
        return c.log_text(t, Log::NoMemory, topic, 0, 0);
    }
    let handler = Handler { address: handler as *const c_void, user_data: arg };
    publish::subscribe(c, t, topic, qos, Recipient { handler, wants: Wants::PIECES });
}

/// Removes the newest subscription with exactly this filter.
///
/// When it was the last with this filter, the broker is told, now or on the next connection to the
/// same session, until it has confirmed that; at most 16 filters wait for it, beyond which the
/// oldest is forgotten with a warning in the log. Memory that `user_data` points to stays the
/// app's.
///
/// @param c The connection.
/// @param topic The filter.
/// @return true if it was removed. false if there is no such subscription, and for NULL, with an
/// error in the log for a NULL connection; then nothing changes.
///
/// May be called from a handler, that of the subscription itself included.
///
/// # Safety
/// `c` is NULL or alive; `topic` is NULL or ends with a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_unsub(c: *mut mgos_mqtt_conn, topic: *const c_char) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return 0 };
    let c = guard.get();
    // SAFETY: by the contract.
    let Some(topic) = (unsafe { c_str(topic) }) else { return 0 };
    let Some(forgotten) = c.get(t).core.session.unsubscribe(topic, now()) else { return 0 };
    pump(c, t);
    c.log_text(t, Log::Unsub, topic, 0, 0);
    if forgotten {
        c.say(t, Log::UnsubForgotten);
    }
    1
}

/// Bytes that are still to be sent: the payloads that are kept until the broker acknowledges them,
/// an empty one counting as a byte, and what the link has not taken yet. Messages that are set
/// aside, as the broker closes the connection on them, do not count.
///
/// @param c The connection.
/// @return Bytes; 0 for NULL.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_num_unsent_bytes(c: *mut mgos_mqtt_conn) -> usize {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing here runs app code.
    let Some(c) = (unsafe { look(c) }) else { return 0 };
    let kept = c.look(t).core.session.payload_bytes();
    kept + c.live(t).map_or(0, |(_, nc)| nc.unsent())
}

/// Tells what has happened to a connection so far: how often it was connected and why it ended,
/// messages and bytes, the queue, the last ping, what is set aside. New; the original has no such
/// function.
///
/// Only what the library sends counts as `sent`, not what the app writes with mg_mqtt_publish(): of
/// that there are the bytes.
///
/// @param c The connection.
/// @param stats To be filled; see `struct mgos_mqtt_stats` for units, and for what is never reset.
/// @return true. false if either is NULL, without a line in the log; then nothing is filled in.
///
/// May be called from a handler: what is being delivered has been counted.
///
/// # Safety
/// `c` is NULL or alive; `stats` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_get_stats(c: *mut mgos_mqtt_conn, stats: *mut mgos_mqtt_stats) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &unsafe { NoApp::enter() };
    // There is no size to be given: shim and archive of different versions can't be linked, so the
    // structure of the header is the library's.
    // SAFETY: by the contract; nothing here runs app code.
    let (Some(c), false) = (unsafe { look(c) }, stats.is_null()) else { return 0 };
    // SAFETY: by the contract.
    unsafe { stats.write(c.look(t).stats()) };
    1
}

/// Sets the highest QoS to be used in place of `max_qos` in the configuration, for brokers that do
/// not support more. Messages and subscriptions above it are silently downgraded.
///
/// @param c The connection. NULL: an error in the log, and nothing else.
/// @param qos 0, 1 or 2; negative: what the configuration says.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_set_max_qos(c: *mut mgos_mqtt_conn, qos: c_int) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    if let Some(guard) = unsafe { guard(t, c) } {
        let connection = guard.get().get(t);
        connection.max_qos_override = (qos.clamp(-1, 2) + 1) as u8;
        connection.limit_qos();
    }
}

/// Changes the configuration. If there is a connection, or one coming up, it is closed and one with
/// the new configuration follows at once; what is queued and subscribed is kept. A configuration
/// that is not enabled closes the connection for good. After this there is no backup server, unless
/// the configuration is the system's own.
///
/// @param c The connection.
/// @param cfg The configuration, which is copied; the system's own are used as they are.
/// @return true if the configuration was taken. false, with an error in the log, if it is enabled
/// and names no server, without memory, and for NULL; then nothing changes.
///
/// May be called from a handler.
///
/// # Safety
/// `c` is NULL or alive; `cfg` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_conn_set_config(c: *mut mgos_mqtt_conn, cfg: *const mgos_config_mqtt) -> ReturnedBool {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    let Some(guard) = (unsafe { guard(t, c) }) else { return 0 };
    // SAFETY: by the contract.
    let config = unsafe { Config::new(cfg) };
    lifecycle::set_config(guard.get(), t, config) as ReturnedBool
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
