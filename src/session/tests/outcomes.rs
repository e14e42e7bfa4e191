//! The outcome of each watched message: reported once, whatever becomes of it.
use super::*;
use crate::heap::testing::fail_after;
use crate::session::{NEVER, Outcome, WatchOptions, reached};
use std::collections::BTreeMap;

/// Tells the outcome to number `handler`.
fn told(handler: u32) -> WatchOptions<u32> {
    WatchOptions { handler, lifetime: 0, replace: false }
}

impl Rig {
    /// Publishes as the layer above does.
    fn publish_watched_to(
        &mut self,
        topic: &[u8],
        payload: &[u8],
        qos: QoS,
        limits: Limits,
        options: WatchOptions<u32>,
    ) -> Result<Published, RequestError> {
        let effective = qos.min(limits.max_qos);
        let id = self.s.watch(effective, options, self.now)?;
        let replaces = options.replace && effective > Q0;
        let published = match replaces.then(|| self.s.replace(topic, payload, effective, false, limits)).flatten() {
            Some(replaced) => {
                replaced.map(|id| Published { id, flags: (effective as u8) << 1, direct: false, next: false, overflow: false })
            }
            None => self.s.publish(topic, payload, qos, false, limits, self.now),
        };
        match published {
            Ok(published) => assert_eq!(published.id, id),
            Err(_) => self.s.refused(id),
        }
        published
    }

    fn publish_watched(&mut self, payload: &[u8], qos: QoS, limits: Limits, options: WatchOptions<u32>) -> Result<Published, RequestError> {
        self.publish_watched_to(b"t", payload, qos, limits, options)
    }

    /// The message that was to be written directly could not be.
    fn not_written(&mut self, id: PacketId) {
        self.s.publish_failed(id);
        self.s.refused(id);
    }

    /// Publishes a byte to `t` at QoS 1. Its packet ID.
    fn watched(&mut self, payload: u8, options: WatchOptions<u32>) -> u16 {
        self.publish_watched(&[payload], Q1, LIMITS, options).unwrap().id.get()
    }

    /// What is to be reported.
    fn outcomes(&mut self) -> Vec<(u16, Outcome, u32)> {
        let expected = self.s.num_settled() as usize;
        let outcomes: Vec<_> = core::iter::from_fn(|| self.s.take_settled()).collect();
        assert_eq!(outcomes.len(), expected);
        outcomes
    }

    /// Time passes.
    fn wait(&mut self, ms: u32) {
        self.now = self.now.wrapping_add(ms);
        self.s.sweep(self.now);
    }
}

#[test]
fn an_acknowledged_message_is_reported_when_the_exchange_is_complete() {
    let mut rig = Rig::up();
    let one = rig.watched(1, told(10));
    let two = rig.publish_watched(&[2], Q2, LIMITS, told(20)).unwrap().id.get();
    rig.out();
    assert_eq!(rig.outcomes(), []);
    rig.told(&ack(0x40, one));
    rig.told(&ack(0x50, two));
    assert_eq!(rig.outcomes(), [(one, Outcome::Acknowledged, 10)]);
    rig.told(&ack(0x70, two));
    assert_eq!(rig.outcomes(), [(two, Outcome::Acknowledged, 20)]);
    rig.told(&ack(0x40, one));
    assert_eq!(rig.outcomes(), [], "once");
}

#[test]
fn a_message_downgraded_by_the_broker_is_acknowledged() {
    let mut rig = Rig::up();
    let id = rig.publish_watched(b"x", Q2, LIMITS, told(1)).unwrap().id.get();
    rig.out();
    rig.told(&ack(0x40, id));
    assert_eq!(rig.outcomes(), [(id, Outcome::Acknowledged, 1)]);
}

#[test]
fn a_message_given_up_on_overflow_is_reported_whether_it_was_queued_or_in_flight() {
    let limits = Limits { max_queue: 1, ..LIMITS };
    let mut rig = Rig::down();
    let queued = rig.publish_watched(b"1", Q1, limits, told(1)).unwrap().id.get();
    let sent = rig.publish_watched(b"2", Q1, limits, told(2)).unwrap().id.get();
    assert_eq!(rig.outcomes(), [(queued, Outcome::GivenUp, 1)]);
    rig.connect(false, NEW);
    rig.publish_watched(b"3", Q1, limits, told(3)).unwrap();
    assert_eq!(rig.outcomes(), [], "it may still be acknowledged");
    rig.s.disconnected(true, rig.now);
    assert_eq!(rig.outcomes(), [(sent, Outcome::GivenUp, 2)]);
}

