//! The queue: what is given up on overflow, what the app is told, and whether the link has room.
//! Packet IDs and QoS flows are in outgoing.rs.

use super::*;
use crate::heap::testing::fail_after;
use crate::session::window::MAX_INFLIGHT;

#[test]
fn overflow_gives_up_the_oldest_that_was_never_sent() {
    let limits = Limits { max_queue: 3, ..LIMITS };
    let mut rig = Rig::up();
    let sent = rig.publish_to(b"t", b"0", Q1, limits).unwrap().id.get();
    rig.out();
    rig.s.disconnected(false, 0);
    let over: Vec<bool> = (1..=4).map(|n| rig.publish_to(b"t", &[n], Q1, limits).unwrap().overflow).collect();
    assert_eq!(over, [false, false, true, true]);
    let dropped: Vec<u16> = core::iter::from_fn(|| match rig.notice()? {
        Notice::Dropped { id, topic: b"t" } => Some(id.get()),
        other => panic!("{other:?}"),
    })
    .collect();
    assert_eq!(dropped, [sent + 1, sent + 2]);
    assert_eq!(rig.connect(false, KEPT), [message(0x3a, sent, b'0'), message(0x32, sent + 3, 3), message(0x32, sent + 4, 4)]);
}

#[test]
fn overflow_in_flight_keeps_the_packet_id_until_it_is_acknowledged() {
    let limits = Limits { max_queue: 1, ..LIMITS };
    let mut rig = Rig::up();
    for n in 1..=3 {
        rig.publish_to(b"t", &[n], Q1, limits).unwrap();
        assert_eq!(rig.out(), [message(0x32, n as u16, n)], "a burst goes out whole");
    }
    rig.turn_to(65_535);
    assert_eq!((rig.s.packet_id().get(), rig.s.packet_id().get()), (65_535, 4));
    for id in [1, 2, 3] {
        rig.told(&ack(0x40, id));
    }
    assert!(rig.s.is_idle());
}

#[test]
fn overflow_of_the_bytes_gives_up_as_many_of_the_oldest_as_the_newest_takes() {
    // Each has a byte of topic.
    let limits = Limits { max_bytes: 12, ..LIMITS };
    let mut rig = Rig::down();
    let ids: Vec<u16> = (1..=4).map(|_| rig.publish_to(b"t", b"xy", Q1, limits).unwrap().id.get()).collect();
    assert!(rig.publish_to(b"t", b"large", Q1, limits).unwrap().overflow);
    let dropped: Vec<_> = core::iter::from_fn(|| match rig.notice()? {
        Notice::Dropped { id, .. } => Some(id.get()),
        other => panic!("{other:?}"),
    })
    .collect();
    assert_eq!(dropped, ids[..2]);
    assert_eq!((rig.s.queued(), rig.s.take_given_up().count), (3, 2));
    // What has the whole queue for itself fits, and a byte more does not.
    assert!(rig.publish_to(b"t", b"eleven byte", Q1, limits).is_ok());
    assert_eq!(rig.s.queued(), 1);
    assert_eq!(rig.publish_to(b"t", b"twelve bytes", Q1, limits), Err(RequestError::OverQueueBytes));
    assert_eq!(rig.s.queued(), 1);
}

#[test]
fn beyond_the_bytes_of_the_queue_a_burst_on_a_live_connection_still_goes_out_whole() {
    let limits = Limits { max_bytes: 4, ..LIMITS };
    let mut rig = Rig::up();
    for n in 1..=5 {
        rig.publish_to(b"t", &[n], Q2, limits).unwrap();
        assert_eq!(rig.out(), [message(0x34, n as u16, n)]);
    }
    assert_eq!((rig.s.queued(), rig.s.total_given_up()), (2, 0));
    for id in 1..=5 {
        assert_eq!(rig.told(&ack(0x50, id)), ack(0x62, id));
        rig.told(&ack(0x70, id));
    }
    assert!(rig.s.is_idle());
}

