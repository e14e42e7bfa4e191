//! The life of one connection: when to connect, to which server, when to give up and when to try again. Sans-IO.
//!
//! Events and the time go in, decisions come out; sockets, timers and the configuration belong to the layer above, which hands over
//! the few numbers that a decision needs. The rules are those that the original's README gives its users.
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
    /// The first: `mqtt`.
    Primary = 0,
    /// The backup: `mqtt1`.
    Backup = 1,
    /// One set at run time: it has no backup.
    Custom = 2,
}

impl Slot {
    /// The one to be tried when this one has failed; `None` for one without a backup.
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
    /// Nothing: the network is not up yet, or the app wants none.
    Idle,
    /// Waiting to try again.
    Waiting,
    /// TCP, TLS, WebSocket and MQTT handshakes.
    Connecting,
    /// CONNACK has come.
    Connected,
    /// Being closed by us.
    Closing,
}

/// What time asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Nothing yet.
    Nothing,
    /// Connect.
    Connect,
    /// The handshakes have taken too long: close.
    ConnectTimeout,
    /// What was still to be sent before the end has not gone out in time: close without it.
    CloseTimeout,
    /// The broker does not answer any more: close.
    PingTimeout,
}

/// What follows the end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reconnect {
    /// Nothing: the app wants no connection.
    No,
    /// Connect at once: the configuration was changed.
    Now,
    /// Wait so many milliseconds and connect.
    After(u32),
}

/// Who or what has ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DisconnectReason {
    /// The other side, or the link.
    Peer,
    /// We: the app has asked for it, or changed the configuration, or a packet could not be made.
    Local,
    /// We, as the broker did not answer a ping.
    PingTimeout,
    /// We, as the broker broke the protocol, or took too long.
    Fault,
}

/// How long a connection has proved to last. A timer moves it on: clocks of 32 bits can't tell afterwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Stage {
    /// Just accepted: a broker that hangs up now has refused it in its way.
    Fresh,
    /// The same, unless it has acknowledged something of ours, or answered a ping.
    Probation,
    /// It is a connection, if a short one.
    Young,
    /// One that ends now has nothing to do with how it began.
    Settled,
}

/// When the stages end, milliseconds; the second ends at `reconnect_timeout_max`, where that is less.
const FRESH_END: u32 = 5000;
const PROBATION_END: u32 = 20_000;
const YOUNG_END: u32 = 300_000;

/// So many connections in a row that the other side has ended early: there is something to be said about it.
const SHORT_LIVED_LIMIT: u8 = 3;

/// A point in time that may be none: 0. So one that would be 0 is a millisecond later.
fn deadline(limit: u32, now: Millis) -> Millis {
    if limit == 0 { NEVER } else { now.wrapping_add(limit).max(1) }
}

