//! A session across a restart of the device: what is saved and restored.
use super::*;
use crate::heap::testing::{blocks, fail_after};
use crate::session::{Extent, Outcome, RestoreError, WatchOptions};

impl Rig {
    fn saved(&self) -> Vec<u8> {
        self.saved_to(Extent::All)
    }

    fn saved_to(&self, extent: Extent) -> Vec<u8> {
        let mut bytes = vec![];
        self.s.save(extent, &mut |piece| bytes.extend_from_slice(piece));
        bytes
    }

    fn restore(&mut self, mut bytes: &[u8], age: u32) -> Result<(), RestoreError> {
        let mut read = |to: &mut [u8]| {
            let Some((first, rest)) = bytes.split_at_checked(to.len()) else { return false };
            to.copy_from_slice(first);
            bytes = rest;
            true
        };
        self.s.restore(&mut read, 0, age, self.now)
    }

    /// The device restarts.
    fn restarted(&self) -> Rig {
        let mut rig = Rig::down();
        assert_eq!(rig.restore(&self.saved(), 0), Ok(()));
        rig
    }
}

/// A session with a message in each state, two QoS 2 messages received and not released, and no
/// connection.
fn full() -> Rig {
    let mut rig = Rig::up();
    for (n, qos) in [(1, Q1), (2, Q2), (3, Q2), (4, Q2)] {
        rig.publish(n, qos);
    }
    rig.out();
    rig.told(&ack(0x50, 3));
    rig.told(&ack(0x50, 4));
    rig.told(b"\x34\x05\0\x01a\0\x07");
    rig.told(b"\x34\x05\0\x01a\0\x08");
    rig.s.disconnected(true, rig.now);
    // The copy of message 3 makes room for the fifth, and leaves its packet ID.
    rig.publish_to(b"t", &[5], Q1, Limits { max_queue: 4, ..LIMITS }).unwrap();
    assert_eq!((rig.s.queued(), rig.s.total_given_up()), (4, 0));
    rig
}

#[test]
fn in_a_kept_session_everything_goes_on_where_it_was() {
    let mut rig = full().restarted();
    assert_eq!(rig.s.queued(), 4);
    assert_eq!(
        rig.connect(false, KEPT),
        [message(0x3a, 1, 1), message(0x3c, 2, 2), ack(0x62, 3), ack(0x62, 4), message(0x32, 5, 5)],
        "DUP for what was sent, PUBREL for what had PUBREC"
    );
    for packet in [ack(0x40, 1), ack(0x50, 2), ack(0x70, 3), ack(0x70, 4), ack(0x40, 5), ack(0x70, 2)] {
        rig.told(&packet);
    }
    // The broker repeats what it has had PUBREC for, and releases it.
    assert_eq!(rig.receive(b"\x3c\x05\0\x01a\0\x07", true).unwrap().notify, crate::session::Notify::Nobody);
    assert_eq!(rig.told(&ack(0x62, 7)), ack(0x70, 7));
    assert_eq!(rig.told(&ack(0x62, 8)), ack(0x70, 8));
    assert!(rig.s.is_idle());
}

#[test]
fn in_a_new_session_every_message_that_is_stored_is_sent_as_new() {
    let mut rig = full().restarted();
    let sent = [message(0x32, 1, 1), message(0x34, 2, 2), message(0x34, 4, 4), message(0x32, 5, 5)];
    assert_eq!(rig.connect(true, NEW), sent);
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: 3, last: 3 }, "the broker may have lost it with the session");
    assert_eq!(rig.receive(b"\x34\x05\0\x01a\0\x07", true).unwrap().notify, crate::session::Notify::Handlers);
}

#[test]
fn a_publish_without_dup_is_new_whatever_was_open_before_the_restart() {
    let mut rig = full().restarted();
    rig.connect(false, KEPT);
    for (packet, notify) in [(0x34, crate::session::Notify::Handlers), (0x3c, crate::session::Notify::Nobody)] {
        let reaction = rig.receive(&[packet, 5, 0, 1, b'a', 0, 7], true).unwrap();
        assert_eq!((reaction.answer, reaction.notify), (Some(crate::wire::AckKind::PubRec), notify), "{packet:x}");
    }
}

