//! Moments in which what the pump looks at goes away under its eyes, one by one, with what the app
//! is told and what goes out. Not here: all the others (callbacks.rs).
extern crate std;

use super::super::conn_api::*;
use super::super::shim::{Log, Number};
use super::super::types::{Reason, mgos_mqtt_stats};
use super::app::{c, publish};
use super::callbacks::{Kind, make, make_with};
use super::link::at;
use super::world::{Config, broker_leaves, broker_says, heard, nc, net_up, pass, round, rounds, set_time, with};
use std::vec::Vec;

/// What the app was told since this was last asked.
fn seen() -> Vec<std::string::String> {
    with(|w| core::mem::take(&mut w.seen))
}

/// Plans what is done in the callback after the next `n`.
fn in_callback(n: usize, act: fn()) {
    with(|w| w.plan.push((w.callbacks + n + 1, act)));
}

fn up(kind: Kind) -> super::world::Turn {
    let turn = make(kind);
    net_up();
    rounds(if kind == Kind::WebSocket { 5 } else { 3 });
    turn
}

#[test]
fn a_life_in_order() {
    for kind in [Kind::Plain, Kind::WebSocket] {
        let turn = up(kind);
        #[rustfmt::skip]
        assert_eq!(seen(), [
            "connecting to one", "cloud CONNECTING", "cloud CONNECTED", "h CONNACK", "g CONNACK", "a SUBACK 1", "b SUBACK 2",
        ]);
        let packets = heard();
        assert_eq!(packets[0][..12], *b"\x10\x0e\0\x04MQTT\x04\0\0\x3c");
        assert_eq!(packets[1..], [b"\x82\x06\0\x01\0\x01a\x01".to_vec(), b"\x82\x06\0\x02\0\x01b\x01".to_vec()]);
        broker_says(b"\x30\x04\0\x01am\x32\x06\0\x01b\0\x07n\x34\x06\0\x01a\0\x08o\x30\x05\0\x03zzz");
        rounds(3);
        assert_eq!(
            seen(),
            ["a PUBLISH a=m", "b PUBLISH b=n", "a PUBLISH a=o", "h PUBLISH zzz=", "g PUBLISH zzz=", "h PUBREL 8", "g PUBREL 8"]
        );
        assert_eq!(heard(), [b"\x40\x02\0\x07".to_vec(), b"\x50\x02\0\x08".to_vec(), b"\x70\x02\0\x08".to_vec()]);
        assert_eq!([publish(c"0", 0), publish(c"1", 1), publish(c"2", 2)], [3, 4, 5]);
        rounds(4);
        assert_eq!(seen(), ["h PUBACK 4", "g PUBACK 4", "h PUBREC 5", "g PUBREC 5", "h PUBCOMP 5", "g PUBCOMP 5"]);
        #[rustfmt::skip]
        assert_eq!(heard(), [
            b"\x30\x04\0\x01t0".to_vec(), b"\x32\x06\0\x01t\0\x041".to_vec(), b"\x35\x06\0\x01t\0\x052".to_vec(), b"\x62\x02\0\x05".to_vec(),
        ]);
        // SAFETY: the connection is alive.
        unsafe { mgos_mqtt_conn_disconnect(c()) };
        rounds(2);
        assert_eq!((seen().join(", "), heard()), ("cloud DISCONNECTED, h CLOSE, g CLOSE".into(), [b"\xe0\0".to_vec()].to_vec()));
        pass(30);
        assert!(seen().is_empty(), "it stays so");
        turn.end();
    }
}

#[test]
fn while_a_handler_runs_the_event_loop_the_receive_buffer_may_move() {
    let turn = up(Kind::Plain);
    seen();
    in_callback(0, || {
        for _ in 0..10 {
            broker_says(b"\x30\x0e\0\x01z..........!");
        }
        at(nc()).recv.shrink_to_fit();
        round();
    });
    broker_says(b"\x30\x04\0\x01am");
    rounds(2);
    let seen = seen();
    assert_eq!((seen[0].as_str(), seen.len()), ("a PUBLISH a=m", 21));
    turn.end();
}

#[test]
fn while_a_handler_runs_the_event_loop_its_connection_may_go() {
    let turn = up(Kind::Plain);
    seen();
    in_callback(0, || {
        at(nc()).close_now = true;
        round();
        // SAFETY: the connection is alive.
        unsafe { assert!(mgos_mqtt_conn_connect(c()) != 0 && mgos_mqtt_conn_nc(c()).is_null()) };
    });
    broker_says(b"\x30\x04\0\x01am\x30\x04\0\x01an");
    round();
    assert_eq!(seen(), ["a PUBLISH a=m", "cloud DISCONNECTED", "h CLOSE", "g CLOSE"]);
    pass(2);
    assert!(seen().contains(&"g CONNACK".into()));
    turn.end();
}