/// A connection with its session. The fields lie in this order, the small ones first, where the shortest instructions reach them.
#[repr(C)]
pub struct Conn<H: Copy> {
    phase: Phase,
    slot: Slot,
    /// From CONNACK 0 until the connection is gone, even if it is being closed.
    online: bool,
    /// The app has asked to be disconnected: the network coming up changes nothing.
    stopped: bool,
    /// When the connection is gone, connect at once: the configuration was changed, or the network was.
    reconnect_now: bool,
    stage: Stage,
    /// Connections in a row that the other side has ended before they were settled.
    short_lived: u8,
    /// How long the second stage lasts, milliseconds.
    probation: u16,
    /// The end of the phase, if it has one of its own; else [`NEVER`].
    phase_end: Millis,
    backoff: Backoff,
    /// The key with which a broker was last reached, 0 for none: the session is that broker's, under that client identifier.
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
    /// One that nothing is known of yet.
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
        probation: 0,
    };

    /// Which configuration is in use.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// True if the app has not asked to stay disconnected.
    pub fn is_wanted(&self) -> bool {
        !self.stopped
    }

    /// True from CONNACK 0 until the connection is gone.
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// True while the handshakes are under way.
    pub fn is_connecting(&self) -> bool {
        self.phase == Phase::Connecting
    }

    /// The app wants a connection, whatever it said before. One that is being closed because it said so is followed by another.
    pub fn start(&mut self) {
        if core::mem::take(&mut self.stopped) && self.phase == Phase::Closing {
            self.reconnect_now = true;
        }
    }

    /// An attempt begins; it may take `limit` milliseconds, 0 for as long as it likes. `key` stands for broker and client identifier: a number that is
    /// another for others, and not 0.
    pub fn connecting(&mut self, limit: u32, key: u32, now: Millis) {
        self.reconnect_now = false;
        self.session.connecting(self.session_key != 0 && self.session_key != key);
        self.enter(Phase::Connecting, deadline(limit, now));
    }

    /// CONNACK 0 came, from the broker with this key. `longest`: the longest wait between attempts, milliseconds.
    pub fn accepted(&mut self, key: u32, longest: u32, now: Millis) {
        self.enter(Phase::Connected, deadline(FRESH_END, now));
        self.stage = Stage::Fresh;
        self.probation = longest.clamp(FRESH_END, PROBATION_END) as u16 - FRESH_END as u16;
        self.online = true;
        self.session_key = key;
    }

    /// The connection lasts.
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

    /// The connection is being closed by us; what is still to be sent may take `limit` milliseconds, 0 for as long as it likes.
    pub fn closing(&mut self, limit: u32, now: Millis) {
        self.enter(Phase::Closing, deadline(limit, now));
        self.session.closing();
    }

    /// The app wants no connection until it asks for one. What is queued and subscribed stays.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.reconnect_now = false;
        self.cancel_wait();
    }

    /// Ends the waiting for the next attempt.
    pub fn cancel_wait(&mut self) {
        if self.phase == Phase::Waiting {
            self.enter(Phase::Idle, NEVER);
        }
    }

    /// The configuration was changed. `live`: there is a connection, up or coming up; it is to be closed, and one with the new
    /// configuration follows.
    pub fn reconfigured(&mut self, slot: Slot, live: bool) {
        self.slot = slot;
        self.backoff.reset();
        self.reconnect_now = live && !self.stopped;
    }

    /// The connection is gone. What follows is `next`'s to say, once the app has been told. True if the other side has ended one early
    /// for the third time in a row, and then every third time.
    pub fn disconnected(&mut self, end: DisconnectReason, now: Millis) -> bool {
        let unconfirmed = self.session.is_unconfirmed();
        let by_peer = end == DisconnectReason::Peer && !unconfirmed;
        let mut report = false;
        if self.online {
            let failed = match self.stage {
                Stage::Fresh => true,
                Stage::Probation => !self.session.has_broker_responded(),
                Stage::Young | Stage::Settled => false,
            };
            if unconfirmed || end == DisconnectReason::Local || self.stage == Stage::Settled {
                self.backoff.reset();
            } else if failed {
                // As an attempt that was refused: the next wait is longer.
            } else if end == DisconnectReason::PingTimeout {
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

    /// The network has gone down.
    pub fn network_down(&mut self) {
        self.session.network_down();
    }

    /// The network has come up.
    pub fn network_up(&mut self, now: Millis) {
        self.session.network_up(now);
    }

    /// What to do after an attempt that failed, or after the end of a connection. `current`: the range of the configuration in use, none
    /// if it can't be used; `other`: those of the other one, if that is enabled. When the longest wait has been used up without
    /// success, the other takes over.
    pub fn plan_reconnect(&mut self, current: Option<BackoffRange>, other: Option<BackoffRange>, random: u32, now: Millis) -> Reconnect {
        let Some(mut range) = current else { return Reconnect::No };
        if self.stopped {
            return Reconnect::No;
        }
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
        let wait = self.backoff.next(range, random);
        self.enter(Phase::Waiting, deadline(wait, now));
        Reconnect::After(wait)
    }

    /// What is due now.
    pub fn wake(&mut self, now: Millis) -> Wake {
        let reached = self.phase_end != NEVER && reached(now, self.phase_end);
        match self.phase {
            Phase::Connected => {
                if reached {
                    self.next_stage();
                }
                if self.session.is_dead(now) {
                    // Where the network was down, it is the old connection that is dead, not the broker.
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

    /// When to look again; `None` for never.
    pub fn deadline(&self) -> Option<Millis> {
        let session = if self.phase == Phase::Connected { self.session.deadline() } else { NEVER };
        let at = earlier(self.phase_end, session);
        (at != NEVER).then_some(at)
    }

    /// Forgets all.
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
