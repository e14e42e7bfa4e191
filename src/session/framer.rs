//! Splits the byte stream from the broker into packets, and discards packets larger than the
//! receive limit as they stream in.
//!
//! The topic of a discarded message is reported as far as it fits the limit, and its packet ID is
//! kept: the message is acknowledged once all of it has been discarded, so that the broker does not
//! resend it forever.

use crate::wire::{AckKind, Decoded, Header, PacketId, ProtocolError, header, kind};

/// What is at the front of the receive buffer, and what to do with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framed<'a> {
    /// More bytes are needed.
    Incomplete,
    /// A complete packet: its fixed header and body.
    Packet(Header, &'a [u8]),
    /// This many bytes of an oversized packet: remove them and call again.
    Discard(usize),
    /// The start of an oversized packet: log it and call again.
    Oversized {
        /// Size of the whole packet in bytes.
        total: usize,
        /// The topic of a message as far as it was received; empty for other packets.
        topic: &'a [u8],
    },
    /// An oversized message was fully discarded: send this acknowledgement, call
    /// [`Session::discarded_answered`](super::Session::discarded_answered), and call again.
    Answer(AckKind, PacketId),
}

/// The position in the stream: at a packet boundary, or inside a packet that is being discarded.
pub struct Framer {
    /// Bytes to discard.
    left: u32,
    /// Bytes to discard from the packet ID on, which follows the `left` bytes; 0 if there is no
    /// packet ID or it has been read.
    after_id: u32,
    /// The QoS bits of the message being discarded; they decide which acknowledgement is due.
    qos: u8,
    id: Option<PacketId>,
    /// The received bytes end inside a packet, as the session has noted. A broker that closes on purpose
    /// does so at a packet boundary.
    pub mid_packet: bool,
}

impl Framer {
    /// At a packet boundary.
    pub const NEW: Self = Framer { left: 0, after_id: 0, qos: 0, id: None, mid_packet: false };

    /// A connection starts.
    pub fn start(&mut self) {
        *self = Self::NEW;
    }

    /// Examines `buf`, the bytes received and not yet removed. `limit` is the maximum size of the
    /// buffer, at least 16.
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

    /// Returns true from the start of an oversized packet until its acknowledgement was sent.
    pub fn is_discarding(&self) -> bool {
        self.left > 0 || self.qos > 0
    }

    /// Returns the packet ID of the message being discarded, once it was received.
    pub fn id(&self) -> Option<PacketId> {
        self.id
    }

    /// The acknowledgement was sent.
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
        // Wait for as much of the topic as fits the buffer.
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
