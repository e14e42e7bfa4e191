//! When an answer is overdue, and is asked for again on the same connection.
//!
//! Time alone does not notify: a megabyte may wait in the socket's buffer. So when the time is up a PINGREQ goes out, and only what
//! was written before it and is still unanswered when its PINGRESP comes is overdue: the broker has had it, and has said nothing.

use super::keep_alive::{Millis, NEVER, reached};

/// `ack_timeout` where the configuration says 0, milliseconds.
const DEFAULT: u32 = 20_000;

/// Repetitions of one packet come no less often than this, milliseconds, unless `ack_timeout` is longer.
const MAX_WAIT: u32 = 120_000;

/// Packets are written in bursts: so much later, milliseconds, all of one are overdue.
const SLACK: u32 = 1000;

/// The timer of a connection: for the oldest packet that awaits its answer.
pub struct AckTimer {
    /// `ack_timeout`, milliseconds: 0 for the default, negative for never.
    timeout: i32,
    /// How often the wait was doublings, as what was repeated stayed unanswered.
    doublings: u8,
    /// Bytes have left, and more were waiting.
    is_flushing: bool,
    /// When the send buffer was last emptied in more than one go: what was written before may have left no earlier.
    flushed_at: Millis,
    /// When to look.
    deadline: Millis,
}

impl AckTimer {
    /// Nothing is awaited.
    pub const NEW: Self = AckTimer { timeout: 0, doublings: 0, is_flushing: false, flushed_at: NEVER, deadline: NEVER };

    /// Sets `ack_timeout`.
    pub fn set_timeout(&mut self, ms: i32) {
        self.timeout = ms;
    }

    /// How long an answer may take, milliseconds; [`NEVER`] for as long as it likes.
    fn wait(&self) -> u32 {
        let timeout = match self.timeout {
            0 => DEFAULT,
            ms => ms.max(0) as u32,
        };
        (timeout << self.doublings).min(MAX_WAIT.max(timeout))
    }

    /// When what was written then had left, at the latest. A flush that is longer ago than an answer may take changes nothing, and after 24
    /// days it would look like one to come.
    fn transmitted_at(&self, written: Millis, now: Millis) -> Millis {
        let is_recent = self.flushed_at != NEVER && now.wrapping_sub(self.flushed_at) <= self.wait();
        if is_recent && reached(self.flushed_at, written) { self.flushed_at } else { written }
    }

    /// True if the answer to what was written then has taken too long.
    pub fn is_late(&self, written: Millis, now: Millis) -> bool {
        let wait = self.wait();
        wait != NEVER && now.wrapping_sub(self.transmitted_at(written, now)) >= wait
    }

    /// A connection ended, or all is answered: the wait is the first again.
    pub fn stop(&mut self) {
        *self = AckTimer { timeout: self.timeout, ..Self::NEW };
    }

    /// A packet that is to be answered was written.
    pub fn on_sent(&mut self, now: Millis) {
        if self.deadline == NEVER {
            self.arm(now, now);
        }
    }

    /// The oldest packet that awaits an answer was written then.
    fn arm(&mut self, written: Millis, now: Millis) {
        let wait = self.wait();
        self.deadline = if wait == NEVER { NEVER } else { self.transmitted_at(written, now).wrapping_add(wait + SLACK).max(1) };
    }

    /// Bytes have left; so many still wait.
    pub fn on_transmitted(&mut self, unsent: usize, now: Millis) {
        if unsent > 0 || self.is_flushing {
            self.flushed_at = now.max(1);
        }
        self.is_flushing = unsent > 0;
    }

    /// True if it is time to look.
    pub fn is_due(&self, now: Millis) -> bool {
        self.deadline != NEVER && reached(now, self.deadline)
    }

    /// When to look.
    pub fn deadline(&self) -> Millis {
        self.deadline
    }

    /// PINGREQ was written: its answer tells.
    pub fn on_ping_sent(&mut self) {
        self.deadline = NEVER;
    }

    /// It was answered. What still awaits its answer was written at `oldest`, if anything does.
    pub fn on_pong(&mut self, oldest: Millis, now: Millis) {
        self.deadline = NEVER;
        if oldest != NEVER {
            self.arm(oldest, now);
        }
    }

    /// Something was overdue: it is repeated, and has twice the time.
    pub fn on_overdue(&mut self) {
        self.doublings = (self.doublings + 1).min(8);
    }

    /// What was repeated is answered.
    pub fn on_answered(&mut self, now: Millis) {
        self.doublings = 0;
        self.arm(now, now);
    }
}

#[cfg(test)]
mod tests {
    use super::AckTimer;

    #[test]
    fn a_flush_of_a_month_ago_does_not_make_an_answer_overdue_nor_put_it_off() {
        let month = 30 * 86_400_000u32;
        let mut o = AckTimer::NEW;
        o.on_transmitted(100, 1000);
        o.on_transmitted(0, 2000);
        assert!(!o.is_late(1500, 21_999) && o.is_late(1500, 22_000), "it had left at 2 s");
        o.on_sent(month);
        assert_eq!(o.deadline(), month + 21_000);
        assert!(!o.is_late(month, month + 19_999) && o.is_late(month, month + 20_000));
    }
}
