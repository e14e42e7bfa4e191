//! One entry of the outbox: where it stands, as a set of bits, so that one function finds any kind of entry; what an acknowledgement does
//! to it, a table of its own; and what is counted of all of them.

use super::keep_alive::Millis;
use crate::heap::{Found, List};
use crate::wire::{QoS, kind};

/// Where an entry stands: one of the states, and marks.
pub type Bits = u16;

/// State: a message that was never sent in the session that the broker knows.
pub const FRESH: Bits = 1;
/// State: a message that was sent and awaits PUBACK or PUBREC \[MQTT-4.3.2-1\], \[MQTT-4.3.3-1\].
pub const SENT: Bits = 1 << 1;
/// State: PUBREC came, PUBREL awaits PUBCOMP \[MQTT-4.3.3-1\]. The message is kept, as the broker may lose the session.
pub const HELD: Bits = 1 << 2;
/// State: the same, without the message.
pub const RELEASED: Bits = 1 << 3;
/// State: as `SENT`, but the message itself is gone, or never was kept.
pub const BARE: Bits = 1 << 4;
/// State: a SUBSCRIBE that awaits SUBACK while its subscription is gone already.
pub const SUBSCRIBE: Bits = 1 << 5;
/// State: the same for an UNSUBSCRIBE whose filter is subscribed again.
pub const UNSUBSCRIBE: Bits = 1 << 15;
/// State: what was sent twice on this connection and answered once. The second answer is of no interest to anyone.
pub const ECHO: Bits = 1 << 6;
/// State: a message that was given up, and that the app has not been told of yet.
pub const DROPPED: Bits = 1 << 7;

/// Mark: written on this connection, and its answer is neither here nor overdue.
pub const ON_WIRE: Bits = 1 << 8;
/// Mark: the broker hangs up on it. It goes out only now and then.
pub const ASIDE: Bits = 1 << 9;
/// Mark: its answer is overdue. It is to be sent again on this connection.
pub const OVERDUE: Bits = 1 << 10;
/// Mark: it was sent more than once on this connection.
pub const REPEATED: Bits = 1 << 11;
/// Mark: the app has been told that it was given up, or set aside.
pub const TOLD: Bits = 1 << 12;
/// Mark: of a PUBREL, that it was not answered on an earlier connection; of a message, that the broker had taken it over in a session that is
/// lost.
pub const CARRIED: Bits = 1 << 13;

/// Mark: it was sent again, and its answer is overdue again. It no longer holds up others.
pub const STUBBORN: Bits = 1 << 14;

/// Entries with content that count for `max_queue_length`.
pub const KEPT: Bits = FRESH | SENT | HELD;
/// Entries without content.
pub const EMPTY: Bits = RELEASED | BARE | SUBSCRIBE | UNSUBSCRIBE | ECHO;
/// Entries that await an answer which may be asked for again.
pub const AWAITS: Bits = SENT | HELD | RELEASED | BARE;
/// Entries whose next packet is PUBREL.
pub const RELEASES: Bits = HELD | RELEASED;
/// What a connection leaves behind.
pub const OF_CONNECTION: Bits = ON_WIRE | OVERDUE | REPEATED | STUBBORN;

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
    Echo,
    /// The broker broke the protocol: this acknowledgement belongs to another QoS.
    ProtocolError,
    /// Nothing changes: it belongs to something sent on an earlier connection.
    Ignore,
}

