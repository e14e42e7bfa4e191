//! The client: `Conn` and a minimal driver that uses it as src/ffi does, in the same order.
//!
//! Memory for a packet can fail as there; the app's handlers only record.

use super::super::reference::parsed;
use super::app::{App, Greeting, Line};
use super::link::{Link, Manner, Opening};
use super::rng::Rng;
use super::tap::{Tap, number};
use mgos_mqtt::conn::{BackoffRange, Conn, DisconnectReason, Reconnect, Slot, Wake};
use mgos_mqtt::session::{
    Framed, GivenUp, Limits, NEVER, Notice, Notify, Outcome, ReceiveError, Recipient, RequestError, Wants, WatchOptions, reached,
};
use mgos_mqtt::wire::{AckKind, Connect, Header, InPacket, OutPacket, PacketId, ProtocolError, QoS, kind, size};
use std::collections::BTreeMap;

/// The client's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub clean_session: bool,
    pub keep_alive: u16,
    pub max_queue: u16,
    pub max_bytes: u32,
    pub max_qos: QoS,
    pub receive_limit: usize,
    pub waits: BackoffRange,
    pub connect_timeout: u32,
    /// The uptime at the start of the simulation.
    pub clock: u32,
    /// There are handlers for messages without a subscription.
    pub others: bool,
}

/// A message delivered to the app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivered {
    pub number: u32,
    pub topic: Vec<u8>,
    pub qos: QoS,
}

/// A message accepted from the app, to be kept until it is acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub number: u32,
    pub qos: QoS,
}

/// Nothing was sent because of lacking memory.
pub struct NoMemory;

pub struct Client {
    pub conn: Conn<u32>,
    pub config: Config,
    pub link: Option<Link>,
    pub manner: Manner,
    pub tap: Tap,
    pub rng: Rng,
    /// Allocations fail with probability 1/n; 0 for never.
    pub oom_one_in: u64,
    received: Vec<u8>,
    /// Why the connection is going to end, if we end it.
    ends: Option<DisconnectReason>,
    handed_in: bool,
    pub delivered: Vec<Delivered>,
    pub taken: Vec<Taken>,
    /// What became of watched messages that were accepted, by number, once it was told.
    pub outcomes: BTreeMap<u32, Option<Outcome>>,
    pub overflows: u64,
    pub oversized: u64,
    pub timeouts: u64,
    pub violation: Option<ProtocolError>,
    /// The network carries no connections: they are refused or time out.
    pub unreachable: bool,
    /// Publish from the CONNACK handler: the number to use.
    pub on_connack: Option<u32>,
    pub app: App,
    pub trace: bool,
}

pub fn encode(out: &OutPacket<'_>) -> Vec<u8> {
    let remaining = out.remaining().expect("not too large");
    let mut bytes = vec![0; size(remaining)];
    let mut rest = &mut bytes[..];
    out.write(&mut rest, remaining).expect("a packet knows its size");
    assert!(rest.is_empty());
    bytes
}

impl Client {
    pub fn new(config: Config, manner: Manner, rng: Rng, trace: bool) -> Self {
        Client {
            conn: Conn::default(),
            config,
            link: None,
            manner,
            tap: Tap::default(),
            rng,
            oom_one_in: 0,
            received: Vec::new(),
            ends: None,
            handed_in: false,
            delivered: Vec::new(),
            taken: Vec::new(),
            outcomes: BTreeMap::new(),
            overflows: 0,
            oversized: 0,
            timeouts: 0,
            violation: None,
            unreachable: false,
            on_connack: None,
            app: App::default(),
            trace,
        }
    }

    /// The library's clock: 32 bits that wrap around.
    pub fn clock(&self, now: u64) -> u32 {
        (self.config.clock as u64 + now) as u32
    }

