//! The clock, the devices and their connection to the brokers: Mongoose's event loop, and TCP over
//! a named link.
//!
//! A device polls each second and at each event; its timers are exact, as those of Mongoose OS. A
//! connection continues after the device has closed it: what TCP has accepted still arrives.

use crate::brokers::{Answer, Broker};
use crate::links::{Direction, Link, WIFI};
use crate::sim::app::{App, Line};
use crate::sim::client::{Client, Config};
use crate::sim::link::{Manner, Opening};
use crate::sim::rng::Rng;
use mgos_mqtt::conn::{BackoffRange, Slot};
use mgos_mqtt::wire::QoS;
use std::collections::{BTreeMap, VecDeque};

pub const SECOND: u64 = 1000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;

/// The defaults of mos.yml.
pub fn defaults() -> Config {
    Config {
        clean_session: true,
        keep_alive: 60,
        max_queue: 5,
        max_bytes: 0,
        max_qos: QoS::ExactlyOnce,
        receive_limit: 3072,
        waits: BackoffRange { min: 2000, max: 60_000 },
        connect_timeout: 30_000,
        clock: 0,
        others: false,
    }
}

const PLAIN: Manner = Manner { delay: 0, piece: 1, stall_one_in: 0, stall: 0 };

/// A message published by the app, and its packet ID; `None` if it was refused.
#[derive(Clone, Debug)]
pub struct Published {
    pub number: u32,
    pub id: Option<u16>,
    pub topic: Vec<u8>,
    pub qos: QoS,
}

/// A TCP connection.
struct Wire {
    device: usize,
    server: usize,
    up: Direction,
    down: Direction,
    answers: VecDeque<(u64, Answer)>,
    /// The device has closed it.
    released: bool,
    /// The broker has closed it, and this is when the device notices.
    fin: Option<u64>,
    broker_closed: bool,
    /// Nothing passes any more, without notice.
    dead: bool,
}

pub struct Device {
    pub client: Client,
    pub published: Vec<Published>,
    pub link: Link,
    /// The app blocks the event loop until then,
    pub blocked_until: u64,
    /// and for this long whenever PINGREQ was sent.
    pub blocks_at_pings: u64,
    wire: Option<u64>,
    polled: u64,
    woken: u64,
    /// Total time with a connection, and since when there is one.
    online: u64,
    online_since: Option<u64>,
    /// Maximum of bytes waiting in Mongoose's send buffer.
    pub most_unsent: usize,
}

pub struct World {
    pub now: u64,
    pub brokers: Vec<Broker>,
    pub devices: Vec<Device>,
    wires: BTreeMap<u64, Wire>,
    next_wire: u64,
    next_number: u32,
    pub rng: Rng,
}

impl Device {
    fn new(config: Config, number: u64) -> Self {
        let trace = std::env::var_os("MGOS_MQTT_FIELD_TRACE").is_some();
        let mut client = Client::new(config, PLAIN, Rng::new(number), trace);
        client.app = App { handshake: Some(40), heap: 100_000, ..App::default() };
        Device {
            client,
            published: Vec::new(),
            link: WIFI,
            blocked_until: 0,
            blocks_at_pings: 0,
            wire: None,
            polled: 0,
            woken: u64::MAX,
            online: 0,
            online_since: None,
            most_unsent: 0,
        }
    }

    fn poll_soon(&mut self) {
        self.polled = self.polled.saturating_sub(SECOND);
    }

    /// Packet IDs returned by `pub` for messages above QoS 0 that were acknowledged.
    pub fn told(&self) -> usize {
        let told = |m: &&Published| m.qos > QoS::AtMostOnce && self.client.app.acknowledged.iter().any(|(_, id)| Some(*id) == m.id);
        self.published.iter().filter(told).count()
    }

    pub fn attempts(&self) -> Vec<u64> {
        self.client.app.attempts.iter().map(|(at, _)| *at).collect()
    }

    /// Attempts to reach the server of a slot.
    pub fn attempts_of(&self, slot: Slot) -> usize {
        self.client.app.attempts.iter().filter(|(_, s)| *s == slot).count()
    }

    /// Log lines for which `which` is true.
    pub fn lines(&self, which: impl Fn(&Line) -> bool) -> Vec<&(u64, Line)> {
        self.client.app.log.iter().filter(|(_, line)| which(line)).collect()
    }
}

/// The largest number of these times within one hour.
pub fn most_an_hour(times: &[u64]) -> usize {
    times.iter().enumerate().map(|(i, from)| times[i..].iter().take_while(|at| **at < from + HOUR).count()).max().unwrap_or(0)
}

