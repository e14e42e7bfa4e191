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
const PING_LIMIT: u32 = 30_000;

/// Where the network was down in between, an answer has so long, milliseconds,
const URGENT_LIMIT: u32 = 5000;

/// if the last came within so many milliseconds.
const QUICK: u32 = 2000;

/// Who looks so much later than the limit, milliseconds, was kept from looking,
const LATE: u32 = 250;

/// and looks once more after so many.
const GRACE: u32 = 1000;

/// The two clocks of one connection.
pub struct KeepAlive {
    /// Milliseconds; 0 for none.
    interval: u32,
    sent: Millis,
    received: Millis,
    /// Since when PINGRESP has been awaited; 0 if it is not. What would be 0 is a millisecond later.
    ping: Millis,
    /// When that PINGREQ was written.
    asked: Millis,
    /// How long the last answer took: PINGRESP, or at first CONNACK.
    took: u32,
    /// So many bytes have to leave until PINGREQ has, too.
    behind: usize,
    /// Nothing is due before this: most of what happens on a connection only puts off what is due, so there is nothing to work out until then.
    look_at: Millis,
    /// The network went down, and nothing has come in since.
    doubtful: bool,
    /// It came up again: the answer has less time.
    urgent: bool,
    /// A ping is wanted now.
    wanted: bool,
}

impl KeepAlive {
    /// None is kept.
    pub const NEW: Self = KeepAlive {
        interval: 0,
        sent: 0,
        received: 0,
        ping: 0,
        asked: 0,
        took: 0,
        behind: 0,
        look_at: 0,
        doubtful: false,
        urgent: false,
        wanted: false,
    };

    /// A connection begins, with the interval that its CONNECT names.
    pub fn start(&mut self, seconds: u16, now: Millis) {
        *self = KeepAlive { interval: seconds as u32 * 1000, sent: now, received: now, ..Self::NEW };
        self.look_at = self.earliest();
    }

    /// CONNACK came in: so long takes an answer.
    pub fn on_accepted(&mut self, now: Millis) {
        self.took = now.wrapping_sub(self.sent);
    }

    /// A packet was sent.
    pub fn on_sent(&mut self, now: Millis) {
        self.sent = now;
    }

    /// Something came in: what is being waited for may be behind it.
    pub fn on_received(&mut self, now: Millis) {
        self.received = now;
        (self.doubtful, self.urgent) = (false, false);
        self.wait_on(now);
    }

    /// The answer, if one is awaited, has all its time from now on.
    fn wait_on(&mut self, now: Millis) {
        if self.ping != 0 {
            self.ping = now.max(1);
        }
    }

    /// PINGREQ was written; with it so many bytes wait to leave.
    pub fn on_ping(&mut self, behind: usize, now: Millis) {
        self.sent = now;
        self.wanted = false;
        // Another one, while the answer to the first is awaited, does not put its end off.
        if self.ping == 0 {
            (self.ping, self.asked, self.behind) = (now.max(1), now, behind);
        }
        self.look_at = self.earliest();
    }

    /// So many bytes have left. As long as PINGREQ is behind them, the link is slow, not dead.
    pub fn on_left(&mut self, bytes: usize, now: Millis) {
        if self.behind > 0 {
            self.behind = self.behind.saturating_sub(bytes);
            self.wait_on(now);
        }
    }

    /// PINGRESP came in. When the ping was written, and how long the answer took, in milliseconds, if one was awaited.
    pub fn on_pong(&mut self, now: Millis) -> Option<(Millis, u32)> {
        if core::mem::take(&mut self.ping) == 0 {
            return None;
        }
        self.look_at = self.earliest();
        self.took = now.wrapping_sub(self.asked);
        Some((self.asked, self.took))
    }

    /// How long the last PINGRESP of this connection took, milliseconds; 0 before the first: CONNACK may take much longer.
    pub fn round_trip(&self) -> u32 {
        if self.asked == 0 { 0 } else { self.took }
    }

    /// True if PINGRESP is awaited.
    pub fn is_asking(&self) -> bool {
        self.ping != 0
    }

