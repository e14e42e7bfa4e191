//! One entry of the outbox: where it stands, as a set of bits, so that one function finds any kind of entry; what an acknowledgement does
//! to it, a table of its own; and what is counted of all of them.

use super::keep_alive::Millis;
use crate::heap::{Found, List};
use crate::wire::{QoS, kind};

/// Where an entry stands: one of the states, and marks.
pub type Bits = u16;

/// State: a message that was never sent in the session that the broker knows.
pub const QUEUED: Bits = 1;
/// State: a message that was sent and awaits PUBACK or PUBREC \[MQTT-4.3.2-1\], \[MQTT-4.3.3-1\].
pub const SENT: Bits = 1 << 1;
/// State: PUBREC came, PUBREL awaits PUBCOMP \[MQTT-4.3.3-1\]. The message is kept, as the broker may lose the session.
pub const PUBREC_SEEN: Bits = 1 << 2;
/// State: the same, without the message.
pub const PUBREC_SEEN_ID_ONLY: Bits = 1 << 3;
/// State: as `SENT`, but the message itself is gone, or never was kept.
pub const SENT_ID_ONLY: Bits = 1 << 4;
/// State: a SUBSCRIBE that awaits SUBACK while its subscription is gone already.
pub const SUBSCRIBE: Bits = 1 << 5;
/// State: the same for an UNSUBSCRIBE whose filter is subscribed again.
pub const UNSUBSCRIBE: Bits = 1 << 15;
/// State: what was sent twice on this connection and answered once. The second answer is of no interest to anyone.
pub const DUPLICATE_ACK: Bits = 1 << 6;
/// State: a message that was given up, and that the app has not been told of yet.
pub const DROPPED: Bits = 1 << 7;

/// Mark: written on this connection, and its answer is neither here nor overdue.
pub const ON_WIRE: Bits = 1 << 8;
/// Mark: the broker hangs up on it. It goes out only now and then.
pub const SET_ASIDE: Bits = 1 << 9;
/// Mark: its answer is overdue. It is to be sent again on this connection.
pub const OVERDUE: Bits = 1 << 10;
/// Mark: it was sent more than once on this connection.
pub const RESENT: Bits = 1 << 11;
/// Mark: the app has been told that it was given up, or set aside.
pub const REPORTED: Bits = 1 << 12;
/// Mark: of a PUBREL, that it was not answered on an earlier connection; of a message, that the broker had taken it over in a session that is
/// lost.
pub const CARRIED_OVER: Bits = 1 << 13;

/// Mark: it was sent again, and its answer is overdue again. It no longer holds up others.
pub const OVERDUE_TWICE: Bits = 1 << 14;

/// Entries with content that count for `max_queue_length`.
pub const WITH_CONTENT: Bits = QUEUED | SENT | PUBREC_SEEN;
/// Entries without content.
pub const ID_ONLY: Bits = PUBREC_SEEN_ID_ONLY | SENT_ID_ONLY | SUBSCRIBE | UNSUBSCRIBE | DUPLICATE_ACK;
/// Entries that await an answer which may be asked for again.
pub const AWAITING_ACK: Bits = SENT | PUBREC_SEEN | PUBREC_SEEN_ID_ONLY | SENT_ID_ONLY;
/// Entries whose next packet is PUBREL.
pub const SENDS_PUBREL: Bits = PUBREC_SEEN | PUBREC_SEEN_ID_ONLY;
/// What a connection leaves behind.
pub const CONNECTION_MARKS: Bits = ON_WIRE | OVERDUE | RESENT | OVERDUE_TWICE;

/// What an acknowledgement means for the entry with its identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The exchange is over, the identifier free.
    Done,
    /// The same, at QoS 1 though the message went out at QoS 2: so answers a broker that has QoS 1 only, RabbitMQ 3 for one.
    /// Taking it for a breach would mean connecting and sending the message without end.
    Downgraded,
    /// The message has arrived: continue with PUBREL.
    Release,
    /// The same, and PUBREL was sent before.
    ReleaseAgain,
    /// The second answer to what was sent twice.
    DuplicateAck,
    /// The broker broke the protocol: this acknowledgement belongs to another QoS.
    ProtocolError,
    /// Nothing changes: it belongs to something sent on an earlier connection.
    Ignore,
}