#[test]
fn identifiers_are_left_over_with_the_longest_queue_that_can_be_configured() {
    let limits = Limits { max_queue: u16::MAX, ..LIMITS };
    let mut rig = Rig::down();
    let mut dropped = 0;
    for _ in 0..70_000 {
        rig.publish_to(b"t", b"", Q1, limits).unwrap();
        while rig.notice().is_some() {
            dropped += 1;
        }
    }
    assert_eq!(dropped, 40_000);
}

#[test]
fn without_memory_a_message_is_refused_and_nothing_is_given_up_for_it() {
    let limits = Limits { max_queue: 1, ..LIMITS };
    let mut rig = Rig::down();
    let id = rig.publish_to(b"t", b"1", Q1, limits).unwrap().id.get();
    fail_after(Some(0));
    assert_eq!(rig.publish_to(b"t", b"2", Q1, limits), Err(RequestError::OutOfMemory));
    fail_after(None);
    assert_eq!(rig.connect(true, NEW), [message(0x32, id, b'1')]);
}

#[test]
fn the_first_message_is_sent_even_if_the_link_has_no_room_and_others_wait() {
    let mut rig = Rig::up();
    let first = rig.publish(1, Q1);
    assert_eq!(rig.s.next(false, rig.now).map(|out| bytes(&out)), Some(message(0x32, first, 1)));
    rig.s.sent(0, rig.now);
    let second = rig.publish(2, Q1);
    let third = rig.publish(3, Q1);
    assert!(rig.s.next(false, rig.now).is_none());
    assert_eq!(rig.out(), [message(0x32, second, 2), message(0x32, third, 3)]);
    // A message published while there is no room waits for it.
    rig.publish_to(b"t", &[4], Q1, Limits { room: false, ..LIMITS }).unwrap();
    assert!(rig.s.next(false, rig.now).is_none());
    assert_eq!(rig.out().len(), 1);
}

#[test]
fn a_message_is_the_next_to_be_sent_if_nothing_comes_before_it() {
    let next = |rig: &mut Rig, limits| rig.publish_to(b"t", b"", Q1, limits).unwrap().next;
    let mut rig = Rig::down();
    assert!(!next(&mut rig, LIMITS), "offline");
    let mut rig = Rig::up();
    assert!(!next(&mut rig, Limits { room: false, ..LIMITS }));
    assert!(!next(&mut rig, LIMITS), "behind another");
    rig.out();
    rig.subscribe(b"a");
    assert!(!next(&mut rig, LIMITS), "behind a SUBSCRIBE");
    rig.out();
    assert!(!next(&mut rig, Limits { max_queue: 3, ..LIMITS }), "over the limit");
    let limits = Limits { max_queue: 100, ..LIMITS };
    for unanswered in 0..2 {
        let mut rig = Rig::up();
        if unanswered > 0 {
            rig.subscribe(b"a");
            rig.out();
        }
        for n in unanswered..MAX_INFLIGHT {
            assert!(next(&mut rig, limits), "{n}");
            rig.out();
        }
        assert!(!next(&mut rig, limits), "the window is full");
    }
}

#[test]
fn a_message_that_was_written_as_the_next_is_in_flight() {
    let mut rig = Rig::up();
    let published = rig.publish_to(b"t", b"1", Q1, LIMITS).unwrap();
    rig.s.sent_other(0x32, Some(published.id), rig.now);
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
    // A message at QoS 0 written afterwards is not taken for one of the queue.
    let queued = rig.publish_to(b"t", b"2", Q1, LIMITS).unwrap().id;
    rig.publish_to(b"t", b"3", Q0, LIMITS).unwrap();
    rig.s.sent_other(0x30, None, rig.now);
    assert_eq!(rig.out(), [message(0x32, queued.get(), b'2')]);
    rig.told(&ack(0x40, published.id.get()));
    rig.told(&ack(0x40, queued.get()));
    assert!(rig.s.is_idle());
}