impl World {
    /// One device with this configuration and one broker; its app wants a connection.
    pub fn new(config: Config, broker: Broker) -> Self {
        let mut world = World {
            now: 0,
            brokers: vec![broker],
            devices: Vec::new(),
            wires: BTreeMap::new(),
            next_wire: 1,
            next_number: 1,
            rng: Rng::new(1),
        };
        world.add_device(config);
        world
    }

    pub fn add_device(&mut self, config: Config) {
        self.devices.push(Device::new(config, self.devices.len() as u64));
    }

    /// Gives the device a backup server, with the waits of the first.
    pub fn add_backup(&mut self, broker: Broker) {
        self.brokers.push(broker);
        let client = &mut self.device().client;
        client.app.backup = Some(client.config.waits);
    }

    /// The first device; most tests have only this one.
    pub fn device(&mut self) -> &mut Device {
        &mut self.devices[0]
    }

    pub fn broker(&mut self) -> &mut Broker {
        &mut self.brokers[0]
    }

    pub fn connect(&mut self) {
        for i in 0..self.devices.len() {
            let now = self.now;
            self.devices[i].client.connect(now);
        }
    }

    // Actions of the app.

    pub fn publish(&mut self, topic: &[u8], size: usize, qos: QoS) -> u32 {
        self.publish_from(0, topic, size, qos)
    }

    /// Publishes; returns the message's number.
    pub fn publish_from(&mut self, device: usize, topic: &[u8], size: usize, qos: QoS) -> u32 {
        let (number, now) = (self.next_number, self.now);
        self.next_number += 1;
        let device = &mut self.devices[device];
        let id = device.client.publish(number, topic, size, qos, now);
        device.published.push(Published { number, id, topic: topic.to_vec(), qos });
        // Apps run in the event loop, which makes a round with them.
        device.poll_soon();
        number
    }

    pub fn subscribe(&mut self, filter: &[u8], qos: QoS) {
        let now = self.now;
        self.device().client.subscribe(filter, qos, now);
    }

    /// Another client publishes at the broker; returns the message's number.
    pub fn publish_to_device(&mut self, topic: &[u8], size: usize, qos: u8) -> u32 {
        let (number, now) = (self.next_number, self.now);
        self.next_number += 1;
        self.broker().publish(topic, number, qos, size, now);
        self.dispatch();
        number
    }

    /// NET_EV_DISCONNECTED.
    pub fn net_lost(&mut self) {
        let now = self.now;
        self.device().client.net_lost(now);
    }

    /// NET_EV_IP_ACQUIRED.
    pub fn net_up(&mut self) {
        let now = self.now;
        self.device().client.net_up(now);
    }

    /// How many of the messages selected by `which` have arrived at a broker.
    pub fn arrived(&self, which: impl Fn(&Published) -> bool) -> usize {
        let arrived = |m: &Published| self.brokers.iter().any(|b| b.arrived.contains(&m.number));
        self.devices.iter().flat_map(|d| &d.published).filter(|m| which(m) && arrived(m)).count()
    }

    // Events of links.

    /// The first device's connection is cut, and both sides notice.
    pub fn cut(&mut self) {
        let now = self.now;
        let Some(id) = self.devices[0].wire.take() else { return };
        let wire = self.wires.remove(&id).expect("a connection");
        self.brokers[wire.server].closed(id);
        self.devices[0].client.closed(now);
        self.note_online(0);
    }

    /// From now on nothing passes over the first device's connection, without notice.
    pub fn kill(&mut self) {
        let id = self.devices[0].wire.expect("a connection");
        let wire = self.wires.get_mut(&id).expect("a connection");
        wire.dead = true;
        wire.down.discard();
    }

    /// Total time that the first device was connected.
    pub fn online(&self) -> u64 {
        let d = &self.devices[0];
        d.online + d.online_since.map_or(0, |since| self.now - since)
    }

    fn note_online(&mut self, device: usize) {
        let d = &mut self.devices[device];
        match (d.client.conn.is_online(), d.online_since) {
            (true, None) => d.online_since = Some(self.now),
            (false, Some(since)) => {
                d.online += self.now - since;
                d.online_since = None;
            }
            _ => {}
        }
    }

    // Time.

