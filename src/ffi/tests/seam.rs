//! The functions of shim/ that the pump calls, as the shim has them, on what stands for Mongoose and Mongoose OS here.
//! Not here: what those do by themselves (world.rs, link.rs).

extern crate std;

use super::super::conn_api::mgos_mqtt_conn_nc;
use super::super::shim::{Cloud, Frames, Log, Number};
use super::super::types::{mg_connection, mg_event_handler_t, mgos_config_mqtt, mgos_mqtt_conn, mgos_mqtt_connect_fn_t, mgos_mqtt_packet};
use super::super::types::{mg_send_mqtt_handshake_opts, sub_handler_t};
use super::super::websocket::mgos_mqtt_core_ws_frames;
use super::link::{Nc, Proto, at};
use super::world::{Config, Timer, callback, shared, with};
use crate::heap::testing::fails;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::{null, null_mut};
use std::borrow::ToOwned;
use std::boxed::Box;
use std::format;
use std::vec::Vec;

/// What the shim has beyond `recv_mbuf_limit` over WebSocket.
const WS_EXTRA: usize = 160;
const LEAST_LIMIT: usize = 64;

/// `struct mg_mqtt_message`, as far as it goes.
#[allow(dead_code)] // The contract of the seam reads all of it.
pub struct Message {
    pub cmd: u8,
    pub qos: u8,
    pub size: usize,
    pub id: u16,
    pub topic: *const u8,
    pub topic_len: usize,
    pub payload: *const u8,
    pub payload_len: usize,
}

