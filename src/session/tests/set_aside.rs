//! Messages and subscriptions on which the broker closes the connection: when they are set aside
//! and when they are retried, while the others proceed. How the cause is found is in suspects.rs.

use super::*;
use crate::session::reached;

/// The connection lasts long enough for a suspect to be sent, and answers the ping before it.
fn wait_out_the_hold(rig: &mut Rig) {
    rig.now += 4000;
    if rig.out() == [vec![0xc0, 0]] {
        rig.told(&[0xd0, 0]);
        rig.out();
    }
}

/// The broker closes the connection `ends` times, each time soon after CONNACK and a packet that is
/// sent alone. A packet counts as the cause only if a ping before it was answered.
fn close_on_packet(rig: &mut Rig, ends: u8) {
    for _ in 0..ends {
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
        rig.connect(true, NEW);
        wait_out_the_hold(rig);
    }
}

#[test]
fn a_message_set_aside_takes_no_place_from_others_in_a_full_queue() {
    let limits = Limits { max_queue: 2, ..LIMITS };
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, limits).unwrap();
    rig.out();
    close_on_packet(&mut rig, 4);
    assert_eq!(rig.s.num_set_aside(), 1);
    rig.s.disconnected(false, rig.now);
    let good = [1, 2].map(|n| rig.publish_to(b"good", &[n], Q1, limits).unwrap().id.get());
    assert_eq!((rig.s.take_given_up().count, rig.s.num_set_aside()), (1, 0), "the message set aside is given up first");
    let late = rig.publish_to(b"bad", b"x", Q1, limits).unwrap().id.get();
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: late, last: late }, "a later one like it is given up at once");
    let sent = |rig: &mut Rig| -> Vec<u16> { rig.out().iter().map(|packet| u16::from_be_bytes([packet[8], packet[9]])).collect() };
    rig.s.connect_sent(false, 60, rig.now);
    rig.told(NEW);
    rig.s.connack_delivered();
    assert_eq!(sent(&mut rig), good[..1]);
    rig.told(&ack(0x40, good[0]));
    assert_eq!(sent(&mut rig), good[1..]);
}

#[test]
fn a_message_with_pubrec_in_a_session_that_is_lost_is_a_suspect_like_another() {
    let mut rig = Rig::up();
    let id = rig.publish(1, Q2);
    rig.out();
    rig.told(&ack(0x50, id));
    for _ in 0..20 {
        if rig.s.num_set_aside() == 0 {
            close_on_packet(&mut rig, 1);
        }
    }
    assert_eq!(rig.s.num_set_aside(), 1);
}

/// A connection to a kept session that the broker closes 100 ms after the last packet. What was sent.
fn closes_in_a_kept_session(rig: &mut Rig) -> Vec<Vec<u8>> {
    rig.s.connect_sent(false, 60, rig.now);
    rig.told(KEPT);
    rig.s.connack_delivered();
    let mut sent = rig.out();
    for wait in [0, 3000] {
        rig.now += wait;
        sent.extend(rig.out());
        if sent.last() == Some(&vec![0xc0, 0]) {
            rig.told(&[0xd0, 0]);
            sent.extend(rig.out());
        }
    }
    rig.now += 100;
    rig.s.disconnected(true, rig.now);
    sent
}

/// A session with two messages that the broker has answered with PUBREC, and then closed on.
fn with_two_released() -> (Rig, [u16; 2]) {
    let mut rig = Rig::up();
    let released = [1, 2].map(|n| rig.publish(n, Q2));
    rig.out();
    for id in released {
        rig.told(&ack(0x50, id));
    }
    rig.s.disconnected(true, rig.now);
    (rig, released)
}

/// The connections to a kept session that the broker closes before the PUBRELs are given up.
fn closes_until_given_up(rig: &mut Rig) -> u32 {
    for n in 0.. {
        assert!(n <= 10, "the PUBREL ends every connection");
        closes_in_a_kept_session(rig);
        if rig.s.take_given_up() != GivenUp::NONE {
            return n;
        }
    }
    unreachable!()
}

