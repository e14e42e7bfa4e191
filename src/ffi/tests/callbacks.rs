//! Every function of the library called from every callback there is, and from callbacks of what is
//! called there.
//!
//! A life is run once with nothing done in the callbacks, and then as often as there are callbacks
//! in it and functions to call. What must hold of every life: no memory is misused (Miri says),
//! none is left, the broker hears nothing but MQTT, and a connection that was not given up is fit
//! for use.

extern crate std;

use super::super::shim::Number;
use super::super::types::mgos_mqtt_conn;
use super::super::{conn_api::*, global, global_api::*};
use super::app::{ACTS, c, connect_fn, finish, handler, listener, piece_handler, publish, publish_watched, subscribe, tag, upload};
use super::link::reuse_addresses;
use super::world::{Config, Rng, Turn, begin, broker_leaves, broker_says, callback, heard, net_up, pass, rounds, with};
use crate::heap::testing;
use core::ptr::null_mut;
use std::vec;
use std::vec::Vec;

/// All of it, where that does not take hours. Under Miri: MGOS_MQTT_MIRI_ALL=1 when it is compiled.
const THOROUGH: bool = !cfg!(miri) || option_env!("MGOS_MQTT_MIRI_ALL").is_some();

/// What kind of connection lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Plain,
    Global,
    WebSocket,
    /// The app sends CONNECT.
    OwnConnect,
}

/// Makes a connection with all that an app can hang on it.
pub fn make(kind: Kind) -> Turn {
    make_with(kind, |config| config)
}

/// The same with configurations changed by `change`.
pub fn make_with(kind: Kind, change: impl Fn(Config) -> Config) -> Turn {
    let config = |server| {
        let mut config = Config::new(server).with(Number::WsEnable, (kind == Kind::WebSocket) as i32);
        // Left out, with a line in the log whose hook may do what it likes.
        config.texts[1] = Some(c"w/#".into());
        config.texts[2] = Some(c"gone".into());
        change(config)
    };
    let turn = begin([config("one"), config("two")]);
    let [primary, backup] = with(|w| w.shared);
    // SAFETY: the configurations live as long as the world; strings are constants.
    unsafe {
        let c = if kind == Kind::Global {
            global::mgos_mqtt_archive_missing_or_version_mismatch_1_0_0_rc_1(primary, backup);
            global::mgos_mqtt_core_global()
        } else {
            mgos_mqtt_conn_create2(7, primary, backup)
        };
        with(|w| w.c = c);
        if matches!(kind, Kind::Plain | Kind::WebSocket) && !c.is_null() {
            mgos_mqtt_conn_set_queue_file(c, c"queue".as_ptr(), if kind == Kind::Plain { 0 } else { 500 });
        }
        subscribe(c"b", c"b");
        subscribe(c"a", c"a");
        if kind == Kind::Global {
            mgos_mqtt_core_sub(c"+".as_ptr(), Some(listener), tag(c"all"), 1);
        }
        if !c.is_null() {
            mgos_mqtt_conn_add_handler(c, Some(handler), tag(c"g"));
            mgos_mqtt_conn_add_handler(c, Some(handler), tag(c"h"));
        }
        if kind == Kind::OwnConnect && !c.is_null() {
            mgos_mqtt_conn_set_connect_fn(c, Some(connect_fn), null_mut());
            mgos_mqtt_conn_sub_stream(c, c"a".as_ptr(), 2, Some(piece_handler), tag(c"s"));
        }
    }
    turn
}

/// All that can happen to a connection, in little time, one part after the other.
const LIFE: [fn(); 7] = [
    || {
        net_up();
        rounds(3);
        broker_says(b"\x30\x04\0\x01am\x32\x06\0\x01b\0\x01m\x34\x06\0\x01a\0\x02m\x32\x06\0\x03z/z\0\x03");
        rounds(3);
    },
    || {
        callback("timer");
        publish(c"1", 1);
        publish(c"2", 2);
        publish(c"0", 0);
        publish_watched(1, 0, false, false);
        publish_watched(0, 0, false, false);
        rounds(4);
        upload(1);
        rounds(3);
        publish(c"1", 1);
        rounds(2);
    },
    || {
        // Over the limit, and more than comes at a time.
        let mut large = vec![0x32, 0xac, 0x02, 0, 1, b'a', 0, 4];
        large.resize(3 + 300, b'x');
        broker_says(&large);
        rounds(3);
        publish(c"lost", 1);
        broker_leaves();
        rounds(2);
        pass(2);
        rounds(2);
    },
    || {
        // SAFETY: alive or NULL.
        unsafe { mgos_mqtt_conn_unsub(c(), c"b".as_ptr()) };
        rounds(2);
        // Identifier 0.
        broker_says(b"\x50\x02\0\0");
        rounds(2);
    },
    || {
        with(|w| w.unreachable = true);
        pass(2);
        with(|w| (w.unreachable, w.manner.connack) = (false, [0, 5]));
        pass(5);
        with(|w| w.manner.connack = [0, 0]);
        pass(5);
    },
    || {
        publish_watched(2, 5000, true, false);
        finish(1000, false);
        rounds(3);
        pass(2);
    },
    || {
        // SAFETY: alive or NULL.
        unsafe { mgos_mqtt_conn_disconnect(c()) };
        rounds(3);
    },
];

