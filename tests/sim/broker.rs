//! A model broker: one client's session at an MQTT 3.1.1 broker, kept or lost, with QoS 0 to 2 both
//! ways.
//!
//! It uses the reference decoder, so that an independent implementation judges what the library
//! sends.

use super::super::reference::{Parsed, filter_matches, packet_len, parse};
use super::rng::Rng;
use super::tap::number;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Choices that the standard leaves to the broker, and its failures.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// A QoS 2 message is delivered at PUBREL; else at PUBLISH (4.3.3, figure 4.3).
    pub passes_on_at_release: bool,
    /// Maximum of messages in flight to the client.
    pub window: usize,
    /// The session is lost between two connections with probability 1/n; 0 for never.
    pub loses_one_in: u64,
    /// CONNECT is refused with probability 1/n; 0 for never.
    pub refuses_one_in: u64,
    /// A message or PUBREL is answered only after a while, and out of order, with probability 1/n;
    /// 0 for never.
    pub late_one_in: u64,
}

/// After how many milliseconds at most.
const LATE: u64 = 60_000;

/// A message for the client.
#[derive(Clone, Debug)]
struct Outgoing {
    number: u32,
    topic: Vec<u8>,
    qos: u8,
    size: usize,
    id: u16,
    sent: bool,
    released: bool,
}

/// What outlives a connection.
#[derive(Default)]
struct Session {
    filters: Vec<(Vec<u8>, u8)>,
    /// QoS 2 messages received and not released, by packet ID.
    taken: BTreeMap<u16, (u32, Vec<u8>)>,
    flight: VecDeque<Outgoing>,
    queue: VecDeque<Outgoing>,
}

struct Connection {
    bytes: Vec<u8>,
    accepted: bool,
    keep_alive: u64,
    heard_at: u64,
    /// Packet IDs of QoS 1 and 2 messages sent on this connection.
    sent: BTreeSet<u16>,
}

pub struct Broker {
    pub habits: Habits,
    session: Option<Session>,
    /// The client may not know yet that its session is a new one. If that CONNACK were lost, and
    /// the next reported a session, it could never know: the standard has no answer to this, so
    /// here the session starts anew then, too.
    unseen: bool,
    connection: Option<Connection>,
    /// How often each message was delivered.
    pub arrived: BTreeMap<u32, u32>,
    /// Messages seen at all, and the newest of each topic and kind of QoS.
    newest: BTreeMap<(Vec<u8>, bool), u32>,
    seen: BTreeSet<u32>,
    /// Messages to the client that were queued in its session and not acknowledged,
    pub owed: BTreeSet<u32>,
    /// and those that were.
    pub acknowledged: Vec<(u32, u8, usize)>,
    pub sessions_lost: u64,
    out: Vec<u8>,
    close: bool,
    /// Answers that are late, each with its time.
    late: Vec<(u64, [u8; 4])>,
}

impl Broker {
    pub fn new(habits: Habits) -> Self {
        Broker {
            habits,
            session: None,
            unseen: false,
            connection: None,
            arrived: BTreeMap::new(),
            newest: BTreeMap::new(),
            seen: BTreeSet::new(),
            owed: BTreeSet::new(),
            acknowledged: Vec::new(),
            sessions_lost: 0,
            out: Vec::new(),
            close: false,
            late: Vec::new(),
        }
    }

    /// A connection is accepted; an earlier one is dropped.
    pub fn open(&mut self, now: u64) {
        self.late.clear();
        self.connection = Some(Connection { bytes: Vec::new(), accepted: false, keep_alive: 0, heard_at: now, sent: BTreeSet::new() });
    }

    pub fn closed(&mut self) {
        self.connection = None;
        self.late.clear();
    }

    /// The answers that were late, and are no longer.
    pub fn late(&mut self, now: u64) -> Vec<u8> {
        let due: Vec<_> = self.late.extract_if(.., |(at, _)| *at <= now).collect();
        due.iter().flat_map(|(_, answer)| *answer).collect()
    }

    /// Drops what is kept only for the checks at the end of a run: this one is too long for it.
    pub fn forget_the_past(&mut self) {
        self.arrived.clear();
        self.acknowledged.clear();
        self.seen.clear();
    }

    /// Nothing is in flight. `gives_up`: the client may have dropped what it has sent.
    pub fn is_idle(&self, gives_up: bool) -> bool {
        self.owed.is_empty() && self.session.as_ref().is_none_or(|s| s.flight.is_empty() && (gives_up || s.taken.is_empty()))
    }

