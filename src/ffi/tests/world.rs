//! What stands for Mongoose and Mongoose OS: clock, timers, network events, configurations, the
//! event loop with its connections; and the record of what the app has seen. Not here: one
//! connection and its broker (link.rs), what the app does in its callbacks (acts.rs).

extern crate std;

use super::super::global;
use super::super::shim::Number;
use super::super::types::{mg_connection, mgos_config_mqtt, mgos_mqtt_conn};
use super::super::{conn_api, events};
use super::disk::Disk;
use super::link::{self, Manner, at};
use crate::heap::testing;
use core::cell::RefCell;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use std::boxed::Box;
use std::ffi::CString;
use std::string::String;
use std::sync::{Mutex, MutexGuard};
use std::vec;
use std::vec::Vec;

/// The `mqtt` section.
#[derive(Clone)]
pub struct Config {
    pub server: &'static str,
    /// By `Number`, as the section has them: times in seconds.
    pub numbers: [f64; 15],
    /// In the order of `mgos_mqtt_shim_config_strings`.
    pub texts: [Option<CString>; 5],
    pub limit: i32,
}

fn is_time(number: Number) -> bool {
    matches!(number, Number::ReconnectMin | Number::ReconnectMax | Number::ConnectTimeout | Number::AckTimeout)
}

impl Config {
    pub fn new(server: &'static str) -> Self {
        let mut config = Config { server, numbers: [0.0; 15], texts: Default::default(), limit: 200 };
        config.texts[0] = Some(c"id".into());
        for (number, value) in [
            (Number::Enable, 1),
            (Number::ReconnectMin, 1000),
            (Number::ReconnectMax, 4000),
            (Number::KeepAlive, 60),
            (Number::MaxQos, 2),
            (Number::CloudEvents, 1),
            (Number::MaxQueue, 10),
            (Number::ConnectTimeout, 30_000),
        ] {
            config = config.with(number, value);
        }
        config
    }

    /// With a number that the library is to see so.
    pub fn with(mut self, number: Number, value: i32) -> Self {
        self.numbers[number as usize] = if is_time(number) { value as f64 / 1000.0 } else { value as f64 };
        self
    }

    /// A number as the library sees it.
    pub fn number(&self, which: Number) -> i32 {
        let value = self.numbers[which as usize];
        match which {
            Number::Enable if value != 0.0 => 1 + !self.server.is_empty() as i32,
            Number::WsEnable => (value != 0.0 || self.has_scheme("ws://") || self.has_scheme("wss://")) as i32,
            Number::AckTimeout if value < 0.0 => -1,
            // Rust's conversions saturate, and make 0 of what is no number.
            which if is_time(which) => (value * 1000.0).max(0.0) as i32,
            _ => value as i32,
        }
    }

    fn has_scheme(&self, scheme: &str) -> bool {
        self.server.trim_start().get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    }

    /// The client id; device.id where it has none.
    pub fn client_id(&self) -> Option<CString> {
        self.texts[0].clone().or_else(|| with(|w| w.device_id.clone()))
    }

    pub fn ptr(&self) -> *const mgos_config_mqtt {
        (&raw const *self).cast()
    }

    /// The configuration behind the pointer, until the library or the app is called again.
    pub fn at<'a>(cfg: *const mgos_config_mqtt) -> &'a Config {
        // SAFETY: it is one of these, and alive.
        unsafe { &*cfg.cast::<Config>() }
    }

    pub fn free(cfg: *const mgos_config_mqtt) {
        // SAFETY: it came from `Box::into_raw`, and is not used again.
        drop(unsafe { Box::from_raw(cfg.cast_mut().cast::<Config>()) });
    }
}

pub struct Timer {
    pub id: usize,
    pub at: u32,
    pub every: u32,
    pub c: *mut mgos_mqtt_conn,
}

/// Numbers that look random, the same in each run.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 32) as u32
    }
}

