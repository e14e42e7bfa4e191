//! The stream from the broker, cut into packets; a packet larger than the receive limit is dropped as it streams in.
//!
//! Of a dropped message the topic is reported as far as it fits the limit, and its identifier is kept, so that it can be
//! acknowledged when the last of it has gone by: the broker must not send it again and again.

use crate::wire::{AckKind, Decoded, Header, PacketId, ProtocolError, header, kind};

/// What to do with the bytes at the front of the receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framed<'a> {
    /// Wait for more.
    Incomplete,
    /// A whole packet lies there: its fixed header, and what follows it.
    Packet(Header, &'a [u8]),
    /// So many bytes belong to a packet that is being dropped: remove them and look again.
    Discard(usize),
    /// A packet over the limit begins: to be logged. Look again.
    Oversized {
        /// Bytes of the whole packet.
        total: usize,
        /// The topic of a message, as far as it is known.
        topic: &'a [u8],
    },
    /// The packet has been dropped to its end: send this acknowledgement, call `answered` and look again.
    Answer(AckKind, PacketId),
}

/// Where in the stream we are: at the beginning of a packet, or inside one that is being dropped.
pub struct Framer {
    /// Bytes to drop.
    left: u32,
    /// Bytes to drop from the identifier on, which stands behind `left`; 0 for a packet without one, or if it is known.
    after_id: u32,
    /// The QoS of the message that is being dropped, as its flags have it: what acknowledgement is due when all has been dropped.
    qos: u8,
    id: Option<PacketId>,
}

impl Framer {
    /// At the beginning.
    pub const NEW: Self = Framer { left: 0, after_id: 0, qos: 0, id: None };

    /// A connection begins.
    pub fn start(&mut self) {
        *self = Self::NEW;
    }

    /// Looks at `buf`, what has been received and not removed yet. `limit` is how long it can get, at least 16.
    pub fn frame<'a>(&mut self, buf: &'a [u8], limit: usize) -> Decoded<Framed<'a>> {
        if self.left == 0 && self.after_id > 0 {
            let Some(&id) = buf.first_chunk::<2>() else { return Ok(Framed::Incomplete) };
            self.id = Some(PacketId::new(u16::from_be_bytes(id)).ok_or(ProtocolError::ZeroId)?);
            (self.left, self.after_id) = (self.after_id, 0);
        }
        if self.left > 0 {
            let available = buf.len().min(self.left as usize);
            self.left -= available as u32;
            return Ok(if available == 0 { Framed::Incomplete } else { Framed::Discard(available) });
        }
        if let Some(id) = self.id {
            return Ok(Framed::Answer(if self.qos == 2 { AckKind::PubAck } else { AckKind::PubRec }, id));
        }
        let Some(h) = header(buf)? else { return Ok(Framed::Incomplete) };
        let body = buf.get(h.len as usize..).unwrap_or(&[]);
        if h.total() > limit {
            return self.oversized(h, body, limit);
        }
        Ok(match body.get(..h.remaining as usize) {
            Some(body) => Framed::Packet(h, body),
            None => Framed::Incomplete,
        })
    }

    /// True inside a packet that is being dropped, until its answer was sent.
    pub fn is_discarding(&self) -> bool {
        self.left > 0 || self.qos > 0
    }

    /// The answer was sent.
    pub fn answered(&mut self) {
        self.start();
    }

    fn oversized<'a>(&mut self, h: Header, body: &'a [u8], limit: usize) -> Decoded<Framed<'a>> {
        let total = h.total();
        if h.kind() != kind::PUBLISH {
            self.left = total as u32;
            return Ok(Framed::Oversized { total, topic: &[] });
        }
        let Some((&len, rest)) = body.split_first_chunk::<2>() else { return Ok(Framed::Incomplete) };
        let len = u16::from_be_bytes(len) as usize;
        let topic = rest.get(..len).unwrap_or(rest);
        // As much of the topic as the buffer can hold is worth waiting for.
        if topic.len() < len && h.len as usize + body.len() < limit {
            return Ok(Framed::Incomplete);
        }
        let id_at = h.len as usize + 2 + len;
        let qos = h.first & 6;
        if id_at + if qos > 0 { 2 } else { 0 } > total {
            return Err(ProtocolError::Length);
        }
        self.qos = qos;
        (self.left, self.after_id) = if qos > 0 { (id_at as u32, (total - id_at) as u32) } else { (total as u32, 0) };
        Ok(Framed::Oversized { total, topic })
    }
}
