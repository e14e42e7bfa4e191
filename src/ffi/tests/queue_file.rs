//! The queue in a file: what survives a restart, a power cut at any time, a file system that fails.
//! What is in the file, byte by byte: session/tests/snapshot.rs.
extern crate std;

use super::super::conn_api::*;
use super::super::queue_file::mgos_mqtt_core_reboot;
use super::super::shim::Number;
use super::app::{c, finish, publish, publish_watched, str};
use super::disk::Manner;
use super::world::{Config, Turn, begin, broker_leaves, broker_says, heard, net_up, pass, rounds, with};
use crate::heap::testing;
use core::ffi::CStr;
use core::ptr::{null, null_mut};
use std::collections::BTreeSet;
use std::string::String;
use std::vec;
use std::vec::Vec;

fn world() -> Turn {
    begin([Config::new("one"), Config::new("two")])
}

/// The device starts: a connection, with its queue in a file.
fn start(delay: u32) -> bool {
    // SAFETY: the configuration lives as long as the world.
    unsafe {
        let c = mgos_mqtt_conn_create2(7, with(|w| w.shared[0]), null());
        with(|w| w.c = c);
        mgos_mqtt_conn_set_queue_file(c, c"queue".as_ptr(), delay) != 0
    }
}

/// The device restarts, without a word.
fn restart(delay: u32) -> bool {
    broker_leaves();
    let left = with(|w| w.disk.left.replace(0));
    let c = with(|w| core::mem::replace(&mut w.c, null_mut()));
    // SAFETY: alive or NULL.
    unsafe { mgos_mqtt_conn_free(c) };
    rounds(1);
    heard();
    with(|w| w.disk.left = left.filter(|&left| left > 0));
    start(delay)
}

/// Payloads of one byte that were published.
fn payloads_of(packets: &[Vec<u8>]) -> Vec<u8> {
    packets.iter().filter(|packet| packet[0] >> 4 == 3).filter_map(|packet| packet.last().copied()).collect()
}

fn payloads() -> Vec<u8> {
    payloads_of(&heard())
}

/// Payloads of the messages at QoS 2 to the topic t, as a broker delivers them that keeps the session:
/// what comes between the PUBLISH with a packet ID and its PUBREL is the same message.
fn delivered_at_qos_2(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut open = BTreeSet::new();
    let mut delivered = vec![];
    for packet in packets {
        match packet[..] {
            [first, 6, 0, 1, b't', hi, lo, payload] if first & 0xf6 == 0x34 && open.insert((hi, lo)) => delivered.push(payload),
            [0x62, 2, hi, lo] => _ = open.remove(&(hi, lo)),
            _ => {}
        }
    }
    delivered
}

fn said(what: &str) -> usize {
    with(|w| w.seen.iter().filter(|line| line.starts_with("queue file") && line.contains(what)).count())
}

fn files() -> Vec<String> {
    with(|w| w.disk.files.keys().cloned().collect())
}

#[test]
fn what_is_queued_survives_a_restart_in_order() {
    let turn = world();
    assert!(start(5000));
    assert_eq!((said("restored"), files()), (0, vec![]), "the first start");
    [publish(c"1", 1), publish(c"2", 2), publish(c"3", 1)].iter().for_each(|&id| assert_ne!(id, 0));
    pass(6);
    assert_eq!(files(), ["queue.a"]);
    assert!(restart(5000));
    assert_eq!(said("restored 3"), 1);
    // SAFETY: the connection is alive.
    assert_eq!(unsafe { mgos_mqtt_conn_num_unsent_bytes(c()) }, 3);
    assert_ne!(publish(c"4", 1), 0);
    net_up();
    rounds(6);
    assert_eq!(payloads(), *b"1234");
    pass(6);
    assert_eq!(files(), ["queue.a", "queue.b"], "the copies are written in turn");
    assert!(restart(5000));
    assert_eq!(said("restored 0"), 1, "what was acknowledged is gone");
    turn.end();
}

