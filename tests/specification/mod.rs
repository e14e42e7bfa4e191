//! What a client's session has to do, event by event: chapters 3 and 4 of the standard and this
//! project's own choices, as plainly as a program can say it.
//!
//! It says which packets are sent, in which order, which messages reach the app, and which
//! responses are reported to it. It is independent of the library's implementation: packet IDs are
//! whatever the client chooses, as long as they are free and stay the same; lists are copied
//! freely.
//!
//! Within an event no time passes. Time passes only with `Time`, until the client sends something
//! by itself or gives up the connection; so either everything sent before and still in flight is
//! older than the time that a response may take, or nothing is in flight.
#![allow(missing_docs)]

/// The bounds of the exploration.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub messages: usize,
    pub subscriptions: usize,
    pub unsubscribing: usize,
    /// All of these together.
    pub all: usize,
    /// Packet IDs of QoS 2 messages for the app.
    pub incoming: u16,
    /// The broker may leave packets unanswered while the link stays up.
    pub silence: bool,
    /// Memory may be lacking.
    pub starved: bool,
}

/// Whose packet ID an acknowledgement has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// The n-th of those in use.
    InUse(usize),
    /// One that is not in use.
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
    /// TCP is connected.
    Connect,
    Disconnect,
    /// The link breaks, too late for anything sent to be the cause.
    Lost,
    ConnAck {
        session_present: bool,
    },
    Refused,
    Ack(Ack, Target),
    /// A message for the app: QoS and packet ID.
    Message(u8, u16),
    PubRel(u16),
    PingResp,
    /// Time passes until the client sends something or closes.
    Time,
    /// The event without memory to send anything; then a poll, with memory.
    Starved(&'static Event),
}

/// A packet that is sent. Its packet ID, if any, is the one assigned before; else a fresh one, of
/// the client's choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    Connect,
    Disconnect,
    PingReq,
    Message { number: u32, qos: u8, dup: bool, id: u16 },
    Subscribe { id: Option<u16> },
    Unsubscribe { id: Option<u16> },
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
    /// PUBREC was received. The content is kept until PUBCOMP.
    Released,
}

/// State of a packet that needs a response, on this connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Way {
    /// To be sent.
    Waiting,
    /// Sent, awaiting its response.
    OnWire,
    /// The same, and later than others that await theirs.
    Young,
    /// As `OnWire`, unanswered for as long as a response may take: a ping was sent after it.
    AskedFor,
    /// Nothing to do on this connection: it was answered, or twice left unanswered.
    Done,
}

impl Way {
    fn on_wire(self) -> bool {
        matches!(self, Way::OnWire | Way::Young | Way::AskedFor)
    }
}

#[derive(Clone, Copy, Debug)]
struct Message {
    number: u32,
    qos: u8,
    phase: Phase,
    id: u16,
    way: Way,
    overdue: bool,
    /// Sent more than once on this connection.
    repeated: bool,
    /// Retransmitted without an answer on this connection: it does not block others.
    stubborn: bool,
    /// How often PUBREL was not answered in time, up to 3, and whether that includes an earlier
    /// connection.
    in_vain: u8,
    in_vain_before: bool,
}

/// A SUBSCRIBE or an UNSUBSCRIBE.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// It keeps its packet ID until it is answered.
    id: Option<u16>,
    way: Way,
    overdue: bool,
    repeated: bool,
    /// An UNSUBSCRIBE that the app has cancelled by subscribing again: its response is awaited, but
    /// it is not sent any more.
    taken_back: bool,
}

impl Request {
    const NEW: Self = Request { id: None, way: Way::Waiting, overdue: false, repeated: false, taken_back: false };

    /// The state when a connection is established.
    fn anew(self) -> Self {
        Request { id: self.id, ..Self::NEW }
    }

    /// It is overdue: retransmitted, once per connection.
    fn look(&mut self) -> bool {
        if self.way != Way::AskedFor {
            return false;
        }
        self.way = if self.overdue || self.taken_back { Way::Done } else { Way::Waiting };
        self.overdue = true;
        true
    }
}

/// The packet sent last whose response would show that the broker has received it and everything
/// before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Last {
    Answered,
    Ping,
    Id(u16),
    /// One that is never answered.
    Other,
}

