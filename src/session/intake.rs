//! The stream from the broker, cut into packets; a packet larger than the receive limit is dropped as it streams in.
//!
//! Of a dropped message the topic is reported as far as it fits the limit, and its identifier is kept, so that it can be
//! acknowledged when the last of it has gone by: the broker must not send it again and again.

use crate::wire::{AckKind, Header, PacketId, QoS, Violation, Wrong, header, kind};

/// What to do with the bytes at the front of the receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Take<'a> {
    /// Wait for more.
    More,
    /// A whole packet lies there: its fixed header, and what follows it.
    Packet(Header, &'a [u8]),
    /// So many bytes belong to a packet that is being dropped: remove them and look again.
    Drop(usize),
    /// A packet over the limit begins: to be logged and counted. Look again.
    Oversized {
        /// Bytes of the whole packet.
        total: usize,
        /// The topic of a message, as far as it is known.
        topic: &'a [u8],
    },
    /// The packet has been dropped to its end: send this acknowledgement, call `answered` and look again.
    Answer(AckKind, PacketId),
}

#[derive(Clone, Copy, Default)]
enum Stage {
    /// A packet begins at the front.
    #[default]
    Start,
    /// Inside a message whose topic alone is over the limit: `before` bytes to the identifier, `after` from there on.
    Topic { before: u32, after: u32, qos: QoS },
    /// `left` bytes to the end of the packet, then the answer.
    Body { left: u32, answer: Option<(AckKind, PacketId)> },
}

/// Where in the stream we are.
#[derive(Default)]
pub struct Intake {
    stage: Stage,
}

/// The identifier in two bytes, and the acknowledgement that belongs to it.
fn answer(first: u8, qos: QoS, id: [u8; 2]) -> Result<Option<(AckKind, PacketId)>, Violation> {
    let ack = match qos {
        QoS::AtMostOnce => return Ok(None),
        QoS::AtLeastOnce => AckKind::PubAck,
        QoS::ExactlyOnce => AckKind::PubRec,
    };
    let id = PacketId::new(u16::from_be_bytes(id)).ok_or(Violation { header: first, wrong: Wrong::ZeroId, value: 0 })?;
    Ok(Some((ack, id)))
}

impl Intake {
    /// A connection begins.
    pub fn start(&mut self) {
        *self = Intake::default();
    }

    /// Looks at `buf`, what has been received and not removed yet. `limit` is how long it can get, at least 16.
    pub fn take<'a>(&mut self, buf: &'a [u8], limit: usize) -> Result<Take<'a>, Violation> {
        match self.stage {
            Stage::Start => {
                let Some(h) = header(buf)? else { return Ok(Take::More) };
                let body = buf.get(h.len as usize..).unwrap_or(&[]);
                if h.total() > limit {
                    return self.oversized(h, buf.len(), body, limit);
                }
                Ok(match body.get(..h.remaining as usize) {
                    Some(body) => Take::Packet(h, body),
                    None => Take::More,
                })
            }
            Stage::Topic { before, after, qos } => {
                let there = buf.len().min(before as usize);
                if there > 0 {
                    self.stage = Stage::Topic { before: before - there as u32, after, qos };
                    return Ok(Take::Drop(there));
                }
                let Some(&id) = buf.first_chunk::<2>() else { return Ok(Take::More) };
                self.stage = Stage::Body { left: after, answer: answer(kind::PUBLISH << 4 | (qos as u8) << 1, qos, id)? };
                self.take(buf, limit)
            }
            Stage::Body { left: 0, answer: Some((ack, id)) } => Ok(Take::Answer(ack, id)),
            Stage::Body { left: 0, answer: None } => {
                self.start();
                self.take(buf, limit)
            }
            Stage::Body { left, answer } => {
                let there = buf.len().min(left as usize);
                if there == 0 {
                    return Ok(Take::More);
                }
                self.stage = Stage::Body { left: left - there as u32, answer };
                Ok(Take::Drop(there))
            }
        }
    }

    /// The answer was sent.
    pub fn answered(&mut self) {
        self.start();
    }

    fn oversized<'a>(&mut self, h: Header, have: usize, body: &'a [u8], limit: usize) -> Result<Take<'a>, Violation> {
        let total = h.total();
        self.stage = Stage::Body { left: total as u32, answer: None };
        let mut topic: &[u8] = &[];
        if h.kind() == kind::PUBLISH {
            let Some((len, rest)) = body.split_first_chunk::<2>() else {
                self.start();
                return Ok(Take::More);
            };
            let len = u16::from_be_bytes(*len) as usize;
            let qos = QoS::clamped((h.first >> 1 & 3) as i32);
            let id_len = if qos > QoS::AtMostOnce { 2 } else { 0 };
            let id_at = h.len as usize + 2 + len;
            if id_at + id_len > total {
                return Err(Violation { header: h.first, wrong: Wrong::Length, value: h.remaining });
            }
            // As much of the topic as the buffer can hold is worth waiting for.
            if have < (id_at + id_len).min(limit) {
                self.start();
                return Ok(Take::More);
            }
            topic = rest.get(..len).unwrap_or(rest);
            self.stage = match rest.get(len..).and_then(|r| r.first_chunk::<2>()) {
                _ if id_len == 0 => self.stage,
                Some(&id) => Stage::Body { left: total as u32, answer: answer(h.first, qos, id)? },
                None => Stage::Topic { before: id_at as u32, after: (total - id_at) as u32, qos },
            };
        }
        Ok(Take::Oversized { total, topic })
    }
}
