//! The list of subscriptions by itself: what is to be sent, what is awaited, and what is set aside.
//! The packets are in subscribing.rs.
extern crate std;

use super::{Q1, Recipient, Wants};
use crate::session::ack_timer::AckTimer;
use crate::session::subscriptions::{ALL, END, NONE, Subscriptions, Unsubscribed, key};
use crate::wire::{PacketId, matches};
use std::collections::BTreeSet;
use std::vec::Vec;

type List = Subscriptions<u32>;

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

fn add(s: &mut List, filter: &[u8]) -> Option<PacketId> {
    s.add(filter, Q1, Recipient { handler: 1, wants: Wants::EVENTS }).unwrap()
}

/// A ping was sent.
fn pinged(s: &mut List) -> &mut List {
    s.pinged();
    s
}

/// Sends everything there is to send, with packet IDs from `n` on. Returns the first byte of each
/// packet and the last of its filter.
fn send(s: &mut List, mut n: u16, now: u32) -> Vec<(u8, u8)> {
    let mut sent = Vec::new();
    while s.find_next() {
        let out = s.next(id(n), Q1).unwrap();
        sent.push((out.first, *out.text.last().unwrap()));
        s.sent(now).unwrap();
        n += 1;
    }
    sent
}

/// A list with these filters subscribed. Their packet IDs were 1, 2, ... in the order of the list,
/// newest first.
fn subscribed(filters: &[&[u8]]) -> List {
    let mut s = List::NEW;
    for filter in filters.iter().rev() {
        add(&mut s, filter);
    }
    send(&mut s, 1, 0);
    for n in 1..=filters.len() as u16 {
        assert_eq!(s.suback(id(n)), Some(false));
    }
    assert_eq!((s.awaiting(), s.num_set_aside()), (0, 0));
    s
}

const SUBSCRIBE: u8 = 0x82;
const UNSUBSCRIBE: u8 = 0xa2;

#[test]
fn unsubscribe_is_sent_before_subscribe_wherever_they_are_in_the_list() {
    let mut s = subscribed(&[b"a", b"b"]);
    add(&mut s, b"c");
    add(&mut s, b"d");
    s.remove(b"b").unwrap();
    assert_eq!(send(&mut s, 5, 0), [(UNSUBSCRIBE, b'b'), (SUBSCRIBE, b'd'), (SUBSCRIBE, b'c')]);
    assert_eq!(s.awaiting(), 3);
}

#[test]
fn awaited_answers_are_counted_until_received_or_no_longer_needed() {
    let mut s = subscribed(&[b"a", b"b", b"c"]);
    s.remove(b"a").unwrap();
    s.remove(b"b").unwrap();
    add(&mut s, b"d");
    add(&mut s, b"e");
    send(&mut s, 10, 0);
    assert_eq!(s.awaiting(), 4);
    assert_eq!(s.unsuback(id(10)), Some(false));
    assert_eq!(s.awaiting(), 3);
    assert_eq!(s.unsuback(id(10)), None);
    // Subscribed again before UNSUBACK: the packet ID is still in use.
    assert_eq!(add(&mut s, b"b"), Some(id(11)));
    assert_eq!(s.awaiting(), 2);
    // Unsubscribed before SUBACK.
    assert_eq!(s.remove(b"d"), Some(Unsubscribed { awaited: Some(id(13)), forgotten: false }));
    assert_eq!(s.awaiting(), 1);
    assert_eq!(s.suback(id(12)), Some(false));
    assert_eq!(s.awaiting(), 0);
    assert_eq!(send(&mut s, 20, 0), [(UNSUBSCRIBE, b'd'), (SUBSCRIBE, b'b')]);
    assert_eq!(s.awaiting(), 2);
    s.disconnected();
    assert_eq!(s.awaiting(), 0);
}

