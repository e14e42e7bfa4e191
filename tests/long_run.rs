//! Ten years of a device in the field, in virtual time: the millisecond clock wraps around 73
//! times, packet IDs 80 times.
//!
//! Uses the client, broker and tap of the simulation, without its chaos: an app publishes each
//! minute, receives a message each hour, and loses its network for some time each day. Checks what
//! a single run of the simulation is too short for; what breaks connections under stress is not
//! tested here.

mod malloc;
mod reference;
mod sim;

use malloc::allocated;
use mgos_mqtt::conn::{BackoffRange, Conn, DisconnectReason, Reconnect, Wake};
use mgos_mqtt::wire::QoS;
use sim::broker::{Broker, Habits};
use sim::client::{Client, Config};
use sim::link::{Manner, Opening};
use sim::rng::Rng;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;
const YEARS: u64 = 10;
const KEEP_ALIVE: u16 = 60;
const WAITS: BackoffRange = BackoffRange { min: 2000, max: 60_000 };
const CONNECT_TIMEOUT: u32 = 30_000;
const AT_ONCE: Manner = Manner { delay: 0, piece: 1500, stall_one_in: 0, stall: 0 };

/// One test at a time: allocations are counted for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Device {
    client: Client,
    broker: Broker,
    rng: Rng,
    now: u64,
    /// The expected next wait of the back-off; 0 for any.
    wait: u64,
    attempts: u64,
    longest_offline: u64,
}

impl Device {
    fn new() -> Self {
        let config = Config {
            clean_session: false,
            keep_alive: KEEP_ALIVE,
            max_queue: 1000,
            max_bytes: 0,
            max_qos: QoS::ExactlyOnce,
            receive_limit: 3072,
            waits: WAITS,
            connect_timeout: CONNECT_TIMEOUT,
            clock: 0,
            others: false,
        };
        let habits = Habits { passes_on_at_release: true, window: 20, loses_one_in: 0, refuses_one_in: 0, late_one_in: 0 };
        let client = Client::new(config, AT_ONCE, Rng::new(1), false);
        Device { client, broker: Broker::new(habits), rng: Rng::new(2), now: 0, wait: 0, attempts: 0, longest_offline: 0 }
    }

    /// Exchanges data until neither side has anything to send.
    fn talk(&mut self) {
        loop {
            let Some(link) = self.client.link.as_mut().filter(|l| l.opening == Opening::Done) else { return };
            if link.up.len() > 0 {
                let bytes = link.up.take(self.now, &mut self.rng, AT_ONCE);
                let (answer, close) = self.broker.read(&bytes, self.now, &mut self.rng);
                assert!(!close, "the broker has hung up");
                link.down.push(&answer, self.now, &mut self.rng, AT_ONCE);
                self.client.pump(self.now);
            } else if link.down.len() > 0 {
                let bytes = link.down.take(self.now, &mut self.rng, AT_ONCE);
                self.client.arrived(&bytes, self.now);
            } else {
                return;
            }
        }
    }

    /// The connection or attempt has ended. The next wait is twice the last, plus or minus a tenth.
    fn lost(&mut self) {
        self.broker.closed();
        self.client.closed(self.now);
        let wait = self.client.conn.deadline().expect("another attempt").wrapping_sub(self.client.clock(self.now)) as u64;
        let expected = if self.wait == 0 { WAITS.min as u64 } else { (2 * self.wait).min(WAITS.max as u64) };
        assert!(wait.abs_diff(expected) <= expected / 10, "{} ms are waited at {}, not {expected}", wait, self.now);
        self.wait = expected;
        self.attempts += 1;
    }

