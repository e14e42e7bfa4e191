//! The plain values that go into and out of a session: limits, reactions, notices, counters.

use super::inbound_qos2::Full;
use super::keep_alive::Millis;
use crate::heap::OutOfMemory;
use crate::wire::{AckKind, MAX_REMAINING, PacketId, ProtocolError, QoS, TopicError};
use core::fmt;

/// What a received packet requires. First send `answer` with the packet's packet ID. If there is no
/// memory for that, call [`Session::answer_failed`](super::Session::answer_failed) and pass the
/// packet in again later. Otherwise notify `notify`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reaction {
    /// The acknowledgement to send.
    pub answer: Option<AckKind>,
    /// Whom to notify.
    pub notify: Notify,
}

/// Whom a received packet concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// Nobody.
    Nobody,
    /// CONNACK 0: the connection is up. Notify the app, then call
    /// [`Session::connack_delivered`](super::Session::connack_delivered).
    Accepted,
    /// CONNACK with another return code: close the connection.
    Refused,
    /// A message for the handlers that [`Session::next_recipient`](super::Session::next_recipient)
    /// returns.
    Subscribers,
    /// SUBACK for the subscription that
    /// [`Session::settled_subscription`](super::Session::settled_subscription) returns.
    Subscriber,
    /// The handlers of the connection: for a message without a subscription, a SUBACK to a
    /// SUBSCRIBE that the app sent directly, PUBACK, PUBREC, PUBREL, PUBCOMP and UNSUBACK.
    Handlers,
    /// As [`Notify::Handlers`]: a PUBACK for a QoS 2 message, which the broker downgraded to QoS 1.
    Downgraded,
}

/// Why a received packet was not processed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiveError {
    /// The broker violated the protocol: close the connection \[MQTT-4.8.0-1\].
    Violation(ProtocolError),
    /// Out of memory: pass the packet in again later.
    OutOfMemory,
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiveError::Violation(e) => write!(f, "protocol violation: {e}"),
            ReceiveError::OutOfMemory => f.write_str("out of memory"),
        }
    }
}

impl core::error::Error for ReceiveError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            ReceiveError::Violation(e) => Some(e),
            ReceiveError::OutOfMemory => None,
        }
    }
}

impl From<ProtocolError> for ReceiveError {
    fn from(e: ProtocolError) -> Self {
        ReceiveError::Violation(e)
    }
}

impl From<Full> for ReceiveError {
    fn from(full: Full) -> Self {
        match full {
            Full::TooMany => ReceiveError::Violation(ProtocolError::TooMany),
            Full::OutOfMemory => ReceiveError::OutOfMemory,
        }
    }
}

/// Limits on publishing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Maximum QoS; a higher one is downgraded.
    pub max_qos: QoS,
    /// Maximum number of queued messages; 0 disables the queue.
    pub max_queue: u16,
    /// Maximum number of bytes of topics and payloads in the queue; 0 for no such limit.
    pub max_bytes: u32,
    /// Whether the link accepts the message now; otherwise it is queued, or refused if it cannot
    /// be.
    pub room: bool,
}

impl Limits {
    /// Checks whether a queued message may have a topic and payload of this many bytes.
    pub(super) fn check(&self, size: usize) -> Result<(), RequestError> {
        match () {
            _ if size > MAX_REMAINING as usize - 4 => Err(RequestError::TooLarge),
            _ if self.max_bytes != 0 && size > self.max_bytes as usize => Err(RequestError::OverQueueBytes),
            _ => Ok(()),
        }
    }
}

