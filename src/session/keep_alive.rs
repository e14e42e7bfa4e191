//! Keep-alive (3.1.2.10): when to send PINGREQ, and when to consider the broker dead.
//!
//! A PINGREQ is sent before an interval passes without sending, as the standard requires
//! \[MQTT-3.1.2-23\], and also before one passes without receiving, so that outgoing traffic cannot
//! hide a dead peer. PINGRESP has a deadline of its own.

/// Milliseconds of uptime: 32 bits that wrap every 49.7 days. Two values are compared by their
/// distance.
pub type Millis = u32;

/// Returns true if `deadline` is now or in the past.
pub fn reached(now: Millis, deadline: Millis) -> bool {
    now.wrapping_sub(deadline) as i32 >= 0
}

/// A deadline that never comes. A real deadline that falls on this value is set one millisecond
/// later.
pub const NEVER: Millis = 0;

/// Returns the earlier of two deadlines, either of which may be [`NEVER`].
#[inline(never)]
pub fn earlier(a: Millis, b: Millis) -> Millis {
    if a == NEVER || b != NEVER && reached(a, b) { b } else { a }
}

/// What keep-alive requires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Send PINGREQ.
    Ping,
    /// No PINGRESP was received in time: close the connection.
    Dead,
}

/// PINGRESP timeout of a connection without keep-alive, in milliseconds.
const PONG_TIMEOUT: u32 = 30_000;

/// PINGRESP timeout after a network outage, in milliseconds, if the last round trip was fast.
const URGENT_PONG_TIMEOUT: u32 = 5000;

/// The longest round trip that counts as fast, in milliseconds.
const FAST_ROUND_TRIP: u32 = 2000;

/// A check this many milliseconds after the deadline shows that the app blocked the event loop.
const LATE_CHECK: u32 = 250;

/// After such a late check, the additional wait in milliseconds.
const GRACE: u32 = 1000;

/// The keep-alive state of one connection. What is used most comes first; `repr(C)` keeps that order.
#[repr(C)]
pub struct KeepAlive {
    sent: Millis,
    received: Millis,
    /// When the wait for PINGRESP started; 0 if none is awaited. A start that falls on 0 is one
    /// millisecond later.
    awaiting_since: Millis,
    /// When that PINGREQ was written.
    ping_sent_at: Millis,
    /// The last round trip in milliseconds: of PINGREQ, or initially of CONNECT.
    round_trip: u32,
    /// Bytes still to be transmitted up to and including PINGREQ.
    ping_backlog: usize,
    /// Nothing is due before this time. Most activity only postpones what is due, so nothing needs
    /// to be computed until then.
    next_check: Millis,
    /// The network went down, and nothing has been received since.
    unconfirmed: bool,
    /// The network came up again: PINGRESP has a shorter timeout.
    urgent: bool,
    /// Send PINGREQ now.
    ping_requested: bool,
    /// Keep-alive interval in milliseconds; 0 disables it.
    interval: u32,
}

impl KeepAlive {
    /// No connection.
    pub const NEW: Self = KeepAlive {
        interval: 0,
        sent: 0,
        received: 0,
        awaiting_since: 0,
        ping_sent_at: 0,
        round_trip: 0,
        ping_backlog: 0,
        next_check: 0,
        unconfirmed: false,
        urgent: false,
        ping_requested: false,
    };

    /// A connection starts, with the keep-alive interval of its CONNECT.
    pub fn start(&mut self, seconds: u16, now: Millis) {
        *self = KeepAlive { interval: seconds as u32 * 1000, sent: now, received: now, ..Self::NEW };
        self.next_check = self.next_due();
    }

    /// CONNACK was received: the first measure of the round trip.
    pub fn on_accepted(&mut self, now: Millis) {
        self.round_trip = now.wrapping_sub(self.sent);
    }

    /// A packet was sent.
    pub fn on_sent(&mut self, now: Millis) {
        self.sent = now;
    }

    /// Bytes were received: PINGRESP may be queued behind them.
    pub fn on_received(&mut self, now: Millis) {
        self.received = now;
        (self.unconfirmed, self.urgent) = (false, false);
        self.restart_wait(now);
    }

    /// Restarts the PINGRESP timeout, if one is running.
    #[inline(never)]
    fn restart_wait(&mut self, now: Millis) {
        if self.awaiting_since != 0 {
            self.awaiting_since = now.max(1);
        }
    }

    /// PINGREQ was written; `unsent` bytes, including it, are waiting to be transmitted.
    pub fn on_ping(&mut self, unsent: usize, now: Millis) {
        self.sent = now;
        self.ping_requested = false;
        // A second PINGREQ does not postpone the deadline of the first.
        if self.awaiting_since == 0 {
            (self.awaiting_since, self.ping_sent_at, self.ping_backlog) = (now.max(1), now, unsent);
        }
        self.next_check = self.next_due();
    }

    /// This many bytes were transmitted. As long as PINGREQ is not, the link is slow, not dead.
    pub fn on_transmitted(&mut self, bytes: usize, now: Millis) {
        if self.ping_backlog > 0 {
            self.ping_backlog = self.ping_backlog.saturating_sub(bytes);
            self.restart_wait(now);
        }
    }