#[test]
fn an_unsent_unsubscribe_is_not_sent_after_subscribing_again() {
    let mut s = subscribed(&[b"a"]);
    s.remove(b"a").unwrap();
    assert_eq!(add(&mut s, b"a"), None);
    assert_eq!(send(&mut s, 5, 0), [(SUBSCRIBE, b'a')]);
}

#[test]
fn only_pending_unsubscribes_count_towards_their_limit() {
    // Answered, subscribed again, or dropped with the session.
    let ends: [fn(&mut List); 3] = [
        |s| {
            send(s, 5, 0);
            assert_eq!(s.unsuback(id(5)), Some(false));
        },
        |s| {
            add(s, b"a");
            s.remove(b"a").unwrap();
            s.restart(false);
        },
        |s| s.restart(false),
    ];
    for end in ends {
        let mut s = List::NEW;
        for _ in 0..40 {
            add(&mut s, b"a");
            assert_eq!(s.remove(b"a"), Some(Unsubscribed::default()));
            end(&mut s);
            assert!(!s.find_next());
        }
        for n in 0..20 {
            add(&mut s, &[b'b' + n]);
            assert_eq!(s.remove(&[b'b' + n]).unwrap().forgotten, n >= 16);
        }
    }
    // Subscribed and unsubscribed repeatedly, it counts once.
    let mut s = List::NEW;
    for _ in 0..40 {
        add(&mut s, b"a");
        assert_eq!(s.remove(b"a"), Some(Unsubscribed::default()));
    }
    for n in 0..16 {
        add(&mut s, &[b'b' + n]);
        assert_eq!(s.remove(&[b'b' + n]).unwrap().forgotten, n == 15);
    }
}

#[test]
fn beyond_the_limit_the_oldest_unsubscribe_is_forgotten_whether_sent_or_not() {
    for sent in [false, true] {
        let mut s = List::NEW;
        for n in 0..30 {
            add(&mut s, &[b'A' + n]);
            assert_eq!(s.remove(&[b'A' + n]).unwrap().forgotten, n >= 16);
            if sent {
                assert_eq!(send(&mut s, 100 + n as u16, 0), [(UNSUBSCRIBE, b'A' + n)]);
                assert_eq!(s.awaiting(), (n as u16 + 1).min(16));
            }
        }
        s.disconnected();
        s.restart(true);
        let owed: Vec<u8> = send(&mut s, 200, 0).iter().map(|(_, filter)| *filter).collect();
        let expected: Vec<u8> = (14..30).rev().map(|n| b'A' + n).collect();
        assert_eq!(owed, expected);
    }
}

#[test]
fn an_overdue_subscribe_is_resent_once_per_connection_and_then_reported() {
    let ack_timer = AckTimer::NEW;
    let mut s = List::NEW;
    add(&mut s, b"a");
    assert_eq!(s.awaiting_since(), 0);
    for connection in [100_000, 900_000] {
        let at = |ms: u32| connection + ms;
        assert_eq!(send(&mut s, 1, at(0)), [(SUBSCRIBE, b'a')]);
        assert_eq!(s.awaiting_since(), at(0));
        assert_eq!(pinged(&mut s).mark_overdue(at(20_000), &ack_timer, at(19_999)), (false, false), "not late");
        assert_eq!(pinged(&mut s).mark_overdue(at(0) - 1, &ack_timer, at(20_000)), (false, false), "it was written after the ping");
        assert_eq!(pinged(&mut s).mark_overdue(at(20_000), &ack_timer, at(20_000)), (true, true));
        assert_eq!((s.awaiting(), s.awaiting_since(), s.notice()), (0, 0, None));
        assert_eq!(pinged(&mut s).mark_overdue(at(20_000), &ack_timer, at(20_000)), (false, false), "nothing is awaited");
        assert_eq!(send(&mut s, 9, at(21_000)), [(SUBSCRIBE, b'a')]);
        assert_eq!(pinged(&mut s).mark_overdue(at(50_000), &ack_timer, at(50_000)), (true, false));
        assert_eq!(send(&mut s, 9, at(50_000)), []);
        assert_eq!(s.notice(), Some((&b"a"[..], false)));
        assert_eq!(s.notice(), None);
        s.disconnected();
        s.restart(true);
    }
    send(&mut s, 9, 0);
    assert_eq!(s.suback(id(1)), Some(false), "it was sent once on this connection");
}

