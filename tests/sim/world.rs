//! The world: one client, one broker, a link between them and a clock that jumps from event to
//! event. One seed is one run.
//!
//! First a rough time in which everything breaks; then a calm one, at whose end everything must
//! have arrived.

use super::app::Line;
use super::broker::{Broker, Habits};
use super::client::{Client, Config};
use super::link::{Manner, Opening};
use super::rng::Rng;
use mgos_mqtt::conn::BackoffRange;
use mgos_mqtt::session::{Outcome, WatchOptions};
use mgos_mqtt::wire::QoS;
use std::collections::BTreeMap;

const CALM: Manner = Manner { delay: 20, piece: 4096, stall_one_in: 0, stall: 0 };
const TOPICS: [&[u8]; 3] = [b"out/a", b"out/b", b"out/c"];
const INCOMING: [&[u8]; 4] = [b"in/a", b"in/b", b"in/c", b"stray/d"];
/// Filters that come and go; a permanent filter also matches everything that they match.
const EXTRA: [&[u8]; 3] = [b"in/a", b"in/+", b"+/b"];

/// Statistics of a run, to be summed over many.
#[derive(Clone, Copy, Default, Debug)]
pub struct Summary {
    pub connections: u64,
    pub published: u64,
    pub delivered: u64,
    pub dups: u64,
    pub releases_repeated: u64,
    pub pings: u64,
    pub wraps: u64,
    pub oversized: u64,
    pub overflows: u64,
    pub timeouts: u64,
    pub sessions_lost: u64,
    /// Outcomes that were told: acknowledged, sent, replaced, expired, given up, lost.
    pub outcomes: [u64; 6],
    pub hours: f64,
}

struct World {
    now: u64,
    rng: Rng,
    client: Client,
    broker: Broker,
    rough: Manner,
    calm: bool,
    answers_late: bool,
    next_number: u32,
    polled: u64,
    /// A timer that has fired without effect is checked again at the next poll.
    woken: u64,
}

fn plan(rng: &mut Rng, trace: bool) -> World {
    let config = Config {
        clean_session: rng.one_in(3),
        keep_alive: rng.pick(&[1, 2, 5, 20, 60]),
        max_queue: rng.pick(&[10_000, 10_000, 10_000, 10_000, 3, 1, 0]),
        max_bytes: 0,
        max_qos: rng.pick(&[QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce]),
        receive_limit: rng.pick(&[64, 200, 3072]),
        waits: rng.pick(&[BackoffRange { min: 2000, max: 60_000 }, BackoffRange { min: 100, max: 1000 }, BackoffRange { min: 0, max: 0 }]),
        connect_timeout: rng.pick(&[5_000, 30_000]),
        clock: rng.pick(&[0, 1 << 31, u32::MAX - 30_000, u32::MAX - 100_000, (1 << 31) - 60_000]),
        others: rng.one_in(2),
    };
    let habits = Habits {
        passes_on_at_release: rng.one_in(2),
        window: rng.pick(&[1, 3, 20, 200]),
        loses_one_in: rng.pick(&[0, 0, 3]),
        refuses_one_in: rng.pick(&[0, 0, 10]),
        late_one_in: rng.pick(&[0, 0, 3, 30]),
    };
    let rough = Manner {
        delay: rng.pick(&[0, 5, 100, 1000]),
        piece: rng.pick(&[1, 3, 40, 1500]),
        stall_one_in: rng.pick(&[0, 200, 2000]),
        stall: rng.pick(&[3_000, 200_000]),
    };
    let mut client = Client::new(config, rough, Rng::new(rng.number()), trace);
    client.oom_one_in = rng.pick(&[0, 0, 3, 30]);
    client.tap.lenient = client.oom_one_in > 0;
    client.tap.gives_up = client.config.max_queue < 10;
    // Somewhere in the range of packet IDs, often close to its end.
    for _ in 0..rng.pick(&[0, 100, 65_530, 65_400]) {
        client.conn.session.packet_id();
    }
    if trace {
        println!("{:?}\n{habits:?}\n{rough:?}\nno memory once in {}", client.config, client.oom_one_in);
    }
    let rng = Rng::new(rng.number());
    World {
        now: 0,
        rng,
        client,
        broker: Broker::new(habits),
        rough,
        calm: false,
        answers_late: habits.late_one_in > 0,
        next_number: 1,
        polled: 0,
        woken: u64::MAX,
    }
}

