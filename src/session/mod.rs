//! One MQTT session: identifiers, QoS flows both ways, subscriptions, keep-alive. Sans-IO.
//!
//! Packets and the time go in. Out come, for a packet received, a [`Reaction`]: what to answer and whom to tell; and what there is
//! to send, by `next` and `sent`. The layer above writes and calls; nothing here knows of sockets, clocks or C. All
//! of it outlives a connection: that is what a session is.
#![forbid(unsafe_code)]

mod blame;
mod ids;
mod intake;
mod keep_alive;
mod outbox;
mod overdue;
mod received;
mod send_buffer;
mod subscriptions;
mod types;
mod window;

#[cfg(test)]
mod tests;

use crate::wire::{AckKind, Decoded, Out, Packet, PacketId, QoS, Wrong, check_filter, check_name, kind};
use blame::Blame;
use ids::Ids;
use intake::Intake;
use keep_alive::KeepAlive;
use outbox::{Outbox, Step};
use overdue::Overdue;
use received::Received;
use send_buffer::SendBuffer;
use subscriptions::Subscriptions;
use window::Window;

pub use intake::Take;
pub use keep_alive::{Due, Millis, NEVER, earlier, reached};
pub use subscriptions::Recipient;
pub use types::{Counters, GivenUp, Limits, Notice, Published, Reaction, Refused, Tell, Trouble};

/// While something is wrong a SUBSCRIBE goes alone, too; but not for longer than this, milliseconds, if it is not answered.
const SUBSCRIBING: u32 = 5000;

/// A connection that has lasted so long, milliseconds, shows that the link is no bad one.
const LASTING: u32 = 300_000;

/// What is aside is tried on a connection that has begun for another reason, and else so often, milliseconds: a message,
const ASIDE_MESSAGE: u32 = 3_600_000;
/// and a subscription, doubled each time up to the same.
const ASIDE_SUBSCRIPTION: u32 = 120_000;

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
    Aside,
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
    /// Something of ours was acknowledged, or a ping answered, on this connection.
    proven: bool,
    /// Messages of ours were acknowledged on this connection.
    acked: bool,
    /// It has been told that answers are overdue; no more until all is answered.
    overdue_told: bool,
    /// The same, to be told.
    overdue_news: Option<PacketId>,
    subscribe_overdue: bool,
    /// The broker has reported a session that was not asked for: to be told, and told.
    session_present: Told,
    /// What is aside may be tried on this connection.
    try_aside: bool,
    /// A ping has gone out so that what is sent next is alone.
    cleared_way: bool,
    /// Connections in a row that have ended with something in flight and nothing acknowledged.
    vain_ends: u8,
    /// What has been received ends inside a packet: a broker that hangs up does so between two.
    cut_short: bool,
    /// How often a subscription that is aside was tried.
    aside_tries: u8,
    /// How far below 2 the highest QoS is that a SUBSCRIBE may ask for.
    below: u8,
    /// A published or subscribed topic had control characters: for the layer above to warn of.
    pub control_characters: bool,
    ids: Ids,
    /// A message at QoS 2 that was remembered and could not be answered: it is handed in again.
    undelivered: Option<PacketId>,
    /// The same of a PUBREC.
    untold: Option<PacketId>,
    window: Window,
    intake: Intake,
    outbox: Outbox,
    subscriptions: Subscriptions<H>,
    received: Received,
    alive: KeepAlive,
    overdue: Overdue,
    blame: Blame,
    send_buffer: SendBuffer,
    /// Until then what else there is waits for SUBACK.
    subscribing_until: Millis,
    /// When what is aside is tried next.
    aside_at: Millis,
    /// For the layer above to read, and to add what it counts.
    pub counters: Counters,
}