#[test]
fn an_attempt_begun_by_a_callback_that_runs_the_event_loop_gets_to_connect_meanwhile() {
    for kind in [Kind::Plain, Kind::WebSocket] {
        let mut outcomes = Vec::new();
        for n in 0..8 {
            let turn = up(kind);
            heard();
            seen();
            in_callback(n, || {
                let before = nc();
                // SAFETY: the connection is alive.
                unsafe { mgos_mqtt_conn_connect(c()) };
                if before.is_null() && !nc().is_null() {
                    rounds(5);
                    let first = heard().first().map_or(0, |packet| packet[0]);
                    with(|w| w.seen.push(std::format!("first byte {first:x}")));
                }
            });
            broker_leaves();
            pass(4);
            outcomes.extend(seen().into_iter().filter(|what| what.starts_with("first byte")));
            turn.end();
        }
        assert!(outcomes.len() > 1 && outcomes.iter().all(|what| what == "first byte 10"), "{outcomes:?}");
    }
}

#[test]
fn disconnecting_over_websocket_closes_that_too_and_once() {
    for server_closes in [false, true] {
        let turn = up(Kind::WebSocket);
        heard();
        with(|w| {
            w.frames.clear();
            w.stuck = true;
        });
        // SAFETY: the connection is alive.
        unsafe { mgos_mqtt_conn_disconnect(c()) };
        if server_closes {
            at(nc()).broker.says.extend([0x88, 2, 3, 0xe8]);
        }
        rounds(3);
        with(|w| w.stuck = false);
        rounds(3);
        assert_eq!(heard(), [b"\xe0\0".to_vec()]);
        assert_eq!(with(|w| core::mem::take(&mut w.frames)), [(8, std::vec![3, 0xe8])]);
        assert!(nc().is_null());
        turn.end();
    }
}

#[test]
fn without_memory_for_the_last_words_a_log_hook_may_end_the_connection() {
    for (kind, closes) in [(Kind::Plain, false), (Kind::WebSocket, false), (Kind::WebSocket, true)] {
        for n in 0..6 {
            let turn = up(kind);
            at(nc()).send.shrink_to_fit();
            // The line of the disconnection comes first, but not where the server closes.
            in_callback(if closes { 0 } else { 1 }, || {
                at(nc()).close_now = true;
                round();
            });
            crate::heap::testing::fail_once(n);
            if closes {
                at(nc()).broker.says.extend([0x88, 2, 3, 0xe8]);
            } else {
                // SAFETY: the connection is alive.
                unsafe { mgos_mqtt_conn_disconnect(c()) };
            }
            rounds(3);
            turn.end();
        }
    }
}

/// What was logged since this was last asked, by the numbers of the lines.
fn logged() -> Vec<u32> {
    with(|w| core::mem::take(&mut w.log)).into_iter().map(|line| line.0).collect()
}

#[test]
fn an_attempt_that_waits_for_the_clock_begins_when_it_is_set() {
    let turn = make_with(Kind::Plain, |config| config.with(Number::RequireTime, 1));
    with(|w| w.time_is_set = false);
    net_up();
    assert_eq!(logged(), [Log::NoTime as u32, Log::Wait as u32]);
    set_time(false);
    assert!(logged().is_empty() && seen().is_empty(), "it is still not set");
    set_time(true);
    assert_eq!(seen(), ["connecting to one", "cloud CONNECTING"]);
    rounds(3);
    assert!(seen().contains(&"g CONNACK".into()));
    set_time(true);
    rounds(3);
    assert!(seen().is_empty(), "once connected it changes nothing");
    turn.end();
}

#[test]
fn without_memory_for_the_watch_the_usual_wait_finds_the_clock_set() {
    let turn = make_with(Kind::Plain, |config| config.with(Number::RequireTime, 1));
    with(|w| w.time_is_set = false);
    crate::heap::testing::fail_once(0);
    net_up();
    crate::heap::testing::fail_after(None);
    assert!(with(|w| w.time_watchers.is_empty()));
    pass(2);
    assert_eq!(with(|w| w.time_watchers.len()), 1, "and is asked for again");
    set_time(true);
    assert_eq!(seen(), ["connecting to one", "cloud CONNECTING"]);
    turn.end();
}