#[test]
fn an_overdue_unsubscribe_is_resent_once_and_never_reported() {
    let ack_timer = AckTimer::NEW;
    let sent_twice = |answered_before_it_was_resent: bool| {
        let mut s = subscribed(&[b"a"]);
        s.remove(b"a").unwrap();
        assert_eq!(send(&mut s, 5, 0), [(UNSUBSCRIBE, b'a')]);
        assert_eq!(pinged(&mut s).mark_overdue(20_000, &ack_timer, 20_000), (true, true));
        if !answered_before_it_was_resent {
            assert_eq!(send(&mut s, 9, 21_000), [(UNSUBSCRIBE, b'a')]);
        }
        s
    };
    let mut s = sent_twice(true);
    assert_eq!((s.unsuback(id(5)), s.awaiting()), (Some(false), 0));
    let mut s = sent_twice(false);
    assert_eq!((s.unsuback(id(5)), s.awaiting()), (Some(true), 0));
    let mut s = sent_twice(false);
    assert_eq!(pinged(&mut s).mark_overdue(50_000, &ack_timer, 50_000), (true, false));
    assert_eq!((send(&mut s, 9, 50_000), s.notice()), (Vec::new(), None));
    s.disconnected();
    s.restart(true);
    assert_eq!(send(&mut s, 9, 60_000), [(UNSUBSCRIBE, b'a')]);
    assert_eq!(s.unsuback(id(5)), Some(false), "once on this connection");
}

#[test]
fn a_subscribe_answered_before_it_is_resent_was_sent_once() {
    let ack_timer = AckTimer::NEW;
    for (resent, twice) in [(false, false), (true, true)] {
        let mut s = List::NEW;
        add(&mut s, b"a");
        send(&mut s, 1, 0);
        pinged(&mut s).mark_overdue(20_000, &ack_timer, 20_000);
        if resent {
            send(&mut s, 9, 21_000);
        }
        assert_eq!((s.suback(id(1)), s.awaiting()), (Some(twice), 0));
        assert_eq!(send(&mut s, 9, 30_000), []);
    }
}

#[test]
fn a_filter_set_aside_is_reported_once() {
    let mut s = List::NEW;
    add(&mut s, b"b");
    add(&mut s, b"a");
    send(&mut s, 1, 0);
    assert!(!s.set_aside(id(3)), "no filter has this packet ID");
    assert!(s.set_aside(id(2)));
    assert!(!s.set_aside(id(2)), "it is already set aside");
    assert_eq!(s.num_set_aside(), 1);
    assert_eq!(s.notice(), Some((&b"b"[..], true)));
    assert_eq!(s.notice(), None);
    s.disconnected();
    s.restart(false);
    assert_eq!(send(&mut s, 1, 0), [(SUBSCRIBE, b'a')], "the other one is sent");
    s.suback(id(1));
    s.remove(b"a").unwrap();
    send(&mut s, 7, 0);
    assert!(s.set_aside(id(7)), "an UNSUBSCRIBE as well");
    assert_eq!(s.num_set_aside(), 2);
    assert_eq!(s.unsuback(id(7)), Some(false));
    assert_eq!(s.num_set_aside(), 1);
}

