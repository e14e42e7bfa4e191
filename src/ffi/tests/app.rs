//! The app: handlers that record what they are told, and, by name, each function of the library as
//! it may be called from a callback. Not here: from which callback (callbacks.rs).

extern crate std;

use super::super::shim::Number;
use super::super::types::{
    mg_connection, mg_send_mqtt_handshake_opts, mg_str, mgos_mqtt_conn, mgos_mqtt_piece, mgos_mqtt_pub_opts, mgos_mqtt_stats,
};
use super::super::{conn_api::*, global::mgos_mqtt_core_global, global_api::*};
use super::link::at;
use super::seam::{Message, Options};
use super::world::{Config, callback, nc, round, with};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{null, null_mut};
use std::format;
use std::string::{String, ToString};

fn text(p: *const u8, len: usize) -> String {
    // SAFETY: `len` bytes are readable at `p` until the handler that was given them calls something.
    if len == 0 { String::new() } else { unsafe { core::slice::from_raw_parts(p, len) }.escape_ascii().to_string() }
}

/// A name as `user_data`.
pub fn tag(name: &'static CStr) -> *mut c_void {
    name.as_ptr().cast_mut().cast()
}

fn tagged(user_data: *mut c_void) -> &'static str {
    // SAFETY: it came from `tag`.
    unsafe { CStr::from_ptr(user_data.cast_const().cast()) }.to_str().unwrap()
}

fn event_name(ev: c_int) -> &'static str {
    match ev {
        0 => "POLL",
        5 => "CLOSE",
        202 => "CONNACK",
        203 => "PUBLISH",
        204 => "PUBACK",
        205 => "PUBREC",
        206 => "PUBREL",
        207 => "PUBCOMP",
        209 => "SUBACK",
        211 => "UNSUBACK",
        _ => panic!("handlers are not told of {ev}"),
    }
}

/// An `mg_event_handler_t`.
pub unsafe extern "C" fn handler(_nc: *mut mg_connection, ev: c_int, data: *mut c_void, user_data: *mut c_void) {
    let (who, what) = (tagged(user_data), event_name(ev));
    if ev >= 200 {
        // SAFETY: what belongs to these events.
        let m = unsafe { &*data.cast_const().cast::<Message>() };
        let line = match ev {
            203 => format!("{who} {what} {}={}", text(m.topic, m.topic_len), text(m.payload, m.payload_len)),
            202 => format!("{who} {what}"),
            _ => format!("{who} {what} {}", m.id),
        };
        with(|w| w.seen.push(line));
    } else if ev != 0 {
        with(|w| w.seen.push(format!("{who} {what}")));
    }
    callback(what);
}

/// A `sub_handler_t`.
pub unsafe extern "C" fn listener(
    _nc: *mut mg_connection,
    topic: *const c_char,
    topic_len: c_int,
    msg: *const c_char,
    len: c_int,
    user_data: *mut c_void,
) {
    let line = format!("{} {}={}", tagged(user_data), text(topic.cast(), topic_len as usize), text(msg.cast(), len as usize));
    with(|w| w.seen.push(line));
    callback("message");
}

/// A `mgos_mqtt_stream_handler_t`.
pub unsafe extern "C" fn piece_handler(c: *mut mgos_mqtt_conn, piece: *const mgos_mqtt_piece, arg: *mut c_void) -> u8 {
    // SAFETY: it is there while this has called nobody.
    let mgos_mqtt_piece { topic, topic_len, total, offset, data, len, qos, .. } = unsafe { *piece };
    assert!(!c.is_null() && offset + len <= total && (0..=2).contains(&qos));
    if !data.is_null() {
        // SAFETY: the same.
        let piece = unsafe { core::slice::from_raw_parts(data.cast::<u8>(), len) };
        assert!(piece.is_ascii());
    }
    let until = if data.is_null() { "cut".into() } else { (offset + len).to_string() };
    let topic = text(topic.cast(), topic_len);
    with(|w| w.seen.push(format!("{} {topic}: {until} of {total}", tagged(arg))));
    callback("piece");
    1
}

