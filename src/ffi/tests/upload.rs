//! Messages that are published in pieces, as time passes: slow links, links that die, apps that have
//! nothing, and what the broker sends meanwhile.

extern crate std;

use super::super::conn_api::*;
use super::super::types::mgos_mqtt_pub_opts;
use super::app::{c, publish, str, upload};
use super::callbacks::{Kind, make};
use super::link::at;
use super::world::{Turn, broker_leaves, broker_says, heard, nc, net_up, pass, rounds, with};
use crate::heap::testing::fail_after;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use std::string::String;
use std::vec;
use std::vec::Vec;

const LEN: usize = 20_000;

/// A connection that is up.
fn connected(kind: Kind) -> Turn {
    let turn = make(kind);
    net_up();
    rounds(8);
    // SAFETY: the connection is alive.
    assert!(unsafe { mgos_mqtt_conn_is_connected(c()) != 0 });
    heard();
    with(|w| {
        w.upload = LEN;
        w.seen.clear();
    });
    turn
}

fn seen(what: &str) -> usize {
    with(|w| w.seen.iter().filter(|line| line.starts_with(what)).count())
}

fn has_ended() -> bool {
    seen("cloud DISCONNECTED") > 0
}

/// The types of the packets that the broker has heard, and how long they are.
fn kinds() -> Vec<(u8, usize)> {
    heard().iter().map(|packet| (packet[0] >> 4, packet.len())).collect()
}

/// A PUBLISH of `LEN` bytes at QoS 1.
const PUBLISH: (u8, usize) = (3, 4 + 4 + 2 + LEN);

#[test]
fn a_slow_link_takes_all_of_it_with_no_ping_inside_and_little_of_it_in_memory() {
    for kind in [Kind::Plain, Kind::WebSocket] {
        let turn = connected(kind);
        with(|w| w.uplink = 100);
        assert!(upload(1));
        let mut longest = 0;
        for _ in 0..LEN / 100 + 10 {
            pass(1);
            longest = longest.max(with(|w| at(w.links[0]).send.len()));
        }
        assert!(longest < 1400, "{longest} bytes waited");
        with(|w| w.uplink = 1000);
        pass(3);
        let heard = kinds();
        assert_eq!(heard[0], PUBLISH, "{kind:?}");
        assert!(heard[1..].iter().all(|&(kind, _)| kind == 12), "{heard:?}");
        assert_eq!((seen("upload "), has_ended()), (1, false));
        turn.end();
    }
}

#[test]
fn a_link_that_takes_nothing_for_thirty_seconds_is_given_up_and_the_message_begun_anew() {
    let turn = connected(Kind::Plain);
    with(|w| w.uplink = 1000);
    assert!(upload(1));
    pass(5);
    with(|w| w.stuck = true);
    pass(28);
    assert!(!has_ended());
    pass(4);
    assert!(has_ended());
    with(|w| w.stuck = false);
    pass(60);
    assert!(kinds().contains(&PUBLISH));
    assert_eq!(seen("upload "), 1);
    turn.end();
}

#[test]
fn an_app_that_has_nothing_for_thirty_seconds_loses_the_connection() {
    let turn = connected(Kind::Plain);
    with(|w| w.read_waits = true);
    assert!(upload(0));
    pass(28);
    assert!(!has_ended());
    pass(4);
    assert!(has_ended());
    with(|w| w.read_waits = false);
    pass(60);
    let told: Vec<String> = with(|w| w.seen.iter().filter(|line| line.starts_with("upload")).cloned().collect());
    assert!(told.len() == 1 && told[0].ends_with(": 1"), "it was sent: {told:?}");
    turn.end();
}

#[test]
fn what_the_broker_sends_meanwhile_is_answered_afterwards_and_only_so_much_is_taken() {
    let turn = connected(Kind::Plain);
    with(|w| w.read_waits = true);
    assert!(upload(1));
    rounds(3);
    for n in 1..=4000u16 {
        let [hi, lo] = n.to_be_bytes();
        broker_says(&[0x32, 6, 0, 1, b'a', hi, lo, b'm']);
    }
    rounds(5000);
    let taken = seen("a PUBLISH");
    assert!((2000..=2100).contains(&taken), "{taken} were taken");
    assert_eq!(kinds(), [], "nothing goes inside the message");
    with(|w| w.read_waits = false);
    pass(2);
    rounds(5000);
    let heard = kinds();
    assert_eq!(heard[0], PUBLISH);
    assert_eq!(heard[1..].iter().filter(|&&packet| packet == (4, 4)).count(), 4000);
    assert_eq!((seen("a PUBLISH"), has_ended()), (4000, false));
    turn.end();
}