    /// PINGRESP was received. Returns when its PINGREQ was written and the round trip in
    /// milliseconds; `None` if no PINGRESP was awaited.
    pub fn on_pong(&mut self, now: Millis) -> Option<(Millis, u32)> {
        if core::mem::take(&mut self.awaiting_since) == 0 {
            return None;
        }
        self.next_check = self.next_due();
        self.round_trip = now.wrapping_sub(self.ping_sent_at);
        Some((self.ping_sent_at, self.round_trip))
    }

    /// Returns true if PINGRESP is awaited.
    pub fn is_awaiting_pong(&self) -> bool {
        self.awaiting_since != 0
    }

    /// The network went down: the connection may be dead.
    pub fn on_network_down(&mut self) {
        self.unconfirmed = true;
        self.request_ping();
    }

    /// The network came up: a ping shows whether the connection has survived.
    pub fn on_network_up(&mut self, now: Millis) {
        if self.unconfirmed && self.round_trip <= FAST_ROUND_TRIP {
            self.urgent = true;
            self.restart_wait(now);
            self.next_check = now;
        }
        self.request_ping();
    }

    fn request_ping(&mut self) {
        self.ping_requested = self.awaiting_since == 0;
    }

    /// Returns true if the network went down and nothing has been received since.
    pub fn is_unconfirmed(&self) -> bool {
        self.unconfirmed
    }

    /// Returns when to call `due` next; [`NEVER`] if nothing can become due.
    pub fn deadline(&self) -> Millis {
        if self.interval == 0 && self.awaiting_since == 0 { NEVER } else { self.next_check.max(1) }
    }

    /// Returns the PINGRESP deadline. The timeout is half the interval, so that a dead peer is
    /// detected within 1.5 intervals, but at least 10 s or the whole interval, whichever is
    /// shorter.
    fn pong_deadline(&self) -> Millis {
        let limit = match self.interval {
            _ if self.urgent => URGENT_PONG_TIMEOUT,
            0 => PONG_TIMEOUT,
            interval => (interval / 2).max(interval.min(10_000)),
        };
        self.awaiting_since.wrapping_add(limit)
    }

    /// Returns when something becomes due if nothing happens until then.
    fn next_due(&self) -> Millis {
        let limit = self.pong_deadline();
        if self.interval == 0 {
            return limit;
        }
        // Ping some time before the interval ends, as the link and the poll interval cause delays.
        let early = self.interval - (self.interval / 4).min(5000);
        let sent = self.sent.wrapping_add(early);
        let other = if self.awaiting_since != 0 { limit } else { self.received.wrapping_add(early) };
        if reached(sent, other) { other } else { sent }
    }

    /// Returns what is due now.
    pub fn due(&mut self, now: Millis) -> Due {
        if self.ping_requested {
            return Due::Ping;
        }
        if self.deadline() == NEVER || !reached(now, self.next_check) {
            return Due::Nothing;
        }
        self.next_check = self.next_due();
        if !reached(now, self.next_check) {
            return Due::Nothing;
        }
        let late = now.wrapping_sub(self.pong_deadline());
        if self.awaiting_since == 0 || (late as i32) < 0 {
            return Due::Ping;
        }
        if late > LATE_CHECK {
            // The app blocked the event loop: received bytes may still be unread.
            self.awaiting_since = self.awaiting_since.wrapping_add(late + GRACE).max(1);
            self.next_check = self.next_due();
            return Due::Nothing;
        }
        Due::Dead
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, KeepAlive, NEVER};

    fn started(now: u32) -> KeepAlive {
        let mut k = KeepAlive::NEW;
        k.start(60, now);
        k
    }

    #[test]
    fn a_ping_is_due_before_the_interval_ends() {
        let mut k = started(1000);
        assert_eq!(k.due(55_999), Due::Nothing);
        assert_eq!(k.due(56_000), Due::Ping);
    }

    #[test]
    fn sending_alone_does_not_put_the_ping_off() {
        let mut k = started(0);
        for s in 0..55 {
            k.on_sent(s * 1000);
        }
        assert_eq!(k.due(55_000), Due::Ping);
    }

    #[test]
    fn traffic_both_ways_needs_no_ping() {
        let mut k = started(0);
        k.on_sent(50_000);
        k.on_received(50_000);
        assert_eq!(k.due(104_999), Due::Nothing);
        assert_eq!(k.due(105_000), Due::Ping);
    }

    #[test]
    fn the_answer_has_its_own_deadline_whatever_is_sent() {
        let mut k = started(0);
        k.on_sent(55_000);
        k.on_ping(0, 55_000);
        k.on_sent(84_000);
        assert_eq!(k.due(84_999), Due::Nothing);
        assert_eq!(k.due(85_000), Due::Dead);
        assert_eq!(k.on_pong(85_000), Some((55_000, 30_000)));
        assert_eq!(k.due(85_000), Due::Ping, "nothing else came in since the start");
    }