/// The table of 4.3.2 and 4.3.3, sender's side. `state`: one of the states; `ack`: the packet type.
pub fn on_ack(qos: QoS, state: Bits, ack: u8) -> Step {
    match (state, ack) {
        (SENT | BARE, kind::PUBACK) if qos == QoS::ExactlyOnce => Step::Downgraded,
        (SENT | BARE, kind::PUBACK) => Step::Done,
        (SENT | BARE, kind::PUBREC) if qos == QoS::ExactlyOnce => Step::Release,
        (HELD | RELEASED, kind::PUBREC) => Step::ReleaseAgain,
        (HELD | RELEASED, kind::PUBCOMP) => Step::Done,
        (UNSUBSCRIBE, kind::UNSUBACK) => Step::Done,
        (ECHO, _) => Step::Echo,
        (FRESH | DROPPED, _) => Step::Ignore,
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

    pub fn is_message_like(&self, kind: Kind, bytes: &[u8]) -> bool {
        self.is(FRESH | SENT) && kind.covers(Kind::of(self, bytes))
    }
}

/// Entries to look for: with one of the bits `any`, all of `all`, and none of `none`.
#[derive(Clone, Copy)]
pub struct Pick {
    pub any: Bits,
    pub all: Bits,
    pub none: Bits,
}

impl Pick {
    pub const fn new(any: Bits, all: Bits, none: Bits) -> Self {
        Pick { any, all, none }
    }

    pub fn fits(self, bits: Bits) -> bool {
        bits & self.any != 0 && bits & (self.all | self.none) == self.all
    }
}

/// The first entry that `pick` fits.
#[inline(never)]
pub fn first(list: &mut List<Entry>, pick: Pick) -> Option<Found<'_, Entry>> {
    list.find(|e| pick.fits(e.value.bits))
}

/// What there is to be sent for.
pub const WAITING: Pick = Pick::new(KEPT | RELEASED, 0, ON_WIRE | ASIDE);
/// Of that, PUBREL.
pub const WAITING_RELEASE: Pick = Pick::new(RELEASES, 0, ON_WIRE);
/// A message that is aside.
pub const IS_ASIDE: Pick = Pick::new(FRESH | SENT, ASIDE, 0);

/// Messages like one that the broker hangs up on, and not smaller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Of topic, QoS and RETAIN; 0 for none.
    pub hash: u32,
    /// Bytes of topic and payload.
    pub size: u32,
}

impl Kind {
    pub const NONE: Kind = Kind { hash: 0, size: 0 };

    #[inline(never)]
    pub fn of(e: &Entry, bytes: &[u8]) -> Kind {
        // FNV-1a, 32 bits. The flags come last: in front they would be as good as another first character.
        let mut hash = 0x811c_9dc5u32;
        for &b in bytes.iter().take(e.topic_len as usize) {
            hash = (hash ^ b as u32).wrapping_mul(0x0100_0193);
        }
        Kind { hash: (hash ^ e.flags as u32).max(1), size: bytes.len() as u32 }
    }

    /// True if what the broker thinks of `self` holds for `other`.
    pub fn covers(self, other: Kind) -> bool {
        self.hash == other.hash && self.size <= other.size
    }
}

/// How many entries there are, by what they are.
#[derive(Clone, Copy)]
pub struct Tally {
    /// With content: what `max_queue_length` bounds.
    pub kept: u16,
    /// Without.
    pub empty: u16,
    /// Messages with content that were sent on this connection and are neither acknowledged nor overdue, nor were overdue twice.
    pub in_flight: u16,
    /// Messages that the broker has taken over, and that are kept until PUBCOMP.
    pub held: u16,
    /// PUBRELs that are to be sent again.
    pub releases: u16,
    /// Messages that are aside.
    pub aside: u16,
}

impl Tally {
    pub const NONE: Self = Tally { kept: 0, empty: 0, in_flight: 0, held: 0, releases: 0, aside: 0 };

    /// Counts an entry, or, with `by` -1, no more.
    #[inline(never)]
    pub fn count(&mut self, bits: Bits, by: i16) {
        let add = |n: &mut u16, pick: Pick| {
            if pick.fits(bits) {
                *n = n.wrapping_add_signed(by);
            }
        };
        add(&mut self.kept, Pick::new(KEPT, 0, 0));
        add(&mut self.empty, Pick::new(EMPTY, 0, 0));
        add(&mut self.in_flight, Pick::new(SENT, ON_WIRE, STUBBORN));
        add(&mut self.held, Pick::new(HELD, 0, 0));
        add(&mut self.releases, WAITING_RELEASE);
        add(&mut self.aside, IS_ASIDE);
    }
}