/// A connect callback: CONNECT by itself.
pub unsafe extern "C" fn connect_fn(nc: *mut mg_connection, _id: *const c_char, opts: *mut mg_send_mqtt_handshake_opts, _arg: *mut c_void) {
    // SAFETY: the options of seam.rs.
    let &Options { clean_session, keep_alive, .. } = unsafe { &*opts.cast_const().cast::<Options>() };
    let [hi, lo] = keep_alive.to_be_bytes();
    let link = at(nc);
    link.write(&[0x10, 15, 0, 4, b'M', b'Q', b'T', b'T', 4, if clean_session { 2 } else { 0 }, hi, lo, 0, 3, b'a', b'p', b'p']);
    link.proto.as_mut().unwrap().keep_alive = keep_alive;
    callback("connect callback");
}

pub fn str(s: &'static CStr) -> mg_str {
    mg_str { p: s.as_ptr(), len: s.to_bytes().len() }
}

/// What is handed back to a callback that is owed.
fn owe() -> *mut c_void {
    core::ptr::without_provenance_mut(with(|w| {
        w.last_owed += 1;
        w.owed.push(w.last_owed);
        w.last_owed
    }))
}

/// A callback was called, or is not owed after all.
fn settle(arg: *mut c_void) {
    let is_owed = with(|w| w.owed.iter().position(|&owed| owed == arg.addr()).map(|at| w.owed.remove(at)));
    assert!(is_owed.is_some(), "called twice, or though the call has failed");
}

/// A `mgos_mqtt_result_fn_t`.
unsafe extern "C" fn result(arg: *mut c_void, id: u16, result: c_int) {
    const FREED: c_int = 6;
    assert!(id != 0 && (0..=FREED).contains(&result));
    settle(arg);
    callback("result");
}

/// A `mgos_mqtt_finish_fn_t`.
unsafe extern "C" fn finished(arg: *mut c_void, left: c_int) {
    assert!(left >= 0);
    settle(arg);
    with(|w| w.leaves -= 1);
    callback("finished");
}

/// Publishes a message whose outcome is owed, on the connection under test or on the global one.
pub fn publish_watched(qos: c_int, ttl_ms: u32, replace: bool, is_global: bool) {
    let arg = owe();
    let opts = mgos_mqtt_pub_opts { qos, retain: 0, replace: replace as u8, ttl_ms, cb: Some(result), arg };
    // SAFETY: the connection is alive or NULL; the options are there, of the size that is given.
    let id = unsafe {
        if is_global {
            mgos_mqtt_pub_opt_sized(c"t".as_ptr(), c"w".as_ptr().cast(), 1, &raw const opts, size_of_val(&opts))
        } else {
            mgos_mqtt_conn_pub_opt_sized(c(), c"t".as_ptr(), str(c"w"), &raw const opts, size_of_val(&opts))
        }
    };
    if id == 0 {
        settle(arg);
    }
}

/// A `mgos_mqtt_read_fn_t`.
unsafe extern "C" fn read(arg: *mut c_void, offset: usize, buf: *mut c_void, size: usize) -> c_int {
    assert!(with(|w| w.owed.contains(&arg.addr())), "its outcome was told");
    assert!(size > 0 && offset + size <= with(|w| w.upload));
    // SAFETY: there to be written to.
    unsafe { buf.cast::<u8>().write_bytes(b'p', size) };
    callback("read");
    with(|w| if w.read_waits { 0 } else { size as c_int })
}

/// A `mgos_mqtt_result_fn_t` of a message that may never have begun.
unsafe extern "C" fn upload_result(arg: *mut c_void, id: u16, what: c_int) {
    settle(arg);
    with(|w| w.seen.push(format!("upload {id}: {what}")));
    callback("result");
}

/// Publishes in pieces on the connection under test. Whether it was accepted.
pub fn upload(qos: c_int) -> bool {
    let arg = owe();
    let len = with(|w| w.upload);
    // SAFETY: the connection is alive or NULL.
    let accepted = unsafe { mgos_mqtt_conn_pub_stream(c(), c"up".as_ptr(), len, qos, 0, Some(read), Some(upload_result), arg) != 0 };
    if !accepted {
        settle(arg);
    }
    accepted
}

