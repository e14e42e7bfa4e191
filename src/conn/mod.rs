//! The life cycle of a connection: when to connect, to which server, when to give up and when to
//! retry. Sans-IO.
//!
//! Events and the time go in, decisions come out. Sockets, timers and the configuration belong to
//! the layer above, which passes in the few numbers that a decision needs. The rules are those
//! documented in the original's README.
#![forbid(unsafe_code)]

mod backoff;

#[cfg(test)]
mod tests;

use crate::session::{Millis, NEVER, Session, earlier, reached};
use backoff::Backoff;

pub use backoff::BackoffRange;

/// Which of its configurations a connection uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Slot {
    /// The primary server, `mqtt`.
    Primary = 0,
    /// The backup server, `mqtt1`.
    Backup = 1,
    /// A configuration set at run time; it has no backup.
    Custom = 2,
}

impl Slot {
    /// Returns the slot to fail over to; `None` if there is no backup.
    pub fn other(self) -> Option<Slot> {
        match self {
            Slot::Primary => Some(Slot::Backup),
            Slot::Backup => Some(Slot::Primary),
            Slot::Custom => None,
        }
    }
}

/// What the connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing: the network is not up yet, or the app wants no connection.
    Idle,
    /// Waiting before the next attempt.
    Waiting,
    /// In the TCP, TLS, WebSocket or MQTT handshake.
    Connecting,
    /// CONNACK received.
    Connected,
    /// Being closed by us.
    Closing,
}

/// What is due, see [`Conn::wake`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Nothing.
    Nothing,
    /// Connect.
    Connect,
    /// The handshakes took too long: close.
    ConnectTimeout,
    /// The remaining data was not sent in time: close without it.
    CloseTimeout,
    /// The broker did not answer a ping in time: close.
    PingTimeout,
}

/// What to do after a connection or an attempt has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reconnect {
    /// Nothing: the app wants no connection.
    No,
    /// Reconnect immediately: the configuration or the network changed.
    Now,
    /// Reconnect after this many milliseconds.
    After(u32),
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DisconnectReason {
    /// Closed by the peer, or the link broke.
    Peer,
    /// Closed by us: the app asked for it, the configuration changed, or a packet could not be
    /// built.
    Local,
    /// Closed by us: the broker did not answer a ping.
    PingTimeout,
    /// Closed by us: the broker violated the protocol or took too long.
    Fault,
}

/// How long a connection has lasted. A timer advances the stage, since 32-bit timestamps wrap and
/// cannot tell later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Stage {
    /// Just accepted: if the broker closes the connection now, that counts as a refusal.
    Fresh,
    /// As `Fresh`, unless the broker has acknowledged a packet or answered a ping.
    Probation,
    /// Established, but short-lived if it ends now.
    Young,
    /// Established for so long that its end is unrelated to how it began.
    Settled,
}

/// When each stage ends, in milliseconds after CONNACK. `Probation` ends at `reconnect_timeout_max`
/// if that is earlier.
const FRESH_END: u32 = 5000;
const PROBATION_END: u32 = 20_000;
const YOUNG_END: u32 = 300_000;

/// After this many short-lived connections in a row, `disconnected` reports it.
const SHORT_LIVED_LIMIT: u8 = 3;

/// Returns the deadline `limit` milliseconds from now, or [`NEVER`] for 0. As `NEVER` is 0, a
/// deadline that falls on 0 is one millisecond later.
fn deadline(limit: u32, now: Millis) -> Millis {
    if limit == 0 { NEVER } else { now.wrapping_add(limit).max(1) }
}

/// A connection with its session. Small fields come first, where the shortest instructions reach
/// them; `repr(C)` keeps that order.
#[repr(C)]
pub struct Conn<H: Copy> {
    phase: Phase,
    slot: Slot,
    /// From CONNACK 0 until the connection is gone, including while it is being closed.
    online: bool,
    /// The app asked to stay disconnected; the network coming up does not change that.
    stopped: bool,
    /// Reconnect immediately after this connection, as the configuration or the network changed.
    reconnect_now: bool,
    stage: Stage,
    /// Consecutive connections that the peer ended before they were settled.
    short_lived: u8,
    /// Consecutive connections that reached the server and ended before CONNACK.
    no_connack: u8,
    /// An attempt waits for the wall clock to be set, which is the caller's to see.
    pub awaiting_time: bool,
    /// Duration of the probation stage in milliseconds.
    probation: u16,
    /// When the current phase or stage ends; [`NEVER`] if it has no limit.
    phase_end: Millis,
    backoff: Backoff,
    /// The key of the broker and client ID that the session belongs to; 0 for none yet.
    session_key: u32,
    /// The MQTT session.
    pub session: Session<H>,
}