#[test]
fn packet_ids_used_before_a_restart_are_not_used_again_soon() {
    for used in [1, 255, 256, 65_534, 65_535] {
        let mut before = Rig::down();
        before.turn_to(used);
        assert_eq!(before.s.packet_id().get(), used);
        // As many as may be used before this is written again.
        let saved = before.saved();
        let reserved: std::collections::BTreeSet<u16> = (0..255).map(|_| before.s.packet_id().get()).collect();
        let mut rig = Rig::down();
        assert_eq!(rig.restore(&saved, 0), Ok(()));
        let next = rig.s.packet_id().get();
        assert!(!reserved.contains(&next) && next != used, "{next} after {used}");
    }
}

#[test]
fn a_lifetime_goes_on_after_a_restart() {
    let mut before = Rig::down();
    let options = WatchOptions { handler: 5, lifetime: 10_000, replace: true };
    before.s.watch(Q1, options, before.now).unwrap();
    before.publish(1, Q1);
    before.now += 4000;
    before.s.sweep(before.now);
    for (age, left) in [(0, 6000), (5000, 1000), (60_000, 1)] {
        let mut rig = Rig::down();
        assert_eq!(rig.restore(&before.saved(), age), Ok(()));
        assert_eq!(rig.s.outcome_due(rig.now), rig.now + left, "{age}");
        rig.now += left - 1;
        rig.s.sweep(rig.now);
        assert_eq!(rig.s.queued(), 1);
        rig.now += 1;
        rig.s.sweep(rig.now);
        assert_eq!((rig.s.queued(), rig.s.take_settled()), (0, Some((1, Outcome::Expired, 0))));
    }
}

#[test]
fn the_digest_changes_with_what_is_saved_and_the_version_with_the_digest() {
    let mut rig = Rig::up();
    let mut seen = (rig.s.saved_version(), rig.s.saved_digest(Extent::All));
    let mut changes = |rig: &Rig, expected: bool, what: &str| {
        let now = (rig.s.saved_version(), rig.s.saved_digest(Extent::All));
        assert_eq!(now.1 != seen.1, expected, "{what}");
        assert!(now.1 == seen.1 || now.0 != seen.0, "{what}");
        seen = now;
    };
    rig.publish(1, Q0);
    changes(&rig, false, "QoS 0");
    rig.publish(2, Q2);
    changes(&rig, true, "a message");
    rig.out();
    changes(&rig, true, "it was sent");
    rig.told(&ack(0x50, 2));
    changes(&rig, true, "PUBREC");
    rig.told(&ack(0x70, 2));
    changes(&rig, true, "PUBCOMP");
    rig.told(b"\x34\x05\0\x01a\0\x07");
    changes(&rig, true, "a message at QoS 2 came in");
    rig.told(b"\x34\x05\0\x01a\0\x08");
    changes(&rig, true, "and the next");
    rig.told(&ack(0x62, 7));
    changes(&rig, true, "it was released");
    rig.turn_to(256);
    rig.s.packet_id();
    changes(&rig, true, "the next block of packet IDs");
}

#[test]
fn bytes_that_were_not_saved_restore_nothing_and_harm_nothing() {
    let saved = full().saved();
    let before = blocks();
    for len in 0..saved.len() {
        let mut rig = Rig::down();
        assert_eq!(rig.restore(&saved[..len], 0), Err(RestoreError::Damaged), "{len}");
        assert!(rig.s.is_idle() && rig.s.queued() == 0);
    }
    let mut random = 1u32;
    for _ in 0..3000 {
        let mut bytes = saved.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let at = (random >> 8) as usize % bytes.len();
            bytes[at] ^= 1 << (random >> 28 & 7);
        }
        let mut rig = Rig::down();
        if rig.restore(&bytes, 0).is_ok() {
            rig.connect(false, KEPT);
        } else {
            assert!(rig.s.is_idle() && rig.s.queued() == 0);
        }
    }
    assert_eq!(blocks(), before);
}