#[test]
fn the_app_may_do_what_it_likes_while_the_clock_is_set() {
    for act in super::app::ACTS {
        for n in 0..4 {
            let turn = make_with(Kind::Plain, |config| config.with(Number::RequireTime, 1));
            with(|w| w.time_is_set = false);
            in_callback(n, act.1);
            net_up();
            set_time(true);
            pass(3);
            turn.end();
        }
    }
}

#[test]
fn a_log_hook_may_unsubscribe_what_the_line_is_about() {
    for equal in [1, 2] {
        let turn = up(Kind::Plain);
        with(|w| w.manner.mute = true);
        for _ in 0..equal {
            super::app::subscribe(c"no", c"no");
        }
        seen();
        with(|w| w.log.clear());
        // SAFETY: the connection is alive, the string is a constant.
        in_callback(0, || assert!(unsafe { mgos_mqtt_conn_unsub(c(), c"no".as_ptr()) != 0 }));
        // The newest, which is the one that goes.
        broker_says(&[0x90, 3, 0, 2 + equal, 0x80]);
        rounds(2);
        assert_eq!(with(|w| w.log[0].1.clone()), b"no");
        assert!(seen().is_empty(), "it is told nothing any more");
        turn.end();
    }
}

/// The reason in the statistics, and the number of the words for it in the log.
fn ended() -> (u32, i32) {
    let mut stats = mgos_mqtt_stats::default();
    // SAFETY: the connection is alive; the structure may be written to.
    unsafe { mgos_mqtt_conn_get_stats(c(), &raw mut stats) };
    let lines = with(|w| core::mem::take(&mut w.log));
    let mut ends = lines.iter().filter(|line| line.0 == Log::Disconnected as u32);
    let words = ends.next().expect("the end was logged").3;
    assert!(ends.next().is_none(), "once");
    (stats.last_reason, words)
}

