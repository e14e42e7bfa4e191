//! A session across connections: kept by the broker, lost by it, given up by us.

use super::*;

#[test]
fn mqtt_4_4_0_1_messages_and_pubrels_go_out_again_with_their_identifiers_in_their_order() {
    let mut rig = Rig::up();
    let ids = [1, 2, 3, 4].map(|n| rig.publish(n, if n % 2 == 0 { Q2 } else { Q1 }));
    rig.out();
    rig.told(&ack(0x50, ids[1]));
    rig.told(&ack(0x40, ids[2]));
    let expected = [message(0x3a, ids[0], 1), ack(0x62, ids[1]), message(0x3c, ids[3], 4)];
    assert_eq!(rig.resume(), expected);
    assert_eq!(rig.resume(), expected, "as often as it takes");
    rig.told(&ack(0x40, ids[0]));
    rig.told(&ack(0x70, ids[1]));
    assert_eq!(rig.resume(), expected[2..]);
}

#[test]
fn mqtt_4_6_0_1_what_was_sent_goes_out_again_before_what_was_not() {
    let mut rig = Rig::up();
    let first = rig.publish(1, Q1);
    rig.out();
    rig.s.disconnected(false, 0);
    let second = rig.publish(2, Q2);
    assert_eq!(rig.connect(false, KEPT), [message(0x3a, first, 1), message(0x34, second, 2)]);
}

#[test]
fn after_an_end_by_the_other_side_with_nothing_acknowledged_messages_go_one_by_one_and_pubrel_waits_for_none() {
    let mut rig = Rig::up();
    let ids = [1, 2, 3, 4].map(|n| rig.publish(n, Q2));
    rig.out();
    rig.told(&ack(0x50, ids[3]));
    rig.resume();
    rig.s.disconnected(true, rig.now);
    assert_eq!(rig.connect(false, KEPT), [message(0x3c, ids[0], 1), ack(0x62, ids[3])]);
    rig.told(&ack(0x50, ids[0]));
    assert_eq!(rig.out(), [message(0x3c, ids[1], 2), message(0x3c, ids[2], 3)]);
}

#[test]
fn mqtt_3_3_1_1_dup_is_set_on_what_this_session_has_seen_before_and_only_there() {
    let mut rig = Rig::up();
    let id = rig.publish(1, Q2);
    rig.s.disconnected(false, 0);
    assert_eq!(rig.connect(false, KEPT), [message(0x34, id, 1)], "it was never written");
    assert_eq!(rig.resume(), [message(0x3c, id, 1)]);
}

#[test]
fn mqtt_3_1_2_4_and_6_a_new_session_gets_anew_whatever_the_old_one_had_not_ended() {
    let mut rig = Rig::up();
    let [one, two, released] = [1, 2, 3].map(|n| rig.publish(n, Q2));
    rig.out();
    rig.told(&ack(0x50, released));
    assert_eq!((one, two, released), (1, 2, 3));
    rig.s.disconnected(false, 0);
    // No DUP, and the identifiers that the app knows; also what the broker had taken over, and has
    // lost with the session.
    assert_eq!(rig.connect(true, NEW), [1, 2, 3].map(|n| message(0x34, n, n as u8)));
    for id in 1..=3 {
        rig.told(&ack(0x50, id));
        rig.told(&ack(0x70, id));
    }
    assert!(rig.s.is_idle());
}

#[test]
fn mqtt_4_1_0_1_the_session_outlives_any_number_of_failed_attempts() {
    let mut rig = Rig::up();
    let (id, released) = (rig.publish(1, Q1), rig.publish(2, Q2));
    rig.out();
    rig.told(&ack(0x50, released));
    rig.told(&[0x34, 5, 0, 1, b't', 0, 9]);
    for _ in 0..5 {
        rig.s.disconnected(false, 0);
        rig.s.connect_sent(false, 60, rig.now);
    }
    rig.s.disconnected(false, 0);
    assert_eq!(rig.connect(false, KEPT), [message(0x3a, id, 1), ack(0x62, released)]);
    assert!(matches!(rig.receive(&[0x3c, 5, 0, 1, b't', 0, 9], false).unwrap().notify, crate::session::Notify::Nobody));
}

#[test]
fn an_acknowledgement_of_the_last_connection_ends_nothing_before_it_is_sent_again() {
    let mut rig = Rig::up();
    rig.publish(1, Q1);
    rig.out();
    rig.s.disconnected(false, 0);
    rig.s.connect_sent(true, 60, 0);
    rig.told(NEW);
    // The message is about to go out as a new one; its identifier means nothing yet to this
    // session.
    rig.told(&ack(0x40, 1));
    rig.s.connack_delivered();
    assert_eq!(rig.out(), [message(0x32, 1, 1)]);
}

#[test]
fn a_qos_2_message_given_up_in_flight_is_ended_with_pubrel_when_the_session_is_kept() {
    // Else its identifier stays taken at the broker, which would swallow a later message with it.
    let limits = Limits { max_queue: 1, ..LIMITS };
    let mut rig = Rig::up();
    let ids = [1, 2].map(|n| {
        let id = rig.publish_to(b"t", &[n], Q2, limits).unwrap().id.get();
        rig.out();
        id
    });
    assert_eq!(rig.resume(), [ack(0x62, ids[0]), message(0x3c, ids[1], 2)]);
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: ids[0], last: ids[0] }, "whether it arrived is not known");
    rig.told(&ack(0x70, ids[0]));
    rig.told(&ack(0x50, ids[1]));
    rig.told(&ack(0x70, ids[1]));
    assert!(rig.s.is_idle());
}

#[test]
fn a_qos_1_message_given_up_in_flight_is_gone_with_its_connection() {
    let limits = Limits { max_queue: 1, ..LIMITS };
    let mut rig = Rig::up();
    let ids = [1, 2].map(|n| {
        let id = rig.publish_to(b"t", &[n], Q1, limits).unwrap().id.get();
        rig.out();
        id
    });
    assert_eq!(rig.resume(), [message(0x3a, ids[1], 2)]);
    rig.s.disconnected(false, 0);
    let third = rig.publish_to(b"t", &[3], Q1, limits).unwrap().id.get();
    assert_eq!(rig.connect(false, KEPT), [message(0x32, third, 3)], "also when it is given up between two connections");
    rig.told(&ack(0x40, third));
    assert!(rig.s.is_idle());
}

#[test]
fn every_pubrel_of_a_large_burst_is_repeated() {
    let limits = Limits { max_queue: 200, ..LIMITS };
    let mut rig = Rig::up();
    let ids: Vec<u16> = (0..200).map(|n| rig.publish_to(b"t", &[n], Q2, limits).unwrap().id.get()).collect();
    for id in &ids {
        // However many go out ahead of their acknowledgements.
        rig.out();
        assert_eq!(rig.told(&ack(0x50, *id)), ack(0x62, *id));
    }
    let expected: Vec<_> = ids.iter().map(|id| ack(0x62, *id)).collect();
    assert_eq!(rig.resume(), expected);
}