/// All that is there but the library.
pub struct World {
    pub now: u32,
    pub rng: Rng,
    pub time_is_set: bool,
    pub timers: Vec<Timer>,
    pub last_timer: usize,
    pub watchers: Vec<*mut mgos_mqtt_conn>,
    pub time_watchers: Vec<*mut mgos_mqtt_conn>,
    pub links: Vec<*mut mg_connection>,
    /// Copies of configurations that are alive.
    pub copies: isize,
    /// Attempts fail at once.
    pub unreachable: bool,
    /// Attempts fail when they are under way.
    pub silent: bool,
    /// The status of MG_EV_CONNECT; other than 0 the attempt has failed.
    pub status: c_int,
    /// The server does not agree to WebSocket.
    pub disagrees: bool,
    pub manner: Manner,
    /// So many bytes arrive at a time.
    pub piece: usize,
    /// How many bytes the link takes at a time.
    pub uplink: usize,
    /// The link takes nothing.
    pub stuck: bool,
    /// What the app has been told, but for the log.
    pub seen: Vec<String>,
    /// What was logged: the line's number, its string and its numbers.
    pub log: Vec<(u32, Vec<u8>, i32, i32)>,
    /// What the line that was logged last has shown of a string.
    #[allow(dead_code)] // The contract of the seam asks, here and below.
    pub last_line: Vec<u8>,
    /// The library's own event that was raised last, with its data.
    #[allow(dead_code)]
    pub last_event: (i32, *mut c_void),
    pub device_id: Option<CString>,
    /// Brokers take all bytes as they are; those of connections that are gone.
    pub raw_brokers: bool,
    pub raw: Vec<u8>,
    /// Packets that brokers have heard, of connections that are gone and of those that are not.
    pub heard: Vec<Vec<u8>>,
    pub frames: Vec<(u8, Vec<u8>)>,
    /// How many callbacks there have been, and which kinds.
    pub callbacks: usize,
    pub kinds: Vec<&'static str>,
    /// What is to be done in which of them, the next first.
    pub plan: Vec<(usize, fn())>,
    /// What is to be done in the first log hook after an allocation has failed.
    pub when_out_of_memory: Option<fn()>,
    /// Files, and what happens to them in a power cut.
    pub disk: Disk,
    pub reboot_watchers: Vec<*mut mgos_mqtt_conn>,
    /// The wall clock, seconds; 0 if it was not set.
    pub clock: u32,
    /// Callbacks that the library owes the app, by what is handed back to them.
    pub owed: Vec<usize>,
    pub last_owed: usize,
    /// How many of them are about a graceful disconnect.
    pub leaves: usize,
    /// Bytes of a message that the app publishes in pieces.
    pub upload: usize,
    /// It has no more of them.
    pub read_waits: bool,
    /// The connection under test; NULL once freed.
    pub c: *mut mgos_mqtt_conn,
    pub shared: [*const mgos_config_mqtt; 2],
}

std::thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The global connection is one for the whole process: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A world for the time of one test.
pub struct Turn {
    _guard: MutexGuard<'static, ()>,
    blocks: isize,
}

/// Looks at the world, or changes it. Neither the library nor the app is called meanwhile.
pub fn with<T>(f: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| f(world.as_mut().expect("a test has begun")))
}

pub fn shared(cfg: *const mgos_config_mqtt) -> bool {
    with(|w| w.shared.contains(&cfg))
}

/// A world of its own, with these system's configurations.
pub fn begin(configs: [Config; 2]) -> Turn {
    let guard = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    testing::fail_after(None);
    link::forget_all();
    // What a test that failed has left behind.
    global::forget(global::current());
    let shared = configs.map(|config| Box::into_raw(Box::new(config)).cast_const().cast());
    let world = World {
        now: u32::MAX - 3000,
        rng: Rng(1),
        time_is_set: true,
        timers: vec![],
        last_timer: 0,
        watchers: vec![],
        time_watchers: vec![],
        links: vec![],
        copies: 0,
        unreachable: false,
        silent: false,
        status: 0,
        disagrees: false,
        manner: Manner { connack: [0, 0], mute: false, frame: 100 },
        piece: 1000,
        uplink: usize::MAX,
        stuck: false,
        seen: vec![],
        log: vec![],
        last_line: vec![],
        last_event: (0, null_mut()),
        device_id: Some(c"device".into()),
        raw_brokers: false,
        raw: vec![],
        heard: vec![],
        frames: vec![],
        callbacks: 0,
        kinds: vec![],
        plan: vec![],
        when_out_of_memory: None,
        disk: Disk::default(),
        reboot_watchers: vec![],
        clock: 0,
        owed: vec![],
        last_owed: 0,
        leaves: 0,
        upload: 600,
        read_waits: false,
        c: null_mut(),
        shared,
    };
    WORLD.set(Some(world));
    Turn { _guard: guard, blocks: testing::blocks() }
}

