//! Outgoing messages: packet IDs, QoS flows, counters. Queue overflow is in queue.rs, overdue
//! acknowledgements in ack_timeout.rs, messages on which the broker closes the connection in
//! set_aside.rs.

use super::*;
use crate::heap::testing::fail_after;

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
    assert!(rig.s.is_idle());
    assert_eq!(rig.resume(), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_4_3_1_1_a_message_at_qos_0_is_sent_once_without_dup() {
    let mut rig = Rig::up();
    let published = rig.publish_to(b"t", b"x", Q0, LIMITS).unwrap();
    // It is written at once by the layer above, with these flags: QoS 0, no DUP.
    assert!(published.direct);
    assert_eq!(bytes(&OutPacket::publish(published.flags, None, b"t", b"x")), b"\x30\x04\0\x01tx");
    assert_eq!((rig.s.queued(), rig.out().len()), (0, 0), "it is not kept");
    // Nor is it sent again when time passes, and on the next connection.
    rig.now += 30_000;
    assert!(rig.out().iter().all(|packet| packet[0] >> 4 != 3));
    assert_eq!(rig.resume(), [] as [Vec<u8>; 0]);
}

#[test]
fn a_message_at_qos_0_is_refused_without_a_connection() {
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
    assert!(rig.s.is_idle());
    assert_eq!(rig.resume(), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_4_3_3_1_at_qos_2_publish_pubrec_pubrel_pubcomp() {
    let mut rig = Rig::up();
    let id = rig.publish(7, Q2);
    assert_eq!(rig.out(), [message(0x34, id, 7)]);
    assert_eq!(rig.told(&ack(0x50, id)), ack(0x62, id));
    assert!(!rig.s.is_idle());
    assert_eq!(rig.told(&ack(0x50, id)), ack(0x62, id), "a repeated PUBREC gets another PUBREL");
    assert_eq!(rig.told(&ack(0x70, id)), []);
    assert!(rig.s.is_idle());
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
    assert!(rig.s.is_idle());
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

#[test]
fn queued_messages_are_counted_until_they_are_acknowledged() {
    let mut rig = Rig::up();
    let ids = [1, 2, 3].map(|n| rig.publish(n, Q1));
    rig.out();
    for (n, id) in ids.into_iter().enumerate() {
        assert_eq!(rig.s.queued() as usize, 3 - n);
        rig.told(&ack(0x40, id));
    }
    assert_eq!((rig.s.queued(), rig.s.max_queued()), (0, 3));
}

#[test]
fn control_characters_in_topics_and_filters_are_remembered() {
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
fn mqtt_2_3_1_2_the_packet_id_of_a_message_that_is_not_queued_is_in_use_until_it_is_acknowledged() {
    let limits = Limits { max_queue: 0, ..LIMITS };
    let mut rig = Rig::up();
    let sent = [Q1, Q2].map(|qos| rig.publish_to(b"t", b"x", qos, limits).unwrap());
    assert!(sent.iter().all(|p| p.direct));
    rig.turn_to(65_535);
    assert_eq!([0; 2].map(|_| rig.s.packet_id().get()), [65_535, 3]);
    rig.told(&ack(0x40, 1));
    assert_eq!(rig.told(&ack(0x50, 2)), ack(0x62, 2));
    assert!(!rig.s.is_idle());
    rig.told(&ack(0x70, 2));
    assert!(rig.s.is_idle());
    let refused = rig.publish_to(b"t", b"x", Q1, limits).unwrap();
    rig.s.publish_failed(refused.id);
    assert!(rig.s.is_idle(), "it could not be written");
}

#[test]
#[cfg_attr(miri, ignore = "it would fill the memory")]
fn a_message_over_the_largest_remaining_length_is_refused() {
    let mut rig = Rig::up();
    // Less two bytes each for the topic's length and the packet ID. Without memory the longest is
    // refused as well, but for another reason.
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
fn a_pubrec_whose_answer_could_not_be_sent_is_reported_when_passed_in_again_and_a_repeated_one_is_not() {
    use crate::session::Notify::{Handlers, Nobody};
    let mut rig = Rig::up();
    let ids = [1, 2].map(|n| rig.publish(n, Q2));
    rig.out();
    let reactions = ids.map(|id| rig.receive(&ack(0x50, id), false).unwrap());
    assert_eq!(reactions.map(|r| r.notify), [Handlers; 2]);
    rig.s.answer_failed(reactions[0], crate::wire::PacketId::new(ids[0]).unwrap());
    assert_eq!(rig.receive(&ack(0x50, ids[1]), false).unwrap().notify, Nobody, "the PUBREC of another message");
    rig.s.answer_failed(reactions[0], crate::wire::PacketId::new(ids[0]).unwrap());
    let again = rig.receive(&ack(0x50, ids[0]), false).unwrap();
    assert_eq!((again.notify, again.answer), (Handlers, reactions[0].answer));
    assert_eq!(rig.receive(&ack(0x50, ids[0]), false).unwrap().notify, Nobody);
}

#[test]
fn only_an_acknowledgement_of_a_packet_of_the_session_shows_that_the_broker_has_responded() {
    let mut rig = Rig::up();
    for first in [0x40, 0x50, 0x70, 0xb0] {
        rig.told(&ack(first, 99));
        assert!(!rig.s.has_broker_responded(), "{first:x}");
    }
    rig.publish(1, Q1);
    rig.out();
    rig.told(&ack(0x40, 1));
    assert!(rig.s.has_broker_responded());
    rig.s.disconnected(false, 0);
    assert!(!rig.s.has_broker_responded());
}

#[test]
fn after_the_peer_ended_a_connection_messages_go_one_by_one_unless_something_was_acknowledged() {
    for (clean, qos, acks, at_once) in [
        (false, Q1, &[][..], 1),
        (false, Q1, &[0x40], 3),
        (false, Q2, &[0x50], 3),
        (false, Q2, &[0x50, 0x70], 3),
        (true, Q1, &[0x40], 3),
        // Of a clean session, which ends with its connection, PUBREC proves nothing.
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
fn an_end_by_the_peer_with_nothing_in_flight_slows_nothing_down() {
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
fn may_have_more_tells_whether_there_is_something_to_send() {
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
fn a_message_that_is_not_queued_has_no_payload_in_memory() {
    let mut rig = Rig::up();
    rig.publish_to(b"t", b"four", Q1, Limits { max_queue: 0, ..LIMITS }).unwrap();
    assert_eq!(rig.s.payload_bytes(), 0);
}

#[test]
fn all_is_sent_once_the_queue_has_gone_out_on_a_connection_that_is_up() {
    let mut rig = Rig::down();
    assert!(!rig.s.is_all_sent());
    rig.publish(1, Q1);
    rig.s.connect_sent(false, 60, rig.now);
    rig.told(NEW);
    assert!(!rig.s.is_all_sent(), "the app is being told of the connection");
    rig.s.connack_delivered();
    assert!(!rig.s.is_all_sent(), "a message waits");
    rig.out();
    assert!(rig.s.is_all_sent());
    rig.s.network_down();
    assert!(!rig.s.is_all_sent(), "it may be dead");
}