#[test]
fn a_pubrel_that_is_not_answered_holds_up_a_message_for_no_longer_than_an_answer_may_take() {
    for (timeout, limit) in [(0, 22), (-1, 1)] {
        let (mut rig, _) = with_two_released();
        closes_in_a_kept_session(&mut rig);
        let good = rig.publish(3, Q1);
        rig.s.set_ack_timeout(timeout);
        // Without keep-alive no other ping is sent.
        rig.s.connect_sent(false, 0, rig.now);
        rig.told(KEPT);
        rig.s.connack_delivered();
        let sent_after = (0..100).find(|_| {
            rig.now += 1000;
            let sent = rig.out();
            if sent.contains(&vec![0xc0, 0]) {
                rig.told(&[0xd0, 0]);
            }
            [sent, rig.out()].concat().contains(&message(0x32, good, 3))
        });
        assert!(sent_after.is_some_and(|seconds| seconds <= limit), "{sent_after:?} s");
    }
}

#[test]
fn in_a_new_session_messages_whose_pubrel_is_to_blame_are_sent_as_new() {
    let (mut rig, _) = with_two_released();
    let closes = closes_until_given_up(&mut rig);
    let (mut rig, released) = with_two_released();
    (0..closes).for_each(|_| drop(closes_in_a_kept_session(&mut rig)));
    let mut sent = rig.connect(false, NEW);
    for _ in 0..3 {
        if sent.last() == Some(&vec![0xc0, 0]) {
            rig.told(&[0xd0, 0]);
        }
        rig.now += 3000;
        sent.extend(rig.out());
    }
    assert!(sent.contains(&message(0x34, released[0], 1)), "{sent:x?}");
    assert_eq!(rig.s.take_given_up(), GivenUp::NONE);
}

#[test]
fn a_pubrel_on_which_the_broker_closes_three_times_alone_is_given_up_with_the_others() {
    let mut rig = Rig::up();
    let released = [1, 2].map(|n| rig.publish(n, Q2));
    rig.out();
    for id in released {
        rig.told(&ack(0x50, id));
    }
    let good = rig.publish(3, Q1);
    rig.s.disconnected(true, rig.now);
    let (mut connections, mut alone) = (0, 0);
    while rig.s.take_given_up() == GivenUp::NONE {
        connections += 1;
        assert!(connections <= 10, "the PUBREL blocks what is behind it");
        let sent = closes_in_a_kept_session(&mut rig);
        alone += (sent.iter().filter(|packet| packet[0] != 0xc0).collect::<Vec<_>>() == [&ack(0x62, released[0])]) as u32;
    }
    assert!(alone >= 3, "{alone} times alone");
    rig.connect(false, KEPT);
    rig.told(&ack(0x40, good));
    assert!(rig.s.is_idle());
}

#[test]
fn a_message_set_aside_for_which_there_is_no_room_is_checked_once_a_second() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    close_on_packet(&mut rig, 4);
    assert_eq!(rig.s.num_set_aside(), 1);
    rig.now += 3_600_000;
    // A ping has become due.
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
fn an_end_in_the_middle_of_a_packet_from_the_broker_is_not_caused_by_the_last_packet_sent() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    for _ in 0..20 {
        rig.now += 100;
        assert_eq!(rig.s.frame(&[0x30], 3072), Ok(Framed::Incomplete));
        rig.s.disconnected(true, rig.now);
        rig.connect(true, NEW);
        wait_out_the_hold(&mut rig);
        // The buffer is empty: everything received was consumed.
        assert_eq!(rig.s.frame(&[], 3072), Ok(Framed::Incomplete));
    }
    assert_eq!(rig.s.num_set_aside(), 0);
    assert_eq!(rig.s.frame(&[], 3072), Ok(Framed::Incomplete));
    close_on_packet(&mut rig, 1);
    close_on_packet(&mut rig, 10);
    assert_eq!(rig.s.num_set_aside(), 1, "it counts if it comes between two packets");
}

#[test]
fn payload_bytes_do_not_include_messages_set_aside() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"four", Q1, LIMITS).unwrap();
    rig.out();
    assert_eq!(rig.s.payload_bytes(), 4);
    close_on_packet(&mut rig, 4);
    assert_eq!((rig.s.num_set_aside(), rig.s.payload_bytes()), (1, 0));
}

/// Publishes a message on which the broker closes each connection. Returns how many end until it is
/// set aside.
fn ends_until_set_aside(rig: &mut Rig) -> u8 {
    ends_until_set_aside_to(rig, b"bad")
}