    /// Processes everything before `end`: attempts and timers, each at its exact time.
    fn run_until(&mut self, end: u64) {
        let mut at_same_time = 0;
        loop {
            let clock = self.client.clock(self.now);
            let timer = self.client.conn.deadline().map(|at| {
                let left = at.wrapping_sub(clock) as i32;
                assert!(left >= 0, "something was due {} ms ago", -left);
                self.now + left as u64
            });
            let link = self.client.link.as_ref();
            let opening = link.and_then(|l| match l.opening {
                Opening::At(t) | Opening::FailsAt(t) => Some(t),
                _ => None,
            });
            let closed = link.and_then(|l| l.closed_at);
            let next = [timer, opening, closed].into_iter().flatten().min().unwrap_or(u64::MAX);
            if next >= end {
                break;
            }
            at_same_time = if next == self.now { at_same_time + 1 } else { 0 };
            assert!(at_same_time < 100, "no end of what is due at {next}");
            self.now = next;
            assert!(self.broker.patience().is_none_or(|t| t > next), "3.1.2-24: the broker has given the device up for its silence");
            if closed == Some(next) {
                self.lost();
            } else if opening == Some(next) {
                let link = self.client.link.as_mut().expect("an attempt");
                if matches!(link.opening, Opening::FailsAt(_)) {
                    self.lost();
                } else {
                    link.opening = Opening::Done;
                    self.broker.open(next);
                    self.client.connected(next);
                    self.talk();
                    assert!(self.client.conn.session.is_up());
                    self.wait = 0;
                }
            } else {
                // A timer has something to do when it fires, or was postponed by what happened
                // meanwhile.
                let before = (self.client.tap.seen.pings, self.client.conn.deadline());
                self.client.wake(next);
                self.client.pump(next);
                assert_ne!(before, (self.client.tap.seen.pings, self.client.conn.deadline()), "a timer without effect");
                self.talk();
            }
        }
        self.now = end;
    }

    /// The network is down for this long. The app keeps publishing.
    fn outage(&mut self, minutes: u64, number: &mut u32) {
        self.client.unreachable = true;
        if self.client.link.is_some() {
            self.lost();
        }
        for _ in 0..minutes {
            self.minute(number);
        }
        self.client.unreachable = false;
        let (end, attempts) = (self.now, self.attempts);
        while !self.client.conn.session.is_up() {
            self.run_until(self.now + SECOND);
        }
        // For each attempt its time limit, and before the next one the longest wait and a tenth;
        // one may have been in progress.
        let limit = (self.attempts - attempts + 1) * (CONNECT_TIMEOUT as u64 + WAITS.max as u64 * 11 / 10);
        assert!(self.now - end <= limit, "back after {} ms", self.now - end);
        self.longest_offline = self.longest_offline.max(self.now - end);
        // Up to the next full minute.
        self.run_until(self.now.next_multiple_of(MINUTE));
    }

