//! Keep-alive (3.1.2.10): when to send PINGREQ, and when to take the broker for dead.
//!
//! A ping goes out before the interval has passed since anything was last sent, as the standard asks \[MQTT-3.1.2-23\], and also when
//! nothing has come in for as long: so outgoing traffic can't hide that the other side is gone. Its answer has a deadline of its own.

/// Milliseconds of uptime, in 32 bits that wrap around after 49.7 days. Two of them are compared by their distance.
pub type Millis = u32;

/// True if `deadline` is now or has passed.
pub fn reached(now: Millis, deadline: Millis) -> bool {
    now.wrapping_sub(deadline) as i32 >= 0
}

/// A deadline that never comes. What would be 0 is a millisecond later.
pub const NEVER: Millis = 0;

/// The earlier of two deadlines, either of which may be [`NEVER`].
#[inline(never)]
pub fn earlier(a: Millis, b: Millis) -> Millis {
    if a == NEVER || b != NEVER && reached(a, b) { b } else { a }
}

/// What keep-alive asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send PINGREQ.
    Ping,
    /// No PINGRESP came in time: close the connection.
    Dead,
}

/// A ping of a connection without keep-alive has so long, milliseconds.
const PONG_TIMEOUT: u32 = 30_000;

/// Where the network was down in between, an answer has so long, milliseconds,
const URGENT_PONG_TIMEOUT: u32 = 5000;

/// if the last came within so many milliseconds.
const FAST_ROUND_TRIP: u32 = 2000;

/// Who looks so much later than the limit, milliseconds, was kept from looking,
const LATE_CHECK: u32 = 250;

/// and looks once more after so many.
const GRACE: u32 = 1000;

/// The two clocks of one connection.
pub struct KeepAlive {
    /// Milliseconds; 0 for none.
    interval: u32,
    sent: Millis,
    received: Millis,
    /// Since when PINGRESP has been awaited; 0 if it is not. What would be 0 is a millisecond later.
    awaiting_since: Millis,
    /// When that PINGREQ was written.
    ping_sent_at: Millis,
    /// How long the last answer took: PINGRESP, or at first CONNACK.
    round_trip: u32,
    /// So many bytes have to leave until PINGREQ has, too.
    bytes_before: usize,
    /// Nothing is due before this: most of what happens on a connection only puts off what is due, so there is nothing to work out until then.
    next_check: Millis,
    /// The network went down, and nothing has come in since.
    unconfirmed: bool,
    /// It came up again: the answer has less time.
    urgent: bool,
    /// A ping is wanted now.
    ping_requested: bool,
}

impl KeepAlive {
    /// None is kept.
    pub const NEW: Self = KeepAlive {
        interval: 0,
        sent: 0,
        received: 0,
        awaiting_since: 0,
        ping_sent_at: 0,
        round_trip: 0,
        bytes_before: 0,
        next_check: 0,
        unconfirmed: false,
        urgent: false,
        ping_requested: false,
    };

    /// A connection begins, with the interval that its CONNECT names.
    pub fn start(&mut self, seconds: u16, now: Millis) {
        *self = KeepAlive { interval: seconds as u32 * 1000, sent: now, received: now, ..Self::NEW };
        self.next_check = self.next_due();
    }

    /// CONNACK came in: so long takes an answer.
    pub fn on_accepted(&mut self, now: Millis) {
        self.round_trip = now.wrapping_sub(self.sent);
    }

    /// A packet was sent.
    pub fn on_sent(&mut self, now: Millis) {
        self.sent = now;
    }

    /// Something came in: what is being waited for may be behind it.
    pub fn on_received(&mut self, now: Millis) {
        self.received = now;
        (self.unconfirmed, self.urgent) = (false, false);
        self.restart_wait(now);
    }

    /// The answer, if one is awaited, has all its time from now on.
    fn restart_wait(&mut self, now: Millis) {
        if self.awaiting_since != 0 {
            self.awaiting_since = now.max(1);
        }
    }

    /// PINGREQ was written; with it so many bytes wait to leave.
    pub fn on_ping(&mut self, bytes_before: usize, now: Millis) {
        self.sent = now;
        self.ping_requested = false;
        // Another one, while the answer to the first is awaited, does not put its end off.
        if self.awaiting_since == 0 {
            (self.awaiting_since, self.ping_sent_at, self.bytes_before) = (now.max(1), now, bytes_before);
        }
        self.next_check = self.next_due();
    }

    /// So many bytes have left. As long as PINGREQ is behind them, the link is slow, not dead.
    pub fn on_transmitted(&mut self, bytes: usize, now: Millis) {
        if self.bytes_before > 0 {
            self.bytes_before = self.bytes_before.saturating_sub(bytes);
            self.restart_wait(now);
        }
    }

    /// PINGRESP came in. When the ping was written, and how long the answer took, in milliseconds, if one was awaited.
    pub fn on_pong(&mut self, now: Millis) -> Option<(Millis, u32)> {
        if core::mem::take(&mut self.awaiting_since) == 0 {
            return None;
        }
        self.next_check = self.next_due();
        self.round_trip = now.wrapping_sub(self.ping_sent_at);
        Some((self.ping_sent_at, self.round_trip))
    }

    /// How long the last PINGRESP of this connection took, milliseconds; 0 before the first: CONNACK may take much longer.
    pub fn round_trip(&self) -> u32 {
        if self.ping_sent_at == 0 { 0 } else { self.round_trip }
    }

    /// True if PINGRESP is awaited.
    pub fn is_awaiting_pong(&self) -> bool {
        self.awaiting_since != 0
    }

    /// The network has gone down: the connection may be dead.
    pub fn on_network_down(&mut self) {
        self.unconfirmed = true;
        self.request_ping();
    }

    /// The network has come up: a ping shows whether this connection has lived through it.
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

    /// True if the network went down and nothing has come in since.
    pub fn is_unconfirmed(&self) -> bool {
        self.unconfirmed
    }

    /// When to look again, as something may be due then.
    pub fn deadline(&self) -> Millis {
        if self.interval == 0 && self.awaiting_since == 0 { NEVER } else { self.next_check.max(1) }
    }

    /// Until when the answer has to come: half an interval at least, so that with the ping after less than one a dead peer is noticed
    /// within 1.5, and 10 s where the interval is not shorter.
    fn pong_deadline(&self) -> Millis {
        let limit = match self.interval {
            _ if self.urgent => URGENT_PONG_TIMEOUT,
            0 => PONG_TIMEOUT,
            interval => (interval / 2).max(interval.min(10_000)),
        };
        self.awaiting_since.wrapping_add(limit)
    }

    /// When something will be due if nothing happens until then.
    fn next_due(&self) -> Millis {
        let limit = self.pong_deadline();
        if self.interval == 0 {
            return limit;
        }
        // Some way before the limit, as the link and the poll interval take their time as well.
        let early = self.interval - (self.interval / 4).min(5000);
        let sent = self.sent.wrapping_add(early);
        let other = if self.awaiting_since != 0 { limit } else { self.received.wrapping_add(early) };
        if reached(sent, other) { other } else { sent }
    }

    /// What is due now.
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
            // The app has kept us from looking: what has come in meanwhile is yet to be read.
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
}
