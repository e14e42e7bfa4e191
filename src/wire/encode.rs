//! Packets to the broker.
//!
//! A packet is described first: its first byte, and the parts of what follows the fixed header, which stay where they lie. Its size is known before it
//! is written, so that the writer can make buf for all of it or refuse: a packet goes out whole or not at all. What is written is taken as given: topics
//! and filters are checked where the app hands them over.

use super::{AckKind, MAX_REMAINING, PacketId, QoS, kind, utf8};
use embedded_io::Write;

/// A packet to be sent. Each kind has some of these parts; they go out in the order in which they stand here, but for a PUBLISH, in which the text comes
/// before the identifier.
#[derive(Clone, Copy, Debug)]
pub struct OutPacket<'a> {
    /// Type and flags.
    pub first: u8,
    /// The QoS that SUBSCRIBE asks for, its last byte; nothing in others.
    pub qos: QoS,
    /// Packet Identifier.
    pub id: Option<PacketId>,
    /// A topic name or a filter, to go out with its length in front; empty for none.
    pub text: &'a [u8],
    /// Bytes that go out as they are: a message; of CONNECT the variable header.
    pub payload: &'a [u8],
    /// The strings of CONNECT, each to go out with its length in front, if it is there.
    pub fields: &'a [Option<&'a [u8]>],
}

impl<'a> OutPacket<'a> {
    /// PINGREQ.
    pub const PINGREQ: OutPacket<'static> = OutPacket::header_only(kind::PINGREQ << 4);
    /// DISCONNECT.
    pub const DISCONNECT: OutPacket<'static> = OutPacket::header_only(kind::DISCONNECT << 4);

    /// A fixed header alone.
    const fn header_only(first: u8) -> Self {
        OutPacket { first, qos: QoS::AtMostOnce, id: None, text: &[], payload: &[], fields: &[] }
    }

    /// A message. `id`: its Packet Identifier, at QoS 1 and 2.
    pub const fn publish(flags: u8, id: Option<PacketId>, topic: &'a [u8], payload: &'a [u8]) -> Self {
        OutPacket { id, text: topic, payload, ..OutPacket::header_only(kind::PUBLISH << 4 | flags) }
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub const fn ack(ack: AckKind, id: PacketId) -> Self {
        OutPacket { id: Some(id), ..OutPacket::header_only((ack as u8) << 4 | if ack as u8 == kind::PUBREL { 2 } else { 0 }) }
    }

    /// SUBSCRIBE to one filter.
    pub const fn subscribe(id: PacketId, filter: &'a [u8], qos: QoS) -> Self {
        OutPacket { id: Some(id), text: filter, qos, ..OutPacket::header_only(kind::SUBSCRIBE << 4 | 2) }
    }

    /// UNSUBSCRIBE from one filter.
    pub const fn unsubscribe(id: PacketId, filter: &'a [u8]) -> Self {
        OutPacket { id: Some(id), text: filter, ..OutPacket::header_only(kind::UNSUBSCRIBE << 4 | 2) }
    }

    const fn is(&self, kind: u8) -> bool {
        self.first >> 4 == kind
    }

    /// Its Remaining Length (2.2.3); `None` if that is more than the protocol can carry.
    pub fn remaining(&self) -> Option<usize> {
        let mut n = self.is(kind::SUBSCRIBE) as usize;
        if self.id.is_some() {
            n += 2;
        }
        if !self.text.is_empty() {
            n += 2 + self.text.len();
        }
        for field in self.fields {
            n += field.map_or(0, |field| 2 + field.len());
        }
        // However long the app says that its message is, the sum must not wrap around: what is written relies on it.
        n = n.saturating_add(self.payload.len());
        if n <= MAX_REMAINING as usize { Some(n) } else { None }
    }

    /// Writes it. `remaining` is what [`OutPacket::remaining`] has said; the packet takes [`size`] bytes.
    pub fn write<W: Write>(&self, w: &mut W, remaining: usize) -> Result<(), W::Error> {
        w.write_all(&[self.first])?;
        let mut n = remaining;
        while n > 0x7f {
            w.write_all(&[n as u8 | 0x80])?;
            n >>= 7;
        }
        w.write_all(&[n as u8])?;
        let publish = self.is(kind::PUBLISH);
        if !publish {
            self.write_id(w)?;
        }
        if !self.text.is_empty() {
            write_string(w, self.text)?;
        }
        if publish {
            self.write_id(w)?;
        }
        w.write_all(self.payload)?;
        for field in self.fields {
            let Some(field) = field else { continue };
            write_string(w, field)?;
        }
        if self.is(kind::SUBSCRIBE) { w.write_all(&[self.qos as u8]) } else { Ok(()) }
    }

    fn write_id<W: Write>(&self, w: &mut W) -> Result<(), W::Error> {
        match self.id {
            Some(id) => w.write_all(&id.get().to_be_bytes()),
            None => Ok(()),
        }
    }
}

/// Writes a string with its length in front (1.5.3).
fn write_string<W: Write>(w: &mut W, s: &[u8]) -> Result<(), W::Error> {
    w.write_all(&(s.len() as u16).to_be_bytes())?;
    w.write_all(s)
}

/// Bytes of a whole packet with this Remaining Length.
pub const fn size(remaining: usize) -> usize {
    let mut size = remaining + 2;
    let mut n = remaining >> 7;
    while n > 0 {
        size += 1;
        n >>= 7;
    }
    size
}

/// CONNECT (3.1): protocol name MQTT, level 4. The flags follow from the fields, so that they can't contradict them
/// \[MQTT-3.1.2-11 to -22\]. A will has QoS 0, as upstream's always has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connect<'a> {
    /// In the standard's order \[MQTT-3.1.3-1\]: client identifier, topic and message of the will, user name, password. An empty client
    /// identifier needs a clean session \[MQTT-3.1.3-7\]. A will has both its parts; a password needs a user name \[MQTT-3.1.2-22\].
    pub fields: [Option<&'a [u8]>; 5],
    /// Ask for a new session.
    pub clean_session: bool,
    /// The will is to be retained by the broker; without a will it means nothing.
    pub will_retain: bool,
    /// Keep-alive interval, seconds; 0 for none.
    pub keep_alive: u16,
}

impl Connect<'_> {
    /// Type and flags.
    const FIRST: u8 = kind::CONNECT << 4;