    /// What is incomplete, for failure messages.
    pub fn state(&self) -> String {
        let session = self.session.as_ref().map(|s| (&s.flight, &s.queue, &s.taken));
        format!("owed {:?}, under way, queued and taken {session:?}", self.owed)
    }

    /// When the client is disconnected for its silence \[MQTT-3.1.2-24\].
    pub fn patience(&self) -> Option<u64> {
        let c = self.connection.as_ref()?;
        (c.keep_alive > 0).then(|| c.heard_at + c.keep_alive * 1500)
    }

    /// Processes bytes. Returns what to send, and whether to close then.
    pub fn read(&mut self, bytes: &[u8], now: u64, rng: &mut Rng) -> (Vec<u8>, bool) {
        if let Some(c) = &mut self.connection {
            c.bytes.extend_from_slice(bytes);
        }
        self.close = false;
        while let Some(c) = &mut self.connection {
            let Some(len) = packet_len(&c.bytes).filter(|n| *n <= c.bytes.len()) else { break };
            let packet: Vec<u8> = c.bytes.drain(..len).collect();
            c.heard_at = now;
            let Some(packet) = parse(&packet) else { panic!("the broker got an illegal packet: {packet:02x?}") };
            self.packet(packet, now, rng);
            if self.close {
                self.closed();
            }
        }
        (std::mem::take(&mut self.out), self.close)
    }

    fn send(&mut self, packet: &[u8]) {
        self.out.extend_from_slice(packet);
    }

    fn ack(&mut self, first: u8, id: u16) {
        let [hi, lo] = id.to_be_bytes();
        self.send(&[first, 2, hi, lo]);
    }

    /// Answers a message or PUBREL, sometimes late.
    fn answer(&mut self, first: u8, id: u16, now: u64, rng: &mut Rng) {
        if rng.one_in(self.habits.late_one_in) {
            let [hi, lo] = id.to_be_bytes();
            self.late.push((now + rng.below(LATE), [first, 2, hi, lo]));
        } else {
            self.ack(first, id);
        }
    }

    fn packet(&mut self, packet: Parsed, now: u64, rng: &mut Rng) {
        let c = self.connection.as_mut().expect("a connection");
        if let Parsed::Connect { clean_session, keep_alive, .. } = packet {
            assert!(!c.accepted, "3.1.0-2: a second CONNECT");
            c.accepted = true;
            c.keep_alive = keep_alive as u64;
            return self.connect(clean_session, rng);
        }
        assert!(c.accepted, "3.1.0-1: {packet:?} before CONNECT");
        // Before CONNACK the client sends nothing else.
        self.unseen &= packet == Parsed::Disconnect;
        match packet {
            Parsed::Publish { qos, topic, id, payload, .. } => {
                let id = id.unwrap_or(0);
                self.message(qos, topic, id, number(&payload));
                match qos {
                    1 => self.answer(0x40, id, now, rng),
                    2 => self.answer(0x50, id, now, rng),
                    _ => {}
                }
            }
            Parsed::Ack(6, id) => {
                let taken = self.session().taken.remove(&id);
                if let (Some((number, _)), true) = (taken, self.habits.passes_on_at_release) {
                    *self.arrived.entry(number).or_default() += 1;
                }
                self.answer(0x70, id, now, rng);
            }
            Parsed::Ack(kind, id) => self.acknowledged(kind, id),
            Parsed::Subscribe(id, filter, qos) => {
                let s = self.session();
                s.filters.retain(|(f, _)| *f != filter);
                s.filters.push((filter, qos));
                let [hi, lo] = id.to_be_bytes();
                self.send(&[0x90, 3, hi, lo, qos]);
            }
            Parsed::Unsubscribe(id, filter) => {
                self.session().filters.retain(|(f, _)| *f != filter);
                self.ack(0xb0, id);
            }
            Parsed::PingReq => self.send(&[0xd0, 0]),
            Parsed::Disconnect => self.close = true,
            other => panic!("a client sends no {other:?}"),
        }
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("a session begins with CONNECT")
    }

    fn connect(&mut self, clean: bool, rng: &mut Rng) {
        if rng.one_in(self.habits.refuses_one_in) {
            self.send(&[0x20, 2, 0, 3]);
            self.close = true;
            return;
        }
        if self.session.is_some() && (clean || self.unseen || rng.one_in(self.habits.loses_one_in)) {
            self.session = None;
            self.owed.clear();
            self.sessions_lost += 1;
        }
        self.unseen = self.session.is_none();
        self.send(&[0x20, 2, self.session.is_some() as u8, 0]);
        let flight = std::mem::take(&mut self.session.get_or_insert_default().flight);
        for m in &flight {
            if m.released { self.ack(0x62, m.id) } else { self.transmit(m) }
        }
        self.session().flight = flight;
        self.fill();
    }