#[test]
fn a_message_written_as_the_next_gives_nothing_else_its_way_past_a_full_link() {
    let mut rig = Rig::up();
    let released = rig.publish(1, Q2);
    rig.out();
    rig.told(&ack(0x50, released));
    rig.now += 21_001;
    assert_eq!(rig.out(), [vec![0xc0, 0]]);
    let published = rig.publish_to(b"t", &[2], Q1, LIMITS).unwrap();
    rig.s.sent_other(0x32, Some(published.id), rig.now);
    rig.now += 10;
    rig.told(&[0xd0, 0]);
    // PUBREL is overdue, and waits for the link.
    assert!(rig.s.next(false, rig.now).is_none());
    assert_eq!(rig.next(), Some(ack(0x62, released)));
}

#[test]
fn messages_given_up_without_a_queue_are_counted() {
    let mut rig = Rig::up();
    for n in 0..70 {
        rig.publish_to(b"t", &[n], Q1, Limits { max_queue: 0, ..LIMITS }).unwrap();
    }
    assert_eq!(rig.s.total_given_up(), 6);
    assert_eq!((rig.s.take_given_up().count, rig.s.total_given_up()), (6, 6));
}

#[test]
fn overflow_while_the_link_is_congested_gives_up_the_oldest_that_was_never_sent() {
    let limits = Limits { max_queue: 3, ..LIMITS };
    let mut rig = Rig::up();
    let sent = rig.publish_to(b"t", &[1], Q1, limits).unwrap().id.get();
    rig.out();
    let ids = [2, 3, 4].map(|n| rig.publish_to(b"t", &[n], Q1, limits).unwrap().id.get());
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: ids[0], last: ids[0] });
    assert_eq!(rig.s.payload_bytes(), 3, "what is in flight is kept");
    assert_eq!(rig.out(), [message(0x32, ids[1], 3), message(0x32, ids[2], 4)]);
    rig.told(&ack(0x40, sent));
    assert_eq!(rig.s.queued(), 2);
}

#[test]
fn given_up_messages_are_remembered_until_the_app_is_told() {
    let limits = Limits { max_queue: 1, ..LIMITS };
    let mut rig = Rig::down();
    rig.publish_to(b"t", &[1], Q1, limits).unwrap();
    assert!(!rig.s.has_given_up());
    for n in 2..=3 {
        rig.publish_to(b"t", &[n], Q1, limits).unwrap();
        assert!(rig.s.has_given_up());
    }
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 2, first: 1, last: 2 });
    assert!(!rig.s.has_given_up());
}

#[test]
fn a_shorter_queue_gives_up_what_was_sent_and_then_what_was_not() {
    let mut rig = Rig::up();
    for n in 0..30 {
        rig.publish_to(b"t", &[n], Q1, Limits { max_queue: 30, ..LIMITS }).unwrap();
    }
    assert_eq!(rig.out().len(), 16);
    rig.publish_to(b"t", &[99], Q1, Limits { max_queue: 1, ..LIMITS }).unwrap();
    assert_eq!(rig.s.queued(), 1);
    // What is in flight may still be acknowledged.
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 14, first: 17, last: 30 });
    assert_eq!(rig.out(), [message(0x32, 31, 99)]);
}

#[test]
fn overflow_first_drops_the_payload_of_a_message_with_pubrec() {
    let limits = Limits { max_queue: 2, ..LIMITS };
    let mut rig = Rig::up();
    let released = rig.publish_to(b"t", &[1], Q2, limits).unwrap().id.get();
    rig.out();
    rig.told(&ack(0x50, released));
    let ids = [2, 3].map(|n| rig.publish_to(b"t", &[n], Q2, limits).unwrap().id.get());
    assert_eq!((rig.s.queued(), rig.s.take_given_up().count), (2, 0));
    assert_eq!(rig.out(), [message(0x34, ids[0], 2), message(0x34, ids[1], 3)]);
    assert_eq!(rig.resume(), [ack(0x62, released), message(0x3c, ids[0], 2), message(0x3c, ids[1], 3)]);
    rig.told(&ack(0x70, released));
    assert_eq!(rig.s.take_given_up().count, 0);
}