#[test]
fn the_packet_id_of_a_qos_2_message_is_in_the_file_before_pubrec_and_out_of_it_before_pubcomp() {
    let turn = world();
    assert!(start(0));
    net_up();
    rounds(4);
    heard();
    with(|w| w.disk.unsent.clear());
    broker_says(b"\x34\x06\0\x01x\0\x07m");
    rounds(4);
    assert_eq!(heard(), [b"\x50\x02\0\x07".to_vec(), b"\x70\x02\0\x07".to_vec()]);
    assert_eq!(with(|w| w.disk.unsent.clone()), [0, 0], "written twice, each time before the answer");
    with(|w| w.manner.mute = true);
    broker_says(b"\x34\x06\0\x01x\0\x08m");
    rounds(2);
    assert!(restart(0));
    // The broker kept the session, and repeats the message as it has not heard PUBREC.
    with(|w| (w.manner.connack, w.manner.mute) = ([1, 0], false));
    net_up();
    rounds(4);
    let received = |w: &mut super::world::World| w.seen.iter().filter(|line| line.contains("PUBLISH")).count();
    // SAFETY: the connection is alive.
    unsafe { mgos_mqtt_conn_add_handler(c(), Some(super::app::handler), super::app::tag(c"h")) };
    with(|w| w.manner.mute = true);
    heard();
    broker_says(b"\x3c\x06\0\x01x\0\x08m");
    rounds(3);
    assert_eq!((with(received), heard()), (0, vec![b"\x50\x02\0\x08".to_vec()]), "not a second time");
    broker_says(b"\x34\x06\0\x01x\0\x08n");
    rounds(3);
    assert_eq!(with(received), 1, "without DUP it is another message");
    turn.end();
}

/// Publishes while the link comes and goes, until the power is cut. `present` is the session present
/// flag of the second connection. The payloads that were accepted
/// and not acknowledged before the cut, and all that were published.
fn live_until_the_cut(delay: u32, present: u8) -> (BTreeSet<u8>, BTreeSet<u8>) {
    const NAMES: &CStr = c"abcdefghijklmnopqrstuvwxyz";
    let (mut owed, mut published) = (BTreeSet::new(), BTreeSet::new());
    let is_dead = || with(|w| w.disk.is_dead());
    for (n, &name) in NAMES.to_bytes().iter().enumerate() {
        published.insert(name);
        let qos = 1 + (n % 3 == 0) as i32;
        let payload = super::super::types::mg_str { p: NAMES.as_ptr().wrapping_add(n), len: 1 };
        // SAFETY: the connection is alive; the payload is in a constant.
        let id = unsafe { mgos_mqtt_conn_pub(c(), c"t".as_ptr(), payload, qos, 0) };
        if is_dead() {
            break;
        }
        if id != 0 {
            owed.insert(name);
        }
        match n {
            7 => net_up(),
            14 => {
                broker_leaves();
                with(|w| w.manner.connack = [present, 0]);
            }
            _ => {}
        }
        if delay > 0 || n % 4 == 0 {
            pass(1);
        } else {
            rounds(1);
        }
        if is_dead() {
            break;
        }
    }
    (owed, published)
}