    #[test]
    fn the_answer_may_wait_behind_a_large_packet() {
        let mut k = started(0);
        k.on_ping(0, 55_000);
        k.on_received(80_000);
        assert_eq!(k.due(109_999), Due::Nothing);
        assert_eq!(k.due(110_000), Due::Dead);
    }

    #[test]
    fn a_ping_may_wait_behind_a_long_upload_but_what_is_sent_after_it_does_not_count() {
        let mut k = started(0);
        k.on_ping(3000, 55_000);
        k.on_transmitted(1000, 80_000);
        assert_eq!(k.due(109_999), Due::Nothing);
        k.on_transmitted(2000, 109_999);
        k.on_transmitted(1000, 139_000);
        assert_eq!(k.due(139_998), Due::Ping, "nothing was sent since the last one");
        assert_eq!(k.due(139_999), Due::Dead);
    }

    #[test]
    fn while_the_answer_waits_behind_a_large_packet_pings_still_go_out_in_time() {
        let mut k = started(0);
        k.on_ping(0, 55_000);
        k.on_sent(55_000);
        for s in 56..110 {
            k.on_received(s * 1000);
            assert_eq!(k.due(s * 1000), Due::Nothing);
        }
        k.on_received(110_000);
        assert_eq!(k.due(110_000), Due::Ping, "nothing was sent since the last one");
        k.on_ping(0, 110_000);
        k.on_sent(110_000);
        assert_eq!(k.due(139_999), Due::Nothing);
        assert_eq!(k.due(140_000), Due::Dead);
    }

    #[test]
    fn the_clock_may_wrap_around() {
        let mut k = started(u32::MAX - 10_000);
        assert_eq!(k.due(44_000), Due::Nothing);
        assert_eq!(k.due(45_000), Due::Ping);
    }

    #[test]
    fn no_interval_no_ping() {
        let mut k = KeepAlive::NEW;
        k.start(0, 5);
        assert_eq!((k.deadline(), k.due(1 << 30)), (NEVER, Due::Nothing));
    }

    /// A connection with this keep-alive, whose CONNACK took `took` milliseconds.
    fn accepted(seconds: u16, took: u32) -> KeepAlive {
        let mut k = KeepAlive::NEW;
        k.start(seconds, 1000);
        k.on_accepted(1000 + took);
        k.on_received(1000 + took);
        k
    }

    #[test]
    fn without_keep_alive_a_ping_has_thirty_seconds() {
        let mut k = accepted(0, 100);
        k.on_ping(0, 5000);
        assert_eq!(k.deadline(), 35_000);
        assert_eq!((k.due(34_999), k.due(35_000)), (Due::Nothing, Due::Dead));
    }

    #[test]
    fn after_the_network_was_down_pingresp_must_come_within_five_seconds_on_a_fast_link() {
        for (took, dead_at) in [(2000, 15_000), (2001, 40_000)] {
            let mut k = accepted(60, took);
            k.on_network_down();
            assert_eq!(k.due(5000), Due::Ping);
            k.on_ping(0, 5000);
            k.on_network_up(10_000);
            assert!(k.is_unconfirmed());
            // Counted from then on; on a slow link, from the ping.
            let dead_at = if took > 2000 { 35_000 } else { dead_at };
            assert_eq!((k.due(dead_at - 1), k.due(dead_at)), (Due::Nothing, Due::Dead), "{took}");
        }
    }

    #[test]
    fn a_network_change_sends_no_second_ping_while_one_is_unanswered() {
        let mut k = accepted(60, 100);
        k.on_network_down();
        assert_eq!(k.due(5000), Due::Ping);
        k.on_ping(0, 5000);
        k.on_network_up(6000);
        assert_eq!(k.due(6000), Due::Nothing);
        k.on_network_down();
        assert_eq!(k.due(6000), Due::Nothing);
        k.on_received(7000);
        assert_eq!(k.on_pong(7000), Some((5000, 2000)));
        assert!(!k.is_unconfirmed());
        k.on_network_up(8000);
        assert_eq!(k.due(8000), Due::Ping, "another network");
    }

    #[test]
    fn a_deadline_checked_too_late_is_checked_once_more_a_second_later() {
        // A ping at 55 s must be answered by 85 s.
        let asked = || {
            let mut k = started(0);
            k.on_sent(55_000);
            k.on_ping(0, 55_000);
            k
        };
        assert_eq!(asked().due(85_250), Due::Dead);
        for late in [251, 3000] {
            let mut k = asked();
            assert_eq!(k.due(85_000 + late), Due::Nothing);
            assert_eq!(k.deadline(), 86_000 + late);
            assert_eq!((k.due(85_999 + late), k.due(86_000 + late)), (Due::Nothing, Due::Dead), "{late}");
        }
    }

    #[test]
    fn mqtt_3_1_2_23_a_ping_is_early_by_a_quarter_of_the_interval_or_five_seconds() {
        for (seconds, at) in [(4, 3000), (10, 7500), (20, 15_000), (21, 16_000), (65_535, 65_530_000)] {
            let mut k = KeepAlive::NEW;
            k.start(seconds, 0);
            assert_eq!((k.due(at - 1), k.deadline(), k.due(at)), (Due::Nothing, at, Due::Ping), "{seconds}");
        }
    }
}
