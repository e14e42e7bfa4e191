//! One MQTT session: identifiers, QoS flows both ways, subscriptions, keep-alive. Sans-IO.
//!
//! Packets and the time go in. Out come, for a packet received, a [`Reaction`]: what to answer and whom to tell; and what there is
//! to send, by `next` and `sent`. The layer above writes and calls; nothing here knows of sockets, clocks or C. All
//! of it outlives a connection: that is what a session is.
#![forbid(unsafe_code)]

mod ids;
mod intake;
mod keep_alive;
mod outbox;
mod received;
mod subscriptions;
mod types;

#[cfg(test)]
mod tests;

use crate::heap::OutOfMemory;
use crate::wire::{AckKind, Decoded, Out, Packet, PacketId, QoS, Wrong, check_filter, check_name, kind};
use ids::Ids;
use intake::Intake;
use keep_alive::KeepAlive;
use outbox::{Outbox, State, Step};
use received::Received;
use subscriptions::Subscriptions;

pub use intake::Take;
pub use keep_alive::{Due, Millis, reached};
pub use subscriptions::Recipient;
pub use types::{Counters, Limits, Published, Reaction, Refused, Tell, Trouble};

/// How far the connection has got, as far as MQTT can see; the further down, the more may be sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Link {
    /// Nothing may be sent but CONNECT \[MQTT-3.1.0-1\].
    Down,
    /// DISCONNECT was sent, or the connection is being given up: nothing may be sent any more \[MQTT-3.14.4-2\].
    Closing,
    /// CONNECT was sent; CONNACK is awaited.
    Asked,
    /// CONNACK came, the app is being told: subscriptions go out, the queue waits.
    Welcomed,
    /// All may go.
    Up,
}

/// What `next` has found to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    Subscribe,
    Message,
    Ping,
}

/// The session of one connection object. `H` is what the layer above needs to call a subscription's handler.
/// The fields lie in this order, the small ones first, where the shortest instructions reach them.
#[repr(C)]
pub struct Session<H: Copy> {
    link: Link,
    pending: Pending,
    /// A message was published with nothing before it in the queue: it goes out whether or not the link has room.
    at_once: bool,
    /// The CONNECT of this connection asks for a new session.
    clean: bool,
    /// The broker connected to next is not the one that this session was begun with: what it has kept is of another time.
    elsewhere: bool,
    /// A published or subscribed topic had control characters: for the layer above to warn of.
    pub control_characters: bool,
    ids: Ids,
    intake: Intake,
    outbox: Outbox,
    subscriptions: Subscriptions<H>,
    received: Received,
    alive: KeepAlive,
    /// How far below 2 the highest QoS is that a SUBSCRIBE may ask for.
    below: u8,
    /// For the layer above to read, and to add what it counts.
    pub counters: Counters,
}

impl<H: Copy> Default for Session<H> {
    fn default() -> Self {
        Self::NEW
    }
}

impl<H: Copy> Session<H> {
    /// One in which nothing has happened yet. Here and in all that it holds the values to begin with are chosen such that they are zeros.
    pub const NEW: Self = Session {
        subscriptions: Subscriptions::NEW,
        outbox: Outbox::NEW,
        received: Received::NEW,
        intake: Intake::NEW,
        alive: KeepAlive::NEW,
        ids: Ids::NEW,
        link: Link::Down,
        pending: Pending::Subscribe,
        at_once: false,
        clean: false,
        counters: Counters::NEW,
        elsewhere: false,
        below: 0,
        control_characters: false,
    };

    /// True from CONNACK 0 on, until DISCONNECT is sent or the connection is gone.
    pub fn is_up(&self) -> bool {
        self.link >= Link::Welcomed
    }

    /// True if CONNECT has gone out and nothing forbids to send.
    pub fn may_send(&self) -> bool {
        self.link >= Link::Asked
    }

    /// True once CONNECT has gone out on this connection.
    pub fn has_begun(&self) -> bool {
        self.link != Link::Down
    }

    /// How many messages of ours are kept, to be sent or to be acknowledged.
    pub fn kept(&self) -> u16 {
        self.outbox.kept()
    }