#[test]
fn a_message_acknowledged_after_its_content_was_dropped_is_not_given_up() {
    let limits = Limits { max_queue: 1, ..LIMITS };
    let mut rig = Rig::up();
    let first = rig.publish_watched(b"1", Q1, limits, told(1)).unwrap().id.get();
    rig.out();
    rig.publish_watched(b"2", Q1, limits, told(2)).unwrap();
    rig.out();
    rig.told(&ack(0x40, first));
    assert_eq!(rig.outcomes(), [(first, Outcome::Acknowledged, 1)]);
}

#[test]
fn without_a_queue_the_outcome_is_that_of_the_one_transmission() {
    let limits = Limits { max_queue: 0, ..LIMITS };
    let mut rig = Rig::up();
    let sent = rig.publish_watched(b"1", Q1, limits, told(1)).unwrap();
    assert!(sent.direct);
    let lost = rig.publish_watched(b"2", Q1, limits, told(2)).unwrap();
    rig.told(&ack(0x40, sent.id.get()));
    rig.s.disconnected(true, rig.now);
    assert_eq!(rig.outcomes(), [(sent.id.get(), Outcome::Acknowledged, 1), (lost.id.get(), Outcome::GivenUp, 2)]);
}

#[test]
fn a_message_that_is_refused_has_no_outcome() {
    let mut rig = Rig::down();
    assert_eq!(rig.publish_watched(b"1", Q0, LIMITS, told(1)), Err(RequestError::Offline));
    rig.connect(false, NEW);
    let limits = Limits { max_queue: 0, ..LIMITS };
    let direct = rig.publish_watched(b"1", Q1, limits, told(1)).unwrap();
    rig.not_written(direct.id);
    let direct = rig.publish_watched(b"1", Q0, limits, told(1)).unwrap();
    rig.not_written(direct.id);
    for blocks in 0..3 {
        fail_after(Some(blocks));
        let refused = rig.publish_watched(b"1", Q1, LIMITS, told(1));
        fail_after(None);
        assert_eq!(refused.is_err(), blocks < 2, "the watch, and the message");
    }
    rig.s.clear();
    let outcomes: Vec<_> = rig.outcomes().into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Freed], "of the one that was accepted");
}

#[test]
fn at_qos_0_a_message_was_sent_when_the_link_has_taken_its_last_byte() {
    let mut rig = Rig::up();
    let first = rig.publish_watched(b"1", Q0, LIMITS, told(1)).unwrap().id;
    rig.s.written(first, 106);
    let second = rig.publish_watched(b"2", Q0, LIMITS, told(2)).unwrap().id;
    rig.s.written(second, 112);
    rig.s.transmitted(105, 7, rig.now);
    assert_eq!(rig.outcomes(), []);
    rig.s.transmitted(1, 6, rig.now);
    assert_eq!(rig.outcomes(), [(first.get(), Outcome::Sent, 1)]);
    rig.s.disconnected(true, rig.now);
    assert_eq!(rig.outcomes(), [(second.get(), Outcome::Lost, 2)]);
}

#[test]
fn at_qos_0_the_bytes_that_wait_are_not_taken_for_a_lifetime() {
    let mut rig = Rig::up();
    let message = rig.publish_watched(b"1", Q0, LIMITS, told(1)).unwrap().id;
    rig.s.written(message, 1000);
    rig.wait(5000);
    rig.s.transmitted(999, 1, rig.now);
    assert_eq!(rig.outcomes(), []);
    rig.s.transmitted(1, 0, rig.now);
    assert_eq!(rig.outcomes(), [(message.get(), Outcome::Sent, 1)]);
}

