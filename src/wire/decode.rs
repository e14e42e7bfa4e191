//! Parses packets from the broker in place, without copying.
//!
//! `header` parses the fixed header as soon as it is complete, so that an oversized packet is
//! recognised before its body arrives; `decode` parses the whole packet. Anything a server may not
//! send is an error that names the violated rule, for the log.

use super::{PacketId, QoS, check_name, kind};
use core::fmt;

/// The protocol rule that a packet violates; the connection must be closed \[MQTT-4.8.0-1\].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ProtocolError {
    /// A packet type that is reserved, or that only a client sends.
    Type = 1,
    /// Invalid reserved flag bits in the fixed header \[MQTT-2.2.2-2\].
    Flags = 2,
    /// A remaining length encoded in more than four bytes (2.2.3).
    LengthBytes = 3,
    /// A remaining length that does not fit the packet type.
    Length = 4,
    /// A packet ID of zero \[MQTT-2.3.1-1\].
    ZeroId = 5,
    /// QoS 3 \[MQTT-3.3.1-4\].
    QoS = 6,
    /// DUP set on a QoS 0 message \[MQTT-3.3.1-2\].
    Dup = 7,
    /// A topic name that is empty, not UTF-8, or contains a wildcard \[MQTT-3.3.2-1, -2\].
    Topic = 8,
    /// Reserved CONNACK flags, or session present with a refusal code \[MQTT-3.2.2-4\].
    ConnackFlags = 9,
    /// A SUBACK return code other than 0, 1, 2 and 0x80 \[MQTT-3.9.3-2\].
    SubackCode = 10,
    /// A SUBACK with a different number of return codes than the SUBSCRIBE had filters
    /// \[MQTT-3.8.4-5\].
    SubackCount = 11,
    /// A packet before CONNACK \[MQTT-3.2.0-1\], or a second CONNACK.
    Order = 12,
    /// An acknowledgement that does not match the QoS of the message (4.3).
    Ack = 13,
    /// Too many unreleased inbound QoS 2 messages to track.
    TooMany = 14,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProtocolError::Type => "packet type that a server does not send",
            ProtocolError::Flags => "reserved flags",
            ProtocolError::LengthBytes => "remaining length of more than four bytes",
            ProtocolError::Length => "wrong length",
            ProtocolError::ZeroId => "packet ID 0",
            ProtocolError::QoS => "QoS 3",
            ProtocolError::Dup => "DUP at QoS 0",
            ProtocolError::Topic => "invalid topic name",
            ProtocolError::ConnackFlags => "invalid CONNACK flags",
            ProtocolError::SubackCode => "invalid SUBACK code",
            ProtocolError::SubackCount => "wrong number of SUBACK codes",
            ProtocolError::Order => "out of order",
            ProtocolError::Ack => "acknowledgement of the wrong kind",
            ProtocolError::TooMany => "too many open QoS 2 messages",
        })
    }
}

impl core::error::Error for ProtocolError {}

/// A fixed header with valid flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Packet type and flags.
    pub first: u8,
    /// Size of the fixed header itself in bytes, 2 to 5.
    pub len: u8,
    /// Remaining length: the number of bytes after the fixed header.
    pub remaining: u32,
}

impl Header {
    /// Returns the size of the whole packet in bytes.
    pub const fn total(&self) -> usize {
        self.len as usize + self.remaining as usize
    }

    /// Returns the packet type, see [`kind`].
    pub const fn kind(&self) -> u8 {
        self.first >> 4
    }
}

/// An acknowledgement that a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum AckKind {
    /// QoS 1: message received.
    PubAck = kind::PUBACK,
    /// QoS 2, step 2: message received.
    PubRec = kind::PUBREC,
    /// QoS 2, step 3: the packet ID may be released.
    PubRel = kind::PUBREL,
    /// QoS 2, step 4: the packet ID is released.
    PubComp = kind::PUBCOMP,
}

/// A parsed packet from a server; it borrows from the receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InPacket<'a> {
    /// Packet type and flags: the first byte of the fixed header.
    pub first: u8,
    /// The packet ID; `None` for CONNACK, PINGRESP and QoS 0 messages \[MQTT-2.3.1-5\].
    pub id: Option<PacketId>,
    /// The topic name of a PUBLISH: UTF-8, not empty, no wildcard. Empty for other packets.
    pub topic: &'a [u8],
    /// The rest of the packet: the payload of a PUBLISH; the acknowledge flags and return code of a
    /// CONNACK (two bytes); the return codes of a SUBACK, one per filter, each 0, 1, 2 or 0x80.
    pub payload: &'a [u8],
}

impl InPacket<'_> {
    /// Returns the packet type, see [`kind`].
    pub const fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// Returns the QoS of a PUBLISH.
    pub const fn qos(&self) -> QoS {
        QoS::of_flags(self.first)
    }
}

/// The result of parsing; the error is the violated rule.
pub type Decoded<T> = Result<T, ProtocolError>;

/// The constraints on the fixed header, by packet type. The lower two bits hold the minimum
/// remaining length.
const RULES: [u8; 16] = {
    let mut rules = [NEVER_SENT; 16];
    rules[kind::CONNACK as usize] = 2;
    rules[kind::PUBLISH as usize] = 3 | VARIABLE_LENGTH | PUBLISH_FLAGS;
    rules[kind::PUBACK as usize] = 2;
    rules[kind::PUBREC as usize] = 2;
    rules[kind::PUBREL as usize] = 2 | FLAGS_2;
    rules[kind::PUBCOMP as usize] = 2;
    rules[kind::SUBACK as usize] = 3 | VARIABLE_LENGTH;
    rules[kind::UNSUBACK as usize] = 2;
    rules[kind::PINGRESP as usize] = 0;
    rules
};