    /// The network has gone down: the connection may be dead.
    pub fn on_network_down(&mut self) {
        self.doubtful = true;
        self.want();
    }

    /// The network has come up: a ping shows whether this connection has lived through it.
    pub fn on_network_up(&mut self, now: Millis) {
        if self.doubtful && self.took <= QUICK {
            self.urgent = true;
            self.wait_on(now);
            self.look_at = now;
        }
        self.want();
    }

    fn want(&mut self) {
        self.wanted = self.ping == 0;
    }

    /// True if the network went down and nothing has come in since.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// When to look again, as something may be due then.
    pub fn deadline(&self) -> Millis {
        if self.interval == 0 && self.ping == 0 { NEVER } else { self.look_at.max(1) }
    }

    /// Until when the answer has to come: half an interval at least, so that with the ping after less than one a dead peer is noticed
    /// within 1.5, and 10 s where the interval is not shorter.
    fn limit(&self) -> Millis {
        let limit = match self.interval {
            _ if self.urgent => URGENT_LIMIT,
            0 => PING_LIMIT,
            interval => (interval / 2).max(interval.min(10_000)),
        };
        self.ping.wrapping_add(limit)
    }

    /// When something will be due if nothing happens until then.
    fn earliest(&self) -> Millis {
        let limit = self.limit();
        if self.interval == 0 {
            return limit;
        }
        // Some way before the limit, as the link and the poll interval take their time as well.
        let early = self.interval - (self.interval / 4).min(5000);
        let sent = self.sent.wrapping_add(early);
        let other = if self.ping != 0 { limit } else { self.received.wrapping_add(early) };
        if reached(sent, other) { other } else { sent }
    }

    /// What is due now.
    pub fn due(&mut self, now: Millis) -> Due {
        if self.wanted {
            return Due::Ping;
        }
        if self.deadline() == NEVER || !reached(now, self.look_at) {
            return Due::Nothing;
        }
        self.look_at = self.earliest();
        if !reached(now, self.look_at) {
            return Due::Nothing;
        }
        let late = now.wrapping_sub(self.limit());
        if self.ping == 0 || (late as i32) < 0 {
            return Due::Ping;
        }
        if late > LATE {
            // The app has kept us from looking: what has come in meanwhile is yet to be read.
            self.ping = self.ping.wrapping_add(late + GRACE).max(1);
            self.look_at = self.earliest();
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
        k.on_left(1000, 80_000);
        assert_eq!(k.due(109_999), Due::Nothing);
        k.on_left(2000, 109_999);
        k.on_left(1000, 139_000);
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

    /// A connection without keep-alive, or with 60 s, whose CONNACK has taken so long.
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
    fn where_the_network_was_down_an_answer_has_five_seconds_on_a_link_that_was_quick() {
        for (took, dead_at) in [(2000, 15_000), (2001, 40_000)] {
            let mut k = accepted(60, took);
            k.on_network_down();
            assert_eq!(k.due(5000), Due::Ping);
            k.on_ping(0, 5000);
            k.on_network_up(10_000);
            assert!(k.is_doubtful());
            // The time counts from then on, or from the ping where the link was slow.
            let dead_at = if took > 2000 { 35_000 } else { dead_at };
            assert_eq!((k.due(dead_at - 1), k.due(dead_at)), (Due::Nothing, Due::Dead), "{took}");
        }
    }

    #[test]
    fn a_ping_that_is_under_way_is_not_followed_by_another_when_the_network_changes() {
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
        assert!(!k.is_doubtful());
        k.on_network_up(8000);
        assert_eq!(k.due(8000), Due::Ping, "another network");
    }

    #[test]
    fn the_round_trip_is_that_of_the_last_ping_and_unknown_before_the_first() {
        let mut k = accepted(60, 700);
        assert_eq!(k.round_trip(), 0);
        for took in [300, 40] {
            k.on_ping(0, 5000);
            k.on_pong(5000 + took);
            assert_eq!(k.round_trip(), took);
        }
    }

    #[test]
    fn who_was_kept_from_looking_in_time_looks_once_more_a_second_later() {
        // The ping of 55 s is to be answered by 85 s.
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