    /// A message from the client.
    fn message(&mut self, qos: u8, topic: Vec<u8>, id: u16, number: u32) {
        if self.seen.insert(number) {
            // Retransmissions may arrive in any order, but the first of each in the order of
            // publishing \[MQTT-4.6.0-1\].
            let newest = self.newest.entry((topic.clone(), qos > 0)).or_default();
            assert!(number > *newest, "message {number} came after {newest} to the same topic");
            *newest = number;
        }
        let mut arrives = true;
        if qos == 2 {
            let at_release = self.habits.passes_on_at_release;
            match self.session().taken.insert(id, (number, topic)) {
                None => arrives = !at_release,
                Some((before, _)) => {
                    assert_eq!(before, number, "identifier {id} was taken for another message before it was released");
                    arrives = false;
                }
            }
        }
        if arrives {
            *self.arrived.entry(number).or_default() += 1;
        }
    }

    /// An acknowledgement from the client.
    fn acknowledged(&mut self, kind: u8, id: u16) {
        let sent = self.connection.as_ref().is_some_and(|c| c.sent.contains(&id));
        let s = self.session();
        let found = s.flight.iter().position(|m| m.id == id);
        let Some(at) = found.filter(|_| sent || kind == 7) else { panic!("acknowledgement {kind} of {id}, which was not sent") };
        match (kind, s.flight[at].qos) {
            (5, 2) => {
                s.flight[at].released = true;
                self.ack(0x62, id);
            }
            (4, 1) | (7, 2) => {
                let m = s.flight.remove(at).unwrap();
                assert!(kind == 4 || m.released, "PUBCOMP {id} before PUBREL");
                self.owed.remove(&m.number);
                self.acknowledged.push((m.number, m.qos, m.size));
                self.fill();
            }
            (kind, qos) => panic!("acknowledgement {kind} of a message at QoS {qos}"),
        }
    }

    /// Sends what the window allows, with the lowest free packet IDs.
    fn fill(&mut self) {
        let window = self.habits.window;
        while self.connection.as_ref().is_some_and(|c| c.accepted) && self.session().flight.len() < window {
            let s = self.session();
            let Some(mut m) = s.queue.pop_front() else { break };
            if m.qos > 0 {
                m.id = (1..).find(|id| s.flight.iter().all(|f| f.id != *id)).unwrap();
            }
            self.transmit(&m);
            m.sent = true;
            if m.qos > 0 {
                self.session().flight.push_back(m);
            }
        }
    }

    fn transmit(&mut self, m: &Outgoing) {
        let dup = (m.sent as u8) << 3;
        let id_len = if m.qos > 0 { 2 } else { 0 };
        let size = m.size.max(4);
        let mut remaining = 2 + m.topic.len() + id_len + size;
        let mut packet = vec![0x30 | dup | m.qos << 1];
        while remaining > 127 {
            packet.push(remaining as u8 | 0x80);
            remaining >>= 7;
        }
        packet.push(remaining as u8);
        packet.extend((m.topic.len() as u16).to_be_bytes());
        packet.extend(&m.topic);
        if m.qos > 0 {
            packet.extend(m.id.to_be_bytes());
            if let Some(c) = &mut self.connection {
                c.sent.insert(m.id);
            }
        }
        packet.extend(m.number.to_be_bytes());
        packet.resize(packet.len() + size - 4, b'_');
        self.send(&packet);
    }

    /// Another client publishes: the message is for the client if it has subscribed. Returns what
    /// to send now.
    pub fn publish(&mut self, number: u32, topic: &[u8], qos: u8, size: usize) -> Vec<u8> {
        let online = self.connection.as_ref().is_some_and(|c| c.accepted);
        if let Some(s) = &mut self.session
            && let Some(granted) = s.filters.iter().filter(|(f, _)| filter_matches(f, topic)).map(|(_, q)| *q).max()
        {
            let qos = qos.min(granted);
            if qos > 0 || online {
                s.queue.push_back(Outgoing { number, topic: topic.to_vec(), qos, size, id: 0, sent: false, released: false });
                if qos > 0 {
                    self.owed.insert(number);
                }
                if online {
                    self.fill();
                }
            }
        }
        std::mem::take(&mut self.out)
    }
}
