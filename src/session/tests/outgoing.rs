//! Messages on their way out: identifiers, QoS flows, the queue and its overflow, without memory too.

use super::*;
use crate::heap::testing::fail_after;
use crate::session::reached;

#[test]
fn mqtt_2_3_1_1_every_packet_sent_at_qos_1_and_2_has_an_identifier() {
    let mut rig = Rig::up();
    rig.turn_to(65_535);
    for payload in 0..3 {
        let id = rig.publish(payload, Q1);
        assert_ne!(id, 0);
        assert_eq!(rig.out(), [message(0x32, id, payload)]);
    }
}

#[test]
fn mqtt_2_3_1_2_a_new_packet_takes_an_id_not_in_use() {
    let mut rig = Rig::up();
    // In use: a message sent and one released, one not sent yet, a subscription and its end.
    assert_eq!((rig.publish(1, Q1), rig.publish(2, Q2)), (1, 2));
    rig.out();
    rig.told(&ack(0x50, 2));
    rig.subscribe(b"a");
    assert_eq!(rig.out(), [[0x82, 6, 0, 3, 0, 1, b'a', 1]]);
    rig.s.unsubscribe(b"a", 0);
    assert_eq!(rig.out(), [[0xa2, 5, 0, 4, 0, 1, b'a']]);
    assert_eq!(rig.publish(3, Q1), 5);
    rig.turn_to(65_535);
    assert_eq!((rig.publish(4, Q1), rig.publish(5, Q1)), (65_535, 6));
}

#[test]
fn mqtt_2_3_1_3_an_identifier_is_free_only_after_the_last_acknowledgement() {
    let mut rig = Rig::up();
    let (one, two) = (rig.publish(1, Q1), rig.publish(2, Q2));
    rig.out();
    let next = |rig: &mut Rig, id| {
        rig.turn_to(65_535);
        rig.s.packet_id();
        let mut taken = rig.s.packet_id().get();
        while taken < id {
            taken = rig.s.packet_id().get();
        }
        taken
    };
    assert_ne!(next(&mut rig, two), two);
    rig.told(&ack(0x50, two));
    assert_ne!(next(&mut rig, two), two, "PUBREC frees nothing");
    rig.told(&ack(0x70, two));
    assert_eq!(next(&mut rig, two), two);
    assert_ne!(next(&mut rig, one), one);
    rig.told(&ack(0x40, one));
    assert_eq!(next(&mut rig, one), one);
}

