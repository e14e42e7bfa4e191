//! rig.h for the stand-in.
// SAFETY, of all that follows: contract.c passes what rig.h says, and connections that are alive.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::ffi::shim::Number;
use crate::ffi::tests::link::{Proto, at, is_alive};
use crate::ffi::tests::seam::{Message, Options};
use crate::ffi::tests::world::{self, Config, Turn, begin, callback, rounds, with};
use crate::ffi::types::{mg_connection, mgos_config_mqtt};
use crate::heap::testing;
use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr::null;
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::sync::Mutex;

#[unsafe(no_mangle)]
extern "C" fn rig_name() -> *const c_char {
    c"stand-in".as_ptr()
}

thread_local! {
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
    static HOOK: Cell<Option<extern "C" fn()>> = const { Cell::new(None) };
    /// Keeps alive what was returned last.
    static TEXT: RefCell<CString> = RefCell::new(CString::default());
    /// Connections that Mongoose has had data of its own at.
    static WITH_DATA: RefCell<Vec<*mut mg_connection>> = const { RefCell::new(Vec::new()) };
}

#[unsafe(no_mangle)]
extern "C" fn rig_begin() -> bool {
    TURN.set(Some(begin([defaults(), defaults()])));
    with(|w| w.raw_brokers = true);
    true
}

/// It panics, with words, if something is left.
#[unsafe(no_mangle)]
extern "C" fn rig_end() -> bool {
    TURN.take().unwrap().end();
    true
}

/// The section as mos.yml has it.
fn defaults() -> Config {
    let mut config = Config::new("broker:1883");
    config.numbers = [1.0, 2.0, 60.0, 1.0, 60.0, 0.0, 2.0, 0.0, 1.0, 5.0, 0.0, 30.0, 0.0, 20.0, 0.0];
    config.texts = Default::default();
    config.limit = 3072;
    config
}

// ---- Memory ----

#[unsafe(no_mangle)]
extern "C" fn rig_can_fail() -> bool {
    true
}

#[unsafe(no_mangle)]
extern "C" fn rig_fail_after(n: c_uint) {
    testing::fail_once(n as usize);
}

#[unsafe(no_mangle)]
extern "C" fn rig_has_failed() -> bool {
    let failed = testing::has_failed();
    testing::fail_after(None);
    failed
}

// ---- The app ----

#[unsafe(no_mangle)]
extern "C" fn rig_calls() -> c_uint {
    with(|w| w.callbacks as c_uint)
}

#[unsafe(no_mangle)]
extern "C" fn rig_in_next_call(hook: extern "C" fn()) {
    HOOK.set(Some(hook));
    with(|w| w.plan = vec![(w.callbacks + 1, || HOOK.take().unwrap()())]);
}