    /// The packet, whose variable header is made in `buf`. `None` if a field is too long for its two-byte length, or a string among them is
    /// not UTF-8 \[MQTT-3.1.3-4, -10, -11\].
    pub fn packet<'r>(&'r self, buf: &'r mut [u8; 10]) -> Option<OutPacket<'r>> {
        let [_, will, _, user, password] = self.fields;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.clean_session, 0x02)
            | flag(will.is_some(), 0x04 | flag(self.will_retain, 0x20))
            | flag(user.is_some(), 0x80)
            | flag(password.is_some(), 0x40);
        let [hi, lo] = self.keep_alive.to_be_bytes();
        *buf = [0, 4, b'M', b'Q', b'T', b'T', 4, flags, hi, lo];
        // The message of the will and the password are bytes; the others are strings.
        let mut strings = 0b01011;
        for field in &self.fields {
            let field = field.unwrap_or(&[]);
            if field.len() > 0xffff || strings & 1 != 0 && !utf8::valid(field) {
                return None;
            }
            strings >>= 1;
        }
        Some(OutPacket { payload: buf, fields: &self.fields, ..OutPacket::header_only(Self::FIRST) })
    }
}

/// What a CONNECT that the app has written by itself asks for: clean session, and the keep-alive interval in seconds. `None` if there is
/// no CONNECT at the beginning of `bytes`.
pub fn connect_options(bytes: &[u8]) -> Option<(bool, u16)> {
    let (&first, rest) = bytes.split_first()?;
    if first != Connect::FIRST {
        return None;
    }
    let length_bytes = rest.iter().take(4).position(|b| b & 0x80 == 0)? + 1;
    // Protocol name and level, 7 bytes, then flags and interval.
    match rest.get(length_bytes..)?.get(7..10)? {
        &[flags, hi, lo] => Some((flags & 2 != 0, u16::from_be_bytes([hi, lo]))),
        _ => None,
    }
}

/// How many of the packets in `bytes`, which a client has written, are PUBACKs; at most 255.
pub fn count_pubacks(bytes: &[u8]) -> u8 {
    let (mut n, mut rest) = (0u8, bytes);
    while let Some((&first, after)) = rest.split_first() {
        let (mut length, mut shift, mut body) = (0usize, 0, after);
        while let Some((&b, after)) = body.split_first() {
            length |= (b as usize & 0x7f) << shift;
            body = after;
            shift += 7;
            if b & 0x80 == 0 || shift > 21 {
                break;
            }
        }
        n = n.saturating_add((first == kind::PUBACK << 4) as u8);
        rest = body.get(length..).unwrap_or(&[]);
    }
    n
}
