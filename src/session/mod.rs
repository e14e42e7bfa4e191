//! One MQTT session: packet IDs, QoS flows in both directions, subscriptions, keep-alive. Sans-IO.
//!
//! Packets and the time go in. A received packet yields a [`Reaction`]: what to answer and whom to
//! notify. `next` yields what to send, and `sent` confirms it. The layer above does the I/O and
//! calls the handlers; nothing here knows about sockets, clocks or C. The session outlives its
//! connections.
#![forbid(unsafe_code)]

mod ack_timer;
mod entry;
mod framer;
mod inbound_qos2;
mod incoming;
mod keep_alive;
mod lifecycle;
mod outbox;
mod outcomes;
mod outgoing;
mod packet_ids;
mod send_buffer;
mod snapshot;
mod subscriptions;
mod suspects;
mod types;
mod window;

#[cfg(test)]
mod tests;

use crate::LOGS;
use crate::heap::OutOfMemory;
use crate::wire::{PacketId, QoS, check_filter, check_name};
use ack_timer::AckTimer;
use framer::Framer;
use inbound_qos2::InboundQos2;
use keep_alive::KeepAlive;
use outbox::Outbox;
use packet_ids::PacketIds;
use send_buffer::SendBuffer;
use subscriptions::Subscriptions;
use suspects::SuspectTracker;
use window::{MAX_INFLIGHT, Window};

pub use framer::Framed;
pub use keep_alive::{Due, Millis, NEVER, earlier, reached};
pub use outcomes::WatchOptions;
pub use snapshot::{Extent, RestoreError};
pub use subscriptions::{Recipient, Wants};
pub use types::{Counters, GivenUp, Limits, Notice, Notify, Outcome, Published, Reaction, ReceiveError, RequestError};

/// The state of the connection as MQTT sees it; each state permits more packets than the one
/// before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum LinkState {
    /// Only CONNECT may be sent \[MQTT-3.1.0-1\].
    Down,
    /// DISCONNECT was sent, or the connection is being closed: nothing may be sent
    /// \[MQTT-3.14.4-2\].
    Closing,
    /// CONNECT was sent; CONNACK is awaited.
    ConnectSent,
    /// CONNACK was received and the app is being notified: SUBSCRIBEs are sent, the queue waits.
    ConnackReceived,
    /// Everything may be sent.
    Up,
}

/// Where the session comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// The broker has not kept one, as far as is known.
    New,
    /// CONNECT asked for a new one.
    Clean,
    /// The broker has kept it.
    Kept,
}

/// What `next` returned last, until it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    /// A ping, or nothing.
    Ping,
    Subscribe,
    Message,
    SetAside,
}

/// The session of one connection object. `H` is what the layer above needs to call the handler of a
/// subscription.
///
/// Small fields come first, where the shortest instructions reach them; `repr(C)` keeps that order.
#[repr(C)]
pub struct Session<H: Copy> {
    link: LinkState,
    pending: Pending,
    window: Window,
    /// The session as CONNECT asks for it, then as CONNACK says.
    origin: Origin,
    /// The next broker is not the one this session belongs to: a session it reports present is
    /// stale.
    other_broker: bool,
    /// The broker acknowledged a packet or answered a ping on this connection.
    broker_responded: bool,
    /// The broker acknowledged messages on this connection.
    acked: bool,
    /// There may be something to log that the outbox does not know of.
    has_notices: bool,
    /// The packet ID of an overdue message to report.
    overdue_notice: Option<PacketId>,
    subscribe_overdue_notice: bool,
    /// Whether to report a session that the broker kept although a new one was asked for.
    session_present_notice: NoticeState,
    /// Retry what is set aside on this connection.
    retry_aside: bool,
    /// How far the maximum QoS of a SUBSCRIBE is below 2.
    qos_reduction: u8,
    /// A topic or filter of the app contained control characters; the layer above should warn.
    pub control_characters: bool,
    /// Messages that wait for the window were skipped in the search for a PUBREL.
    skipped: bool,
    ids: PacketIds,
    /// A QoS 2 message that was recorded but not answered: it will be passed in again.
    retry_publish: Option<PacketId>,
    /// The same for a PUBREC.
    retry_pubrec: Option<PacketId>,
    /// The PUBREL of an earlier connection that was repeated last on this one, for the first time, until
    /// PINGREQ is sent. While the broker keeps closing connections nothing follows it before it is answered.
    first_pubrel: Option<PacketId>,
    suspects: SuspectTracker,
    ack_timer: AckTimer,
    /// Until then, other packets wait for SUBACK.
    suback_deadline: Millis,
    /// When to retry what is set aside.
    aside_retry_at: Millis,
    framer: Framer,
    subscriptions: Subscriptions<H>,
    outbox: Outbox<H>,
    inbound: InboundQos2,
    keep_alive: KeepAlive,
    send_buffer: SendBuffer,
    counters: Counters,
}