#[test]
fn mqtt_3_3_1_2_a_message_at_qos_0_goes_out_once_without_dup_or_identifier() {
    let mut rig = Rig::up();
    for limits in [LIMITS, Limits { max_queue: 0, ..LIMITS }] {
        let p = rig.publish_to(b"t", b"x", Q0, limits).unwrap();
        assert_eq!((p.flags, p.direct), (0, true));
    }
    let capped = rig.publish_to(b"t", b"x", Q2, Limits { max_qos: Q0, ..LIMITS }).unwrap();
    assert_eq!((capped.flags, capped.direct), (0, true), "capped first, then not queued");
    assert!(rig.s.is_settled());
    assert_eq!(rig.resume(), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_4_3_1_1_a_message_at_qos_0_is_refused_without_a_connection() {
    let mut rig = Rig::down();
    assert_eq!(rig.publish_to(b"t", b"x", Q0, LIMITS), Err(RequestError::Offline));
    assert_eq!(rig.connect(true, NEW), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_3_3_2_2_a_topic_with_a_wildcard_or_none_at_all_is_not_sent() {
    let mut rig = Rig::up();
    for topic in [&b""[..], b"a/#", b"+", b"\xff", b"a\0"] {
        assert!(matches!(rig.publish_to(topic, b"", Q1, LIMITS), Err(RequestError::Topic(_))));
    }
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_4_3_2_1_at_qos_1_a_message_goes_out_without_dup_and_is_kept_until_puback() {
    let mut rig = Rig::down();
    let id = rig.publish(7, Q1);
    assert_eq!(rig.connect(false, NEW), [message(0x32, id, 7)], "queued or not, the first time is without DUP");
    assert_eq!(rig.resume(), [message(0x3a, id, 7)]);
    rig.told(&ack(0x40, id));
    assert!(rig.s.is_settled());
    assert_eq!(rig.resume(), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_4_3_3_1_at_qos_2_publish_pubrec_pubrel_pubcomp() {
    let mut rig = Rig::up();
    let id = rig.publish(7, Q2);
    assert_eq!(rig.out(), [message(0x34, id, 7)]);
    assert_eq!(rig.told(&ack(0x50, id)), ack(0x62, id));
    assert!(!rig.s.is_settled());
    assert_eq!(rig.told(&ack(0x50, id)), ack(0x62, id), "a repeated PUBREC gets another PUBREL");
    assert_eq!(rig.told(&ack(0x70, id)), []);
    assert!(rig.s.is_settled());
    assert_eq!(rig.told(&ack(0x70, id)), [], "one too many is no harm");
}

#[test]
fn an_acknowledgement_of_the_other_qos_is_a_violation() {
    for (qos, first) in [(Q1, 0x50), (Q1, 0x70), (Q1, 0xb0), (Q2, 0xb0), (Q2, 0x70)] {
        let mut rig = Rig::up();
        let id = rig.publish(1, qos);
        rig.out();
        assert_eq!(rig.wrong(&ack(first, id)), ProtocolError::Ack);
    }
}

#[test]
fn a_broker_that_has_qos_1_only_ends_a_message_at_qos_2_with_puback() {
    let mut rig = Rig::up();
    let id = rig.publish(1, Q2);
    rig.out();
    assert_eq!(rig.told(&ack(0x40, id)), [], "no PUBREL: it would not know what that is");
    assert!(rig.s.is_settled());
}

#[test]
fn acknowledgements_of_what_the_app_has_sent_itself_are_let_through() {
    let mut rig = Rig::up();
    for first in [0x40, 0x70, 0xb0] {
        assert_eq!(rig.told(&ack(first, 99)), []);
    }
    assert_eq!(rig.told(&ack(0x50, 99)), ack(0x62, 99));
}

#[test]
fn mqtt_4_6_0_4_pubrels_go_out_in_the_order_of_the_pubrecs() {
    let mut rig = Rig::up();
    let ids = [1, 2, 3].map(|n| rig.publish(n, Q2));
    rig.out();
    for id in [ids[2], ids[0], ids[1]] {
        assert_eq!(rig.told(&ack(0x50, id)), ack(0x62, id));
    }
}

#[test]
fn overflow_gives_up_the_oldest_that_was_never_sent() {
    let limits = Limits { max_queue: 3, ..LIMITS };
    let mut rig = Rig::up();
    let sent = rig.publish_to(b"t", b"0", Q1, limits).unwrap().id.get();
    rig.out();
    rig.s.disconnected(false, 0);
    let over: Vec<bool> = (1..=4).map(|n| rig.publish_to(b"t", &[n], Q1, limits).unwrap().overflow).collect();
    assert_eq!(over, [false, false, true, true]);
    let dropped: Vec<u16> = core::iter::from_fn(|| match rig.s.notice()? {
        Notice::Dropped { id, topic: b"t" } => Some(id.get()),
        other => panic!("{other:?}"),
    })
    .collect();
    assert_eq!(dropped, [sent + 1, sent + 2]);
    assert_eq!(rig.connect(false, KEPT), [message(0x3a, sent, b'0'), message(0x32, sent + 3, 3), message(0x32, sent + 4, 4)]);
}

#[test]
fn overflow_in_flight_keeps_the_identifier_until_it_is_acknowledged() {
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
    assert!(rig.s.is_settled());
}

#[test]
fn identifiers_are_left_over_with_the_longest_queue_that_can_be_configured() {
    let limits = Limits { max_queue: u16::MAX, ..LIMITS };
    let mut rig = Rig::down();
    let mut dropped = 0;
    for _ in 0..70_000 {
        rig.publish_to(b"t", b"", Q1, limits).unwrap();
        while rig.s.notice().is_some() {
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
fn an_empty_message_counts_as_a_byte_that_is_kept_until_it_is_acknowledged() {
    let mut rig = Rig::up();
    let id = rig.publish_to(b"t", b"", Q1, LIMITS).unwrap().id.get();
    assert_eq!(rig.s.payload_bytes(), 1);
    rig.publish_to(b"t", b"four", Q1, LIMITS).unwrap();
    assert_eq!(rig.s.payload_bytes(), 5);
    rig.out();
    rig.told(&ack(0x40, id));
    assert_eq!(rig.s.payload_bytes(), 4);
}

/// The broker hangs up on what goes out alone, `ends` times, each soon after CONNACK. Without a ping's answer none counts as the last.
fn hang_up(rig: &mut Rig, ends: u8) {
    for _ in 0..ends {
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
        rig.connect(true, NEW);
        rig.now += 4000;
        if rig.out() == [vec![0xc0, 0]] {
            rig.told(&[0xd0, 0]);
            rig.out();
        }
    }
}

#[test]
fn a_message_that_the_broker_hangs_up_on_costs_no_other_its_place_in_a_full_queue() {
    let limits = Limits { max_queue: 2, ..LIMITS };
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, limits).unwrap();
    rig.out();
    hang_up(&mut rig, 4);
    assert_eq!(rig.s.set_aside(), 1);
    rig.s.disconnected(false, rig.now);
    let good = [1, 2].map(|n| rig.publish_to(b"good", &[n], Q1, limits).unwrap().id.get());
    assert_eq!((rig.s.take_given_up().count, rig.s.set_aside()), (1, 0), "the one that was aside went first");
    let late = rig.publish_to(b"bad", b"x", Q1, limits).unwrap().id.get();
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: late, last: late }, "a later one like it has no place");
    let sent = |rig: &mut Rig| -> Vec<u16> { rig.out().iter().map(|packet| u16::from_be_bytes([packet[8], packet[9]])).collect() };
    rig.s.connect_sent(false, 60, rig.now);
    rig.told(NEW);
    rig.s.connack_delivered();
    assert_eq!(sent(&mut rig), good[..1]);
    rig.told(&ack(0x40, good[0]));
    assert_eq!(sent(&mut rig), good[1..]);
}

#[test]
fn what_the_broker_has_taken_over_once_is_never_to_blame() {
    let mut rig = Rig::up();
    let id = rig.publish(1, Q2);
    rig.out();
    rig.told(&ack(0x50, id));
    hang_up(&mut rig, 20);
    assert_eq!(rig.s.set_aside(), 0);
    assert_eq!(rig.s.notice(), None);
}

#[test]
fn what_is_aside_and_finds_no_room_is_looked_for_once_a_second_not_all_the_time() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    hang_up(&mut rig, 4);
    assert_eq!(rig.s.set_aside(), 1);
    rig.now += 3_600_000;
    // The ping that has become due meanwhile.
    rig.out();
    rig.told(&[0xd0, 0]);
    rig.s.disconnected(false, rig.now);
    rig.connect(true, NEW);
    rig.now += 3_600_000;
    while rig.s.next(false, rig.now).is_some() {
        rig.s.sent(2000, rig.now);
    }
    assert!(reached(rig.s.deadline(), rig.now + 1000), "{} at {}", rig.s.deadline(), rig.now);
}

#[test]
fn an_end_inside_a_packet_of_the_brokers_is_no_answer_to_what_was_sent_last() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    for _ in 0..20 {
        rig.now += 100;
        assert_eq!(rig.s.frame(&[0x30], 3072), Ok(Framed::More));
        rig.s.disconnected(true, rig.now);
        rig.connect(true, NEW);
        rig.now += 4000;
        if rig.out() == [vec![0xc0, 0]] {
            rig.told(&[0xd0, 0]);
            rig.out();
        }
        // All that has come before was taken out.
        assert_eq!(rig.s.frame(&[], 3072), Ok(Framed::More));
    }
    assert_eq!(rig.s.set_aside(), 0);
    hang_up(&mut rig, 1);
    hang_up(&mut rig, 10);
    assert_eq!(rig.s.set_aside(), 1, "between two packets it is");
}

#[test]
fn what_is_kept_is_counted_until_it_is_acknowledged() {
    let mut rig = Rig::up();
    let ids = [1, 2, 3].map(|n| rig.publish(n, Q1));
    rig.out();
    for (n, id) in ids.into_iter().enumerate() {
        assert_eq!(rig.s.kept() as usize, 3 - n);
        rig.told(&ack(0x40, id));
    }
    assert_eq!((rig.s.kept(), rig.s.counters.most_kept), (0, 3));
}

#[test]
fn messages_that_were_sent_and_those_that_were_sent_again_are_counted() {
    let mut rig = Rig::up();
    for first in [0x30, 0x31, 0x32, 0x34, 0x35, 0x3a, 0x3d, 0x10, 0x40, 0x62, 0x82, 0xc0, 0xe8] {
        rig.s.count_sent(first);
    }
    assert_eq!((rig.s.counters.sent, rig.s.counters.repeated), (7, 2));
}

#[test]
fn control_characters_in_topics_and_filters_are_seen_once_for_all() {
    let mut rig = Rig::up();
    rig.publish(1, Q1);
    rig.subscribe(b"a");
    assert!(!rig.s.control_characters);
    rig.subscribe(b"a\x01");
    assert!(rig.s.control_characters);
    rig.subscribe(b"a");
    assert!(rig.s.control_characters);
    rig.s.control_characters = false;
    rig.publish_to(b"t\x7f", b"", Q1, LIMITS).unwrap();
    assert!(rig.s.control_characters);
    rig.publish(1, Q1);
    assert!(rig.s.control_characters);
}

#[test]
fn mqtt_2_3_1_2_the_identifier_of_a_message_that_is_not_kept_is_in_use_until_it_is_acknowledged() {
    let limits = Limits { max_queue: 0, ..LIMITS };
    let mut rig = Rig::up();
    let sent = [Q1, Q2].map(|qos| rig.publish_to(b"t", b"x", qos, limits).unwrap());
    assert!(sent.iter().all(|p| p.direct));
    rig.turn_to(65_535);
    assert_eq!([0; 2].map(|_| rig.s.packet_id().get()), [65_535, 3]);
    rig.told(&ack(0x40, 1));
    assert_eq!(rig.told(&ack(0x50, 2)), ack(0x62, 2));
    assert!(!rig.s.is_settled());
    rig.told(&ack(0x70, 2));
    assert!(rig.s.is_settled());
    let refused = rig.publish_to(b"t", b"x", Q1, limits).unwrap();
    rig.s.unpublished(refused.id);
    assert!(rig.s.is_settled(), "it could not be written");
}

#[test]
#[cfg_attr(miri, ignore = "it would fill the memory")]
fn mqtt_2_2_3_a_message_with_more_than_a_remaining_length_can_say_is_not_taken() {
    let mut rig = Rig::up();
    // With two bytes each of length and of identifier. Without memory the longest is not taken either.
    let payload = vec![0; 268_435_455 - 4];
    fail_after(Some(0));
    let mut taken = |topic: &[u8], cut: usize| rig.publish_to(topic, &payload[cut..], Q1, LIMITS).err();
    for topic in [&b"t"[..], b"long/topic"] {
        assert_eq!(taken(topic, topic.len()), Some(RequestError::OutOfMemory));
        assert_eq!(taken(topic, topic.len() - 1), Some(RequestError::TooLarge));
    }
    fail_after(None);
}

#[test]
fn a_message_with_none_before_it_goes_out_whether_or_not_the_link_has_room_and_others_wait() {
    let mut rig = Rig::up();
    let first = rig.publish(1, Q1);
    assert_eq!(rig.s.next(false, rig.now).map(|out| bytes(&out)), Some(message(0x32, first, 1)));
    rig.s.sent(0, rig.now);
    let second = rig.publish(2, Q1);
    let third = rig.publish(3, Q1);
    assert!(rig.s.next(false, rig.now).is_none());
    assert_eq!(rig.out(), [message(0x32, second, 2), message(0x32, third, 3)]);
    // One that was published without room waits for it.
    rig.publish_to(b"t", &[4], Q1, Limits { room: false, ..LIMITS }).unwrap();
    assert!(rig.s.next(false, rig.now).is_none());
    assert_eq!(rig.out().len(), 1);
}

#[test]
fn overflow_while_the_link_is_congested_gives_up_the_oldest_that_was_never_sent() {
    let limits = Limits { max_queue: 3, ..LIMITS };
    let mut rig = Rig::up();
    let sent = rig.publish_to(b"t", &[1], Q1, limits).unwrap().id.get();
    rig.out();
    let ids = [2, 3, 4].map(|n| rig.publish_to(b"t", &[n], Q1, limits).unwrap().id.get());
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: ids[0], last: ids[0] });
    assert_eq!(rig.s.payload_bytes(), 3, "what is under way is kept");
    assert_eq!(rig.out(), [message(0x32, ids[1], 3), message(0x32, ids[2], 4)]);
    rig.told(&ack(0x40, sent));
    assert_eq!(rig.s.kept(), 2);
}

#[test]
fn that_messages_were_given_up_is_known_until_the_app_was_told() {
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
fn a_pubrec_whose_answer_could_not_be_sent_is_told_when_it_is_handed_in_again_and_a_repeated_one_is_not() {
    use crate::session::Notify::{Handlers, Nobody};
    let mut rig = Rig::up();
    let ids = [1, 2].map(|n| rig.publish(n, Q2));
    rig.out();
    let reactions = ids.map(|id| rig.receive(&ack(0x50, id), false).unwrap());
    assert_eq!(reactions.map(|r| r.notify), [Handlers; 2]);
    rig.s.unanswered(reactions[0], crate::wire::PacketId::new(ids[0]).unwrap());
    assert_eq!(rig.receive(&ack(0x50, ids[1]), false).unwrap().notify, Nobody, "that of another");
    rig.s.unanswered(reactions[0], crate::wire::PacketId::new(ids[0]).unwrap());
    let again = rig.receive(&ack(0x50, ids[0]), false).unwrap();
    assert_eq!((again.notify, again.answer), (Handlers, reactions[0].answer));
    assert_eq!(rig.receive(&ack(0x50, ids[0]), false).unwrap().notify, Nobody);
}

#[test]
fn an_acknowledgement_of_ours_proves_that_the_broker_is_there_and_one_of_the_apps_own_packets_does_not() {
    let mut rig = Rig::up();
    for first in [0x40, 0x50, 0x70, 0xb0] {
        rig.told(&ack(first, 99));
        assert!(!rig.s.is_proven(), "{first:x}");
    }
    rig.publish(1, Q1);
    rig.out();
    rig.told(&ack(0x40, 1));
    assert!(rig.s.is_proven());
    rig.s.disconnected(false, 0);
    assert!(!rig.s.is_proven());
}

#[test]
fn after_an_end_by_the_other_side_messages_go_one_by_one_unless_something_was_acknowledged_for_good() {
    for (clean, qos, acks, at_once) in [
        (false, Q1, &[][..], 1),
        (false, Q1, &[0x40], 3),
        (false, Q2, &[0x50], 3),
        (false, Q2, &[0x50, 0x70], 3),
        (true, Q1, &[0x40], 3),
        // PUBREC of a session that goes with its connection is worth nothing.
        (true, Q2, &[0x50], 1),
        (true, Q2, &[0x50, 0x70], 3),
    ] {
        let mut rig = Rig::down();
        rig.connect(clean, NEW);
        let ids = [1, 2, 3, 4].map(|n| rig.publish(n, qos));
        assert_eq!(rig.out().len(), 4);
        for first in acks {
            rig.told(&ack(*first, ids[0]));
        }
        rig.s.disconnected(true, rig.now);
        let sent = rig.connect(clean, if clean { NEW } else { KEPT });
        let messages = sent.iter().filter(|packet| packet[0] >> 4 == 3).count();
        assert_eq!(messages.min(3), at_once, "{clean} {qos:?} {acks:x?}: {sent:x?}");
    }
}

#[test]
fn an_end_by_the_other_side_with_nothing_in_flight_does_not_slow_anything_down() {
    let mut rig = Rig::up();
    for _ in 0..3 {
        rig.now += 60_000;
        rig.s.disconnected(true, rig.now);
        rig.connect(false, KEPT);
    }
    let ids = [1, 2, 3].map(|n| rig.publish(n, Q1));
    assert_eq!(rig.out().len(), ids.len());
}

#[test]
fn the_pubrel_of_a_message_that_is_not_kept_goes_out_again_when_pubcomp_is_overdue_and_later_each_time() {
    let limits = Limits { max_queue: 0, ..LIMITS };
    let mut rig = Rig::down();
    rig.s.connect_sent(true, 0, rig.now);
    rig.told(NEW);
    rig.s.connack_delivered();
    let id = rig.publish_to(b"t", b"x", Q2, limits).unwrap().id.get();
    rig.told(&ack(0x50, id));
    for wait in [21_000, 41_000, 81_000, 121_000, 121_000] {
        rig.now += wait - 1;
        assert_eq!(rig.out(), [] as [Vec<u8>; 0], "{wait}");
        rig.now += 1;
        assert_eq!(rig.out(), [vec![0xc0, 0]], "{wait}");
        rig.told(&[0xd0, 0]);
        assert_eq!(rig.out(), [ack(0x62, id)]);
    }
    rig.told(&ack(0x70, id));
    rig.now += 1_000_000;
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
}

#[test]
fn an_overdue_answer_is_told_once_until_all_is_answered() {
    let mut rig = Rig::up();
    let first = rig.publish(1, Q1);
    rig.out();
    let overdue = |rig: &mut Rig, wait| {
        rig.now += wait;
        assert_eq!(rig.next(), Some(vec![0xc0, 0]));
        rig.told(&[0xd0, 0]);
        let id = rig.s.notice().map(|notice| match notice {
            Notice::Overdue(id) => id.get(),
            other => panic!("{other:?}"),
        });
        (rig.out(), id)
    };
    assert_eq!(overdue(&mut rig, 21_000), (vec![message(0x3a, first, 1)], Some(first)));
    assert_eq!(overdue(&mut rig, 41_000), (vec![message(0x3a, first, 1)], None));
    let second = rig.publish(2, Q1);
    rig.told(&ack(0x40, first));
    assert_eq!(rig.out(), [message(0x32, second, 2)]);
    assert_eq!(overdue(&mut rig, 21_000), (vec![message(0x3a, second, 2)], None), "not all was answered in between");
    for id in [second, first] {
        rig.told(&ack(0x40, id));
    }
    // An answered ping shows that nothing is owed.
    rig.s.network_down();
    assert_eq!(rig.out(), [[0xc0, 0]]);
    rig.told(&[0xd0, 0]);
    let third = rig.publish(3, Q1);
    rig.out();
    assert_eq!(overdue(&mut rig, 21_000), (vec![message(0x3a, third, 3)], Some(third)));
}

#[test]
fn how_long_an_answer_may_take_is_as_configured() {
    for (timeout, due) in [(0, Some(21_000)), (5000, Some(6000)), (-1, None)] {
        let mut rig = Rig::down();
        rig.s.set_ack_timeout(timeout);
        rig.s.connect_sent(true, 0, rig.now);
        rig.told(NEW);
        rig.s.connack_delivered();
        rig.publish(1, Q1);
        rig.out();
        let start = rig.now;
        assert_eq!(rig.s.deadline(), due.map_or(0, |due| start + due));
        rig.now = start + due.unwrap_or(1_000_000) - 1;
        assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
        rig.now += 1;
        assert_eq!(rig.out().len(), due.is_some() as usize);
    }
}

#[test]
fn that_there_may_be_more_to_send_is_known_without_a_look() {
    let mut rig = Rig::up();
    assert!(!rig.s.may_have_more());
    rig.publish(1, Q1);
    assert!(rig.s.may_have_more());
    assert_eq!(rig.out().len(), 1);
    assert!(!rig.s.may_have_more());
    rig.subscribe(b"a");
    assert!(rig.s.may_have_more());
    assert_eq!(rig.out().len(), 1);
    assert!(!rig.s.may_have_more());
}

#[test]
fn what_is_not_kept_has_no_payload_here() {
    let mut rig = Rig::up();
    rig.publish_to(b"t", b"four", Q1, Limits { max_queue: 0, ..LIMITS }).unwrap();
    assert_eq!(rig.s.payload_bytes(), 0);
}

#[test]
fn what_is_aside_is_not_counted_among_the_bytes_that_wait() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"four", Q1, LIMITS).unwrap();
    rig.out();
    assert_eq!(rig.s.payload_bytes(), 4);
    hang_up(&mut rig, 4);
    assert_eq!((rig.s.set_aside(), rig.s.payload_bytes()), (1, 0));
}

#[test]
fn a_queue_that_is_made_shorter_gives_up_what_was_sent_and_then_what_was_not() {
    let mut rig = Rig::up();
    for n in 0..30 {
        rig.publish_to(b"t", &[n], Q1, Limits { max_queue: 30, ..LIMITS }).unwrap();
    }
    assert_eq!(rig.out().len(), 16);
    rig.publish_to(b"t", &[99], Q1, Limits { max_queue: 1, ..LIMITS }).unwrap();
    assert_eq!(rig.s.kept(), 1);
    // What is under way may still be acknowledged.
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 14, first: 17, last: 30 });
    assert_eq!(rig.out(), [message(0x32, 31, 99)]);
}