#[test]
fn it_goes_behind_what_was_published_before_and_before_what_was_published_after() {
    let turn = connected(Kind::Plain);
    for _ in 0..3 {
        publish(c"before", 1);
    }
    assert!(upload(1) && !upload(1), "one at a time");
    publish(c"after", 0);
    rounds(2);
    publish(c"after", 1);
    rounds(40);
    let order: Vec<usize> = heard().iter().filter(|packet| packet[0] >> 4 == 3).map(Vec::len).collect();
    assert_eq!(order, [13, 13, 13, 10, PUBLISH.1, 12]);
    let told: Vec<String> = with(|w| w.seen.iter().filter(|line| line.starts_with("upload")).cloned().collect());
    assert_eq!(told.len(), 1, "{told:?}");
    turn.end();
}

#[test]
fn an_acknowledgement_before_the_last_byte_is_none() {
    let turn = connected(Kind::Plain);
    with(|w| w.read_waits = true);
    assert!(upload(1));
    rounds(3);
    let id = with(|w| w.log.iter().rev().find(|line| line.1 == b"up").map(|line| line.2)).unwrap() as u16;
    let [hi, lo] = id.to_be_bytes();
    broker_says(&[0x40, 2, hi, lo]);
    rounds(3);
    assert_eq!(seen("upload "), 0, "the app is not told, and may still be asked for bytes");
    with(|w| w.read_waits = false);
    pass(3);
    rounds(40);
    assert_eq!(kinds()[0], PUBLISH);
    assert_eq!(seen(&std::format!("upload {id}: 4")), 1, "nothing tells whether it has arrived");
    turn.end();
}

/// A result callback that writes a packet by itself.
unsafe extern "C" fn write_packet(_: *mut c_void, _id: u16, _what: c_int) {
    if !nc().is_null() {
        at(nc()).write(b"\x30\x05\0\x01own");
    }
}

/// Publishes a message that takes the place of the one before, whose publisher is told.
fn publish_replacing() {
    let opts = mgos_mqtt_pub_opts { qos: 1, retain: 0, replace: 1, ttl_ms: 0, cb: Some(write_packet), arg: null_mut() };
    // SAFETY: the connection is alive, and the options are there.
    unsafe { mgos_mqtt_conn_pub_opt_sized(c(), c"r".as_ptr(), str(c"v"), &raw const opts, size_of_val(&opts)) };
}

#[test]
fn what_the_app_writes_when_it_is_told_something_does_not_land_inside() {
    for kind in [Kind::Plain, Kind::WebSocket] {
        let turn = connected(kind);
        with(|w| w.read_waits = true);
        assert!(upload(0));
        rounds(3);
        publish_replacing();
        // In the next handler of a poll; the outcome is told at the end of that event.
        with(|w| w.plan = vec![(w.callbacks + 1, publish_replacing as fn())]);
        rounds(2);
        with(|w| w.read_waits = false);
        pass(2);
        rounds(40);
        let heard = kinds();
        assert_eq!(heard[0], (3, PUBLISH.1 - 2), "{kind:?}");
        assert!(heard[1..].contains(&(3, 7)), "{kind:?}: {heard:?}");
        turn.end();
    }
}

#[test]
fn a_log_hook_that_runs_the_event_loop_while_a_cut_is_logged_harms_nothing() {
    for (ends, callback) in (0..3).flat_map(|ends| (1..24).map(move |callback| (ends, callback))) {
        let turn = connected(Kind::Plain);
        with(|w| w.uplink = 100);
        assert!(upload(1));
        rounds(6);
        for _ in 0..ends {
            broker_leaves();
            pass(12);
            rounds(6);
        }
        // In one of the callbacks that follow the loop runs until the next attempt is under way.
        with(|w| {
            w.plan = vec![(w.callbacks + callback, || {
                pass(12);
                rounds(6);
            })];
        });
        broker_leaves();
        pass(12);
        with(|w| w.uplink = usize::MAX);
        pass(30);
        rounds(40);
        assert_eq!(seen("upload "), 1, "{ends} ends before, in callback {callback}: {:?}", with(|w| w.seen.clone()));
        turn.end();
    }
}

#[test]
fn lack_of_memory_inside_ends_the_connection_after_thirty_seconds_as_well() {
    let turn = connected(Kind::Plain);
    with(|w| w.uplink = 1000);
    assert!(upload(1));
    pass(2);
    fail_after(Some(0));
    for _ in 0..40 {
        pass(1);
        // Mongoose frees its buffer when it is empty.
        for nc in with(|w| w.links.clone()) {
            if at(nc).send.is_empty() {
                at(nc).send = Vec::new();
            }
        }
    }
    fail_after(None);
    assert!(has_ended());
    pass(60);
    turn.end();
}