/// Ends the connection under test, or the global one, in order.
pub fn finish(timeout_ms: u32, is_global: bool) {
    let arg = owe();
    with(|w| w.leaves += 1);
    // SAFETY: the connection is alive or NULL.
    let begun = unsafe {
        if is_global {
            mgos_mqtt_global_finish(timeout_ms, Some(finished), arg)
        } else {
            mgos_mqtt_conn_finish(c(), timeout_ms, Some(finished), arg)
        }
    };
    if begun == 0 {
        with(|w| w.leaves -= 1);
        settle(arg);
    }
}

/// The connection under test; NULL once it has been freed.
pub fn c() -> *mut mgos_mqtt_conn {
    with(|w| w.c)
}

/// Publishes on the connection under test.
pub fn publish(payload: &'static CStr, qos: c_int) -> u16 {
    // SAFETY: the connection is alive or NULL.
    unsafe { mgos_mqtt_conn_pub(c(), c"t".as_ptr(), str(payload), qos, (qos == 2) as u8) as u16 }
}

/// Subscribes the connection under test.
pub fn subscribe(filter: &'static CStr, who: &'static CStr) {
    // SAFETY: the connection is alive or NULL.
    unsafe { mgos_mqtt_conn_sub(c(), filter.as_ptr(), 1, Some(handler), tag(who)) }
}

fn set_config(config: &Config) -> bool {
    // SAFETY: the connection is alive or NULL.
    unsafe { mgos_mqtt_conn_set_config(c(), config.ptr()) != 0 }
}

/// The connection under test goes; it may be the global one.
fn free() {
    let c = with(|w| core::mem::replace(&mut w.c, null_mut()));
    // SAFETY: alive or NULL.
    unsafe { mgos_mqtt_conn_free(c) };
}

/// What the app does by itself to the Mongoose connection while it is up.
fn own_subscribe() {
    let (c, nc) = (c(), nc());
    // SAFETY: alive or NULL.
    if !nc.is_null() && unsafe { mgos_mqtt_conn_is_connected(c) != 0 } && !at(nc).close_after_sending && !at(nc).close_now {
        // SAFETY: as above.
        let [a, b] = (unsafe { mgos_mqtt_conn_get_packet_id(c) } as u16).to_be_bytes();
        at(nc).write(&[0x82, 6, a, b, 0, 1, b'o', 0]);
    }
}

fn close_flag() {
    if !nc().is_null() {
        at(nc()).close_now = true;
    }
}

fn run_loop() {
    round();
}

/// Closes, and lets the event loop find it out.
fn lose() {
    close_flag();
    round();
}

/// The same, and connects anew.
fn lose_and_connect() {
    lose();
    // SAFETY: alive or NULL.
    unsafe { mgos_mqtt_conn_connect(c()) };
}

fn other() {
    let config = Config::new("other");
    // SAFETY: the configuration is alive, and what is made is freed once.
    unsafe {
        let other = mgos_mqtt_conn_create2(9, config.ptr(), null());
        mgos_mqtt_conn_connect(other);
        mgos_mqtt_conn_free(other);
    }
}

fn stats(get: unsafe fn(*mut mgos_mqtt_stats) -> bool) {
    let mut stats = mgos_mqtt_stats::default();
    // SAFETY: there to be written to.
    unsafe { get(&raw mut stats) };
    assert!(stats.queued <= stats.queued_max && stats.disconnects <= stats.connects);
}