    /// A packet with this first byte was written.
    pub fn count_sent(&mut self, first: u8) {
        if first >> 4 == kind::PUBLISH {
            self.counters.sent = self.counters.sent.wrapping_add(1);
            self.counters.repeated = self.counters.repeated.wrapping_add((first >> 3 & 1) as u32);
        }
    }

    /// True if no message is queued or in flight, in either direction.
    pub fn is_settled(&self) -> bool {
        self.outbox.is_empty() && self.received.is_empty()
    }

    /// A Packet Identifier that is not in use. It counts as used only once something is sent with it.
    pub fn packet_id(&mut self) -> PacketId {
        let (outbox, subscriptions) = (&self.outbox, &self.subscriptions);
        self.ids.take(|next| subscriptions.distance(next, outbox.distance(next, u16::MAX)))
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.subscriptions.clear();
        self.outbox.clear();
        self.received.clear();
        self.link = Link::Down;
    }

    // The connection's life.

    /// An attempt to connect begins. `elsewhere`: to another broker than the one that knows this session, or under another client identifier.
    pub fn connecting(&mut self, elsewhere: bool) {
        self.elsewhere = elsewhere;
    }

    /// CONNECT was sent, with these values.
    pub fn connect_sent(&mut self, clean_session: bool, keep_alive: u16, now: Millis) {
        self.intake.start();
        self.alive.start(keep_alive, now);
        self.clean = clean_session;
        self.link = Link::Asked;
    }

    /// The app has been told of CONNACK: what is queued may go out.
    pub fn welcomed(&mut self) {
        if self.link == Link::Welcomed {
            self.link = Link::Up;
        }
    }

    /// DISCONNECT was sent, or the connection is being closed: nothing goes out any more.
    pub fn closing(&mut self) {
        self.link = Link::Closing;
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.link = Link::Down;
        self.at_once = false;
        self.outbox.disconnected();
    }

    // What comes in.