    fn minute(&mut self, number: &mut u32) {
        *number += 1;
        let qos = if number.is_multiple_of(2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        self.client.publish(*number, b"out/reading", 20, qos, self.now);
        if self.now.is_multiple_of(60 * MINUTE) {
            *number += 1;
            let bytes = self.broker.publish(*number, b"in/command", (*number % 3) as u8, 30);
            if let Some(link) = self.client.link.as_mut().filter(|l| l.opening == Opening::Done) {
                link.down.push(&bytes, self.now, &mut self.rng, AT_ONCE);
            }
        }
        self.talk();
        self.run_until(self.now + MINUTE);
    }

    /// Everything published and accepted since the last check has arrived as its QoS requires.
    fn reckon(&mut self) {
        assert!(self.client.conn.session.is_idle() && self.broker.is_idle(false), "something is left over");
        self.client.tap.check_end();
        for m in self.client.taken.drain(..) {
            assert_eq!(self.broker.arrived.get(&m.number), Some(&1), "message {} at {:?}", m.number, m.qos);
        }
        self.client.delivered.clear();
        self.broker.forget_the_past();
    }
}

#[test]
fn ten_years_with_daily_outages_lose_and_leak_nothing() {
    let _alone = alone();
    let mut d = Device::new();
    let mut number = 0;
    let mut commands = 0;
    d.client.subscribe(b"in/#", QoS::ExactlyOnce, 0);
    d.client.connect(0);
    d.run_until(MINUTE);
    // The first attempt may have failed; from here on only outages end connections.
    while !d.client.conn.session.is_up() {
        d.run_until(d.now + MINUTE);
    }
    let (mut before, mut published) = (0, 0);
    let mut online_minutes = 0;
    for day in 1..=YEARS * 365 {
        let pings = d.client.tap.seen.pings;
        let quiet = d.now;
        let outage_at = quiet + d.rng.below(20 * 60) * MINUTE;
        while d.now < outage_at {
            d.minute(&mut number);
        }
        // With a message each minute, answered immediately, there is one ping a minute, 55 s after
        // it: neither early nor late.
        assert_eq!(d.client.tap.seen.pings - pings, (outage_at - quiet) / MINUTE, "pings on day {day}");
        online_minutes += (outage_at - quiet) / MINUTE;
        let minutes = d.rng.between(1, 180);
        d.outage(minutes, &mut number);
        while d.now < day * DAY + MINUTE {
            d.minute(&mut number);
        }
        published += d.client.taken.len();
        commands += d.client.delivered.len();
        d.reckon();
        // By then malloc's per-thread cache of small blocks, which counts as allocated, is full.
        if day == 3 * 365 {
            before = allocated();
        }
    }
    let seen = d.client.tap.seen;
    println!(
        "{published} messages out, {commands} in, {} connections, {} failed attempts, {} pings, {} identifier wraps, {} clock wraps; \
         reconnected at most {} ms after an outage",
        seen.connects,
        d.attempts,
        seen.pings,
        seen.wraps,
        d.now >> 32,
        d.longest_offline
    );
    let end = allocated();
    assert!(end <= before + 8192, "{before} bytes were allocated after three years, {end} after ten");
    assert!(published as u64 > YEARS * 365 * 24 * 60 * 99 / 100 && online_minutes > 1_000_000);
    assert!(seen.wraps >= 80 && d.now >> 32 >= 73 && seen.connects >= YEARS * 365);
    assert_eq!(d.client.overflows, 0);
}

#[test]
fn an_outage_of_ten_years_ends_with_the_same_wait_as_one_of_ten_minutes() {
    let _alone = alone();
    let mut c = Conn::<u32>::default();
    let mut rng = Rng::new(3);
    let (mut now, mut attempts) = (0u64, 0u64);
    while now < YEARS * 365 * DAY {
        c.connecting(CONNECT_TIMEOUT, 1, now as u32);
        let fails = rng.one_in(2);
        now += if fails { 10 } else { CONNECT_TIMEOUT as u64 };
        assert_eq!(c.wake(now as u32), if fails { Wake::Nothing } else { Wake::ConnectTimeout });
        c.disconnected(DisconnectReason::Peer, now as u32);
        let Reconnect::After(wait) = c.plan_reconnect(Some(WAITS), None, rng.number() as u32, now as u32) else {
            panic!("no further attempt")
        };
        assert!(attempts < 5 || (54_000..=66_000).contains(&wait), "{wait}");
        assert_eq!(c.wake((now + wait as u64 - 1) as u32), Wake::Nothing);
        now += wait as u64;
        assert_eq!(c.wake(now as u32), Wake::Connect);
        c.cancel_wait();
        attempts += 1;
    }
    println!("{attempts} attempts");
}

#[test]
fn however_long_a_device_has_been_disconnected_its_next_connection_is_like_the_first() {
    let _alone = alone();
    for idle in [0, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) - 1, 1 << 32, (1 << 32) + 60_000, 5 << 32] {
        for start in [0, 1 << 31, (1 << 32) - 30_000] {
            let mut d = Device::new();
            d.now = start;
            let mut story = Vec::new();
            for life in 1..=2 {
                while !d.client.conn.session.is_up() {
                    d.client.connect(d.now);
                    d.run_until(d.now + SECOND);
                }
                d.client.publish(life, b"out/hello", 20, QoS::AtLeastOnce, d.now);
                d.talk();
                let (pings, begin) = (d.client.tap.seen.pings, d.now);
                d.run_until(d.now + 10 * MINUTE);
                story.push((d.client.tap.seen.pings - pings, d.now - begin));
                d.client.disconnect(d.now);
                d.talk_to_the_end();
                if life == 1 {
                    d.now += idle;
                    assert_eq!(d.client.conn.wake(d.client.clock(d.now)), Wake::Nothing);
                }
            }
            assert_eq!(story[0], (10, 10 * MINUTE));
            assert_eq!(story[0], story[1], "idle for {idle} ms from {start}");
        }
    }
}

impl Device {
    /// After DISCONNECT: the rest is sent, and then the connection is gone. No other follows.
    fn talk_to_the_end(&mut self) {
        let link = self.client.link.as_mut().expect("a connection");
        let bytes = link.up.take(self.now, &mut self.rng, AT_ONCE);
        self.broker.read(&bytes, self.now, &mut self.rng);
        self.broker.closed();
        self.client.closed(self.now);
        assert_eq!(self.client.conn.deadline(), None);
    }
}