#[test]
fn overflow_gives_up_the_copy_of_what_the_broker_has_taken_over_before_anything_else() {
    let limits = Limits { max_queue: 2, ..LIMITS };
    let mut rig = Rig::up();
    let released = rig.publish_to(b"t", &[1], Q2, limits).unwrap().id.get();
    rig.out();
    rig.told(&ack(0x50, released));
    let ids = [2, 3].map(|n| rig.publish_to(b"t", &[n], Q2, limits).unwrap().id.get());
    assert_eq!((rig.s.kept(), rig.s.take_given_up().count), (2, 0));
    assert_eq!(rig.out(), [message(0x34, ids[0], 2), message(0x34, ids[1], 3)]);
    assert_eq!(rig.resume(), [ack(0x62, released), message(0x3c, ids[0], 2), message(0x3c, ids[1], 3)]);
    rig.told(&ack(0x70, released));
    assert_eq!(rig.s.take_given_up().count, 0);
}

#[test]
fn a_message_that_overflows_while_it_is_under_way_is_given_up_only_if_its_connection_ends_first() {
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
    // Between two connections nothing is under way.
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

/// How many connections it takes, each of which the broker ends on the same message, until that is set aside.
fn ends_until_set_aside(rig: &mut Rig) -> u8 {
    ends_until_set_aside_to(rig, b"bad")
}

fn ends_until_set_aside_to(rig: &mut Rig, topic: &[u8]) -> u8 {
    let before = rig.s.set_aside();
    rig.publish_to(topic, b"x", Q1, LIMITS).unwrap();
    rig.out();
    let set_aside = |_: &u8| {
        hang_up(rig, 1);
        rig.s.set_aside() > before
    };
    (0..20).find(set_aside).expect("it is set aside at last")
}

#[test]
fn ends_that_no_message_explains_make_it_take_longer_until_one_is_blamed() {
    let plain = ends_until_set_aside(&mut Rig::up());
    let idle = |rig: &mut Rig, by_peer| {
        rig.now += 20_000;
        rig.s.disconnected(by_peer, rig.now);
        rig.connect(true, NEW);
    };
    for n in 0..8 {
        let mut rig = Rig::up();
        (0..n).for_each(|_| idle(&mut rig, true));
        assert_eq!(ends_until_set_aside(&mut rig), plain + n.min(5), "{n}");
    }
    let mut rig = Rig::up();
    (0..4).for_each(|_| idle(&mut rig, false));
    assert_eq!(ends_until_set_aside(&mut rig), plain, "ends of our own");
    let mut rig = Rig::up();
    for _ in 0..4 {
        rig.s.disconnected(false, rig.now);
        rig.s.connect_sent(true, 60, rig.now);
        rig.s.disconnected(true, rig.now);
        rig.connect(true, NEW);
    }
    assert_eq!(ends_until_set_aside(&mut rig), plain, "attempts that were refused");
    for (lasts, more) in [(299_999, 2), (300_000, 0)] {
        let mut rig = Rig::up();
        (0..2).for_each(|_| idle(&mut rig, true));
        rig.now += lasts;
        rig.s.disconnected(false, rig.now);
        rig.connect(true, NEW);
        assert_eq!(ends_until_set_aside(&mut rig), plain + more, "a connection has lasted for {lasts}");
    }
    let mut rig = Rig::up();
    (0..2).for_each(|_| idle(&mut rig, true));
    rig.s.disconnected(false, rig.now);
    rig.s.connect_sent(true, 60, rig.now);
    rig.now += 300_000;
    rig.s.disconnected(false, rig.now);
    rig.connect(true, NEW);
    assert_eq!(ends_until_set_aside(&mut rig), plain + 2, "an attempt has lasted");
}

#[test]
fn an_end_on_a_connection_on_which_messages_got_through_counts_half() {
    let plain = ends_until_set_aside(&mut Rig::up());
    for n in 0..4 {
        let mut rig = Rig::up();
        for _ in 0..n {
            let ids = [1, 2].map(|n| rig.publish(n, Q1));
            rig.out();
            rig.told(&ack(0x40, ids[0]));
            rig.now += 20_000;
            rig.s.disconnected(true, rig.now);
            rig.connect(true, NEW);
            rig.told(&ack(0x40, ids[1]));
            rig.s.disconnected(false, rig.now);
            rig.connect(true, NEW);
        }
        assert_eq!(ends_until_set_aside(&mut rig), plain + n / 2, "{n}");
    }
}

#[test]
fn what_is_aside_goes_out_to_another_broker_as_all_else() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    rig.s.disconnected(false, rig.now);
    rig.s.connecting(false);
    assert_eq!(rig.s.set_aside(), 1);
    rig.s.connecting(true);
    assert_eq!(rig.s.set_aside(), 0);
    assert_eq!(rig.connect(true, NEW).len(), 1);
}

#[test]
fn when_one_that_was_aside_goes_through_the_next_has_its_turn_at_once() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    // Not the broker is at fault: it takes others.
    let good = rig.publish(1, Q1);
    while !rig.out().contains(&message(0x32, good, 1)) {
        rig.now += 1000;
    }
    rig.told(&ack(0x40, good));
    let second = good + 1;
    ends_until_set_aside_to(&mut rig, b"worse");
    assert_eq!(rig.s.set_aside(), 2);
    rig.now += 1000;
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
    rig.now += 3_600_000;
    let out: Vec<_> = rig.out().into_iter().filter(|packet| packet[0] == 0xc0).collect();
    out.iter().for_each(|_| drop(rig.told(&[0xd0, 0])));
    rig.told(&ack(0x40, 1));
    assert_eq!(rig.s.set_aside(), 1);
    let next = rig.out();
    assert_eq!(next.iter().filter(|packet| packet[0] >> 4 == 3).map(|packet| packet[10]).collect::<Vec<_>>(), [second as u8], "{next:x?}");
}