#[test]
fn a_power_cut_at_any_write_loses_nothing_that_was_promised_and_invents_nothing() {
    let mut cuts = 0;
    let sessions = [(1, 0), (0, 0), (0, 1)];
    let manners = [Manner::AtOnce, Manner::AtClose, Manner::Empty];
    for (manner, (clean, present)) in manners.iter().flat_map(|&manner| sessions.map(|session| (manner, session))) {
        let stride = if cfg!(miri) { 400 } else { 1 };
        for n in (1..).step_by(stride) {
            let turn = begin([Config::new("one").with(Number::CleanSession, clean), Config::new("two")]);
            let what = std::format!("{manner:?} {n}, clean session {clean}, session present {present}");
            with(|w| (w.disk.manner, w.disk.left) = (manner, Some(n)));
            assert!(start(0));
            let (owed, published) = live_until_the_cut(0, present);
            let was_cut = with(|w| w.disk.is_dead());
            // What the broker has had, and may have acknowledged.
            let mut packets = heard();
            assert!(restart(0), "{what}: the start is never prevented");
            with(|w| w.manner.connack = [present, 0]);
            net_up();
            rounds(3);
            pass(5);
            let later = heard();
            let sent: BTreeSet<u8> = payloads_of(&later).into_iter().collect();
            packets.extend(later);
            let arrived: BTreeSet<u8> = payloads_of(&packets).into_iter().collect();
            assert!(owed.is_subset(&arrived), "{what}: lost {:?}", owed.difference(&arrived));
            assert!(sent.is_subset(&published), "{what}: invented {:?}", sent.difference(&published));
            if present == 1 {
                let delivered = delivered_at_qos_2(&packets);
                let once: BTreeSet<u8> = delivered.iter().copied().collect();
                assert_eq!(delivered.len(), once.len(), "{what}: twice among {}", delivered.escape_ascii());
            }
            turn.end();
            if !was_cut {
                break;
            }
            cuts += 1;
        }
    }
    assert!(cfg!(miri) || cuts > 9000, "{cuts} cuts");
}

#[test]
fn what_was_in_the_file_is_there_after_a_cut_while_the_next_copy_is_written() {
    for manner in [Manner::AtOnce, Manner::AtClose, Manner::Empty] {
        for n in 1..60 {
            let turn = world();
            with(|w| w.disk.manner = manner);
            assert!(start(5000));
            publish(c"1", 1);
            pass(6);
            with(|w| w.disk.left = Some(n));
            publish(c"2", 1);
            pass(6);
            assert!(restart(5000));
            // SAFETY: the connection is alive.
            let queued = unsafe { mgos_mqtt_conn_num_unsent_bytes(c()) };
            assert!(queued == 1 || queued == 2 && n > 40, "{manner:?} {n}: {queued}");
            turn.end();
        }
    }
}

#[test]
fn what_is_acknowledged_in_time_is_never_written() {
    let turn = world();
    assert!(start(5000));
    net_up();
    rounds(4);
    for _ in 0..50 {
        publish(c"1", 1);
        publish(c"2", 2);
        pass(1);
    }
    assert_eq!(with(|w| w.disk.done), 0);
    turn.end();
}

#[test]
fn there_is_one_commit_in_a_delay_whatever_happens() {
    let turn = world();
    assert!(start(5000));
    let copies = || with(|w| w.disk.files.values().map(|bytes| u32::from_le_bytes(bytes[4..8].try_into().unwrap())).max().unwrap_or(0));
    for _ in 0..30 {
        publish(c"1", 1);
        pass(1);
    }
    assert!((5..=6).contains(&copies()), "{} in 30 s", copies());
    turn.end();
}

#[test]
fn before_a_restart_and_at_an_orderly_end_it_is_written_at_once() {
    let turn = world();
    assert!(start(60_000));
    publish(c"1", 1);
    let watchers = with(|w| w.reboot_watchers.clone());
    // SAFETY: the connection is alive.
    watchers.into_iter().for_each(|c| unsafe { mgos_mqtt_core_reboot(c) });
    assert!(restart(60_000));
    assert_eq!(said("restored 1"), 1);
    publish(c"2", 1);
    finish(0, false);
    pass(2);
    assert!(restart(60_000));
    assert_eq!(said("restored 2"), 1);
    publish(c"3", 1);
    let c = with(|w| core::mem::replace(&mut w.c, null_mut()));
    // SAFETY: the connection is alive.
    unsafe { mgos_mqtt_conn_free(c) };
    assert!(start(60_000));
    assert_eq!(said("restored 3"), 1, "of a connection that was freed");
    turn.end();
}

#[test]
fn a_damaged_file_is_told_and_set_aside_and_one_copy_is_enough() {
    let turn = world();
    assert!(start(0));
    publish(c"1", 1);
    publish(c"2", 1);
    assert_eq!(files(), ["queue.a", "queue.b"]);
    with(|w| w.disk.files.get_mut("queue.b").unwrap()[30] ^= 1);
    assert!(restart(0));
    assert_eq!((said("incomplete"), said("restored 1"), said("damaged")), (1, 1, 0));
    with(|w| w.disk.files.values_mut().for_each(|bytes| bytes.truncate(21)));
    assert!(restart(0));
    assert_eq!((said("damaged"), files()), (1, vec!["queue.bad".into()]));
    publish(c"3", 1);
    assert!(restart(0));
    assert_eq!(said("restored 1"), 2);
    turn.end();
}