#[test]
fn a_message_that_overflows_in_flight_is_given_up_only_if_its_connection_ends_first() {
    let limits = Limits { max_queue: 1, ..LIMITS };
    for ends in [false, true] {
        let mut rig = Rig::up();
        let first = rig.publish_to(b"t", &[1], Q1, limits).unwrap().id.get();
        rig.out();
        rig.publish_to(b"t", &[2], Q1, limits).unwrap();
        rig.out();
        assert_eq!(rig.s.take_given_up().count, 0);
        if ends {
            rig.s.disconnected(false, rig.now);
            assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first, last: first });
        } else {
            rig.told(&ack(0x40, first));
            rig.s.disconnected(false, rig.now);
        }
        rig.connect(false, KEPT);
        assert_eq!(rig.s.take_given_up().count, 0);
    }
    // Without a connection nothing is in flight.
    let mut rig = Rig::up();
    let first = rig.publish_to(b"t", &[1], Q2, limits).unwrap().id.get();
    rig.out();
    rig.s.disconnected(false, rig.now);
    rig.publish_to(b"t", &[2], Q2, limits).unwrap();
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first, last: first });
    rig.connect(false, KEPT);
    rig.s.disconnected(false, rig.now);
    assert_eq!(rig.s.take_given_up().count, 0, "once");
}

#[test]
fn a_message_that_could_not_be_written_leaves_nothing_behind() {
    let limits = Limits { max_queue: 0, ..LIMITS };
    let mut rig = Rig::up();
    rig.publish_to(b"t", b"x", Q1, limits).unwrap();
    for _ in 0..200 {
        let refused = rig.publish_to(b"t", b"x", Q1, limits).unwrap();
        rig.s.publish_failed(refused.id);
    }
    rig.publish_to(b"t", b"x", Q1, limits).unwrap();
    assert!(!rig.s.has_given_up());
}

#[test]
fn sixty_four_packet_ids_without_a_message_are_kept_and_the_oldest_without_pubrel_is_forgotten() {
    let limits = Limits { max_queue: 0, ..LIMITS };
    let mut rig = Rig::up();
    let released = rig.publish_to(b"t", b"x", Q2, limits).unwrap().id.get();
    rig.told(&ack(0x50, released));
    for _ in 0..63 {
        rig.publish_to(b"t", b"x", Q1, limits).unwrap();
    }
    assert!(!rig.s.has_given_up());
    for n in 0..100 {
        rig.publish_to(b"t", b"x", Q1, limits).unwrap();
        let id = released + 1 + n;
        assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: id, last: id }, "its answer is no longer recognised");
    }
    // Answers to the others free their places.
    for id in released + 101..released + 164 {
        rig.told(&ack(0x40, id));
    }
    for _ in 0..63 {
        rig.publish_to(b"t", b"x", Q1, limits).unwrap();
    }
    assert!(!rig.s.has_given_up());
    assert_eq!(rig.resume(), [ack(0x62, released)]);
}

#[test]
fn of_more_than_sixty_four_pubrels_the_oldest_are_forgotten() {
    let mut rig = Rig::up();
    for n in 1..=100 {
        let id = rig.publish_to(b"t", b"x", Q2, Limits { max_queue: 100, ..LIMITS }).unwrap().id.get();
        assert_eq!((id, rig.out().len()), (n, 1));
        rig.told(&ack(0x50, id));
    }
    rig.publish_to(b"t", &[9], Q2, Limits { max_queue: 1, ..LIMITS }).unwrap();
    assert_eq!(rig.s.queued(), 1);
    assert!(!rig.s.has_given_up(), "these messages have arrived");
    let expected: Vec<_> = (37..=100).map(|n| ack(0x62, n)).chain([message(0x34, 101, 9)]).collect();
    assert_eq!(rig.resume(), expected);
}

