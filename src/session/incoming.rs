//! What comes in: packets, what they mean for the session, and whom they concern.

use super::entry::{ECHO, Step};
use super::keep_alive::{Millis, NEVER, earlier};
use super::{Framed, Link, Notify, Reaction, ReceiveError, Recipient, Session, Told};
use crate::wire::{AckKind, Decoded, InPacket, PacketId, ProtocolError, QoS, kind};

impl<H: Copy> Session<H> {
    /// Looks at what has been received: see [`Take`].
    pub fn frame<'a>(&mut self, buf: &'a [u8], limit: usize) -> Decoded<Framed<'a>> {
        let framed = self.framer.frame(buf, limit)?;
        self.cut_short = framed == Framed::More && !buf.is_empty();
        if let Framed::Oversized { .. } = framed {
            if self.link == Link::Asked {
                return Err(ProtocolError::Order);
            }
            self.counters.oversized = self.counters.oversized.wrapping_add(1);
        }
        Ok(framed)
    }

    /// True inside a packet that is being dropped, until its answer was sent.
    pub fn is_dropping(&self) -> bool {
        self.framer.is_dropping()
    }

    /// The answer to a packet that was dropped for its size was sent.
    pub fn answered_dropped(&mut self) {
        self.framer.answered();
    }

    /// Part of a packet has come in: the broker is alive, and its answer to a ping may be behind that packet.
    pub fn progress(&mut self, now: Millis) {
        self.alive.on_received(now);
    }

    /// A packet has come in whole. `others`: there are handlers for messages that nobody has subscribed to, and such a message at
    /// QoS 1 is theirs to acknowledge.
    pub fn receive(&mut self, p: InPacket<'_>, others: bool, now: Millis) -> Result<Reaction, ReceiveError> {
        let kind = p.kind();
        if (kind == kind::CONNACK) != (self.link == Link::Asked) {
            return Err(ReceiveError::Violation(ProtocolError::Order));
        }
        let (mut answer, mut notify) = (None, Notify::Handlers);
        match (kind, p.id) {
            (kind::CONNACK, _) => {
                notify = Notify::Refused;
                if let &[present, 0] = p.payload {
                    self.alive.on_accepted(now);
                    self.accepted(present != 0, now);
                    self.counters.connects = self.counters.connects.wrapping_add(1);
                    self.counters.connected_at = now;
                    notify = Notify::Accepted;
                }
            }
            (kind::PINGRESP, _) => {
                self.ping_answered(now);
                notify = Notify::Nobody;
            }
            (kind::PUBLISH, id) => {
                let again = match id {
                    Some(id) if p.qos() == QoS::ExactlyOnce => {
                        answer = Some(AckKind::PubRec);
                        let known = self.inbound.contains(id);
                        if !known {
                            self.inbound.insert(id)?;
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
                    notify = Notify::Nobody;
                } else if self.subscriptions.find(p.topic) {
                    notify = Notify::Subscribers;
                }
                if p.qos() == QoS::AtLeastOnce && (notify == Notify::Subscribers || !others) {
                    answer = Some(AckKind::PubAck);
                }
            }
            (kind::PUBREL, Some(id)) => {
                self.inbound.remove(id)?;
                answer = Some(AckKind::PubComp);
            }
            (kind::SUBACK, Some(id)) => {
                self.blame.id_answered(id);
                let aside = self.subscriptions.aside();
                match self.subscriptions.settle(id) {
                    None => {
                        if self.outbox.subscribed(id) {
                            notify = Notify::Nobody;
                        }
                    }
                    Some(_) if p.payload.len() != 1 => return Err(ReceiveError::Violation(ProtocolError::SubackCount)),
                    Some(twice) => {
                        self.expect_echo(twice, id, now);
                        if self.subscriptions.aside() < aside {
                            (self.aside_tries, self.try_aside) = (0, true);
                        }
                        notify = Notify::Subscriber;
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
                    Step::ProtocolError => return Err(ReceiveError::Violation(ProtocolError::Ack)),
                    Step::Downgraded => notify = Notify::Downgraded,
                    Step::ReleaseAgain if self.untold.take() == Some(id) => {}
                    Step::ReleaseAgain | Step::Echo => notify = Notify::Nobody,
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
        Ok(Reaction { answer, notify })
    }

    /// What was sent twice is answered once: the second answer is nobody's, and until then the identifier is in use. Without memory for
    /// that it is free a little earlier.
    fn expect_echo(&mut self, twice: bool, id: PacketId, now: Millis) {
        if twice {
            self.overdue.on_answered(now);
            let _ = self.outbox.push_id_only(id, 0, ECHO, now);
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
        self.overdue.on_told(earlier(oldest, self.subscriptions.on_wire_since()), now);
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
        let kept = present && !self.other_broker;
        if !kept {
            self.inbound.clear();
            self.undelivered = None;
        }
        let before = self.outbox.given_up();
        self.outbox.accepted(kept);
        self.count_given_up(before);
        self.subscriptions.restart(kept);
        self.link = Link::ConnackReceived;
    }

    /// The answer to a packet with this identifier could not be sent: it will be handed in again.
    pub fn unanswered(&mut self, reaction: Reaction, id: PacketId) {
        if reaction.notify == Notify::Nobody {
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
}