/// Each function of the library as an app may call it, by its name in shim/exports.txt, or what an
/// app does beside that.
// SAFETY, of all that follows: connections are alive or NULL, strings are constants, what is
// written to is there.
#[allow(clippy::undocumented_unsafe_blocks)]
pub const ACTS: &[(&str, fn())] = &[
    ("mgos_mqtt_conn_add_handler", || unsafe { mgos_mqtt_conn_add_handler(c(), Some(handler), tag(c"late")) }),
    ("mgos_mqtt_conn_connect", || _ = unsafe { mgos_mqtt_conn_connect(c()) }),
    ("mgos_mqtt_conn_create", || {
        let other = unsafe { mgos_mqtt_conn_create(8, null()) };
        unsafe { mgos_mqtt_conn_free(other) };
    }),
    ("mgos_mqtt_conn_create2", other),
    ("mgos_mqtt_conn_disconnect", || unsafe { mgos_mqtt_conn_disconnect(c()) }),
    ("mgos_mqtt_conn_disconnect", || {
        unsafe { mgos_mqtt_conn_disconnect(c()) };
        unsafe { mgos_mqtt_conn_connect(c()) };
    }),
    ("mgos_mqtt_conn_free", free),
    ("mgos_mqtt_conn_from_nc", || {
        let nc = nc();
        let owner = unsafe { mgos_mqtt_conn_from_nc(nc) };
        assert!(nc.is_null() || owner == c());
    }),
    ("mgos_mqtt_conn_get_stats", || stats(|to| unsafe { mgos_mqtt_conn_get_stats(c(), to) != 0 })),
    ("mgos_mqtt_conn_is_connected", || _ = unsafe { mgos_mqtt_conn_is_connected(c()) }),
    ("mgos_mqtt_conn_num_unsent_bytes", || _ = unsafe { mgos_mqtt_conn_num_unsent_bytes(c()) }),
    ("mgos_mqtt_conn_pub", || _ = publish(c"0", 0)),
    ("mgos_mqtt_conn_pub", || _ = publish(c"1", 1)),
    ("mgos_mqtt_conn_pub", || _ = publish(c"2", 2)),
    ("mgos_mqtt_conn_pub", || (0..20).for_each(|_| _ = publish(c"many", 1))),
    ("mgos_mqtt_conn_pub_opt_sized", || publish_watched(0, 0, false, false)),
    ("mgos_mqtt_conn_pub_opt_sized", || publish_watched(1, 500, false, false)),
    ("mgos_mqtt_conn_pub_opt_sized", || publish_watched(2, 0, true, false)),
    ("mgos_mqtt_conn_pub_opt_sized", || (0..12).for_each(|n| publish_watched(1, 0, n % 4 == 0, false))),
    ("mgos_mqtt_conn_pub_stream", || _ = upload(0)),
    ("mgos_mqtt_conn_pub_stream", || _ = upload(1)),
    ("mgos_mqtt_conn_finish", || finish(1000, false)),
    ("mgos_mqtt_conn_finish", || finish(0, false)),
    ("mgos_mqtt_conn_set_queue_file", || _ = unsafe { mgos_mqtt_conn_set_queue_file(c(), c"late".as_ptr(), 0) }),
    ("mgos_mqtt_set_queue_file", || _ = unsafe { mgos_mqtt_set_queue_file(c"late".as_ptr(), 100) }),
    ("mgos_mqtt_conn_sub_stream", || unsafe { mgos_mqtt_conn_sub_stream(c(), c"a".as_ptr(), 1, Some(piece_handler), tag(c"late")) }),
    ("mgos_mqtt_conn_is_retained", || _ = unsafe { mgos_mqtt_conn_is_retained(c()) }),
    ("mgos_mqtt_conn_session_present", || _ = unsafe { mgos_mqtt_conn_session_present(c()) }),
    ("mgos_mqtt_pub_opt_sized", || publish_watched(1, 0, true, true)),
    ("mgos_mqtt_global_finish", || finish(1000, true)),
    ("mgos_mqtt_is_retained", || _ = mgos_mqtt_is_retained()),
    ("mgos_mqtt_session_present", || _ = mgos_mqtt_session_present()),
    ("mgos_mqtt_conn_set_config", || _ = set_config(&Config::new("custom"))),
    ("mgos_mqtt_conn_set_config", || _ = set_config(&Config::new("custom").with(Number::Enable, 0))),
    ("mgos_mqtt_conn_set_config", || _ = set_config(&Config::new(""))),
    ("mgos_mqtt_conn_set_config", || _ = unsafe { mgos_mqtt_conn_set_config(c(), with(|w| w.shared[1])) }),
    ("mgos_mqtt_conn_set_connect_fn", || unsafe { mgos_mqtt_conn_set_connect_fn(c(), None, null_mut()) }),
    ("mgos_mqtt_conn_set_connect_fn", || unsafe { mgos_mqtt_conn_set_connect_fn(c(), Some(connect_fn), null_mut()) }),
    ("mgos_mqtt_conn_set_max_qos", || unsafe { mgos_mqtt_conn_set_max_qos(c(), 0) }),
    ("mgos_mqtt_conn_sub", || subscribe(c"new", c"new")),
    ("mgos_mqtt_conn_sub", || subscribe(c"a", c"again")),
    ("mgos_mqtt_conn_unsub", || _ = unsafe { mgos_mqtt_conn_unsub(c(), c"a".as_ptr()) }),
    ("mgos_mqtt_conn_unsub", || {
        for filter in [c"a", c"b", c"+"] {
            unsafe { mgos_mqtt_conn_unsub(c(), filter.as_ptr()) };
        }
    }),
    ("mgos_mqtt_conn_get_packet_id", || _ = unsafe { mgos_mqtt_conn_get_packet_id(c()) }),
    ("mgos_mqtt_conn_nc", || _ = unsafe { mgos_mqtt_conn_nc(c()) }),
    ("mgos_mqtt_conn_reconnect", || unsafe { mgos_mqtt_conn_reconnect(c()) }),
    ("mgos_mqtt_conn_sub_s", || unsafe { mgos_mqtt_conn_sub_s(c(), str(c"+"), 2, Some(handler), tag(c"plus")) }),
    ("mgos_mqtt_add_global_handler", || unsafe { mgos_mqtt_add_global_handler(Some(handler), tag(c"late")) }),
    ("mgos_mqtt_get_global_conn", || _ = mgos_mqtt_get_global_conn()),
    ("mgos_mqtt_get_packet_id", || _ = mgos_mqtt_get_packet_id()),
    ("mgos_mqtt_get_stat", || assert_eq!(mgos_mqtt_get_stat(-1), 0)),
    ("mgos_mqtt_get_stats", || stats(|to| unsafe { mgos_mqtt_get_stats(to) != 0 })),
    ("mgos_mqtt_global_connect", || _ = mgos_mqtt_global_connect()),
    ("mgos_mqtt_global_disconnect", mgos_mqtt_global_disconnect_act),
    ("mgos_mqtt_global_is_connected", || _ = mgos_mqtt_global_is_connected()),
    ("mgos_mqtt_conn_sub_s", || unsafe { mgos_mqtt_conn_sub_s(mgos_mqtt_core_global(), str(c"b"), 1, Some(handler), tag(c"late")) }),
    ("mgos_mqtt_num_unsent_bytes", || _ = mgos_mqtt_num_unsent_bytes()),
    ("mgos_mqtt_pub", || _ = unsafe { mgos_mqtt_pub(c"t".as_ptr(), c"m".as_ptr().cast(), 1, 1, 0) }),
    ("mgos_mqtt_set_config", || {
        let config = Config::new("custom");
        unsafe { mgos_mqtt_set_config(config.ptr()) };
    }),
    ("mgos_mqtt_set_connect_fn", || unsafe { mgos_mqtt_set_connect_fn(Some(connect_fn), null_mut()) }),
    ("mgos_mqtt_set_max_qos", || mgos_mqtt_set_max_qos(1)),
    ("mgos_mqtt_core_sub", || unsafe { mgos_mqtt_core_sub(c"a".as_ptr(), Some(listener), tag(c"late"), 1) }),
    ("mgos_mqtt_unsub", || _ = unsafe { mgos_mqtt_unsub(c"a".as_ptr()) }),
    ("what it writes by itself", own_subscribe),
    ("what it writes by itself, and publishing behind it", || {
        own_subscribe();
        publish(c"1", 1);
    }),
    ("closing by the flag", close_flag),
    ("the event loop", run_loop),
    ("the event loop, the connection lost", lose),
    ("the event loop, the connection lost, another", lose_and_connect),
    ("the event loop, and freeing", || {
        run_loop();
        free();
    }),
];

fn mgos_mqtt_global_disconnect_act() {
    mgos_mqtt_global_disconnect();
}
