//! Which packet the broker hangs up on, if it is one: some brokers and clouds answer a message that is too large, a forbidden topic
//! or filter by closing the connection.
//!
//! A packet is blamed only where nothing else can be: it was written when all before it had been answered, nothing was written
//! after it, the peer closed the connection is_prompt after its last byte had left, and the next attempt got as far as CONNACK;
//! three times in a row, and more often where connections end without any such packet, too.

use super::keep_alive::{Millis, NEVER, reached};
use crate::wire::PacketId;

/// So many ends in a row make a packet the one to blame.
const SUSPECT_LIMIT: u8 = 3;

/// So many more at the most on a link that breaks by itself.
const MAX_LINK_FAILURES: u8 = 5;

/// An end that comes later after the last byte than this, milliseconds, has another cause.
const MAX_CLOSE_DELAY: u32 = 10_000;

/// The packet written last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// One that is not answered, or that the app has written by itself.
    NoAnswer,
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
pub struct SuspectTracker {
    last: Last,
    /// Written when all before it was answered, and nothing was written since.
    candidate: Option<PacketId>,
    /// When the last packet was written,
    written_at: Millis,
    /// and when a byte last left.
    transmitted_at: Millis,
    /// What was alone when the last connection ended; a strike if the next attempt gets as far as CONNACK.
    closed_on: Option<PacketId>,
    suspect: Option<PacketId>,
    failures: u8,
    /// Until then the suspect is held back, if it is.
    held_until: Millis,
    /// Twice how many ends no packet of ours explains: as many more strikes it takes.
    link_failures: u8,
}

impl SuspectTracker {
    /// Nobody.
    pub const NEW: Self = SuspectTracker {
        last: Last::NoAnswer,
        candidate: None,
        written_at: 0,
        transmitted_at: 0,
        closed_on: None,
        suspect: None,
        failures: 0,
        held_until: 0,
        link_failures: 0,
    };

    /// True if the broker has answered all that was written: whatever is written now is alone.
    pub fn is_all_answered(&self) -> bool {
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

    fn wrote(&mut self, last: Last, candidate: Option<PacketId>, now: Millis) {
        self.candidate = if self.is_all_answered() { candidate } else { None };
        self.last = last;
        (self.written_at, self.transmitted_at) = (now, now);
    }

    /// A packet that may be blamed was written.
    pub fn wrote_candidate(&mut self, id: PacketId, now: Millis) {
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
        self.wrote(Last::NoAnswer, None, now);
    }

    /// Bytes have left.
    pub fn transmitted(&mut self, now: Millis) {
        self.transmitted_at = now;
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
        if self.candidate == Some(id) {
            self.candidate = None;
        }
        if self.suspect == Some(id) {
            self.clear();
        }
    }

    /// Nobody is suspected.
    pub fn clear(&mut self) {
        (self.suspect, self.failures, self.closed_on, self.held_until) = (None, 0, None, 0);
    }

    /// A connection has lasted: what was wrong with the link before is over.
    pub fn link_is_stable(&mut self) {
        self.link_failures = 0;
    }

    /// The other side has ended a connection on which all was well: it may be the link, or whoever else has this client identifier.
    /// `idle`: nothing was in flight, so that it is sure.
    pub fn link_failed(&mut self, idle: bool) {
        self.link_failures = (self.link_failures + 1 + idle as u8).min(2 * MAX_LINK_FAILURES);
    }

    /// The connection ended. `by_peer`: neither by us nor by the network. `round_trip`: how long the last answer took, milliseconds; an end that
    /// comes much sooner can't be one.
    /// True if a packet may be the cause.
    pub fn disconnected(&mut self, by_peer: bool, round_trip: u32, now: Millis) -> bool {
        let is_prompt =
            now.wrapping_sub(self.transmitted_at) <= MAX_CLOSE_DELAY && now.wrapping_sub(self.written_at) >= round_trip - round_trip / 4;
        self.closed_on = if by_peer && is_prompt { self.candidate } else { None };
        if self.closed_on.is_none() {
            self.clear();
        }
        (self.candidate, self.last) = (None, Last::NoAnswer);
        self.closed_on.is_some()
    }

    /// CONNACK 0: the broker is there. The packet that it has hung up on once too often.
    pub fn accepted(&mut self, now: Millis) -> Option<PacketId> {
        self.last = Last::Answered;
        self.held_until = 0;
        let id = self.closed_on.take()?;
        if self.suspect != Some(id) {
            self.clear();
            self.suspect = Some(id);
        }
        self.failures += 1;
        if self.failures < SUSPECT_LIMIT + self.link_failures / 2 {
            if self.failures >= SUSPECT_LIMIT - 1 {
                self.last = Last::NoAnswer;
                self.held_until = now.wrapping_add(HOLD).max(1);
            }
            return None;
        }
        self.clear();
        Some(id)
    }
}
