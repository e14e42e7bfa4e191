//! What a client's session has to do, event by event: chapters 3 and 4 of the standard and this project's own choices, in the plainest words that a program has.
//!
//! It says which packets go out, in which order, and which messages reach the app. It knows nothing of how the library does it: identifiers are
//! whatever the client takes, as long as they are free; lists are copied about as they please.
#![allow(missing_docs)]

/// The bounds within which everything is gone through.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub messages: usize,
    pub subscriptions: usize,
    pub unsubscribing: usize,
}

/// Whose identifier an acknowledgement names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// The n-th of those in use.
    InUse(usize),
    /// One that nobody has in use.
    Unknown,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::enum_variant_names)]
pub enum Ack {
    PubAck = 4,
    PubRec = 5,
    PubComp = 7,
    SubAck = 9,
    UnsubAck = 11,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    Publish(u8),
    Subscribe,
    Unsubscribe,
    /// TCP is up.
    Connect,
    Disconnect,
    /// The link breaks.
    Lost,
    ConnAck {
        session_present: bool,
    },
    Refused,
    Ack(Ack, Target),
    /// A message for the app: QoS and identifier.
    Message(u8, u16),
    PubRel(u16),
    PingResp,
    /// Time passes until something is due.
    Time,
    /// The event, with no memory to write anything; then a poll, with memory.
    Starved(&'static Event),
}

/// A packet that goes out. Where an identifier is `None`, it is a fresh one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    Connect,
    Disconnect,
    PingReq,
    Message { number: u32, qos: u8, dup: bool, id: Option<u16> },
    Subscribe,
    Unsubscribe,
    Answer(u8, u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Link {
    Down,
    Asked,
    Up,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Never sent in the session that the broker knows.
    Queued,
    Sent,
    /// PUBREC has come.
    Released,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    number: u32,
    qos: u8,
    phase: Phase,
    id: u16,
}

/// What must happen on an event.
#[derive(Default, Debug)]
pub struct Must {
    pub sent: Vec<Sent>,
    /// A message reaches the app.
    pub delivered: bool,
    pub closed: bool,
    /// The standard leaves it open whether the connection ends: nothing else may happen.
    pub may_close: bool,
}

#[derive(Clone, Debug)]
pub struct Spec {
    clean: bool,
    link: Link,
    messages: Vec<Message>,
    /// The newest first: the identifier of a SUBSCRIBE whose answer is awaited.
    subscriptions: Vec<Option<u16>>,
    /// Identifiers of SUBSCRIBEs whose subscription is gone, and of UNSUBSCRIBEs.
    gone: Vec<u16>,
    unsubscribing: Vec<u16>,
    received: Vec<u16>,
    ping: bool,
    next_number: u32,
}

impl Spec {
    pub fn new(clean: bool) -> Self {
        Spec {
            clean,
            link: Link::Down,
            messages: Vec::new(),
            subscriptions: Vec::new(),
            gone: Vec::new(),
            unsubscribing: Vec::new(),
            received: Vec::new(),
            ping: false,
            next_number: 1,
        }
    }

    /// What two states have in common that can't be told apart: identifiers and numbers do not count.
    pub fn key(&self) -> Vec<u8> {
        let mut key = vec![self.link as u8, self.ping as u8, self.gone.len() as u8, self.unsubscribing.len() as u8];
        key.push(self.received.iter().fold(0, |set, id| set | 1 << id));
        key.extend(self.subscriptions.iter().map(|s| s.is_some() as u8));
        key.extend(self.messages.iter().map(|m| 16 + m.qos * 4 + m.phase as u8));
        key
    }

    pub fn in_use(&self) -> Vec<u16> {
        let messages = self.messages.iter().filter(|m| m.phase != Phase::Queued).map(|m| m.id);
        let subscriptions = self.subscriptions.iter().flatten().copied();
        messages.chain(subscriptions).chain(self.gone.iter().copied()).chain(self.unsubscribing.iter().copied()).collect()
    }

    pub fn is_down(&self) -> bool {
        self.link == Link::Down
    }

    pub fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    pub fn is_clean(&self) -> bool {
        self.clean
    }

    /// The answer that the first of the identifiers in use is waiting for.
    pub fn awaited(&self) -> Option<Event> {
        let first = *self.in_use().first()?;
        let message = self.messages.iter().find(|m| m.id == first && m.phase != Phase::Queued);
        let ack = match message.map(|m| (m.qos, m.phase)) {
            Some((1, _)) => Ack::PubAck,
            Some((_, Phase::Released)) => Ack::PubComp,
            Some(_) => Ack::PubRec,
            None if self.unsubscribing.contains(&first) => Ack::UnsubAck,
            None => Ack::SubAck,
        };
        Some(Event::Ack(ack, Target::InUse(0)))
    }

    pub fn next_number(&self) -> u32 {
        self.next_number
    }

    pub fn resolve(&self, target: Target) -> u16 {
        let in_use = self.in_use();
        match target {
            Target::InUse(n) => in_use[n],
            Target::Unknown => 40_000,
        }
    }

    /// All that can happen next.
    pub fn events(&self, bounds: Bounds) -> Vec<Event> {
        use Event::*;
        const STARVED: [Event; 8] = [
            Publish(0),
            Publish(1),
            Publish(2),
            Subscribe,
            Unsubscribe,
            ConnAck { session_present: false },
            ConnAck { session_present: true },
            PubRel(1),
        ];
        const STARVED_MESSAGES: [Event; 3] = [Message(1, 1), Message(2, 1), Disconnect];
        let mut events = vec![Publish(0)];
        if self.messages.len() < bounds.messages {
            events.extend([Publish(1), Publish(2)]);
        }
        if self.subscriptions.len() < bounds.subscriptions {
            events.push(Subscribe);
        }
        if self.unsubscribing.len() < bounds.unsubscribing && self.gone.len() < bounds.unsubscribing {
            events.push(Unsubscribe);
        }
        if self.link == Link::Down {
            events.push(Connect);
            return events;
        }
        let starved: Vec<Event> = STARVED
            .iter()
            .chain(&STARVED_MESSAGES)
            .filter(|e| events.contains(e) || !matches!(e, Publish(_) | Subscribe | Unsubscribe))
            .map(Starved)
            .collect();
        events.extend(starved);
        events.extend([Disconnect, Lost, Refused, PingResp, Time]);
        events.extend([false, true].map(|session_present| ConnAck { session_present }));
        events.extend([Message(0, 0), Message(1, 1), Message(2, 1), Message(2, 2), PubRel(1), PubRel(2)]);
        let targets: Vec<Target> = (0..self.in_use().len()).map(Target::InUse).chain([Target::Unknown]).collect();
        for ack in [self::Ack::PubAck, self::Ack::PubRec, self::Ack::PubComp, self::Ack::SubAck, self::Ack::UnsubAck] {
            events.extend(targets.iter().map(|target| Ack(ack, *target)));
        }
        events
    }

    fn down(&mut self) {
        self.link = Link::Down;
        self.gone.clear();
        self.unsubscribing.clear();
        self.subscriptions.iter_mut().for_each(|s| *s = None);
        self.ping = false;
    }

    /// The event happens.
    pub fn happen(&mut self, event: Event) -> Must {
        let mut must = Must::default();
        let up = self.link == Link::Up;
        let starved = matches!(event, Event::Starved(_));
        let event = if let Event::Starved(event) = event { *event } else { event };
        let packet = matches!(event, Event::Ack(..) | Event::Message(..) | Event::PubRel(_) | Event::PingResp);
        if packet && !up {
            // Before CONNACK a broker may not send anything [MQTT-3.2.0-1].
            must.closed = true;
        } else {
            self.act(event, starved, &mut must);
        }
        if must.closed {
            self.down();
        }
        must
    }

    fn act(&mut self, event: Event, starved: bool, must: &mut Must) {
        let up = self.link == Link::Up;
        match event {
            Event::Publish(0) => {
                // At most once: if it can't be written, it is gone.
                if up && !starved {
                    must.sent.push(Sent::Message { number: self.next_number, qos: 0, dup: false, id: None });
                }
                self.next_number += 1;
            }
            Event::Publish(qos) => {
                let number = self.next_number;
                self.next_number += 1;
                self.messages.push(Message { number, qos, phase: Phase::Queued, id: 0 });
                if up {
                    must.sent.push(Sent::Message { number, qos, dup: false, id: None });
                }
            }
            Event::Subscribe => {
                self.subscriptions.insert(0, None);
                if up {
                    must.sent.push(Sent::Subscribe);
                }
            }
            Event::Unsubscribe => self.unsubscribe(up, starved, must),
            Event::Connect => {
                self.link = Link::Asked;
                must.sent.push(Sent::Connect);
            }
            Event::Disconnect => {
                if !starved {
                    must.sent.push(Sent::Disconnect);
                }
                must.closed = true;
            }
            Event::Lost | Event::Refused => must.closed = true,
            Event::ConnAck { session_present } if up || session_present && self.clean => must.closed = true,
            Event::ConnAck { session_present } => {
                self.link = Link::Up;
                self.begin(session_present, must);
            }
            Event::Ack(ack, target) => self.acknowledged(ack, self.resolve(target), must),
            Event::Message(qos, id) => {
                let again = qos == 2 && self.received.contains(&id);
                must.delivered = !again;
                match qos {
                    1 => must.sent.push(Sent::Answer(4, id)),
                    2 => must.sent.push(Sent::Answer(5, id)),
                    _ => {}
                }
                if qos == 2 && !again {
                    self.received.push(id);
                }
            }
            Event::PubRel(id) => {
                self.received.retain(|r| *r != id);
                must.sent.push(Sent::Answer(7, id));
            }
            Event::PingResp => self.ping = false,
            // CONNACK or PINGRESP that do not come.
            Event::Time if !up || self.ping => must.closed = true,
            Event::Time => {
                self.ping = true;
                must.sent.push(Sent::PingReq);
            }
            Event::Starved(_) => unreachable!("taken apart above"),
        }
    }

    fn unsubscribe(&mut self, up: bool, starved: bool, must: &mut Must) {
        // With another of the same filter the broker goes on sending.
        let last = self.subscriptions.len() == 1;
        if self.subscriptions.is_empty() || up && last && starved {
            return;
        }
        if up && last {
            must.sent.push(Sent::Unsubscribe);
        }
        if let Some(id) = self.subscriptions.remove(0) {
            self.gone.push(id);
        }
    }

    /// CONNACK 0.
    fn begin(&mut self, session_present: bool, must: &mut Must) {
        must.sent.extend(self.subscriptions.iter().map(|_| Sent::Subscribe));
        if !session_present {
            self.received.clear();
            // What the broker has taken over is its own.
            self.messages.retain(|m| m.phase != Phase::Released);
            self.messages.iter_mut().for_each(|m| m.phase = Phase::Queued);
        }
        must.sent.extend(self.messages.iter().map(|m| match m.phase {
            Phase::Queued => Sent::Message { number: m.number, qos: m.qos, dup: false, id: None },
            Phase::Sent => Sent::Message { number: m.number, qos: m.qos, dup: true, id: Some(m.id) },
            Phase::Released => Sent::Answer(6, m.id),
        }));
    }

    fn acknowledged(&mut self, ack: Ack, id: u16, must: &mut Must) {
        let message = self.messages.iter().position(|m| m.id == id && m.phase != Phase::Queued);
        if ack == Ack::SubAck {
            self.subscriptions.iter_mut().filter(|s| **s == Some(id)).for_each(|s| *s = None);
            self.gone.retain(|s| *s != id);
            must.may_close = message.is_some() || self.unsubscribing.contains(&id);
        } else if let Some(at) = message {
            let Message { qos, phase, .. } = self.messages[at];
            match (ack, qos, phase) {
                // At QoS 2 as well: brokers that have QoS 1 only answer so.
                (Ack::PubAck, _, Phase::Sent) | (Ack::PubComp, 2, Phase::Released) => drop(self.messages.remove(at)),
                (Ack::PubRec, 2, _) => {
                    self.messages[at].phase = Phase::Released;
                    must.sent.push(Sent::Answer(6, id));
                }
                _ => must.closed = true,
            }
        } else if self.unsubscribing.contains(&id) {
            self.unsubscribing.retain(|u| *u != id || ack != Ack::UnsubAck);
            must.closed = ack != Ack::UnsubAck;
        } else if ack == Ack::PubRec {
            // Also for what nobody knows: the broker must be able to end it.
            must.sent.push(Sent::Answer(6, id));
            must.may_close = self.in_use().contains(&id);
        } else {
            must.may_close = self.in_use().contains(&id);
        }
    }

    /// The connection has ended where it was free to.
    pub fn was_closed(&mut self) {
        self.down();
    }

    /// The packet went out with this fresh identifier, which must have been free. `nth`: how many SUBSCRIBEs went before it on this event.
    pub fn bind(&mut self, sent: Sent, id: u16, nth: usize) {
        assert!(id != 0 && !self.in_use().contains(&id), "2.3.1-2: identifier {id} is taken for {sent:?} while in use");
        match sent {
            Sent::Message { number, .. } => {
                for m in self.messages.iter_mut().filter(|m| m.number == number) {
                    m.phase = Phase::Sent;
                    m.id = id;
                }
            }
            Sent::Subscribe => self.subscriptions[nth] = Some(id),
            Sent::Unsubscribe => self.unsubscribing.push(id),
            _ => {}
        }
    }
}