#[test]
fn a_newer_message_replaces_one_that_was_not_sent_at_its_place_in_the_queue() {
    let replace = |handler| WatchOptions { replace: true, ..told(handler) };
    let mut rig = Rig::down();
    let old = rig.watched(1, replace(1));
    let other = rig.watched(2, told(2));
    let plain = rig.publish(3, Q1);
    let new = rig.watched(4, replace(4));
    assert_eq!(rig.outcomes(), [(old, Outcome::Replaced, 1)]);
    let elsewhere = rig.publish_watched_to(b"u", b"", Q1, LIMITS, replace(5)).unwrap().id.get();
    let [hi, lo] = elsewhere.to_be_bytes();
    assert_eq!(
        rig.connect(false, NEW),
        [message(0x32, new, 4), message(0x32, other, 2), message(0x32, plain, 3), vec![0x32, 5, 0, 1, b'u', hi, lo]]
    );
    // What was sent stays.
    let newest = rig.watched(6, replace(6));
    assert_eq!(rig.out(), [message(0x32, newest, 6)]);
    assert_eq!(rig.outcomes(), []);
    rig.told(&ack(0x40, new));
    assert_eq!(rig.outcomes(), [(new, Outcome::Acknowledged, 4)]);
}

#[test]
fn of_several_that_a_lost_session_left_unsent_none_goes_out_after_the_newest() {
    let replace = |handler| WatchOptions { replace: true, ..told(handler) };
    let mut rig = Rig::up();
    let mut sent = |n| {
        let id = rig.watched(n, replace(n as u32));
        assert_eq!(rig.out().len(), 1);
        id
    };
    let sent = [sent(1), sent(2), sent(3)];
    rig.s.disconnected(false, rig.now);
    rig.s.connect_sent(true, 60, rig.now);
    rig.told(NEW);
    let other = rig.watched(4, told(4));
    let newest = rig.watched(5, replace(5));
    rig.s.connack_delivered();
    assert_eq!(rig.out(), [message(0x32, newest, 5), message(0x32, other, 4)]);
    assert_eq!(rig.outcomes(), [(sent[0], Outcome::Replaced, 1), (sent[1], Outcome::Replaced, 2), (sent[2], Outcome::Replaced, 3)]);
}

#[test]
fn a_replacement_keeps_to_the_bytes_of_the_queue_and_changes_nothing_without_memory() {
    let replace = WatchOptions { replace: true, ..told(1) };
    let limits = Limits { max_bytes: 10, ..LIMITS };
    let mut rig = Rig::down();
    let first = rig.publish_to(b"t", b"123", Q1, limits).unwrap().id.get();
    let old = rig.publish_watched(b"456", Q1, limits, replace).unwrap().id.get();
    assert_eq!(rig.publish_watched(b"1234567890", Q1, limits, replace), Err(RequestError::OverQueueBytes));
    fail_after(Some(1));
    assert_eq!(rig.publish_watched(b"789", Q1, limits, replace), Err(RequestError::OutOfMemory));
    fail_after(None);
    assert_eq!((rig.outcomes(), rig.s.queued()), (vec![], 2));
    rig.publish_watched(b"1234567", Q1, limits, replace).unwrap();
    assert_eq!(rig.outcomes(), [(old, Outcome::Replaced, 1)]);
    assert_eq!(rig.s.take_given_up(), GivenUp { count: 1, first, last: first });
    assert_eq!(rig.s.queued(), 1);
}

#[test]
fn a_message_expires_unless_it_was_sent() {
    let lives = |ms, handler| WatchOptions { lifetime: ms, ..told(handler) };
    let mut rig = Rig::down();
    let short = rig.watched(1, lives(1000, 1));
    rig.wait(600);
    let long = rig.watched(2, lives(1000, 2));
    assert_eq!(rig.s.outcome_due(rig.now), rig.now + 400);
    rig.wait(399);
    assert_eq!(rig.outcomes(), []);
    rig.wait(1);
    assert_eq!(rig.outcomes(), [(short, Outcome::Expired, 1)]);
    assert_eq!(rig.s.outcome_due(rig.now), rig.now + 600);
    assert_eq!(rig.connect(false, NEW), [message(0x32, long, 2)]);
    rig.wait(5000);
    assert_eq!((rig.outcomes(), rig.s.outcome_due(rig.now)), (vec![], NEVER));
    assert_eq!(rig.resume(), [message(0x3a, long, 2)], "it must be repeated in a session that was kept");
    rig.s.disconnected(false, rig.now);
    assert_eq!(rig.connect(false, NEW), [] as [Vec<u8>; 0], "and not in a new one");
    assert_eq!(rig.outcomes(), [(long, Outcome::Expired, 2)]);
    assert!(rig.s.is_idle());
}