#[test]
fn a_failed_tls_handshake_is_not_an_unreachable_server_and_the_log_names_what_is_configured() {
    const TLS: u32 = Reason::Tls as u32;
    for (configured, reason, words) in [(0, Reason::Unreachable as u32, 2), (1, TLS, 10), (2, TLS, 11), (3, TLS, 12)] {
        let turn = make_with(Kind::Plain, |config| config.with(Number::Tls, configured));
        with(|w| w.status = -3);
        net_up();
        round();
        assert_eq!(ended(), (reason, words));
        assert_eq!(seen(), ["connecting to one", "cloud CONNECTING", "cloud CONNECTERROR"]);
        turn.end();
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_not_a_failure_of_tls() {
    for status in [-1, 111] {
        let turn = make_with(Kind::Plain, |config| config.with(Number::Tls, 1));
        with(|w| w.status = status);
        net_up();
        round();
        assert_eq!(ended(), (Reason::Unreachable as u32, 2));
        turn.end();
    }
}

#[test]
fn a_server_that_hangs_up_in_the_tls_handshake_is_a_failure_of_tls_although_no_connect_event_comes() {
    for (kind, configured, end) in [
        (Kind::Plain, 2, (Reason::Tls as u32, 11)),
        (Kind::WebSocket, 1, (Reason::Tls as u32, 10)),
        (Kind::Plain, 0, (Reason::Lost as u32, 1)),
    ] {
        let turn = make_with(kind, |config| config.with(Number::Tls, configured));
        with(|w| w.silent = true);
        net_up();
        broker_leaves();
        round();
        assert_eq!(ended(), end);
        assert_eq!(seen(), ["connecting to one", "cloud CONNECTING", "cloud CONNECTERROR"]);
        turn.end();
    }
}

#[test]
fn once_tls_is_up_a_lost_connection_is_just_lost() {
    for kind in [Kind::Plain, Kind::WebSocket] {
        let turn = make_with(kind, |config| config.with(Number::Tls, 1));
        with(|w| w.manner.mute = true);
        net_up();
        rounds(2);
        broker_leaves();
        round();
        assert_eq!(ended(), (Reason::Lost as u32, 1));
        turn.end();
    }
}

#[test]
fn disconnecting_twice_sends_what_was_written_before() {
    let turn = up(Kind::Plain);
    heard();
    assert_ne!(publish(c"0", 0), 0);
    for _ in 0..2 {
        // SAFETY: the connection is alive.
        unsafe { mgos_mqtt_conn_disconnect(c()) };
    }
    rounds(4);
    assert_eq!(heard(), [b"\x30\x04\0\x01t0".to_vec(), b"\xe0\0".to_vec()]);
    turn.end();
}

#[test]
fn a_connection_that_ends_after_what_was_written_does_end_although_nobody_reads() {
    const CLOSE: [u8; 4] = [0x88, 2, 3, 0xe8];
    for (kind, disconnects, server_closes) in
        [(Kind::Plain, true, false), (Kind::WebSocket, true, false), (Kind::WebSocket, false, true), (Kind::WebSocket, true, true)]
    {
        for limit in [0, 30_000] {
            let turn = make_with(kind, |config| config.with(Number::ConnectTimeout, limit));
            net_up();
            rounds(6);
            with(|w| w.stuck = true);
            assert_ne!(publish(c"0", 0), 0);
            if disconnects {
                // SAFETY: the connection is alive.
                unsafe { mgos_mqtt_conn_disconnect(c()) };
            }
            if server_closes {
                at(nc()).broker.says.extend(CLOSE);
            }
            rounds(2);
            seen();
            pass(40);
            assert!(seen().contains(&"cloud DISCONNECTED".into()), "{disconnects} {server_closes} {limit}");
            turn.end();
        }
    }
}

/// Changes a number of the configuration that the connection and the app share.
fn change(slot: usize, which: Number, value: i32) {
    let config = with(|w| w.shared[slot]);
    // SAFETY: it is a `Config`, and nothing is borrowed from it.
    let config = unsafe { &mut *config.cast_mut().cast::<Config>() };
    *config = config.clone().with(which, value);
}

#[test]
fn the_first_server_is_tried_once_the_backup_in_use_is_disabled() {
    let turn = make(Kind::Plain);
    with(|w| w.unreachable = true);
    net_up();
    let switched = || with(|w| w.log.iter().any(|line| line.0 == Log::Switched as u32));
    for _ in 0..60 {
        if !switched() {
            pass(1);
        }
    }
    assert!(switched());
    with(|w| w.unreachable = false);
    pass(10);
    assert!(seen().contains(&"connecting to two".into()));
    change(1, Number::Enable, 0);
    broker_leaves();
    pass(10);
    assert!(seen().contains(&"connecting to one".into()));
    turn.end();
}

unsafe extern "C" fn sends_nothing(
    _: *mut super::super::types::mg_connection,
    _: *const core::ffi::c_char,
    _: *mut super::super::types::mg_send_mqtt_handshake_opts,
    _: *mut core::ffi::c_void,
) {
}

#[test]
fn a_connect_that_the_app_sends_after_its_callback_is_read_as_well_whatever_it_does_next() {
    for next in 0..4 {
        let turn = make_with(Kind::Plain, |config| config.with(Number::CleanSession, 1));
        // SAFETY: the connection is alive.
        unsafe { mgos_mqtt_conn_set_connect_fn(c(), Some(sends_nothing), core::ptr::null_mut()) };
        with(|w| w.manner.connack = [1, 0]);
        net_up();
        rounds(2);
        // As mg_send_mqtt_handshake_opt(), from a timer.
        at(nc()).write(b"\x10\x0d\0\x04MQTT\x04\0\0\x3c\0\x01x");
        at(nc()).proto.as_mut().expect("MQTT data").keep_alive = 60;
        match next {
            0 => {}
            1 => assert_eq!(publish(c"m", 0), 0, "not before CONNACK"),
            2 => assert_ne!(publish(c"m", 1), 0),
            _ => super::app::subscribe(c"f", c"f"),
        }
        rounds(4);
        assert!(seen().contains(&"g CONNACK".into()));
        let complains = with(|w| w.log.iter().any(|line| line.0 == Log::SessionPresent as u32));
        assert!(!complains, "it has asked for the session: {next}");
        turn.end();
    }
}

#[test]
fn a_handler_that_runs_the_event_loop_for_longer_than_keep_alive_loses_no_healthy_connection() {
    let turn = make_with(Kind::Plain, |config| config.with(Number::KeepAlive, 10));
    net_up();
    rounds(4);
    seen();
    in_callback(0, || pass(40));
    broker_says(b"\x30\x04\0\x01am");
    rounds(3);
    assert_eq!(seen(), ["a PUBLISH a=m"]);
    turn.end();
}

#[test]
fn a_hook_of_the_line_about_a_time_limit_may_begin_the_next_attempt() {
    let turn = make(Kind::Plain);
    with(|w| w.silent = true);
    net_up();
    rounds(2);
    pass(29);
    seen();
    in_callback(0, || {
        round();
        // SAFETY: the connection is alive.
        unsafe { assert!(mgos_mqtt_conn_connect(c()) != 0 && !nc().is_null()) };
        with(|w| w.silent = false);
    });
    pass(1);
    rounds(4);
    // SAFETY: the connection is alive.
    assert!(unsafe { mgos_mqtt_conn_is_connected(c()) } != 0, "{:?}", seen());
    turn.end();
}

#[test]
fn nothing_is_logged_of_a_connection_that_was_freed_before_the_app_knew_of_its_end() {
    let turn = up(Kind::Plain);
    with(|w| w.log.clear());
    in_callback(0, || {
        at(nc()).close_now = true;
        round();
        let c = with(|w| core::mem::replace(&mut w.c, core::ptr::null_mut()));
        // SAFETY: it is alive.
        unsafe { mgos_mqtt_conn_free(c) };
    });
    broker_says(b"\x30\x04\0\x01am");
    rounds(2);
    assert!(with(|w| w.log.is_empty()));
    turn.end();
}

#[test]
fn one_failed_allocation_while_nothing_else_would_wake_us_does_not_end_all_attempts() {
    // Nothing has a time limit, and the allocation for the wait's timer fails.
    for n in 0..3 {
        let turn = make_with(Kind::Plain, |config| config.with(Number::ConnectTimeout, 0));
        with(|w| w.silent = true);
        net_up();
        rounds(2);
        with(|w| (w.silent, w.status) = (false, 111));
        crate::heap::testing::fail_once(n);
        rounds(2);
        crate::heap::testing::fail_after(None);
        with(|w| w.status = 0);
        pass(200);
        // SAFETY: the connection is alive.
        assert!(unsafe { mgos_mqtt_conn_is_connected(c()) } != 0, "an attempt that fails: {n}");
        turn.end();
        let turn = make_with(Kind::Plain, |config| config.with(Number::KeepAlive, -1));
        net_up();
        pass(400);
        broker_leaves();
        crate::heap::testing::fail_once(n);
        rounds(2);
        crate::heap::testing::fail_after(None);
        pass(200);
        // SAFETY: the connection is alive.
        assert!(unsafe { mgos_mqtt_conn_is_connected(c()) } != 0, "a connection that is lost: {n}");
        turn.end();
    }
}

#[test]
fn a_shortage_of_memory_for_a_whole_attempt_does_not_end_all_attempts() {
    for kind in [Kind::Plain, Kind::WebSocket] {
        for n in 0..8 {
            let turn = make(kind);
            with(|w| w.status = 111);
            net_up();
            rounds(2);
            crate::heap::testing::fail_after(Some(n));
            pass(2);
            crate::heap::testing::fail_after(None);
            with(|w| w.status = 0);
            pass(200);
            // SAFETY: the connection is alive.
            assert!(unsafe { mgos_mqtt_conn_is_connected(c()) } != 0, "{n}");
            turn.end();
        }
    }
}

#[test]
fn an_attempt_over_websocket_that_lacks_memory_once_ends_at_once_and_says_so() {
    let mut failed = 0;
    for n in 0.. {
        let turn = make(Kind::WebSocket);
        net_up();
        crate::heap::testing::fail_once(n);
        rounds(6);
        let unused = !crate::heap::testing::has_failed();
        crate::heap::testing::fail_after(None);
        // SAFETY: the connection is alive.
        let connected = unsafe { mgos_mqtt_conn_is_connected(c()) } != 0;
        let told = with(|w| w.log.iter().any(|line| line.0 == Log::NoMemory as u32));
        assert!(connected || told, "{n}");
        failed += !connected as u32;
        turn.end();
        if unused {
            break;
        }
    }
    assert_eq!(failed, 5, "the attempt, the request twice, Mongoose's own data, the state of the frames");
}

#[test]
fn what_frames_need_is_given_back_when_the_connection_ends() {
    let ended = |kind| {
        let turn = up(kind);
        let connected = crate::heap::testing::blocks();
        broker_leaves();
        rounds(1);
        let freed = connected - crate::heap::testing::blocks();
        turn.end();
        freed
    };
    assert_eq!(ended(Kind::WebSocket), ended(Kind::Plain) + 1);
}

#[test]
fn a_ping_for_which_memory_is_lacking_is_tried_again_after_a_second_and_not_at_once() {
    let turn = up(Kind::Plain);
    pass(25);
    at(nc()).send.shrink_to_fit();
    // The timer can be set, the ping cannot be written.
    with(|w| w.log.clear());
    for _ in 0..60 {
        crate::heap::testing::fail_once(0);
        pass(1);
        crate::heap::testing::fail_after(None);
        if with(|w| w.log.iter().any(|line| line.0 == Log::NoMemory as u32)) {
            assert!(with(|w| w.timers.iter().all(|timer| timer.every >= 1000)));
            return turn.end();
        }
    }
    panic!("no ping was due");
}