fn ends_until_set_aside_to(rig: &mut Rig, topic: &[u8]) -> u8 {
    let before = rig.s.num_set_aside();
    rig.publish_to(topic, b"x", Q1, LIMITS).unwrap();
    rig.out();
    let set_aside = |_: &u8| {
        close_on_packet(rig, 1);
        rig.s.num_set_aside() > before
    };
    (0..20).find(set_aside).expect("it is set aside")
}

#[test]
fn link_failures_raise_the_number_of_ends_until_a_message_is_set_aside() {
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
    assert_eq!(ends_until_set_aside(&mut rig), plain, "we ended the connections");
    let mut rig = Rig::up();
    for _ in 0..4 {
        rig.s.disconnected(false, rig.now);
        rig.s.connect_sent(true, 60, rig.now);
        rig.s.disconnected(true, rig.now);
        rig.connect(true, NEW);
    }
    assert_eq!(ends_until_set_aside(&mut rig), plain, "the attempts were refused");
    for (lasts, more) in [(299_999, 2), (300_000, 0)] {
        let mut rig = Rig::up();
        (0..2).for_each(|_| idle(&mut rig, true));
        rig.now += lasts;
        rig.s.disconnected(false, rig.now);
        rig.connect(true, NEW);
        assert_eq!(ends_until_set_aside(&mut rig), plain + more, "a connection lasted for {lasts} ms");
    }
    let mut rig = Rig::up();
    (0..2).for_each(|_| idle(&mut rig, true));
    rig.s.disconnected(false, rig.now);
    rig.s.connect_sent(true, 60, rig.now);
    rig.now += 300_000;
    rig.s.disconnected(false, rig.now);
    rig.connect(true, NEW);
    assert_eq!(ends_until_set_aside(&mut rig), plain + 2, "an attempt took long");
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
fn another_broker_is_sent_what_was_set_aside_like_everything_else() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    rig.s.disconnected(false, rig.now);
    rig.s.connecting(false);
    assert_eq!(rig.s.num_set_aside(), 1);
    rig.s.connecting(true);
    assert_eq!(rig.s.num_set_aside(), 0);
    assert_eq!(rig.connect(true, NEW).len(), 1);
}

#[test]
fn when_a_message_set_aside_gets_through_the_next_is_retried_at_once() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    // The broker is not at fault: it accepts another message.
    let good = rig.publish(1, Q1);
    while !rig.out().contains(&message(0x32, good, 1)) {
        rig.now += 1000;
    }
    rig.told(&ack(0x40, good));
    let second = good + 1;
    ends_until_set_aside_to(&mut rig, b"worse");
    assert_eq!(rig.s.num_set_aside(), 2);
    rig.now += 1000;
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
    rig.now += 3_600_000;
    let out: Vec<_> = rig.out().into_iter().filter(|packet| packet[0] == 0xc0).collect();
    out.iter().for_each(|_| drop(rig.told(&[0xd0, 0])));
    rig.told(&ack(0x40, 1));
    assert_eq!(rig.s.num_set_aside(), 1);
    let next = rig.out();
    assert_eq!(next.iter().filter(|packet| packet[0] >> 4 == 3).map(|packet| packet[10]).collect::<Vec<_>>(), [second as u8], "{next:x?}");
}

/// Not connected, with `ack_timeout` disabled.
fn quiet() -> Rig {
    let mut rig = Rig::down();
    rig.s.set_ack_timeout(-1);
    rig
}

/// Connects without keep-alive.
fn connect_quietly(rig: &mut Rig) {
    rig.s.connect_sent(true, 0, rig.now);
    rig.told(NEW);
    rig.s.connack_delivered();
}

/// The broker closes connections until this many messages and filters are set aside, which happens
/// at CONNACK.
fn set_aside_quietly(rig: &mut Rig, messages: u16, filters: u8) {
    for _ in 0..20 {
        connect_quietly(rig);
        if (rig.s.num_set_aside(), rig.s.subscriptions.num_set_aside()) == (messages, filters) {
            return;
        }
        rig.out();
        wait_out_the_hold(rig);
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
    }
    panic!("{} messages and {} filters are set aside", rig.s.num_set_aside(), rig.s.subscriptions.num_set_aside());
}