/// What must happen on an event.
#[derive(Default, Debug)]
pub struct Must {
    pub sent: Vec<Sent>,
    /// A message reaches the app.
    pub delivered: bool,
    /// A response of the broker is reported to the app.
    pub told: bool,
    /// Packet IDs that are freed without PUBCOMP.
    pub freed: Vec<u16>,
    /// The packet ID for which PUBREL is due.
    release: Option<u16>,
    /// This many seconds pass until then.
    pub after: Option<u64>,
    /// The time depends on when packets were sent, which the specification does not know.
    pub untimed: bool,
    pub closed: bool,
    /// The standard leaves it open whether the connection ends: nothing else may happen.
    pub may_close: bool,
}

/// The widest window.
const WIDEST: u16 = 16;
/// Seconds.
const ACK_TIMEOUT: u64 = 20;
const LONGEST_WAIT: u64 = 120;

#[derive(Clone, Debug)]
pub struct Spec {
    clean: bool,
    link: Link,
    messages: Vec<Message>,
    /// The newest first.
    subscriptions: Vec<Request>,
    /// Pending UNSUBSCRIBEs of the session, the newest first.
    unsubscribing: Vec<Request>,
    /// Packet IDs of SUBSCRIBEs in flight whose subscription is gone.
    gone: Vec<u16>,
    /// Packet IDs of packets sent twice on this connection and answered once.
    second_answers: Vec<u16>,
    received: Vec<u16>,
    ping: bool,
    /// How many messages may be in flight; up to where that grows with each response; and the
    /// number of responses since it last grew.
    window: u16,
    quickly_to: u16,
    answers: u16,
    /// A message was answered on this connection.
    acknowledged: bool,
    /// Connections in a row that the peer has ended with something in flight and nothing
    /// acknowledged; more than three count as three.
    futile_ends: u8,
    /// The peer ends the connection.
    by_peer: bool,
    /// On this connection something waited for the response to a request, got none, and was sent
    /// five seconds after it: packets in flight are no longer of one age.
    split: bool,
    /// With a narrow window, messages wait for the response to a request, for a few seconds.
    holding: bool,
    last: Last,
    /// A ping was sent after the last message or request.
    ping_behind: bool,
    /// How long a response may take, in seconds.
    wait: u64,
    next_number: u32,
}

impl Spec {
    pub fn new(clean: bool) -> Self {
        Spec {
            clean,
            link: Link::Down,
            messages: Vec::new(),
            subscriptions: Vec::new(),
            unsubscribing: Vec::new(),
            gone: Vec::new(),
            second_answers: Vec::new(),
            received: Vec::new(),
            ping: false,
            window: WIDEST,
            quickly_to: 0,
            answers: 0,
            acknowledged: false,
            futile_ends: 0,
            by_peer: false,
            split: false,
            holding: false,
            last: Last::Other,
            ping_behind: false,
            wait: ACK_TIMEOUT,
            next_number: 1,
        }
    }

    /// The common part of states that cannot be distinguished: packet IDs and numbers do not count;
    /// nor does how far the window exceeds what there is to send, nor what was sent last while it
    /// does and no ping is in flight.
    pub fn key(&self) -> Vec<u8> {
        let mut key = vec![self.link as u8, self.ping as u8, self.acknowledged as u8];
        key.push(self.received.iter().fold(0, |set, id| set | 1 << id));
        key.extend(match self.window {
            1 => [1, (self.quickly_to > 2) as u8],
            2 => [2, if self.quickly_to > 2 { 9 } else { self.answers as u8 }],
            3..6 => [3, 0],
            _ => [6, 0],
        });
        if self.window == 1 || self.ping {
            let index = |id: u16| self.in_use().iter().position(|i| *i == id).unwrap_or(99) as u8;
            key.extend(match self.last {
                Last::Answered => [0, 0],
                Last::Ping => [1, 0],
                Last::Id(id) => [2, index(id)],
                Last::Other => [3, 0],
            });
            key.push(self.ping_behind as u8);
        }
        key.extend([self.futile_ends, self.holding as u8, self.split as u8]);
        let request =
            |r: &Request| [r.way as u8 + 10 * r.id.is_some() as u8, r.overdue as u8 + 2 * r.repeated as u8 + 4 * r.taken_back as u8];
        key.extend([self.gone.len(), self.second_answers.len(), self.unsubscribing.len(), self.subscriptions.len()].map(|n| n as u8));
        key.extend(self.unsubscribing.iter().chain(&self.subscriptions).flat_map(request));
        key.extend(self.messages.iter().flat_map(|m| {
            let flags = m.overdue as u8 + 2 * m.repeated as u8 + 4 * m.in_vain_before as u8 + 8 * m.stubborn as u8 + 16 * m.in_vain;
            [m.qos * 4 + m.phase as u8, m.way as u8, flags]
        }));
        key
    }

