//! The app on the simulated device: what it does of its own accord, and what it and the log were
//! told.

use super::super::reference::Parsed;
use super::link::Opening;
use mgos_mqtt::conn::{BackoffRange, Slot};

/// Something that the app writes in its CONNACK handler.
#[derive(Clone, Debug)]
pub enum Greeting {
    /// A message at QoS 0, published through the library.
    Publish(Vec<u8>),
    /// A packet written to the connection directly.
    Packet(Vec<u8>),
    /// A QoS 1 message written directly, with a packet ID allocated by the library.
    OwnPublish(Vec<u8>),
}

/// A log line about something that the library could not do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    Overdue(u16),
    SetAside {
        id: u16,
        topic: Vec<u8>,
        size: usize,
    },
    SubscriptionSetAside(Vec<u8>),
    SubscribeUnanswered(Vec<u8>),
    SubscribeOverdue,
    /// A message that has left the queue and will not be sent.
    GivenUpAside {
        id: u16,
        topic: Vec<u8>,
    },
    Dropped {
        id: u16,
        topic: Vec<u8>,
    },
    /// The report of messages that are neither acknowledged nor stored any longer.
    GivenUp {
        count: u16,
        first: u16,
        last: u16,
    },
    SessionPresent,
    /// The peer ended the connection early for the third time in a row.
    EndedEarlyAgain,
}

#[derive(Default)]
pub struct App {
    /// How long TCP and TLS take to connect or fail, in milliseconds; random if `None`.
    pub handshake: Option<u64>,
    /// The backoff range of the backup server, if there is one.
    pub backup: Option<BackoffRange>,
    pub greetings: Vec<Greeting>,
    /// The connection's handlers leave messages without a subscription unacknowledged.
    pub ignores_strays: bool,
    /// One of them has acknowledged a message.
    pub acknowledges: bool,
    /// Free heap in bytes, with nothing waiting to be sent.
    pub heap: usize,
    // What happened, with the time.
    pub attempts: Vec<(u64, Slot)>,
    pub accepted: Vec<(u64, Slot)>,
    pub ends: Vec<u64>,
    /// PUBACK and PUBCOMP, as received by the connection's handlers.
    pub acknowledged: Vec<(u64, u16)>,
    /// Answers reported to handlers: packet type and packet ID.
    pub answers: Vec<(u8, u16)>,
    /// Packets written, with payloads cut down to their leading number.
    pub wrote: Vec<(u64, Parsed)>,
    pub log: Vec<(u64, Line)>,
}

impl App {
    /// An attempt starts. Returns its outcome, unless that is random.
    pub fn attempt(&mut self, slot: Slot, unreachable: bool, now: u64) -> Option<Opening> {
        let at = now + self.handshake?;
        self.attempts.push((now, slot));
        Some(if unreachable { Opening::FailsAt(at) } else { Opening::At(at) })
    }

    /// Random lives are checked by the tap, and some of them are ten years long, so nothing is
    /// recorded.
    fn records(&self) -> bool {
        self.handshake.is_some()
    }

    /// CONNACK 0 was received.
    pub fn accepted(&mut self, slot: Slot, now: u64) {
        if self.records() {
            self.accepted.push((now, slot));
        }
    }

    /// The connection or the attempt has ended.
    pub fn ended(&mut self, now: u64) {
        if self.records() {
            self.ends.push(now);
        }
    }

    /// An acknowledgement reaches the connection's handlers.
    pub fn acknowledged(&mut self, id: u16, now: u64) {
        if self.records() {
            self.acknowledged.push((now, id));
        }
    }

    /// An answer reaches a handler.
    pub fn answered(&mut self, kind: u8, id: u16) {
        if self.records() {
            self.answers.push((kind, id));
        }
    }

    /// A line in the log.
    pub fn logs(&mut self, line: Line, now: u64) {
        self.log.push((now, line));
    }

    pub fn wrote(&mut self, packet: &Parsed, now: u64) {
        if !self.records() {
            return;
        }
        let mut packet = packet.clone();
        if let Parsed::Publish { payload, .. } = &mut packet {
            payload.truncate(4);
        }
        self.wrote.push((now, packet));
    }

    /// The key of the broker behind this configuration. One set at run time is the primary again.
    pub fn key(slot: Slot) -> u32 {
        if slot == Slot::Backup { 2 } else { 1 }
    }

    pub fn free_heap(&self, unsent: usize) -> usize {
        self.heap.saturating_sub(unsent)
    }
}