#[test]
fn a_message_set_aside_is_retried_after_an_hour_while_nothing_else_is_in_flight() {
    let mut rig = quiet();
    let bad = rig.publish(1, Q1);
    set_aside_quietly(&mut rig, 1, 0);
    let start = rig.now;
    assert_eq!(rig.s.deadline(), start + 3_600_000);
    // While something is in flight there is no deadline for the retry.
    rig.subscribe(b"a");
    let sent = rig.out();
    assert_eq!((sent.len(), sent[0][0]), (1, 0x82));
    assert_eq!(rig.s.deadline(), rig.now + 11_000, "others wait for it");
    rig.now += 11_000;
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
    assert_eq!(rig.s.deadline(), 0);
    let suback = [0x90, 3, sent[0][2], sent[0][3], 1];
    let good = rig.publish_to(b"u", &[2], Q1, LIMITS).unwrap().id.get();
    assert_eq!(rig.out(), [[0xc0, 0]]);
    rig.told(&[0xd0, 0]);
    assert_eq!(rig.out(), [[0x32, 6, 0, 1, b'u', 0, good as u8, 2]]);
    assert_eq!(rig.s.deadline(), 0);
    rig.told(&suback);
    assert_eq!(rig.s.deadline(), 0);
    rig.told(&ack(0x40, good));
    assert_eq!(rig.s.deadline(), start + 3_600_000);
    rig.now = start + 3_599_999;
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
    rig.now += 1;
    assert_eq!(rig.out(), [message(0x32, bad, 1)]);
}

#[test]
fn a_filter_set_aside_is_retried_after_two_minutes_doubling_up_to_an_hour() {
    let mut rig = quiet();
    rig.subscribe(b"a");
    set_aside_quietly(&mut rig, 0, 1);
    assert_eq!(rig.notice(), Some(Notice::SubscriptionSetAside { filter: b"a" }));
    let mut waits = vec![];
    let mut start = rig.now;
    for _ in 0..7 {
        let mut sent = vec![];
        while !sent.iter().any(|packet: &Vec<u8>| packet[0] == 0x82) {
            let at = rig.s.deadline();
            if at > rig.now {
                rig.now = at - 1;
                assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
            }
            rig.now = at;
            sent = rig.out();
            if sent == [vec![0xc0, 0]] {
                rig.told(&[0xd0, 0]);
                sent = rig.out();
            }
        }
        waits.push(rig.now - start);
        start = rig.now + 100;
        rig.now = start;
        rig.s.disconnected(true, rig.now);
        connect_quietly(&mut rig);
    }
    assert_eq!(waits, [120_000, 240_000, 480_000, 960_000, 1_920_000, 3_600_000, 3_600_000]);
}

#[test]
fn when_a_filter_set_aside_is_answered_the_next_is_retried_at_once() {
    let mut rig = quiet();
    rig.subscribe(b"a");
    set_aside_quietly(&mut rig, 0, 1);
    rig.subscribe(b"b");
    rig.s.disconnected(false, rig.now);
    for _ in 0..20 {
        connect_quietly(&mut rig);
        if rig.s.subscriptions.num_set_aside() == 2 {
            break;
        }
        rig.next();
        rig.now += 4000;
        if rig.next() == Some(vec![0xc0, 0]) {
            rig.told(&[0xd0, 0]);
            rig.next();
        }
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
    }
    assert_eq!(rig.s.subscriptions.num_set_aside(), 2);
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
    rig.now = rig.s.deadline();
    let first = rig.out();
    assert_eq!(first.len(), 1);
    rig.told(&[0x90, 3, first[0][2], first[0][3], 1]);
    assert_eq!(rig.s.subscriptions.num_set_aside(), 1);
    let second = rig.out();
    assert_eq!(second.len(), 1);
    assert_ne!(first[0][6], second[0][6]);
}

#[test]
fn pings_continue_while_a_retried_message_is_not_answered() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    let mut last_ping = rig.now;
    for _ in 0..8000 {
        rig.now += 1000;
        if rig.out().contains(&vec![0xc0, 0]) {
            rig.told(&[0xd0, 0]);
            last_ping = rig.now;
        }
        assert!(rig.now - last_ping <= 60_000);
    }
}

