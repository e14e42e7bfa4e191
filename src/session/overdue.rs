//! When an answer is overdue, and is asked for again on the same connection.
//!
//! Time alone does not notify: a megabyte may wait in the socket's buffer. So when the time is up a PINGREQ goes out, and only what
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
    /// Bytes have left, and more were waiting.
    is_flushing: bool,
    /// When the send buffer was last emptied in more than one go: what was written before may have left no earlier.
    flushed_at: Millis,
    /// When to look.
    due: Millis,
}

impl Overdue {
    /// Nothing is awaited.
    pub const NEW: Self = Overdue { timeout: 0, doubled: 0, is_flushing: false, flushed_at: NEVER, due: NEVER };

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
        (timeout << self.doubled).min(LONGEST.max(timeout))
    }

    /// When what was written then had left, at the latest. A flush that is longer ago than an answer may take changes nothing, and after 24
    /// days it would look like one to come.
    fn left_at(&self, written: Millis, now: Millis) -> Millis {
        let is_recent = self.flushed_at != NEVER && now.wrapping_sub(self.flushed_at) <= self.wait();
        if is_recent && reached(self.flushed_at, written) { self.flushed_at } else { written }
    }

    /// True if the answer to what was written then has taken too long.
    pub fn is_late(&self, written: Millis, now: Millis) -> bool {
        let wait = self.wait();
        wait != NEVER && now.wrapping_sub(self.left_at(written, now)) >= wait
    }

    /// A connection ended, or all is answered: the wait is the first again.
    pub fn stop(&mut self) {
        *self = Overdue { timeout: self.timeout, ..Self::NEW };
    }

    /// A packet that is to be answered was written.
    pub fn on_sent(&mut self, now: Millis) {
        if self.due == NEVER {
            self.watch(now, now);
        }
    }

    /// The oldest packet that awaits an answer was written then.
    fn watch(&mut self, written: Millis, now: Millis) {
        let wait = self.wait();
        self.due = if wait == NEVER { NEVER } else { self.left_at(written, now).wrapping_add(wait + SLACK).max(1) };
    }

    /// Bytes have left; so many still wait.
    pub fn on_left(&mut self, unsent: usize, now: Millis) {
        if unsent > 0 || self.is_flushing {
            self.flushed_at = now.max(1);
        }
        self.is_flushing = unsent > 0;
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
    pub fn on_told(&mut self, oldest: Millis, now: Millis) {
        self.due = NEVER;
        if oldest != NEVER {
            self.watch(oldest, now);
        }
    }

    /// Something was overdue: it is repeated, and has twice the time.
    pub fn on_overdue(&mut self) {
        self.doubled = (self.doubled + 1).min(8);
    }

    /// What was repeated is answered.
    pub fn on_answered(&mut self, now: Millis) {
        self.doubled = 0;
        self.watch(now, now);
    }
}

#[cfg(test)]
mod tests {
    use super::Overdue;

    #[test]
    fn a_flush_of_a_month_ago_does_not_make_an_answer_overdue_nor_put_it_off() {
        let month = 30 * 86_400_000u32;
        let mut o = Overdue::NEW;
        o.on_left(100, 1000);
        o.on_left(0, 2000);
        assert!(!o.is_late(1500, 21_999) && o.is_late(1500, 22_000), "it had left at 2 s");
        o.on_sent(month);
        assert_eq!(o.deadline(), month + 21_000);
        assert!(!o.is_late(month, month + 19_999) && o.is_late(month, month + 20_000));
    }

    #[test]
    fn what_was_written_before_a_long_upload_is_late_only_when_that_has_left() {
        let mut o = Overdue::NEW;
        // In one go: it has left when it was written.
        o.on_left(0, 5000);
        assert!(o.is_late(1000, 21_000) && !o.is_late(1000, 20_999));
        // In two: it may have left with the last of it.
        o.on_left(100, 6000);
        assert!(o.is_late(1000, 26_000) && !o.is_late(1000, 25_999));
        o.on_left(0, 9000);
        assert!(o.is_late(1000, 29_000) && !o.is_late(1000, 28_999));
        // What leaves in one go later changes nothing.
        o.on_left(0, 15_000);
        assert!(o.is_late(1000, 29_000));
        assert!(o.is_late(10_000, 30_000) && !o.is_late(10_000, 29_999), "it was written after that");
    }

    #[test]
    fn while_the_answer_to_a_ping_is_awaited_nothing_is_due_and_then_what_is_still_unanswered() {
        let mut o = Overdue::NEW;
        o.set_timeout(5000);
        o.on_sent(1000);
        o.on_sent(2000);
        assert_eq!(o.deadline(), 7000, "the oldest");
        assert!(!o.is_due(6999) && o.is_due(7000));
        o.on_asked();
        assert_eq!((o.deadline(), o.is_due(8000)), (0, false));
        o.on_told(4000, 8000);
        assert_eq!(o.deadline(), 10_000);
        o.on_told(0, 8000);
        assert_eq!(o.deadline(), 0);
        o.on_sent(9000);
        o.stop();
        assert_eq!(o.deadline(), 0);
        o.on_sent(20_000);
        assert_eq!(o.deadline(), 26_000, "what is configured stays");
    }

    #[test]
    fn the_wait_is_doubled_up_to_two_minutes_or_as_long_as_is_configured() {
        for (timeout, waits) in
            [(0, [20_000, 40_000, 80_000, 120_000, 120_000]), (1000, [1000, 2000, 4000, 8000, 16_000]), (200_000, [200_000; 5])]
        {
            let mut o = Overdue::NEW;
            o.set_timeout(timeout);
            for wait in waits {
                assert!(!o.is_late(500, 500 + wait - 1) && o.is_late(500, 500 + wait), "{timeout} {wait}");
                o.on_overdue();
            }
            o.on_answered(1000);
            assert_eq!(o.deadline(), 1000 + waits[0] + 1000);
        }
        let mut o = Overdue::NEW;
        o.set_timeout(-1);
        o.on_sent(1000);
        assert!(!o.is_late(0, 1 << 30));
        assert_eq!(o.deadline(), 0);
    }
}