    fn note(&self, now: u64, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{now:>9} client {}", what());
        }
    }

    // As in src/ffi/lifecycle.rs.

    pub fn connect(&mut self, now: u64) {
        self.conn.start();
        if self.link.is_some() {
            return;
        }
        let slot = self.conn.slot();
        let opening = self.app.attempt(slot, self.unreachable, now);
        let opening = opening.unwrap_or_else(|| match self.rng.below(if self.unreachable { 2 } else { 40 }) {
            0 => Opening::FailsAt(now + self.rng.below(3000)),
            1 => Opening::Never,
            _ => Opening::At(now + self.rng.below(300)),
        });
        self.note(now, || format!("connects: {opening:?}"));
        self.link = Some(Link::new(opening));
        self.tap.up();
        let clock = self.clock(now);
        self.conn.connecting(self.config.connect_timeout, App::key(slot), clock);
    }

    /// The transport is up.
    pub fn connected(&mut self, now: u64) {
        if !self.conn.is_connecting() {
            return;
        }
        let Config { clean_session, keep_alive, .. } = self.config;
        let fields = [Some(&b"sim"[..]), None, None, None, None];
        let connect = Connect { fields: &fields, clean_session, will_retain: false, keep_alive };
        let mut room = [0; 10];
        let out = connect.packet(&mut room).expect("nothing is too long");
        if self.send(&out, now).is_err() {
            return self.close_now(DisconnectReason::Local, now);
        }
        let clock = self.clock(now);
        self.conn.session.connect_sent(clean_session, keep_alive, clock);
        self.conn.session.limit_qos(self.config.max_qos);
        self.pump(now);
    }

    pub fn disconnect(&mut self, now: u64) {
        self.note(now, || "disconnects".into());
        self.conn.stop();
        if self.link.is_none() {
            return;
        }
        let say = self.conn.session.may_send() && self.send(&OutPacket::DISCONNECT, now).is_ok();
        let clock = self.clock(now);
        self.conn.closing(self.config.connect_timeout, clock);
        self.ends = self.ends.or(Some(DisconnectReason::Local));
        if let Some(link) = &mut self.link {
            link.flushing = say;
            link.closed_at = if say { link.closed_at } else { Some(now) };
        }
    }

    /// Applies another configuration, which is the same one here.
    pub fn reconfigure(&mut self, now: u64) {
        self.note(now, || "reconfigures".into());
        let live = self.link.is_some();
        self.conn.reconfigured(Slot::Custom, live);
        if live {
            self.close_now(DisconnectReason::Local, now);
        }
    }

    // As in src/ffi/pump.rs.

    fn write(&mut self, bytes: &[u8], now: u64, app: bool) -> Result<(), NoMemory> {
        if self.rng.one_in(self.oom_one_in) {
            return Err(NoMemory);
        }
        let packet = self.tap.wrote(bytes, now, app);
        self.app.wrote(&packet, now);
        self.note(now, || format!("-> {packet:?}"));
        let link = self.link.as_mut().expect("written without a connection");
        link.up.push(bytes, now, &mut self.rng, self.manner);
        Ok(())
    }

    fn send(&mut self, out: &OutPacket<'_>, now: u64) -> Result<(), NoMemory> {
        if self.link.is_none() {
            return Ok(());
        }
        self.write(&encode(out), now, false)?;
        let clock = self.clock(now);
        self.conn.session.sent_other(out.first, out.id, clock);
        Ok(())
    }

    pub fn pump(&mut self, now: u64) {
        let clock = self.clock(now);
        while self.link.is_some() {
            let room = self.unsent() < 1024;
            let Some(out) = self.conn.session.next(room, clock) else { break };
            let bytes = encode(&out);
            if self.write(&bytes, now, false).is_err() {
                break;
            }
            let unsent = self.unsent();
            self.conn.session.sent(unsent, clock);
        }
        self.tell_notices(now);
    }

    /// Bytes waiting to leave.
    fn unsent(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.up.len())
    }

    fn has_room(&self, size: usize) -> bool {
        let unsent = self.unsent();
        unsent == 0 || self.conn.session.has_room(unsent, size, self.app.free_heap(unsent))
    }

    /// Logs the session's reports, and tells the app what was given up.
    fn tell_notices(&mut self, now: u64) {
        while let Some(notice) = self.conn.session.notice() {
            let line = match notice {
                Notice::Overdue(id) => Line::Overdue(id.get()),
                Notice::SubscribeOverdue => Line::SubscribeOverdue,
                Notice::SubscribeUnanswered { filter } => Line::SubscribeUnanswered(filter.to_vec()),
                Notice::SetAside { id, topic, size } => Line::SetAside { id: id.get(), topic: topic.to_vec(), size },
                Notice::SubscriptionSetAside { filter } => Line::SubscriptionSetAside(filter.to_vec()),
                Notice::GivenUpAside { id, topic } => Line::GivenUpAside { id: id.get(), topic: topic.to_vec() },
                Notice::Dropped { id, topic } => Line::Dropped { id: id.get(), topic: topic.to_vec() },
                Notice::SessionPresent => Line::SessionPresent,
            };
            if self.trace {
                println!("{now:>9} client logs {line:?}");
            }
            self.app.logs(line, now);
        }
        let GivenUp { count, first, last } = self.conn.session.take_given_up();
        if count > 0 {
            self.app.logs(Line::GivenUp { count, first, last }, now);
        }
    }

    fn close_now(&mut self, end: DisconnectReason, now: u64) {
        self.ends = self.ends.or(Some(end));
        self.conn.closing(0, 0);
        let soon = now + self.rng.below(50);
        if let Some(link) = &mut self.link {
            link.closed_at = Some(soon);
        }
    }

    /// Closes when what was written before has gone out, if it does so soon.
    fn close_after(&mut self, end: DisconnectReason, now: u64) {
        self.ends = self.ends.or(Some(end));
        let clock = self.clock(now);
        self.conn.closing(5000, clock);
        if let Some(link) = &mut self.link {
            link.flushing = true;
        }
    }

    pub fn wake(&mut self, now: u64) {
        let wake = self.conn.wake(self.clock(now));
        match wake {
            Wake::Nothing => {}
            Wake::Connect => {
                self.conn.cancel_wait();
                self.connect(now);
            }
            Wake::ConnectTimeout | Wake::CloseTimeout | Wake::PingTimeout => {
                self.note(now, || format!("{wake:?}"));
                self.timeouts += 1;
                self.close_now(if wake == Wake::PingTimeout { DisconnectReason::PingTimeout } else { DisconnectReason::Fault }, now);
            }
        }
    }

    /// The waits of a slot's configuration.
    fn waits(&self, slot: Slot) -> BackoffRange {
        self.app.backup.filter(|_| slot == Slot::Backup).unwrap_or(self.config.waits)
    }

    fn reconnect(&mut self, now: u64) {
        let (random, clock) = (self.rng.number() as u32, self.clock(now));
        let backup = self.app.backup;
        let (current, other) = match self.conn.slot() {
            Slot::Backup => (backup, Some(self.config.waits)),
            Slot::Primary => (Some(self.config.waits), backup),
            Slot::Custom => (Some(self.config.waits), None),
        };
        if self.conn.plan_reconnect(current, other, random, clock) == Reconnect::Now {
            self.connect(now);
        }
    }

    // As in src/ffi/events.rs.

    /// MG_EV_CLOSE.
    pub fn closed(&mut self, now: u64) {
        self.note(now, || "is disconnected".into());
        self.link = None;
        self.received.clear();
        self.handed_in = false;
        self.app.ended(now);
        let (end, clock) = (self.ends.take().unwrap_or(DisconnectReason::Peer), self.clock(now));
        if self.conn.disconnected(end, clock) {
            self.app.logs(Line::EndedEarlyAgain, now);
        }
        self.tell_notices(now);
        self.tap.down();
        self.reconnect(now);
    }

    /// MG_EV_POLL.
    pub fn poll(&mut self, now: u64) {
        let (unsent, clock) = (self.unsent(), self.clock(now));
        self.conn.session.polled(unsent, clock);
        self.wake(now);
        self.pump(now);
        self.receive(now, false);
    }

    /// MG_EV_SEND: the socket has accepted this many bytes.
    pub fn left(&mut self, bytes: usize, now: u64) {
        let clock = self.clock(now);
        self.conn.session.transmitted(bytes, self.unsent(), clock);
        if self.conn.session.may_have_more() {
            self.pump(now);
        }
    }

    /// NET_EV_DISCONNECTED.
    pub fn net_lost(&mut self, now: u64) {
        self.note(now, || "loses the network".into());
        self.conn.network_down();
        self.pump(now);
    }

    /// NET_EV_IP_ACQUIRED.
    pub fn net_up(&mut self, now: u64) {
        self.note(now, || "gets the network".into());
        let clock = self.clock(now);
        self.conn.network_up(clock);
        if self.conn.is_wanted() {
            self.connect(now);
            self.pump(now);
        }
    }

    /// Bytes in the receive buffer.
    pub fn buffered(&self) -> usize {
        self.received.len()
    }

    /// The app sends a packet directly on the connection.
    pub fn write_past(&mut self, packet: &[u8], now: u64) {
        if self.link.is_some() && self.write(packet, now, true).is_ok() {
            let clock = self.clock(now);
            self.conn.session.app_sent(clock);
        }
    }

    /// MG_EV_RECV.
    pub fn arrived(&mut self, bytes: &[u8], now: u64) {
        self.received.extend_from_slice(bytes);
        self.receive(now, true);
    }

    fn receive(&mut self, now: u64, fresh: bool) {
        // Without bytes, too: the response to a skipped packet may be due.
        while self.link.is_some() {
            if !self.conn.session.may_send() {
                self.received.clear();
                break;
            }
            let buf = std::mem::take(&mut self.received);
            let taken = self.conn.session.frame(&buf, self.config.receive_limit);
            let step = match taken {
                Err(violation) => Err(violation),
                Ok(Framed::Incomplete) => {
                    if fresh && !buf.is_empty() {
                        let clock = self.clock(now);
                        self.conn.session.bytes_received(clock);
                    }
                    Ok(None)
                }
                Ok(Framed::Packet(header, body)) => self.packet(header, body, now).map(|dealt| dealt.then_some(header.total())),
                Ok(Framed::Discard(n)) => {
                    let clock = self.clock(now);
                    self.conn.session.bytes_received(clock);
                    Ok(Some(n))
                }
                Ok(Framed::Oversized { total, .. }) => {
                    assert!(total > self.config.receive_limit);
                    self.oversized += 1;
                    Ok(Some(0))
                }
                Ok(Framed::Answer(ack, id)) => {
                    if !std::mem::replace(&mut self.handed_in, true) {
                        self.tap.read_oversized(ack as u8 - 3, id.get());
                    }
                    Ok(self.answer(ack, id, now).then(|| {
                        self.handed_in = false;
                        self.conn.session.discarded_answered();
                        0
                    }))
                }
            };
            // A handler may have closed the connection, which discards what was received.
            self.received = buf;
            match step {
                Ok(Some(n)) => drop(self.received.drain(..n)),
                Ok(None) => break,
                Err(violation) => {
                    self.note(now, || format!("{violation:?}"));
                    self.violation = Some(violation);
                    self.close_after(DisconnectReason::Fault, now);
                }
            }
        }
    }

    fn answer(&mut self, ack: AckKind, id: PacketId, now: u64) -> bool {
        !self.conn.session.may_send() || self.send(&OutPacket::ack(ack, id), now).is_ok()
    }

    fn packet(&mut self, header: Header, body: &[u8], now: u64) -> Result<bool, ProtocolError> {
        let clock = self.clock(now);
        let (packet, reaction) = match self.conn.session.receive(header, body, self.config.others, clock) {
            Ok(received) => received,
            Err(ReceiveError::Violation(violation)) => return Err(violation),
            Err(ReceiveError::OutOfMemory) => return Ok(false),
        };
        if !std::mem::replace(&mut self.handed_in, true) {
            let read = parsed(&packet);
            self.note(now, || format!("<- {read:?}"));
            let by_app = reaction.notify == Notify::Handlers && self.config.others && !self.app.ignores_strays;
            self.tap.read(&read, by_app, now);
        }
        if let (Some(ack), Some(id)) = (reaction.answer, packet.id)
            && !self.answer(ack, id, now)
        {
            self.conn.session.answer_failed(reaction, id);
            return Ok(false);
        }
        self.handed_in = false;
        self.notify(reaction.notify, packet, now);
        self.pump(now);
        Ok(true)
    }

    fn notify(&mut self, notify: Notify, packet: InPacket<'_>, now: u64) {
        if let (Notify::Subscriber | Notify::Handlers | Notify::Downgraded, Some(id)) = (notify, packet.id)
            && !matches!(packet.kind(), kind::PUBLISH | kind::PUBREL)
        {
            self.app.answered(packet.kind(), id.get());
        }
        match notify {
            Notify::Accepted => {
                let slot = self.conn.slot();
                self.app.accepted(slot, now);
                let (longest, clock) = (self.waits(slot).max, self.clock(now));
                self.conn.accepted(App::key(slot), longest, clock);
                self.pump(now);
                for greeting in self.app.greetings.clone() {
                    match greeting {
                        Greeting::Publish(topic) => drop(self.publish(0, &topic, 20, QoS::AtMostOnce, now)),
                        Greeting::Packet(packet) => self.write_past(&packet, now),
                        Greeting::OwnPublish(topic) => {
                            let id = self.conn.session.packet_id();
                            self.write_past(&encode(&OutPacket::publish(2, Some(id), &topic, &[0; 4])), now);
                        }
                    }
                }
                if let Some(number) = self.on_connack.take() {
                    self.publish(number, b"out/hello", 20, QoS::ExactlyOnce, now);
                }
                self.conn.session.connack_delivered();
            }
            Notify::Refused => self.close_now(DisconnectReason::Fault, now),
            Notify::Subscribers => {
                let mut recipients = 0;
                while self.conn.session.next_recipient(packet.topic).is_some() {
                    recipients += 1;
                }
                assert!(recipients > 0);
                self.deliver(packet);
            }
            Notify::Handlers if packet.kind() == kind::PUBLISH => {
                if let (true, QoS::AtLeastOnce, Some(id)) = (self.config.others && !self.app.ignores_strays, packet.qos(), packet.id) {
                    let ack = OutPacket::ack(AckKind::PubAck, id);
                    self.write_past(&encode(&ack), now);
                    self.app.acknowledges = true;
                }
                // If no handler has ever acknowledged one, none will.
                if let (true, QoS::AtLeastOnce, Some(id)) = (self.config.others && !self.app.acknowledges, packet.qos(), packet.id) {
                    self.answer(AckKind::PubAck, id, now);
                }
                self.deliver(packet);
            }
            Notify::Handlers | Notify::Downgraded => {
                if let (kind::PUBACK | kind::PUBCOMP, Some(id)) = (packet.kind(), packet.id) {
                    self.app.acknowledged(id.get(), now);
                }
            }
            Notify::Nobody | Notify::Subscriber => {}
        }
    }

    fn deliver(&mut self, message: InPacket<'_>) {
        self.delivered.push(Delivered { number: number(message.payload), topic: message.topic.to_vec(), qos: message.qos() });
    }

    // As in src/ffi/conn_api.rs.

    /// Returns the app's result: the packet ID, or `None` if the message was neither sent nor kept.
    pub fn publish(&mut self, number: u32, topic: &[u8], size: usize, qos: QoS, now: u64) -> Option<u16> {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(size.max(4), b'.');
        let (room, clock) = (self.has_room(payload.len() + topic.len()), self.clock(now));
        let limits = Limits { max_qos: self.config.max_qos, max_queue: self.config.max_queue, max_bytes: self.config.max_bytes, room };
        let published = match self.conn.session.publish(topic, &payload, qos, false, limits, clock) {
            Ok(published) => published,
            Err(RequestError::OverQueueBytes) => {
                assert!(topic.len() + payload.len() > self.config.max_bytes as usize && self.config.max_bytes > 0);
                return None;
            }
            Err(error) => {
                let is_queued = self.config.max_queue > 0 && qos.min(self.config.max_qos) > QoS::AtMostOnce;
                assert!(!is_queued, "a message was refused: {error}");
                return None;
            }
        };
        self.overflows += published.overflow as u64;
        if !published.direct {
            self.taken.push(Taken { number, qos: qos.min(self.config.max_qos) });
        }
        if published.direct || published.next {
            let id = (published.flags & 6 != 0).then_some(published.id);
            if self.send(&OutPacket::publish(published.flags, id, topic, &payload), now).is_err() && published.direct {
                self.conn.session.publish_failed(published.id);
                return None;
            }
            return Some(published.id.get());
        }
        self.pump(now);
        Some(published.id.get())
    }

    /// The same as mgos_mqtt_conn_pub_opt() does it, with an outcome to be told; the handler is the
    /// message's number.
    pub fn publish_opt(&mut self, options: WatchOptions<u32>, topic: &[u8], size: usize, qos: QoS, now: u64) {
        let (effective, clock) = (qos.min(self.config.max_qos), self.clock(now));
        let WatchOptions { handler: number, replace, .. } = options;
        let id = self.conn.session.watch(effective, options, clock).expect("memory");
        if replace && effective > QoS::AtMostOnce {
            let mut payload = number.to_be_bytes().to_vec();
            payload.resize(size.max(4), b'.');
            let limits =
                Limits { max_qos: self.config.max_qos, max_queue: self.config.max_queue, max_bytes: self.config.max_bytes, room: true };
            if let Some(replaced) = self.conn.session.replace(topic, &payload, effective, false, limits) {
                assert_eq!(replaced, Ok(id), "there is memory, and no limit on the bytes");
                self.taken.push(Taken { number, qos: effective });
                self.outcomes.insert(number, None);
                return self.pump(now);
            }
        }
        if self.publish(number, topic, size, qos, now).is_none() {
            return self.conn.session.refused(id);
        }
        let unsent = self.unsent();
        self.conn.session.written(id, unsent);
        self.outcomes.insert(number, None);
    }

    /// When [`tell_outcomes`](Self::tell_outcomes) has something to do.
    pub fn outcomes_due(&self, now: u64) -> Option<u32> {
        let due = self.conn.session.outcome_due(self.clock(now));
        (due != NEVER).then_some(due)
    }

    /// As in src/ffi/results.rs.
    pub fn tell_outcomes(&mut self, now: u64) {
        let clock = self.clock(now);
        if self.outcomes_due(now).is_none_or(|due| !reached(clock, due)) {
            return;
        }
        self.conn.session.sweep(clock);
        while let Some((_, outcome, number)) = self.conn.session.take_settled() {
            let told = self.outcomes.get_mut(&number).expect("of a message that was accepted");
            assert_eq!(*told, None, "{outcome:?}: the outcome of message {number} is told again");
            *told = Some(outcome);
            if matches!(outcome, Outcome::Replaced | Outcome::Expired) {
                self.taken.retain(|m| m.number != number);
            }
        }
    }

    pub fn subscribe(&mut self, filter: &[u8], qos: QoS, now: u64) {
        let recipient = Recipient { handler: 0, wants: Wants::MESSAGES };
        let clock = self.clock(now);
        self.conn.session.subscribe(filter, qos, recipient, clock).expect("a right filter, and memory");
        self.pump(now);
    }

    pub fn unsubscribe(&mut self, filter: &[u8], now: u64) {
        let clock = self.clock(now);
        if self.conn.session.unsubscribe(filter, clock).is_some() {
            self.pump(now);
        }
    }
}
