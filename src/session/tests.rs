//! One session under test: packets in as bytes, packets out as bytes, a number for a clock.
//!
//! Where a test holds a statement of the standard, its name begins with the statement's number;
//! docs/testing.md lists them. Whole lives with a broker at the other end are in
//! tests/simulation.rs.
extern crate std;

mod ack_timeout;
mod begin;
mod incoming;
mod lives;
mod outcomes;
mod outgoing;
mod queue;
mod resume;
mod set_aside;
mod snapshot;
mod subscribing;
mod subscription_list;
mod suspects;
mod table;

use super::{Framed, GivenUp, Limits, Notice, Published, Reaction, ReceiveError, Recipient, RequestError, Session, Wants};
use crate::wire::{InPacket, OutPacket, PacketId, ProtocolError, QoS, decode, header, size};
use std::vec;
use std::vec::Vec;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;
const LIMITS: Limits = Limits { max_qos: Q2, max_queue: 10, max_bytes: 0, room: true };
const NEW: &[u8] = &[0x20, 2, 0, 0];
const KEPT: &[u8] = &[0x20, 2, 1, 0];

fn decode_whole(packet: &[u8]) -> InPacket<'_> {
    let h = header(packet).unwrap().unwrap();
    decode(h, &packet[h.len as usize..]).unwrap()
}

/// A session and the time.
struct Rig {
    s: Session<u32>,
    now: u32,
}

fn bytes(out: &OutPacket<'_>) -> Vec<u8> {
    let remaining = out.remaining().unwrap();
    let mut bytes = vec![0; size(remaining)];
    out.write(&mut &mut bytes[..], remaining).unwrap();
    bytes
}

impl Rig {
    /// Not connected.
    fn down() -> Self {
        Rig { s: Session::default(), now: 1000 }
    }

    /// Connected, in a new session that the broker is asked to keep.
    fn up() -> Self {
        let mut rig = Self::down();
        assert_eq!(rig.connect(false, NEW), [] as [Vec<u8>; 0]);
        rig
    }

    /// CONNECT and its answer. What goes out then.
    fn connect(&mut self, clean: bool, connack: &[u8]) -> Vec<Vec<u8>> {
        self.s.connect_sent(clean, 60, self.now);
        self.told(connack);
        self.s.connack_delivered();
        self.out()
    }

    /// The link breaks and comes back to a session that the broker has kept.
    fn resume(&mut self) -> Vec<Vec<u8>> {
        self.s.disconnected(false, 0);
        self.connect(false, KEPT)
    }

    /// A packet comes in.
    fn receive(&mut self, packet: &[u8], others: bool) -> Result<Reaction, ReceiveError> {
        let h = header(packet)?.unwrap();
        self.s.receive(h, &packet[h.len as usize..], others, self.now).map(|(_, reaction)| reaction)
    }

    /// A packet comes in that is in order. The answer to it, as it goes on the wire.
    fn told(&mut self, packet: &[u8]) -> Vec<u8> {
        let reaction = self.receive(packet, false).unwrap();
        let id = decode_whole(packet).id;
        reaction.answer.map_or(vec![], |ack| bytes(&OutPacket::ack(ack, id.unwrap())))
    }

    /// Which rule a packet breaks.
    fn wrong(&mut self, packet: &[u8]) -> ProtocolError {
        match self.receive(packet, false) {
            Err(ReceiveError::Violation(wrong)) => wrong,
            other => panic!("{packet:02x?} was taken: {other:?}"),
        }
    }

    /// What there is to send, one packet.
    fn next(&mut self) -> Option<Vec<u8>> {
        let packet = bytes(&self.s.next(true, self.now)?);
        self.s.sent(0, self.now);
        Some(packet)
    }

    /// All that there is to send.
    fn out(&mut self) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| self.next()).collect()
    }

    /// What is to be logged next.
    fn notice(&mut self) -> Option<Notice<'_>> {
        let expected = self.s.may_have_notices();
        let notice = self.s.notice();
        assert!(expected || notice.is_none());
        notice
    }

    fn publish_to(&mut self, topic: &[u8], payload: &[u8], qos: QoS, limits: Limits) -> Result<Published, RequestError> {
        self.s.publish(topic, payload, qos, false, limits, self.now)
    }

    /// Publishes one byte to `t`. Its identifier.
    fn publish(&mut self, payload: u8, qos: QoS) -> u16 {
        self.publish_to(b"t", &[payload], qos, LIMITS).unwrap().id.get()
    }

    fn subscribe(&mut self, filter: &[u8]) {
        self.s.subscribe(filter, Q1, Recipient { handler: 1, wants: Wants::EVENTS }, 0).unwrap();
    }

    /// Lets the next identifier be `id`.
    fn turn_to(&mut self, id: u16) {
        let before = if id == 1 { u16::MAX } else { id - 1 };
        while self.s.packet_id().get() != before {}
    }
}

/// PUBLISH of one byte to `t`, as it goes on the wire at QoS 1 and 2.
fn message(first: u8, id: u16, payload: u8) -> Vec<u8> {
    let [hi, lo] = id.to_be_bytes();
    vec![first, 6, 0, 1, b't', hi, lo, payload]
}

/// PUBACK and its like.
fn ack(first: u8, id: u16) -> Vec<u8> {
    let [hi, lo] = id.to_be_bytes();
    vec![first, 2, hi, lo]
}

/// Takes the stream apart as the layer above does; what it makes of it, in words.
fn take(s: &mut Session<u32>, mut stream: &[u8], limit: usize) -> Result<Vec<std::string::String>, ProtocolError> {
    let mut said = vec![];
    loop {
        match s.frame(stream, limit)? {
            Framed::Incomplete => return Ok(said),
            Framed::Packet(h, _) => {
                said.push(std::format!("packet {}", h.kind()));
                stream = &stream[h.total()..];
            }
            Framed::Discard(n) => stream = &stream[n..],
            Framed::Oversized { total, .. } => said.push(std::format!("oversized {total}")),
            Framed::Answer(ack, id) => {
                said.push(std::format!("{ack:?} {id}"));
                s.discarded_answered();
            }
        }
    }
}

#[test]
fn errors_have_messages_and_a_source() {
    use crate::wire::TopicError;
    use core::error::Error;
    use std::string::ToString;

    let violation = ReceiveError::Violation(ProtocolError::ZeroId);
    assert_eq!(violation.to_string(), "protocol violation: packet ID 0");
    assert_eq!(violation.source().map(|cause| cause.to_string()), Some("packet ID 0".into()));
    assert_eq!(ReceiveError::OutOfMemory.to_string(), "out of memory");
    assert!(ReceiveError::OutOfMemory.source().is_none());
    let topic = RequestError::Topic(TopicError::Empty);
    assert_eq!((topic.to_string(), topic.source().map(|cause| cause.to_string())), ("empty topic".into(), Some("empty topic".into())));
    let all = [
        RequestError::NullMessage,
        RequestError::TooLarge,
        RequestError::OverQueueBytes,
        RequestError::Offline,
        RequestError::Congested,
        RequestError::OutOfMemory,
    ];
    let words: std::collections::BTreeSet<_> = all.iter().map(|e| e.to_string()).collect();
    assert!(words.len() == all.len() && words.iter().all(|words| words.len() > 5));
    assert!(all.iter().all(|e| e.source().is_none()));
}