    /// Looks at what has been received: see [`Take`].
    pub fn take<'a>(&mut self, buf: &'a [u8], limit: usize) -> Decoded<Take<'a>> {
        let take = self.intake.take(buf, limit)?;
        if let Take::Oversized { .. } = take {
            if self.link == Link::Asked {
                return Err(Wrong::Order);
            }
            self.counters.oversized = self.counters.oversized.wrapping_add(1);
        }
        Ok(take)
    }

    /// True inside a packet that is being dropped, until its answer was sent.
    pub fn is_dropping(&self) -> bool {
        self.intake.is_dropping()
    }

    /// The answer to a packet that was dropped for its size was sent.
    pub fn answered_dropped(&mut self) {
        self.intake.answered();
    }

    /// Part of a packet has come in: the broker is alive, and its answer to a ping may be behind that packet.
    pub fn progress(&mut self, now: Millis) {
        self.alive.on_progress(now);
    }

    /// A packet has come in whole. `others`: there are handlers for messages that nobody has subscribed to; then such a message at
    /// QoS 1 is theirs to acknowledge.
    pub fn receive(&mut self, p: Packet<'_>, others: bool, now: Millis) -> Result<Reaction, Trouble> {
        let kind = p.kind();
        if (kind == kind::CONNACK) != (self.link == Link::Asked) {
            return Err(Trouble::Violation(Wrong::Order));
        }
        self.alive.on_received(now);
        let (mut answer, mut tell) = (None, Tell::Handlers);
        match (kind, p.id) {
            (kind::CONNACK, _) => {
                tell = Tell::Refused;
                if let &[present, 0] = p.payload {
                    self.accepted(present != 0)?;
                    self.counters.connects = self.counters.connects.wrapping_add(1);
                    self.counters.connected_at = now;
                    tell = Tell::Accepted;
                }
            }
            (kind::PINGRESP, _) => {
                if let Some(took) = self.alive.on_pong(now) {
                    self.counters.ping = took;
                }
                tell = Tell::Nobody;
            }
            (kind::PUBLISH, id) => {
                let again = match id {
                    Some(id) if p.qos() == QoS::ExactlyOnce => {
                        answer = Some(AckKind::PubRec);
                        let again = self.received.contains(id);
                        if !again {
                            self.received.insert(id)?;
                        }
                        again
                    }
                    _ => false,
                };
                if again {
                    tell = Tell::Nobody;
                } else if self.subscriptions.find(p.topic) {
                    tell = Tell::Subscribers;
                }
                if p.qos() == QoS::AtLeastOnce && (tell == Tell::Subscribers || !others) {
                    answer = Some(AckKind::PubAck);
                }
            }
            (kind::PUBREL, Some(id)) => {
                self.received.remove(id);
                answer = Some(AckKind::PubComp);
            }
            (kind::SUBACK, Some(id)) => {
                if !self.subscriptions.settle(id) {
                    self.outbox.subscribed(id);
                } else if p.payload.len() == 1 {
                    tell = Tell::Subscriber;
                } else {
                    return Err(Trouble::Violation(Wrong::SubackCount));
                }
            }
            (ack, Some(id)) => {
                match self.outbox.acknowledge(ack, id) {
                    Step::Wrong => return Err(Trouble::Violation(Wrong::Ack)),
                    Step::Lowered => tell = Tell::Lowered,
                    Step::Done | Step::Release | Step::Ignore => {}
                }
                // Also for one that we know nothing of: the broker must be able to end what the app has begun by itself.
                if ack == kind::PUBREC {
                    answer = Some(AckKind::PubRel);
                }
            }
            (_, None) => {}
        }
        Ok(Reaction { answer, tell })
    }

    /// CONNACK 0. `present`: the broker has kept a session.
    fn accepted(&mut self, present: bool) -> Result<(), Wrong> {
        if present && self.clean {
            return Err(Wrong::SessionPresent);
        }
        if present && !self.elsewhere {
            self.outbox.resumed();
        } else {
            self.received.clear();
            self.outbox.new_session();
        }
        self.subscriptions.restart();
        self.link = Link::Welcomed;
        Ok(())
    }

    /// The answer to a packet with this identifier could not be sent: it will be handed in again.
    pub fn unanswered(&mut self, reaction: Reaction, id: PacketId) {
        if reaction.answer == Some(AckKind::PubRec) && reaction.tell != Tell::Nobody {
            self.received.remove(id);
        }
    }

    /// Filter and handler of the subscription whose answer has come.
    pub fn settled(&self) -> Option<(&[u8], Recipient<H>)> {
        self.subscriptions.settled()
    }

    /// True if [`Session::next_recipient`] has to look at the topic.
    pub fn is_undecided(&self) -> bool {
        self.subscriptions.is_undecided()
    }

    /// The next handler for the message that is being delivered; `None` when all have had it. `topic`: that message's.
    pub fn next_recipient(&mut self, topic: &[u8]) -> Option<Recipient<H>> {
        self.subscriptions.next_recipient(topic)
    }

    // What the app asks for.

    /// Takes a message for sending. Capped to the QoS allowed first; then kept, or to be written at once.
    pub fn publish(&mut self, topic: &[u8], payload: &[u8], qos: QoS, retain: bool, limits: Limits) -> Result<Published, Refused> {
        // Every message takes an identifier, whatever becomes of it, as upstream's do.
        let id = self.packet_id();
        self.control_characters |= check_name(topic).map_err(Refused::Topic)?;
        let qos = qos.min(limits.max_qos);
        let flags = (qos as u8) << 1 | retain as u8;
        if qos == QoS::AtMostOnce || limits.max_queue == 0 {
            if !self.is_up() {
                return Err(Refused::Offline);
            }
            if qos > QoS::AtMostOnce {
                self.outbox.push_bare(id, flags, State::Sent)?;
            }
            return Ok(Published { id, flags, direct: true, overflow: false });
        }
        if topic.len() + payload.len() > crate::wire::MAX_REMAINING as usize - 4 {
            return Err(Refused::TooLarge);
        }
        // Added before anything is given up for it, so that without memory nothing is lost.
        let overflow = self.outbox.is_full(limits.max_queue);
        // With nothing before it, what is to be sent next is the message that follows.
        let behind_others = self.outbox.seek();
        self.outbox.push(id, flags, topic, payload)?;
        // A burst on a live connection goes out whole, even if there is no room to wait in.
        let held_back = self.is_up() && overflow && self.outbox.must_wait();
        self.at_once = self.is_up() && !behind_others || held_back;
        while self.outbox.is_over() {
            self.outbox.give_up_one(id, held_back);
            self.counters.dropped = self.counters.dropped.wrapping_add(1);
        }
        self.counters.most_kept = self.counters.most_kept.max(self.outbox.kept());
        Ok(Published { id, flags, direct: false, overflow })
    }

    /// Takes back a message that was to be written at once and could not be.
    pub fn unpublished(&mut self, id: PacketId) {
        self.outbox.forget(id);
    }

    /// Subscribes to a filter, now or when the connection is up.
    pub fn subscribe(&mut self, filter: &[u8], qos: QoS, recipient: Recipient<H>) -> Result<(), Refused> {
        self.control_characters |= check_filter(filter).map_err(Refused::Topic)?;
        Ok(self.subscriptions.add(filter, qos, recipient)?)
    }

    /// How many subscriptions have exactly this filter.
    pub fn subscribed(&self, filter: &[u8]) -> usize {
        self.subscriptions.count(filter)
    }

    /// Keeps the identifier of an UNSUBSCRIBE until its answer comes.
    pub fn unsubscribing(&mut self, id: PacketId) -> Result<(), OutOfMemory> {
        self.outbox.push_bare(id, 0, State::Unsubscribe)
    }

    /// Removes the newest subscription with exactly this filter.
    pub fn unsubscribe(&mut self, filter: &[u8]) {
        if let Some(id) = self.subscriptions.remove(filter)
            && self.is_up()
        {
            // Its identifier is free when SUBACK comes [MQTT-2.3.1-3]; without memory for it, a little earlier.
            let _ = self.outbox.push_bare(id, 0, State::Subscribe);
        }
    }

    /// Payload bytes that are kept for sending or sending again.
    pub fn payload_bytes(&self) -> usize {
        self.outbox.payload_bytes()
    }

    /// Limits the QoS that every SUBSCRIBE asks for from now on, whatever was asked for when it was subscribed.
    pub fn limit_qos(&mut self, max: QoS) {
        self.below = 2 - max as u8;
    }

    // What goes out by itself.

    /// False if there is no subscription and no message to be sent for sure; a ping may be due all the same.
    pub fn may_have_more(&self) -> bool {
        self.subscriptions.may_have_more() || self.outbox.may_have_more()
    }

    /// What there is to send: subscriptions first, then the queue in its order, then a ping that is due; `None` for nothing. `room`: the link takes
    /// more; without it what is queued waits. If it could be written, `sent` is to be called.
    pub fn next(&mut self, room: bool, now: Millis) -> Option<Out<'_>> {
        if !self.is_up() {
            return None;
        }
        if self.subscriptions.seek() {
            self.pending = Pending::Subscribe;
            let id = self.packet_id();
            return self.subscriptions.next(id, QoS::clamped(2 - self.below as i32));
        }
        if (core::mem::take(&mut self.at_once) || self.link == Link::Up && room) && self.outbox.seek() && !self.outbox.must_wait() {
            self.pending = Pending::Message;
            if self.outbox.next_needs_id() {
                let id = self.packet_id();
                self.outbox.renumber_next(id);
            }
            return self.outbox.next();
        }
        self.pending = Pending::Ping;
        if self.alive.due(now) == Due::Ping { Some(Out::PINGREQ) } else { None }
    }

    /// What `next` has returned was written, behind `unsent` bytes. The bytes that it pointed to stay where and as they are.
    pub fn sent(&mut self, unsent: usize, now: Millis) {
        match self.pending {
            Pending::Subscribe => self.subscriptions.sent(),
            Pending::Message => self.outbox.sent(),
            Pending::Ping => self.alive.on_ping(unsent, now),
        }
        self.alive.on_sent(now);
    }

    /// Something was written that did not come from `pending`.
    pub fn sent_other(&mut self, now: Millis) {
        self.alive.on_sent(now);
    }

    /// So many bytes have left for the broker.
    pub fn left(&mut self, bytes: usize, now: Millis) {
        self.alive.on_left(bytes, now);
    }

    /// True if the broker has not answered a ping in time.
    pub fn is_dead(&mut self, now: Millis) -> bool {
        self.link != Link::Down && self.alive.due(now) == Due::Dead
    }

    /// When keep-alive wants to be looked at again.
    pub fn deadline(&self) -> Option<Millis> {
        if self.is_up() { self.alive.deadline() } else { None }
    }
}