#[test]
fn a_file_that_cannot_be_written_is_told_once_and_tried_again() {
    let turn = world();
    assert!(start(1000));
    with(|w| w.disk.full = true);
    assert_ne!(publish(c"1", 1), 0);
    pass(130);
    assert_eq!((said("not written"), files()), (1, vec![]));
    with(|w| w.disk.full = false);
    pass(61);
    assert_eq!(files(), ["queue.a"]);
    assert!(restart(1000));
    assert_eq!(said("restored 1"), 1);
    turn.end();
}

#[test]
fn a_file_is_refused_where_it_cannot_serve() {
    let turn = world();
    assert!(start(0));
    // SAFETY: connections are alive, strings are constants.
    unsafe {
        let other = mgos_mqtt_conn_create2(8, with(|w| w.shared[1]), null());
        assert_eq!(mgos_mqtt_conn_set_queue_file(other, c"queue".as_ptr(), 0), 0, "another connection has it");
        assert_eq!(mgos_mqtt_conn_set_queue_file(other, null(), 0), 0);
        assert_eq!(mgos_mqtt_conn_set_queue_file(other, c"".as_ptr(), 0), 0);
        assert_eq!(mgos_mqtt_conn_set_queue_file(null_mut(), c"other".as_ptr(), 0), 0);
        assert_eq!(said("refused"), 3);
        mgos_mqtt_conn_pub(other, c"t".as_ptr(), str(c"1"), 1, 0);
        assert_eq!(mgos_mqtt_conn_set_queue_file(other, c"other".as_ptr(), 0), 0, "something is queued");
        assert_eq!(said("too late"), 1);
        mgos_mqtt_conn_free(other);
    }
    turn.end();
}

#[test]
fn without_memory_for_all_of_it_the_file_stays_as_it_is() {
    let turn = world();
    assert!(start(0));
    (0..3).for_each(|_| assert_ne!(publish(c"1", 1), 0));
    let before = with(|w| w.disk.files.clone());
    for n in 0.. {
        with(|w| w.disk.left = Some(0));
        let c = with(|w| core::mem::replace(&mut w.c, null_mut()));
        // SAFETY: alive; the configuration lives as long as the world.
        unsafe { mgos_mqtt_conn_free(c) };
        with(|w| w.disk.left = None);
        // SAFETY: as above.
        let c = unsafe { mgos_mqtt_conn_create2(7, with(|w| w.shared[0]), null()) };
        with(|w| w.c = c);
        testing::fail_after(Some(n));
        // SAFETY: as above.
        let ok = unsafe { mgos_mqtt_conn_set_queue_file(c, c"queue".as_ptr(), 0) } != 0;
        testing::fail_after(None);
        assert_eq!(with(|w| w.disk.files.clone()), before, "{n}");
        if ok {
            // The queue is whole, whatever else there was no memory for.
            // SAFETY: the connection is alive.
            assert_eq!(unsafe { mgos_mqtt_conn_num_unsent_bytes(c) }, 3, "{n}");
            assert!(n >= 8, "{n}");
            break;
        }
    }
    turn.end();
}

#[test]
fn a_lifetime_counts_by_the_wall_clock_while_the_device_is_off() {
    let turn = world();
    with(|w| w.clock = 1_700_000_000);
    assert!(start(0));
    publish_watched(1, 60_000, false, false);
    publish(c"kept", 1);
    with(|w| w.clock += 59);
    assert!(restart(0));
    pass(2);
    // SAFETY: the connection is alive.
    assert_eq!(unsafe { mgos_mqtt_conn_num_unsent_bytes(c()) }, 4, "the other has expired");
    turn.end();
}