#[test]
fn a_filter_stays_set_aside_until_it_is_answered_removed_or_another_broker_is_tried() {
    let set_aside = || {
        let mut s = List::NEW;
        add(&mut s, b"b");
        add(&mut s, b"a");
        send(&mut s, 1, 0);
        assert!(s.set_aside(id(1)) && s.set_aside(id(2)));
        assert_eq!(s.num_set_aside(), 2);
        s.disconnected();
        s
    };
    let mut s = set_aside();
    s.restore_all();
    s.restart(false);
    assert_eq!((s.num_set_aside(), send(&mut s, 1, 0)), (0, [(SUBSCRIBE, b'a'), (SUBSCRIBE, b'b')].to_vec()));
    let mut s = set_aside();
    s.remove(b"a").unwrap();
    s.restart(false);
    assert_eq!((s.num_set_aside(), send(&mut s, 5, 0)), (1, Vec::new()));
    let mut s = set_aside();
    s.restart(false);
    assert!(s.retry_next_aside(false));
    send(&mut s, 5, 0);
    assert_eq!(s.suback(id(1)), Some(false));
    assert_eq!(s.num_set_aside(), 1);
    s.restart(false);
    assert_eq!(send(&mut s, 9, 0), [(SUBSCRIBE, b'a')]);
}

#[test]
fn filters_set_aside_are_retried_in_turn() {
    let mut s = List::NEW;
    for filter in [b"c", b"b", b"a"] {
        add(&mut s, filter);
    }
    assert!(!s.retry_next_aside(false), "none is set aside");
    send(&mut s, 1, 0);
    assert!(s.set_aside(id(1)) && s.set_aside(id(3)));
    assert!(!s.disconnected() || s.awaiting() == 0);
    let mut tried = Vec::new();
    for _ in 0..5 {
        s.restart(false);
        assert_eq!(send(&mut s, 2, 0), [(SUBSCRIBE, b'b')]);
        assert!(s.retry_next_aside(false));
        tried.extend(send(&mut s, 5, 0));
        assert!(s.disconnected(), "the answer to a retried one was awaited");
    }
    assert_eq!(tried.iter().map(|(_, filter)| *filter).collect::<Vec<_>>(), *b"acaca");
    // One that was due for a retry and was not sent waits for its next turn.
    s.restart(false);
    assert!(s.retry_next_aside(false));
    assert!(!s.disconnected());
    s.restart(false);
    assert_eq!(send(&mut s, 2, 0), [(SUBSCRIBE, b'b')]);
}

#[test]
fn a_disconnection_counts_as_a_failed_retry_only_while_its_answer_is_awaited() {
    let mut s = List::NEW;
    add(&mut s, b"b");
    add(&mut s, b"a");
    send(&mut s, 1, 0);
    assert!(!s.disconnected(), "none is set aside");
    s.restart(true);
    send(&mut s, 1, 0);
    s.set_aside(id(1));
    assert!(s.disconnected());
    s.restart(true);
    assert_eq!(send(&mut s, 1, 0), [(SUBSCRIBE, b'b')]);
    assert!(!s.disconnected(), "only the other was in flight");
}

#[test]
fn messages_reach_the_matching_filters_wherever_their_wildcards_are() {
    let delivered = |filters: &[&[u8]], topic: &[u8], removed: bool| {
        let mut s = subscribed(filters);
        if removed {
            s.remove(filters[0]).unwrap();
        }
        assert_eq!(s.start_delivery(topic), s.is_delivering());
        s.is_delivering()
    };
    let long = [b'x'; 300];
    let (at_254, at_255, at_256) = ([&long[..254], b"/#"].concat(), [&long[..255], b"/#"].concat(), [&long[..256], b"/#"].concat());
    for (filter, topic, matches) in [
        (&b"a/+/"[..], &b"a/b/"[..], true),
        (b"+/", b"x/", true),
        (b"+/a", b"x/a", true),
        (b"+/a", b"a", false),
        (b"a/+", b"a/b", true),
        (b"a/+", b"x/b", false),
        (b"a/+/b", b"a/x/b", true),
        (b"x/#", b"a/b", false),
        (b"a/b", b"a/b", true),
        (b"a/b", b"c/b", false),
        (b"a", b"a", true),
        (b"a", b"b", false),
        (b"+", b"a", true),
        (b"#", b"a", true),
        (b"#", b"a/b", true),
        (b"a/#", b"a", true),
        (b"ab/#", b"ab", true),
        (b"abc/#", b"abc", true),
        (b"abc/#", b"ab", false),
        (b"abc/+/d/#", b"abc/x/d", true),
        (b"abc/+/d/#", b"bbc/x/d", false),
        (&at_254, &long[..254], true),
        (&at_254, &long[..253], false),
        (&at_255, &long[..255], true),
        (&at_256, &long[..256], true),
    ] {
        // A list of one is searched in another way.
        for filters in [&[filter][..], &[filter, b"another"]] {
            assert_eq!(delivered(filters, topic, false), matches, "{filter:?} {topic:?}");
            assert!(!delivered(filters, topic, true), "it is unsubscribed");
        }
    }
}