#[test]
fn without_memory_nothing_is_restored() {
    let saved = full().saved();
    for allocations in 0.. {
        let mut rig = Rig::down();
        fail_after(Some(allocations));
        let result = rig.restore(&saved, 0);
        fail_after(None);
        if result.is_ok() {
            assert_eq!(allocations, 6, "five entries, one range of packet IDs");
            break;
        }
        assert_eq!(result, Err(RestoreError::OutOfMemory));
        assert!(rig.s.is_idle() && rig.s.queued() == 0);
    }
}

#[test]
fn messages_that_are_too_new_are_left_out() {
    let mut rig = Rig::down();
    let old = rig.publish(1, Q1);
    rig.s.mark_saveable();
    let digest = rig.s.saved_digest(Extent::Marked);
    let new = rig.publish(2, Q1);
    assert_eq!(rig.s.saved_digest(Extent::Marked), digest);
    assert_ne!(rig.s.saved_digest(Extent::All), digest);
    for (extent, sent) in [(Extent::Marked, vec![message(0x32, old, 1)]), (Extent::All, vec![message(0x32, old, 1), message(0x32, new, 2)])]
    {
        let mut later = Rig::down();
        assert_eq!(later.restore(&rig.saved_to(extent), 0), Ok(()));
        assert_eq!(later.connect(false, NEW), sent);
    }
    rig.s.mark_saveable();
    assert_eq!(rig.s.saved_digest(Extent::Marked), rig.s.saved_digest(Extent::All));
}

#[test]
fn an_old_message_is_saved_however_many_packet_ids_came_after_it() {
    for after in [20_000, 32_767, 32_768, 40_000, 65_000] {
        let mut rig = Rig::down();
        let old = rig.publish(1, Q1);
        for _ in 0..after {
            rig.s.packet_id();
        }
        rig.s.mark_saveable();
        rig.publish(2, Q1);
        let mut later = Rig::down();
        assert_eq!(later.restore(&rig.saved_to(Extent::Marked), 0), Ok(()));
        assert_eq!(later.connect(false, NEW), [message(0x32, old, 1)], "after {after}");
    }
}

#[test]
fn a_record_with_flags_that_no_message_has_is_damage() {
    let mut rig = Rig::down();
    rig.publish(1, Q1);
    let saved = rig.saved();
    assert_eq!(saved[4], 2, "the flags of the first record");
    for flags in [0, 1, 8, 10, 0x12, 0x80] {
        let mut bytes = saved.clone();
        bytes[4] = flags;
        assert_eq!(Rig::down().restore(&bytes, 0), Err(RestoreError::Damaged), "{flags}");
    }
}

#[test]
fn what_was_reported_as_given_up_is_not_reported_again_after_a_restart() {
    let mut before = Rig::up();
    let id = before.publish_to(b"t", b"1", Q2, Limits { max_queue: 0, ..LIMITS }).unwrap().id.get();
    before.s.disconnected(true, before.now);
    assert_eq!(before.s.take_given_up().count, 1);
    let mut rig = before.restarted();
    assert_eq!(rig.connect(false, KEPT), [ack(0x62, id)], "PUBREL ends the exchange");
    let mut rig = before.restarted();
    assert_eq!(rig.connect(false, NEW), [] as [Vec<u8>; 0]);
    assert_eq!(rig.s.take_given_up().count, 0);
}

#[test]
fn packet_ids_that_await_nothing_but_puback_or_suback_are_not_saved() {
    let mut before = Rig::up();
    before.publish_to(b"t", b"1", Q1, Limits { max_queue: 0, ..LIMITS }).unwrap();
    before.subscribe(b"a");
    before.out();
    before.s.unsubscribe(b"a", before.now);
    assert_eq!(before.saved().len(), 3, "two bytes of the next packet ID, and the end");
    assert_eq!(before.restarted().connect(false, KEPT), [] as [Vec<u8>; 0]);
}

#[test]
fn a_message_that_is_being_written_in_pieces_is_not_saved() {
    let mut before = Rig::up();
    let id = before.s.packet_id();
    before.s.upload_begins(id, 4, before.now).unwrap();
    assert_eq!((before.saved().len(), before.s.unacknowledged()), (3, 0));
    before.s.last_piece_sent(id, before.now);
    assert_eq!(before.s.unacknowledged(), 1);
    assert_eq!(before.restarted().connect(false, KEPT), [ack(0x62, id.get())], "PUBREL ends the exchange");
}