/// What the layer above logs and reports to the app, see
/// [`Session::notice`](super::Session::notice).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice<'a> {
    /// The broker does not answer this message or its PUBREL, which is retransmitted. Reported once
    /// until everything is answered.
    Overdue(PacketId),
    /// The broker does not answer a SUBSCRIBE or UNSUBSCRIBE, which is retransmitted.
    SubscribeOverdue,
    /// The retransmitted SUBSCRIBE was not answered either; the next connection tries again.
    SubscribeUnanswered {
        /// The topic filter.
        filter: &'a [u8],
    },
    /// The broker closes the connection on this message; it is set aside and rarely retried, so
    /// that others get through.
    SetAside {
        /// Its packet ID.
        id: PacketId,
        /// Its topic.
        topic: &'a [u8],
        /// Size of topic and payload in bytes.
        size: usize,
    },
    /// The broker closes the connection on this subscription, which is set aside.
    SubscriptionSetAside {
        /// The topic filter.
        filter: &'a [u8],
    },
    /// A message was dropped from the queue and will not be sent again.
    Dropped {
        /// Its packet ID.
        id: PacketId,
        /// Its topic.
        topic: &'a [u8],
    },
    /// A set-aside message was given up: the broker closed the connection on it too often.
    GivenUpAside {
        /// Its packet ID.
        id: PacketId,
        /// Its topic.
        topic: &'a [u8],
    },
    /// The broker reports session present although a new session was asked for. Reported once.
    SessionPresent,
}

/// Messages given up: neither acknowledged nor stored any longer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct GivenUp {
    /// Number of messages.
    pub count: u16,
    /// Packet ID of the first.
    pub first: u16,
    /// Packet ID of the last.
    pub last: u16,
}

impl GivenUp {
    pub(super) const NONE: Self = GivenUp { count: 0, first: 0, last: 0 };

    /// Adds a message.
    pub fn add(&mut self, id: u16) {
        if self.count == 0 {
            self.first = id;
        }
        self.last = id;
        self.count = self.count.saturating_add(1);
    }
}

/// What became of a watched message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The broker acknowledged it.
    Acknowledged,
    /// The link has taken it (QoS 0).
    Sent,
    /// A newer message with the same topic replaced it before it was sent.
    Replaced,
    /// Its lifetime ended before it was sent.
    Expired,
    /// It was given up, see [`GivenUp`]; it may have arrived.
    GivenUp,
    /// The connection ended before the link had taken it (QoS 0).
    Lost,
    /// The session was cleared.
    Freed,
}

/// A message accepted for sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Its packet ID, used on the wire at QoS 1 and 2.
    pub id: PacketId,
    /// QoS and RETAIN flags for the fixed header.
    pub flags: u8,
    /// It is not queued: the caller must write it now.
    pub direct: bool,
    /// It is queued, and the next packet to send: the caller may write it now, and then calls
    /// [`Session::sent_other`](super::Session::sent_other). Otherwise
    /// [`Session::next`](super::Session::next) returns it.
    pub next: bool,
    /// Another message was dropped to make room.
    pub overflow: bool,
}

/// Why a publish or subscribe request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestError {
    /// The topic name or filter is invalid.
    Topic(TopicError),
    /// The payload is NULL; detected by the layer above.
    NullMessage,
    /// The message exceeds the maximum packet size.
    TooLarge,
    /// The message alone exceeds the limit on the bytes of the queue.
    OverQueueBytes,
    /// There is no connection, and the message cannot be queued.
    Offline,
    /// The link accepts no more data: too much is waiting, or it is stalled.
    Congested,
    /// Out of memory.
    OutOfMemory,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestError::Topic(e) => return e.fmt(f),
            RequestError::NullMessage => "payload is NULL",
            RequestError::TooLarge => "message is larger than MQTT allows",
            RequestError::OverQueueBytes => "message is larger than the queue may be",
            RequestError::Offline => "not connected",
            RequestError::Congested => "the link is congested",
            RequestError::OutOfMemory => "out of memory",
        })
    }
}

impl core::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            RequestError::Topic(e) => Some(e),
            _ => None,
        }
    }
}

impl From<OutOfMemory> for RequestError {
    fn from(_: OutOfMemory) -> Self {
        RequestError::OutOfMemory
    }
}

/// Statistics since the session was created. The counters wrap.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counters {
    /// Connections accepted by the broker.
    pub connects: u32,
    /// Outgoing messages given up, as far as `Session::take_given_up` has returned them; see
    /// [`Session::total_given_up`](super::Session::total_given_up).
    pub given_up: u32,
    /// Received packets larger than the limit.
    pub oversized: u32,
    /// Round trip of the last ping in milliseconds.
    pub ping: Millis,
    /// When the last connection was accepted.
    pub connected_at: Millis,
}

impl Counters {
    pub(super) const NEW: Self = Counters { connects: 0, given_up: 0, oversized: 0, ping: 0, connected_at: 0 };
}