#[test]
fn each_message_reaches_exactly_the_handlers_whose_filters_match() {
    const LEVELS: [&[u8]; 9] = [b"", b"a", b"b", b"ab", b"dev1", b"dev2", b"set", b"$a", "\u{20ac}".as_bytes()];
    // A simple generator of random numbers: the same ones each time.
    let mut state = 1u32;
    let mut below = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % n
    };
    let mut delivered = 0;
    for _ in 0..if cfg!(miri) { 30 } else { 20_000 } {
        let mut text = |wildcards: usize| {
            let mut levels = Vec::new();
            for _ in 0..1 + below(4) {
                levels.push(if below(4) < wildcards { b"+" } else { LEVELS[below(LEVELS.len())] });
            }
            if below(4) < wildcards {
                levels.push(b"#");
            }
            levels.join(&b'/')
        };
        let topic = text(0);
        let mut filters: Vec<_> = (0..8).map(|n| text(n % 3)).collect();
        filters.insert(below(9), topic.clone());
        filters.truncate(1 + below(9));
        filters.retain(|filter| !filter.is_empty());
        let filters: Vec<&[u8]> = filters.iter().map(|filter| &filter[..]).collect();
        let mut s = List::NEW;
        for (n, filter) in filters.iter().enumerate().rev() {
            s.add(filter, Q1, Recipient { handler: n as u32, wants: Wants::EVENTS }).unwrap();
        }
        s.start_delivery(&topic);
        let handlers: Vec<u32> = core::iter::from_fn(|| s.next_recipient(&topic).map(|to| to.handler)).collect();
        let expected: Vec<u32> = (0..filters.len()).filter(|&n| matches(filters[n], &topic)).map(|n| n as u32).collect();
        assert_eq!(handlers, expected, "{topic:?} {filters:?}");
        delivered += handlers.len();
    }
    assert!(delivered > if cfg!(miri) { 10 } else { 10_000 }, "only {delivered}");
}

#[test]
fn a_filter_is_known_by_its_longest_part_without_wildcards() {
    for (filter, part) in [
        (&b"home/dev1/set"[..], ALL),
        (b"a", ALL),
        (b"home/dev1/+", 10),
        (b"home/dev1/#", 10),
        (b"home/dev1/+/set", 10),
        (b"abcd/+/temp", END),
        (b"abcde/+/temp", 6),
        (b"home/+/set1", END),
        (b"home/+/+/set1", END),
        (b"+/a", END),
        (b"a/+/b", END),
        (b"ab/+", 3),
        (b"a/+", NONE),
        (b"a/+/", NONE),
        (b"+/", NONE),
        (b"+", NONE),
        (b"#", NONE),
    ] {
        assert_eq!(key(filter).0, part, "{}", filter.escape_ascii());
        assert_eq!(key(filter).1 == 0, part == NONE || filter.len() == 1, "{}", filter.escape_ascii());
    }
}