#[test]
fn disconnection_ends_the_wait_for_answers_to_messages_that_are_not_queued_except_at_qos_2() {
    let limits = Limits { max_queue: 0, ..LIMITS };
    for (qos, is_settled) in [(Q1, true), (Q2, false)] {
        let mut rig = Rig::up();
        let id = rig.publish_to(b"t", b"x", qos, limits).unwrap().id.get();
        rig.s.disconnected(false, rig.now);
        assert_eq!(rig.s.is_idle(), is_settled);
        assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: id, last: id });
        let expected = if is_settled { vec![] } else { vec![ack(0x62, id)] };
        assert_eq!(rig.connect(false, KEPT), expected);
    }
}

/// Returns true if packet ID 1 is free.
fn is_first_free(rig: &mut Rig) -> bool {
    rig.turn_to(65_535);
    rig.s.packet_id();
    rig.s.packet_id().get() == 1
}

#[test]
fn disconnection_frees_packet_ids_whose_answer_no_longer_matters() {
    // SUBSCRIBE whose filter was unsubscribed afterwards.
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    rig.out();
    rig.s.unsubscribe(b"a", rig.now);
    assert!(!is_first_free(&mut rig));
    rig.s.disconnected(false, rig.now);
    assert!(rig.s.is_idle() && is_first_free(&mut rig));
    // UNSUBSCRIBE whose filter was subscribed again, with and without a connection.
    for down in [false, true] {
        let mut rig = Rig::down();
        rig.subscribe(b"a");
        rig.turn_to(100);
        rig.connect(false, NEW);
        rig.told(&[0x90, 3, 0, 100, 1]);
        rig.s.unsubscribe(b"a", rig.now);
        rig.turn_to(1);
        assert_eq!(rig.out().len(), 1);
        if down {
            rig.s.disconnected(false, rig.now);
        }
        rig.subscribe(b"a");
        assert!(!is_first_free(&mut rig));
        if !down {
            rig.s.disconnected(false, rig.now);
            assert!(rig.s.is_idle() && is_first_free(&mut rig));
        }
        rig.connect(false, KEPT);
        assert!(rig.s.is_idle() && is_first_free(&mut rig), "{down}");
    }
    // A message whose content was given up between two connections.
    let limits = Limits { max_queue: 1, ..LIMITS };
    let mut rig = Rig::up();
    rig.publish_to(b"t", b"1", Q1, limits).unwrap();
    rig.out();
    rig.s.disconnected(false, rig.now);
    let second = rig.publish_to(b"t", b"2", Q1, limits).unwrap().id.get();
    assert!(!is_first_free(&mut rig));
    rig.connect(false, KEPT);
    assert!(is_first_free(&mut rig));
    rig.told(&ack(0x40, second));
    assert!(rig.s.is_idle());
}

#[test]
fn a_message_without_its_payload_is_given_up_when_the_broker_loses_the_session() {
    let limits = Limits { max_queue: 1, ..LIMITS };
    for kept in [true, false] {
        let mut rig = Rig::up();
        let id = rig.publish_to(b"t", b"1", Q2, limits).unwrap().id.get();
        rig.out();
        rig.told(&ack(0x50, id));
        let second = rig.publish_to(b"t", b"2", Q2, limits).unwrap().id.get();
        assert_eq!(rig.s.take_given_up().count, 0);
        rig.s.disconnected(false, rig.now);
        let sent = rig.connect(false, if kept { KEPT } else { NEW });
        let expected = if kept { GivenUp::NONE } else { GivenUp { count: 1, first: id, last: id } };
        assert_eq!(rig.s.take_given_up(), expected, "{kept}");
        assert_eq!(sent.last(), Some(&message(0x34, second, b'2')));
        assert_eq!(sent.len(), 1 + kept as usize);
    }
}

