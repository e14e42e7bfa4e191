//! The link between client and broker: two byte streams that delay, split and stall, and break off at any byte.

use super::rng::Rng;
use std::collections::VecDeque;

/// How a link behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Longest delay of a piece, milliseconds.
    pub delay: u64,
    /// Longest piece, bytes.
    pub piece: u64,
    /// One piece in so many is held up, 0 for none,
    pub stall_one_in: u64,
    /// for so many milliseconds at most.
    pub stall: u64,
}

/// One direction.
#[derive(Default)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    due: u64,
}

impl Pipe {
    fn delay(&mut self, now: u64, rng: &mut Rng, manner: Manner) {
        self.due = now + rng.below(manner.delay + 1);
        if rng.one_in(manner.stall_one_in) {
            self.due += rng.below(manner.stall);
        }
    }

    pub fn push(&mut self, bytes: &[u8], now: u64, rng: &mut Rng, manner: Manner) {
        if self.bytes.is_empty() {
            self.delay(now, rng, manner);
        }
        self.bytes.extend(bytes);
    }

    /// When the next piece arrives.
    pub fn due(&self) -> Option<u64> {
        (!self.bytes.is_empty()).then_some(self.due)
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The piece that arrives now.
    pub fn take(&mut self, now: u64, rng: &mut Rng, manner: Manner) -> Vec<u8> {
        let n = (rng.between(1, manner.piece) as usize).min(self.bytes.len());
        self.delay(now, rng, manner);
        self.bytes.drain(..n).collect()
    }

    /// The first `n` bytes, whenever they are due.
    pub fn first(&mut self, n: usize) -> Vec<u8> {
        self.bytes.drain(..n.min(self.bytes.len())).collect()
    }

    /// Everything, at once.
    pub fn drain(&mut self) -> Vec<u8> {
        self.bytes.drain(..).collect()
    }

    /// What still arrives of a stream that breaks off now.
    pub fn last(&mut self, rng: &mut Rng) -> Vec<u8> {
        let n = rng.below(self.bytes.len() as u64 + 1) as usize;
        let last = self.bytes.drain(..n).collect();
        self.bytes.clear();
        last
    }
}

/// How far an attempt to connect has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// It succeeds then,
    At(u64),
    /// or fails then,
    FailsAt(u64),
    /// or never ends.
    Never,
    /// It is up.
    Done,
}

/// One connection, from the beginning of the attempt to the client's notice of its end.
pub struct Link {
    pub opening: Opening,
    /// Client to broker.
    pub up: Pipe,
    /// Broker to client.
    pub down: Pipe,
    /// The client has closed it and is told then.
    pub closed_at: Option<u64>,
    /// The client closes it when all is sent.
    pub flushing: bool,
    /// The broker has closed it: the client is told when it has read all.
    pub broker_closed: bool,
}

impl Link {
    pub fn new(opening: Opening) -> Self {
        Link { opening, up: Pipe::default(), down: Pipe::default(), closed_at: None, flushing: false, broker_closed: false }
    }
}