#[test]
fn filters_that_differ_in_a_number_have_different_keys() {
    for (before, after) in [("home/dev", "/set"), ("devices/set", ""), ("h/dev", "/set"), ("home/dev", "/relay/set"), ("x", "y")] {
        let keys: BTreeSet<_> = (0..1000).map(|n| key(std::format!("{before}{n:03}{after}").as_bytes())).collect();
        assert_eq!(keys.len(), 1000, "{before}NNN{after}");
    }
    for (before, after) in [("home/dev", "/+"), ("home/dev", "/+/set"), ("home/dev", "/#"), ("home/+/set", "")] {
        let keys: BTreeSet<_> = (0..100).map(|n| key(std::format!("{before}{n:02}{after}").as_bytes())).collect();
        assert_eq!(keys.len(), 100, "{before}NN{after}");
    }
}

#[test]
fn a_match_is_literal_if_the_newest_filter_that_matches_has_no_wildcards() {
    for (filters, literal) in [([&b"a/b"[..], b"a/+"], true), ([b"a/+", b"a/b"], false), ([b"c", b"a/b"], true), ([b"c", b"#"], false)] {
        let mut s = subscribed(&filters);
        assert!(s.start_delivery(b"a/b"));
        assert_eq!(s.matched_literally(), literal, "{filters:?}");
        assert!(!(s.start_delivery(b"$x") || s.matched_literally()));
    }
}

#[test]
fn what_a_handler_receives_stays_so() {
    const ALL: [(&[u8], Wants); 3] = [(b"a", Wants::MESSAGES), (b"b", Wants::EVENTS), (b"c", Wants::PIECES)];
    let mut s = List::NEW;
    for (filter, wants) in ALL {
        s.add(filter, Q1, Recipient { handler: 7, wants }).unwrap();
    }
    for n in 0..=3 {
        if n > 0 {
            send(&mut s, 1, 0);
            s.suback(id(n));
            let (filter, recipient) = s.settled().unwrap();
            assert!(ALL.contains(&(filter, recipient.wants)));
        }
        for (topic, wants) in ALL {
            assert!(s.start_delivery(topic));
            assert_eq!(s.next_recipient(topic), Some(Recipient { handler: 7, wants }));
            assert_eq!(s.next_recipient(topic), None);
        }
    }
}

#[test]
fn what_was_sent_after_the_ping_is_not_overdue() {
    let ack_timer = AckTimer::NEW;
    let mut s = List::NEW;
    add(&mut s, b"a");
    send(&mut s, 1, 0);
    s.pinged();
    add(&mut s, b"b");
    send(&mut s, 2, 20_100);
    assert_eq!(s.mark_overdue(20_000, &ack_timer, 20_200), (true, true));
    assert_eq!((s.awaiting(), s.awaiting_since()), (1, 20_000));
    assert_eq!(send(&mut s, 3, 20_300), [(SUBSCRIBE, b'a')]);
}

#[test]
fn an_unsubscribe_that_is_forgotten_is_no_longer_set_aside() {
    let with_one_aside = || {
        let mut s = List::NEW;
        add(&mut s, b"a");
        s.remove(b"a").unwrap();
        send(&mut s, 1, 0);
        assert!(s.set_aside(id(1)));
        assert_eq!(s.num_set_aside(), 1);
        s
    };
    // There are too many.
    let mut s = with_one_aside();
    for n in 0..16 {
        add(&mut s, &[b'b', n]);
        assert_eq!(s.remove(&[b'b', n]).unwrap().forgotten, n == 15);
    }
    assert_eq!(s.num_set_aside(), 0);
    // The session is lost.
    let mut s = with_one_aside();
    s.disconnected();
    s.restart(false);
    assert_eq!(s.num_set_aside(), 0);
    // It is cancelled.
    let mut s = with_one_aside();
    add(&mut s, b"a");
    assert_eq!(s.num_set_aside(), 0);
}