/// What must be possible whatever was done before.
fn be_fit_for_use() {
    let (c, primary) = (c(), with(|w| w.shared[0]));
    if c.is_null() {
        return;
    }
    // Without memory for a timer, the app's leave takes until the old one fires.
    for _ in 0..60 {
        if with(|w| w.leaves) == 0 {
            break;
        }
        pass(1);
    }
    assert_eq!(with(|w| w.leaves), 0, "the app has taken its leave");
    // SAFETY: the connection is alive, the configuration is as well.
    unsafe {
        mgos_mqtt_conn_set_config(c, primary);
        mgos_mqtt_conn_connect(c);
        for second in 0.. {
            pass(1);
            if mgos_mqtt_conn_is_connected(c) != 0 && mgos_mqtt_conn_num_unsent_bytes(c) == 0 {
                break;
            }
            assert!(second < 40, "it connects again, and all is acknowledged");
        }
        heard();
        assert_ne!(publish(c"end", 0), 0);
        rounds(2);
        let heard = heard();
        assert!(heard.iter().any(|packet| packet == b"\x30\x06\0\x01tend"), "{heard:02x?}");
    }
}

/// A life with a plan for its callbacks. How many there were, and of which kinds.
fn life(kind: Kind, plan: Vec<(usize, fn())>) -> (usize, Vec<&'static str>) {
    live(make(kind), plan)
}

/// The same, where connections come to lie where the last one was.
fn reused_life(kind: Kind, plan: Vec<(usize, fn())>) {
    let turn = make(kind);
    reuse_addresses();
    live(turn, plan);
}

fn live(turn: Turn, plan: Vec<(usize, fn())>) -> (usize, Vec<&'static str>) {
    let planned = !plan.is_empty();
    with(|w| w.plan = plan);
    for part in LIFE {
        part();
        // The rest is as in all other lives, and Miri has no time for it.
        if !THOROUGH && planned && with(|w| w.plan.is_empty()) {
            break;
        }
    }
    let counted = with(|w| {
        w.plan.clear();
        (w.callbacks, w.kinds.clone())
    });
    be_fit_for_use();
    turn.end();
    counted
}

/// Says which case it was that failed.
struct Case(std::string::String);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::eprintln!("in: {}", self.0);
        }
    }
}

fn every_function_from_every_callback(kind: Kind) {
    let (callbacks, _) = life(kind, vec![]);
    for (i, &(name, act)) in ACTS.iter().enumerate() {
        // Miri takes a thousand times as long: each function for one kind, in two callbacks.
        let (skip, stride) = if THOROUGH { (0, 1) } else { (i * 31 % (callbacks / 2), callbacks / 2) };
        if !THOROUGH && i % 4 != kind as usize {
            continue;
        }
        for n in (1..=callbacks).skip(skip).step_by(stride) {
            let _case = Case(std::format!("{kind:?}: {name} in callback {n}"));
            life(kind, vec![(n, act)]);
        }
    }
}

#[test]
fn every_function_may_be_called_from_every_callback() {
    every_function_from_every_callback(Kind::Plain);
}

#[test]
fn every_function_may_be_called_from_every_callback_of_the_global_connection() {
    every_function_from_every_callback(Kind::Global);
}

#[test]
fn every_function_may_be_called_from_every_callback_over_websocket() {
    every_function_from_every_callback(Kind::WebSocket);
}

#[test]
fn every_function_may_be_called_from_every_callback_where_the_app_sends_connect() {
    every_function_from_every_callback(Kind::OwnConnect);
}

#[test]
fn every_function_may_be_called_from_callbacks_of_what_a_callback_calls() {
    let mut rng = Rng(7);
    for kind in [Kind::Plain, Kind::Global, Kind::WebSocket, Kind::OwnConnect] {
        let (callbacks, _) = life(kind, vec![]);
        for _ in 0..if THOROUGH { 20_000 } else { 15 } {
            let mut pick = |n: usize| rng.next() as usize % n;
            let (first, next) = (1 + pick(callbacks), 1 + pick(4));
            let [(name, act), (inner, inner_act)] = [ACTS[pick(ACTS.len())], ACTS[pick(ACTS.len())]];
            let _case = Case(std::format!("{kind:?}: {name} in callback {first}, {inner} in the {next}. after"));
            life(kind, vec![(first, act), (first + next, inner_act)]);
        }
    }
}

