//! One MQTT session: identifiers, QoS flows both ways, subscriptions, keep-alive. Sans-IO.
//!
//! Packets and the time go in. Out come, for a packet received, a [`Reaction`]: what to answer and whom to tell; and what there is
//! to send, by `next` and `sent`. The layer above writes and calls; nothing here knows of sockets, clocks or C. All
//! of it outlives a connection: that is what a session is.
#![forbid(unsafe_code)]

mod ack_timer;
mod entry;
mod framer;
mod inbound_qos2;
mod incoming;
mod keep_alive;
mod lifecycle;
mod outbox;
mod outgoing;
mod packet_ids;
mod send_buffer;
mod subscriptions;
mod suspects;
mod types;
mod window;

#[cfg(test)]
mod tests;

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
use window::Window;

pub use framer::Framed;
pub use keep_alive::{Due, Millis, NEVER, earlier, reached};
pub use subscriptions::Recipient;
pub use types::{Counters, GivenUp, Limits, Notice, Notify, Published, Reaction, ReceiveError, RequestError};

/// How far the connection has got, as far as MQTT can see; the further down, the more may be sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum LinkState {
    /// Nothing may be sent but CONNECT \[MQTT-3.1.0-1\].
    Down,
    /// DISCONNECT was sent, or the connection is being given up: nothing may be sent any more \[MQTT-3.14.4-2\].
    Closing,
    /// CONNECT was sent; CONNACK is awaited.
    ConnectSent,
    /// CONNACK came, the app is being told: subscriptions go out, the queue waits.
    ConnackReceived,
    /// All may go.
    Up,
}

/// What `next` has found to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    Subscribe,
    Message,
    SetAside,
    Ping,
}

/// The session of one connection object. `H` is what the layer above needs to call a subscription's handler.
/// The fields lie in this order, the small ones first, where the shortest instructions reach them.
#[repr(C)]
pub struct Session<H: Copy> {
    link: LinkState,
    pending: Pending,
    /// A message was published with nothing before it in the queue: it goes out whether or not the link has room.
    bypass_room: bool,
    /// The CONNECT of this connection asks for a new session.
    clean: bool,
    /// The broker connected to next is not the one that this session was begun with: what it has kept is of another time.
    other_broker: bool,
    /// Something of ours was acknowledged, or a ping answered, on this connection.
    broker_responded: bool,
    /// Messages of ours were acknowledged on this connection.
    acked: bool,
    /// It has been told that answers are overdue; no more until all is answered.
    overdue_reported: bool,
    /// The same, to be told.
    overdue_notice: Option<PacketId>,
    subscribe_overdue_notice: bool,
    /// The broker has reported a session that was not asked for: to be told, and told.
    session_present_notice: NoticeState,
    /// What is aside may be tried on this connection.
    retry_aside: bool,
    /// A ping has gone out so that what is sent next is alone.
    pinged_first: bool,
    /// Connections in a row that have ended with something in flight and nothing acknowledged.
    unacked_connections: u8,
    /// What has been received ends inside a packet: a broker that hangs up does so between two.
    mid_packet: bool,
    /// How often a subscription that is aside was tried.
    aside_tries: u8,
    /// How far below 2 the highest QoS is that a SUBSCRIBE may ask for.
    qos_reduction: u8,
    /// A published or subscribed topic had control characters: for the layer above to warn of.
    pub control_characters: bool,
    ids: PacketIds,
    /// A message at QoS 2 that was remembered and could not be answered: it is handed in again.
    retry_publish: Option<PacketId>,
    /// The same of a PUBREC.
    retry_pubrec: Option<PacketId>,
    window: Window,
    framer: Framer,
    outbox: Outbox,
    subscriptions: Subscriptions<H>,
    inbound: InboundQos2,
    keep_alive: KeepAlive,
    ack_timer: AckTimer,
    suspects: SuspectTracker,
    send_buffer: SendBuffer,
    /// Until then what else there is waits for SUBACK.
    suback_deadline: Millis,
    /// When what is aside is tried next.
    aside_retry_at: Millis,
    counters: Counters,
}

