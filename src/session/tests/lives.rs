//! Lives of a session in virtual time with a broker that answers, keeps silent or closes the
//! connection as each test says: what was accepted must get through, or aside, and nothing may be
//! stuck behind it. The back-off between connections is not here: 20 s after each end comes the next.
//! Brokers and links as users met them are in tests/field.
use super::*;
use crate::session::{NEVER, earlier, reached};
use std::boxed::Box;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What the broker does with a packet.
enum Act {
    Answer(Vec<u8>),
    Silent,
    Close,
}
use Act::{Answer, Close, Silent};

/// That of a good broker.
fn good(p: &[u8]) -> Act {
    let id_at = |at: usize| u16::from_be_bytes([p[at], p[at + 1]]);
    match p[0] >> 4 {
        3 if p[0] & 6 == 0 => Silent,
        3 => Answer(ack(if p[0] & 6 == 2 { 0x40 } else { 0x50 }, id_at(4 + topic(p).len()))),
        5 => Answer(ack(0x62, id_at(2))),
        6 => Answer(ack(0x70, id_at(2))),
        8 => Answer(vec![0x90, 3, p[2], p[3], 1]),
        10 => Answer(ack(0xb0, id_at(2))),
        12 => Answer(vec![0xd0, 0]),
        _ => Silent,
    }
}

/// The topic of a PUBLISH of less than 128 bytes; empty for other packets.
fn topic(p: &[u8]) -> &[u8] {
    if p[0] >> 4 == 3 { &p[4..4 + p[3] as usize] } else { &[] }
}

/// What is said of a packet.
type Says<T> = Box<dyn FnMut(&[u8]) -> T>;

/// A session, its broker, and the time between them.
struct Life {
    rig: Rig,
    broker: Says<Act>,
    writable: Says<bool>,
    inbox: VecDeque<(u32, Vec<u8>)>,
    close_at: Option<u32>,
    connect_at: Option<u32>,
    /// `mqtt.clean_session`.
    clean: bool,
    /// What was written.
    log: Vec<Vec<u8>>,
}

impl Life {
    /// Connects after a second.
    fn new(clean: bool, broker: impl FnMut(&[u8]) -> Act + 'static) -> Self {
        Life {
            rig: Rig::down(),
            broker: Box::new(broker),
            writable: Box::new(|_| true),
            inbox: VecDeque::new(),
            close_at: None,
            connect_at: Some(1000),
            clean,
            log: vec![],
        }
    }

    fn pump(&mut self) {
        for _ in 0..10_000 {
            let Some(out) = self.rig.s.next(true, self.rig.now) else { return };
            let packet = bytes(&out);
            if !(self.writable)(&packet) {
                return;
            }
            self.rig.s.sent(0, self.rig.now);
            self.rig.s.transmitted(packet.len(), 0, self.rig.now);
            self.written(packet);
        }
        panic!("next() never ends");
    }

    fn written(&mut self, packet: Vec<u8>) {
        if self.close_at.is_none() {
            match (self.broker)(&packet) {
                Answer(a) => self.inbox.push_back((self.rig.now + 50, a)),
                Silent => {}
                Close => self.close_at = Some(self.rig.now + 50),
            }
        }
        self.log.push(packet);
    }

    fn end(&mut self, by_peer: bool, wait: u32) {
        self.inbox.clear();
        self.close_at = None;
        self.rig.s.disconnected(by_peer, self.rig.now);
        while self.rig.s.notice().is_some() {}
        self.connect_at = Some(self.rig.now + wait);
    }

    fn run(&mut self, ms: u32) {
        let until = self.rig.now + ms;
        while !reached(self.rig.now, until) {
            let now = self.rig.now;
            if self.connect_at.is_some_and(|at| reached(now, at)) {
                self.connect_at = None;
                self.rig.s.connect_sent(self.clean, 60, now);
                self.rig.told(if self.clean { NEW } else { KEPT });
                self.rig.s.connack_delivered();
            }
            while self.inbox.front().is_some_and(|(at, _)| reached(now, *at)) {
                let (_, p) = self.inbox.pop_front().unwrap();
                let answer = self.rig.told(&p);
                if !answer.is_empty() {
                    let h = decode_whole(&answer);
                    self.rig.s.sent_other(answer[0], h.id, now);
                    self.written(answer);
                }
            }
            if self.close_at.is_some_and(|at| reached(now, at)) {
                self.end(true, 20_000);
                continue;
            }
            if self.connect_at.is_none() && self.rig.s.is_dead(now) {
                self.end(false, 20_000);
                continue;
            }
            self.pump();
            while self.rig.s.notice().is_some() {}
            let deadline = self.rig.s.deadline();
            // Polls once a second.
            let mut at = now + 1000;
            if deadline != NEVER {
                at = earlier(at, deadline);
            }
            for other in [self.inbox.front().map(|i| i.0), self.close_at, self.connect_at].into_iter().flatten() {
                at = earlier(at, other);
            }
            self.rig.now = if reached(now, at) { now + 1 } else { at };
        }
    }

    fn sent_to(&self, name: &[u8]) -> usize {
        self.log.iter().filter(|p| topic(p) == name).count()
    }

    fn publish(&mut self, name: &[u8], qos: QoS) -> u16 {
        let id = self.rig.publish_to(name, b"x", qos, Limits { max_queue: 100, ..LIMITS }).unwrap().id.get();
        self.pump();
        id
    }
}

const HOUR: u32 = 3_600_000;

