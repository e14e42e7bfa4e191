//! Packets from the broker, read where their bytes lie.
//!
//! `header` looks at the fixed header as soon as it is there, so that a packet too large to buffer is known before its body comes;
//! `decode` takes the whole packet apart. What a server may not send is an error that names the rule, for the log.

use super::{PacketId, QoS, check_name, kind};
use core::fmt;

/// The rule that a packet breaks: the connection is to be closed \[MQTT-4.8.0-1\].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ProtocolError {
    /// A packet type that is reserved, or that only a client sends.
    Type = 1,
    /// Reserved flag bits in the fixed header \[MQTT-2.2.2-2\].
    Flags = 2,
    /// A Remaining Length of more than four bytes (2.2.3).
    LengthBytes = 3,
    /// A Remaining Length that does not fit the packet type.
    Length = 4,
    /// A Packet Identifier of zero \[MQTT-2.3.1-1\].
    ZeroId = 5,
    /// QoS 3 \[MQTT-3.3.1-4\].
    QoS = 6,
    /// DUP set on a QoS 0 message \[MQTT-3.3.1-2\].
    Dup = 7,
    /// A topic name that is empty, not UTF-8 or holds a wildcard \[MQTT-3.3.2-1, -2\].
    Topic = 8,
    /// Reserved bits in CONNACK's acknowledge flags, or session present beside a refusal \[MQTT-3.2.2-4\].
    ConnackFlags = 9,
    /// A SUBACK return code other than 0, 1, 2 and 0x80 \[MQTT-3.9.3-2\].
    SubackCode = 10,
    /// A number of SUBACK return codes other than that of the filters asked for \[MQTT-3.8.4-5\].
    SubackCount = 11,
    /// A packet before CONNACK \[MQTT-3.2.0-1\], or a second CONNACK.
    Order = 12,
    /// An acknowledgement that does not belong to the QoS of the message (4.3).
    Ack = 13,
    /// More QoS 2 messages begun and not released than can be kept track of.
    TooMany = 14,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProtocolError::Type => "packet type that a server does not send",
            ProtocolError::Flags => "reserved flags set",
            ProtocolError::LengthBytes => "remaining length of more than four bytes",
            ProtocolError::Length => "remaining length does not fit the packet type",
            ProtocolError::ZeroId => "packet ID 0",
            ProtocolError::QoS => "QoS 3",
            ProtocolError::Dup => "DUP at QoS 0",
            ProtocolError::Topic => "invalid topic name",
            ProtocolError::ConnackFlags => "invalid CONNACK flags",
            ProtocolError::SubackCode => "invalid SUBACK return code",
            ProtocolError::SubackCount => "wrong number of SUBACK return codes",
            ProtocolError::Order => "packet out of order",
            ProtocolError::Ack => "acknowledgement of another QoS",
            ProtocolError::TooMany => "too many open QoS 2 messages",
        })
    }
}

impl core::error::Error for ProtocolError {}

/// The fixed header, its flags known to be right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Type and flags.
    pub first: u8,
    /// Bytes of the fixed header itself, 2 to 5.
    pub len: u8,
    /// Remaining Length: bytes that follow the fixed header.
    pub remaining: u32,
}

impl Header {
    /// Bytes of the whole packet.
    pub const fn total(&self) -> usize {
        self.len as usize + self.remaining as usize
    }

    /// The packet type, see [`kind`].
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
    /// QoS 2, step 3: identifier may be released.
    PubRel = kind::PUBREL,
    /// QoS 2, step 4: identifier released.
    PubComp = kind::PUBCOMP,
}

/// A packet that a server may send, taken apart. Its bytes lie in the receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InPacket<'a> {
    /// Type and flags: the first byte of the fixed header.
    pub first: u8,
    /// Its Packet Identifier; none in CONNACK and PINGRESP, and in a message at QoS 0 \[MQTT-2.3.1-5\].
    pub id: Option<PacketId>,
    /// A message's topic name: UTF-8, at least one character, no wildcard. Empty in other packets.
    pub topic: &'a [u8],
    /// What else there is: of a message its payload; of CONNACK two bytes, session present and the return code; of SUBACK one code
    /// a filter, each 0, 1, 2 or 0x80.
    pub payload: &'a [u8],
}

