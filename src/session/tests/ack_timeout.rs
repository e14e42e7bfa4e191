//! Overdue acknowledgements: what is retransmitted on the same connection, how often, and what the
//! app is told. The tests of the timer itself are in session/ack_timer.rs.

use super::*;

#[test]
fn the_pubrel_of_a_message_that_is_not_queued_is_retransmitted_at_growing_intervals() {
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
fn an_overdue_answer_is_reported_once_until_everything_is_answered() {
    let mut rig = Rig::up();
    let first = rig.publish(1, Q1);
    rig.out();
    let overdue = |rig: &mut Rig, wait| {
        rig.now += wait;
        assert_eq!(rig.next(), Some(vec![0xc0, 0]));
        rig.told(&[0xd0, 0]);
        let id = rig.notice().map(|notice| match notice {
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
    assert_eq!(overdue(&mut rig, 21_000), (vec![message(0x3a, second, 2)], None), "not everything was answered in between");
    for id in [second, first] {
        rig.told(&ack(0x40, id));
    }
    // An answered ping shows that the broker owes no answer.
    rig.s.network_down();
    assert_eq!(rig.out(), [[0xc0, 0]]);
    rig.told(&[0xd0, 0]);
    let third = rig.publish(3, Q1);
    rig.out();
    assert_eq!(overdue(&mut rig, 21_000), (vec![message(0x3a, third, 3)], Some(third)));
}

#[test]
fn the_timeout_is_configurable() {
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

/// Lets time pass and answers pings until something else is sent. Returns that; nothing if it takes
/// too long.
fn overdue(rig: &mut Rig) -> Vec<Vec<u8>> {
    for _ in 0..500 {
        rig.now += 1000;
        if rig.out() == [vec![0xc0, 0]] {
            rig.told(&[0xd0, 0]);
            let sent = rig.out();
            if !sent.is_empty() {
                return sent;
            }
        }
    }
    vec![]
}

#[test]
fn an_overdue_message_narrows_the_window_once_and_not_at_each_retransmission() {
    let mut rig = Rig::up();
    let first = rig.publish(1, Q1);
    rig.out();
    assert_eq!(overdue(&mut rig), [message(0x3a, first, 1)]);
    let ids = [2, 3, 4].map(|n| rig.publish(n, Q1));
    assert_eq!(rig.out(), [] as [Vec<u8>; 0], "one at a time");
    // Overdue again, it does not delay others.
    assert_eq!(overdue(&mut rig), [message(0x3a, first, 1), message(0x32, ids[0], 2)]);
    rig.told(&ack(0x40, ids[0]));
    assert_eq!(rig.out(), [message(0x32, ids[1], 3), message(0x32, ids[2], 4)]);
    for id in &ids[1..] {
        rig.told(&ack(0x40, *id));
    }
    assert_eq!(overdue(&mut rig), [message(0x3a, first, 1)]);
    let ids = [5, 6, 7].map(|n| rig.publish(n, Q1));
    assert_eq!(rig.out().len(), ids.len(), "as wide as before");
}

#[test]
fn a_message_that_is_not_queued_is_not_overdue_at_once() {
    let mut rig = Rig { now: 1_000_000, ..Rig::down() };
    rig.connect(false, NEW);
    rig.publish_to(b"t", b"x", Q1, Limits { max_queue: 0, ..LIMITS }).unwrap();
    rig.s.network_down();
    assert_eq!(rig.out(), [[0xc0, 0]]);
    rig.told(&[0xd0, 0]);
    assert_eq!(rig.notice(), None);
}

#[test]
fn a_packet_sent_twice_and_answered_once_keeps_its_packet_id_for_the_second_answer() {
    use crate::session::Notify::{Handlers, Nobody};
    let is_free = |rig: &mut Rig| {
        rig.turn_to(65_535);
        rig.s.packet_id();
        rig.s.packet_id().get() == 1
    };
    for (qos, first) in [(Q1, 0x40), (Q2, 0x40)] {
        let mut rig = Rig::up();
        let id = rig.publish(1, qos);
        rig.out();
        assert_eq!(overdue(&mut rig).len(), 1);
        assert_ne!(rig.receive(&ack(first, id), false).unwrap().notify, Nobody);
        assert!(rig.s.is_idle() && !is_free(&mut rig));
        assert_eq!(rig.receive(&ack(first, id), false).unwrap().notify, Nobody);
        assert!(is_free(&mut rig));
        assert_eq!(rig.receive(&ack(first, id), false).unwrap().notify, Handlers);
    }
    let mut rig = Rig::up();
    let id = rig.publish(1, Q2);
    rig.out();
    assert_eq!(overdue(&mut rig), [message(0x3c, id, 1)]);
    assert_eq!(rig.told(&ack(0x50, id)), ack(0x62, id));
    assert_eq!(rig.receive(&ack(0x70, id), false).unwrap().notify, Handlers);
    // PUBREC for the second PUBLISH, and PUBCOMP for its PUBREL.
    for _ in 0..2 {
        let again = rig.receive(&ack(0x50, id), false).unwrap();
        assert_eq!((again.notify, again.answer), (Nobody, Some(crate::wire::AckKind::PubRel)));
        assert!(!is_free(&mut rig));
    }
    assert_eq!(rig.receive(&ack(0x70, id), false).unwrap().notify, Nobody);
    assert!(is_free(&mut rig));
}

#[test]
fn an_unanswered_pubrel_is_given_up_over_two_connections_and_not_on_one() {
    let mut rig = Rig::up();
    let id = rig.publish(1, Q2);
    rig.out();
    // The broker has taken it over, but loses the session: a new message to the next one.
    rig.told(&ack(0x50, id));
    rig.s.disconnected(false, rig.now);
    assert_eq!(rig.connect(false, NEW), [message(0x34, id, 1)]);
    assert_eq!(rig.told(&ack(0x50, id)), ack(0x62, id));
    assert_eq!(rig.resume(), [ack(0x62, id)], "the answer may have been lost with the connection");
    for _ in 0..5 {
        assert_eq!(overdue(&mut rig), [ack(0x62, id)]);
    }
    assert_eq!(rig.resume(), [ack(0x62, id)]);
    assert_eq!(overdue(&mut rig), [] as [Vec<u8>; 0]);
    assert!(rig.s.is_idle());
    assert_eq!(rig.s.take_given_up().count, 0, "the message has arrived");
    assert!(matches!(rig.notice(), Some(Notice::Overdue(_))));
    assert_eq!(rig.notice(), None);
    assert_eq!(rig.resume(), [] as [Vec<u8>; 0]);
}

#[test]
fn after_an_unacked_connection_a_subscribe_goes_alone_for_five_seconds_and_after_three_until_it_is_out_of_suspicion() {
    let after = |ends: u8| {
        let mut rig = Rig::up();
        rig.subscribe(b"a");
        let id = rig.publish(1, Q1);
        rig.out();
        for _ in 0..ends {
            rig.now += 20_000;
            // In the middle of a packet from the broker: no packet of ours is the cause.
            rig.s.frame(&[0x30], 3072).unwrap();
            rig.s.disconnected(true, rig.now);
            rig.s.connect_sent(true, 60, rig.now);
            rig.told(NEW);
            rig.s.connack_delivered();
            if rig.s.suspects.unacked_connections < ends {
                rig.out();
            }
        }
        (rig, message(0x32, id, 1))
    };
    for (ends, wait, then) in [(1, 5000, None), (2, 5000, Some(vec![0xc0, 0])), (3, 11_000, Some(vec![0xc0, 0]))] {
        let (mut rig, message) = after(ends);
        let sent = rig.out();
        assert_eq!((sent.len(), sent[0][0]), (1, 0x82), "{ends}");
        assert_eq!(rig.s.deadline(), rig.now + wait);
        rig.now += wait - 1;
        assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
        rig.now += 1;
        assert_eq!(rig.out(), [then.unwrap_or(message.clone())], "{ends}");
        let (mut rig, _) = after(ends);
        let sent = rig.out();
        rig.told(&[0x90, 3, sent[0][2], sent[0][3], 1]);
        assert_eq!(rig.out(), [message], "it is answered");
    }
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    rig.out();
    assert_eq!(rig.s.deadline(), rig.now + 21_000, "without failures it does not go alone");
}

#[test]
fn what_was_retransmitted_on_one_connection_is_sent_and_answered_once_on_the_next() {
    let mut rig = Rig::up();
    let id = rig.publish(1, Q1);
    rig.out();
    for _ in 0..2 {
        assert_eq!(overdue(&mut rig), [message(0x3a, id, 1)]);
    }
    assert_eq!(rig.resume(), [message(0x3a, id, 1)]);
    assert_eq!(rig.s.outbox.in_flight(), 1);
    assert_eq!(rig.told(&ack(0x40, id)), []);
    rig.turn_to(65_535);
    assert_eq!([0; 2].map(|_| rig.s.packet_id().get()), [65_535, 1]);
    assert!(rig.s.is_idle());
}

#[test]
fn messages_before_a_pubrel_that_is_answered_before_it_is_repeated_are_still_sent() {
    let mut rig = Rig::up();
    let (first, second, released) = (rig.publish(1, Q1), rig.publish(2, Q1), rig.publish(3, Q2));
    rig.out();
    rig.told(&ack(0x50, released));
    rig.now += 21_001;
    assert_eq!(rig.out(), [vec![0xc0, 0]]);
    rig.now += 10;
    rig.told(&[0xd0, 0]);
    // All three are overdue. The window is one, for which PUBREL need not wait.
    assert_eq!(rig.next(), Some(message(0x3a, first, 1)));
    assert_eq!(rig.s.next(true, rig.now).map(|out| bytes(&out)), Some(ack(0x62, released)));
    // There is no memory to write it; then both answers come.
    rig.told(&ack(0x70, released));
    rig.told(&ack(0x40, first));
    assert!(rig.s.may_have_more());
    assert_eq!(rig.out(), [message(0x3a, second, 2)]);
}

#[test]
fn a_message_written_in_pieces_is_awaited_from_its_last_piece_on() {
    let mut rig = Rig::up();
    let id = rig.s.packet_id();
    rig.s.upload_begins(id, 2, rig.now).unwrap();
    rig.now += 60_000;
    rig.s.last_piece_sent(id, rig.now);
    for (wait, overdue) in [(1000, false), (20_000, true)] {
        rig.now += wait;
        rig.s.network_down();
        assert_eq!(rig.out(), [vec![0xc0, 0]]);
        rig.told(&[0xd0, 0]);
        assert_eq!(rig.notice(), overdue.then_some(Notice::Overdue(id)), "after {wait} ms");
    }
    assert_eq!(rig.out(), [] as [Vec<u8>; 0], "it is not kept, and so not repeated");
    rig.told(&ack(0x40, id.get()));
    assert!(rig.s.is_idle());
}