/// Whether something that is told once was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Nothing,
    Due,
    Done,
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
        overdue: Overdue::NEW,
        blame: Blame::NEW,
        window: Window::NEW,
        send_buffer: SendBuffer::NEW,
        ids: Ids::NEW,
        link: Link::Down,
        pending: Pending::Subscribe,
        at_once: false,
        clean: false,
        counters: Counters::NEW,
        elsewhere: false,
        proven: false,
        acked: false,
        overdue_told: false,
        overdue_news: None,
        subscribe_overdue: false,
        session_present: Told::Nothing,
        try_aside: false,
        cleared_way: false,
        vain_ends: 0,
        cut_short: false,
        aside_tries: 0,
        below: 0,
        undelivered: None,
        untold: None,
        subscribing_until: NEVER,
        aside_at: 0,
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
        self.outbox.is_settled() && self.received.is_empty()
    }

    /// How many messages are aside, as the broker hangs up on them.
    pub fn set_aside(&self) -> u16 {
        self.outbox.aside()
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
        if elsewhere && !self.elsewhere {
            self.blame.acquit();
            self.outbox.take_all_back();
            self.subscriptions.take_all_back();
        }
        self.elsewhere = elsewhere;
    }

    /// How long an answer may take, milliseconds, until it is overdue: 0 for the default, negative for as long as it likes.
    pub fn set_ack_timeout(&mut self, ms: i32) {
        self.overdue.set_timeout(ms);
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

    /// The connection is gone. `by_peer`: neither because of us nor, as far as is known, of the network.
    #[inline(never)]
    pub fn disconnected(&mut self, by_peer: bool, now: Millis) {
        let was_up = core::mem::replace(&mut self.link, Link::Down) >= Link::Welcomed;
        self.at_once = false;
        let round_trip = self.alive.round_trip();
        // A ping that is wanted belongs to the connection, as does all that is overdue.
        self.alive = KeepAlive::NEW;
        self.overdue.stop();
        self.send_buffer = SendBuffer::NEW;
        (self.overdue_news, self.overdue_told, self.subscribe_overdue) = (None, false, false);
        let waited = self.outbox.in_flight() + self.subscriptions.awaiting() > 0;
        // An end of our own says nothing of what was in flight.
        if by_peer && waited && !self.acked {
            self.window.shrink();
            self.vain_ends = self.vain_ends.saturating_add(1);
        } else if self.acked {
            self.vain_ends = 0;
        }
        let alone = self.blame.ended(by_peer && !self.cut_short, round_trip, now);
        self.cut_short = false;
        let on_subscription = self.subscriptions.disconnected();
        let before = self.outbox.given_up();
        let on_message = self.outbox.disconnected();
        self.count_given_up(before);
        self.try_aside = !on_subscription && !on_message;
        if on_subscription {
            self.aside_tries = (self.aside_tries + 1).min(5);
        }
        if was_up && now.wrapping_sub(self.counters.connected_at) >= LASTING {
            self.blame.forget_the_link();
        }
        if was_up && by_peer && self.try_aside && (self.acked || !waited) && !alone {
            self.blame.unexplained(!waited);
        }
        self.put_off_aside(now);
        (self.acked, self.proven, self.cleared_way) = (false, false, false);
        (self.subscribing_until, self.untold) = (NEVER, None);
    }

    fn put_off_aside(&mut self, now: Millis) {
        let wait = if self.subscriptions.aside() > 0 { ASIDE_SUBSCRIPTION << self.aside_tries } else { ASIDE_MESSAGE };
        self.aside_at = now.wrapping_add(wait.min(ASIDE_MESSAGE));
    }

    /// True if the broker has acknowledged something of ours, or answered a ping, on this connection.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// The network has gone down; the connection may live on over another one, so it is asked for an answer.
    pub fn network_down(&mut self) {
        if self.is_up() {
            self.alive.on_network_down();
        }
    }

    /// The network has come up, or has another address: an answer shows whether the connection has lived through that.
    pub fn network_up(&mut self, now: Millis) {
        if self.is_up() {
            self.alive.on_network_up(now);
        }
    }

    /// True if the network has gone down and nothing has come in since.
    pub fn is_doubtful(&self) -> bool {
        self.alive.is_doubtful()
    }

    // What comes in.

    /// Looks at what has been received: see [`Take`].
    pub fn take<'a>(&mut self, buf: &'a [u8], limit: usize) -> Decoded<Take<'a>> {
        let take = self.intake.take(buf, limit)?;
        self.cut_short = take == Take::More && !buf.is_empty();
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
        self.alive.on_received(now);
    }

    /// A packet has come in whole. `others`: there are handlers for messages that nobody has subscribed to, and such a message at
    /// QoS 1 is theirs to acknowledge.
    pub fn receive(&mut self, p: Packet<'_>, others: bool, now: Millis) -> Result<Reaction, Trouble> {
        let kind = p.kind();
        if (kind == kind::CONNACK) != (self.link == Link::Asked) {
            return Err(Trouble::Violation(Wrong::Order));
        }
        let (mut answer, mut tell) = (None, Tell::Handlers);
        match (kind, p.id) {
            (kind::CONNACK, _) => {
                tell = Tell::Refused;
                if let &[present, 0] = p.payload {
                    self.alive.on_accepted(now);
                    self.accepted(present != 0, now);
                    self.counters.connects = self.counters.connects.wrapping_add(1);
                    self.counters.connected_at = now;
                    tell = Tell::Accepted;
                }
            }
            (kind::PINGRESP, _) => {
                self.ping_answered(now);
                tell = Tell::Nobody;
            }
            (kind::PUBLISH, id) => {
                let again = match id {
                    Some(id) if p.qos() == QoS::ExactlyOnce => {
                        answer = Some(AckKind::PubRec);
                        let known = self.received.contains(id);
                        if !known {
                            self.received.insert(id)?;
                        }
                        let undelivered = self.undelivered == Some(id);
                        if undelivered {
                            self.undelivered = None;
                        }
                        known && !undelivered
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
                self.received.remove(id)?;
                answer = Some(AckKind::PubComp);
            }
            (kind::SUBACK, Some(id)) => {
                self.blame.id_answered(id);
                let aside = self.subscriptions.aside();
                match self.subscriptions.settle(id) {
                    None => {
                        if self.outbox.subscribed(id) {
                            tell = Tell::Nobody;
                        }
                    }
                    Some(_) if p.payload.len() != 1 => return Err(Trouble::Violation(Wrong::SubackCount)),
                    Some(twice) => {
                        self.expect_echo(twice, id, now);
                        if self.subscriptions.aside() < aside {
                            (self.aside_tries, self.try_aside) = (0, true);
                        }
                        tell = Tell::Subscriber;
                    }
                }
            }
            (kind::UNSUBACK, Some(id)) if let Some(twice) = self.subscriptions.unsubscribed(id) => {
                self.blame.id_answered(id);
                self.expect_echo(twice, id, now);
            }
            (ack, Some(id)) => {
                let aside = self.outbox.aside();
                let (step, repeated) = self.outbox.acknowledge(ack, id, now);
                // One that was aside went through: the others have their turn.
                self.try_aside |= self.outbox.aside() < aside;
                match step {
                    Step::Wrong => return Err(Trouble::Violation(Wrong::Ack)),
                    Step::Downgraded => tell = Tell::Downgraded,
                    Step::ReleaseAgain if self.untold.take() == Some(id) => {}
                    Step::ReleaseAgain | Step::Echo => tell = Tell::Nobody,
                    Step::Done | Step::Release | Step::Ignore => {}
                }
                let is_first = matches!(step, Step::Done | Step::Downgraded | Step::Release);
                if is_first {
                    self.blame.id_answered(id);
                }
                if is_first && ack != kind::UNSUBACK {
                    // PUBREC of a session that goes with its connection is no progress over its end.
                    self.acked |= !(self.clean && step == Step::Release);
                    self.proven = true;
                    if repeated {
                        self.overdue.on_answered(now);
                    }
                    // The first answer to a message; PUBCOMP is the second.
                    if ack != kind::PUBCOMP {
                        self.window.grow();
                    }
                }
                if step == Step::Release {
                    self.overdue.on_sent(now);
                }
                // Also for one that we know nothing of: the broker must be able to end what the app has begun by itself.
                if ack == kind::PUBREC {
                    answer = Some(AckKind::PubRel);
                }
            }
            (_, None) => {}
        }
        self.alive.on_received(now);
        Ok(Reaction { answer, tell })
    }

    /// What was sent twice is answered once: the second answer is nobody's, and until then the identifier is in use. Without memory for
    /// that it is free a little earlier.
    fn expect_echo(&mut self, twice: bool, id: PacketId, now: Millis) {
        if twice {
            self.overdue.on_answered(now);
            let _ = self.outbox.push_empty(id, 0, outbox::ECHO, now);
        }
    }

    fn ping_answered(&mut self, now: Millis) {
        let Some((asked, took)) = self.alive.on_pong(now) else { return };
        self.counters.ping = took;
        self.proven = true;
        self.blame.ping_answered();
        let (message, is_new, oldest) = self.outbox.overdue(asked, &self.overdue, now);
        let (subscription, again) = self.subscriptions.overdue(asked, &self.overdue, now);
        if message.is_some() || subscription {
            self.overdue.on_overdue();
            // What is never answered says nothing of the others.
            if is_new || subscription {
                self.window.shrink();
            }
            if !core::mem::replace(&mut self.overdue_told, true) {
                self.overdue_news = message;
                self.subscribe_overdue = again;
            }
        }
        if message.is_none() && !again && self.outbox.kept() == 0 && self.subscriptions.awaiting() == 0 && !self.subscriptions.seek() {
            // Nothing is waited for any more.
            self.overdue.stop();
            self.overdue_told = false;
        }
        self.overdue.on_told(earlier(oldest, self.subscriptions.on_wire_since()));
    }

    /// CONNACK 0. `present`: the broker has kept a session.
    fn accepted(&mut self, mut present: bool, now: Millis) {
        if present && self.clean {
            // The original lives with it, and so do we: it is the broker that must have begun a new one.
            present = false;
            if self.session_present == Told::Nothing {
                self.session_present = Told::Due;
            }
        }
        if let Some(id) = self.blame.accepted(now)
            && (self.outbox.set_aside(id) || self.subscriptions.set_aside(id))
        {
            self.try_aside = false;
            self.put_off_aside(now);
        }
        if self.blame.held_until() != NEVER {
            self.window.shrink();
        }
        let kept = present && !self.elsewhere;
        if !kept {
            self.received.clear();
            self.undelivered = None;
        }
        let before = self.outbox.given_up();
        self.outbox.accepted(kept);
        self.count_given_up(before);
        self.subscriptions.restart(kept);
        self.link = Link::Welcomed;
    }

    /// The answer to a packet with this identifier could not be sent: it will be handed in again.
    pub fn unanswered(&mut self, reaction: Reaction, id: PacketId) {
        if reaction.tell == Tell::Nobody {
            return;
        }
        match reaction.answer {
            Some(AckKind::PubRec) => self.undelivered = Some(id),
            Some(AckKind::PubRel) => self.untold = Some(id),
            _ => {}
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

    /// Takes a message for sending. Capped to the QoS allowed first; then kept, or to be written at once. [`Session::notice`] may
    /// have something to say afterwards.
    pub fn publish(
        &mut self,
        topic: &[u8],
        payload: &[u8],
        qos: QoS,
        retain: bool,
        limits: Limits,
        now: Millis,
    ) -> Result<Published, Refused> {
        // Every message takes an identifier, whatever becomes of it, as upstream's do.
        let id = self.packet_id();
        self.control_characters |= check_name(topic).map_err(Refused::Topic)?;
        let qos = qos.min(limits.max_qos);
        let flags = (qos as u8) << 1 | retain as u8;
        if qos == QoS::AtMostOnce || limits.max_queue == 0 {
            if !self.is_up() || self.is_doubtful() {
                return Err(Refused::Offline);
            }
            if !limits.room {
                return Err(Refused::Congested);
            }
            if qos > QoS::AtMostOnce {
                self.outbox.push_empty(id, flags, outbox::BARE, now)?;
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
        let live = self.is_up() && limits.room;
        // A burst on a live connection goes out whole, even if there is no room to wait in.
        let held_back = live && overflow && self.window.is_widest() && self.outbox.in_flight() >= self.window.size();
        self.at_once = live && !behind_others || held_back;
        let before = self.outbox.given_up();
        while self.outbox.is_over() && self.outbox.make_room(id, held_back) {}
        self.count_given_up(before);
        self.counters.most_kept = self.counters.most_kept.max(self.outbox.kept());
        Ok(Published { id, flags, direct: false, overflow })
    }

    /// Takes back a message that was to be written at once and could not be.
    pub fn unpublished(&mut self, id: PacketId) {
        self.outbox.forget(id);
    }

    /// Subscribes to a filter, now or when the connection is up.
    pub fn subscribe(&mut self, filter: &[u8], qos: QoS, recipient: Recipient<H>, now: Millis) -> Result<(), Refused> {
        self.control_characters |= check_filter(filter).map_err(Refused::Topic)?;
        if let Some(id) = self.subscriptions.add(filter, qos, recipient)? {
            // Without memory for it the identifier is free a little earlier.
            let _ = self.outbox.push_empty(id, 0, outbox::UNSUBSCRIBE, now);
        }
        Ok(())
    }

    /// How many subscriptions have exactly this filter.
    pub fn subscribed(&self, filter: &[u8]) -> usize {
        self.subscriptions.count(filter)
    }

    /// Removes the newest subscription with exactly this filter. With the last of them UNSUBSCRIBE goes out, now or on the next connection
    /// to the session. `None` if there is none; else whether an older UNSUBSCRIBE was forgotten, as too many are owed.
    pub fn unsubscribe(&mut self, filter: &[u8], now: Millis) -> Option<bool> {
        let done = self.subscriptions.remove(filter)?;
        if let Some(id) = done.awaited {
            // Its identifier is free when SUBACK comes [MQTT-2.3.1-3]; without memory for it, a little earlier.
            let _ = self.outbox.push_empty(id, 0, outbox::SUBSCRIBE, now);
        }
        Some(done.forgotten)
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
        let at_once = core::mem::take(&mut self.at_once);
        let messages = at_once || self.link == Link::Up && room;
        let window = self.window.size();
        let in_flight = self.outbox.in_flight();
        let asking = in_flight + self.subscriptions.awaiting();
        if reached(now, self.subscribing_until) {
            self.subscribing_until = NEVER;
        }
        let busy = if self.subscribing_until != NEVER { asking } else { in_flight };
        // If it goes on, what is wrong is looked for one packet at a time.
        let alone = window == 1 && self.vain_ends > 1;
        let mut pending = None;
        if (self.window.is_widest() || asking < window) && self.subscriptions.seek() {
            pending = Some(Pending::Subscribe);
        } else if messages && self.outbox.seek() {
            if busy < window || !self.outbox.next_is_message() || self.next_release() {
                pending = Some(Pending::Message);
            }
        } else if messages && busy == 0 && self.seek_aside(now) {
            pending = Some(if self.subscriptions.seek() { Pending::Subscribe } else { Pending::Aside });
        }
        // The answer to a ping shows that the broker has taken what came before: whatever goes out then is alone.
        let is_cleared = self.cleared_way && !self.alive.is_asking();
        let may_be_blamed = match pending {
            Some(Pending::Message) => self.outbox.next_is_message(),
            pending => pending.is_some(),
        };
        let holds = self.blame.is_holding(now);
        let clears_way = may_be_blamed && alone && !holds && !self.blame.is_clean() && !is_cleared;
        if clears_way || may_be_blamed && holds {
            pending = None;
        }
        let asks = clears_way || self.is_overdue(now);
        match pending {
            Some(Pending::Subscribe) => {
                self.pending = Pending::Subscribe;
                let id = self.packet_id();
                self.subscriptions.next(id, QoS::clamped(2 - self.below as i32))
            }
            Some(Pending::Aside) => {
                self.pending = Pending::Aside;
                self.outbox.next_aside()
            }
            Some(_) => {
                self.pending = Pending::Message;
                self.outbox.next()
            }
            None => {
                self.pending = Pending::Ping;
                let due = self.alive.due(now) == Due::Ping;
                if due || asks && !self.alive.is_asking() { Some(Out::PINGREQ) } else { None }
            }
        }
    }

    /// Where a message has to wait for others, a PUBREL behind it does not.
    fn next_release(&mut self) -> bool {
        self.outbox.seek_release()
    }

    /// True if something that is aside is to be tried.
    fn seek_aside(&mut self, now: Millis) -> bool {
        if self.outbox.aside() == 0 && self.subscriptions.aside() == 0 {
            return false;
        }
        let is_due = reached(now, self.aside_at);
        if !self.try_aside && !is_due {
            return false;
        }
        if is_due {
            // Should it not go out now, it does so soon.
            self.aside_at = now.wrapping_add(1000);
            self.try_aside = true;
        }
        if self.subscriptions.try_aside() {
            self.try_aside = false;
            return true;
        }
        self.outbox.next_aside().is_some()
    }

    /// True if an answer may have taken so long that the broker is to be asked for it.
    fn is_overdue(&mut self, now: Millis) -> bool {
        if !self.overdue.is_due(now) {
            return false;
        }
        if !self.outbox.is_awaiting() && self.subscriptions.awaiting() == 0 {
            self.overdue.stop();
            self.overdue_told = false;
            return false;
        }
        true
    }

    /// What `next` has returned was written; `unsent` bytes wait to leave now, those of it included. The bytes that it pointed to stay where
    /// and as they are.
    pub fn sent(&mut self, unsent: usize, now: Millis) {
        self.cleared_way = false;
        match self.pending {
            Pending::Subscribe => {
                if let Some(id) = self.subscriptions.sent(now) {
                    self.blame.wrote_suspect(id, now);
                }
                if !self.window.is_widest() && self.vain_ends < 3 {
                    self.subscribing_until = now.wrapping_add(SUBSCRIBING).max(1);
                }
                self.overdue.on_sent(now);
            }
            Pending::Message => {
                match self.outbox.sent(now) {
                    (Some(id), true) => self.blame.wrote_suspect(id, now),
                    (Some(id), false) => self.blame.wrote_harmless(id, now),
                    _ => {}
                }
                self.overdue.on_sent(now);
            }
            Pending::Aside => {
                self.try_aside = false;
                if let Some(id) = self.outbox.aside_sent(now) {
                    self.blame.wrote_harmless(id, now);
                }
                self.overdue.on_sent(now);
            }
            Pending::Ping => {
                self.alive.on_ping(unsent, now);
                self.overdue.on_asked();
                self.blame.wrote_ping(now);
                // Also where its purpose is another.
                self.cleared_way = true;
            }
        }
        self.alive.on_sent(now);
    }

    /// A packet with this first byte and identifier was written that did not come from `next`.
    pub fn sent_other(&mut self, first: u8, id: Option<PacketId>, now: Millis) {
        match (first >> 4, id) {
            // Nobody hangs up on an acknowledgement.
            (kind::PUBACK | kind::PUBREC | kind::PUBCOMP, _) => {}
            (kind::PUBREL, Some(id)) => self.blame.wrote_harmless(id, now),
            _ => self.blame.wrote_other(now),
        }
        self.alive.on_sent(now);
    }

    /// The app has written something to the connection by itself.
    pub fn app_sent(&mut self, now: Millis) {
        self.blame.wrote_other(now);
        self.alive.on_sent(now);
    }

    /// So many bytes have left for the broker; `unsent` still wait.
    pub fn left(&mut self, bytes: usize, unsent: usize, now: Millis) {
        self.alive.on_left(bytes, now);
        self.overdue.on_left(unsent, now);
        self.send_buffer.left();
        self.blame.left(now);
    }

    /// The event loop goes round while so many bytes wait to leave.
    pub fn polled(&mut self, unsent: usize, now: Millis) {
        self.send_buffer.polled(unsent, now);
    }

    /// True if a packet of `size` bytes may be written behind `unsent` others: no more waits than a third of the heap's `free` bytes, and something
    /// moves.
    pub fn has_room(&self, unsent: usize, size: usize, free: usize) -> bool {
        self.send_buffer.has_room(unsent, size, free)
    }

    /// True if the broker has not answered a ping in time.
    pub fn is_dead(&mut self, now: Millis) -> bool {
        self.link != Link::Down && self.alive.due(now) == Due::Dead
    }

    /// When to look again for what time asks for.
    pub fn deadline(&self) -> Millis {
        if !self.is_up() {
            return NEVER;
        }
        let idle = self.outbox.in_flight() + self.subscriptions.awaiting() == 0;
        let aside = idle && (self.outbox.aside() > 0 || self.subscriptions.aside() > 0);
        let mut at = earlier(self.alive.deadline(), earlier(self.blame.held_until(), self.subscribing_until));
        // While the answer to a ping is awaited there is nothing to ask for.
        if !self.alive.is_asking() {
            at = earlier(at, self.overdue.deadline());
        }
        if aside { earlier(at, self.aside_at.max(1)) } else { at }
    }

    // What the app is to be told.

    fn count_given_up(&mut self, before: u16) {
        let more = self.outbox.given_up().wrapping_sub(before);
        self.counters.dropped = self.counters.dropped.wrapping_add(more as u32);
    }

    /// What is to be logged; `None` for nothing more. To be asked until then whenever something was published or received, or time has
    /// passed.
    pub fn notice(&mut self) -> Option<Notice<'_>> {
        if self.session_present == Told::Due {
            self.session_present = Told::Done;
            return Some(Notice::SessionPresent);
        }
        if let Some(id) = self.overdue_news.take() {
            return Some(Notice::Overdue(id));
        }
        if core::mem::take(&mut self.subscribe_overdue) {
            return Some(Notice::SubscribeOverdue);
        }
        if let Some((filter, aside)) = self.subscriptions.news() {
            return Some(if aside { Notice::SubscriptionSetAside { filter } } else { Notice::SubscribeUnanswered { filter } });
        }
        self.outbox.notice()
    }

    /// True if messages were given up of which the app has not been told.
    pub fn has_given_up(&self) -> bool {
        self.outbox.given_up() > 0
    }

    /// How many messages were given up since this was last asked. The app is told of them.
    pub fn take_given_up(&mut self) -> GivenUp {
        self.outbox.take_given_up()
    }
}
