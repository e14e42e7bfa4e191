//! Named links between device and broker: TCP as an app sees it, with a round trip, a bandwidth,
//! and buffers that fill up at both ends.

use std::collections::VecDeque;

/// The properties of a link.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Round trip in milliseconds.
    pub round_trip: u64,
    /// Bytes per second, device to broker and back.
    pub up: u64,
    pub down: u64,
    /// Unacknowledged bytes that the device's TCP accepts from the app.
    pub send_buffer: usize,
    /// Bytes that the device's TCP holds for an app that does not read.
    pub receive_buffer: usize,
}

/// An ESP32 in a home network. The buffers are lwIP's as Mongoose OS configures it.
pub const WIFI: Link = Link { round_trip: 20, up: 1_000_000, down: 1_000_000, send_buffer: 5744, receive_buffer: 5744 };

/// A link with a round trip of six seconds, as on a congested cellular network.
pub const SIX_SECOND_ROUND_TRIP: Link = Link { round_trip: 6000, ..WIFI };

/// 5 KB/s in both directions.
pub const FIVE_KB_A_SECOND: Link = Link { round_trip: 100, up: 5_000, down: 5_000, ..WIFI };

/// The same behind a TCP that accepts a megabyte at once, as a workstation's does.
pub const FIVE_KB_A_SECOND_BEHIND_A_DEEP_BUFFER: Link = Link { send_buffer: 1 << 20, ..FIVE_KB_A_SECOND };

/// Bytes that a server's TCP accepts before its app reads them.
const SERVER_BUFFER: usize = 65_536;
const SEGMENT: usize = 1460;

/// One direction of a connection.
pub struct Direction {
    rate: u64,
    delay: u64,
    send_buffer: usize,
    receive_buffer: usize,
    /// Accepted from the sender, not in flight yet.
    waiting: VecDeque<u8>,
    /// In flight: when each segment arrives.
    flight: VecDeque<(u64, Vec<u8>)>,
    /// Segments count against the send buffer until TCP acknowledges them.
    unacknowledged: VecDeque<(u64, usize)>,
    /// In the receiver's buffer.
    arrived: VecDeque<u8>,
    free_at: u64,
}

impl Direction {
    fn new(rate: u64, link: &Link, send_buffer: usize, receive_buffer: usize) -> Self {
        Direction {
            rate,
            delay: link.round_trip / 2,
            send_buffer,
            receive_buffer,
            waiting: VecDeque::new(),
            flight: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            arrived: VecDeque::new(),
            free_at: 0,
        }
    }

    pub fn up(link: &Link) -> Self {
        Self::new(link.up, link, link.send_buffer, SERVER_BUFFER)
    }

    /// The broker has its own queue, so its send buffer is unlimited.
    pub fn down(link: &Link) -> Self {
        Self::new(link.down, link, usize::MAX, link.receive_buffer)
    }

    /// The number of bytes the sender's TCP accepts now.
    pub fn room(&self) -> usize {
        let used = self.waiting.len() + self.unacknowledged.iter().map(|(_, n)| n).sum::<usize>();
        self.send_buffer.saturating_sub(used)
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The number of bytes the receiver can read now.
    pub fn readable(&self) -> usize {
        self.arrived.len()
    }

    pub fn read(&mut self, most: usize) -> Vec<u8> {
        let n = most.min(self.arrived.len());
        self.arrived.drain(..n).collect()
    }

    /// Everything accepted from the sender was read.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.flight.is_empty() && self.arrived.is_empty()
    }

    fn window(&self) -> usize {
        let flight: usize = self.flight.iter().map(|(_, bytes)| bytes.len()).sum();
        self.receive_buffer.saturating_sub(self.arrived.len() + flight)
    }

    /// When something moves next.
    pub fn due(&self) -> Option<u64> {
        let departure = (!self.waiting.is_empty() && self.window() > 0).then_some(self.free_at);
        let arrival = self.flight.front().map(|(at, _)| *at);
        let acknowledgement = self.unacknowledged.front().map(|(at, _)| *at);
        [departure, arrival, acknowledgement].into_iter().flatten().min()
    }

    /// Moves what is due by now.
    pub fn carry(&mut self, now: u64) {
        while self.flight.front().is_some_and(|(at, _)| *at <= now) {
            self.arrived.extend(self.flight.pop_front().unwrap().1);
        }
        while self.unacknowledged.front().is_some_and(|(at, _)| *at <= now) {
            self.unacknowledged.pop_front();
        }
        while self.free_at <= now {
            let n = self.waiting.len().min(SEGMENT).min(self.window());
            if n == 0 {
                break;
            }
            self.free_at = now + n as u64 * 1000 / self.rate;
            self.flight.push_back((self.free_at + self.delay, self.waiting.drain(..n).collect()));
            self.unacknowledged.push_back((self.free_at + 2 * self.delay, n));
        }
    }

    /// Discards what has not been read: it never arrives.
    pub fn discard(&mut self) {
        self.waiting.clear();
        self.flight.clear();
        self.arrived.clear();
    }
}
