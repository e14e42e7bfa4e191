//! Which packet the broker hangs up on, if it is one: some brokers and clouds answer a message that is too large, a forbidden topic
//! or filter by closing the connection.
//!
//! A packet is blamed only where nothing else can be: it was written when all before it had been answered, nothing was written
//! after it, the peer closed the connection soon after its last byte had left, and the next attempt got as far as CONNACK;
//! three times in a row, and more often where connections end without any such packet, too.

use super::keep_alive::{Millis, NEVER, reached};
use crate::wire::PacketId;

/// So many ends in a row make a packet the one to blame.
const STRIKES: u8 = 3;

/// So many more at the most on a link that breaks by itself.
const MOST_UNEXPLAINED: u8 = 5;

/// An end that comes later after the last byte than this, milliseconds, has another cause.
const SOON: u32 = 10_000;

/// The packet written last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// One that is not answered, or that the app has written by itself.
    Unanswerable,
    /// PINGREQ.
    Ping,
    /// One with an identifier.
    Id(PacketId),
    /// None that is not answered: the broker has taken all that was written.
    Answered,
}

/// Before a packet goes out that may be the third in a row, or a later one, the connection has to last so long, milliseconds, and the broker to answer a
/// ping: it may hang up on anyone just now, or on whoever has this client identifier, and the link may be a bad one.
const HOLD: u32 = 3000;

/// What is known of the ends of this broker's connections.
pub struct Blame {
    last: Last,
    /// Written when all before it was answered, and nothing was written since.
    alone: Option<PacketId>,
    /// When the last packet was written,
    written_at: Millis,
    /// and when a byte last left.
    left_at: Millis,
    /// What was alone when the last connection ended; a strike if the next attempt gets as far as CONNACK.
    at_end: Option<PacketId>,
    suspect: Option<PacketId>,
    strikes: u8,
    /// Until then the suspect is held back, if it is.
    held_until: Millis,
    /// Twice how many ends no packet of ours explains: as many more strikes it takes.
    unexplained: u8,
}

impl Blame {
    /// Nobody.
    pub const NEW: Self = Blame {
        last: Last::Unanswerable,
        alone: None,
        written_at: 0,
        left_at: 0,
        at_end: None,
        suspect: None,
        strikes: 0,
        held_until: 0,
        unexplained: 0,
    };

    /// True if the broker has answered all that was written: whatever is written now is alone.
    pub fn is_clean(&self) -> bool {
        self.last == Last::Answered
    }

    /// Until when the suspect is held back, if it is.
    pub fn held_until(&self) -> Millis {
        self.held_until
    }

    /// True if the suspect is held back now.
    pub fn is_holding(&mut self, now: Millis) -> bool {
        if reached(now, self.held_until) {
            self.held_until = NEVER;
        }
        self.held_until != NEVER
    }

    fn wrote(&mut self, last: Last, alone: Option<PacketId>, now: Millis) {
        self.alone = if self.is_clean() { alone } else { None };
        self.last = last;
        (self.written_at, self.left_at) = (now, now);
    }

    /// A packet that may be blamed was written.
    pub fn wrote_suspect(&mut self, id: PacketId, now: Millis) {
        self.wrote(Last::Id(id), Some(id), now);
    }

    /// A packet that is answered, and that no broker hangs up on, was written.
    pub fn wrote_harmless(&mut self, id: PacketId, now: Millis) {
        self.wrote(Last::Id(id), None, now);
    }

    /// PINGREQ was written.
    pub fn wrote_ping(&mut self, now: Millis) {
        self.wrote(Last::Ping, None, now);
    }

    /// Another packet was written.
    pub fn wrote_other(&mut self, now: Millis) {
        self.wrote(Last::Unanswerable, None, now);
    }

    /// Bytes have left.
    pub fn left(&mut self, now: Millis) {
        self.left_at = now;
    }

    fn answered(&mut self, what: Last) {
        if self.last == what {
            self.last = Last::Answered;
        }
    }

    /// PINGRESP came in.
    pub fn ping_answered(&mut self) {
        self.answered(Last::Ping);
    }

    /// The answer to the packet with this identifier came in.
    pub fn id_answered(&mut self, id: PacketId) {
        self.answered(Last::Id(id));
        if self.alone == Some(id) {
            self.alone = None;
        }
        if self.suspect == Some(id) {
            self.acquit();
        }
    }

    /// Nobody is suspected.
    pub fn acquit(&mut self) {
        (self.suspect, self.strikes, self.at_end, self.held_until) = (None, 0, None, 0);
    }

    /// A connection has lasted: what was wrong with the link before is over.
    pub fn forget_the_link(&mut self) {
        self.unexplained = 0;
    }

    /// The other side has ended a connection on which all was well: it may be the link, or whoever else has this client identifier.
    /// `idle`: nothing was in flight, so that it is sure.
    pub fn unexplained(&mut self, idle: bool) {
        self.unexplained = (self.unexplained + 1 + idle as u8).min(2 * MOST_UNEXPLAINED);
    }

    /// The connection ended. `by_peer`: neither by us nor by the network. `round_trip`: how long the last answer took, milliseconds; an end that
    /// comes much sooner can't be one.
    /// True if a packet may be the cause.
    pub fn ended(&mut self, by_peer: bool, round_trip: u32, now: Millis) -> bool {
        let soon = now.wrapping_sub(self.left_at) <= SOON && now.wrapping_sub(self.written_at) >= round_trip - round_trip / 4;
        self.at_end = if by_peer && soon { self.alone } else { None };
        if self.at_end.is_none() {
            self.acquit();
        }
        (self.alone, self.last) = (None, Last::Unanswerable);
        self.at_end.is_some()
    }

    /// CONNACK 0: the broker is there. The packet that it has hung up on once too often.
    pub fn accepted(&mut self, now: Millis) -> Option<PacketId> {
        self.last = Last::Answered;
        self.held_until = 0;
        let id = self.at_end.take()?;
        if self.suspect != Some(id) {
            self.acquit();
            self.suspect = Some(id);
        }
        self.strikes += 1;
        if self.strikes < STRIKES + self.unexplained / 2 {
            if self.strikes >= STRIKES - 1 {
                self.last = Last::Unanswerable;
                self.held_until = now.wrapping_add(HOLD).max(1);
            }
            return None;
        }
        self.acquit();
        Some(id)
    }
}