#[unsafe(no_mangle)]
extern "C" fn rig_line() -> *const c_char {
    let line = with(|w| w.last_line.clone());
    TEXT.set(CString::new(line).unwrap_or_default());
    TEXT.with_borrow(|text| text.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn rig_has_words() -> bool {
    false
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_event(ev: *mut c_int, data: *mut *mut c_void) -> *const c_char {
    let (number, address) = with(|w| w.last_event);
    unsafe {
        ev.write(number);
        data.write(address);
    }
    let last = with(|w| w.seen.last().cloned()).unwrap_or_default();
    let Some(name) = last.strip_prefix("cloud ") else { return null() };
    TEXT.set(CString::new(name).unwrap());
    TEXT.with_borrow(|text| text.as_ptr())
}

#[repr(C)]
struct RigOptions {
    clean_session: bool,
    will_retain: bool,
    keep_alive: c_uint,
    texts: [*const c_char; 4],
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_read_options(options: *const Options, to: *mut RigOptions) {
    let &Options { clean_session, will_retain, keep_alive, texts } = unsafe { &*options };
    unsafe { to.write(RigOptions { clean_session, will_retain, keep_alive: keep_alive.into(), texts }) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_send_connect(nc: *mut mg_connection, _id: *const c_char, options: *const Options) {
    let keep_alive = unsafe { (*options).keep_alive };
    let [hi, lo] = keep_alive.to_be_bytes();
    at(nc).write(&[0x10, 15, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, hi, lo, 0, 3, b'a', b'p', b'p']);
    if let Some(proto) = at(nc).proto() {
        proto.keep_alive = keep_alive;
    }
    callback("connect callback");
}

#[unsafe(no_mangle)]
extern "C" fn rig_set_protocol_mqtt(nc: *mut mg_connection) {
    at(nc).http = true;
    at(nc).foreign = false;
    at(nc).proto = Some(Proto { keep_alive: 0, app_sent: false });
}

#[repr(C)]
struct RigMessage {
    cmd: c_int,
    qos: c_int,
    id: c_int,
    size: usize,
    topic_len: usize,
    payload_len: usize,
    topic: *const u8,
    payload: *const u8,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_read_message(message: *const Message, to: *mut RigMessage) {
    let &Message { cmd, qos, size, id, topic, topic_len, payload, payload_len } = unsafe { &*message };
    let (cmd, qos, id) = (cmd.into(), qos.into(), id.into());
    unsafe { to.write(RigMessage { cmd, qos, id, size, topic_len, payload_len, topic, payload }) };
}

// ---- Clocks and network ----

#[unsafe(no_mangle)]
extern "C" fn rig_round() {
    rounds(1);
}

#[unsafe(no_mangle)]
extern "C" fn rig_pass(ms: i64) {
    with(|w| w.now = w.now.wrapping_add(ms as u32));
}

#[unsafe(no_mangle)]
extern "C" fn rig_set_time(seconds: f64) {
    world::set_time(seconds >= 1.5e9);
    world::with(|w| w.clock = if seconds >= 1.5e9 { seconds as u32 } else { 0 });
}

#[unsafe(no_mangle)]
extern "C" fn rig_reboot() {
    for c in world::with(|w| w.reboot_watchers.clone()) {
        unsafe { crate::ffi::events::mgos_mqtt_core_reboot(c) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn rig_net(up: bool) {
    world::net(up.into());
}

// ---- Configurations ----

#[unsafe(no_mangle)]
extern "C" fn rig_config() -> *mut Config {
    Box::into_raw(Box::new(defaults()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_free(config: *mut Config) {
    drop(unsafe { Box::from_raw(config) });
}

#[unsafe(no_mangle)]
extern "C" fn rig_system(which: c_int) -> *const mgos_config_mqtt {
    with(|w| w.shared[which as usize])
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_set_number(config: *mut Config, which: Number, value: f64) {
    unsafe { (*config).numbers[which as usize] = value };
}

unsafe fn owned(text: *const c_char) -> Option<CString> {
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_set_text(config: *mut Config, which: c_int, text: *const c_char) {
    unsafe { (&mut (*config).texts)[which as usize] = owned(text) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_set_server(config: *mut Config, server: *const c_char) {
    let server = unsafe { owned(server) }.unwrap_or_default().into_string().unwrap();
    let server: &'static str = server.leak();
    // For those who look for leaks.
    static ALL: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    ALL.lock().unwrap().push(server);
    unsafe { (*config).server = server };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_set_limit(config: *mut Config, limit: c_int) {
    unsafe { (*config).limit = limit };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_set_device_id(id: *const c_char) {
    let id = unsafe { owned(id) };
    with(|w| w.device_id = id);
}

// ---- Connections ----

#[unsafe(no_mangle)]
extern "C" fn rig_accept(nc: *mut mg_connection) {
    rounds(1);
    assert!(at(nc).connected);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_peer_sends(nc: *mut mg_connection, bytes: *const u8, len: usize) {
    at(nc).broker.says.extend_from_slice(unsafe { core::slice::from_raw_parts(bytes, len) });
    rounds(3);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rig_peer_gets(nc: *mut mg_connection, to: *mut u8, size: usize) -> usize {
    rounds(3);
    let mut bytes = with(|w| core::mem::take(&mut w.raw));
    if is_alive(nc) {
        bytes.append(at(nc).broker.bytes.as_mut().unwrap());
    }
    let len = bytes.len().min(size);
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), len) };
    len
}

#[unsafe(no_mangle)]
extern "C" fn rig_ws_begun(nc: *mut mg_connection) {
    at(nc).is_websocket = true;
    WITH_DATA.with_borrow_mut(|all| all.push(nc));
}

#[unsafe(no_mangle)]
extern "C" fn rig_ws_freed() -> c_uint {
    WITH_DATA.with_borrow(|all| all.iter().filter(|&&nc| !is_alive(nc) || !at(nc).foreign).count() as c_uint)
}

/// What world.rs has for it: whether the server agrees.
#[unsafe(no_mangle)]
unsafe extern "C" fn rig_ws_reply(code: c_int, _words: *const c_char, protocol: *const c_char) -> *const bool {
    let protocol = unsafe { owned(protocol) }.unwrap_or_default();
    if code == 101 && protocol.as_bytes().eq_ignore_ascii_case(b"mqtt") { &true } else { &false }
}

#[unsafe(no_mangle)]
extern "C" fn rig_has_handler_between(nc: *mut mg_connection) -> bool {
    at(nc).http
}
