//! Detects overdue acknowledgements, so that packets are retransmitted on the same connection.
//!
//! A timeout alone proves nothing: a megabyte may still be waiting in the socket's buffer. So a
//! PINGREQ is sent when the timeout expires. A packet written before it and still unanswered when
//! its PINGRESP arrives is overdue: the broker has received it and not answered.

use super::keep_alive::{Millis, NEVER, reached};

/// The timeout used if `ack_timeout` is 0, in milliseconds.
const DEFAULT: u32 = 20_000;

/// Maximum interval between retransmissions in milliseconds, unless `ack_timeout` is longer.
const MAX_WAIT: u32 = 120_000;

/// Added to the deadline, in milliseconds, so that all packets of a burst are overdue together.
const SLACK: u32 = 1000;

/// The acknowledgement timer of a connection. It tracks the oldest unanswered packet.
pub struct AckTimer {
    /// `ack_timeout` in milliseconds; 0 for the default, negative to disable.
    timeout: i32,
    /// How often the wait has doubled, as retransmitted packets stayed unanswered.
    doublings: u8,
    /// Bytes were transmitted, and more were waiting.
    is_flushing: bool,
    /// An overdue acknowledgement was reported; no more reports until everything is answered.
    is_reported: bool,
    /// When the send buffer last drained in more than one step; packets written before may not have
    /// been transmitted earlier.
    flushed_at: Millis,
    /// When to send PINGREQ.
    deadline: Millis,
}

impl AckTimer {
    /// Stopped.
    pub const NEW: Self = AckTimer { timeout: 0, doublings: 0, is_flushing: false, is_reported: false, flushed_at: NEVER, deadline: NEVER };

    /// Sets `ack_timeout`.
    pub fn set_timeout(&mut self, ms: i32) {
        self.timeout = ms;
    }

    /// Returns true if an overdue answer has PINGREQ sent.
    #[inline(never)]
    pub fn is_limited(&self) -> bool {
        self.timeout >= 0
    }

    /// Returns how long to wait for an answer, in milliseconds; [`NEVER`] if there is no limit.
    #[inline(never)]
    fn wait(&self) -> u32 {
        let timeout = match self.timeout {
            0 => DEFAULT,
            ms => ms.max(0) as u32,
        };
        (timeout << self.doublings).min(MAX_WAIT.max(timeout))
    }

    /// Returns the latest time at which a packet written at `written` can have been transmitted. A
    /// flush longer ago than the wait is ignored: it does not matter, and after 24 days it would
    /// appear to be in the future.
    fn transmitted_at(&self, written: Millis, now: Millis) -> Millis {
        let is_recent = self.flushed_at != NEVER && now.wrapping_sub(self.flushed_at) <= self.wait();
        if is_recent && reached(self.flushed_at, written) { self.flushed_at } else { written }
    }

    /// Returns true if a packet written at `written` has waited too long for its answer.
    pub fn is_late(&self, written: Millis, now: Millis) -> bool {
        let wait = self.wait();
        wait != NEVER && now.wrapping_sub(self.transmitted_at(written, now)) >= wait
    }

    /// The connection ended, or everything is answered: stops the timer, resets the doubling, and lets
    /// an overdue answer be reported again.
    pub fn stop(&mut self) {
        *self = AckTimer { timeout: self.timeout, ..Self::NEW };
    }

    /// Returns true if an overdue acknowledgement is to be reported, which is once until the timer is
    /// stopped.
    pub fn report(&mut self) -> bool {
        !core::mem::replace(&mut self.is_reported, true)
    }

    /// A packet that expects an answer was written.
    pub fn on_sent(&mut self, now: Millis) {
        if self.deadline == NEVER {
            self.arm(now, now);
        }
    }

    /// Sets the deadline for the oldest unanswered packet, written at `written`.
    fn arm(&mut self, written: Millis, now: Millis) {
        let wait = self.wait();
        self.deadline = if wait == NEVER { NEVER } else { self.transmitted_at(written, now).wrapping_add(wait + SLACK).max(1) };
    }

