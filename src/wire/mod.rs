//! MQTT 3.1.1 on the wire: bytes to packets and packets to bytes.
//!
//! No state, no allocation, no clock, no panic: every function is total over its input. What is known
//! here is the standard's chapters 1 to 3 and the topic rules of 4.7; sessions are not.
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod topic;
mod utf8;
pub mod websocket;

pub use decode::{AckKind, Decoded, Header, InPacket, ProtocolError, decode, header};
pub use encode::{Connect, OutPacket, connect_options, count_pubacks, size};
pub use topic::{TopicError, check_filter, check_name, is_wildcard, matches};

#[cfg(test)]
mod tests;

/// Quality of Service of a message: what the sender promises about its delivery.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum QoS {
    /// At most once: sent and forgotten.
    AtMostOnce = 0,
    /// At least once: repeated until PUBACK.
    AtLeastOnce = 1,
    /// Exactly once: PUBLISH, PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS with this number; whatever is above 2 counts as 2, below 0 as 0, as the C API takes it.
    pub const fn clamped(n: i32) -> QoS {
        match n {
            i32::MIN..=0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    /// The QoS in the flags of a PUBLISH.
    pub const fn of_flags(flags: u8) -> QoS {
        match flags & 6 {
            0 => QoS::AtMostOnce,
            2 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }
}

/// A Packet Identifier, never zero \[MQTT-2.3.1-1\].
pub type PacketId = core::num::NonZeroU16;

/// The largest Remaining Length that four bytes can say (2.2.3).
pub const MAX_REMAINING: u32 = 268_435_455;

/// Packet types by their number in the fixed header (2.2.1).
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
