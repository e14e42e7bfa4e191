//! When an answer is overdue, and is asked for again on the same connection.
//!
//! Time alone does not tell: a megabyte may wait in the socket's buffer. So when the time is up a PINGREQ goes out, and only what
//! was written before it and is still unanswered when its PINGRESP comes is overdue: the broker has had it, and has said nothing.

use super::keep_alive::{Millis, NEVER, reached};

/// `ack_timeout` where the configuration says 0, milliseconds.
const DEFAULT: u32 = 20_000;

/// Repetitions of one packet come no less often than this, milliseconds, unless `ack_timeout` is longer.
const LONGEST: u32 = 120_000;

/// Packets are written in bursts: so much later, milliseconds, all of one are overdue.
const SLACK: u32 = 1000;

/// The timer of a connection: for the oldest packet that awaits its answer.
pub struct Overdue {
    /// `ack_timeout`, milliseconds: 0 for the default, negative for never.
    timeout: i32,
    /// How often the wait was doubled, as what was repeated stayed unanswered.
    doubled: u8,
    /// When to look.
    due: Millis,
    /// How many bytes have to leave until the packet has.
    behind: usize,
}

impl Overdue {
    /// Nothing is awaited.
    pub const NEW: Self = Overdue { timeout: 0, doubled: 0, due: 0, behind: 0 };

    /// Sets `ack_timeout`.
    pub fn set_timeout(&mut self, ms: i32) {
        self.timeout = ms;
    }

    /// How long an answer may take, milliseconds; `None` for as long as it likes.
    pub fn wait(&self) -> Option<u32> {
        let timeout = match self.timeout {
            0 => DEFAULT,
            ..0 => return None,
            ms => ms as u32,
        };
        Some((timeout << self.doubled.min(8)).min(LONGEST.max(timeout)))
    }

    /// A connection ended, or all is answered: the wait is the first again.
    pub fn stop(&mut self) {
        (self.due, self.doubled) = (0, 0);
    }

    /// A packet that is to be answered was written; `unsent` bytes wait with it.
    pub fn on_sent(&mut self, unsent: usize, now: Millis) {
        if self.due == NEVER {
            self.watch(now, unsent);
        }
    }

    /// The oldest packet that awaits an answer was written then, and has left when `unsent` bytes have.
    fn watch(&mut self, written: Millis, unsent: usize) {
        self.behind = unsent;
        self.due = self.wait().map_or(NEVER, |wait| written.wrapping_add(wait + SLACK).max(1));
    }

    /// So many bytes have left.
    pub fn on_left(&mut self, bytes: usize, now: Millis) {
        if self.behind > 0 && self.due != NEVER {
            self.watch(now, self.behind.saturating_sub(bytes));
        }
    }

    /// True if it is time to look.
    pub fn is_due(&self, now: Millis) -> bool {
        self.due != NEVER && reached(now, self.due)
    }

    /// When to look.
    pub fn deadline(&self) -> Millis {
        self.due
    }

    /// PINGREQ was written: its answer tells.
    pub fn on_asked(&mut self) {
        self.due = NEVER;
    }

    /// It was answered. What still awaits its answer was written at `oldest`, if anything does.
    pub fn on_told(&mut self, oldest: Millis) {
        self.due = NEVER;
        if oldest != NEVER {
            self.watch(oldest, 0);
        }
    }

    /// Something was overdue: it is repeated, and has twice the time.
    pub fn on_overdue(&mut self) {
        self.doubled = (self.doubled + 1).min(8);
    }

    /// What was repeated is answered.
    pub fn on_answered(&mut self, now: Millis) {
        self.doubled = 0;
        self.watch(now, 0);
    }
}
