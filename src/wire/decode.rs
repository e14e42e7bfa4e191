//! Packets from the broker, read where their bytes lie.
//!
//! `header` looks at the fixed header as soon as it is there, so that a packet too large to buffer is known before its body comes;
//! `decode` takes the whole packet apart. What a server may not send is a `Violation`, ready for the log.

use super::{PacketId, QoS, check_name, kind};

/// What is wrong with a packet, for the log line before the connection is closed \[MQTT-4.8.0-1\].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The first byte of the packet: its type in the upper four bits, its flags in the lower.
    pub header: u8,
    /// Which rule is broken.
    pub wrong: Wrong,
    /// The offending value.
    pub value: u32,
}

/// The rule that a packet breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Wrong {
    /// A packet type that is reserved, or that only a client sends. The value is the type.
    Type = 1,
    /// Reserved flag bits in the fixed header \[MQTT-2.2.2-2\]. The value is the flags.
    Flags = 2,
    /// A Remaining Length of more than four bytes (2.2.3). The value is the fourth byte.
    LengthBytes = 3,
    /// A Remaining Length that does not fit the packet type. The value is the length.
    Length = 4,
    /// A Packet Identifier of zero \[MQTT-2.3.1-1\].
    ZeroId = 5,
    /// QoS 3 \[MQTT-3.3.1-4\].
    QoS = 6,
    /// DUP set on a QoS 0 message \[MQTT-3.3.1-2\].
    Dup = 7,
    /// A topic name that is empty, not UTF-8 or holds a wildcard \[MQTT-3.3.2-1, -2\]. The value is the `TopicError`.
    Topic = 8,
    /// Reserved bits in CONNACK's acknowledge flags, or session present beside a refusal \[MQTT-3.2.2-4\]. The value is the flags.
    ConnackFlags = 9,
    /// A SUBACK return code other than 0, 1, 2 and 0x80 \[MQTT-3.9.3-2\]. The value is the code.
    SubackCode = 10,
    /// A number of SUBACK return codes other than that of the filters asked for \[MQTT-3.8.4-5\]. The value is the number.
    SubackCount = 11,
    /// A packet before CONNACK \[MQTT-3.2.0-1\], or a second CONNACK. The value is the packet type.
    Order = 12,
    /// Session present although a new session was asked for \[MQTT-3.2.2-1\].
    SessionPresent = 13,
    /// An acknowledgement that does not belong to the QoS of the message (4.3). The value is the Packet Identifier.
    Ack = 14,
    /// More QoS 2 messages begun and not released than can be kept track of. The value is the number.
    TooMany = 15,
}

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

/// Which packet an acknowledgement is.
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
    /// Unsubscribed.
    UnsubAck = kind::UNSUBACK,
}

/// An application message, as its bytes lie in the receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publish<'a> {
    /// DUP flag: the broker may have sent it before.
    pub dup: bool,
    /// RETAIN flag: the broker kept it from before the subscription.
    pub retain: bool,
    /// Its QoS.
    pub qos: QoS,
    /// Its Packet Identifier; none at QoS 0 \[MQTT-2.3.1-5\].
    pub id: Option<PacketId>,
    /// Topic name: UTF-8, at least one character, no wildcard.
    pub topic: &'a [u8],
    /// The message.
    pub payload: &'a [u8],
}