    /// Bytes were transmitted; `unsent` bytes are still waiting.
    pub fn on_transmitted(&mut self, unsent: usize, now: Millis) {
        if unsent > 0 || self.is_flushing {
            self.flushed_at = now.max(1);
        }
        self.is_flushing = unsent > 0;
    }

    /// Returns true if the deadline has passed.
    pub fn is_due(&self, now: Millis) -> bool {
        self.deadline != NEVER && reached(now, self.deadline)
    }

    /// Returns the deadline; [`NEVER`] if stopped.
    pub fn deadline(&self) -> Millis {
        self.deadline
    }

    /// PINGREQ was sent; its PINGRESP decides what is overdue.
    pub fn on_ping_sent(&mut self) {
        self.deadline = NEVER;
    }

    /// PINGRESP was received. `oldest` is when the oldest unanswered packet was written, [`NEVER`]
    /// if there is none.
    pub fn on_pong(&mut self, oldest: Millis, now: Millis) {
        self.deadline = NEVER;
        if oldest != NEVER {
            self.arm(oldest, now);
        }
    }

    /// Something was overdue and is retransmitted; doubles the wait.
    pub fn on_overdue(&mut self) {
        self.doublings = (self.doublings + 1).min(8);
    }

    /// A retransmitted packet was answered; resets the doubling.
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

    #[test]
    fn a_packet_written_before_a_long_upload_is_late_only_after_the_upload_is_transmitted() {
        let mut o = AckTimer::NEW;
        // Transmitted in one step: when it was written.
        o.on_transmitted(0, 5000);
        assert!(o.is_late(1000, 21_000) && !o.is_late(1000, 20_999));
        // In two steps: possibly with the last of them.
        o.on_transmitted(100, 6000);
        assert!(o.is_late(1000, 26_000) && !o.is_late(1000, 25_999));
        o.on_transmitted(0, 9000);
        assert!(o.is_late(1000, 29_000) && !o.is_late(1000, 28_999));
        // A later transmission in one step changes nothing.
        o.on_transmitted(0, 15_000);
        assert!(o.is_late(1000, 29_000));
        assert!(o.is_late(10_000, 30_000) && !o.is_late(10_000, 29_999), "it was written after the upload");
    }

    #[test]
    fn nothing_is_due_until_pingresp_and_then_the_oldest_unanswered_packet() {
        let mut o = AckTimer::NEW;
        o.set_timeout(5000);
        o.on_sent(1000);
        o.on_sent(2000);
        assert_eq!(o.deadline(), 7000, "the oldest");
        assert!(!o.is_due(6999) && o.is_due(7000));
        o.on_ping_sent();
        assert_eq!((o.deadline(), o.is_due(8000)), (0, false));
        o.on_pong(4000, 8000);
        assert_eq!(o.deadline(), 10_000);
        o.on_pong(0, 8000);
        assert_eq!(o.deadline(), 0);
        o.on_sent(9000);
        o.stop();
        assert_eq!(o.deadline(), 0);
        o.on_sent(20_000);
        assert_eq!(o.deadline(), 26_000, "the configured timeout is kept");
    }

    #[test]
    fn the_wait_doubles_up_to_two_minutes_or_the_configured_timeout_if_longer() {
        for (timeout, waits) in
            [(0, [20_000, 40_000, 80_000, 120_000, 120_000]), (1000, [1000, 2000, 4000, 8000, 16_000]), (200_000, [200_000; 5])]
        {
            let mut o = AckTimer::NEW;
            o.set_timeout(timeout);
            for wait in waits {
                assert!(!o.is_late(500, 500 + wait - 1) && o.is_late(500, 500 + wait), "{timeout} {wait}");
                o.on_overdue();
            }
            o.on_answered(1000);
            assert_eq!(o.deadline(), 1000 + waits[0] + 1000);
        }
        let mut o = AckTimer::NEW;
        o.set_timeout(-1);
        o.on_sent(1000);
        assert!(!o.is_late(0, 1 << 30));
        assert_eq!(o.deadline(), 0);
    }
}
