//! The tap: decodes what the client sends, packet by packet, and checks the rules for senders.
//!
//! It knows what the client has received, so it can tell which packet IDs are in use and which
//! responses are due.

use super::super::reference::{Parsed, parse};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a packet ID is in use for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    Message {
        number: u32,
        qos: u8,
        released: bool,
    },
    /// With a number for the filter.
    Subscribe(u64),
    Unsubscribe(u64),
}

fn digest(filter: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    filter.hash(&mut hasher);
    hasher.finish()
}

/// Statistics over a run: a simulation in which nothing happens proves nothing.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    pub connects: u64,
    pub dups: u64,
    pub releases_repeated: u64,
    pub pings: u64,
    pub wraps: u64,
}

#[derive(Default)]
pub struct Tap {
    used: BTreeMap<u16, Use>,
    /// Acknowledgements that the client owes, in order \[MQTT-4.6.0-2 to -4\].
    owed: VecDeque<(u8, u16)>,
    begun: bool,
    ended: bool,
    accepted: bool,
    /// CONNECT has requested a clean session: there is a new one, whatever CONNACK says.
    clean: bool,
    written_at: u64,
    keep_alive: u64,
    last_id: u16,
    /// Allocations fail: a ping may be late.
    pub lenient: bool,
    /// Messages are given up in flight, and their exchanges completed by PUBREL.
    pub gives_up: bool,
    pub seen: Seen,
}

/// The message's number, at the start of its payload.
pub fn number(payload: &[u8]) -> u32 {
    payload.first_chunk::<4>().map_or(u32::MAX, |n| u32::from_be_bytes(*n))
}

impl Tap {
    /// A connection starts.
    pub fn up(&mut self) {
        (self.begun, self.ended, self.accepted) = (false, false, false);
        self.owed.clear();
    }

    /// The connection is gone.
    pub fn down(&mut self) {
        self.begun = false;
        self.used.retain(|_, u| matches!(u, Use::Message { .. }));
    }

    fn take_id(&mut self, id: u16, for_what: Use) {
        let before = self.used.insert(id, for_what);
        // 2.3.1-3: what is retransmitted on a connection keeps its packet ID.
        let again = before == Some(for_what) && matches!(for_what, Use::Subscribe(_) | Use::Unsubscribe(_));
        // A QoS 1 message that was given up ends with its connection: no response can arrive.
        let gone = matches!(before, Some(Use::Message { qos: 1, .. })) && self.gives_up;
        if let Some(before) = before.filter(|_| !gone && !again) {
            panic!("2.3.1-2: identifier {id} is taken for {for_what:?} while in use for {before:?}");
        }
        if id < self.last_id && self.last_id > 60_000 && id < 5_000 {
            self.seen.wraps += 1;
        }
        self.last_id = id;
    }

    /// The longest time without sending, checked against keep-alive.
    pub fn check_silence(&self, now: u64) {
        if self.accepted && !self.ended && !self.lenient && self.keep_alive > 0 {
            let silent = now - self.written_at;
            assert!(silent <= self.keep_alive, "3.1.2-23: nothing was written for {silent} ms");
        }
    }

    /// The client sends a packet.
    pub fn wrote(&mut self, bytes: &[u8], now: u64, app: bool) -> Parsed {
        let Some(packet) = parse(bytes) else { panic!("an illegal packet was written: {bytes:02x?}") };
        assert!(!self.ended, "3.14.4-2: {packet:?} after DISCONNECT");
        assert_eq!(self.begun, !matches!(packet, Parsed::Connect { .. }), "3.1.0-1, -2: {packet:?}");
        self.check_silence(now);
        self.written_at = now;
        match &packet {
            Parsed::Connect { keep_alive, clean_session, .. } => {
                self.begun = true;
                self.clean = *clean_session;
                self.keep_alive = *keep_alive as u64 * 1000;
                self.seen.connects += 1;
            }
            Parsed::Publish { qos: 0, .. } => {}
            Parsed::Publish { dup: false, qos, id, payload, .. } => {
                self.take_id(id.unwrap(), Use::Message { number: number(payload), qos: *qos, released: false })
            }
            Parsed::Publish { qos, id, payload, .. } => {
                let expected = Use::Message { number: number(payload), qos: *qos, released: false };
                assert_eq!(self.used.get(&id.unwrap()), Some(&expected), "3.3.1-1: DUP on a message not sent before in this session");
                self.seen.dups += 1;
            }
            Parsed::Subscribe(id, filter, _) => self.take_id(*id, Use::Subscribe(digest(filter))),
            Parsed::Unsubscribe(id, filter) => self.take_id(*id, Use::Unsubscribe(digest(filter))),
            &Parsed::Ack(6, id) if self.owed.front() != Some(&(6, id)) => {
                let gives_up = self.gives_up;
                let right = matches!(self.used.get(&id), Some(&Use::Message { qos: 2, released, .. }) if released || gives_up);
                assert!(right, "PUBREL {id} without PUBREC");
                self.seen.releases_repeated += 1;
            }
            &Parsed::Ack(kind, id) if app => assert_eq!(kind, 4, "{id}"),
            &Parsed::Ack(kind, id) => {
                let owed = self.owed.pop_front();
                assert_eq!(owed, Some((kind, id)), "4.6.0: acknowledgements are owed in the order of what they answer");
            }
            Parsed::PingReq => self.seen.pings += 1,
            Parsed::Disconnect => self.ended = true,
            _ => panic!("a client sends no {packet:?}"),
        }
        packet
    }

    /// The client receives a packet. `by_app`: acknowledging a QoS 1 message is up to the app.
    pub fn read(&mut self, packet: &Parsed, by_app: bool, now: u64) {
        match *packet {
            Parsed::ConnAck { session_present, code: 0 } => {
                // Before that, the connect timeout applies.
                self.accepted = true;
                self.written_at = now;
                if !session_present || self.clean {
                    self.used.clear();
                }
            }
            Parsed::Publish { qos: 1, id: Some(id), .. } if !by_app => self.owed.push_back((4, id)),
            Parsed::Publish { qos: 2, id: Some(id), .. } => self.owed.push_back((5, id)),
            Parsed::Ack(5, id) => {
                self.owed.push_back((6, id));
                if let Some(Use::Message { released, .. }) = self.used.get_mut(&id) {
                    *released = true;
                }
            }
            Parsed::Ack(6, id) => self.owed.push_back((7, id)),
            Parsed::Ack(11, id) => self.free(id, |u| matches!(u, Use::Unsubscribe(_))),
            Parsed::SubAck(id, _) => self.free(id, |u| matches!(u, Use::Subscribe(_))),
            Parsed::Ack(_, id) => self.free(id, |u| matches!(u, Use::Message { .. })),
            _ => {}
        }
    }

    fn free(&mut self, id: u16, used_for: impl Fn(&Use) -> bool) {
        if self.used.get(&id).is_some_and(used_for) {
            self.used.remove(&id);
        }
    }

    /// A message too large to be read is acknowledged all the same.
    pub fn read_oversized(&mut self, qos: u8, id: u16) {
        self.owed.push_back((3 + qos, id));
    }

    /// The PUBREL with this packet ID was never answered, and the client has stopped waiting.
    pub fn gives_up_release(&mut self, id: u16) {
        self.free(id, |u| matches!(u, Use::Message { released: true, .. }));
    }

    /// Nothing is in use and nothing is due.
    pub fn check_end(&self) {
        assert!(self.used.is_empty(), "identifiers still in use: {:?}", self.used);
        assert!(self.owed.is_empty(), "acknowledgements never sent: {:?}", self.owed);
    }
}