#[test]
fn packets_sent_outside_the_queue_prevent_a_candidate_unless_they_are_acknowledgements() {
    let set_aside = |other: fn(&mut Rig)| {
        let mut rig = Rig::up();
        rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
        rig.out();
        for _ in 0..20 {
            other(&mut rig);
            close_on_packet(&mut rig, 1);
        }
        rig.s.num_set_aside()
    };
    assert_eq!(set_aside(|_| {}), 1);
    for first in [0x40, 0x50, 0x70] {
        let other: fn(&mut Rig) = match first {
            0x40 => |rig| rig.s.sent_other(0x40, None, rig.now),
            0x50 => |rig| rig.s.sent_other(0x50, None, rig.now),
            _ => |rig| rig.s.sent_other(0x70, None, rig.now),
        };
        assert_eq!(set_aside(other), 1, "{first:x}");
    }
    assert_eq!(set_aside(|rig| rig.s.sent_other(0x30, None, rig.now)), 0);
    assert_eq!(set_aside(|rig| rig.s.sent_other(0x62, crate::wire::PacketId::new(99), rig.now)), 0);
    assert_eq!(set_aside(|rig| rig.s.app_sent(rig.now)), 0);
}

#[test]
fn a_message_after_a_pubrel_is_a_candidate_only_after_pubcomp() {
    let ends = |answered: bool| {
        let mut rig = Rig::up();
        let id = rig.publish(1, Q2);
        rig.out();
        rig.told(&ack(0x50, id));
        rig.s.sent_other(0x62, crate::wire::PacketId::new(id), rig.now);
        if answered {
            rig.told(&ack(0x70, id));
        }
        rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
        rig.out();
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
        rig.s.connect_sent(true, 60, rig.now);
        rig.told(NEW);
        // It is the suspect: after the next end of this kind it is held back.
        rig.s.connack_delivered();
        rig.out();
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
        rig.s.connect_sent(true, 60, rig.now);
        rig.told(NEW);
        rig.s.suspects.held_until() != 0
    };
    assert!(ends(true) && !ends(false));
}

#[test]
fn if_the_broker_closes_on_every_message_it_is_at_fault_and_all_are_restored() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    // Nothing was acknowledged afterwards.
    rig.publish_to(b"worse", b"x", Q1, LIMITS).unwrap();
    rig.out();
    let aside: Vec<u16> = (0..20)
        .map(|_| {
            close_on_packet(&mut rig, 1);
            rig.s.num_set_aside()
        })
        .collect();
    assert!(aside.contains(&1) && aside.last() == Some(&0) && !aside.contains(&2), "{aside:?}");
    // Another message may get through.
    let good = rig.publish(1, Q1);
    for _ in 0..10 {
        if rig.out().iter().any(|packet| packet[0] == 0xc0) {
            rig.told(&[0xd0, 0]);
        }
    }
    rig.told(&ack(0x40, 1));
    assert!(good > 1);
    assert_eq!(rig.s.queued(), 2);
}

#[test]
fn while_another_message_waits_two_can_be_set_aside() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    for topic in [&b"worse"[..], b"good"] {
        rig.publish_to(topic, b"x", Q1, LIMITS).unwrap();
    }
    let mut most = 0;
    for _ in 0..10 {
        close_on_packet(&mut rig, 1);
        most = most.max(rig.s.num_set_aside());
    }
    assert_eq!(most, 2);
}

#[test]
fn messages_like_those_set_aside_are_set_aside_at_once_until_one_gets_through() {
    let mut rig = Rig::up();
    let topics = [&b"one"[..], b"two", b"six"];
    for (n, topic) in topics.into_iter().enumerate() {
        ends_until_set_aside_to(&mut rig, topic);
        assert_eq!(rig.s.num_set_aside() as usize, n + 1);
        // The broker is not at fault: another message gets through.
        let good = rig.publish(1, Q1);
        for _ in 0..20 {
            rig.now += 1000;
            for packet in rig.out() {
                match packet[..] {
                    [0xc0, _] => drop(rig.told(&[0xd0, 0])),
                    _ if packet == message(0x32, good, 1) => drop(rig.told(&ack(0x40, good))),
                    _ => {}
                }
            }
        }
        assert_eq!(rig.s.queued() as usize, n + 1, "the other message got through");
    }
    let mut aside = 3;
    for topic in topics {
        rig.publish_to(topic, b"xx", Q1, LIMITS).unwrap();
        aside += 1;
        assert_eq!(rig.s.num_set_aside(), aside, "larger than one like it that is set aside");
    }
    // One of them is retried, and gets through.
    rig.s.disconnected(false, rig.now);
    let mut sent = rig.connect(true, NEW);
    if sent == [vec![0xc0, 0]] {
        rig.told(&[0xd0, 0]);
        sent = rig.out();
    }
    assert_eq!(sent, [b"\x32\x08\0\x03one\0\x01x"]);
    rig.told(&ack(0x40, 1));
    assert_eq!(rig.s.num_set_aside(), aside - 2, "both with its signature");
    rig.publish_to(b"one", b"xx", Q1, LIMITS).unwrap();
    assert_eq!(rig.s.num_set_aside(), aside - 2);
    rig.publish_to(b"two", b"xx", Q1, LIMITS).unwrap();
    assert_eq!(rig.s.num_set_aside(), aside - 1, "nothing is known of the others yet");
}

