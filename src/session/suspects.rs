//! Finds the packet that makes the broker close the connection, if there is one: some brokers and
//! clouds reject an oversized message, a forbidden topic or a forbidden filter in that way.
//!
//! A packet counts as the cause only if nothing else can be: everything before it was answered,
//! nothing was written after it, the peer closed the connection soon after its last byte was
//! transmitted, and the next attempt reached CONNACK. This must happen three times in a row, or
//! more often if connections also end without such a packet.

use super::keep_alive::{Millis, NEVER, reached};
use crate::wire::PacketId;

/// After this many such connections in a row, a packet is the cause.
const SUSPECT_LIMIT: u8 = 3;

/// At most this many more are required on an unstable link.
const MAX_LINK_FAILURES: u8 = 5;

/// If the connection ends later than this after the last byte, in milliseconds, the cause is
/// another.
pub const MAX_CLOSE_DELAY: u32 = 10_000;

/// The packet written last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// One without an answer, or one written by the app directly.
    NoAnswer,
    /// PINGREQ.
    Ping,
    /// One with a packet ID.
    Id(PacketId),
    /// All packets are answered.
    Answered,
}

/// Before a suspect is sent for what may be the last time, the connection must last this many
/// milliseconds and the broker must answer a ping. Otherwise the broker may be closing every
/// connection, or every one with this client ID, or the link may be unstable.
const HOLD: u32 = 3000;

/// What the ends of this broker's connections tell about packets and the link.
pub struct SuspectTracker {
    last: Last,
    /// The packet written when all others were answered, with nothing written since.
    candidate: Option<PacketId>,
    /// When a byte was last transmitted.
    transmitted_at: Millis,
    /// The candidate when the last connection ended; it counts if the next attempt reaches CONNACK.
    closed_on: Option<PacketId>,
    /// The peer ended the last connection soon after its last byte.
    closed_promptly: bool,
    suspect: Option<PacketId>,
    failures: u8,
    /// When the suspect may be sent; [`NEVER`] if it is not held back.
    held_until: Millis,
    /// Connections that ended without a candidate; idle ones count double. Half of this number is
    /// added to [`SUSPECT_LIMIT`].
    link_failures: u8,
    /// A PINGREQ was sent so that the next packet is alone in flight.
    pub(super) pinged_first: bool,
    /// Consecutive connections that ended with packets in flight and nothing acknowledged.
    pub(super) unacked_connections: u8,
    /// How often a subscription that was set aside was retried.
    pub(super) aside_tries: u8,
}

impl SuspectTracker {
    /// No suspect.
    pub const NEW: Self = SuspectTracker {
        last: Last::NoAnswer,
        candidate: None,
        transmitted_at: 0,
        closed_on: None,
        closed_promptly: false,
        suspect: None,
        failures: 0,
        held_until: 0,
        link_failures: 0,
        pinged_first: false,
        unacked_connections: 0,
        aside_tries: 0,
    };

    /// Returns true if the broker has answered everything, so that the next packet is a candidate.
    pub fn is_all_answered(&self) -> bool {
        self.last == Last::Answered
    }

    /// Returns true if the peer ended the last connection soon after its last byte.
    pub fn has_closed_promptly(&self) -> bool {
        self.closed_promptly
    }

    /// Returns when the suspect may be sent; [`NEVER`] if it is not held back.
    pub fn held_until(&self) -> Millis {
        self.held_until
    }

    /// Returns true if the suspect is held back now.
    pub fn is_holding(&mut self, now: Millis) -> bool {
        if reached(now, self.held_until) {
            self.held_until = NEVER;
        }
        self.held_until != NEVER
    }

    fn wrote(&mut self, last: Last, candidate: Option<PacketId>, now: Millis) {
        self.candidate = if self.is_all_answered() { candidate } else { None };
        self.last = last;
        self.transmitted_at = now;
    }

    /// A packet that can be the cause was written.
    pub fn wrote_candidate(&mut self, id: PacketId, now: Millis) {
        self.wrote(Last::Id(id), Some(id), now);
    }

    /// A packet that is answered and cannot be the cause was written.
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

    /// Bytes were transmitted.
    pub fn transmitted(&mut self, now: Millis) {
        self.transmitted_at = now;
    }

    fn answered(&mut self, what: Last) {
        if self.last == what {
            self.last = Last::Answered;
        }
    }

    /// PINGRESP was received.
    pub fn ping_answered(&mut self) {
        self.answered(Last::Ping);
    }

    /// The answer to the packet with this packet ID was received.
    pub fn id_answered(&mut self, id: PacketId) {
        self.answered(Last::Id(id));
        if self.candidate == Some(id) {
            self.candidate = None;
        }
        if self.suspect == Some(id) {
            self.clear();
        }
    }

    /// Clears the suspect.
    pub fn clear(&mut self) {
        (self.suspect, self.failures, self.closed_on, self.held_until) = (None, 0, None, 0);
    }

    /// A connection has lasted: earlier link failures no longer count.
    pub fn link_is_stable(&mut self) {
        self.link_failures = 0;
    }

    /// The peer ended a connection without a candidate: the cause is the link, or another client
    /// with this client ID. `idle` tells that nothing was in flight, which makes that certain.
    pub fn link_failed(&mut self, idle: bool) {
        self.link_failures = (self.link_failures + 1 + idle as u8).min(2 * MAX_LINK_FAILURES);
    }

    /// The connection ended. `by_peer` tells that neither we nor the network ended it. Returns true if
    /// a packet may be the cause.
    pub fn disconnected(&mut self, by_peer: bool, now: Millis) -> bool {
        self.closed_promptly = by_peer && now.wrapping_sub(self.transmitted_at) <= MAX_CLOSE_DELAY;
        self.closed_on = if self.closed_promptly { self.candidate } else { None };
        if self.closed_on.is_none() {
            self.clear();
        }
        (self.candidate, self.last) = (None, Last::NoAnswer);
        self.closed_on.is_some()
    }

    /// CONNACK 0 was received. Returns the packet that has now caused too many connections to end.
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
