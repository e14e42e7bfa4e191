//! Messages and subscriptions that the broker hangs up on: when they are set aside, when they are tried again, and that the others go on.
//! Who is blamed, by itself, is in blame.rs.

use super::*;
use crate::session::reached;

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
    assert_eq!(rig.s.num_set_aside(), 1);
    rig.s.disconnected(false, rig.now);
    let good = [1, 2].map(|n| rig.publish_to(b"good", &[n], Q1, limits).unwrap().id.get());
    assert_eq!((rig.s.take_given_up().count, rig.s.num_set_aside()), (1, 0), "the one that was aside went first");
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
    assert_eq!(rig.s.num_set_aside(), 0);
    assert_eq!(rig.s.notice(), None);
}

#[test]
fn what_is_aside_and_finds_no_room_is_looked_for_once_a_second_not_all_the_time() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    hang_up(&mut rig, 4);
    assert_eq!(rig.s.num_set_aside(), 1);
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
        assert_eq!(rig.s.frame(&[0x30], 3072), Ok(Framed::Incomplete));
        rig.s.disconnected(true, rig.now);
        rig.connect(true, NEW);
        rig.now += 4000;
        if rig.out() == [vec![0xc0, 0]] {
            rig.told(&[0xd0, 0]);
            rig.out();
        }
        // All that has come before was taken out.
        assert_eq!(rig.s.frame(&[], 3072), Ok(Framed::Incomplete));
    }
    assert_eq!(rig.s.num_set_aside(), 0);
    assert_eq!(rig.s.frame(&[], 3072), Ok(Framed::Incomplete));
    hang_up(&mut rig, 1);
    hang_up(&mut rig, 10);
    assert_eq!(rig.s.num_set_aside(), 1, "between two packets it is");
}

#[test]
fn what_is_aside_is_not_counted_among_the_bytes_that_wait() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"four", Q1, LIMITS).unwrap();
    rig.out();
    assert_eq!(rig.s.payload_bytes(), 4);
    hang_up(&mut rig, 4);
    assert_eq!((rig.s.num_set_aside(), rig.s.payload_bytes()), (1, 0));
}

/// How many connections it takes, each of which the broker ends on the same message, until that is set aside.
fn ends_until_set_aside(rig: &mut Rig) -> u8 {
    ends_until_set_aside_to(rig, b"bad")
}