#[test]
fn a_lifetime_of_weeks_ends_in_time_while_the_clock_wraps() {
    const DAY: u32 = 86_400_000;
    let mut rig = Rig::down();
    let id = rig.watched(1, WatchOptions { lifetime: 40 * DAY, ..told(1) });
    let mut hours = 0;
    while rig.outcomes() != [(id, Outcome::Expired, 1)] {
        let due = rig.s.outcome_due(rig.now);
        assert!(due != NEVER && !reached(rig.now, due));
        rig.wait(due.wrapping_sub(rig.now));
        hours += 1;
    }
    assert_eq!(hours, 40 * 24);
}

#[test]
fn a_message_that_the_broker_closes_on_is_reported_when_it_is_given_up() {
    let mut rig = Rig::up();
    let limits = Limits { max_queue: 1, ..LIMITS };
    let id = rig.publish_watched(b"x", Q1, limits, told(1)).unwrap().id.get();
    rig.out();
    assert!(rig.s.outbox.set_aside(PacketId::new(id).unwrap(), false));
    // One like it is set aside at once, and dropped, as it is not worth giving up another for.
    let second = rig.publish_watched(b"x", Q1, limits, told(2)).unwrap().id.get();
    let outcomes = rig.outcomes();
    assert_eq!(outcomes.len(), 1);
    assert!(outcomes == [(id, Outcome::GivenUp, 1)] || outcomes == [(second, Outcome::GivenUp, 2)]);
}

#[test]
fn whatever_becomes_of_messages_each_outcome_is_reported_once() {
    for seed in 0..300u32 {
        let mut random = seed.wrapping_mul(0x9e37_79b9) | 1;
        let mut roll = |n: u32| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random % n
        };
        let mut rig = Rig::up();
        let mut is_up = true;
        let (mut accepted, mut reported) = (BTreeMap::new(), BTreeMap::new());
        for handler in 0..400u32 {
            rig.now = rig.now.wrapping_add(roll(3000));
            match roll(12) {
                0..=4 => {
                    let qos = [Q0, Q1, Q1, Q2][roll(4) as usize];
                    let max_queue = [0, 1, 3, 10][roll(4) as usize];
                    let limits = Limits { max_queue, max_bytes: [0, 0, 6][roll(3) as usize], ..LIMITS };
                    let options = WatchOptions { handler, lifetime: roll(2) * roll(9000), replace: roll(2) == 0 };
                    let topic = [b"t", b"u"][roll(2) as usize];
                    fail_after((roll(8) == 0).then_some(roll(3) as usize));
                    let published = rig.publish_watched_to(topic, b"x", qos, limits, options);
                    fail_after(None);
                    let Ok(published) = published else { continue };
                    if published.direct && roll(10) == 0 {
                        rig.not_written(published.id);
                        continue;
                    }
                    if published.flags & 6 == 0 {
                        rig.s.written(published.id, roll(50) as usize);
                    }
                    accepted.insert(handler, published.id.get());
                }
                5 if is_up => {
                    rig.s.disconnected(roll(2) == 0, rig.now);
                    is_up = false;
                }
                6 if !is_up => {
                    rig.connect(roll(3) == 0, [NEW, KEPT][roll(2) as usize]);
                    is_up = true;
                }
                7 => rig.s.transmitted(roll(40) as usize, 0, rig.now),
                8 if is_up => {
                    let id = roll(20) as usize;
                    if let Some(id) = accepted.values().rev().nth(id).copied() {
                        let _ = rig.receive(&ack([0x40, 0x50, 0x70][roll(3) as usize], id), false);
                    }
                }
                9 if is_up => {
                    rig.receive(&[0xd0, 0], false).unwrap();
                }
                10 => {
                    while rig.notice().is_some() {}
                    rig.s.take_given_up();
                }
                _ => rig.s.sweep(rig.now),
            }
            if is_up {
                rig.out();
            }
            for (id, _, handler) in rig.outcomes() {
                assert_eq!(reported.insert(handler, id), None, "seed {seed}: twice");
            }
        }
        rig.s.clear();
        for (id, _, handler) in rig.outcomes() {
            assert_eq!(reported.insert(handler, id), None, "seed {seed}: twice");
        }
        assert_eq!(reported, accepted, "seed {seed}");
    }
}
