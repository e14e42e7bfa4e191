//! An entry of the outbox. Its state is a set of bits, so that one function finds any combination;
//! the effect of an acknowledgement is a table. Also counts entries by state.

use super::keep_alive::Millis;
use crate::heap::{CursorList, Cursors, Found};
use crate::wire::{QoS, kind};

/// The state of an entry: exactly one of the states, plus marks.
pub type Bits = u16;

/// State: a message not yet sent in the broker's current session.
pub const QUEUED: Bits = 1;
/// State: a message sent and awaiting PUBACK or PUBREC \[MQTT-4.3.2-1\], \[MQTT-4.3.3-1\].
pub const SENT: Bits = 1 << 1;
/// State: PUBREC received; PUBREL awaits PUBCOMP \[MQTT-4.3.3-1\]. The message is kept, in case the
/// broker loses the session.
pub const PUBREC_SEEN: Bits = 1 << 2;
/// State: as `PUBREC_SEEN`, but the message is no longer stored.
pub const PUBREC_SEEN_ID_ONLY: Bits = 1 << 3;
/// State: as `SENT`, but the message is no longer stored, or never was.
pub const SENT_ID_ONLY: Bits = 1 << 4;
/// State: a SUBSCRIBE that awaits SUBACK although its subscription has been removed.
pub const SUBSCRIBE: Bits = 1 << 5;
/// State: an UNSUBSCRIBE that awaits UNSUBACK although its filter has been subscribed again.
pub const UNSUBSCRIBE: Bits = 1 << 15;
/// State: a packet sent twice on this connection and answered once. The second answer is ignored. Also
/// a message that is being written in pieces: the broker has nothing to answer yet.
pub const DUPLICATE_ACK: Bits = 1 << 6;
/// State: a message that was given up and not yet reported to the app.
pub const DROPPED: Bits = 1 << 7;

/// Mark: sent on this connection, neither answered nor overdue.
pub const ON_WIRE: Bits = 1 << 8;
/// Mark: set aside, as the broker closes the connection on it. Retried only now and then.
pub const SET_ASIDE: Bits = 1 << 9;
/// Mark: the answer is overdue; to be retransmitted on this connection.
pub const OVERDUE: Bits = 1 << 10;
/// Mark: sent more than once on this connection.
pub const RESENT: Bits = 1 << 11;
/// Mark: the app has been told that it was given up or set aside.
pub const REPORTED: Bits = 1 << 12;
/// Mark: a PUBREL that was not answered on an earlier connection.
pub const CARRIED_OVER: Bits = 1 << 13;

/// Mark: retransmitted, and overdue again. It no longer counts as in flight.
pub const OVERDUE_TWICE: Bits = 1 << 14;

/// Entries that store a message; they count towards `max_queue_length`.
pub const WITH_CONTENT: Bits = QUEUED | SENT | PUBREC_SEEN;
/// Entries that store nothing but a packet ID.
pub const ID_ONLY: Bits = PUBREC_SEEN_ID_ONLY | SENT_ID_ONLY | SUBSCRIBE | UNSUBSCRIBE | DUPLICATE_ACK;
/// Entries that await an answer and can be retransmitted.
pub const AWAITING_ACK: Bits = SENT | PUBREC_SEEN | PUBREC_SEEN_ID_ONLY | SENT_ID_ONLY;
/// Entries whose next packet is PUBREL.
pub const SENDS_PUBREL: Bits = PUBREC_SEEN | PUBREC_SEEN_ID_ONLY;
/// Marks that end with the connection.
pub const CONNECTION_MARKS: Bits = ON_WIRE | OVERDUE | RESENT | OVERDUE_TWICE;

/// What an acknowledgement does to the entry with its packet ID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The exchange is complete, and the packet ID is free.
    Done,
    /// As `Done`, but a PUBACK for a QoS 2 message: the answer of a broker that supports QoS 1
    /// only, such as RabbitMQ 3. Treating it as a violation would reconnect and resend forever.
    Downgraded,
    /// The message was received: continue with PUBREL.
    Release,
    /// As `Release`, but PUBREL was already sent.
    ReleaseAgain,
    /// The second answer to a packet that was sent twice.
    DuplicateAck,
    /// A protocol violation: the acknowledgement does not match the QoS.
    ProtocolError,
    /// No effect: it belongs to a packet sent on an earlier connection.
    Ignore,
}

/// The sender's state table (4.3.2, 4.3.3). `state` is one of the states, `ack` the packet type.
pub fn on_ack(qos: QoS, state: Bits, ack: u8) -> Step {
    let is = |states| state & states != 0;
    let is_exactly_once = qos == QoS::ExactlyOnce;
    match ack {
        _ if is(QUEUED | DROPPED) => Step::Ignore,
        _ if is(DUPLICATE_ACK) => Step::DuplicateAck,
        kind::PUBACK if is(SENT | SENT_ID_ONLY) && is_exactly_once => Step::Downgraded,
        kind::PUBACK if is(SENT | SENT_ID_ONLY) => Step::Done,
        kind::PUBREC if is(SENT | SENT_ID_ONLY) && is_exactly_once => Step::Release,
        kind::PUBREC if is(SENDS_PUBREL) => Step::ReleaseAgain,
        kind::PUBCOMP if is(SENDS_PUBREL) => Step::Done,
        kind::UNSUBACK if is(UNSUBSCRIBE) => Step::Done,
        _ => Step::ProtocolError,
    }
}

