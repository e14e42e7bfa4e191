//! Received packets: what they mean for the session, and whom they concern.

use super::entry::{DUPLICATE_ACK, Step};
use super::keep_alive::{Millis, NEVER, earlier};
use super::{Framed, LinkState, NoticeState, Notify, Origin, Reaction, ReceiveError, Recipient, Session};
use crate::LOGS;
use crate::wire::{AckKind, Decoded, Header, InPacket, PacketId, ProtocolError, QoS, decode_with, kind};

impl<H: Copy> Session<H> {
    /// Examines the receive buffer, see [`Framed`]. `limit` is its maximum size in bytes.
    pub fn frame<'a>(&mut self, buf: &'a [u8], limit: usize) -> Decoded<Framed<'a>> {
        let framed = self.framer.frame(buf, limit)?;
        self.framer.mid_packet = framed == Framed::Incomplete && (!buf.is_empty() || self.is_discarding());
        if let Framed::Oversized { .. } = framed {
            if self.link == LinkState::ConnectSent {
                return Err(ProtocolError::Order);
            }
            self.counters.oversized = self.counters.oversized.wrapping_add(1);
        }
        Ok(framed)
    }

    /// Returns true from the start of an oversized packet until its acknowledgement was sent.
    pub fn is_discarding(&self) -> bool {
        self.framer.is_discarding()
    }

    /// Returns the handlers that take a message with this topic in pieces, the newest first.
    pub fn take_pieces(&self, topic: &[u8]) -> impl Iterator<Item = H> {
        self.subscriptions.take_pieces(topic)
    }

    /// The oversized message that was just reported is delivered in pieces: it is not skipped.
    pub fn pieces_started(&mut self) {
        self.counters.oversized = self.counters.oversized.wrapping_sub(1);
    }

    /// Returns true if the message that is being discarded, or delivered in pieces, was received
    /// before. To be called when its packet ID was received; `first` is the first byte of its packet.
    #[inline(never)]
    pub fn is_known_in_pieces(&self, first: u8) -> bool {
        self.framer.id().is_some_and(|id| self.inbound.contains(id) && self.inbound.is_duplicate(first))
    }

    /// The last piece of a QoS 2 message was delivered: it is not to be delivered again. Without
    /// memory for that it may be.
    pub fn pieces_delivered(&mut self) {
        if let Some(id) = self.framer.id()
            && !self.inbound.contains(id)
        {
            let _ = self.inbound.insert(id);
        }
    }

    /// The acknowledgement of an oversized packet was sent.
    pub fn discarded_answered(&mut self) {
        self.framer.answered();
    }

    /// Bytes were received: the broker is alive, and its PINGRESP may be queued behind them.
    #[inline(never)]
    pub fn bytes_received(&mut self, now: Millis) {
        self.keep_alive.on_received(now);
    }

    /// Processes a complete packet: its fixed header and the bytes that follow it. `has_handlers`
    /// tells that the app has handlers for messages without a subscription; those acknowledge such
    /// messages at QoS 1 themselves.
    pub fn receive<'a>(
        &mut self,
        header: Header,
        body: &'a [u8],
        has_handlers: bool,
        now: Millis,
    ) -> Result<(InPacket<'a>, Reaction), ReceiveError> {
        let subscriptions = &mut self.subscriptions;
        // A filter without wildcards was checked as strictly as a topic when it was subscribed.
        let p = decode_with(header, body, |topic| subscriptions.start_delivery(topic) && subscriptions.matched_literally())?;
        Ok((p, self.process(p, has_handlers, now)?))
    }

    /// Processes a packet; the delivery of a message has been started.
    #[inline(always)]
    fn process(&mut self, p: InPacket<'_>, has_handlers: bool, now: Millis) -> Result<Reaction, ReceiveError> {
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
                let is_duplicate = match id {
                    Some(id) if p.qos() == QoS::ExactlyOnce => {
                        answer = Some(AckKind::PubRec);
                        let is_open = self.inbound.contains(id);
                        if !is_open {
                            self.inbound.insert(id)?;
                        }
                        let is_retry = self.retry_publish == Some(id);
                        if is_retry {
                            self.retry_publish = None;
                        }
                        is_open && !is_retry && self.inbound.is_duplicate(p.first)
                    }
                    _ => false,
                };
                if is_duplicate {
                    notify = Notify::Nobody;
                } else if self.subscriptions.is_delivering() {
                    notify = Notify::Subscribers;
                }
                if p.qos() == QoS::AtLeastOnce && (notify == Notify::Subscribers || !has_handlers) {
                    answer = Some(AckKind::PubAck);
                }
            }
            (kind::PUBREL, Some(id)) => {
                self.inbound.remove(id)?;
                answer = Some(AckKind::PubComp);
            }
            (kind::SUBACK, Some(id)) => notify = self.suback(id, p.payload.len(), now)?,
            (kind::UNSUBACK, Some(id)) if let Some(twice) = self.subscriptions.unsuback(id) => {
                self.suspects.id_answered(id);
                self.expect_duplicate_ack(twice, id, now);
            }
            (ack, Some(id)) => {
                notify = self.acknowledged(ack, id, now)?;
                // Also for an unknown packet ID: the app may have started the exchange itself.
                if ack == kind::PUBREC {
                    answer = Some(AckKind::PubRel);
                }
            }
            (_, None) => {}
        }
        self.bytes_received(now);
        Ok(Reaction { answer, notify })
    }

    /// SUBACK was received, with this number of return codes. Returns whom it concerns.
    #[inline(never)]
    fn suback(&mut self, id: PacketId, codes: usize, now: Millis) -> Result<Notify, ReceiveError> {
        self.suspects.id_answered(id);
        let aside = self.subscriptions.num_set_aside();
        let Some(twice) = self.subscriptions.suback(id) else {
            return Ok(if self.outbox.suback(id) { Notify::Nobody } else { Notify::Handlers });
        };
        if codes != 1 {
            return Err(ReceiveError::Violation(ProtocolError::SubackCount));
        }
        self.expect_duplicate_ack(twice, id, now);
        if self.subscriptions.num_set_aside() < aside {
            (self.suspects.aside_tries, self.retry_aside) = (0, true);
        }
        Ok(Notify::Subscriber)
    }

    /// An acknowledgement of this type was received. Returns whom it concerns.
    #[inline(never)]
    fn acknowledged(&mut self, ack: u8, id: PacketId, now: Millis) -> Result<Notify, ReceiveError> {
        let mut notify = Notify::Handlers;
        let aside = self.outbox.num_set_aside();
        let (step, resent) = self.outbox.acknowledge(ack, id, now);
        // A set-aside message got through: try the next one.
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
            // PUBREC in a session that ends with its connection does not count as progress.
            self.acked |= !(self.origin == Origin::Clean && step == Step::Release);
            self.broker_responded = true;
            if resent {
                self.ack_timer.on_answered(now);
            }
            // Only the first answer to a message counts; PUBCOMP is the second.
            if ack != kind::PUBCOMP {
                self.window.grow();
            }
        }
        if step == Step::Release {
            self.ack_timer.on_sent(now);
        }
        Ok(notify)
    }

    /// A packet sent twice was answered once: keeps its packet ID in use until the second answer,
    /// which is ignored. If there is no memory for that, the packet ID is free a little earlier.
    fn expect_duplicate_ack(&mut self, twice: bool, id: PacketId, now: Millis) {
        if twice {
            self.ack_timer.on_answered(now);
            let _ = self.outbox.push_id_only(id, 0, DUPLICATE_ACK, now);
        }
    }

    #[inline(never)]
    fn ping_answered(&mut self, now: Millis) {
        let Some((pinged_at, round_trip)) = self.keep_alive.on_pong(now) else { return };
        self.counters.ping = round_trip;
        self.broker_responded = true;
        self.suspects.ping_answered();
        let (message, is_new, oldest) = self.outbox.mark_overdue(pinged_at, &self.ack_timer, now);
        let (subscription, resent) = self.subscriptions.mark_overdue(pinged_at, &self.ack_timer, now);
        if message.is_some() || subscription {
            self.has_notices = true;
            self.ack_timer.on_overdue();
            // A packet that is never answered says nothing about the others.
            if is_new || subscription {
                self.window.shrink();
            }
            if LOGS && self.ack_timer.report() {
                self.overdue_notice = message;
                self.subscribe_overdue_notice = resent;
            }
        }
        if message.is_none()
            && !resent
            && self.outbox.queued() == 0
            && self.subscriptions.awaiting() == 0
            && !self.subscriptions.find_next()
        {
            // Nothing is awaited any more.
            self.ack_timer.stop();
        }
        self.ack_timer.on_pong(earlier(oldest, self.subscriptions.awaiting_since()), now);
    }

    /// CONNACK 0 was received. `present` is its session present flag.
    #[inline(never)]
    fn accepted(&mut self, mut present: bool, now: Millis) {
        self.has_notices = true;
        if present && self.origin == Origin::Clean {
            // Like the original, accept this violation: the broker must have started a new session.
            present = false;
            if LOGS && self.session_present_notice == NoticeState::None {
                self.session_present_notice = NoticeState::Due;
            }
        }
        let kept = present && !self.other_broker;
        if let Some(id) = self.suspects.accepted(now)
            && (self.outbox.set_aside(id, kept) || self.subscriptions.set_aside(id))
        {
            self.retry_aside = false;
            self.schedule_aside_retry(now);
        }
        if self.suspects.held_until() != NEVER {
            self.window.shrink();
        }
        if kept {
            self.origin = Origin::Kept;
        }
        if !kept {
            self.inbound.clear();
            self.retry_publish = None;
        }
        self.outbox.accepted(kept);
        // Messages that are to be sent anew may have outlived their time.
        self.sweep(now);
        self.subscriptions.restart(kept);
        self.link = LinkState::ConnackReceived;
    }

    /// The answer to a packet with this packet ID could not be sent; the caller passes the packet
    /// in again later.
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

    /// Returns filter and handler of the subscription that the last SUBACK acknowledged.
    pub fn settled_subscription(&self) -> Option<(&[u8], Recipient<H>)> {
        self.subscriptions.settled()
    }

    /// Returns true if [`Session::next_recipient`] needs the topic.
    pub fn needs_topic(&self) -> bool {
        self.subscriptions.needs_topic()
    }

    /// Returns the next handler for the message being delivered, whose topic is `topic`; `None`
    /// when there are no more.
    pub fn next_recipient(&mut self, topic: &[u8]) -> Option<Recipient<H>> {
        self.subscriptions.next_recipient(topic)
    }
}