/// A packet that a server may send, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// The answer to CONNECT.
    ConnAck {
        /// The broker kept the session of an earlier connection.
        session_present: bool,
        /// 0 for accepted.
        code: u8,
    },
    /// A message.
    Publish(Publish<'a>),
    /// One of the packets that carry nothing but an identifier.
    Ack(AckKind, PacketId),
    /// The answer to SUBSCRIBE: one code a filter, each 0, 1, 2 or 0x80.
    SubAck(PacketId, &'a [u8]),
    /// The answer to PINGREQ.
    PingResp,
}

/// What lies at the beginning of a buffer.
pub type Decoded<T> = Result<T, Violation>;

/// Reads the fixed header at the beginning of `buf`; `None` while it is incomplete.
pub fn header(buf: &[u8]) -> Decoded<Option<Header>> {
    let Some((&first, rest)) = buf.split_first() else {
        return Ok(None);
    };
    let flags = first & 0x0f;
    let wrong = |wrong, value: u8| Err(Violation { header: first, wrong, value: value as u32 });
    match first >> 4 {
        kind::PUBLISH => {
            if flags & 0x06 == 0x06 {
                return wrong(Wrong::QoS, 3);
            }
            if flags & 0x0e == 0x08 {
                return wrong(Wrong::Dup, 1);
            }
        }
        kind::CONNACK | kind::PUBACK | kind::PUBREC | kind::PUBCOMP | kind::SUBACK | kind::UNSUBACK | kind::PINGRESP => {
            if flags != 0 {
                return wrong(Wrong::Flags, flags);
            }
        }
        kind::PUBREL => {
            if flags != 2 {
                return wrong(Wrong::Flags, flags);
            }
        }
        other => return wrong(Wrong::Type, other),
    }
    let mut remaining = 0;
    for (i, &b) in rest.iter().take(4).enumerate() {
        let i = i as u8;
        remaining |= ((b & 0x7f) as u32) << (7 * i);
        if b & 0x80 == 0 {
            // The small ones have one length only: what claims to be longer is not worth waiting for.
            let fits = match first >> 4 {
                kind::PUBLISH => remaining >= 3,
                kind::SUBACK => remaining >= 3,
                kind::PINGRESP => remaining == 0,
                _ => remaining == 2,
            };
            if !fits {
                return Err(Violation { header: first, wrong: Wrong::Length, value: remaining });
            }
            return Ok(Some(Header { first, len: i + 2, remaining }));
        }
        if i == 3 {
            return wrong(Wrong::LengthBytes, b);
        }
    }
    Ok(None)
}

/// Takes the two bytes of a big-endian number off the front.
fn take_u16(body: &[u8]) -> Option<(u16, &[u8])> {
    let ([hi, lo], rest) = body.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes([*hi, *lo]), rest))
}

/// Takes the packet apart whose fixed header [`header`] has read as `h` and whose other `h.remaining` bytes are `body`.
pub fn decode(h: Header, body: &[u8]) -> Decoded<Packet<'_>> {
    let wrong = |wrong, value| Violation { header: h.first, wrong, value };
    let length = wrong(Wrong::Length, h.remaining);
    let id = |id| PacketId::new(id).ok_or(wrong(Wrong::ZeroId, 0));
    match h.kind() {
        kind::PUBLISH => {
            let (topic_len, rest) = take_u16(body).ok_or(length)?;
            let (topic, mut payload) = rest.split_at_checked(topic_len as usize).ok_or(length)?;
            let qos = QoS::clamped((h.first >> 1 & 3) as i32);
            let mut packet_id = None;
            if qos > QoS::AtMostOnce {
                let (n, rest) = take_u16(payload).ok_or(length)?;
                packet_id = Some(id(n)?);
                payload = rest;
            }
            check_name(topic).map_err(|e| wrong(Wrong::Topic, e as u32))?;
            Ok(Packet::Publish(Publish { dup: h.first & 8 != 0, retain: h.first & 1 != 0, qos, id: packet_id, topic, payload }))
        }
        kind::PINGRESP => Ok(Packet::PingResp),
        other => {
            // All the others begin with two bytes; `header` has seen to it that only SUBACK goes on.
            let (n, codes) = take_u16(body).ok_or(length)?;
            let ack = match other {
                kind::CONNACK => {
                    let [flags, code] = n.to_be_bytes();
                    if flags > 1 || (flags == 1 && code != 0) {
                        return Err(wrong(Wrong::ConnackFlags, flags as u32));
                    }
                    return Ok(Packet::ConnAck { session_present: flags == 1, code });
                }
                kind::SUBACK => {
                    if let Some(&bad) = codes.iter().find(|&&c| c > 2 && c != 0x80) {
                        return Err(wrong(Wrong::SubackCode, bad as u32));
                    }
                    return Ok(Packet::SubAck(id(n)?, codes));
                }
                kind::PUBACK => AckKind::PubAck,
                kind::PUBREC => AckKind::PubRec,
                kind::PUBREL => AckKind::PubRel,
                kind::PUBCOMP => AckKind::PubComp,
                _ => AckKind::UnsubAck,
            };
            Ok(Packet::Ack(ack, id(n)?))
        }
    }
}
