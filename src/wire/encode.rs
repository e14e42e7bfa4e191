//! Packets to the broker.
//!
//! A packet is its first byte and what follows the fixed header. Its size is known before it is written, so that the writer can make room
//! for all of it or refuse: a packet goes out whole or not at all. What is written is taken as given: topics and filters are checked
//! where the app hands them over.

use super::{AckKind, MAX_REMAINING, kind, utf8};
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

/// First bytes of the packets that a client sends: type and flags (2.2.1, 2.2.2). Those of PUBLISH depend on the message.
pub mod first {
    #![allow(missing_docs)]
    use super::{AckKind, kind};

    pub const CONNECT: u8 = kind::CONNECT << 4;
    pub const PUBLISH: u8 = kind::PUBLISH << 4;
    pub const SUBSCRIBE: u8 = kind::SUBSCRIBE << 4 | 2;
    pub const UNSUBSCRIBE: u8 = kind::UNSUBSCRIBE << 4 | 2;
    pub const PINGREQ: u8 = kind::PINGREQ << 4;
    pub const DISCONNECT: u8 = kind::DISCONNECT << 4;

    pub const fn ack(ack: AckKind) -> u8 {
        (ack as u8) << 4 | if matches!(ack, AckKind::PubRel) { 2 } else { 0 }
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
    if first != self::first::CONNECT {
        return None;
    }
    let length_bytes = rest.iter().take(4).position(|b| b & 0x80 == 0)? + 1;
    // Protocol name and level, 7 bytes, then flags and interval.
    match rest.get(length_bytes..)?.get(7..10)? {
        &[flags, hi, lo] => Some((flags & 2 != 0, u16::from_be_bytes([hi, lo]))),
        _ => None,
    }
}