/// Whether something that is told once was.
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
    /// One in which nothing has happened yet. Here and in all that it holds the values to begin with are chosen such that they are zeros.
    pub const NEW: Self = Session {
        subscriptions: Subscriptions::NEW,
        outbox: Outbox::NEW,
        inbound: InboundQos2::NEW,
        framer: Framer::NEW,
        keep_alive: KeepAlive::NEW,
        ack_timer: AckTimer::NEW,
        suspects: SuspectTracker::NEW,
        window: Window::NEW,
        send_buffer: SendBuffer::NEW,
        ids: PacketIds::NEW,
        link: LinkState::Down,
        pending: Pending::Subscribe,
        bypass_room: false,
        clean: false,
        counters: Counters::NEW,
        other_broker: false,
        broker_responded: false,
        acked: false,
        overdue_reported: false,
        overdue_notice: None,
        subscribe_overdue_notice: false,
        session_present_notice: NoticeState::None,
        retry_aside: false,
        pinged_first: false,
        unacked_connections: 0,
        mid_packet: false,
        aside_tries: 0,
        qos_reduction: 0,
        retry_publish: None,
        retry_pubrec: None,
        suback_deadline: NEVER,
        aside_retry_at: 0,
        control_characters: false,
    };

    /// True from CONNACK 0 on, until DISCONNECT is sent or the connection is gone.
    pub fn is_up(&self) -> bool {
        self.link >= LinkState::ConnackReceived
    }

    /// True if CONNECT has gone out and nothing forbids to send.
    pub fn may_send(&self) -> bool {
        self.link >= LinkState::ConnectSent
    }

    /// True once CONNECT has gone out on this connection.
    pub fn is_connect_sent(&self) -> bool {
        self.link != LinkState::Down
    }

    /// How many messages of ours are kept, to be sent or to be acknowledged.
    pub fn queued(&self) -> u16 {
        self.outbox.queued()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// True if no message is queued or in flight, in either direction.
    pub fn is_idle(&self) -> bool {
        self.outbox.is_idle() && self.inbound.is_empty()
    }

    /// How many messages are aside, as the broker hangs up on them.
    pub fn num_set_aside(&self) -> u16 {
        self.outbox.num_set_aside()
    }

    /// A Packet Identifier that is not in use. It counts as used only once something is sent with it.
    pub fn packet_id(&mut self) -> PacketId {
        let (outbox, subscriptions) = (&self.outbox, &self.subscriptions);
        self.ids.next(|next| subscriptions.distance(next, outbox.distance(next, u16::MAX)))
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.subscriptions.clear();
        self.outbox.clear();
        self.inbound.clear();
        self.link = LinkState::Down;
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
    ) -> Result<Published, RequestError> {
        // Every message takes an identifier, whatever becomes of it, as upstream's do.
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
            return Ok(Published { id, flags, direct: true, overflow: false });
        }
        if topic.len() + payload.len() > crate::wire::MAX_REMAINING as usize - 4 {
            return Err(RequestError::TooLarge);
        }
        // Added before anything is given up for it, so that without memory nothing is lost.
        let overflow = self.outbox.is_full(limits.max_queue);
        // With nothing before it, what is to be sent next is the message that follows.
        let behind_others = self.outbox.find_next();
        self.outbox.push(id, flags, topic, payload)?;
        let live = self.is_up() && limits.room;
        // A burst on a live connection goes out whole, even if there is no room to wait in.
        let held_back = live && overflow && self.window.is_widest() && self.outbox.in_flight() >= self.window.size();
        self.bypass_room = live && !behind_others || held_back;
        let before = self.outbox.given_up();
        while self.outbox.is_over_limit() && self.outbox.make_room(id, held_back) {}
        self.count_given_up(before);
        self.counters.max_queued = self.counters.max_queued.max(self.outbox.queued());
        Ok(Published { id, flags, direct: false, overflow })
    }

    /// Takes back a message that was to be written at once and could not be.
    pub fn publish_failed(&mut self, id: PacketId) {
        self.outbox.forget(id);
    }

    /// Subscribes to a filter, now or when the connection is up.
    pub fn subscribe(&mut self, filter: &[u8], qos: QoS, recipient: Recipient<H>, now: Millis) -> Result<(), RequestError> {
        self.control_characters |= check_filter(filter).map_err(RequestError::Topic)?;
        if let Some(id) = self.subscriptions.add(filter, qos, recipient)? {
            // Without memory for it the identifier is free a little earlier.
            let _ = self.outbox.push_id_only(id, 0, entry::UNSUBSCRIBE, now);
        }
        Ok(())
    }

    /// How many subscriptions have exactly this filter.
    pub fn subscription_count(&self, filter: &[u8]) -> usize {
        self.subscriptions.count(filter)
    }

    /// Removes the newest subscription with exactly this filter. With the last of them UNSUBSCRIBE goes out, now or on the next connection
    /// to the session. `None` if there is none; else whether an older UNSUBSCRIBE was forgotten, as too many are owed.
    pub fn unsubscribe(&mut self, filter: &[u8], now: Millis) -> Option<bool> {
        let done = self.subscriptions.remove(filter)?;
        if let Some(id) = done.awaited {
            // Its identifier is free when SUBACK comes [MQTT-2.3.1-3]; without memory for it, a little earlier.
            let _ = self.outbox.push_id_only(id, 0, entry::SUBSCRIBE, now);
        }
        Some(done.forgotten)
    }

    /// Payload bytes that are kept for sending or sending again.
    pub fn payload_bytes(&self) -> usize {
        self.outbox.payload_bytes()
    }

    /// Limits the QoS that every SUBSCRIBE asks for from now on, whatever was asked for when it was subscribed.
    pub fn limit_qos(&mut self, max: QoS) {
        self.qos_reduction = 2 - max as u8;
    }

    // What the app is to be told.

    fn count_given_up(&mut self, before: u16) {
        let more = self.outbox.given_up().wrapping_sub(before);
        self.counters.given_up = self.counters.given_up.wrapping_add(more as u32);
    }

    /// What is to be logged; `None` for nothing more. To be asked until then whenever something was published or received, or time has
    /// passed.
    pub fn notice(&mut self) -> Option<Notice<'_>> {
        if self.session_present_notice == NoticeState::Due {
            self.session_present_notice = NoticeState::Done;
            return Some(Notice::SessionPresent);
        }
        if let Some(id) = self.overdue_notice.take() {
            return Some(Notice::Overdue(id));
        }
        if core::mem::take(&mut self.subscribe_overdue_notice) {
            return Some(Notice::SubscribeOverdue);
        }
        if let Some((filter, aside)) = self.subscriptions.notice() {
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
