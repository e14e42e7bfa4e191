//! What a session is told and what it answers: plain values, that the layer above and the tests take apart.
//!
//! Nothing is done here; who makes them and who acts on them is said where they are used.

use super::inbound_qos2::Full;
use super::keep_alive::Millis;
use crate::heap::OutOfMemory;
use crate::wire::{AckKind, PacketId, ProtocolError, QoS, TopicError};
use core::fmt;

/// What a received packet asks for. First `answer` is to be sent, with the packet's identifier; if that fails for lack of memory,
/// [`Session::answer_failed`](super::Session::answer_failed) undoes what was done and the packet is to be handed in again later. Then whoever `tell` says is to be told.
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
    /// CONNACK 0: the connection is up. Call [`Session::connack_delivered`](super::Session::connack_delivered) when the app has been told.
    Accepted,
    /// CONNACK with another code: the connection is to be closed.
    Refused,
    /// A message for those that [`Session::next_recipient`](super::Session::next_recipient) names.
    Subscribers,
    /// The answer to the subscription that [`Session::settled_subscription`](super::Session::settled_subscription) names.
    Subscriber,
    /// All else is for the handlers of the connection: a message that nobody has subscribed to through us, SUBACK to a SUBSCRIBE that the
    /// app has sent by itself, PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK.
    Handlers,
    /// As [`Notify::Handlers`]; it is a PUBACK for a message at QoS 2, which the broker has taken at QoS 1.
    Downgraded,
}

/// Why a packet can't be dealt with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiveError {
    /// The broker broke the protocol: close the connection \[MQTT-4.8.0-1\].
    Violation(ProtocolError),
    /// No memory: hand the packet in again later.
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
    fn from(wrong: ProtocolError) -> Self {
        ReceiveError::Violation(wrong)
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

/// What the configuration allows a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Highest QoS to be used.
    pub max_qos: QoS,
    /// Most messages kept for sending; 0 keeps none.
    pub max_queue: u16,
    /// The link takes the message; else it waits in the queue, or is refused where nothing keeps it.
    pub room: bool,
}

/// What the layer above is to log, and to tell the app of. See [`Session::notice`](super::Session::notice).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice<'a> {
    /// The broker does not answer this message, or PUBREL; it is sent again. Once until all is answered.
    Overdue(PacketId),
    /// The broker does not answer a SUBSCRIBE or UNSUBSCRIBE; it is sent again.
    SubscribeOverdue,
    /// Nor a second time: the next connection tries again.
    SubscribeUnanswered {
        /// What was asked for.
        filter: &'a [u8],
    },
    /// The broker hangs up on this message: it is tried again rarely, and others go on.
    SetAside {
        /// Its identifier.
        id: PacketId,
        /// Its topic.
        topic: &'a [u8],
        /// Bytes of topic and payload.
        size: usize,
    },
    /// The broker hangs up on this subscription.
    SubscriptionSetAside {
        /// What was asked for.
        filter: &'a [u8],
    },
    /// A message has left the queue, and won't be sent any more.
    Dropped {
        /// Its identifier.
        id: PacketId,
        /// Its topic.
        topic: &'a [u8],
    },
    /// A message that was aside is given up: the broker has hung up on it too often.
    GivenUpAside {
        /// Its identifier.
        id: PacketId,
        /// Its topic.
        topic: &'a [u8],
    },
    /// The broker says that it has kept a session, though a new one was asked for. Once.
    SessionPresent,
}

/// Messages that were given up: neither acknowledged nor kept any more.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct GivenUp {
    /// How many.
    pub count: u16,
    /// Identifier of the first.
    pub first: u16,
    /// Identifier of the last.
    pub last: u16,
}

impl GivenUp {
    pub(super) const NONE: Self = GivenUp { count: 0, first: 0, last: 0 };

    /// One more.
    pub fn add(&mut self, id: u16) {
        if self.count == 0 {
            self.first = id;
        }
        self.last = id;
        self.count = self.count.saturating_add(1);
    }
}

/// A message taken for sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Its Packet Identifier, used on the wire from QoS 1 up.
    pub id: PacketId,
    /// Flags of the fixed header.
    pub flags: u8,
    /// It is not kept: write it now, from where it lies.
    pub direct: bool,
    /// Another message was given up to make room.
    pub overflow: bool,
}

/// Why a message or a subscription is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestError {
    /// Its topic or filter breaks a rule.
    Topic(TopicError),
    /// Its payload is NULL; said by the layer above.
    NullMessage,
    /// It is more than a packet can carry.
    TooLarge,
    /// It could be neither sent nor kept.
    Offline,
    /// The link does not take it: too much waits for it, or nothing moves.
    Congested,
    /// No memory.
    OutOfMemory,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestError::Topic(e) => return e.fmt(f),
            RequestError::NullMessage => "payload is NULL",
            RequestError::TooLarge => "message is larger than MQTT allows",
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

/// What has happened since the session was made. The counters wrap around.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counters {
    /// CONNACK 0s.
    pub connects: u32,
    /// Messages of ours that were given up.
    pub given_up: u32,
    /// Packets of the broker's that were over the limit.
    pub oversized: u32,
    /// How long the answer to the last ping took.
    pub ping: Millis,
    /// When the last CONNACK 0 came.
    pub connected_at: Millis,
    /// Most messages that were kept at a time.
    pub max_queued: u16,
}

impl Counters {
    pub(super) const NEW: Self = Counters { connects: 0, given_up: 0, oversized: 0, ping: 0, connected_at: 0, max_queued: 0 };
}
