//! Named broker models: one that follows the standard to the letter, and deviations of real ones,
//! each as a rule on top of it.

use crate::reference::{Parsed, filter_matches, packet_len, parse};
use crate::sim::tap::number;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Input of a rule: a complete packet.
pub struct Incoming<'a> {
    pub now: u64,
    pub packet: &'a Parsed,
}

/// How a packet is handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Processed and answered.
    Answer,
    /// Processed, and answered after this many milliseconds.
    AnswerAfter(u64),
    /// Processed, but never answered.
    Withhold,
    /// Dropped.
    Drop,
    /// The connection is closed instead.
    HangUp,
    /// Answered, then the connection is closed.
    AnswerAndHangUp,
    /// CONNECT is refused with this code.
    Refuse(u8),
}

pub type Rule = Box<dyn FnMut(&Incoming<'_>) -> Verdict>;

/// What is sent to a connection.
pub enum Answer {
    Bytes(Vec<u8>),
    HangUp,
    /// RST: data that the device has not read is lost.
    Reset,
}

/// A message for the device.
#[derive(Clone)]
struct Outgoing {
    id: u16,
    topic: Vec<u8>,
    number: u32,
    qos: u8,
    size: usize,
    sent: bool,
    released: bool,
}

#[derive(Default)]
struct Session {
    filters: Vec<(Vec<u8>, u8)>,
    /// QoS 2 messages received and not released.
    taken: BTreeMap<u16, u32>,
    flight: Vec<Outgoing>,
    queue: VecDeque<Outgoing>,
    last_id: u16,
}

struct Connection {
    client: Option<Vec<u8>>,
    bytes: Vec<u8>,
    keep_alive: u64,
    heard_at: u64,
    clean: bool,
    /// Earlier responses are sent first.
    last_due: u64,
    closing: bool,
}

pub struct Broker {
    sessions: BTreeMap<Vec<u8>, Session>,
    connections: BTreeMap<u64, Connection>,
    rule: Rule,
    /// A packet that claims to be longer closes the connection before it is complete.
    pub longest_packet: usize,
    /// Responses do not wait for delayed earlier ones.
    pub out_of_order: bool,
    /// It closes with bytes unread, so that TCP sends RST.
    pub resets: bool,
    /// A QoS 2 message is delivered at PUBREL; else at PUBLISH.
    pub passes_on_at_release: bool,
    /// Maximum of messages in flight to the device.
    pub window: usize,
    /// Additional messages sent after each PUBCOMP, whatever the window.
    pub surplus: usize,
    /// Sessions are not kept, even if requested.
    pub forgets_sessions: bool,
    /// Messages between PUBREC and PUBREL are lost with their connection, and a PUBREL for one that it does
    /// not have closes the connection.
    pub drops_unreleased: bool,
    /// CONNACK always reports a session.
    pub claims_sessions: bool,
    /// Nothing is read during this time.
    pub not_reading: Range<u64>,
    /// Numbers of messages from the device that were delivered.
    pub arrived: Vec<u32>,
    /// Numbers of messages that the device has acknowledged.
    pub acknowledged: Vec<u32>,
    out: Vec<(u64, u64, Answer)>,
    delay: u64,
    withholding: bool,
}

// The models, named by their behaviour. Each follows the standard to the letter otherwise.

/// Answers everything immediately.
pub fn as_the_standard_says() -> Broker {
    with(|_| Verdict::Answer)
}

/// AWS IoT: silently drops messages beyond this many in any second, and answers the rest after 30
/// ms.
pub fn drops_beyond(a_second: usize) -> Broker {
    let mut taken = VecDeque::new();
    with(move |got| {
        if !matches!(got.packet, Parsed::Publish { .. }) {
            return Verdict::Answer;
        }
        while taken.front().is_some_and(|at| at + 1000 <= got.now) {
            taken.pop_front();
        }
        if taken.len() >= a_second {
            return Verdict::Drop;
        }
        taken.push_back(got.now);
        Verdict::AnswerAfter(30)
    })
}

/// mosquitto with `max_packet_size`: hangs up on longer packets.
pub fn hangs_up_on_packets_over(size: usize) -> Broker {
    Broker { longest_packet: size, ..as_the_standard_says() }
}

/// The same, with the rest of the packet unread when it hangs up.
pub fn resets_on_packets_over(size: usize) -> Broker {
    Broker { resets: true, ..hangs_up_on_packets_over(size) }
}

/// A policy of AWS IoT, or an ACL plugin that closes: hangs up on messages to a topic, until the
/// given time.
pub fn hangs_up_on_topic_until(topic: &'static [u8], end: u64) -> Broker {
    with(move |got| match got.packet {
        Parsed::Publish { topic: t, .. } if *t == topic && got.now < end => Verdict::HangUp,
        Parsed::Subscribe(_, filter, _) if *filter == topic && got.now < end => Verdict::HangUp,
        _ => Verdict::Answer,
    })
}

/// The same, forever.
pub fn hangs_up_on_topic(topic: &'static [u8]) -> Broker {
    hangs_up_on_topic_until(topic, u64::MAX)
}

/// A broker whose storage has failed: hangs up on each message above QoS 0, until the given time.
pub fn sick_until(end: u64) -> Broker {
    with(move |got| match got.packet {
        Parsed::Publish { qos: 1.., .. } if got.now < end => Verdict::HangUp,
        _ => Verdict::Answer,
    })
}

/// Processes packets of these types and never answers them.
pub fn never_answers(kinds: &'static [u8]) -> Broker {
    with(move |got| if kinds.contains(&kind(got.packet)) { Verdict::Withhold } else { Verdict::Answer })
}

/// Drops messages to a topic without an answer: a silent ACL.
pub fn drops_topic(topic: &'static [u8]) -> Broker {
    with(move |got| match got.packet {
        Parsed::Publish { topic: t, .. } if *t == topic => Verdict::Drop,
        _ => Verdict::Answer,
    })
}

/// Answers messages after this many milliseconds, and everything else immediately, overtaking
/// delayed responses.
pub fn answers_messages_late_and_pings_at_once(delay: u64) -> Broker {
    Broker { out_of_order: true, ..answers_late(&[3], delay) }
}

/// Answers packets of these types after this many milliseconds, and all others immediately. CONNECT
/// is answered immediately.
pub fn answers_late(kinds: &'static [u8], delay: u64) -> Broker {
    with(move |got| if kinds.contains(&kind(got.packet)) { Verdict::AnswerAfter(delay) } else { Verdict::Answer })
}

/// A load balancer without a backend: CONNACK 0, then FIN.
pub fn accepts_and_hangs_up() -> Broker {
    with(|got| if kind(got.packet) == 1 { Verdict::AnswerAndHangUp } else { Verdict::Answer })
}

/// Refuses each CONNECT.
pub fn refuses(code: u8) -> Broker {
    with(move |got| if kind(got.packet) == 1 { Verdict::Refuse(code) } else { Verdict::Answer })
}

/// Reads nothing during the given time, with its connections open.
pub fn does_not_read(time: Range<u64>) -> Broker {
    Broker { not_reading: time, ..as_the_standard_says() }
}

/// mosquitto 2.0: 20 messages in flight, and 20 more for each PUBCOMP.
pub fn mosquitto_2_0() -> Broker {
    Broker { window: 20, surplus: 20, ..as_the_standard_says() }
}

/// The same with `max_inflight_messages 0`: everything queued is sent immediately.
pub fn mosquitto_without_a_limit() -> Broker {
    Broker { window: usize::MAX, ..as_the_standard_says() }
}

/// Keeps no session, even if requested.
pub fn forgets_sessions() -> Broker {
    Broker { forgets_sessions: true, ..as_the_standard_says() }
}

/// rumqttd 0.20: QoS 2 works only within a connection.
pub fn drops_unreleased() -> Broker {
    Broker { drops_unreleased: true, ..as_the_standard_says() }
}

/// Takes a QoS 2 message to a topic once, loses it, and hangs up on it from then on.
pub fn takes_once(topic: &'static [u8]) -> Broker {
    let mut times = 0;
    with(move |got| match got.packet {
        Parsed::Publish { topic: t, .. } if *t == topic => {
            times += 1;
            if times == 1 { Verdict::Answer } else { Verdict::HangUp }
        }
        Parsed::Ack(6, _) if times == 1 => Verdict::Drop,
        _ => Verdict::Answer,
    })
}

/// Always reports a session.
pub fn claims_a_session() -> Broker {
    Broker { claims_sessions: true, ..as_the_standard_says() }
}

fn with(rule: impl FnMut(&Incoming<'_>) -> Verdict + 'static) -> Broker {
    Broker {
        sessions: BTreeMap::new(),
        connections: BTreeMap::new(),
        rule: Box::new(rule),
        longest_packet: usize::MAX,
        out_of_order: false,
        resets: false,
        passes_on_at_release: true,
        window: 20,
        surplus: 0,
        forgets_sessions: false,
        drops_unreleased: false,
        claims_sessions: false,
        not_reading: 0..0,
        arrived: Vec::new(),
        acknowledged: Vec::new(),
        out: Vec::new(),
        delay: 0,
        withholding: false,
    }
}

/// The packet type, as in the fixed header.
pub fn kind(packet: &Parsed) -> u8 {
    match packet {
        Parsed::Connect { .. } => 1,
        Parsed::ConnAck { .. } => 2,
        Parsed::Publish { .. } => 3,
        Parsed::Ack(kind, _) => *kind,
        Parsed::Subscribe(..) => 8,
        Parsed::SubAck(..) => 9,
        Parsed::Unsubscribe(..) => 10,
        Parsed::PingReq => 12,
        Parsed::PingResp => 13,
        Parsed::Disconnect => 14,
    }
}

impl Broker {
    pub fn open(&mut self, id: u64, now: u64) {
        let connection =
            Connection { client: None, bytes: Vec::new(), keep_alive: 0, heard_at: now, clean: true, last_due: 0, closing: false };
        self.connections.insert(id, connection);
    }

    /// The device's end of a connection is gone.
    pub fn closed(&mut self, id: u64) {
        let Some(connection) = self.connections.remove(&id) else { return };
        if self.drops_unreleased
            && let Some(session) = connection.client.as_ref().and_then(|client| self.sessions.get_mut(client))
        {
            session.taken.clear();
        }
        if let Some(client) = connection.client
            && (connection.clean || self.forgets_sessions)
            && self.connections.values().all(|c| c.client.as_ref() != Some(&client))
        {
            self.sessions.remove(&client);
        }
    }

    pub fn is_open(&self, id: u64) -> bool {
        self.connections.get(&id).is_some_and(|c| !c.closing)
    }

    /// What is to be sent: the connection, when, and what.
    pub fn answers(&mut self) -> Vec<(u64, u64, Answer)> {
        std::mem::take(&mut self.out)
    }

    /// When a client is disconnected for its silence \[MQTT-3.1.2-24\].
    pub fn patience(&self) -> Option<u64> {
        let silent = self.connections.values().filter(|c| c.keep_alive > 0 && !c.closing);
        silent.map(|c| c.heard_at + c.keep_alive * 1500).min()
    }

    /// Disconnects clients that have been silent for too long.
    pub fn lose_patience(&mut self, now: u64) {
        let over = |c: &Connection| c.keep_alive > 0 && !c.closing && c.heard_at + c.keep_alive * 1500 <= now;
        let ids: Vec<u64> = self.connections.iter().filter(|(_, c)| over(c)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.hang_up(id, now));
    }

    pub fn read(&mut self, id: u64, bytes: &[u8], now: u64) {
        if let Some(c) = self.connections.get_mut(&id) {
            c.bytes.extend_from_slice(bytes);
        }
        while let Some(c) = self.connections.get_mut(&id).filter(|c| !c.closing) {
            let Some(len) = packet_len(&c.bytes) else { break };
            if len > self.longest_packet {
                return self.hang_up(id, now);
            }
            if len > c.bytes.len() {
                break;
            }
            let packet: Vec<u8> = c.bytes.drain(..len).collect();
            c.heard_at = now;
            let Some(packet) = parse(&packet) else { panic!("the broker got an illegal packet: {packet:02x?}") };
            let verdict = (self.rule)(&Incoming { now, packet: &packet });
            match verdict {
                Verdict::Drop => continue,
                Verdict::HangUp => return self.hang_up(id, now),
                Verdict::Refuse(code) => {
                    self.send(id, now, &[0x20, 2, 0, code]);
                    return self.hang_up(id, now);
                }
                _ => {}
            }
            self.delay = if let Verdict::AnswerAfter(delay) = verdict { delay } else { 0 };
            self.withholding = verdict == Verdict::Withhold;
            self.packet(id, packet, now);
            (self.delay, self.withholding) = (0, false);
            if verdict == Verdict::AnswerAndHangUp {
                self.hang_up(id, now);
            }
        }
    }

    fn hang_up(&mut self, id: u64, now: u64) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        c.closing = true;
        let due = now.max(c.last_due);
        self.out.push((id, due, if self.resets { Answer::Reset } else { Answer::HangUp }));
    }

    fn send(&mut self, id: u64, now: u64, bytes: &[u8]) {
        if self.withholding {
            return;
        }
        let Some(c) = self.connections.get_mut(&id) else { return };
        c.last_due = c.last_due.max(now + self.delay);
        let due = if self.out_of_order { now + self.delay } else { c.last_due };
        self.out.push((id, due, Answer::Bytes(bytes.to_vec())));
    }

    fn ack(&mut self, id: u64, now: u64, first: u8, packet_id: u16) {
        let [hi, lo] = packet_id.to_be_bytes();
        self.send(id, now, &[first, 2, hi, lo]);
    }

    fn client(&self, id: u64) -> Vec<u8> {
        self.connections[&id].client.clone().expect("CONNECT comes first")
    }

    fn session(&mut self, id: u64) -> &mut Session {
        let client = self.client(id);
        self.sessions.entry(client).or_default()
    }

    fn packet(&mut self, id: u64, packet: Parsed, now: u64) {
        match packet {
            Parsed::Connect { client_id, clean_session, keep_alive, .. } => {
                let others = self.connections.iter().filter(|(other, c)| **other != id && c.client.as_ref() == Some(&client_id));
                // 3.1.4-2: an existing client with the same identifier is disconnected.
                for other in others.map(|(other, _)| *other).collect::<Vec<_>>() {
                    self.hang_up(other, now);
                }
                if clean_session || self.forgets_sessions {
                    self.sessions.remove(&client_id);
                }
                let c = self.connections.get_mut(&id).unwrap();
                (c.clean, c.keep_alive) = (clean_session, keep_alive as u64);
                c.client = Some(client_id.clone());
                let present = self.sessions.contains_key(&client_id) || self.claims_sessions;
                self.send(id, now, &[0x20, 2, present as u8, 0]);
                let flight = self.session(id).flight.clone();
                for m in flight {
                    if m.released { self.ack(id, now, 0x62, m.id) } else { self.transmit(id, now, &m) }
                }
                self.fill(id, now, 0);
            }
            Parsed::Publish { qos, id: packet_id, payload, .. } => {
                let packet_id = packet_id.unwrap_or(0);
                let mut passed_on = true;
                if qos == 2 {
                    let again = self.session(id).taken.insert(packet_id, number(&payload)).is_some();
                    passed_on = !again && !self.passes_on_at_release;
                }
                if passed_on {
                    self.arrived.push(number(&payload));
                }
                match qos {
                    1 => self.ack(id, now, 0x40, packet_id),
                    2 => self.ack(id, now, 0x50, packet_id),
                    _ => {}
                }
            }
            Parsed::Ack(6, packet_id) => {
                let taken = self.session(id).taken.remove(&packet_id);
                if taken.is_none() && self.drops_unreleased {
                    return self.hang_up(id, now);
                }
                if let (Some(number), true) = (taken, self.passes_on_at_release) {
                    self.arrived.push(number);
                }
                self.ack(id, now, 0x70, packet_id);
            }
            Parsed::Ack(5, packet_id) => {
                for m in self.session(id).flight.iter_mut().filter(|m| m.id == packet_id) {
                    m.released = true;
                }
                self.ack(id, now, 0x62, packet_id);
            }
            Parsed::Ack(kind, packet_id) => {
                let session = self.session(id);
                if let Some(at) = session.flight.iter().position(|m| m.id == packet_id) {
                    let m = session.flight.remove(at);
                    self.acknowledged.push(m.number);
                }
                let surplus = if kind == 7 { self.surplus } else { 0 };
                self.fill(id, now, surplus);
            }
            Parsed::Subscribe(packet_id, filter, qos) => {
                let session = self.session(id);
                session.filters.retain(|(f, _)| *f != filter);
                session.filters.push((filter, qos));
                let [hi, lo] = packet_id.to_be_bytes();
                self.send(id, now, &[0x90, 3, hi, lo, qos]);
            }
            Parsed::Unsubscribe(packet_id, filter) => {
                self.session(id).filters.retain(|(f, _)| *f != filter);
                self.ack(id, now, 0xb0, packet_id);
            }
            Parsed::PingReq => self.send(id, now, &[0xd0, 0]),
            Parsed::Disconnect => {
                self.closed(id);
            }
            other => panic!("a client sends no {other:?}"),
        }
    }

    /// A session with a subscription, left by an earlier firmware.
    pub fn keep_session(&mut self, client: &[u8], filter: &[u8], qos: u8) {
        self.sessions.entry(client.to_vec()).or_default().filters.push((filter.to_vec(), qos));
    }

    /// Filters of a client's session.
    pub fn filters(&self, client: &[u8]) -> Vec<Vec<u8>> {
        self.sessions.get(client).map_or(Vec::new(), |s| s.filters.iter().map(|(f, _)| f.clone()).collect())
    }

    /// Another client publishes.
    pub fn publish(&mut self, topic: &[u8], number: u32, qos: u8, size: usize, now: u64) {
        for (client, session) in &mut self.sessions {
            let granted = session.filters.iter().filter(|(f, _)| filter_matches(f, topic)).map(|(_, q)| *q).max();
            let online = self.connections.values().any(|c| !c.closing && c.client.as_ref() == Some(client));
            let Some(qos) = granted.map(|granted| qos.min(granted)).filter(|qos| online || *qos > 0) else { continue };
            let m = Outgoing { id: 0, topic: topic.to_vec(), number, qos, size, sent: false, released: false };
            session.queue.push_back(m);
        }
        let online: Vec<u64> = self.connections.iter().filter(|(_, c)| c.client.is_some() && !c.closing).map(|(id, _)| *id).collect();
        online.into_iter().for_each(|id| self.fill(id, now, 0));
    }

    /// Sends what the window allows, and this many messages beyond it.
    fn fill(&mut self, id: u64, now: u64, surplus: usize) {
        let window = self.window;
        let mut extra = surplus;
        loop {
            let session = self.session(id);
            let full = session.flight.len() >= window;
            let Some(mut m) = session.queue.front().cloned() else { break };
            if full && m.qos > 0 {
                if extra == 0 {
                    break;
                }
                extra -= 1;
            }
            session.queue.pop_front();
            if m.qos > 0 {
                session.last_id = session.last_id.checked_add(1).unwrap_or(1);
                m.id = session.last_id;
            }
            self.transmit(id, now, &m);
            m.sent = true;
            if m.qos > 0 {
                self.session(id).flight.push(m);
            }
        }
    }

    /// Sends a message, overtaking delayed responses.
    fn transmit(&mut self, id: u64, now: u64, m: &Outgoing) {
        let mut body = [&(m.topic.len() as u16).to_be_bytes()[..], &m.topic].concat();
        if m.qos > 0 {
            body.extend(m.id.to_be_bytes());
        }
        body.extend(m.number.to_be_bytes());
        body.resize(body.len() + m.size.saturating_sub(4), b'_');
        let mut packet = vec![0x30 | (m.sent as u8) << 3 | m.qos << 1];
        let mut n = body.len();
        while n > 127 {
            packet.push(n as u8 | 0x80);
            n >>= 7;
        }
        packet.push(n as u8);
        packet.extend(body);
        self.out.push((id, now, Answer::Bytes(packet)));
    }
}