/// An entry; topic and payload follow it in its block if the message is stored.
#[derive(Clone, Copy)]
pub struct Entry {
    /// When it was last sent.
    pub sent_at: Millis,
    pub id: u16,
    pub topic_len: u16,
    pub bits: Bits,
    /// QoS and RETAIN bits, as in the fixed header.
    pub flags: u8,
    /// For a message set aside: how many connections ended on it. For a PUBREL: how many were not
    /// answered.
    pub tries: u8,
}

impl Entry {
    pub fn is(&self, bits: Bits) -> bool {
        self.bits & bits != 0
    }

    pub fn change(&mut self, clear: Bits, set: Bits) {
        self.bits = self.bits & !clear | set;
    }

    pub fn matches_signature(&self, signature: Signature, bytes: &[u8]) -> bool {
        self.is(QUEUED | SENT) && signature.covers(Signature::of(self, bytes))
    }
}

/// Selects entries with at least one of the bits `any`, all of `all` and none of `none`.
#[derive(Clone, Copy)]
pub struct Selector {
    pub any: Bits,
    pub all: Bits,
    pub none: Bits,
}

impl Selector {
    pub const fn new(any: Bits, all: Bits, none: Bits) -> Self {
        Selector { any, all, none }
    }

    pub fn matches(self, bits: Bits) -> bool {
        bits & self.any != 0 && bits & (self.all | self.none) == self.all
    }
}

/// Returns the first entry that `selector` matches.
#[inline(always)]
pub fn find_first(list: &mut CursorList<Entry>, selector: Selector) -> Option<Found<'_, Entry, Cursors>> {
    let Selector { any, all, none } = selector;
    find_bits(list, any, all, none)
}

/// The same with the parts of the selector, which are passed in registers.
#[inline(never)]
fn find_bits(list: &mut CursorList<Entry>, any: Bits, all: Bits, none: Bits) -> Option<Found<'_, Entry, Cursors>> {
    list.find(|e| Selector { any, all, none }.matches(e.value.bits))
}

/// Entries with a packet to send.
pub const TO_SEND: Selector = Selector::new(WITH_CONTENT | PUBREC_SEEN_ID_ONLY, 0, ON_WIRE | SET_ASIDE);
/// Entries with a PUBREL to send.
pub const TO_SEND_PUBREL: Selector = Selector::new(SENDS_PUBREL, 0, ON_WIRE);
/// Messages that are set aside.
pub const IS_SET_ASIDE: Selector = Selector::new(QUEUED | SENT, SET_ASIDE, 0);

/// Describes the messages that the broker rejects by closing the connection: those with the same
/// hash, and at least this size.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Hash of topic, QoS and RETAIN; 0 for none.
    pub hash: u32,
    /// Size of topic and payload in bytes.
    pub size: u32,
}

impl Signature {
    pub const NONE: Signature = Signature { hash: 0, size: 0 };

    #[inline(never)]
    pub fn of(e: &Entry, bytes: &[u8]) -> Signature {
        // FNV-1a, 32 bits. The flags come last: at the start, different flags would have the same
        // effect as a different first character.
        let mut hash = 0x811c_9dc5u32;
        for &b in bytes.iter().take(e.topic_len as usize) {
            hash = (hash ^ b as u32).wrapping_mul(0x0100_0193);
        }
        Signature { hash: (hash ^ e.flags as u32).max(1), size: bytes.len() as u32 }
    }

    /// Returns true if the broker, having rejected `self`, is expected to reject `other`.
    pub fn covers(self, other: Signature) -> bool {
        self.hash == other.hash && self.size <= other.size
    }
}

/// Numbers of entries by state.
#[derive(Clone, Copy)]
pub struct Counts {
    /// Entries that store a message; bounded by `max_queue_length`.
    pub queued: u16,
    /// Entries that store only a packet ID.
    pub id_only: u16,
    /// Stored messages sent on this connection and neither acknowledged nor overdue; those overdue
    /// twice do not count.
    pub in_flight: u16,
    /// Messages kept after PUBREC until PUBCOMP.
    pub pubrec_seen: u16,
    /// PUBRELs to be sent again.
    pub pubrels: u16,
    /// Messages that are set aside.
    pub set_aside: u16,
}

impl Counts {
    pub const NONE: Self = Counts { queued: 0, id_only: 0, in_flight: 0, pubrec_seen: 0, pubrels: 0, set_aside: 0 };

    /// Adds `by`, 1 or -1, to every count that an entry with these bits belongs to.
    #[inline(never)]
    pub fn count(&mut self, bits: Bits, by: i16) {
        let add = |n: &mut u16, selector: Selector| {
            if selector.matches(bits) {
                *n = n.wrapping_add_signed(by);
            }
        };
        add(&mut self.queued, Selector::new(WITH_CONTENT, 0, 0));
        add(&mut self.id_only, Selector::new(ID_ONLY, 0, 0));
        add(&mut self.in_flight, Selector::new(SENT, ON_WIRE, OVERDUE_TWICE));
        add(&mut self.pubrec_seen, Selector::new(PUBREC_SEEN, 0, 0));
        add(&mut self.pubrels, TO_SEND_PUBREL);
        add(&mut self.set_aside, IS_SET_ASIDE);
    }
}