#[test]
fn a_message_set_aside_that_gets_through_completes_like_any_other() {
    let mut rig = Rig::up();
    let bad = rig.publish_to(b"bad", b"x", Q2, LIMITS).unwrap().id.get();
    rig.out();
    for _ in 0..20 {
        if rig.s.num_set_aside() == 0 {
            close_on_packet(&mut rig, 1);
        }
    }
    assert_eq!(rig.s.num_set_aside(), 1);
    rig.s.disconnected(false, rig.now);
    assert_eq!(rig.connect(true, NEW).len(), 1, "after another end it is retried at once");
    assert_eq!(rig.told(&ack(0x50, bad)), ack(0x62, bad));
    assert_eq!(rig.s.payload_bytes(), 1);
    for _ in 0..3 {
        assert_eq!(rig.resume(), [ack(0x62, bad)]);
    }
    rig.told(&ack(0x70, bad));
    assert!(rig.s.is_idle());
}

#[test]
fn a_message_before_a_pubrel_is_not_a_candidate() {
    let mut rig = Rig::up();
    let bad = rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap().id.get();
    let released = rig.publish(1, Q2);
    rig.out();
    rig.told(&ack(0x50, released));
    for _ in 0..20 {
        rig.s.disconnected(true, rig.now);
        let sent = rig.connect(false, KEPT);
        assert_eq!(sent.last(), Some(&ack(0x62, released)));
        rig.now += 100;
    }
    assert_eq!(rig.s.num_set_aside(), 0);
    rig.told(&ack(0x40, bad));
    assert_eq!(rig.s.queued(), 1);
}

/// A connection on which `before` is done and then the message set aside is retried, whereupon the
/// broker closes it.
fn close_on_retry(rig: &mut Rig, before: fn(&mut Rig)) {
    rig.s.connect_sent(false, 0, rig.now);
    rig.told(NEW);
    rig.s.connack_delivered();
    before(rig);
    assert!(retry_aside(rig).is_some());
    rig.now += 100;
    rig.s.disconnected(true, rig.now);
}

/// The message set aside, retried at once or an hour later.
fn retry_aside(rig: &mut Rig) -> Option<Vec<u8>> {
    for wait in [0, 3_600_000, 1000, 1000, 30_000, 1000] {
        rig.now += wait;
        for packet in rig.out() {
            match packet[0] {
                0xc0 => drop(rig.told(&[0xd0, 0])),
                0x62 => {}
                _ => return Some(packet),
            }
        }
    }
    None
}

/// Another message gets through.
fn other_message(rig: &mut Rig) {
    let good = rig.publish(1, Q1);
    for _ in 0..5 {
        for packet in rig.out() {
            match packet[0] >> 4 {
                3 if packet == message(0x32, good, 1) => return drop(rig.told(&ack(0x40, good))),
                3 => panic!("{packet:x?}"),
                _ => drop(rig.told(&[0xd0, 0])),
            }
        }
        rig.now += 1000;
    }
    panic!("it is not sent");
}

/// One message at QoS 2 has been set aside at CONNACK, and that connection has ended.
fn with_one_aside() -> (Rig, u16) {
    let mut rig = quiet();
    let bad = rig.publish_to(b"bad", b"x", Q2, LIMITS).unwrap().id.get();
    set_aside_quietly(&mut rig, 1, 0);
    rig.s.disconnected(false, rig.now);
    assert!(matches!(rig.notice(), Some(Notice::SetAside { .. })));
    (rig, bad)
}