/// The state of a notice that is given once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NoticeState {
    None,
    Due,
    Done,
}

impl<H: Copy> Default for Session<H> {
    fn default() -> Self {
        Self::NEW
    }
}

impl<H: Copy> Session<H> {
    /// A new session. The initial values here and in all fields are chosen to be all zeros.
    pub const NEW: Self = Session {
        subscriptions: Subscriptions::NEW,
        outbox: Outbox::NEW,
        inbound: InboundQos2::NEW,
        framer: Framer::NEW,
        keep_alive: KeepAlive::NEW,
        ack_timer: AckTimer::NEW,
        suspects: SuspectTracker::NEW,
        window: Window::NEW,
        skipped: false,
        send_buffer: SendBuffer::NEW,
        ids: PacketIds::NEW,
        link: LinkState::Down,
        pending: Pending::Ping,
        origin: Origin::New,
        counters: Counters::NEW,
        other_broker: false,
        broker_responded: false,
        acked: false,
        overdue_notice: None,
        has_notices: false,
        subscribe_overdue_notice: false,
        session_present_notice: NoticeState::None,
        retry_aside: false,
        qos_reduction: 0,
        retry_publish: None,
        retry_pubrec: None,
        first_pubrel: None,
        suback_deadline: NEVER,
        aside_retry_at: 0,
        control_characters: false,
    };

    /// Returns true from CONNACK 0 until DISCONNECT is sent or the connection is gone.
    pub fn is_up(&self) -> bool {
        self.link >= LinkState::ConnackReceived
    }

    /// Returns true if CONNECT was sent and the connection is not being closed.
    pub fn may_send(&self) -> bool {
        self.link >= LinkState::ConnectSent
    }

    /// Returns true once CONNECT was sent on this connection.
    pub fn is_connect_sent(&self) -> bool {
        self.link != LinkState::Down
    }

    /// Returns true if the broker has kept the session from the connections before: from CONNACK 0
    /// until the next CONNECT.
    pub fn is_kept(&self) -> bool {
        self.origin == Origin::Kept
    }

    /// Returns the number of outgoing messages stored, queued or in flight.
    pub fn queued(&self) -> u16 {
        self.outbox.queued()
    }

    /// Returns the maximum number of outgoing messages stored at the same time, so far.
    pub fn max_queued(&self) -> u16 {
        self.outbox.max_queued
    }

    /// Returns the counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns true if no message is queued or in flight, in either direction.
    pub fn is_idle(&self) -> bool {
        self.outbox.is_idle() && self.inbound.is_empty()
    }

    /// Returns the number of messages that are kept or sent and neither acknowledged nor given up.
    pub fn unacknowledged(&self) -> u16 {
        self.outbox.count_unacknowledged(0)
    }

    /// Returns true if only what is set aside is unacknowledged.
    pub fn is_drained(&self) -> bool {
        self.outbox.count_unacknowledged(entry::SET_ASIDE) == 0
    }

    /// Returns the number of messages that are set aside, as the broker closes the connection on
    /// them.
    pub fn num_set_aside(&self) -> u16 {
        self.outbox.num_set_aside()
    }

    /// Returns a packet ID that is not in use. It counts as used only once a packet is sent with
    /// it.
    pub fn packet_id(&mut self) -> PacketId {
        let (outbox, subscriptions) = (&self.outbox, &self.subscriptions);
        self.ids.next(|next| subscriptions.distance(next, outbox.distance(next, u16::MAX)))
    }

    /// Clears the session.
    pub fn clear(&mut self) {
        self.subscriptions.clear();
        self.outbox.clear();
        self.inbound.clear();
        self.link = LinkState::Down;
    }

    // Requests of the app.

