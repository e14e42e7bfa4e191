//! The MQTT 3.1.1 wire format: parses and serialises packets.
//!
//! Stateless: no allocation, no clock, and no panic on any input. Covers chapters 1 to 3 of the
//! standard and the topic rules of 4.7; knows nothing of sessions.
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod topic;
mod utf8;
pub mod websocket;

pub use decode::{AckKind, Decoded, Header, InPacket, MessageStart, ProtocolError, decode, decode_with, header, message_start};
pub use encode::{Connect, ConnectFields, OutPacket, ack_bytes, connect_options, count_pubacks, publish_head, size};
pub use topic::{TopicError, check_filter, check_name, is_wildcard, matches};

#[cfg(test)]
mod tests;

/// Quality of Service: the delivery guarantee of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum QoS {
    /// At most once: sent without acknowledgement.
    AtMostOnce = 0,
    /// At least once: retransmitted until PUBACK.
    AtLeastOnce = 1,
    /// Exactly once: PUBLISH, PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce = 2,
}

impl QoS {
    /// Returns the QoS for a number, clamped to 0..=2 as the C API requires.
    pub const fn clamped(n: i32) -> QoS {
        match n {
            i32::MIN..=0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    /// Returns the QoS encoded in the flags of a PUBLISH.
    pub const fn of_flags(flags: u8) -> QoS {
        match flags & 6 {
            0 => QoS::AtMostOnce,
            2 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }
}

/// A packet ID, never zero \[MQTT-2.3.1-1\].
pub type PacketId = core::num::NonZeroU16;

/// The largest remaining length that four bytes can encode (2.2.3).
pub const MAX_REMAINING: u32 = 268_435_455;

/// Packet type numbers, as in the fixed header (2.2.1).
pub mod kind {
    #![allow(missing_docs)]
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
}