impl<H: Copy> Default for Conn<H> {
    fn default() -> Self {
        Self::NEW
    }
}

impl<H: Copy> Conn<H> {
    /// A connection in its initial state.
    pub const NEW: Self = Conn {
        session: Session::NEW,
        phase: Phase::Idle,
        phase_end: NEVER,
        slot: Slot::Primary,
        session_key: 0,
        backoff: Backoff::NEW,
        online: false,
        stopped: false,
        reconnect_now: false,
        stage: Stage::Fresh,
        short_lived: 0,
        no_connack: 0,
        awaiting_time: false,
        probation: 0,
    };

    /// Returns the configuration slot in use.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Returns true unless the app asked to stay disconnected.
    pub fn is_wanted(&self) -> bool {
        !self.stopped
    }

    /// Returns true from CONNACK 0 until the connection is gone.
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// Returns true while the connection is being closed.
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// Returns true during the handshakes.
    pub fn is_connecting(&self) -> bool {
        self.phase == Phase::Connecting
    }

    /// The app wants a connection. If the current one is being closed after `stop`, another follows
    /// it.
    pub fn start(&mut self) {
        if core::mem::take(&mut self.stopped) && self.phase == Phase::Closing {
            self.reconnect_now = true;
        }
    }

    /// An attempt starts. `limit` is its timeout in milliseconds, 0 for none. `key` identifies the
    /// broker and client ID; it is not 0.
    pub fn connecting(&mut self, limit: u32, key: u32, now: Millis) {
        self.reconnect_now = false;
        self.session.connecting(self.session_key != 0 && self.session_key != key);
        self.enter(Phase::Connecting, deadline(limit, now));
    }

    /// CONNACK 0 was received from the broker with this key. `longest` is the maximum delay between
    /// attempts in milliseconds.
    pub fn accepted(&mut self, key: u32, longest: u32, now: Millis) {
        self.enter(Phase::Connected, deadline(FRESH_END, now));
        self.stage = Stage::Fresh;
        self.probation = longest.clamp(FRESH_END, PROBATION_END) as u16 - FRESH_END as u16;
        self.online = true;
        self.no_connack = 0;
        self.session_key = key;
    }

    /// The broker refused the connection: it has answered.
    pub fn refused(&mut self) {
        self.no_connack = 0;
    }

    /// The connection reached the server and ends before CONNACK. Returns true if it is the third in a
    /// row, which is no accident.
    pub fn ends_without_connack(&mut self) -> bool {
        self.no_connack = self.no_connack.saturating_add(1);
        self.no_connack == 3
    }

    /// Returns the key of the broker and client ID that the session belongs to; 0 for none yet.
    pub fn session_key(&self) -> u32 {
        self.session_key
    }

    /// The session was restored, and belongs to the broker and client ID with this key.
    pub fn restore_key(&mut self, key: u32) {
        self.session_key = key;
    }

    /// Advances to the next stage of the connection.
    fn next_stage(&mut self) {
        let (stage, more) = match self.stage {
            Stage::Fresh => (Stage::Probation, self.probation.max(1) as u32),
            Stage::Probation => (Stage::Young, YOUNG_END - FRESH_END - self.probation as u32),
            Stage::Young | Stage::Settled => (Stage::Settled, 0),
        };
        self.stage = stage;
        self.phase_end = if more == 0 { NEVER } else { self.phase_end.wrapping_add(more).max(1) };
        if stage == Stage::Settled {
            self.short_lived = 0;
        }
    }

    /// We close the connection. The remaining data may take `limit` milliseconds to send, 0 for no
    /// limit.
    pub fn closing(&mut self, limit: u32, now: Millis) {
        self.enter(Phase::Closing, deadline(limit, now));
        self.session.closing();
    }