impl Turn {
    /// Frees the connections, and looks whether anything is left.
    pub fn end(self) {
        testing::fail_after(None);
        with(|w| (w.plan.clear(), w.when_out_of_memory = None));
        let c = with(|w| core::mem::replace(&mut w.c, null_mut()));
        // SAFETY: alive or NULL, both.
        unsafe {
            conn_api::mgos_mqtt_conn_free(c);
            conn_api::mgos_mqtt_conn_free(global::current());
        }
        assert!(global::current().is_null());
        rounds(2);
        with(|w| {
            assert_eq!(
                (w.links.len(), w.timers.len(), w.watchers.len() + w.time_watchers.len() + w.reboot_watchers.len(), w.copies),
                (0, 0, 0, 0),
                "left: connections, timers, watchers, copies"
            );
            assert_eq!((w.disk.claims.len(), w.disk.open.len()), (0, 0), "left: claims, open files");
            w.shared.into_iter().for_each(Config::free);
        });
        assert_eq!(with(|w| w.owed.clone()), [], "callbacks that were never called");
        assert_eq!(testing::blocks(), self.blocks, "blocks of memory are left");
        WORLD.set(None);
        link::forget_all();
    }
}

/// The app is called. Does what is planned for this callback.
pub fn callback(kind: &'static str) {
    let act = with(|w| {
        w.callbacks += 1;
        if !w.kinds.contains(&kind) {
            w.kinds.push(kind);
        }
        if kind == "log" && testing::has_failed() {
            return w.when_out_of_memory.take();
        }
        if w.plan.first().is_some_and(|&(at, _)| at == w.callbacks) { Some(w.plan.remove(0).1) } else { None }
    });
    if let Some(act) = act {
        act();
    }
}

fn is_alive(nc: *mut mg_connection) -> bool {
    with(|w| w.links.contains(&nc))
}

const POLL: c_int = 0;
const CONNECT: c_int = 2;
const RECV: c_int = 3;
const SEND: c_int = 4;
const CLOSE: c_int = 5;
const HANDSHAKE_DONE: c_int = 112;

/// An event with a number, or none. False if the connection is gone afterwards.
fn event(nc: *mut mg_connection, ev: c_int, mut data: c_int) -> bool {
    let owner: *mut c_void = at(nc).owner.cast();
    // SAFETY: `nc` is alive, and its owner is alive or NULL.
    unsafe { events::mgos_mqtt_ev(nc, ev, (&raw mut data).cast(), owner) };
    is_alive(nc)
}

/// One round of the event loop: timers, then each connection. May be called in a callback.
pub fn round() {
    while let Some(c) = with(|w| {
        let now = w.now;
        let due = w.timers.iter_mut().find(|t| now.wrapping_sub(t.at) as i32 >= 0)?;
        due.at = now.wrapping_add(due.every);
        Some(due.c)
    }) {
        // SAFETY: the timers of a connection are cleared when it is freed.
        unsafe { events::mgos_mqtt_core_timer(c) };
    }
    for nc in with(|w| w.links.clone()) {
        if is_alive(nc) && step(nc) {
            leave(nc);
        }
    }
}