#[test]
fn an_unsubscribe_on_which_the_broker_closes_blocks_nothing() {
    // Only a kept session needs it again.
    let mut l = Life::new(false, |p| if p[0] >> 4 == 10 { Close } else { good(p) });
    l.rig.subscribe(b"a");
    l.rig.subscribe(b"b");
    l.run(10_000);
    l.rig.s.unsubscribe(b"a", l.rig.now);
    l.run(10_000);
    l.publish(b"good", Q1);
    l.run(HOUR);
    assert_eq!((l.rig.s.queued(), l.rig.s.subscriptions.num_set_aside()), (0, 1));
    // Subscribing again cancels it.
    l.rig.subscribe(b"a");
    assert_eq!(l.rig.s.subscriptions.num_set_aside(), 0);
}

#[test]
fn a_filter_on_which_the_broker_closes_blocks_no_message() {
    for clean in [true, false] {
        // Nor a PUBREL, which is on its way when the filter comes.
        for released in [false, true] {
            let silent = Rc::new(Cell::new(released));
            let now_silent = silent.clone();
            let mut l = Life::new(clean, move |p| match p[0] >> 4 {
                8 => Close,
                6 if now_silent.get() => Silent,
                _ => good(p),
            });
            l.run(1000);
            if released {
                l.publish(b"two", Q2);
                l.run(1000);
                silent.set(false);
                l.end(false, 1000);
            }
            l.rig.subscribe(b"a");
            l.publish(b"good", Q1);
            l.run(2 * HOUR);
            assert_eq!((l.rig.s.queued(), l.rig.s.subscriptions.num_set_aside()), (0, 1), "{released}");
        }
    }
}

#[test]
fn a_message_set_aside_gets_its_turn_although_a_filter_is_set_aside_for_good() {
    for clean in [true, false] {
        let takes_all = Rc::new(Cell::new(false));
        let takes = takes_all.clone();
        let mut l =
            Life::new(clean, move |p| if p[0] >> 4 == 8 && p[6] == b'a' || topic(p) == b"bad" && !takes.get() { Close } else { good(p) });
        l.rig.subscribe(b"a");
        l.run(HOUR);
        l.publish(b"good", Q1);
        l.publish(b"bad", Q1);
        l.run(HOUR);
        assert_eq!((l.rig.s.num_set_aside(), l.rig.s.subscriptions.num_set_aside()), (1, 1));
        takes_all.set(true);
        l.run(10 * HOUR);
        assert_eq!(l.rig.s.queued(), 0);
    }
}

#[test]
fn only_ends_by_the_broker_count_against_a_message_set_aside() {
    for clean in [true, false] {
        let closes = Rc::new(Cell::new(true));
        let now_closes = closes.clone();
        let mut l = Life::new(clean, move |p| match topic(p) {
            b"bad" if now_closes.get() => Close,
            b"bad" => Silent,
            _ => good(p),
        });
        l.run(1000);
        l.publish(b"bad", Q1);
        l.run(HOUR / 4);
        assert_eq!(l.rig.s.num_set_aside(), 1);
        closes.set(false);
        for _ in 0..25 {
            l.end(false, 2000);
            l.publish(b"good", Q1);
            l.run(10_000);
        }
        assert_eq!(l.rig.s.total_given_up(), 0);
    }
}

#[test]
fn a_message_for_which_memory_is_lacking_keeps_back_no_ping() {
    for clean in [true, false] {
        let mut l = Life::new(clean, good);
        l.run(1000);
        l.writable = Box::new(|p| topic(p) != b"large");
        l.publish(b"large", Q1);
        l.run(HOUR / 6);
        assert_eq!(l.sent_to(b"large"), 0);
        let pings = l.log.iter().filter(|p| p[0] == 0xc0).count();
        assert!(pings >= 10, "{pings} in ten minutes");
    }
}

#[test]
fn each_message_set_aside_gets_its_turn_also_behind_one_that_stays_unanswered() {
    for clean in [true, false] {
        let closes = Rc::new(Cell::new(true));
        let now_closes = closes.clone();
        let mut l = Life::new(clean, move |p| match topic(p) {
            b"bad1" | b"bad2" if now_closes.get() => Close,
            b"bad1" => Silent,
            _ => good(p),
        });
        l.run(1000);
        for bad in [b"bad1", b"bad2"] {
            l.publish(bad, Q1);
            l.run(HOUR / 2);
            l.publish(b"good", Q1);
            l.run(HOUR / 4);
        }
        assert_eq!(l.rig.s.num_set_aside(), 2);
        closes.set(false);
        l.run(10 * HOUR);
        assert_eq!(l.rig.s.num_set_aside(), 1);
    }
}

#[test]
fn a_lost_subscribe_is_repeated_although_others_are_sent_all_the_time() {
    for clean in [true, false] {
        let times = Rc::new(Cell::new(0));
        let count = times.clone();
        let mut l = Life::new(clean, move |p| {
            if p[0] >> 4 == 8 && p[6] == b'a' {
                count.set(count.get() + 1);
                if count.get() == 1 {
                    return Silent;
                }
            }
            good(p)
        });
        l.run(1000);
        l.rig.subscribe(b"a");
        l.run(1000);
        for _ in 0..30 {
            l.rig.subscribe(b"b");
            l.run(5000);
            l.rig.s.unsubscribe(b"b", l.rig.now);
            l.run(5000);
        }
        assert_eq!(times.get(), 2);
    }
}
