//! Subscriptions: what is asked of the broker, and who hears of its answers.

use super::*;
use crate::session::Notify;

#[test]
fn mqtt_3_8_3_1_a_filter_that_breaks_a_rule_is_not_sent() {
    let mut rig = Rig::up();
    for filter in [&b""[..], b"a+", b"#/a", b"\xff", b"a\0"] {
        assert!(matches!(rig.s.subscribe(filter, Q1, Recipient { handler: 1, wants: Wants::EVENTS }, 0), Err(RequestError::Topic(_))));
    }
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_3_8_3_3_each_subscribe_has_one_filter_and_a_qos_of_0_to_2() {
    let mut rig = Rig::up();
    for (n, qos) in [(1, Q0), (2, Q1), (3, Q2)] {
        rig.s.subscribe(b"a", qos, Recipient { handler: 1, wants: Wants::EVENTS }, 0).unwrap();
        assert_eq!(rig.out(), [[0x82, 6, 0, n, 0, 1, b'a', qos as u8]]);
    }
}

#[test]
fn subscriptions_go_out_again_at_every_connection_newest_first() {
    let mut rig = Rig::down();
    for filter in [&b"a"[..], b"b", b"a"] {
        rig.subscribe(filter);
    }
    let subscribe = |id, filter| vec![0x82, 6, 0, id, 0, 1, filter, 1];
    assert_eq!(rig.connect(true, NEW), [subscribe(1, b'a'), subscribe(2, b'b'), subscribe(3, b'a')]);
    for id in 1..=3 {
        rig.told(&[0x90, 3, 0, id, 1]);
    }
    assert_eq!(rig.resume(), [subscribe(4, b'a'), subscribe(5, b'b'), subscribe(6, b'a')]);
    // What is not answered keeps its identifier; and after an end by the other side with nothing
    // acknowledged they go out one by one.
    assert_eq!(rig.resume(), [subscribe(4, b'a'), subscribe(5, b'b'), subscribe(6, b'a')]);
    rig.s.disconnected(true, rig.now);
    assert_eq!(rig.connect(false, KEPT), [subscribe(4, b'a')]);
    rig.told(&[0x90, 3, 0, 4, 1]);
    assert_eq!(rig.out(), [subscribe(5, b'b')]);
}

#[test]
fn mqtt_3_8_4_2_suback_reaches_the_subscription_with_its_identifier() {
    let mut rig = Rig::up();
    for (handler, filter) in [(10, b"a"), (20, b"b")] {
        rig.s.subscribe(filter, Q1, Recipient { handler, wants: Wants::EVENTS }, 0).unwrap();
        rig.out();
    }
    for (id, handler, code) in [(2, 20, 0x80), (1, 10, 1)] {
        assert_eq!(rig.receive(&[0x90, 3, 0, id, code], false).unwrap().notify, Notify::Subscriber);
        assert_eq!(rig.s.settled_subscription().unwrap().1.handler, handler);
    }
    assert!(matches!(rig.receive(&[0x90, 3, 0, 2, 1], false).unwrap().notify, Notify::Handlers), "a second one answers nothing");
}

#[test]
fn mqtt_3_8_4_5_a_suback_with_more_codes_than_filters_is_a_violation() {
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    rig.out();
    assert_eq!(rig.wrong(&[0x90, 4, 0, 1, 0, 0]), ProtocolError::SubackCount);
}

#[test]
fn mqtt_2_3_1_7_unsuback_frees_the_identifier_of_its_unsubscribe() {
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    rig.out();
    rig.told(&[0x90, 3, 0, 1, 1]);
    rig.s.unsubscribe(b"a", 0);
    assert_eq!(rig.out(), [[0xa2, 5, 0, 2, 0, 1, b'a']]);
    assert_eq!(rig.told(&ack(0xb0, 3)), [], "another identifier, another packet");
    rig.turn_to(65_535);
    assert_eq!([1, 2].map(|_| rig.s.packet_id().get()), [65_535, 1]);
    rig.turn_to(65_535);
    assert_eq!([1, 2, 3].map(|_| rig.s.packet_id().get()), [65_535, 1, 3]);
    rig.told(&ack(0xb0, 2));
    rig.turn_to(65_535);
    assert_eq!([1, 2, 3].map(|_| rig.s.packet_id().get()), [65_535, 1, 2]);
}

#[test]
fn mqtt_2_3_1_3_unsubscribing_before_suback_does_not_free_the_identifier() {
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    rig.out();
    rig.s.unsubscribe(b"a", 0);
    rig.turn_to(65_535);
    assert_eq!((rig.s.packet_id().get(), rig.s.packet_id().get()), (65_535, 2));
    rig.told(&[0x90, 3, 0, 1, 1]);
    assert!(rig.s.is_idle());
    rig.turn_to(65_535);
    assert_eq!((rig.s.packet_id().get(), rig.s.packet_id().get()), (65_535, 1));
}

#[test]
fn a_suback_after_unsubscribing_reaches_nobody() {
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    rig.out();
    rig.s.unsubscribe(b"a", 0);
    assert!(matches!(rig.receive(&[0x90, 3, 0, 1, 1], false).unwrap().notify, Notify::Nobody));
}

#[test]
fn all_subscriptions_that_match_are_told_newest_first() {
    let mut rig = Rig::up();
    for (handler, filter) in [(1, &b"a/+"[..]), (2, b"b"), (3, b"#"), (4, b"a/b")] {
        rig.s.subscribe(filter, Q1, Recipient { handler, wants: Wants::MESSAGES }, 0).unwrap();
    }
    let packet = [0x30, 5, 0, 3, b'a', b'/', b'b'];
    assert!(matches!(rig.receive(&packet, false).unwrap().notify, Notify::Subscribers));
    let told: Vec<u32> = core::iter::from_fn(|| rig.s.next_recipient(b"a/b").map(|r| r.handler)).collect();
    assert_eq!(told, [4, 3, 1]);
}

#[test]
fn sixteen_unsubscribes_are_owed_at_most_and_the_oldest_is_forgotten() {
    let mut rig = Rig::down();
    for n in 0..17 {
        rig.subscribe(&[b'a' + n]);
        assert_eq!(rig.s.unsubscribe(&[b'a' + n], 0), Some(n == 16));
    }
    // The newest first, one forgotten, and nothing to a session that knows of none.
    let owed: Vec<u8> = rig.connect(false, KEPT).iter().map(|packet| packet[6]).collect();
    let expected: Vec<u8> = (1..17).rev().map(|n| b'a' + n).collect();
    assert_eq!(owed, expected);
    rig.s.disconnected(false, 0);
    assert_eq!(rig.connect(false, NEW), [] as [Vec<u8>; 0]);
}

#[test]
fn subscriptions_with_the_same_filter_are_counted() {
    let mut rig = Rig::up();
    for (n, filter) in [&b"a"[..], b"a", b"b", b"a"].into_iter().enumerate() {
        assert_eq!((rig.s.subscription_count(b"a"), rig.s.subscription_count(b"b")), (n.min(2), n / 3));
        rig.subscribe(filter);
    }
    assert_eq!(rig.s.subscription_count(b"a"), 3);
    rig.s.unsubscribe(b"a", 0);
    assert_eq!((rig.s.subscription_count(b"a"), rig.s.subscription_count(b"c")), (2, 0));
    rig.s.unsubscribe(b"b", 0);
    assert_eq!(rig.s.subscription_count(b"b"), 0, "also while UNSUBSCRIBE is pending");
}

#[test]
fn no_subscribe_requests_more_than_the_highest_qos_allowed() {
    for (max, asked) in [(Q0, [0, 0, 0]), (Q1, [0, 1, 1]), (Q2, [0, 1, 2])] {
        let mut rig = Rig::up();
        rig.s.limit_qos(max);
        for (qos, asked) in [Q0, Q1, Q2].into_iter().zip(asked) {
            rig.s.subscribe(b"a", qos, Recipient { handler: 1, wants: Wants::EVENTS }, 0).unwrap();
            assert_eq!(rig.out()[0].last(), Some(&asked));
        }
    }
}

#[test]
fn the_topic_is_needed_only_while_another_subscription_may_match() {
    let mut rig = Rig::up();
    rig.subscribe(b"b");
    rig.subscribe(b"a");
    assert_eq!(rig.receive(&[0x30, 3, 0, 1, b'a'], false).unwrap().notify, Notify::Subscribers);
    assert!(!rig.s.needs_topic(), "it is already known");
    assert!(rig.s.next_recipient(b"a").is_some());
    assert!(rig.s.needs_topic(), "there is another");
    assert!(rig.s.next_recipient(b"a").is_none());
    assert!(!rig.s.needs_topic(), "there is none left");
}

#[test]
fn a_subscribe_that_was_sent_twice_may_be_answered_twice() {
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    let subscribe = [0x82, 6, 0, 1, 0, 1, b'a', 1];
    assert_eq!(rig.out(), [subscribe]);
    rig.now += 21_000;
    assert_eq!(rig.out(), [[0xc0, 0]]);
    rig.told(&[0xd0, 0]);
    assert_eq!(rig.notice(), Some(Notice::SubscribeOverdue));
    assert_eq!(rig.out(), [subscribe]);
    let suback = [0x90, 3, 0, 1, 1];
    assert_eq!(rig.receive(&suback, false).unwrap().notify, Notify::Subscriber);
    rig.turn_to(65_535);
    assert_eq!([0; 2].map(|_| rig.s.packet_id().get()), [65_535, 2], "the other answer may still come");
    assert_eq!(rig.receive(&suback, false).unwrap().notify, Notify::Nobody);
    assert_eq!(rig.receive(&suback, false).unwrap().notify, Notify::Handlers, "a third one is not ours");
    assert!(rig.s.is_idle());
}

#[test]
fn mqtt_2_3_1_7_an_unsuback_received_after_subscribing_again_frees_the_packet_id() {
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    rig.out();
    rig.told(&[0x90, 3, 0, 1, 1]);
    rig.s.unsubscribe(b"a", rig.now);
    assert_eq!(rig.out(), [[0xa2, 5, 0, 2, 0, 1, b'a']]);
    rig.subscribe(b"a");
    assert_eq!(rig.out(), [[0x82, 6, 0, 3, 0, 1, b'a', 1]]);
    assert!(!rig.s.is_idle());
    assert_eq!(rig.wrong(&ack(0x40, 2)), ProtocolError::Ack);
    assert_eq!(rig.receive(&ack(0xb0, 2), false).unwrap().notify, Notify::Handlers);
    assert!(rig.s.is_idle());
    rig.turn_to(65_535);
    assert_eq!([0; 3].map(|_| rig.s.packet_id().get()), [65_535, 1, 2]);
}

#[test]
fn an_invalid_topic_is_refused_whatever_is_subscribed() {
    // All topics of up to three of these bytes, with a packet ID and without one.
    let bytes = b"a/+#\0\xff";
    for filters in ["", "a", "#", "a/a +/#", "# a aa"] {
        let mut rig = Rig::up();
        for filter in filters.split_whitespace() {
            rig.subscribe(filter.as_bytes());
        }
        let mut topics = vec![vec![]];
        for n in 0.. {
            let Some(topic) = topics.get(n).cloned() else { break };
            for id in [&[][..], &[0, 0], &[0, 1], &[0]] {
                let first = if id.is_empty() { 0x30 } else { 0x32 };
                let packet = [&[first, (2 + topic.len() + id.len()) as u8, 0, topic.len() as u8][..], &topic, id].concat();
                let body = &packet[2..];
                let expected = header(&packet).map(|h| h.unwrap()).and_then(|h| decode(h, body));
                match rig.receive(&packet, true) {
                    Ok(_) => assert!(expected.is_ok(), "{packet:02x?} was accepted"),
                    Err(error) => assert_eq!(Err(error), expected.map_err(ReceiveError::from), "{packet:02x?}"),
                }
            }
            if topic.len() < 3 {
                topics.extend(bytes.iter().map(|&b| [&topic[..], &[b]].concat()));
            }
        }
        assert_eq!(topics.len(), 1 + 6 + 36 + 216);
    }
}

#[test]
fn a_subscribe_in_front_of_an_unsubscribe_is_sent_once_that_is_answered() {
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    let out = rig.out();
    rig.told(&[0x90, 3, out[0][2], out[0][3], 1]);
    // The peer ends the connection with a message in flight: one packet at a time from now on.
    rig.publish(1, Q1);
    rig.out();
    rig.s.disconnected(true, rig.now);
    rig.s.unsubscribe(b"a", rig.now);
    rig.subscribe(b"b");
    let out = rig.connect(false, KEPT);
    assert_eq!((out[0][0], out.len()), (0xa2, 1));
    rig.told(&ack(0xb0, u16::from_be_bytes([out[0][2], out[0][3]])));
    assert!(rig.out().iter().any(|packet| packet[0] == 0x82));
}