/// Deals with one connection. True if it is to be closed.
fn step(nc: *mut mg_connection) -> bool {
    let (silent, status, disagrees, piece, manner) = with(|w| (w.silent, w.status, w.disagrees, w.piece, w.manner));
    if !at(nc).connected && !at(nc).close_now && !silent {
        at(nc).connected = true;
        if !event(nc, CONNECT, status) {
            return false;
        }
        at(nc).close_now |= status != 0;
    }
    let n = {
        let link = at(nc);
        let n = link.broker.says.len().min(piece).min(link.limit.saturating_sub(link.recv.len()));
        link.recv.extend(link.broker.says.drain(..n));
        n
    };
    if n > 0 && !event(nc, RECV, n as c_int) {
        return false;
    }
    if core::mem::take(&mut at(nc).broker.asked_for_ws) {
        let (mut agrees, owner) = (!disagrees, at(nc).owner.cast());
        // SAFETY: as in `event`.
        unsafe { events::mgos_mqtt_ev(nc, HANDSHAKE_DONE, (&raw mut agrees).cast(), owner) };
        if !is_alive(nc) {
            return false;
        }
    }
    if !event(nc, POLL, 0) {
        return false;
    }
    if !with(|w| w.stuck || w.disk.is_dead()) && !at(nc).close_now && !at(nc).send.is_empty() {
        let link = at(nc);
        let n = link.send.len().min(with(|w| w.uplink));
        let rest = link.send.split_off(n);
        let sent = core::mem::replace(&mut link.send, rest);
        link.broker.hear(&sent, manner);
        if !event(nc, SEND, sent.len() as c_int) {
            return false;
        }
    }
    let link = at(nc);
    link.close_now || link.close_after_sending && link.send.is_empty() || link.broker.gone && link.broker.says.is_empty()
}

/// The connection ends.
fn leave(nc: *mut mg_connection) {
    with(|w| {
        w.links.retain(|&link| link != nc);
        w.heard.append(&mut at(nc).broker.fresh);
        w.frames.append(&mut at(nc).broker.frames);
        w.raw.extend(at(nc).broker.bytes.take().unwrap_or_default());
    });
    event(nc, CLOSE, 0);
    link::free(nc);
}

/// So many rounds of the event loop, in no time.
pub fn rounds(n: usize) {
    for _ in 0..n {
        round();
    }
}

/// Time passes, second by second.
pub fn pass(seconds: u32) {
    for _ in 0..seconds {
        with(|w| w.now = w.now.wrapping_add(1000));
        round();
    }
}

/// The network comes up.
pub fn net_up() {
    net(1);
}

/// The network comes up (1), or goes down (0).
pub fn net(up: u32) {
    for c in with(|w| w.watchers.clone()) {
        if with(|w| w.watchers.contains(&c)) {
            // SAFETY: a watch ends when its connection is freed.
            unsafe { events::mgos_mqtt_core_net(c, up) };
        }
    }
}

/// The wall clock is set, or loses its time.
pub fn set_time(is_set: bool) {
    with(|w| w.time_is_set = is_set);
    for c in with(|w| w.time_watchers.clone()) {
        if with(|w| w.time_watchers.contains(&c)) {
            // SAFETY: a watch ends when its connection is freed.
            unsafe { events::mgos_mqtt_core_time_set(c) };
        }
    }
}

/// The Mongoose connection of the connection under test.
pub fn nc() -> *mut mg_connection {
    let c = with(|w| w.c);
    // SAFETY: alive or NULL.
    unsafe { conn_api::mgos_mqtt_conn_nc(c) }
}

/// The broker sends MQTT to the connection under test, if there is one.
pub fn broker_says(bytes: &[u8]) {
    let (nc, manner) = (nc(), with(|w| w.manner));
    if !nc.is_null() {
        at(nc).broker.say(bytes, manner);
    }
}

/// The connection breaks.
pub fn broker_leaves() {
    let nc = nc();
    if !nc.is_null() {
        at(nc).broker.gone = true;
    }
}

/// The packets that brokers have heard since this was last asked.
pub fn heard() -> Vec<Vec<u8>> {
    with(|w| {
        let mut heard = core::mem::take(&mut w.heard);
        for &nc in &w.links {
            heard.append(&mut at(nc).broker.fresh);
        }
        heard
    })
}
