//! Serialises packets to the broker.
//!
//! An [`OutPacket`] describes a packet: its first byte, and borrowed slices of what follows the
//! fixed header. Its size is known before it is written, so that the writer can reserve all of it
//! or refuse: a packet is written whole or not at all. Topics and filters are not checked here;
//! that is done where the app passes them in.

use super::{AckKind, MAX_REMAINING, PacketId, QoS, kind, utf8};
use embedded_io::Write;

/// The payload fields of a CONNECT in the standard's order \[MQTT-3.1.3-1\]: client ID, will topic,
/// will message, user name, password.
pub type ConnectFields<'a> = [Option<&'a [u8]>; 5];

/// A packet to be sent. The fields a packet type uses are written in the order of declaration,
/// except that a PUBLISH has its topic before the packet ID.
#[derive(Clone, Copy, Debug)]
pub struct OutPacket<'a> {
    /// Packet type and flags.
    pub first: u8,
    /// Packet ID.
    pub id: Option<PacketId>,
    /// A topic name or topic filter, written with a length prefix; empty if there is none.
    pub text: &'a [u8],
    /// Bytes written as they are: the payload of a PUBLISH, the variable header of a CONNECT, the
    /// requested QoS of a SUBSCRIBE.
    pub payload: &'a [u8],
    /// The payload fields of a CONNECT; each one present is written with a length prefix.
    pub fields: Option<&'a ConnectFields<'a>>,
}

impl<'a> OutPacket<'a> {
    /// PINGREQ.
    pub const PINGREQ: OutPacket<'static> = OutPacket::header_only(kind::PINGREQ << 4);
    /// DISCONNECT.
    pub const DISCONNECT: OutPacket<'static> = OutPacket::header_only(kind::DISCONNECT << 4);

    /// A packet with nothing but a fixed header.
    const fn header_only(first: u8) -> Self {
        OutPacket { first, id: None, text: &[], payload: &[], fields: None }
    }

    /// PUBLISH. `id` is the packet ID at QoS 1 and 2, `None` at QoS 0.
    pub const fn publish(flags: u8, id: Option<PacketId>, topic: &'a [u8], payload: &'a [u8]) -> Self {
        OutPacket { id, text: topic, payload, ..OutPacket::header_only(kind::PUBLISH << 4 | flags) }
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub const fn ack(ack: AckKind, id: PacketId) -> Self {
        OutPacket { id: Some(id), ..OutPacket::header_only((ack as u8) << 4 | if ack as u8 == kind::PUBREL { 2 } else { 0 }) }
    }

    /// SUBSCRIBE with one filter.
    pub const fn subscribe(id: PacketId, filter: &'a [u8], qos: QoS) -> Self {
        let payload: &[u8] = match qos {
            QoS::AtMostOnce => &[0],
            QoS::AtLeastOnce => &[1],
            QoS::ExactlyOnce => &[2],
        };
        OutPacket { id: Some(id), text: filter, payload, ..OutPacket::header_only(kind::SUBSCRIBE << 4 | 2) }
    }

    /// UNSUBSCRIBE with one filter.
    pub const fn unsubscribe(id: PacketId, filter: &'a [u8]) -> Self {
        OutPacket { id: Some(id), text: filter, ..OutPacket::header_only(kind::UNSUBSCRIBE << 4 | 2) }
    }

    /// Returns the QoS that a SUBSCRIBE requests.
    pub fn requested_qos(&self) -> u8 {
        self.payload.first().map_or(0, |&qos| qos)
    }

    const fn is(&self, kind: u8) -> bool {
        self.first >> 4 == kind
    }

    /// Returns the remaining length (2.2.3), or `None` if it exceeds the protocol's maximum.
    #[inline(never)]
    pub fn remaining(&self) -> Option<usize> {
        let mut n = 0;
        if self.id.is_some() {
            n += 2;
        }
        if !self.text.is_empty() {
            n += 2 + self.text.len();
        }
        if let Some(fields) = self.fields {
            for field in fields {
                n += field.map_or(0, |field| 2 + field.len());
            }
        }
        // The app may pass any length; the sum must not wrap, as `write` relies on it.
        n = n.saturating_add(self.payload.len());
        if n <= MAX_REMAINING as usize { Some(n) } else { None }
    }

    /// Writes the packet, [`size`] bytes. `remaining` is the result of [`OutPacket::remaining`].
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
        if let Some(fields) = self.fields {
            for field in fields.iter().flatten() {
                write_string(w, field)?;
            }
        }
        Ok(())
    }

    fn write_id<W: Write>(&self, w: &mut W) -> Result<(), W::Error> {
        match self.id {
            Some(id) => w.write_all(&id.get().to_be_bytes()),
            None => Ok(()),
        }
    }
}