fn ends_until_set_aside_to(rig: &mut Rig, topic: &[u8]) -> u8 {
    let before = rig.s.num_set_aside();
    rig.publish_to(topic, b"x", Q1, LIMITS).unwrap();
    rig.out();
    let set_aside = |_: &u8| {
        hang_up(rig, 1);
        rig.s.num_set_aside() > before
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
    assert_eq!(rig.s.num_set_aside(), 1);
    rig.s.connecting(true);
    assert_eq!(rig.s.num_set_aside(), 0);
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

/// Not connected, with keep-alive and `ack_timeout` out of the way.
fn quiet() -> Rig {
    let mut rig = Rig::down();
    rig.s.set_ack_timeout(-1);
    rig
}

fn connect_quietly(rig: &mut Rig) {
    rig.s.connect_sent(true, 0, rig.now);
    rig.told(NEW);
    rig.s.connack_delivered();
}

/// The broker hangs up until so many are aside, which is seen at CONNACK.
fn set_aside_quietly(rig: &mut Rig, messages: u16, filters: u8) {
    for _ in 0..20 {
        connect_quietly(rig);
        if (rig.s.num_set_aside(), rig.s.subscriptions.num_set_aside()) == (messages, filters) {
            return;
        }
        rig.out();
        rig.now += 4000;
        if rig.out() == [vec![0xc0, 0]] {
            rig.told(&[0xd0, 0]);
            rig.out();
        }
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
    }
    panic!("{} messages are aside and {} filters", rig.s.num_set_aside(), rig.s.subscriptions.num_set_aside());
}

#[test]
fn a_message_that_is_aside_is_tried_an_hour_later_while_nothing_else_is_under_way() {
    let mut rig = quiet();
    let bad = rig.publish(1, Q1);
    set_aside_quietly(&mut rig, 1, 0);
    let start = rig.now;
    assert_eq!(rig.s.deadline(), start + 3_600_000);
    // With something under way there is nothing to look for.
    rig.subscribe(b"a");
    let sent = rig.out();
    assert_eq!((sent.len(), sent[0][0]), (1, 0x82));
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
fn a_filter_that_is_aside_is_tried_after_two_minutes_and_then_after_twice_as_long_up_to_an_hour() {
    let mut rig = quiet();
    rig.subscribe(b"a");
    set_aside_quietly(&mut rig, 0, 1);
    assert_eq!(rig.s.notice(), Some(Notice::SubscriptionSetAside { filter: b"a" }));
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
fn when_a_filter_that_was_aside_is_answered_the_next_has_its_turn_at_once() {
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
fn pings_go_on_while_a_message_that_is_aside_is_not_answered() {
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
fn a_pubrel_goes_out_at_once_even_while_a_message_is_held_back() {
    let mut rig = Rig::up();
    let released = rig.publish(1, Q2);
    rig.out();
    rig.told(&ack(0x50, released));
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    let mut held_back = 0;
    for _ in 0..20 {
        rig.now += 100;
        rig.s.disconnected(true, rig.now);
        let sent = rig.connect(false, KEPT);
        assert_eq!(sent.first(), Some(&ack(0x62, released)));
        held_back += (rig.s.suspects.held_until() != 0) as u32;
        // A ping clears the way for the other, at once or when it is no longer held back.
        for wait in [0, 4000] {
            rig.now += wait;
            if sent.contains(&vec![0xc0, 0]) || rig.out().contains(&vec![0xc0, 0]) {
                rig.told(&[0xd0, 0]);
                rig.out();
            }
        }
    }
    assert!(held_back > 0);
}

#[test]
fn what_goes_out_beside_the_queue_keeps_a_message_from_being_alone_unless_it_is_an_acknowledgement() {
    let set_aside = |other: fn(&mut Rig)| {
        let mut rig = Rig::up();
        rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
        rig.out();
        for _ in 0..20 {
            other(&mut rig);
            hang_up(&mut rig, 1);
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
fn what_goes_out_behind_a_pubrel_is_alone_once_pubcomp_has_come() {
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
        // Blamed once: the next end of this kind makes it held back.
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
fn where_the_broker_hangs_up_on_all_that_there_is_none_is_to_blame() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    // Nothing was acknowledged since.
    rig.publish_to(b"worse", b"x", Q1, LIMITS).unwrap();
    rig.out();
    let aside: Vec<u16> = (0..20)
        .map(|_| {
            hang_up(&mut rig, 1);
            rig.s.num_set_aside()
        })
        .collect();
    assert!(aside.contains(&1) && aside.last() == Some(&0) && !aside.contains(&2), "{aside:?}");
    // Another message may be the one that gets through.
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
fn with_another_that_waits_it_is_the_two_messages_that_are_to_blame() {
    let mut rig = Rig::up();
    ends_until_set_aside(&mut rig);
    for topic in [&b"worse"[..], b"good"] {
        rig.publish_to(topic, b"x", Q1, LIMITS).unwrap();
    }
    let mut most = 0;
    for _ in 0..10 {
        hang_up(&mut rig, 1);
        most = most.max(rig.s.num_set_aside());
    }
    assert_eq!(most, 2);
}

#[test]
fn messages_like_those_that_are_aside_go_aside_at_once_until_one_of_them_gets_through() {
    let mut rig = Rig::up();
    let topics = [&b"one"[..], b"two", b"six"];
    for (n, topic) in topics.into_iter().enumerate() {
        ends_until_set_aside_to(&mut rig, topic);
        assert_eq!(rig.s.num_set_aside() as usize, n + 1);
        // It is not the broker: another gets through.
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
        assert_eq!(rig.s.queued() as usize, n + 1, "the other got through");
    }
    let mut aside = 3;
    for topic in topics {
        rig.publish_to(topic, b"xx", Q1, LIMITS).unwrap();
        aside += 1;
        assert_eq!(rig.s.num_set_aside(), aside, "like one that is aside, and larger");
    }
    // One of them is tried, and gets through.
    rig.s.disconnected(false, rig.now);
    let mut sent = rig.connect(true, NEW);
    if sent == [vec![0xc0, 0]] {
        rig.told(&[0xd0, 0]);
        sent = rig.out();
    }
    assert_eq!(sent, [b"\x32\x08\0\x03one\0\x01x"]);
    rig.told(&ack(0x40, 1));
    assert_eq!(rig.s.num_set_aside(), aside - 2, "both of its kind");
    rig.publish_to(b"one", b"xx", Q1, LIMITS).unwrap();
    assert_eq!(rig.s.num_set_aside(), aside - 2);
    rig.publish_to(b"two", b"xx", Q1, LIMITS).unwrap();
    assert_eq!(rig.s.num_set_aside(), aside - 1, "of the others nothing is known yet");
}

#[test]
fn a_message_that_was_aside_and_got_through_is_ended_as_any_other() {
    let mut rig = Rig::up();
    let bad = rig.publish_to(b"bad", b"x", Q2, LIMITS).unwrap().id.get();
    rig.out();
    for _ in 0..20 {
        if rig.s.num_set_aside() == 0 {
            hang_up(&mut rig, 1);
        }
    }
    assert_eq!(rig.s.num_set_aside(), 1);
    rig.s.disconnected(false, rig.now);
    assert_eq!(rig.connect(true, NEW).len(), 1, "a connection that has begun for another reason");
    assert_eq!(rig.told(&ack(0x50, bad)), ack(0x62, bad));
    assert_eq!(rig.s.payload_bytes(), 1);
    for _ in 0..3 {
        assert_eq!(rig.resume(), [ack(0x62, bad)]);
    }
    rig.told(&ack(0x70, bad));
    assert!(rig.s.is_idle());
}

#[test]
fn a_message_before_a_pubrel_is_not_alone() {
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

/// A connection that ends as the message that is aside is tried; before that, what `before` does.
fn end_on_aside(rig: &mut Rig, before: fn(&mut Rig)) {
    rig.s.connect_sent(false, 0, rig.now);
    rig.told(NEW);
    rig.s.connack_delivered();
    before(rig);
    assert!(try_aside(rig).is_some());
    rig.now += 100;
    rig.s.disconnected(true, rig.now);
}

/// The message that is aside, as it goes out, at once or an hour later.
fn try_aside(rig: &mut Rig) -> Option<Vec<u8>> {
    for wait in [0, 3_600_000, 1000, 1000] {
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

/// Something else gets through.
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
    panic!("it does not go out");
}

/// With one message at QoS 2 aside, as it was seen at CONNACK; then that connection has ended.
fn with_one_aside() -> (Rig, u16) {
    let mut rig = quiet();
    let bad = rig.publish_to(b"bad", b"x", Q2, LIMITS).unwrap().id.get();
    set_aside_quietly(&mut rig, 1, 0);
    rig.s.disconnected(false, rig.now);
    assert!(matches!(rig.s.notice(), Some(Notice::SetAside { .. })));
    (rig, bad)
}

#[test]
fn a_message_that_is_aside_is_given_up_after_ten_ends_on_it_with_others_acknowledged_in_between() {
    let (mut rig, bad) = with_one_aside();
    for n in 1..=10 {
        assert_eq!((rig.s.num_set_aside(), rig.s.notice()), (1, None), "{n}");
        end_on_aside(&mut rig, other_message);
    }
    assert_eq!(rig.s.num_set_aside(), 0);
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first: bad, last: bad });
    assert_eq!(rig.s.notice(), Some(Notice::GivenUpAside { id: crate::wire::PacketId::new(bad).unwrap(), topic: b"bad" }));
}

#[test]
fn ends_without_another_message_that_gets_through_do_not_count() {
    let (mut rig, _) = with_one_aside();
    end_on_aside(&mut rig, other_message);
    for _ in 0..15 {
        end_on_aside(&mut rig, |_| {});
        assert_eq!(rig.s.num_set_aside(), 1);
    }
    // A PUBREC that is repeated is nothing new.
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
        rig.out();
        rig.told(&ack(0x50, released));
        assert!(try_aside(&mut rig).is_some());
    }
    assert_eq!(rig.s.num_set_aside(), 1);
}

#[test]
fn a_pubrel_has_all_its_tries_whatever_its_message_has_gone_through() {
    let (mut rig, bad) = with_one_aside();
    for _ in 0..2 {
        end_on_aside(&mut rig, other_message);
    }
    rig.s.set_ack_timeout(0);
    rig.connect(false, NEW);
    assert!(try_aside(&mut rig).is_some());
    assert_eq!(rig.told(&ack(0x50, bad)), ack(0x62, bad));
    assert_eq!(rig.resume(), [ack(0x62, bad)]);
    rig.now += 21_000;
    assert_eq!(rig.out(), [[0xc0, 0]]);
    rig.told(&[0xd0, 0]);
    assert_eq!(rig.out(), [ack(0x62, bad)]);
}

#[test]
fn kinds_of_messages_are_told_apart_by_topic_qos_and_retain_and_a_larger_one_is_like_a_smaller() {
    use crate::session::entry::{Entry, QUEUED, Signature};
    use std::collections::BTreeSet;

    let mut kinds = BTreeSet::new();
    let mut count = 0;
    let topics = (0..=255u8).flat_map(|a| [vec![a], vec![b'a', a], vec![a, b'a'], vec![b't', a, b'/']]);
    for topic in topics.collect::<BTreeSet<_>>() {
        for flags in 0..6 {
            let e = Entry { sent_at: 0, id: 1, topic_len: topic.len() as u16, bits: QUEUED, flags, tries: 0 };
            let of = |payload: usize| Signature::of(&e, &[&topic[..], &vec![b'p'; payload]].concat());
            assert!(of(5).covers(of(5)) && of(5).covers(of(6)) && !of(5).covers(of(4)));
            kinds.insert(of(0).hash);
            count += 1;
        }
    }
    assert_eq!(kinds.len(), count);
}

#[test]
fn an_end_with_nothing_left_to_read_is_one_between_two_packets() {
    let mut rig = Rig::up();
    rig.publish_to(b"bad", b"x", Q1, LIMITS).unwrap();
    rig.out();
    for _ in 0..4 {
        assert_eq!(rig.s.frame(&[], 3072), Ok(Framed::Incomplete));
        hang_up(&mut rig, 1);
    }
    assert_eq!(rig.s.num_set_aside(), 1);
}
