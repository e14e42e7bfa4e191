//! Packets to the broker, written to an `embedded_io::Write`.
//!
//! A packet knows its size before it is written, so that the writer can make room for all of it or refuse: a packet goes out whole
//! or not at all. What is written is taken as given: topics and filters are checked where the app hands them over.

use super::{AckKind, PacketId, QoS, kind, utf8};
use embedded_io::Write;
use heapless::Vec;

/// A last will: what the broker publishes when the client disappears. Its QoS is 0, as upstream's always is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Will<'a> {
    /// Topic name.
    pub topic: &'a [u8],
    /// The message.
    pub message: &'a [u8],
    /// To be retained by the broker.
    pub retain: bool,
}

/// CONNECT (3.1): protocol name MQTT, level 4. The flags follow from the fields, so that they can't contradict them
/// \[MQTT-3.1.2-11 to -22\].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connect<'a> {
    /// Client identifier; an empty one needs a clean session \[MQTT-3.1.3-7\].
    pub client_id: &'a [u8],
    /// Ask for a new session.
    pub clean_session: bool,
    /// Keep-alive interval, seconds; 0 for none.
    pub keep_alive: u16,
    /// The last will.
    pub will: Option<Will<'a>>,
    /// User name, and a password with it \[MQTT-3.1.2-22\].
    pub login: Option<(&'a [u8], Option<&'a [u8]>)>,
}

impl Connect<'_> {
    fn fields(&self) -> [Option<&[u8]>; 5] {
        [
            Some(self.client_id),
            self.will.map(|w| w.topic),
            self.will.map(|w| w.message),
            self.login.map(|(user, _)| user),
            self.login.and_then(|(_, password)| password),
        ]
    }

    /// True if each field is short enough for its two-byte length, and each string among them is UTF-8 \[MQTT-3.1.3-4, -10, -11\].
    pub fn fits(&self) -> bool {
        let [client_id, will_topic, will_message, user, password] = self.fields();
        [client_id, will_topic, user].into_iter().flatten().all(|s| s.len() <= 0xffff && utf8::valid(s))
            && [will_message, password].into_iter().flatten().all(|bytes| bytes.len() <= 0xffff)
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_session {
            flags |= 0x02;
        }
        if let Some(will) = self.will {
            flags |= if will.retain { 0x24 } else { 0x04 };
        }
        if let Some((_, password)) = self.login {
            flags |= if password.is_some() { 0xc0 } else { 0x80 };
        }
        flags
    }
}

/// A packet to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Out<'a> {
    /// The first packet of every connection \[MQTT-3.1.0-1\].
    Connect(&'a Connect<'a>),
    /// A message straight from the app.
    Publish {
        /// Flags of the fixed header: DUP, QoS, RETAIN.
        flags: u8,
        /// The Packet Identifier, at QoS 1 and 2.
        id: Option<PacketId>,
        /// Topic name.
        topic: &'a [u8],
        /// The message.
        payload: &'a [u8],
    },
    /// A message whose variable header and payload stand ready, as they go on the wire.
    Stored {
        /// Flags of the fixed header: DUP, QoS, RETAIN.
        flags: u8,
        /// All that follows the fixed header.
        body: &'a [u8],
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(AckKind, PacketId),
    /// SUBSCRIBE to one filter.
    Subscribe(PacketId, &'a [u8], QoS),
    /// UNSUBSCRIBE from one filter.
    Unsubscribe(PacketId, &'a [u8]),
    /// PINGREQ.
    PingReq,
    /// DISCONNECT.
    Disconnect,
}

fn size_of_string(s: &[u8]) -> usize {
    2 + s.len()
}

fn write_string<W: Write>(w: &mut W, s: &[u8]) -> Result<(), W::Error> {
    w.write_all(&(s.len() as u16).to_be_bytes())?;
    w.write_all(s)
}

impl Out<'_> {
    /// First byte of the fixed header, and Remaining Length.
    fn fixed(&self) -> (u8, usize) {
        match *self {
            Out::Connect(c) => (kind::CONNECT << 4, 10 + c.fields().into_iter().flatten().map(size_of_string).sum::<usize>()),
            Out::Publish { flags, id, topic, payload } => {
                let id_len = if id.is_some() { 2 } else { 0 };
                (kind::PUBLISH << 4 | flags, size_of_string(topic) + id_len + payload.len())
            }
            Out::Stored { flags, body } => (kind::PUBLISH << 4 | flags, body.len()),
            Out::Ack(ack, _) => {
                let flags = if ack as u8 == kind::PUBREL { 2 } else { 0 };
                ((ack as u8) << 4 | flags, 2)
            }
            Out::Subscribe(_, filter, _) => (kind::SUBSCRIBE << 4 | 2, 3 + size_of_string(filter)),
            Out::Unsubscribe(_, filter) => (kind::UNSUBSCRIBE << 4 | 2, 2 + size_of_string(filter)),
            Out::PingReq => (kind::PINGREQ << 4, 0),
            Out::Disconnect => (kind::DISCONNECT << 4, 0),
        }
    }

    /// The fixed header, and the whole packet's size in bytes; `None` if it is more than the protocol can carry.
    pub fn head(&self) -> Option<(Vec<u8, 5>, usize)> {
        let (first, remaining) = self.fixed();
        if remaining > super::MAX_REMAINING as usize {
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

    /// Writes what follows the fixed header.
    pub fn write_body<W: Write>(&self, w: &mut W) -> Result<(), W::Error> {
        match *self {
            Out::Connect(c) => {
                let [hi, lo] = c.keep_alive.to_be_bytes();
                w.write_all(&[0, 4, b'M', b'Q', b'T', b'T', 4, c.flags(), hi, lo])?;
                for field in c.fields().into_iter().flatten() {
                    write_string(w, field)?;
                }
                Ok(())
            }
            Out::Publish { id, topic, payload, .. } => {
                write_string(w, topic)?;
                if let Some(id) = id {
                    w.write_all(&id.get().to_be_bytes())?;
                }
                w.write_all(payload)
            }
            Out::Stored { body, .. } => w.write_all(body),
            Out::Ack(_, id) => w.write_all(&id.get().to_be_bytes()),
            Out::Subscribe(id, filter, qos) => {
                w.write_all(&id.get().to_be_bytes())?;
                write_string(w, filter)?;
                w.write_all(&[qos as u8])
            }
            Out::Unsubscribe(id, filter) => {
                w.write_all(&id.get().to_be_bytes())?;
                write_string(w, filter)
            }
            Out::PingReq | Out::Disconnect => Ok(()),
        }
    }
}

/// What a CONNECT that the app has written by itself asks for: clean session, and the keep-alive interval in seconds. `None` if there is
/// no CONNECT at the beginning of `bytes`.
pub fn connect_terms(bytes: &[u8]) -> Option<(bool, u16)> {
    let (&first, rest) = bytes.split_first()?;
    if first != kind::CONNECT << 4 {
        return None;
    }
    let length_bytes = rest.iter().take(4).position(|b| b & 0x80 == 0)? + 1;
    // Protocol name and level, 7 bytes, then flags and interval.
    match rest.get(length_bytes..)?.get(7..10)? {
        &[flags, hi, lo] => Some((flags & 2 != 0, u16::from_be_bytes([hi, lo]))),
        _ => None,
    }
}