/// Writes a string with its length prefix (1.5.3).
fn write_string<W: Write>(w: &mut W, s: &[u8]) -> Result<(), W::Error> {
    w.write_all(&(s.len() as u16).to_be_bytes())?;
    w.write_all(s)
}

/// Returns an acknowledgement as its four bytes (3.4 to 3.7).
pub const fn ack_bytes(ack: AckKind, id: PacketId) -> [u8; 4] {
    let [hi, lo] = id.get().to_be_bytes();
    [(ack as u8) << 4 | if ack as u8 == kind::PUBREL { 2 } else { 0 }, 2, hi, lo]
}

/// Returns a PUBLISH up to its topic, whose length is the last of it: the bytes, and how many they are.
/// The packet ID, at QoS 1 and 2, and `payload_len` bytes of payload follow the topic. `None` if that
/// exceeds the protocol's maximum.
pub fn publish_head(flags: u8, topic_len: u16, payload_len: usize) -> Option<([u8; 7], usize)> {
    let [hi, lo] = topic_len.to_be_bytes();
    let id = if flags & 6 != 0 { 2 } else { 0 };
    let mut n = payload_len.checked_add(2 + topic_len as usize + id).filter(|&n| n <= MAX_REMAINING as usize)?;
    let mut head = [kind::PUBLISH << 4 | flags, 0, 0, 0, 0, 0, 0];
    let mut len = 1;
    let mut put = |byte: u8| {
        if let Some(place) = head.get_mut(len) {
            *place = byte;
        }
        len += 1;
    };
    while n > 0x7f {
        put(n as u8 | 0x80);
        n >>= 7;
    }
    put(n as u8);
    put(hi);
    put(lo);
    Some((head, len))
}

/// Returns the size of a whole packet with this remaining length, in bytes.
pub const fn size(remaining: usize) -> usize {
    let mut size = remaining + 2;
    let mut n = remaining >> 7;
    while n > 0 {
        size += 1;
        n >>= 7;
    }
    size
}

/// CONNECT (3.1) with protocol name MQTT, level 4. The flags are derived from the fields, so the
/// two always agree \[MQTT-3.1.2-11 to -22\]. The will QoS is always 0, as in upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connect<'a> {
    /// The payload fields. An empty client ID requires a clean session \[MQTT-3.1.3-7\]; a will
    /// needs both topic and message; a password needs a user name \[MQTT-3.1.2-22\].
    pub fields: &'a ConnectFields<'a>,
    /// Ask for a new session.
    pub clean_session: bool,
    /// Whether the broker retains the will message; ignored without a will.
    pub will_retain: bool,
    /// Keep-alive interval in seconds; 0 disables it.
    pub keep_alive: u16,
}

impl<'a> Connect<'a> {
    /// Packet type and flags.
    const FIRST: u8 = kind::CONNECT << 4;

    /// Builds the packet, with its variable header in `buf`. Returns `None` if a field is longer
    /// than 65,535 bytes, or a string field is not UTF-8 \[MQTT-3.1.3-4, -10, -11\].
    pub fn packet(&self, buf: &'a mut [u8; 10]) -> Option<OutPacket<'a>> {
        let &[_, will, _, user, password] = self.fields;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.clean_session, 0x02)
            | flag(will.is_some(), 0x04 | flag(self.will_retain, 0x20))
            | flag(user.is_some(), 0x80)
            | flag(password.is_some(), 0x40);
        let [hi, lo] = self.keep_alive.to_be_bytes();
        *buf = [0, 4, b'M', b'Q', b'T', b'T', 4, flags, hi, lo];
        // Will message and password are binary; the other fields are strings.
        let mut strings = 0b01011;
        for field in self.fields {
            let field = field.unwrap_or(&[]);
            if field.len() > 0xffff || strings & 1 != 0 && !utf8::valid(field) {
                return None;
            }
            strings >>= 1;
        }
        Some(OutPacket { payload: buf, fields: Some(self.fields), ..OutPacket::header_only(Self::FIRST) })
    }
}

/// Parses a CONNECT that the app wrote itself: returns clean session and the keep-alive interval in
/// seconds, or `None` if `bytes` do not start with a CONNECT.
pub fn connect_options(bytes: &[u8]) -> Option<(bool, u16)> {
    let (&first, rest) = bytes.split_first()?;
    if first != Connect::FIRST {
        return None;
    }
    let length_bytes = rest.iter().take(4).position(|b| b & 0x80 == 0)? + 1;
    // Protocol name and level, 7 bytes, then flags and keep-alive.
    match rest.get(length_bytes..)?.get(7..10)? {
        &[flags, hi, lo] => Some((flags & 2 != 0, u16::from_be_bytes([hi, lo]))),
        _ => None,
    }
}

/// Counts the PUBACKs among the packets in `bytes`, which a client wrote; at most 255.
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