    /// Takes a message for sending, at most at `limits.max_qos`. It is either queued, or the caller
    /// must write it now, see [`Published::direct`]. Check [`Session::notice`] afterwards.
    #[inline(always)]
    pub fn publish(
        &mut self,
        topic: &[u8],
        payload: &[u8],
        qos: QoS,
        retain: bool,
        limits: Limits,
        now: Millis,
    ) -> Result<Published, RequestError> {
        self.pending = Pending::Ping;
        // Every message takes a packet ID, even at QoS 0 or on error, as in upstream.
        let id = self.packet_id();
        self.control_characters |= check_name(topic).map_err(RequestError::Topic)?;
        let qos = qos.min(limits.max_qos);
        let flags = (qos as u8) << 1 | retain as u8;
        if qos == QoS::AtMostOnce || limits.max_queue == 0 {
            if !self.is_up() || self.is_unconfirmed() {
                return Err(RequestError::Offline);
            }
            if !limits.room {
                return Err(RequestError::Congested);
            }
            if qos > QoS::AtMostOnce {
                self.outbox.push_id_only(id, flags, entry::SENT_ID_ONLY, now)?;
            }
            return Ok(Published { id, flags, direct: true, next: false, overflow: false });
        }
        let (size, max_bytes) = (topic.len() + payload.len(), limits.max_bytes as usize);
        limits.check(size)?;
        // Store the new message before dropping another, so that nothing is lost without memory.
        self.outbox.set_limit(limits.max_queue);
        let overflow = self.outbox.is_over_limit(size, max_bytes);
        // If nothing is queued before it, the new message is the next to be sent.
        let behind_others = self.find_next_queued();
        self.outbox.push(id, flags, topic, payload)?;
        let live = self.is_up() && limits.room;
        // A burst on a live connection is sent completely, even if the queue is full.
        let held_back = live && overflow && self.window.is_widest() && self.outbox.in_flight() >= self.window.size();
        self.send_buffer.bypass_room = live && !behind_others || held_back;
        while overflow && self.outbox.is_over_limit(0, max_bytes) && self.outbox.make_room(id, held_back) {}
        self.outbox.max_queued = self.outbox.max_queued.max(self.outbox.queued());
        // Nothing comes before it, and the window is fully open, so that nothing is held back.
        let next = limits.room
            && self.link == LinkState::Up
            && !(behind_others || overflow || self.subscriptions.may_have_more())
            && self.window.is_widest()
            && self.outbox.in_flight() + self.subscriptions.awaiting() < MAX_INFLIGHT
            && self.outbox.num_set_aside() == 0;
        if next {
            self.pending = Pending::Message;
        }
        Ok(Published { id, flags, direct: false, next, overflow })
    }

    /// A message that is not stored is being written, with this packet ID and these flags, and is
    /// complete with [`last_piece_sent`](Self::last_piece_sent).
    pub fn upload_begins(&mut self, id: PacketId, flags: u8, now: Millis) -> Result<(), OutOfMemory> {
        self.packet_id();
        if flags & 6 != 0 {
            // Until then the broker has nothing of it, and it is neither acknowledged nor given up.
            self.outbox.push_id_only(id, flags, entry::DUPLICATE_ACK, now)?;
        }
        self.app_sent(now);
        Ok(())
    }

    /// Watches the message that is published next, with this effective QoS:
    /// [`take_settled`](Self::take_settled) returns what became of it. Afterwards call `written` if
    /// it was accepted, `refused` if not. Returns its packet ID.
    pub fn watch(&mut self, qos: QoS, options: WatchOptions<H>, now: Millis) -> Result<PacketId, OutOfMemory> {
        let id = self.packet_id();
        self.ids.give_back(id);
        self.outbox.outcomes.watch(id, qos > QoS::AtMostOnce, options, now)?;
        Ok(id)
    }

    /// The watched message with this packet ID was refused.
    pub fn refused(&mut self, id: PacketId) {
        self.outbox.outcomes.refused(id.get());
    }

    /// Replaces a watched message that allows it, has the same topic and was not sent, by one with
    /// this effective QoS, 1 or 2. Returns `None` if there is none: the new message is to be
    /// published.
    pub fn replace(
        &mut self,
        topic: &[u8],
        payload: &[u8],
        qos: QoS,
        retain: bool,
        limits: Limits,
    ) -> Option<Result<PacketId, RequestError>> {
        let has_replaceable = limits.max_queue > 0 && self.outbox.has_replaceable(topic);
        has_replaceable.then(|| self.replace_found(topic, payload, qos, retain, limits))
    }

    fn replace_found(&mut self, topic: &[u8], payload: &[u8], qos: QoS, retain: bool, limits: Limits) -> Result<PacketId, RequestError> {
        self.pending = Pending::Ping;
        limits.check(topic.len() + payload.len())?;
        let id = self.packet_id();
        self.outbox.replace(id, (qos as u8) << 1 | retain as u8, topic, payload)?;
        let max_bytes = limits.max_bytes as usize;
        self.outbox.set_limit(limits.max_queue);
        while self.outbox.is_over_limit(0, max_bytes) && self.outbox.make_room(id, false) {}
        Ok(id)
    }

    /// A watched QoS 0 message was written; with it, `unsent` bytes are waiting to be transmitted.
    pub fn written(&mut self, id: PacketId, unsent: usize) {
        self.outbox.outcomes.written(id, unsent);
    }

