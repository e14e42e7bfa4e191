//! Packets to the broker.
//!
//! A packet is its first byte and what follows the fixed header. Its size is known before it is written, so that the writer can make room
//! for all of it or refuse: a packet goes out whole or not at all. What is written is taken as given: topics and filters are checked
//! where the app hands them over.

use super::{AckKind, MAX_REMAINING, PacketId, QoS, kind, utf8};
use embedded_io::Write;
use heapless::Vec;

/// The fixed header of the packet with this first byte and these parts behind it, and the size of the whole packet in bytes; `None` if it is
/// more than the protocol can carry (2.2.3).
pub fn head(first: u8, parts: &[&[u8]]) -> Option<(Vec<u8, 5>, usize)> {
    let mut remaining = 0;
    for part in parts {
        remaining += part.len();
    }
    if remaining > MAX_REMAINING as usize {
        return None;
    }
    let mut head = Vec::new();
    // Five bytes are enough for any Remaining Length up to the limit, so the pushes can't fail.
    let _ = head.push(first);
    let mut n = remaining;
    loop {
        let more = if n > 0x7f { 0x80 } else { 0 };
        let _ = head.push(n as u8 & 0x7f | more);
        n >>= 7;
        if n == 0 {
            let size = head.len() + remaining;
            return Some((head, size));
        }
    }
}

/// Writes a packet, of which [`head`] has made the fixed header.
pub fn write<W: Write>(w: &mut W, head: &[u8], parts: &[&[u8]]) -> Result<(), W::Error> {
    w.write_all(head)?;
    for part in parts {
        w.write_all(part)?;
    }
    Ok(())
}

/// A packet other than CONNECT.
#[derive(Clone, Copy, Debug)]
pub struct Out<'a> {
    /// Type and flags.
    pub first: u8,
    /// What follows the fixed header: first what is not the app's; then a filter, a topic name, or a message as it is stored; of SUBSCRIBE the QoS; a
    /// payload.
    pub parts: [&'a [u8]; 4],
}

/// Room for those parts of a packet that are not the app's.
#[derive(Default)]
pub struct Room {
    front: [u8; 4],
    back: [u8; 2],
}

impl<'a> Out<'a> {
    /// PINGREQ.
    pub const PINGREQ: Out<'static> = Out { first: kind::PINGREQ << 4, parts: [&[]; 4] };
    /// DISCONNECT.
    pub const DISCONNECT: Out<'static> = Out { first: kind::DISCONNECT << 4, parts: [&[]; 4] };

    /// A message straight from the app. `id`: its Packet Identifier, at QoS 1 and 2.
    pub fn publish(room: &'a mut Room, flags: u8, id: Option<PacketId>, topic: &'a [u8], payload: &'a [u8]) -> Self {
        let [a, b] = (topic.len() as u16).to_be_bytes();
        room.front = [a, b, 0, 0];
        let mut back: &[u8] = &[];
        if let Some(id) = id {
            room.back = id.get().to_be_bytes();
            back = &room.back;
        }
        Out { first: kind::PUBLISH << 4 | flags, parts: [&room.front[..2], topic, back, payload] }
    }

    /// A message whose variable header and payload stand ready, as they go on the wire.
    pub fn stored(flags: u8, body: &'a [u8]) -> Self {
        Out { first: kind::PUBLISH << 4 | flags, parts: [&[], body, &[], &[]] }
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub fn ack(room: &'a mut Room, ack: AckKind, id: PacketId) -> Self {
        room.back = id.get().to_be_bytes();
        let flags = if ack == AckKind::PubRel { 2 } else { 0 };
        Out { first: (ack as u8) << 4 | flags, parts: [&room.back, &[], &[], &[]] }
    }

    /// SUBSCRIBE to one filter.
    pub fn subscribe(room: &'a mut Room, id: PacketId, filter: &'a [u8], qos: QoS) -> Self {
        room.back = [qos as u8, 0];
        let Room { front, back } = room;
        Out { first: kind::SUBSCRIBE << 4 | 2, parts: [Self::of_filter(front, id, filter), filter, &back[..1], &[]] }
    }

    /// UNSUBSCRIBE from one filter.
    pub fn unsubscribe(room: &'a mut Room, id: PacketId, filter: &'a [u8]) -> Self {
        Out { first: kind::UNSUBSCRIBE << 4 | 2, parts: [Self::of_filter(&mut room.front, id, filter), filter, &[], &[]] }
    }

    /// What stands before the filter.
    fn of_filter<'r>(front: &'r mut [u8; 4], id: PacketId, filter: &[u8]) -> &'r [u8] {
        let ([a, b], [c, d]) = (id.get().to_be_bytes(), (filter.len() as u16).to_be_bytes());
        *front = [a, b, c, d];
        front
    }
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

/// What of a CONNECT is not the app's.
#[derive(Default)]
pub struct ConnectRoom {
    variable_header: [u8; 10],
    lengths: [[u8; 2]; 5],
}

impl<'a> Connect<'a> {
    /// Type and flags.
    pub const FIRST: u8 = kind::CONNECT << 4;

    /// Makes `parts` what follows the fixed header, the fields that are there each behind its length. False if a field is too long for its
    /// two-byte length, or a string among them is not UTF-8 \[MQTT-3.1.3-4, -10, -11\].
    pub fn fill<'r: 'a>(&self, room: &'r mut ConnectRoom, parts: &mut [&'a [u8]; 11]) -> bool {
        let [_, will, _, user, password] = self.fields;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.clean_session, 0x02)
            | flag(will.is_some(), 0x04 | flag(self.will_retain, 0x20))
            | flag(user.is_some(), 0x80)
            | flag(password.is_some(), 0x40);
        let [hi, lo] = self.keep_alive.to_be_bytes();
        room.variable_header = [0, 4, b'M', b'Q', b'T', b'T', 4, flags, hi, lo];
        parts[0] = &room.variable_header;
        // The message of the will and the password are bytes; the others are strings.
        let mut strings = 0b01011;
        for (i, length) in room.lengths.iter_mut().enumerate() {
            if let Some(field) = self.fields[i] {
                if field.len() > 0xffff || (strings & 1 != 0 && !utf8::valid(field)) {
                    return false;
                }
                *length = (field.len() as u16).to_be_bytes();
                (parts[2 * i + 1], parts[2 * i + 2]) = (length, field);
            }
            strings >>= 1;
        }
        true
    }
}

/// What a CONNECT that the app has written by itself asks for: clean session, and the keep-alive interval in seconds. `None` if there is
/// no CONNECT at the beginning of `bytes`.
pub fn connect_terms(bytes: &[u8]) -> Option<(bool, u16)> {
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