    pub fn in_use(&self) -> Vec<u16> {
        let messages = self.messages.iter().map(|m| m.id);
        let requests = self.unsubscribing.iter().chain(&self.subscriptions).filter_map(|r| r.id);
        messages.chain(requests).chain(self.gone.iter().copied()).chain(self.second_answers.iter().copied()).collect()
    }

    pub fn is_down(&self) -> bool {
        self.link == Link::Down
    }

    pub fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    /// PINGRESP is awaited.
    pub fn is_asking(&self) -> bool {
        self.ping
    }

    pub fn is_clean(&self) -> bool {
        self.clean
    }

    /// A response that is awaited.
    pub fn awaited(&self) -> Option<Event> {
        if self.ping {
            return Some(Event::PingResp);
        }
        let in_use = self.in_use();
        let answer = |ack, id: u16| Some(Event::Ack(ack, Target::InUse(in_use.iter().position(|i| *i == id)?)));
        if let Some(m) = self.messages.iter().find(|m| m.way.on_wire()) {
            let ack = match (m.qos, m.phase) {
                (1, _) => Ack::PubAck,
                (_, Phase::Released) => Ack::PubComp,
                _ => Ack::PubRec,
            };
            return answer(ack, m.id);
        }
        if let Some(r) = self.unsubscribing.iter().find(|r| r.id.is_some()) {
            return answer(Ack::UnsubAck, r.id?);
        }
        if let Some(r) = self.subscriptions.iter().find(|r| r.id.is_some()) {
            return answer(Ack::SubAck, r.id?);
        }
        self.gone.first().or(self.second_answers.first()).and_then(|id| answer(Ack::SubAck, *id))
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

    /// Everything that can happen next.
    pub fn events(&self, bounds: Bounds) -> Vec<Event> {
        use Event::*;
        const STARVED: [Event; 14] = [
            Publish(0),
            Publish(1),
            Publish(2),
            Subscribe,
            Unsubscribe,
            ConnAck { session_present: false },
            ConnAck { session_present: true },
            Disconnect,
            PingResp,
            PubRel(1),
            Message(1, 1),
            Message(2, 1),
            Ack(self::Ack::PubAck, Target::InUse(0)),
            Ack(self::Ack::PubRec, Target::InUse(0)),
        ];
        let all = self.messages.len() + self.subscriptions.len() + self.unsubscribing.len() + self.gone.len() + self.second_answers.len();
        let mut events = vec![Publish(0)];
        if self.messages.len() < bounds.messages && all < bounds.all {
            events.extend([Publish(1), Publish(2)]);
        }
        if self.subscriptions.len() < bounds.subscriptions && all < bounds.all {
            events.push(Subscribe);
        }
        if self.unsubscribing.len() < bounds.unsubscribing && self.gone.len() < bounds.unsubscribing {
            events.push(Unsubscribe);
        }
        if self.link == Link::Down {
            events.push(Connect);
            return events;
        }
        let possible = |e: &&Event| match e {
            Publish(_) | Subscribe | Unsubscribe => events.contains(e),
            Ack(..) => !self.in_use().is_empty(),
            Message(..) | PubRel(_) => bounds.incoming > 0,
            _ => true,
        };
        let starved: Vec<Event> = STARVED.iter().filter(|_| bounds.starved).filter(possible).map(Starved).collect();
        events.extend(starved);
        events.extend([Disconnect, Lost, Refused, PingResp]);
        if bounds.silence || self.ping || !self.waits() {
            events.push(Time);
        }
        events.extend([false, true].map(|session_present| ConnAck { session_present }));
        if bounds.incoming > 0 {
            events.extend([Message(0, 0), Message(1, 1)]);
            events.extend((1..=bounds.incoming).flat_map(|id| [Message(2, id), PubRel(id)]));
        }
        let targets: Vec<Target> = (0..self.in_use().len()).map(Target::InUse).chain([Target::Unknown]).collect();
        for ack in [self::Ack::PubAck, self::Ack::PubRec, self::Ack::PubComp, self::Ack::SubAck, self::Ack::UnsubAck] {
            events.extend(targets.iter().map(|target| Ack(ack, *target)));
        }
        events
    }

    /// The connection or attempt has ended.
    fn down(&mut self) {
        let by_peer = std::mem::take(&mut self.by_peer);
        if by_peer && self.link == Link::Up && self.waits() && !self.acknowledged {
            self.shrink();
            self.futile_ends = 3.min(self.futile_ends + 1);
        } else if self.acknowledged {
            self.futile_ends = 0;
        }
        self.acknowledged = false;
        (self.holding, self.split) = (false, false);
        self.link = Link::Down;
        self.gone.clear();
        self.second_answers.clear();
        self.ping = false;
        self.wait = ACK_TIMEOUT;
        for m in &mut self.messages {
            m.way = Way::Waiting;
            (m.overdue, m.repeated, m.stubborn) = (false, false, false);
            m.in_vain_before = m.in_vain > 0;
        }
        for r in self.subscriptions.iter_mut().chain(&mut self.unsubscribing) {
            *r = Request { taken_back: r.taken_back, ..r.anew() };
        }
        self.unsubscribing.retain(|r| !r.taken_back);
    }

    /// Number of messages in flight.
    fn in_flight(&self) -> u16 {
        self.messages.iter().filter(|m| m.phase == Phase::Sent && m.way.on_wire() && !m.stubborn).count() as u16
    }

    /// Number of requests in flight.
    fn asking(&self) -> u16 {
        self.subscriptions.iter().chain(&self.unsubscribing).filter(|r| r.way.on_wire() && !r.taken_back).count() as u16
    }

    /// Something is in flight.
    fn waits(&self) -> bool {
        self.asking() > 0 || self.messages.iter().any(|m| m.way.on_wire())
    }

    /// Something was lost: one at a time, and from there quickly up to half of the former window.
    fn shrink(&mut self) {
        self.quickly_to = (self.window / 2).max(1);
        self.window = 1;
        self.answers = 0;
    }

    fn grow(&mut self) {
        if self.window < WIDEST {
            self.answers += 1;
            if self.window < self.quickly_to || self.answers >= self.window {
                self.window += 1;
                self.answers = 0;
            }
        }
    }

    /// Applies the event.
    pub fn happen(&mut self, event: Event) -> Must {
        let mut must = Must::default();
        let up = self.link == Link::Up;
        let starved = matches!(event, Event::Starved(_));
        let event = if let Event::Starved(event) = event { *event } else { event };
        let packet = matches!(event, Event::Ack(..) | Event::Message(..) | Event::PubRel(_) | Event::PingResp);
        if packet && !up {
            // Before CONNACK a broker must not send anything [MQTT-3.2.0-1].
            must.closed = true;
        } else {
            self.act(event, starved, &mut must);
        }
        if must.closed {
            self.down();
        } else if self.link == Link::Up {
            // Without memory it has to wait for the poll, and what may be sent then goes first.
            let late = must.release.take_if(|_| starved);
            self.release(must.release, &mut must);
            self.send(&mut must);
            self.release(late, &mut must);
        }
        must
    }

    fn act(&mut self, event: Event, starved: bool, must: &mut Must) {
        let up = self.link == Link::Up;
        match event {
            Event::Publish(0) => {
                // At most once: if it cannot be sent, it is dropped.
                if up && !starved {
                    must.sent.push(Sent::Message { number: self.next_number, qos: 0, dup: false, id: 0 });
                    self.last = Last::Other;
                }
                self.next_number += 1;
            }
            Event::Publish(qos) => {
                let message = Message {
                    number: self.next_number,
                    qos,
                    phase: Phase::Queued,
                    id: 0,
                    way: Way::Waiting,
                    overdue: false,
                    repeated: false,
                    stubborn: false,
                    in_vain: 0,
                    in_vain_before: false,
                };
                self.messages.push(message);
                self.next_number += 1;
            }
            Event::Subscribe => {
                self.subscriptions.insert(0, Request::NEW);
                // The broker must continue to send.
                self.unsubscribing.retain(|r| r.way != Way::Waiting);
                self.unsubscribing.iter_mut().for_each(|r| r.taken_back = true);
            }
            Event::Unsubscribe => self.unsubscribe(),
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
            Event::Lost | Event::Refused => {
                self.by_peer = event == Event::Lost;
                must.closed = true;
            }
            Event::ConnAck { .. } if up => must.closed = true,
            Event::ConnAck { session_present } => self.begin(session_present && !self.clean),
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
            Event::PingResp => self.ping_answered(must),
            // Missing CONNACK or PINGRESP.
            Event::Time if std::mem::take(&mut self.holding) && self.is_held_up() && self.has_something_to_send() => {
                must.untimed = true;
                self.split = true;
            }
            Event::Time if !up || self.ping => must.closed = true,
            Event::Time => {
                must.untimed = self.split;
                if self.waits() {
                    must.after = Some(self.wait);
                }
                let ways = self.messages.iter_mut().map(|m| &mut m.way);
                let ways = ways.chain(self.subscriptions.iter_mut().chain(&mut self.unsubscribing).map(|r| &mut r.way));
                // The last packet sent is not late yet, even if the rest is.
                let young = |way: &Way| *way == Way::Young;
                let on_wire = |way: &Way| *way == Way::OnWire;
                ways.for_each(|way| {
                    if on_wire(way) {
                        *way = Way::AskedFor;
                    } else if young(way) {
                        *way = Way::OnWire;
                    }
                });
                self.ask(must);
            }
            Event::Starved(_) => unreachable!("taken apart above"),
        }
    }

    fn ask(&mut self, must: &mut Must) {
        self.ping = true;
        self.ping_behind = true;
        self.last = Last::Ping;
        must.sent.push(Sent::PingReq);
    }

    fn unsubscribe(&mut self) {
        if self.subscriptions.is_empty() {
            return;
        }
        let removed = self.subscriptions.remove(0);
        if removed.way.on_wire() {
            self.gone.extend(removed.id);
        }
        // If another subscription has the same filter, the broker keeps sending.
        if self.subscriptions.is_empty() {
            self.unsubscribing.insert(0, Request::NEW);
        }
    }

    /// CONNACK 0.
    fn begin(&mut self, kept: bool) {
        self.link = Link::Up;
        self.acknowledged = false;
        (self.last, self.ping_behind) = (Last::Answered, false);
        if !kept {
            self.received.clear();
            // The session knows no unsubscribed filters and no messages: each is sent as new.
            self.unsubscribing.clear();
            for m in &mut self.messages {
                m.phase = Phase::Queued;
                (m.in_vain, m.in_vain_before) = (0, false);
            }
        }
    }

    fn has_something_to_send(&self) -> bool {
        let mut must = Must::default();
        self.clone().send(&mut must);
        !must.sent.is_empty()
    }

    /// The state of a packet that is sent now.
    fn newly_on_wire(&self) -> Way {
        if self.split && self.waits() { Way::Young } else { Way::OnWire }
    }

    /// After two disconnects without progress, with a window of one, each packet is sent alone.
    fn one_at_a_time(&self) -> bool {
        self.window == 1 && self.futile_ends > 1
    }

    /// A message waits for the response to a request, and for nothing else.
    fn is_held_up(&self) -> bool {
        self.asking() > 0 && self.in_flight() < self.window && self.messages.iter().any(|m| m.way == Way::Waiting)
    }

    /// Sends what may be sent: UNSUBSCRIBE, then SUBSCRIBE, then the queue in order.
    fn send(&mut self, must: &mut Must) {
        loop {
            let widest = self.window == WIDEST;
            let one_at_a_time = self.one_at_a_time();
            // A request waits for everything, a message for messages, and for a request as long as
            // that blocks it.
            let room = self.in_flight() + if self.holding { self.asking() } else { 0 } < self.window;
            let room_for_request = widest || self.in_flight() + self.asking() < self.window;
            let waiting = |r: &Request| room_for_request && r.way == Way::Waiting;
            let unsubscribe = self.unsubscribing.iter().position(waiting);
            let subscribe = self.subscriptions.iter().position(waiting);
            // PUBREL waits for nothing but a request that may be to blame for the disconnects.
            let release_waits = self.holding && self.asking() > 0 && one_at_a_time;
            let may_go = |m: &Message| room || m.phase == Phase::Released && !release_waits;
            let message = self.messages.iter().position(|m| m.way == Way::Waiting && may_go(m));
            let release = message.filter(|at| self.messages[*at].phase == Phase::Released);
            let request = unsubscribe.is_some() || subscribe.is_some();
            let way = self.newly_on_wire();
            if !request && message.is_none() {
                return;
            }
            // After two disconnects without progress, with a window of one, each is sent alone: everything
            // before it was answered, or a ping after that.
            let alone = self.last == Last::Answered || self.ping_behind && !self.ping;
            // PUBREL does not wait for a message in front of it.
            if (request || release.is_none() || self.in_flight() == 0) && one_at_a_time && !alone {
                if !self.ping {
                    self.ask(must);
                }
                return;
            }
            if request {
                let unsubscribing = unsubscribe.is_some();
                let list = if unsubscribing { &mut self.unsubscribing } else { &mut self.subscriptions };
                let r = &mut list[unsubscribe.or(subscribe).unwrap()];
                must.sent.push(if unsubscribing { Sent::Unsubscribe { id: r.id } } else { Sent::Subscribe { id: r.id } });
                r.way = way;
                r.repeated = r.overdue;
                self.holding = !widest;
                // A fresh packet ID is that of the last packet once it is known.
                self.last = Last::Id(r.id.unwrap_or(0));
            } else if let Some(at) = message {
                let m = &mut self.messages[at];
                must.sent.push(match m.phase {
                    Phase::Queued | Phase::Sent => Sent::Message { number: m.number, qos: m.qos, dup: m.phase == Phase::Sent, id: m.id },
                    Phase::Released => Sent::Answer(6, m.id),
                });
                if m.phase == Phase::Queued {
                    m.phase = Phase::Sent;
                }
                m.way = way;
                m.repeated |= m.overdue;
                self.last = Last::Id(m.id);
            }
            self.ping_behind = false;
        }
    }

    /// PINGRESP: what it has overtaken was lost, and is retransmitted.
    fn ping_answered(&mut self, must: &mut Must) {
        self.ping = false;
        if self.last == Last::Ping {
            self.last = Last::Answered;
        }
        let (mut lost, mut any) = (false, false);
        for m in self.messages.iter_mut().filter(|m| m.way == Way::AskedFor) {
            m.way = Way::Waiting;
            m.overdue = true;
            m.stubborn |= m.repeated;
            any = true;
            lost |= !m.stubborn;
            if m.phase == Phase::Released {
                m.in_vain = (m.in_vain + 1).min(3);
            }
        }
        // Some brokers never answer PUBREL for an unknown message.
        let hopeless = |m: &Message| m.phase == Phase::Released && m.overdue && m.way == Way::Waiting && m.in_vain == 3 && m.in_vain_before;
        must.freed.extend(self.messages.iter().filter(|m| hopeless(m)).map(|m| m.id));
        self.messages.retain(|m| !hopeless(m));
        for r in self.subscriptions.iter_mut().chain(&mut self.unsubscribing).filter(|r| !r.taken_back) {
            lost |= r.look();
        }
        if lost {
            self.shrink();
        }
        if any || lost {
            self.wait = (2 * self.wait).min(LONGEST_WAIT);
        }
        let requests = self.subscriptions.iter().chain(&self.unsubscribing);
        if self.messages.is_empty() && requests.into_iter().all(|r| r.way == Way::Done || r.taken_back) {
            // Nothing is awaited any more.
            self.wait = ACK_TIMEOUT;
        }
    }

    fn acknowledged(&mut self, ack: Ack, id: u16, must: &mut Must) {
        must.told = true;
        let message = self.messages.iter().position(|m| m.id == id && m.phase != Phase::Queued);
        let subscription = self.subscriptions.iter().position(|r| r.id == Some(id));
        let unsubscribing = self.unsubscribing.iter().position(|r| r.id == Some(id));
        if (ack == Ack::SubAck || ack == Ack::UnsubAck && unsubscribing.is_some()) && self.last == Last::Id(id) {
            self.last = Last::Answered;
        }
        match (ack, message, subscription, unsubscribing) {
            (Ack::SubAck, _, Some(at), _) => {
                let answered = std::mem::replace(&mut self.subscriptions[at], Request { way: Way::Done, ..Request::NEW });
                self.request_answered(answered, id);
            }
            (Ack::UnsubAck, _, _, Some(at)) => {
                let answered = self.unsubscribing.remove(at);
                self.request_answered(answered, id);
            }
            (Ack::PubAck | Ack::PubRec | Ack::PubComp, Some(at), ..) => self.message_answered(ack, at, must),
            _ => {
                let second = self.second_answers.contains(&id);
                if second || self.gone.contains(&id) && ack == Ack::SubAck {
                    must.told = false;
                    if ack != Ack::PubRec {
                        self.gone.retain(|i| *i != id);
                        self.second_answers.retain(|i| *i != id);
                    }
                } else {
                    must.may_close = self.in_use().contains(&id);
                }
                // Also for unknown ones: the broker must be able to complete it.
                if ack == Ack::PubRec {
                    must.release = Some(id);
                }
            }
        }
    }

    fn release(&mut self, id: Option<u16>, must: &mut Must) {
        if let Some(id) = id {
            must.sent.push(Sent::Answer(6, id));
            self.last = Last::Id(id);
        }
    }

    fn request_answered(&mut self, request: Request, id: u16) {
        if request.repeated {
            self.second_answers.push(id);
            self.wait = ACK_TIMEOUT;
        }
    }

    fn message_answered(&mut self, ack: Ack, at: usize, must: &mut Must) {
        let way = self.newly_on_wire();
        let Message { qos, phase, id, repeated, .. } = self.messages[at];
        match (ack, qos, phase) {
            // At QoS 2 as well: brokers limited to QoS 1 respond like this.
            (Ack::PubAck, _, Phase::Sent) | (Ack::PubComp, 2, Phase::Released) => {
                self.messages.remove(at);
                if repeated {
                    self.second_answers.push(id);
                }
            }
            (Ack::PubRec, 2, Phase::Sent) => {
                let m = &mut self.messages[at];
                (m.phase, m.way, m.overdue) = (Phase::Released, way, false);
                (m.in_vain, m.in_vain_before) = (0, false);
                must.release = Some(id);
            }
            // The response to a retransmitted PUBLISH.
            (Ack::PubRec, 2, Phase::Released) => {
                let m = &mut self.messages[at];
                (m.way, m.overdue) = (way, false);
                must.told = false;
                must.release = Some(id);
                return;
            }
            _ => {
                must.closed = true;
                must.told = false;
                return;
            }
        }
        if self.last == Last::Id(id) {
            self.last = Last::Answered;
        }
        // What the broker has received is lost with a session that ends with the connection.
        self.acknowledged |= !(self.clean && ack == Ack::PubRec);
        if repeated {
            self.wait = ACK_TIMEOUT;
        }
        if ack != Ack::PubComp {
            self.grow();
        }
    }

    /// The connection has ended where that is allowed.
    pub fn was_closed(&mut self) {
        self.down();
    }

    /// The app got this packet ID for the message with this number. It must have been free.
    pub fn took(&mut self, number: u32, id: u16) {
        self.check_free(id);
        self.messages.iter_mut().filter(|m| m.number == number).for_each(|m| m.id = id);
        if self.last == Last::Id(0) {
            self.last = Last::Id(id);
        }
    }

    /// The SUBSCRIBE or UNSUBSCRIBE was sent with this fresh packet ID.
    pub fn bind(&mut self, sent: Sent, id: u16) {
        self.check_free(id);
        let list = if matches!(sent, Sent::Subscribe { .. }) { &mut self.subscriptions } else { &mut self.unsubscribing };
        let request = list.iter_mut().find(|r| r.id.is_none() && r.way.on_wire()).expect("it was sent");
        request.id = Some(id);
        let unknown = |r: &Request| r.id.is_none() && r.way.on_wire();
        if self.last == Last::Id(0) && !self.subscriptions.iter().chain(&self.unsubscribing).any(unknown) {
            self.last = Last::Id(id);
        }
    }

    /// The packet ID of the message with this number.
    pub fn id_of(&self, number: u32) -> Option<u16> {
        self.messages.iter().find(|m| m.number == number).map(|m| m.id)
    }

    fn check_free(&self, id: u16) {
        assert!(id != 0 && !self.in_use().contains(&id), "2.3.1-2: identifier {id} is taken while in use");
    }
}