    /// Returns the number of outcomes that [`take_settled`](Self::take_settled) returns.
    pub fn num_settled(&self) -> u16 {
        self.outbox.outcomes.num_settled()
    }

    /// Returns the next outcome to report: the packet ID, the outcome, and whom to tell.
    pub fn take_settled(&mut self) -> Option<(u16, Outcome, H)> {
        self.outbox.outcomes.take_settled()
    }

    /// Drops watched messages whose lifetime is over.
    pub fn sweep(&mut self, now: Millis) {
        if let Some(sweep) = self.outbox.outcomes.sweep_function() {
            sweep(&mut self.outbox, now);
        }
    }

    /// Returns when to call [`sweep`](Self::sweep) and [`take_settled`](Self::take_settled) again;
    /// [`NEVER`] if nothing is watched.
    pub fn outcome_due(&self, now: Millis) -> Millis {
        self.outbox.outcomes.due(now)
    }

    /// Forgets a message that was to be written directly but could not be.
    pub fn publish_failed(&mut self, id: PacketId) {
        self.outbox.forget(id, !0);
    }

    /// Subscribes to a filter, now or when the connection is up.
    pub fn subscribe(&mut self, filter: &[u8], qos: QoS, recipient: Recipient<H>, now: Millis) -> Result<(), RequestError> {
        self.control_characters |= check_filter(filter).map_err(RequestError::Topic)?;
        if let Some(id) = self.subscriptions.add(filter, qos, recipient)? {
            // Without memory for it, the packet ID is free a little earlier.
            let _ = self.outbox.push_id_only(id, 0, entry::UNSUBSCRIBE, now);
        }
        Ok(())
    }

    /// Returns the number of subscriptions with exactly this filter.
    pub fn subscription_count(&self, filter: &[u8]) -> usize {
        self.subscriptions.count(filter)
    }

    /// Removes the newest subscription with exactly this filter. When it was the last one,
    /// UNSUBSCRIBE is sent, now or on the next connection to the session. Returns `None` if there
    /// is none; otherwise whether the oldest pending UNSUBSCRIBE was dropped, as there are too
    /// many.
    pub fn unsubscribe(&mut self, filter: &[u8], now: Millis) -> Option<bool> {
        let done = self.subscriptions.remove(filter)?;
        if let Some(id) = done.awaited {
            // Its packet ID is free after SUBACK [MQTT-2.3.1-3]; without memory for that, a little
            // earlier.
            let _ = self.outbox.push_id_only(id, 0, entry::SUBSCRIBE, now);
        }
        Some(done.forgotten)
    }

    /// Returns the payload bytes of all stored messages that are not set aside; an empty payload
    /// counts as one byte.
    pub fn payload_bytes(&self) -> usize {
        self.outbox.payload_bytes()
    }

    /// Limits the QoS of every SUBSCRIBE from now on, also for existing subscriptions.
    pub fn limit_qos(&mut self, max: QoS) {
        self.qos_reduction = 2 - max as u8;
    }

    // Notices for the app.

    /// Returns the next notice to log; `None` when there are no more. Call it until then after
    /// publishing, after receiving, and when time has passed.
    pub fn notice(&mut self) -> Option<Notice<'_>> {
        if self.has_notices {
            if LOGS && self.session_present_notice == NoticeState::Due {
                self.session_present_notice = NoticeState::Done;
                return Some(Notice::SessionPresent);
            }
            if LOGS && let Some(id) = self.overdue_notice.take() {
                return Some(Notice::Overdue(id));
            }
            if LOGS && core::mem::take(&mut self.subscribe_overdue_notice) {
                return Some(Notice::SubscribeOverdue);
            }
            if let Some((filter, aside)) = self.subscriptions.notice() {
                return Some(if aside { Notice::SubscriptionSetAside { filter } } else { Notice::SubscribeUnanswered { filter } });
            }
            self.has_notices = false;
        }
        self.outbox.notice()
    }

    /// Returns false if there is certainly no notice.
    pub fn may_have_notices(&self) -> bool {
        self.has_notices || self.outbox.has_notices()
    }

    /// Returns true if messages were given up and the app has not been told.
    pub fn has_given_up(&self) -> bool {
        self.outbox.outcomes.given_up() > 0
    }

    /// Returns the messages given up since the last call, to be reported to the app.
    pub fn take_given_up(&mut self) -> GivenUp {
        let given_up = self.outbox.outcomes.take_given_up();
        self.counters.given_up = self.counters.given_up.wrapping_add(given_up.count as u32);
        given_up
    }

    /// Returns the number of all messages given up, wrapping around.
    pub fn total_given_up(&self) -> u32 {
        self.counters.given_up.wrapping_add(self.outbox.outcomes.given_up() as u32)
    }
}