    pub fn run(&mut self, time: u64) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until `done`, for `limit` at most. Returns the time taken.
    pub fn run_until(&mut self, limit: u64, done: impl Fn(&World) -> bool) -> u64 {
        let start = self.now;
        while !done(self) {
            if !self.step(start + limit) {
                self.now = start + limit;
                break;
            }
        }
        self.now - start
    }

    /// Runs for `time`, and calls `act` at the start of each period.
    pub fn every(&mut self, period: u64, time: u64, mut act: impl FnMut(&mut World)) {
        let end = self.now + time;
        while self.now < end {
            act(self);
            self.run(period.min(end - self.now));
        }
    }

    /// Everything due next, if it is before `end`.
    fn step(&mut self, end: u64) -> bool {
        let devices = (0..self.devices.len()).filter_map(|i| self.due(i));
        let wires = self.wires.iter().flat_map(|(id, w)| {
            let broker = &self.brokers[w.server];
            let readable = w.up.readable() > 0 && broker.is_open(*id);
            let reading = readable.then_some(if broker.not_reading.contains(&self.now) { broker.not_reading.end } else { self.now });
            // A broker that has hung up reads nothing more; data is discarded.
            let moves = if w.dead { [None; 2] } else { [w.up.due(), w.down.due()] };
            let gone = (w.released && (w.dead || w.up.is_empty())).then_some(self.now);
            [moves[0], moves[1], reading, gone, w.answers.front().map(|(at, _)| *at)].into_iter().flatten()
        });
        let patience = self.brokers.iter().filter_map(Broker::patience);
        let Some(next) = devices.chain(wires).chain(patience).min().filter(|next| *next < end) else { return false };
        self.now = self.now.max(next);
        self.brokers.iter_mut().for_each(|b| b.lose_patience(next));
        self.dispatch();
        self.move_bytes();
        for i in 0..self.devices.len() {
            if self.devices[i].blocked_until <= self.now {
                self.run_device(i);
            }
        }
        true
    }

    /// When the device has something to do.
    fn due(&self, device: usize) -> Option<u64> {
        let d = &self.devices[device];
        let mut due = self.timer(device);
        if let Some(link) = &d.client.link {
            let opening = match link.opening {
                Opening::At(t) | Opening::FailsAt(t) => Some(t),
                _ => None,
            };
            let mut loops = [opening, link.closed_at, Some(d.polled + SECOND)];
            if let Some(wire) = d.wire.and_then(|id| self.wires.get(&id)) {
                let sends = link.up.len() > 0 && wire.up.room() > 0 || link.flushing && link.up.len() == 0;
                let reads = wire.down.readable() > 0 && d.client.buffered() < d.client.config.receive_limit;
                let ends = wire.fin.filter(|_| wire.down.is_empty() && wire.answers.is_empty());
                due = [due, (sends || reads).then_some(self.now), ends].into_iter().flatten().min();
            }
            due = due.into_iter().chain(loops.iter_mut().filter_map(|t| t.take())).min();
        }
        due.map(|at| at.max(d.blocked_until))
    }

    fn timer(&self, device: usize) -> Option<u64> {
        let d = &self.devices[device];
        let clock = d.client.clock(self.now);
        let at = d.client.conn.deadline().map(|at| self.now + (at.wrapping_sub(clock) as i32).max(0) as u64);
        // One that has fired without effect is checked again at the next poll.
        at.filter(|at| *at != d.woken)
    }

    /// A round of the device's event loop.
    fn run_device(&mut self, i: usize) {
        let pings = self.devices[i].client.tap.seen.pings;
        self.fire(i);
        let d = &mut self.devices[i];
        if d.client.tap.seen.pings == pings {
            self.poll(i);
        }
        let d = &mut self.devices[i];
        if d.client.tap.seen.pings != pings {
            d.blocked_until = self.now + d.blocks_at_pings;
        }
        self.note_online(i);
    }

    /// The timer.
    fn fire(&mut self, i: usize) {
        let now = self.now;
        if self.timer(i).is_some_and(|at| at <= now) {
            let d = &mut self.devices[i];
            d.woken = now;
            d.client.wake(now);
            d.client.pump(now);
            d.poll_soon();
        }
    }

    /// A round of Mongoose's.
    fn poll(&mut self, i: usize) {
        let now = self.now;
        let mut events = self.open(i);
        if let Some(id) = self.devices[i].wire {
            events |= self.transfer(i, id);
        }
        let d = &mut self.devices[i];
        if d.client.link.is_some() && (events || now >= d.polled + SECOND) {
            d.polled = now;
            d.woken = u64::MAX;
            d.client.poll(now);
        }
    }

