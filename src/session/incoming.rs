//! What comes in: packets, what they mean for the session, and whom they concern.

use super::entry::{DUPLICATE_ACK, Step};
use super::keep_alive::{Millis, NEVER, earlier};
use super::{Framed, LinkState, NoticeState, Notify, Reaction, ReceiveError, Recipient, Session};
use crate::wire::{AckKind, Decoded, InPacket, PacketId, ProtocolError, QoS, kind};

impl<H: Copy> Session<H> {
    /// Looks at what has been received: see [`Take`].
    pub fn frame<'a>(&mut self, buf: &'a [u8], limit: usize) -> Decoded<Framed<'a>> {
        let framed = self.framer.frame(buf, limit)?;
        self.mid_packet = framed == Framed::Incomplete && !buf.is_empty();
        if let Framed::Oversized { .. } = framed {
            if self.link == LinkState::ConnectSent {
                return Err(ProtocolError::Order);
            }
            self.counters.oversized = self.counters.oversized.wrapping_add(1);
        }
        Ok(framed)
    }

    /// True inside a packet that is being dropped, until its answer was sent.
    pub fn is_discarding(&self) -> bool {
        self.framer.is_discarding()
    }

    /// The answer to a packet that was dropped for its size was sent.
    pub fn discarded_answered(&mut self) {
        self.framer.answered();
    }

    /// Part of a packet has come in: the broker is alive, and its answer to a ping may be behind that packet.
    pub fn received_partial(&mut self, now: Millis) {
        self.keep_alive.on_received(now);
    }

    /// A packet has come in whole. `others`: there are handlers for messages that nobody has subscribed to, and such a message at
    /// QoS 1 is theirs to acknowledge.
    pub fn receive(&mut self, p: InPacket<'_>, others: bool, now: Millis) -> Result<Reaction, ReceiveError> {
        let kind = p.kind();
        if (kind == kind::CONNACK) != (self.link == LinkState::ConnectSent) {
            return Err(ReceiveError::Violation(ProtocolError::Order));
        }
        let (mut answer, mut notify) = (None, Notify::Handlers);
        match (kind, p.id) {
            (kind::CONNACK, _) => {
                notify = Notify::Refused;
                if let &[present, 0] = p.payload {
                    self.keep_alive.on_accepted(now);
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
                        let retry_publish = self.retry_publish == Some(id);
                        if retry_publish {
                            self.retry_publish = None;
                        }
                        known && !retry_publish
                    }
                    _ => false,
                };
                if again {
                    notify = Notify::Nobody;
                } else if self.subscriptions.start_delivery(p.topic) {
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
                self.suspects.id_answered(id);
                let aside = self.subscriptions.num_set_aside();
                match self.subscriptions.suback(id) {
                    None => {
                        if self.outbox.suback(id) {
                            notify = Notify::Nobody;
                        }
                    }
                    Some(_) if p.payload.len() != 1 => return Err(ReceiveError::Violation(ProtocolError::SubackCount)),
                    Some(twice) => {
                        self.expect_duplicate_ack(twice, id, now);
                        if self.subscriptions.num_set_aside() < aside {
                            (self.aside_tries, self.retry_aside) = (0, true);
                        }
                        notify = Notify::Subscriber;
                    }
                }
            }
            (kind::UNSUBACK, Some(id)) if let Some(twice) = self.subscriptions.unsuback(id) => {
                self.suspects.id_answered(id);
                self.expect_duplicate_ack(twice, id, now);
            }
            (ack, Some(id)) => {
                let aside = self.outbox.num_set_aside();
                let (step, repeated) = self.outbox.acknowledge(ack, id, now);
                // One that was aside went through: the others have their turn.
                self.retry_aside |= self.outbox.num_set_aside() < aside;
                match step {
                    Step::ProtocolError => return Err(ReceiveError::Violation(ProtocolError::Ack)),
                    Step::Downgraded => notify = Notify::Downgraded,
                    Step::ReleaseAgain if self.retry_pubrec.take() == Some(id) => {}
                    Step::ReleaseAgain | Step::DuplicateAck => notify = Notify::Nobody,
                    Step::Done | Step::Release | Step::Ignore => {}
                }
                let is_first = matches!(step, Step::Done | Step::Downgraded | Step::Release);
                if is_first {
                    self.suspects.id_answered(id);
                }
                if is_first && ack != kind::UNSUBACK {
                    // PUBREC of a session that goes with its connection is no progress over its end.
                    self.acked |= !(self.clean && step == Step::Release);
                    self.broker_responded = true;
                    if repeated {
                        self.ack_timer.on_answered(now);
                    }
                    // The first answer to a message; PUBCOMP is the second.
                    if ack != kind::PUBCOMP {
                        self.window.grow();
                    }
                }
                if step == Step::Release {
                    self.ack_timer.on_sent(now);
                }
                // Also for one that we know nothing of: the broker must be able to end what the app has begun by itself.
                if ack == kind::PUBREC {
                    answer = Some(AckKind::PubRel);
                }
            }
            (_, None) => {}
        }
        self.keep_alive.on_received(now);
        Ok(Reaction { answer, notify })
    }

    /// What was sent twice is answered once: the second answer is nobody's, and until then the identifier is in use. Without memory for
    /// that it is free a little earlier.
    fn expect_duplicate_ack(&mut self, twice: bool, id: PacketId, now: Millis) {
        if twice {
            self.ack_timer.on_answered(now);
            let _ = self.outbox.push_id_only(id, 0, DUPLICATE_ACK, now);
        }
    }

    fn ping_answered(&mut self, now: Millis) {
        let Some((asked, took)) = self.keep_alive.on_pong(now) else { return };
        self.counters.ping = took;
        self.broker_responded = true;
        self.suspects.ping_answered();
        let (message, is_new, oldest) = self.outbox.mark_overdue(asked, &self.ack_timer, now);
        let (subscription, again) = self.subscriptions.mark_overdue(asked, &self.ack_timer, now);
        if message.is_some() || subscription {
            self.ack_timer.on_overdue();
            // What is never answered says nothing of the others.
            if is_new || subscription {
                self.window.shrink();
            }
            if !core::mem::replace(&mut self.overdue_reported, true) {
                self.overdue_notice = message;
                self.subscribe_overdue_notice = again;
            }
        }
        if message.is_none() && !again && self.outbox.queued() == 0 && self.subscriptions.awaiting() == 0 && !self.subscriptions.find_next()
        {
            // Nothing is waited for any more.
            self.ack_timer.stop();
            self.overdue_reported = false;
        }
        self.ack_timer.on_pong(earlier(oldest, self.subscriptions.awaiting_since()), now);
    }

    /// CONNACK 0. `present`: the broker has kept a session.
    fn accepted(&mut self, mut present: bool, now: Millis) {
        if present && self.clean {
            // The original lives with it, and so do we: it is the broker that must have begun a new one.
            present = false;
            if self.session_present_notice == NoticeState::None {
                self.session_present_notice = NoticeState::Due;
            }
        }
        if let Some(id) = self.suspects.accepted(now)
            && (self.outbox.set_aside(id) || self.subscriptions.set_aside(id))
        {
            self.retry_aside = false;
            self.schedule_aside_retry(now);
        }
        if self.suspects.held_until() != NEVER {
            self.window.shrink();
        }
        let kept = present && !self.other_broker;
        if !kept {
            self.inbound.clear();
            self.retry_publish = None;
        }
        let before = self.outbox.given_up();
        self.outbox.accepted(kept);
        self.count_given_up(before);
        self.subscriptions.restart(kept);
        self.link = LinkState::ConnackReceived;
    }

    /// The answer to a packet with this identifier could not be sent: it will be handed in again.
    pub fn answer_failed(&mut self, reaction: Reaction, id: PacketId) {
        if reaction.notify == Notify::Nobody {
            return;
        }
        match reaction.answer {
            Some(AckKind::PubRec) => self.retry_publish = Some(id),
            Some(AckKind::PubRel) => self.retry_pubrec = Some(id),
            _ => {}
        }
    }

    /// Filter and handler of the subscription whose answer has come.
    pub fn settled_subscription(&self) -> Option<(&[u8], Recipient<H>)> {
        self.subscriptions.settled()
    }

    /// True if [`Session::next_recipient`] has to look at the topic.
    pub fn needs_topic(&self) -> bool {
        self.subscriptions.needs_topic()
    }

    /// The next handler for the message that is being delivered; `None` when all have had it. `topic`: that message's.
    pub fn next_recipient(&mut self, topic: &[u8]) -> Option<Recipient<H>> {
        self.subscriptions.next_recipient(topic)
    }
}
