//! Which packet counts as the cause of closed connections: only one known to be the last that the
//! broker has received.

use crate::session::suspects::SuspectTracker;
use crate::wire::PacketId;

const ID: PacketId = PacketId::new(7).unwrap();
const OTHER: PacketId = PacketId::new(8).unwrap();

/// Makes connections on each of which one packet is sent alone and which end soon after. Returns at
/// which of them CONNACK shows that the packet is the cause.
fn ends_until_found(b: &mut SuspectTracker) -> Option<u32> {
    for n in 0..20 {
        if b.accepted(n * 20_000) == Some(ID) {
            return Some(n);
        }
        // The suspect is held back until a ping is answered.
        b.wrote_ping(n * 20_000);
        b.ping_answered();
        b.wrote_candidate(ID, n * 20_000 + 5000);
        b.disconnected(true, n * 20_000 + 6000);
    }
    None
}

#[test]
fn after_three_ends_in_a_row_a_packet_is_the_cause_and_before_the_third_it_is_held_back() {
    let mut b = SuspectTracker::NEW;
    for (now, held_until) in [(0, 0), (20_000, 0), (40_000, 43_000)] {
        assert_eq!(b.accepted(now), None);
        assert_eq!((b.held_until(), b.is_all_answered()), (held_until, held_until == 0));
        assert_eq!((b.is_holding(now), b.is_holding(now + 2999)), (held_until != 0, held_until != 0));
        assert!(!b.is_holding(now + 3000));
        b.wrote_ping(now + 3000);
        b.ping_answered();
        assert!(b.is_all_answered());
        b.wrote_candidate(ID, now + 4000);
        assert!(b.disconnected(true, now + 5000));
    }
    assert_eq!(b.accepted(60_000), Some(ID));
    assert_eq!(ends_until_found(&mut b), Some(3), "then it starts over");
}

#[test]
fn two_link_failures_or_one_on_an_idle_link_require_one_more_end() {
    let after = |idle: u8, busy: u8| {
        let mut b = SuspectTracker::NEW;
        (0..idle).for_each(|_| b.link_failed(true));
        (0..busy).for_each(|_| b.link_failed(false));
        ends_until_found(&mut b)
    };
    assert_eq!([(0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (2, 2), (3, 0)].map(|(i, b)| after(i, b)), [3, 4, 4, 4, 4, 6, 6].map(Some));
    assert_eq!([after(5, 0), after(6, 0), after(100, 0), after(0, 200)], [8; 4].map(Some), "at most five more");
    let mut b = SuspectTracker::NEW;
    b.link_failed(true);
    b.link_is_stable();
    assert_eq!(ends_until_found(&mut b), Some(3), "the link is stable");
}

/// A connection on which everything written so far is answered.
fn all_answered() -> SuspectTracker {
    let mut b = SuspectTracker::NEW;
    b.accepted(0);
    b
}

#[test]
fn only_a_packet_sent_alone_is_the_cause() {
    let mut b = all_answered();
    b.wrote_candidate(ID, 0);
    assert!(b.disconnected(true, 100));
    let others: [fn(&mut SuspectTracker); 4] =
        [|b| b.wrote_other(0), |b| b.wrote_ping(0), |b| b.wrote_harmless(OTHER, 0), |b| b.wrote_candidate(OTHER, 0)];
    for other in others {
        let mut b = all_answered();
        other(&mut b);
        assert!(!b.is_all_answered());
        b.wrote_candidate(ID, 0);
        assert!(!b.disconnected(true, 100), "after another");
        let mut b = all_answered();
        b.wrote_candidate(ID, 0);
        other(&mut b);
        assert!(!b.disconnected(true, 100), "before another");
    }
}

#[test]
fn an_answered_packet_is_not_the_cause_but_the_next_may_be() {
    let mut b = all_answered();
    b.wrote_candidate(ID, 0);
    b.id_answered(OTHER);
    assert!(b.disconnected(true, 100), "the answer is to another");
    let mut b = all_answered();
    b.wrote_candidate(ID, 0);
    b.id_answered(ID);
    assert!(b.is_all_answered() && !b.disconnected(true, 100));
    for harmless in [true, false] {
        let mut b = all_answered();
        if harmless {
            b.wrote_harmless(OTHER, 0);
        } else {
            b.wrote_candidate(OTHER, 0);
        }
        b.id_answered(OTHER);
        b.wrote_candidate(ID, 0);
        assert!(b.disconnected(true, 100));
    }
}

#[test]
fn an_answer_in_between_resets_the_count() {
    let mut b = SuspectTracker::NEW;
    for n in 0..10 {
        assert_eq!(b.accepted(n * 20_000), None);
        b.wrote_ping(n * 20_000);
        b.ping_answered();
        b.wrote_candidate(ID, n * 20_000 + 5000);
        if n % 3 == 2 {
            b.id_answered(ID);
        }
        b.disconnected(true, n * 20_000 + 6000);
    }
}

#[test]
fn a_local_end_and_a_late_end_have_another_cause() {
    let ended = |by_peer, left, now| {
        let mut b = all_answered();
        b.wrote_candidate(ID, 1000);
        b.transmitted(left);
        b.disconnected(by_peer, now)
    };
    assert!(ended(true, 1000, 11_000) && !ended(true, 1000, 11_001));
    assert!(ended(true, 5000, 15_000) && !ended(true, 5000, 15_001), "a long upload");
    assert!(!ended(false, 1000, 1100));
}

#[test]
fn another_candidate_resets_the_count_and_the_answer_to_another_packet_does_not() {
    let connection = |b: &mut SuspectTracker, id: PacketId, now: u32| {
        let found = b.accepted(now);
        b.wrote_ping(now + 3000);
        b.ping_answered();
        b.wrote_harmless(OTHER, now + 3000);
        b.id_answered(OTHER);
        b.wrote_candidate(id, now + 4000);
        assert!(b.disconnected(true, now + 5000));
        found
    };
    let mut b = SuspectTracker::NEW;
    let found = [0, 1, 2, 3].map(|n| connection(&mut b, ID, n * 20_000));
    assert_eq!(found, [None, None, None, Some(ID)]);
    let mut b = SuspectTracker::NEW;
    for n in 0..10 {
        assert_eq!(connection(&mut b, if n % 2 == 0 { ID } else { OTHER }, n * 20_000), None);
    }
}