    /// Continues an attempt to connect. True if something has happened.
    fn open(&mut self, i: usize) -> bool {
        let (now, id) = (self.now, self.next_wire);
        let d = &mut self.devices[i];
        let Some(link) = &mut d.client.link else { return false };
        match link.opening {
            Opening::At(t) if t <= now && link.closed_at.is_none() => {
                link.opening = Opening::Done;
                let server = if d.client.conn.slot() == Slot::Backup { 1 } else { 0 };
                self.next_wire += 1;
                let (up, down) = (Direction::up(&d.link), Direction::down(&d.link));
                let wire = Wire {
                    device: i,
                    server,
                    up,
                    down,
                    answers: VecDeque::new(),
                    released: false,
                    fin: None,
                    broker_closed: false,
                    dead: false,
                };
                d.wire = Some(id);
                self.wires.insert(id, wire);
                self.brokers[server].open(id, now);
                d.client.connected(now);
                true
            }
            Opening::FailsAt(t) if t <= now => {
                d.client.closed(now);
                true
            }
            Opening::Done => false,
            _ => {
                if link.closed_at.is_some_and(|t| t <= now) {
                    d.client.closed(now);
                }
                false
            }
        }
    }

    /// Moves bytes between Mongoose and the device's TCP. True if there were any.
    fn transfer(&mut self, i: usize, id: u64) -> bool {
        let now = self.now;
        let d = &mut self.devices[i];
        let mut events = false;
        let Some(wire) = self.wires.get_mut(&id) else { return false };
        if let Some(link) = &mut d.client.link {
            d.most_unsent = d.most_unsent.max(link.up.len());
            let bytes = link.up.first(wire.up.room());
            if !bytes.is_empty() {
                wire.up.push(&bytes);
                d.client.left(bytes.len(), now);
                events = true;
            }
        }
        let room = d.client.config.receive_limit.saturating_sub(d.client.buffered());
        let bytes = wire.down.read(room.min(1460));
        if !bytes.is_empty() && d.client.link.is_some() {
            d.client.arrived(&bytes, now);
            events = true;
        }
        let Some(link) = &d.client.link else { return events };
        let closed = link.closed_at.is_some_and(|t| t <= now) || link.flushing && link.up.len() == 0;
        let hung_up = wire.fin.is_some_and(|t| t <= now) && wire.down.is_empty() && wire.answers.is_empty();
        if closed || hung_up {
            wire.released = true;
            d.wire = None;
            d.client.closed(now);
        }
        events
    }

    /// Moves bytes over the links, and makes the brokers read.
    fn move_bytes(&mut self) {
        let now = self.now;
        let ids: Vec<u64> = self.wires.keys().copied().collect();
        for id in ids {
            let Some(wire) = self.wires.get_mut(&id) else { continue };
            if wire.dead {
                // What TCP has accepted fills its buffer.
                wire.answers.clear();
                if wire.released {
                    self.wires.remove(&id);
                }
                continue;
            }
            wire.up.carry(now);
            let broker = &mut self.brokers[wire.server];
            if !broker.is_open(id) {
                wire.up.discard();
            } else if wire.up.readable() > 0 && !broker.not_reading.contains(&now) {
                let bytes = wire.up.read(usize::MAX);
                broker.read(id, &bytes, now);
            }
            self.dispatch();
            let wire = self.wires.get_mut(&id).expect("still there");
            while wire.answers.front().is_some_and(|(at, _)| *at <= now) {
                match wire.answers.pop_front() {
                    Some((_, Answer::Bytes(bytes))) => wire.down.push(&bytes),
                    hang_up => {
                        if matches!(hang_up, Some((_, Answer::Reset))) {
                            wire.down.discard();
                            wire.answers.clear();
                        }
                        wire.broker_closed = true;
                        wire.fin = Some(now + self.devices[wire.device].link.round_trip / 2);
                        self.brokers[wire.server].closed(id);
                    }
                }
            }
            wire.down.carry(now);
            if wire.released && wire.up.is_empty() {
                self.brokers[wire.server].closed(id);
                self.wires.remove(&id);
            }
        }
    }

    /// Passes the brokers' responses to their connections.
    fn dispatch(&mut self) {
        for server in 0..self.brokers.len() {
            for (id, at, answer) in self.brokers[server].answers() {
                if let Some(wire) = self.wires.get_mut(&id) {
                    let place = wire.answers.partition_point(|(due, _)| *due <= at);
                    wire.answers.insert(place, (at, answer));
                }
            }
        }
    }
}