/// The remaining length may exceed the minimum.
const VARIABLE_LENGTH: u8 = 4;
/// The flags are those of a PUBLISH; otherwise they must be 0, or 2 with `FLAGS_2`.
const PUBLISH_FLAGS: u8 = 8;
const FLAGS_2: u8 = 0x20;
/// A server never sends this type.
const NEVER_SENT: u8 = 0x80;

/// The beginning of a PUBLISH that need not be complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageStart<'a> {
    /// Packet type and flags.
    pub first: u8,
    /// The topic name.
    pub topic: &'a [u8],
    /// Where in the packet the payload begins, behind the packet ID if there is one.
    pub payload_at: usize,
    /// Size of the payload in bytes.
    pub payload_len: usize,
}

/// Decodes the beginning of a PUBLISH, up to the topic. Returns `None` for another packet, an
/// invalid topic, and one that is not complete yet.
pub fn message_start(buf: &[u8]) -> Option<MessageStart<'_>> {
    let h = header(buf).ok()??;
    let (&len, rest) = buf.get(h.len as usize..)?.split_first_chunk::<2>()?;
    let topic = rest.get(..u16::from_be_bytes(len) as usize)?;
    if h.kind() != kind::PUBLISH || check_name(topic).is_err() {
        return None;
    }
    let id_len = if QoS::of_flags(h.first) == QoS::AtMostOnce { 0 } else { 2 };
    let payload_at = h.len as usize + 2 + topic.len() + id_len;
    Some(MessageStart { first: h.first, topic, payload_at, payload_len: h.total().checked_sub(payload_at)? })
}

/// Parses the fixed header at the start of `buf`; returns `None` if it is incomplete.
pub fn header(buf: &[u8]) -> Decoded<Option<Header>> {
    let Some((&first, rest)) = buf.split_first() else {
        return Ok(None);
    };
    let rule = RULES[(first >> 4) as usize];
    if rule == NEVER_SENT {
        return Err(ProtocolError::Type);
    }
    if rule & PUBLISH_FLAGS != 0 {
        if first & 0x06 == 0x06 {
            return Err(ProtocolError::QoS);
        }
        if first & 0x0e == 0x08 {
            return Err(ProtocolError::Dup);
        }
    } else if first & 0x0f != (rule >> 4 & 2) {
        return Err(ProtocolError::Flags);
    }
    let min = (rule & 3) as u32;
    let (mut remaining, mut len) = (0, 1);
    for &b in rest {
        remaining |= ((b & 0x7f) as u32) << (7 * (len - 1));
        len += 1;
        if b < 0x80 {
            // Reject an impossible length now instead of waiting for the body.
            if remaining < min || remaining > min && rule & VARIABLE_LENGTH == 0 {
                return Err(ProtocolError::Length);
            }
            return Ok(Some(Header { first, len, remaining }));
        }
        if len == 5 {
            return Err(ProtocolError::LengthBytes);
        }
    }
    Ok(None)
}

/// Splits a big-endian `u16` off the front of `body`.
fn take_u16(body: &mut &[u8]) -> Decoded<u16> {
    let (bytes, rest) = body.split_first_chunk::<2>().ok_or(ProtocolError::Length)?;
    *body = rest;
    Ok(u16::from_be_bytes(*bytes))
}

/// Parses a packet from its fixed header `h`, as returned by [`header`], and the `h.remaining`
/// bytes that follow it.
pub fn decode(h: Header, body: &[u8]) -> Decoded<InPacket<'_>> {
    decode_with(h, body, |_| false)
}

/// Parses a packet like [`decode`]. `is_valid` is called with the topic of a message before any
/// check of it; returning true skips the check.
pub fn decode_with<'a>(h: Header, body: &'a [u8], is_valid: impl FnOnce(&'a [u8]) -> bool) -> Decoded<InPacket<'a>> {
    let mut p = InPacket { first: h.first, id: None, topic: &[], payload: body };
    let kind = p.kind();
    if kind == kind::PUBLISH {
        let len = take_u16(&mut p.payload)?;
        (p.topic, p.payload) = p.payload.split_at_checked(len as usize).ok_or(ProtocolError::Length)?;
        if !is_valid(p.topic) {
            check_name(p.topic).map_err(|_| ProtocolError::Topic)?;
        }
    }
    let has_id = match kind {
        kind::PUBLISH => p.qos() > QoS::AtMostOnce,
        kind::CONNACK | kind::PINGRESP => false,
        _ => true,
    };
    if has_id {
        p.id = Some(PacketId::new(take_u16(&mut p.payload)?).ok_or(ProtocolError::ZeroId)?);
    }
    match (kind, p.payload) {
        // Session present must be 0 in a refusal.
        (kind::CONNACK, &[flags, code]) if flags > 1 || (flags == 1 && code != 0) => Err(ProtocolError::ConnackFlags),
        (kind::SUBACK, codes) if codes.iter().any(|&c| c > 2 && c != 0x80) => Err(ProtocolError::SubackCode),
        _ => Ok(p),
    }
}