/// What the options of CONNECT say.
#[allow(dead_code)] // The same.
pub struct Options {
    pub clean_session: bool,
    pub will_retain: bool,
    pub keep_alive: u16,
    /// Topic and message of the will, user name, password.
    pub texts: [*const c_char; 4],
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_now() -> u32 {
    with(|w| w.now)
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_random() -> u32 {
    with(|w| w.rng.next())
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_time_is_set() -> u32 {
    with(|w| w.time_is_set as u32)
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_timer(id: usize, ms: i32, c: *mut mgos_mqtt_conn) -> usize {
    if ms >= 0 && fails() {
        return id;
    }
    with(|w| {
        assert!(id == 0 || w.timers.iter().any(|t| t.id == id && t.c == c), "no such timer");
        w.timers.retain(|t| t.id != id);
        if ms < 0 {
            return 0;
        }
        w.last_timer += 1;
        let every = ms.max(1) as u32;
        w.timers.push(Timer { id: w.last_timer, at: w.now.wrapping_add(every), every, c });
        w.last_timer
    })
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_watch_net(c: *mut mgos_mqtt_conn, on: u32) -> u32 {
    // A handler for each of two events.
    let watches = on != 0 && !fails() && !fails();
    with(|w| {
        assert!(on == 0 || !w.watchers.contains(&c), "it is called already");
        w.watchers.retain(|&watcher| watcher != c);
        if watches {
            w.watchers.push(c);
        }
    });
    watches as u32
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_watch_time(c: *mut mgos_mqtt_conn, on: u32) {
    with(|w| w.time_watchers.retain(|&watcher| watcher != c));
    if on != 0 && !fails() {
        with(|w| w.time_watchers.push(c));
    }
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_log(what: Log, _conn: i32, s: *const u8, len: usize, a: i32, b: i32) {
    // SAFETY: `len` bytes are readable at `s` during this call.
    let text = if s.is_null() { &[] } else { unsafe { core::slice::from_raw_parts(s, len) } }.to_owned();
    with(|w| {
        w.last_line = text.clone();
        w.log.push((what as u32, text, a, b));
    });
    callback("log");
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_event(event: i32, arg: *mut c_void) {
    with(|w| {
        w.last_event = (event, arg);
        w.seen.push(format!("event {}", event & 0xff));
    });
    callback("event");
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_free_heap() -> usize {
    200_000
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_log_connecting(cfg: *const mgos_config_mqtt, _conn: i32) {
    let server = Config::at(cfg).server.rsplit('@').next().unwrap_or_default();
    with(|w| {
        w.last_line = server.into();
        w.seen.push(format!("connecting to {server}"));
    });
    callback("log");
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_cloud_event(which: Cloud) {
    let name = match which {
        Cloud::Connecting => "cloud CONNECTING",
        Cloud::Connected => "cloud CONNECTED",
        Cloud::Disconnected => "cloud DISCONNECTED",
        Cloud::ConnectError => "cloud CONNECTERROR",
    };
    with(|w| w.seen.push(name.to_owned()));
    callback(name);
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_number(cfg: *const mgos_config_mqtt, which: Number) -> i32 {
    Config::at(cfg).number(which)
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_config_strings(cfg: *const mgos_config_mqtt, texts: *mut *const c_char) {
    // SAFETY: there is room for five.
    unsafe { texts.cast::<[*const c_char; 5]>().write(strings(cfg)) };
}

/// Alive as long as the configuration, and device.id, stay as they are.
fn strings(cfg: *const mgos_config_mqtt) -> [*const c_char; 5] {
    let mut texts = Config::at(cfg).texts.each_ref().map(|text| text.as_ref().map_or(null(), |text| text.as_ptr()));
    if texts[0].is_null() {
        texts[0] = with(|w| w.device_id.as_ref().map_or(null(), |text| text.as_ptr()));
    }
    texts
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_session_key(cfg: *const mgos_config_mqtt) -> u32 {
    let cfg = Config::at(cfg);
    let id = cfg.client_id().unwrap_or_default().into_bytes();
    let bytes = cfg.server.bytes().chain([0]).chain(id);
    bytes.fold(1u32, |key, b| key.wrapping_mul(31).wrapping_add(b as u32)).max(1)
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_copy_config(cfg: *const mgos_config_mqtt) -> *const mgos_config_mqtt {
    if shared(cfg) {
        return cfg;
    }
    if fails() {
        return null();
    }
    with(|w| w.copies += 1);
    Box::into_raw(Box::new(Config::at(cfg).clone())).cast_const().cast()
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_free_config(cfg: *const mgos_config_mqtt) {
    if cfg.is_null() || shared(cfg) {
        return;
    }
    with(|w| w.copies -= 1);
    Config::free(cfg);
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_open(c: *mut mgos_mqtt_conn, cfg: *const mgos_config_mqtt, conn: i32) -> *mut mg_connection {
    let cfg = Config::at(cfg).clone();
    let ws = cfg.number(Number::WsEnable) != 0;
    if with(|w| w.unreachable) || cfg.server.is_empty() || fails() {
        log_failure(conn);
        return null_mut();
    }
    let limit = usize::try_from(cfg.limit).unwrap_or(i32::MAX as usize).max(LEAST_LIMIT);
    let nc = Nc::open(c, limit + if ws { WS_EXTRA } else { 0 }, ws);
    if with(|w| w.raw_brokers) {
        at(nc).broker.bytes = Some(Vec::new());
    }
    with(|w| w.links.push(nc));
    if !ws && fails() {
        mgos_mqtt_shim_detach(nc);
        mgos_mqtt_shim_close(nc, 0);
        log_failure(conn);
        return null_mut();
    }
    nc
}

/// A line of the shim's own.
fn log_failure(conn: i32) {
    with(|w| w.log.push((u32::MAX, Vec::new(), conn, 0)));
    callback("log");
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_call_connect_fn(
    c: *mut mgos_mqtt_conn,
    nc: *mut mg_connection,
    cfg: *const mgos_config_mqtt,
    connect_fn: mgos_mqtt_connect_fn_t,
    arg: *mut c_void,
) -> usize {
    let [id, texts @ ..] = strings(cfg);
    let cfg = Config::at(cfg);
    let mut options = Options {
        clean_session: cfg.number(Number::CleanSession) != 0,
        will_retain: cfg.number(Number::WillRetain) != 0,
        keep_alive: cfg.number(Number::KeepAlive) as u16,
        texts,
    };
    let before = at(nc).send.len();
    let serial = at(nc).serial;
    // SAFETY: what was set is a connect callback of these tests.
    unsafe { connect_fn.unwrap()(nc, id, (&raw mut options).cast::<mg_send_mqtt_handshake_opts>(), arg) };
    // The event loop may have been run, and the connection be gone; or another be in its place.
    // SAFETY: the caller keeps `c` alive.
    if unsafe { mgos_mqtt_conn_nc(c) } != nc || at(nc).serial != serial {
        return 0;
    }
    // mg_set_protocol_mqtt() has put a handler of Mongoose's between.
    at(nc).http = false;
    at(nc).send.len().saturating_sub(before)
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_last_unsent(nc: *mut mg_connection, len: usize) -> *const u8 {
    let send = &at(nc).send;
    send[send.len() - len..].as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_app_sent(nc: *mut mg_connection) -> i32 {
    let Some(proto) = at(nc).proto() else { return -1 };
    if core::mem::take(&mut proto.app_sent) { proto.keep_alive as i32 } else { -1 }
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_ws_frames(c: *mut mgos_mqtt_conn, nc: *mut mg_connection, what: Frames) -> u32 {
    // SAFETY: as it was called.
    unsafe { mgos_mqtt_core_ws_frames(c, nc, what) }
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_set_keep_alive(nc: *mut mg_connection, seconds: u32) {
    if let Some(proto) = at(nc).proto() {
        proto.keep_alive = seconds as u16;
    }
}

/// Room for `more` bytes behind what `bytes` holds, exactly so many if it must be asked for. False without memory.
fn reserve(bytes: &mut Vec<u8>, more: usize) -> bool {
    if bytes.capacity() - bytes.len() < more {
        if fails() {
            return false;
        }
        return bytes.try_reserve_exact(more).is_ok();
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_send_reserve(nc: *mut mg_connection, size: usize, spare: usize) -> *mut u8 {
    let send = &mut at(nc).send;
    if !size.checked_add(spare).is_some_and(|size| reserve(send, size)) {
        return null_mut();
    }
    send.spare_capacity_mut().as_mut_ptr().cast()
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_send(nc: *mut mg_connection, size: usize) {
    let send = &mut at(nc).send;
    assert!(send.len() + size <= send.capacity());
    // SAFETY: the caller has written `size` bytes where `mgos_mqtt_shim_send_reserve` said; Miri checks.
    unsafe { send.set_len(send.len() + size) };
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_unsend(nc: *mut mg_connection, len: usize) {
    let send = &mut at(nc).send;
    assert!(len <= send.len());
    send.truncate(send.len() - len);
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_insert_unsent(nc: *mut mg_connection, place: usize, bytes: *const u8, len: usize) -> *mut u8 {
    let send = &mut at(nc).send;
    assert!(len > 0 && place <= send.len());
    if !reserve(send, len) {
        return null_mut();
    }
    // SAFETY: `len` bytes are readable at `bytes`.
    send.splice(place..place, unsafe { core::slice::from_raw_parts(bytes, len) }.iter().copied());
    send[place + len..].as_mut_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_unsent(nc: *mut mg_connection) -> usize {
    at(nc).send.len()
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_received(nc: *mut mg_connection, len: *mut usize, limit: *mut usize) -> *const u8 {
    let nc = at(nc);
    let extra = if nc.is_websocket { WS_EXTRA } else { 0 };
    // SAFETY: both are there to be written to.
    unsafe {
        len.write(nc.recv.len());
        limit.write((nc.limit - extra).max(LEAST_LIMIT));
    }
    nc.recv.as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_recv_consume(nc: *mut mg_connection, place: usize, len: usize) -> usize {
    let recv = &mut at(nc).recv;
    if place <= recv.len() && len <= recv.len() - place {
        recv.drain(place..place + len);
    }
    recv.len()
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_ws_upgrade(nc: *mut mg_connection, _cfg: *const mgos_config_mqtt) -> u32 {
    if fails() {
        return 0;
    }
    at(nc).is_websocket = true;
    // Mongoose does not say whether it had memory.
    if fails() {
        return 0;
    }
    at(nc).send.extend_from_slice(b"GET");
    1
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_ws_agreed(nc: *mut mg_connection, reply: *mut c_void, conn: i32) -> u32 {
    // SAFETY: NULL, or the reply of world.rs: whether the server agrees.
    let agreed = match unsafe { reply.cast::<bool>().as_ref() } {
        None if at(nc).recv.len() < at(nc).limit - WS_EXTRA => return 2,
        reply => reply == Some(&true),
    };
    if agreed {
        return 1;
    }
    log_failure(conn);
    0
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_ws_take_over(nc: *mut mg_connection, all: u32) -> u32 {
    at(nc).http = false;
    if all == 0 {
        return 1;
    }
    at(nc).foreign = false;
    at(nc).proto = if fails() { None } else { Some(Proto { keep_alive: 0, app_sent: false }) };
    at(nc).proto.is_some() as u32
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_close(nc: *mut mg_connection, after_sending: u32) {
    let nc = at(nc);
    if after_sending != 0 {
        nc.close_after_sending = true;
    } else {
        nc.close_now = true;
    }
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_detach(nc: *mut mg_connection) {
    at(nc).owner = null_mut();
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_owner(nc: *mut mg_connection) -> *mut mgos_mqtt_conn {
    at(nc).owner
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_call(
    handler: *const c_void,
    nc: *mut mg_connection,
    ev: c_int,
    packet: *const mgos_mqtt_packet,
    user_data: *mut c_void,
) {
    // SAFETY: the packet is there while this runs, and copied at once.
    let packet = unsafe { packet.read() };
    let recv = at(nc).recv.as_ptr();
    assert!(packet.size <= at(nc).recv.len() && packet.payload_at + packet.payload_len <= packet.size);
    let (topic, payload) = (recv.wrapping_add(packet.topic_at), recv.wrapping_add(packet.payload_at));
    // SAFETY: `handler` is what was handed in as a handler of this type, by these tests.
    unsafe {
        if ev == 0 {
            if let Some(call) = core::mem::transmute::<*const c_void, sub_handler_t>(handler) {
                call(nc, topic.cast(), packet.topic_len as c_int, payload.cast(), packet.payload_len as c_int, user_data);
            }
            return;
        }
        let (cmd, qos) = (packet.first >> 4, packet.first >> 1 & 3);
        let mut message =
            Message { cmd, qos, size: packet.size, id: packet.id, topic: null(), topic_len: 0, payload: null(), payload_len: 0 };
        if packet.topic_len > 0 {
            (message.topic, message.topic_len) = (topic, packet.topic_len);
            (message.payload, message.payload_len) = (payload, packet.payload_len);
        }
        let call = core::mem::transmute::<*const c_void, mg_event_handler_t>(handler);
        call.unwrap()(nc, ev, (&raw mut message).cast(), user_data);
    }
}