/// Runs one seed; panics when a rule is violated.
pub fn live(seed: u64, trace: bool) -> Summary {
    let mut rng = Rng::new(seed);
    let mut w = plan(&mut rng, trace);
    w.client.subscribe(b"in/#", QoS::ExactlyOnce, 0);
    // No subscription of the library gets it, as if the app had sent this SUBSCRIBE itself: see
    // `act`.
    w.client.connect(0);
    let end = w.rng.between(5_000, 120_000);
    let mut act_at = 0;
    while act_at < end {
        act_at += w.rng.below(1500);
        w.run_until(act_at);
        w.act();
    }
    w.calm_down();
    w.check();
    w.idle();
    w.summary()
}

impl World {
    fn number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number
    }

    fn run_until(&mut self, end: u64) {
        while self.step(end) {}
        self.now = end;
    }

    /// One event, if there is one before `end`.
    fn step(&mut self, end: u64) -> bool {
        let clock = self.client.clock(self.now);
        let wakes = [self.client.conn.deadline(), self.client.outcomes_due(self.now)];
        let timer = wakes.into_iter().flatten().map(|at| self.now + (at.wrapping_sub(clock) as i32).max(0) as u64).min();
        let timer = timer.filter(|at| *at != self.woken);
        let mut next = timer.unwrap_or(u64::MAX).min(self.broker.patience().unwrap_or(u64::MAX));
        if let Some(link) = &self.client.link {
            let opening = match link.opening {
                Opening::At(t) | Opening::FailsAt(t) => Some(t),
                _ => None,
            };
            let ends = if link.flushing && link.up.len() == 0 { Some(self.now) } else { link.closed_at };
            let over = (link.broker_closed && link.down.len() == 0).then_some(self.now);
            let times = [opening, link.up.due(), link.down.due(), ends, over, Some(self.polled + 1000)];
            next = times.into_iter().flatten().fold(next, u64::min);
        }
        if next > end {
            return false;
        }
        self.now = next.max(self.now);
        let now = self.now;
        if timer.is_some_and(|at| at <= now) {
            self.woken = now;
            self.client.wake(now);
            self.client.pump(now);
        }
        if self.broker.patience().is_some_and(|t| t <= now) {
            assert!(!self.calm, "3.1.2-24: the broker has given the client up for its silence");
            self.hang_up();
        }
        self.move_bytes();
        self.client.tell_outcomes(now);
        if self.client.link.is_some() && now >= self.polled + 1000 {
            self.polled = now;
            self.answer_late();
            self.woken = u64::MAX;
            self.client.poll(now);
            if self.client.conn.session.may_send() {
                self.client.tap.check_silence(now);
            }
        }
        true
    }

    /// The broker answers what it has left unanswered so far.
    fn answer_late(&mut self) {
        let bytes = self.broker.late(self.now);
        if let Some(link) = self.client.link.as_mut().filter(|l| !l.broker_closed && l.opening == Opening::Done) {
            link.down.push(&bytes, self.now, &mut self.rng, self.client.manner);
        }
    }

    /// The broker closes the connection.
    fn hang_up(&mut self) {
        self.broker.closed();
        if let Some(link) = &mut self.client.link {
            link.broker_closed = true;
        }
    }

    fn move_bytes(&mut self) {
        let (now, manner) = (self.now, self.client.manner);
        let Some(link) = &mut self.client.link else { return };
        match link.opening {
            Opening::At(t) if t <= now => {
                link.opening = Opening::Done;
                self.broker.open(now);
                return self.client.connected(now);
            }
            Opening::FailsAt(t) if t <= now => return self.client.closed(now),
            _ => {}
        }
        if link.up.due().is_some_and(|t| t <= now) {
            let bytes = link.up.take(now, &mut self.rng, manner);
            let taken = bytes.len();
            if !link.broker_closed {
                let (answer, close) = self.broker.read(&bytes, now, &mut self.rng);
                link.down.push(&answer, now, &mut self.rng, manner);
                link.broker_closed |= close;
            }
            self.client.left(taken, now);
        }
        let Some(link) = &mut self.client.link else { return };
        if link.down.due().is_some_and(|t| t <= now) {
            let bytes = link.down.take(now, &mut self.rng, manner);
            self.client.arrived(&bytes, now);
        }
        let Some(link) = &mut self.client.link else { return };
        let closed = link.closed_at.is_some_and(|t| t <= now) || link.flushing && link.up.len() == 0;
        if closed || link.broker_closed && link.down.len() == 0 {
            self.cut();
        }
    }

    /// The connection breaks, in whatever state; some data in transit still arrives.
    fn cut(&mut self) {
        let now = self.now;
        let Some(mut link) = self.client.link.take() else { return };
        if link.opening == Opening::Done && !link.broker_closed {
            let last = link.up.last(&mut self.rng);
            self.broker.read(&last, now, &mut self.rng);
            // Often the broker does not notice before the client is back.
            if self.calm || self.rng.one_in(2) {
                self.broker.closed();
            }
        }
        let last = link.down.last(&mut self.rng);
        self.client.link = Some(link);
        if !last.is_empty() {
            self.client.arrived(&last, now);
        }
        self.client.closed(now);
    }

    /// Something happens.
    fn act(&mut self) {
        let now = self.now;
        match self.rng.below(40) {
            0..=13 => {
                // Sometimes a burst that exceeds any window.
                for _ in 0..self.rng.pick(&[1, 1, 1, 1, 3, 10, 100]) {
                    let (topic, qos) = (self.rng.pick(&TOPICS), self.rng.below(3) as i32);
                    let (number, size) = (self.number(), self.rng.below(200) as usize);
                    if self.rng.one_in(3) {
                        let (lifetime, replace) = (self.rng.pick(&[0, 0, 500, 20_000, 3_000_000]), self.rng.one_in(3));
                        // All of its messages may be replaced, so that the order is that of the numbers.
                        let topic = if replace { b"out/latest" } else { topic };
                        let options = WatchOptions { handler: number, lifetime, replace };
                        self.client.publish_opt(options, topic, size, QoS::clamped(qos), now);
                    } else {
                        self.client.publish(number, topic, size, QoS::clamped(qos), now);
                    }
                }
            }
            14..=26 => {
                for _ in 0..self.rng.pick(&[1, 1, 1, 5, 40]) {
                    let (topic, qos) = (self.rng.pick(&INCOMING), self.rng.below(3) as u8);
                    let (number, size) = (self.number(), self.rng.pick(&[4, 20, 50, 500, 4000]));
                    let bytes = self.broker.publish(number, topic, qos, size);
                    if let Some(link) = self.client.link.as_mut().filter(|l| !l.broker_closed && l.opening == Opening::Done) {
                        link.down.push(&bytes, now, &mut self.rng, self.client.manner);
                    }
                }
            }
            27..=30 => self.cut(),
            31 => self.client.disconnect(now),
            32 | 33 => self.client.connect(now),
            34 => self.client.unreachable = self.rng.one_in(2),
            35 => {
                let filter = self.rng.pick(&EXTRA);
                if self.rng.one_in(2) {
                    self.client.subscribe(filter, QoS::clamped(self.rng.below(3) as i32), now);
                } else {
                    self.client.unsubscribe(filter, now);
                }
            }
            36 => self.client.reconfigure(now),
            37 => {
                // The app takes packet IDs for itself: almost the whole range.
                if self.rng.one_in(8) {
                    for _ in 0..65_500 + self.rng.below(35) {
                        self.client.conn.session.packet_id();
                    }
                }
            }
            38 => self.client.on_connack = Some(self.number()).filter(|_| !self.client.conn.session.is_up()),
            _ => self.client.manner = if self.rng.one_in(2) { self.rough } else { CALM },
        }
    }

    /// All faults end, and everything in flight arrives.
    fn calm_down(&mut self) {
        self.calm = true;
        self.client.manner = CALM;
        self.client.oom_one_in = 0;
        self.client.unreachable = false;
        self.broker.habits.loses_one_in = 0;
        self.broker.habits.refuses_one_in = 0;
        self.broker.habits.late_one_in = 0;
        // What waits must also get its turn without a new connection, if that one is fit for it.
        if self.rough.stall_one_in > 0 || !self.client.conn.is_online() || self.rng.one_in(2) {
            self.cut();
            self.broker.closed();
        } else {
            self.calm = false;
            self.run_until(self.now + 5000);
            self.calm = true;
        }
        let end = self.now + 600_000;
        while self.now < end {
            self.client.connect(self.now);
            self.run_until(self.now + 5000);
            if self.client.conn.is_online()
                && self.broker.is_idle(self.client.tap.gives_up)
                && (self.client.conn.session.is_idle() || self.client.overflows > 0 || self.blames())
            {
                // What is left is at most the response to a SUBSCRIBE.
                self.run_until(self.now + 2000);
                return;
            }
        }
        let (online, settled) = (self.client.conn.is_online(), self.client.conn.session.is_idle());
        panic!("not settled after ten minutes of calm: online {online}, session settled {settled}, broker {}", self.broker.state());
    }

    /// A message or subscription was found to blame: rightly, if the broker leaves it unanswered and
    /// the link breaks each time.
    fn blames(&self) -> bool {
        let is_blamed = |line: &Line| matches!(line, Line::SetAside { .. } | Line::SubscriptionSetAside(_));
        self.client.app.log.iter().any(|(_, line)| is_blamed(line))
    }

    fn check(&self) {
        let (client, broker) = (&self.client, &self.broker);
        assert!(self.answers_late || !self.blames());
        if self.blames() {
            return;
        }
        if let Some(v) = client.violation {
            panic!("the client has seen a violation that the broker did not commit: {v:?}");
        }
        // However often a link breaks, nothing is given up. Messages without a queue are, with it.
        for (at, line) in &client.app.log {
            let given_up = matches!(line, Line::GivenUp { .. }) && client.overflows == 0 && client.config.max_queue > 0;
            assert!(!given_up, "{line:?} at {at}");
        }
        let kept = broker.sessions_lost == 0;
        for m in &client.taken {
            let times = broker.arrived.get(&m.number).copied().unwrap_or(0);
            // What was handed over by PUBREC is lost with the session if the broker delivers it
            // later.
            let safe = client.overflows == 0 && (kept || m.qos < QoS::ExactlyOnce || !broker.habits.passes_on_at_release);
            assert!(times > 0 || !safe, "message {} at {:?} was lost", m.number, m.qos);
            assert!(times < 2 || m.qos < QoS::ExactlyOnce || !kept, "4.3.3-1: message {} arrived {times} times", m.number);
        }
        for (number, outcome) in &client.outcomes {
            let arrived = broker.arrived.contains_key(number);
            assert!(outcome.is_some() || !client.conn.session.is_idle(), "what became of message {number} was never told");
            assert!(*outcome != Some(Outcome::Acknowledged) || arrived, "message {number} was told as acknowledged and has not arrived");
            let may_give_up = client.overflows > 0 || client.config.max_queue == 0;
            assert!(*outcome != Some(Outcome::GivenUp) || may_give_up, "message {number} was given up");
        }
        let mut delivered: BTreeMap<u32, u32> = BTreeMap::new();
        let mut newest = BTreeMap::new();
        for d in &client.delivered {
            let times = delivered.entry(d.number).or_default();
            *times += 1;
            assert!(*times < 2 || d.qos == QoS::AtLeastOnce, "4.3.3-2: message {} at {:?} was delivered again", d.number, d.qos);
            if *times == 1 {
                let newest = newest.entry((&d.topic, d.qos)).or_insert(0);
                assert!(d.number > *newest, "message {} was delivered after {newest}", d.number);
                *newest = d.number;
            }
        }
        for &(number, qos, size) in &broker.acknowledged {
            // The fixed header, the topic, the packet ID and the payload of the messages above.
            let fits = size.max(4) + 20 <= client.config.receive_limit;
            assert!(delivered.contains_key(&number) || !fits, "message {number} at QoS {qos} was acknowledged and not delivered");
            assert!(!delivered.contains_key(&number) || size <= client.config.receive_limit);
        }
        if client.overflows == 0 && client.config.max_queue > 0 {
            client.tap.check_end();
        }
    }

    /// An idle connection stays up, as pings are sent in time and answered.
    fn idle(&mut self) {
        let connects = self.client.tap.seen.connects;
        self.run_until(self.now + 5 * self.client.config.keep_alive as u64 * 1000);
        assert!(self.client.conn.is_online() && self.client.tap.seen.connects == connects, "an idle connection was lost");
    }

    fn summary(&self) -> Summary {
        let seen = self.client.tap.seen;
        Summary {
            connections: seen.connects,
            published: self.client.taken.len() as u64,
            delivered: self.client.delivered.len() as u64,
            dups: seen.dups,
            releases_repeated: seen.releases_repeated,
            pings: seen.pings,
            wraps: seen.wraps,
            oversized: self.client.oversized,
            overflows: self.client.overflows,
            timeouts: self.client.timeouts,
            sessions_lost: self.broker.sessions_lost,
            outcomes: [Outcome::Acknowledged, Outcome::Sent, Outcome::Replaced, Outcome::Expired, Outcome::GivenUp, Outcome::Lost]
                .map(|which| self.client.outcomes.values().filter(|told| **told == Some(which)).count() as u64),
            hours: self.now as f64 / 3_600_000.0,
        }
    }
}
