//! The life of one connection: when to connect, to which server, when to give up and when to try again. Sans-IO.
//!
//! Events and the time go in, decisions come out; sockets, timers and the configuration belong to the layer above, which hands over
//! the few numbers that a decision needs. The rules are those that the original's README gives its users.
#![forbid(unsafe_code)]

mod backoff;

#[cfg(test)]
mod tests;

use crate::session::{Millis, Session, reached};
use backoff::Backoff;

pub use backoff::Waits;

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
    Opening,
    /// CONNACK has come.
    Open,
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
pub enum Next {
    /// Nothing: the app wants no connection.
    Stay,
    /// Connect at once: the configuration was changed.
    Connect,
    /// Wait so many milliseconds and connect.
    Wait(u32),
}

/// A point in time that may be none: 0. So one that would be 0 is a millisecond later.
fn deadline(limit: u32, now: Millis) -> Millis {
    if limit == 0 { NEVER } else { now.wrapping_add(limit).max(1) }
}

const NEVER: Millis = 0;

/// A connection with its session. The fields lie in this order, the small ones first, where the shortest instructions reach them.
#[repr(C)]
pub struct Conn<H: Copy> {
    phase: Phase,
    slot: Slot,
    /// From CONNACK 0 until the connection is gone, even if it is being closed.
    online: bool,
    /// The app has asked to be disconnected: the network coming up changes nothing.
    stopped: bool,
    /// The configuration was changed: when the connection is gone, connect at once.
    reopen: bool,
    /// The end of the phase, if it has one of its own; else [`NEVER`].
    until: Millis,
    backoff: Backoff,
    /// The key with which a broker was last reached, 0 for none: the session is that broker's, under that client identifier.
    home: u32,
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
        until: NEVER,
        slot: Slot::Primary,
        home: 0,
        backoff: Backoff::NEW,
        online: false,
        stopped: false,
        reopen: false,
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
    pub fn is_opening(&self) -> bool {
        self.phase == Phase::Opening
    }

    /// The app wants a connection, whatever it said before. One that is being closed because it said so is followed by another.
    pub fn want(&mut self) {
        if core::mem::take(&mut self.stopped) && self.phase == Phase::Closing {
            self.reopen = true;
        }
    }

    /// An attempt begins; it may take `limit` milliseconds, 0 for as long as it likes. `key` stands for broker and client identifier: a number that is
    /// another for others, and not 0.
    pub fn opening(&mut self, limit: u32, key: u32, now: Millis) {
        self.reopen = false;
        self.session.connecting(self.home != 0 && self.home != key);
        self.enter(Phase::Opening, deadline(limit, now));
    }

    /// CONNACK 0 came, from the broker with this key: the next failure starts with the shortest wait again.
    pub fn accepted(&mut self, key: u32) {
        self.enter(Phase::Open, NEVER);
        self.online = true;
        self.home = key;
        self.backoff.reset();
    }

    /// The connection is being closed by us; what is still to be sent may take `limit` milliseconds, 0 for as long as it likes.
    pub fn closing(&mut self, limit: u32, now: Millis) {
        self.enter(Phase::Closing, deadline(limit, now));
        self.session.closing();
    }

    /// The app wants no connection until it asks for one. What is queued and subscribed stays.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.reopen = false;
        self.rest();
    }

    /// Ends the waiting for the next attempt.
    pub fn rest(&mut self) {
        if self.phase == Phase::Waiting {
            self.enter(Phase::Idle, NEVER);
        }
    }

    /// The configuration was changed. `live`: there is a connection, up or coming up; it is to be closed, and one with the new
    /// configuration follows.
    pub fn reconfigured(&mut self, slot: Slot, live: bool) {
        self.slot = slot;
        self.backoff.reset();
        self.reopen = live && !self.stopped;
    }

    /// The connection is gone. What follows is `next`'s to say, once the app has been told.
    pub fn down(&mut self) {
        self.session.disconnected();
        self.enter(Phase::Idle, NEVER);
        self.online = false;
    }

    /// What to do after an attempt that failed, or after the end of a connection. `current`: the waits of the configuration in use, none
    /// if it can't be used; `other`: those of the other one, if that is enabled. When the longest wait has been used up without
    /// success, the other takes over.
    pub fn next(&mut self, current: Option<Waits>, other: Option<Waits>, random: u32, now: Millis) -> Next {
        let Some(mut waits) = current else { return Next::Stay };
        if self.stopped {
            return Next::Stay;
        }
        if core::mem::take(&mut self.reopen) {
            return Next::Connect;
        }
        if let (Some(other), Some(slot)) = (other, self.slot.other())
            && self.backoff.used_up(waits)
        {
            self.slot = slot;
            self.backoff.reset();
            waits = other;
        }
        let wait = self.backoff.next(waits, random);
        self.enter(Phase::Waiting, deadline(wait, now));
        Next::Wait(wait)
    }

    /// What is due now.
    pub fn wake(&mut self, now: Millis) -> Wake {
        if self.until == NEVER || !reached(now, self.until) {
            let dead = self.phase == Phase::Open && self.session.is_dead(now);
            return if dead { Wake::PingTimeout } else { Wake::Nothing };
        }
        match self.phase {
            Phase::Waiting => Wake::Connect,
            Phase::Opening => Wake::ConnectTimeout,
            Phase::Closing => Wake::CloseTimeout,
            Phase::Idle | Phase::Open => Wake::Nothing,
        }
    }

    /// When to look again; `None` for never.
    pub fn deadline(&self) -> Option<Millis> {
        if self.phase == Phase::Open { self.session.deadline() } else { (self.until != NEVER).then_some(self.until) }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.session.clear();
        self.enter(Phase::Idle, NEVER);
        self.online = false;
        self.stopped = true;
    }

    fn enter(&mut self, phase: Phase, until: Millis) {
        self.phase = phase;
        self.until = until;
    }
}