    /// The app wants no connection until `start`. The queue and the subscriptions are kept.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.reconnect_now = false;
        self.cancel_wait();
    }

    /// Cancels the delay before the next attempt.
    pub fn cancel_wait(&mut self) {
        if self.phase == Phase::Waiting {
            self.enter(Phase::Idle, NEVER);
        }
    }

    /// The configuration was changed. `live` tells that there is a connection or an attempt; the
    /// caller closes it, and one with the new configuration follows.
    pub fn reconfigured(&mut self, slot: Slot, live: bool) {
        self.slot = slot;
        self.backoff.reset();
        self.reconnect_now = live && !self.stopped;
    }

    /// The connection is gone. Once the app has been notified, `plan_reconnect` decides what
    /// follows. Returns true on every third short-lived connection in a row that the peer ended.
    pub fn disconnected(&mut self, reason: DisconnectReason, now: Millis) -> bool {
        let unconfirmed = self.session.is_unconfirmed();
        let by_peer = reason == DisconnectReason::Peer && !unconfirmed;
        let mut report = false;
        if self.online {
            let failed = match self.stage {
                Stage::Fresh => true,
                Stage::Probation => !self.session.has_broker_responded(),
                Stage::Young | Stage::Settled => false,
            };
            if unconfirmed || reason == DisconnectReason::Local || self.stage == Stage::Settled {
                self.backoff.reset();
            } else if failed {
                // Treated as a refused attempt: the next delay is longer.
            } else if reason == DisconnectReason::PingTimeout {
                self.backoff.reset();
            } else {
                self.backoff.halve();
            }
            if by_peer && self.stage < Stage::Settled {
                self.short_lived += 1;
                report = self.short_lived == SHORT_LIVED_LIMIT;
                self.short_lived %= SHORT_LIVED_LIMIT;
            } else {
                self.short_lived = 0;
            }
        }
        self.session.disconnected(by_peer, now);
        self.enter(Phase::Idle, NEVER);
        self.online = false;
        report
    }

    /// The network went down.
    pub fn network_down(&mut self) {
        self.session.network_down();
    }

    /// The network came up.
    pub fn network_up(&mut self, now: Millis) {
        self.session.network_up(now);
    }

    /// Decides what follows a failed attempt or the end of a connection. `current` is the backoff
    /// range of the configuration in use, `None` if that is unusable; `other` is that of the other
    /// configuration, `None` if it is disabled. Fails over to the other one when an attempt after
    /// the maximum delay has failed, too.
    pub fn plan_reconnect(&mut self, current: Option<BackoffRange>, other: Option<BackoffRange>, random: u32, now: Millis) -> Reconnect {
        let mut range = match (current, other) {
            _ if self.stopped => return Reconnect::No,
            (Some(range), _) => range,
            // The app has disabled the backup while it was in use.
            (None, Some(range)) if self.slot == Slot::Backup => {
                self.slot = Slot::Primary;
                self.backoff.reset();
                range
            }
            _ => return Reconnect::No,
        };
        if core::mem::take(&mut self.reconnect_now) {
            return Reconnect::Now;
        }
        if let (Some(other), Some(slot)) = (other, self.slot.other())
            && self.backoff.exhausted(range)
        {
            self.slot = slot;
            self.backoff.reset();
            range = other;
        }
        let delay = self.backoff.next(range, random);
        self.enter(Phase::Waiting, deadline(delay, now));
        Reconnect::After(delay)
    }

    /// Returns what is due now.
    pub fn wake(&mut self, now: Millis) -> Wake {
        let reached = self.phase_end != NEVER && reached(now, self.phase_end);
        match self.phase {
            Phase::Connected => {
                if reached {
                    self.next_stage();
                }
                if self.session.is_dead(now) {
                    // After a network outage it is the old connection that is dead, not the broker.
                    self.reconnect_now |= self.session.is_unconfirmed() && !self.stopped;
                    return Wake::PingTimeout;
                }
                Wake::Nothing
            }
            Phase::Waiting if reached => Wake::Connect,
            Phase::Connecting if reached => Wake::ConnectTimeout,
            Phase::Closing if reached => Wake::CloseTimeout,
            _ => Wake::Nothing,
        }
    }

    /// Returns when to call `wake` next; `None` for never.
    pub fn deadline(&self) -> Option<Millis> {
        let session = if self.phase == Phase::Connected { self.session.deadline() } else { NEVER };
        let at = earlier(self.phase_end, session);
        (at != NEVER).then_some(at)
    }

    /// Resets the connection and clears its session.
    pub fn clear(&mut self) {
        self.session.clear();
        self.enter(Phase::Idle, NEVER);
        self.online = false;
        self.stopped = true;
    }

    fn enter(&mut self, phase: Phase, phase_end: Millis) {
        self.phase = phase;
        self.phase_end = phase_end;
    }
}