#[test]
fn another_connection_may_come_to_lie_where_the_last_one_was() {
    for kind in [Kind::Plain, Kind::Global, Kind::WebSocket, Kind::OwnConnect] {
        let (callbacks, _) = life(kind, vec![]);
        for &(name, act) in ACTS.iter().filter(|(name, _)| name.starts_with("the event loop")) {
            // Miri takes a thousand times as long.
            for n in (1..=callbacks).step_by(if THOROUGH { 1 } else { callbacks / 2 }) {
                let _case = Case(std::format!("{kind:?}: {name} in callback {n}"));
                reused_life(kind, vec![(n, act)]);
            }
        }
    }
}

#[test]
fn all_kinds_of_callbacks_and_all_functions_are_among_them() {
    let mut kinds: Vec<_> = [Kind::Plain, Kind::Global, Kind::OwnConnect].into_iter().flat_map(|kind| life(kind, vec![]).1).collect();
    kinds.sort_unstable();
    kinds.dedup();
    #[rustfmt::skip]
    assert_eq!(kinds, [
        "CLOSE", "CONNACK", "POLL", "PUBACK", "PUBCOMP", "PUBLISH", "PUBREC", "SUBACK", "UNSUBACK",
        "cloud CONNECTED", "cloud CONNECTERROR", "cloud CONNECTING", "cloud DISCONNECTED",
        "connect callback", "finished", "log", "message", "piece", "read", "result", "timer",
    ]);
    let exports = include_str!("../../../shim/exports.txt").split("# For the shim").next().unwrap();
    for name in exports.lines().filter(|line| line.starts_with("mgos_") && !line.ends_with("_ev")) {
        assert!(ACTS.iter().any(|act| act.0 == name), "{name} is not called");
    }
}

#[test]
fn any_allocation_may_fail() {
    for kind in [Kind::Plain, Kind::Global, Kind::WebSocket, Kind::OwnConnect] {
        for once in [true, false] {
            for n in (kind as usize..).step_by(if THOROUGH { 1 } else { 25 }) {
                let _case = Case(std::format!("{kind:?}: allocation {n} fails, {}", if once { "no other" } else { "and all after it" }));
                if !with_failure(kind, n, once) {
                    assert!(n > 30, "{n}");
                    break;
                }
            }
        }
    }
}

#[test]
fn any_allocation_may_fail_and_the_hook_of_the_line_about_it_may_do_anything() {
    let mut hooks = 0;
    for kind in [Kind::Plain, Kind::Global, Kind::WebSocket, Kind::OwnConnect] {
        for (i, &(name, act)) in ACTS.iter().enumerate() {
            // Miri takes a thousand times as long: each function in two failures of one kind.
            if !THOROUGH && i % 4 != kind as usize {
                continue;
            }
            for n in (0..).skip(if THOROUGH { 0 } else { i * 7 % 60 }).step_by(if THOROUGH { 1 } else { 60 }) {
                let _case = Case(std::format!("{kind:?}: allocation {n} fails, {name} in the hook"));
                match with_failure_and_act(kind, n, true, Some(act)) {
                    Hook::NoFailure => break,
                    Hook::Ran => hooks += 1,
                    Hook::Silent => {}
                }
            }
        }
    }
    assert!(hooks >= if THOROUGH { 3000 } else { 20 }, "{hooks} hooks ran");
}

/// What came of a failure.
#[derive(PartialEq, Eq)]
enum Hook {
    /// There are not as many allocations.
    NoFailure,
    /// A line was logged after the failure, and its hook has acted.
    Ran,
    /// No line was logged.
    Silent,
}

/// A life in which allocation `n` fails. False if there are not as many.
fn with_failure(kind: Kind, n: usize, once: bool) -> bool {
    with_failure_and_act(kind, n, once, None) != Hook::NoFailure
}

/// The same; the first log hook after the failure does `act`.
fn with_failure_and_act(kind: Kind, n: usize, once: bool, act: Option<fn()>) -> Hook {
    let turn = make(kind);
    with(|w| w.when_out_of_memory = act);
    if once {
        testing::fail_once(n)
    } else {
        testing::fail_after(Some(n))
    }
    LIFE.iter().for_each(|part| part());
    let came = testing::has_failed();
    testing::fail_after(None);
    let left = with(|w| w.when_out_of_memory.take());
    be_fit_for_use();
    turn.end();
    match left {
        _ if !came => Hook::NoFailure,
        None => Hook::Ran,
        Some(_) => Hook::Silent,
    }
}

#[test]
fn a_connection_that_lacks_memory_is_not_made() {
    let kinds: [unsafe fn() -> *mut mgos_mqtt_conn; 2] = [
        // SAFETY: the configuration is alive.
        || unsafe { mgos_mqtt_conn_create2(7, Config::new("x").ptr(), Config::new("y").ptr()) },
        || global::mgos_mqtt_core_global(),
    ];
    for create in kinds {
        for n in 0.. {
            let turn = begin([Config::new("one"), Config::new("two")]);
            testing::fail_once(n);
            // SAFETY: nothing is asked for.
            let c = unsafe { create() };
            with(|w| w.c = c);
            assert_eq!(c.is_null(), testing::has_failed(), "{n}");
            turn.end();
            if !c.is_null() {
                assert!(n >= 2);
                break;
            }
        }
    }
}