impl InPacket<'_> {
    /// The packet type, see [`kind`].
    pub const fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// A message's QoS.
    pub const fn qos(&self) -> QoS {
        QoS::of_flags(self.first)
    }
}

/// What lies at the beginning of a buffer.
pub type Decoded<T> = Result<T, ProtocolError>;

/// What is asked of a packet's fixed header, by its type: the lower two bits are the least length that it may have.
const RULES: [u8; 16] = {
    let mut rules = [NONE; 16];
    rules[kind::CONNACK as usize] = 2;
    rules[kind::PUBLISH as usize] = 3 | LONGER | ANY_FLAGS;
    rules[kind::PUBACK as usize] = 2;
    rules[kind::PUBREC as usize] = 2;
    rules[kind::PUBREL as usize] = 2 | FLAGS_2;
    rules[kind::PUBCOMP as usize] = 2;
    rules[kind::SUBACK as usize] = 3 | LONGER;
    rules[kind::UNSUBACK as usize] = 2;
    rules[kind::PINGRESP as usize] = 0;
    rules
};

/// It may be longer.
const LONGER: u8 = 4;
/// Its flags are those of a message; else they are 0, or 2 with `FLAGS_2`.
const ANY_FLAGS: u8 = 8;
const FLAGS_2: u8 = 0x20;
/// No server sends it.
const NONE: u8 = 0x80;

/// Reads the fixed header at the beginning of `buf`; `None` while it is incomplete.
pub fn header(buf: &[u8]) -> Decoded<Option<Header>> {
    let Some((&first, rest)) = buf.split_first() else {
        return Ok(None);
    };
    let rule = RULES[(first >> 4) as usize];
    if rule == NONE {
        return Err(ProtocolError::Type);
    }
    if rule & ANY_FLAGS != 0 {
        if first & 0x06 == 0x06 {
            return Err(ProtocolError::QoS);
        }
        if first & 0x0e == 0x08 {
            return Err(ProtocolError::Dup);
        }
    } else if first & 0x0f != (rule >> 4 & 2) {
        return Err(ProtocolError::Flags);
    }
    let shortest = (rule & 3) as u32;
    let (mut remaining, mut len) = (0, 1);
    for &b in rest {
        remaining |= ((b & 0x7f) as u32) << (7 * (len - 1));
        len += 1;
        if b < 0x80 {
            // What claims to be longer than it can be is not worth waiting for.
            if remaining < shortest || remaining > shortest && rule & LONGER == 0 {
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

/// Takes the two bytes of a big-endian number off the front.
fn take_u16(body: &mut &[u8]) -> Decoded<u16> {
    let (bytes, rest) = body.split_first_chunk::<2>().ok_or(ProtocolError::Length)?;
    *body = rest;
    Ok(u16::from_be_bytes(*bytes))
}

/// Takes the packet apart whose fixed header [`header`] has read as `h` and whose other `h.remaining` bytes are `body`.
pub fn decode(h: Header, body: &[u8]) -> Decoded<InPacket<'_>> {
    let mut p = InPacket { first: h.first, id: None, topic: &[], payload: body };
    let kind = p.kind();
    if kind == kind::PUBLISH {
        let len = take_u16(&mut p.payload)?;
        (p.topic, p.payload) = p.payload.split_at_checked(len as usize).ok_or(ProtocolError::Length)?;
        check_name(p.topic).map_err(|_| ProtocolError::Topic)?;
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
        // Session present can't come with a refusal.
        (kind::CONNACK, &[flags, code]) if flags > 1 || (flags == 1 && code != 0) => Err(ProtocolError::ConnackFlags),
        (kind::SUBACK, codes) if codes.iter().any(|&c| c > 2 && c != 0x80) => Err(ProtocolError::SubackCode),
        _ => Ok(p),
    }
}