/// The table of 4.3.2 and 4.3.3, sender's side. `state`: one of the states; `ack`: the packet type.
pub fn on_ack(qos: QoS, state: Bits, ack: u8) -> Step {
    match (state, ack) {
        (SENT | SENT_ID_ONLY, kind::PUBACK) if qos == QoS::ExactlyOnce => Step::Downgraded,
        (SENT | SENT_ID_ONLY, kind::PUBACK) => Step::Done,
        (SENT | SENT_ID_ONLY, kind::PUBREC) if qos == QoS::ExactlyOnce => Step::Release,
        (PUBREC_SEEN | PUBREC_SEEN_ID_ONLY, kind::PUBREC) => Step::ReleaseAgain,
        (PUBREC_SEEN | PUBREC_SEEN_ID_ONLY, kind::PUBCOMP) => Step::Done,
        (UNSUBSCRIBE, kind::UNSUBACK) => Step::Done,
        (DUPLICATE_ACK, _) => Step::DuplicateAck,
        (QUEUED | DROPPED, _) => Step::Ignore,
        _ => Step::ProtocolError,
    }
}

/// One block: the entry, and behind it topic and payload, where it has content.
#[derive(Clone, Copy)]
pub struct Entry {
    /// When it was last sent.
    pub sent_at: Millis,
    pub id: u16,
    pub topic_len: u16,
    pub bits: Bits,
    /// QoS and RETAIN as in the fixed header.
    pub flags: u8,
    /// Of a message that is aside: how often a connection has ended on it. Of a PUBREL: how many were not answered.
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

/// Entries to look for: with one of the bits `any`, all of `all`, and none of `none`.
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

/// The first entry that `selector` matches.
#[inline(never)]
pub fn find_first(list: &mut List<Entry>, selector: Selector) -> Option<Found<'_, Entry>> {
    list.find(|e| selector.matches(e.value.bits))
}

/// What there is to be sent for.
pub const TO_SEND: Selector = Selector::new(WITH_CONTENT | PUBREC_SEEN_ID_ONLY, 0, ON_WIRE | SET_ASIDE);
/// Of that, PUBREL.
pub const TO_SEND_PUBREL: Selector = Selector::new(SENDS_PUBREL, 0, ON_WIRE);
/// A message that is aside.
pub const IS_SET_ASIDE: Selector = Selector::new(QUEUED | SENT, SET_ASIDE, 0);

/// Messages like one that the broker hangs up on, and not smaller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Of topic, QoS and RETAIN; 0 for none.
    pub hash: u32,
    /// Bytes of topic and payload.
    pub size: u32,
}

impl Signature {
    pub const NONE: Signature = Signature { hash: 0, size: 0 };

    #[inline(never)]
    pub fn of(e: &Entry, bytes: &[u8]) -> Signature {
        // FNV-1a, 32 bits.
        let mut hash = 0x811c_9dc5 ^ e.flags as u32;
        for &b in bytes.iter().take(e.topic_len as usize) {
            hash = (hash ^ b as u32).wrapping_mul(0x0100_0193);
        }
        Signature { hash: hash.max(1), size: bytes.len() as u32 }
    }

    /// True if what the broker thinks of `self` holds for `other`.
    pub fn covers(self, other: Signature) -> bool {
        self.hash == other.hash && self.size <= other.size
    }
}

/// How many entries there are, by what they are.
#[derive(Clone, Copy)]
pub struct Counts {
    /// With content: what `max_queue_length` bounds.
    pub queued: u16,
    /// Without.
    pub id_only: u16,
    /// Messages with content that were sent on this connection and are neither acknowledged nor overdue, nor were overdue twice.
    pub in_flight: u16,
    /// Messages that the broker has taken over, and that are kept until PUBCOMP.
    pub pubrec_seen: u16,
    /// PUBRELs that are to be sent again.
    pub pubrels: u16,
    /// Messages that are aside.
    pub set_aside: u16,
}

impl Counts {
    pub const NONE: Self = Counts { queued: 0, id_only: 0, in_flight: 0, pubrec_seen: 0, pubrels: 0, set_aside: 0 };

    /// Counts an entry, or, with `by` -1, no more.
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
