//! The link between client and broker: two byte streams that delay, split and stall, and break at
//! any byte.

use super::rng::Rng;
use std::collections::VecDeque;

/// How a link behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Maximum delay of a chunk in milliseconds.
    pub delay: u64,
    /// Maximum size of a chunk in bytes.
    pub piece: u64,
    /// One in this many chunks stalls; 0 for none.
    pub stall_one_in: u64,
    /// Maximum stall in milliseconds.
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

    /// When the next chunk arrives.
    pub fn due(&self) -> Option<u64> {
        (!self.bytes.is_empty()).then_some(self.due)
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the chunk that arrives now.
    pub fn take(&mut self, now: u64, rng: &mut Rng, manner: Manner) -> Vec<u8> {
        let n = (rng.between(1, manner.piece) as usize).min(self.bytes.len());
        self.delay(now, rng, manner);
        self.bytes.drain(..n).collect()
    }

    /// Takes the first `n` bytes, whenever they are due.
    pub fn first(&mut self, n: usize) -> Vec<u8> {
        self.bytes.drain(..n.min(self.bytes.len())).collect()
    }

    /// Takes everything at once.
    pub fn drain(&mut self) -> Vec<u8> {
        self.bytes.drain(..).collect()
    }

    /// What still arrives when the stream breaks now.
    pub fn last(&mut self, rng: &mut Rng) -> Vec<u8> {
        let n = rng.below(self.bytes.len() as u64 + 1) as usize;
        let last = self.bytes.drain(..n).collect();
        self.bytes.clear();
        last
    }
}

/// The progress of an attempt to connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// It will succeed at this time.
    At(u64),
    /// It will fail at this time.
    FailsAt(u64),
    /// It never ends.
    Never,
    /// It has succeeded.
    Done,
}

/// One connection, from the start of the attempt until the client learns of its end.
pub struct Link {
    pub opening: Opening,
    /// Client to broker.
    pub up: Pipe,
    /// Broker to client.
    pub down: Pipe,
    /// The client has closed it and learns of it at this time.
    pub closed_at: Option<u64>,
    /// The client closes it when everything is sent.
    pub flushing: bool,
    /// The broker has closed it: the client learns of it when it has read everything.
    pub broker_closed: bool,
}

impl Link {
    pub fn new(opening: Opening) -> Self {
        Link { opening, up: Pipe::default(), down: Pipe::default(), closed_at: None, flushing: false, broker_closed: false }
    }
}