#[test]
fn a_message_set_aside_is_given_up_after_ten_failed_retries_with_others_acknowledged_in_between() {
    let (mut rig, bad) = with_one_aside();
    for n in 1..=10 {
        assert_eq!((rig.s.num_set_aside(), rig.notice()), (1, None), "{n}");
        close_on_retry(&mut rig, other_message);
    }
    assert_eq!(rig.s.num_set_aside(), 0);
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: bad, last: bad });
    assert_eq!(rig.notice(), Some(Notice::GivenUpAside { id: crate::wire::PacketId::new(bad).unwrap(), topic: b"bad" }));
}

#[test]
fn failed_retries_without_another_acknowledged_message_do_not_count() {
    let (mut rig, _) = with_one_aside();
    close_on_retry(&mut rig, other_message);
    for _ in 0..15 {
        close_on_retry(&mut rig, |_| {});
        assert_eq!(rig.s.num_set_aside(), 1);
    }
    // A repeated PUBREC does not count as an answer.
    let (mut rig, _) = with_one_aside();
    rig.connect(false, NEW);
    let released = rig.publish(1, Q2);
    for _ in 0..5 {
        if rig.out().contains(&vec![0xc0, 0]) {
            rig.told(&[0xd0, 0]);
        }
    }
    assert_eq!(rig.told(&ack(0x50, released)), ack(0x62, released));
    for _ in 0..15 {
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
        rig.s.connect_sent(false, 0, rig.now);
        rig.told(KEPT);
        rig.s.connack_delivered();
        if rig.out().contains(&vec![0xc0, 0]) {
            rig.told(&[0xd0, 0]);
        }
        rig.told(&ack(0x50, released));
        assert!(retry_aside(&mut rig).is_some());
    }
    assert_eq!(rig.s.num_set_aside(), 1);
}

#[test]
fn a_pubrel_has_all_its_tries_whatever_happened_to_its_message() {
    let (mut rig, bad) = with_one_aside();
    for _ in 0..2 {
        close_on_retry(&mut rig, other_message);
    }
    rig.s.set_ack_timeout(0);
    rig.connect(false, NEW);
    assert!(retry_aside(&mut rig).is_some());
    assert_eq!(rig.told(&ack(0x50, bad)), ack(0x62, bad));
    assert_eq!(rig.resume(), [ack(0x62, bad)]);
    rig.now += 21_000;
    assert_eq!(rig.out(), [[0xc0, 0]]);
    rig.told(&[0xd0, 0]);
    assert_eq!(rig.out(), [ack(0x62, bad)]);
}

#[test]
fn signatures_differ_by_topic_qos_and_retain_and_cover_larger_messages() {
    use crate::session::entry::{Entry, QUEUED, Signature};
    use std::collections::BTreeSet;

    let mut hashes = BTreeSet::new();
    let mut count = 0;
    let topics = (0..=255u8).flat_map(|a| [vec![a], vec![b'a', a], vec![a, b'a'], vec![b't', a, b'/']]);
    for topic in topics.collect::<BTreeSet<_>>() {
        for flags in 0..6 {
            let e = Entry { sent_at: 0, id: 1, topic_len: topic.len() as u16, bits: QUEUED, flags, tries: 0 };
            let of = |payload: usize| Signature::of(&e, &[&topic[..], &vec![b'p'; payload]].concat());
            assert!(of(5).covers(of(5)) && of(5).covers(of(6)) && !of(5).covers(of(4)));
            hashes.insert(of(0).hash);
            count += 1;
        }
    }
    assert_eq!(hashes.len(), count);
}

#[test]
fn an_end_with_nothing_left_to_read_is_between_two_packets() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    for _ in 0..4 {
        assert_eq!(rig.s.frame(&[], 3072), Ok(Framed::Incomplete));
        close_on_packet(&mut rig, 1);
    }
    assert_eq!(rig.s.num_set_aside(), 1);
}

#[test]
fn an_end_in_the_middle_of_an_oversized_packet_is_not_caused_by_the_last_packet_sent() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    for _ in 0..20 {
        rig.now += 100;
        let mut start = vec![0x30, 0xff, 0x7f, 0, 1, b't'];
        start.resize(64, 0);
        take(&mut rig.s, &start, 16).unwrap();
        rig.s.disconnected(true, rig.now);
        rig.connect(true, NEW);
        wait_out_the_hold(&mut rig);
    }
    assert_eq!(rig.s.num_set_aside(), 0);
}