#[test]
fn a_stalled_link_has_no_room() {
    let mut rig = Rig::up();
    for at in [0, 1000, 2000] {
        assert!(rig.s.has_room(10, 1, 1 << 20));
        rig.s.polled(10, at);
    }
    assert!(!rig.s.has_room(10, 1, 1 << 20));
    rig.s.transmitted(5, 5, 2000);
    assert!(rig.s.has_room(10, 1, 1 << 20));
    assert!(!rig.s.has_room(10, 1 << 20, 1 << 20));
}

#[test]
fn mqtt_3_1_2_23_packets_sent_outside_the_queue_postpone_the_ping() {
    let sends: [fn(&mut Rig); 3] = [
        |rig| rig.s.sent_other(0x30, None, rig.now),
        |rig| rig.s.sent_other(0x40, crate::wire::PacketId::new(9), rig.now),
        |rig| rig.s.app_sent(rig.now),
    ];
    for send in sends {
        let mut rig = Rig::up();
        rig.now += 50_000;
        rig.told(&[0x30, 3, 0, 1, b'a']);
        send(&mut rig);
        rig.now += 54_999;
        assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
        rig.now += 1;
        assert_eq!(rig.out(), [[0xc0, 0]]);
    }
}

#[test]
fn what_is_unacknowledged_is_counted_until_it_is_answered_or_given_up() {
    let mut rig = Rig::up();
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (0, true));
    let one = rig.publish(1, Q1);
    let two = rig.publish(2, Q2);
    let direct = rig.publish_to(b"t", b"3", Q1, Limits { max_queue: 0, ..LIMITS }).unwrap().id.get();
    rig.publish(4, Q0);
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (3, false), "queued");
    rig.out();
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (3, false), "in flight");
    rig.told(&ack(0x40, one));
    rig.told(&ack(0x50, two));
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (2, false), "PUBREC is not the end");
    rig.told(&ack(0x70, two));
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (1, false));
    rig.told(&ack(0x40, direct));
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (0, true));
    let given_up = rig.publish_to(b"t", b"5", Q2, Limits { max_queue: 0, ..LIMITS }).unwrap().id.get();
    rig.s.disconnected(true, rig.now);
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: given_up, last: given_up });
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (0, true), "of a message that was given up nothing is awaited");
}

#[test]
fn what_is_set_aside_is_left_and_holds_no_end_up() {
    let mut rig = Rig::up();
    let id = rig.publish(1, Q1);
    rig.subscribe(b"f");
    rig.out();
    assert!(rig.s.outbox.set_aside(PacketId::new(id).unwrap(), false));
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (1, true));
    rig.publish_to(b"u", b"2", Q1, LIMITS).unwrap();
    assert_eq!((rig.s.unacknowledged(), rig.s.is_drained()), (2, false));
}

#[test]
fn a_message_may_fill_the_bytes_of_the_queue_and_what_mqtt_allows_to_the_last() {
    let limits = Limits { max_bytes: 4, ..LIMITS };
    let mut rig = Rig::down();
    assert!(!rig.publish_to(b"t", b"123", Q1, limits).unwrap().overflow, "four bytes of four");
    assert!(rig.publish_to(b"t", b"", Q1, limits).unwrap().overflow, "one more");
    assert_eq!(rig.s.queued(), 1);
    assert!(!rig.publish_to(b"t", b"12", Q1, limits).unwrap().overflow, "it and three more");
    assert_eq!(rig.s.queued(), 2);
    assert_eq!(rig.publish_to(b"t", b"1234", Q1, limits), Err(RequestError::OverQueueBytes));
}
