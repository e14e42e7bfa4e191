//! The part of WebSocket framing (RFC 6455) that MQTT needs: MQTT packets are carried in binary
//! frames, at arbitrary boundaries \[MQTT-6.0.0-1, -2\]. The opening handshake is not covered.

use heapless::Vec;

/// Opcodes (RFC 6455, 5.2).
pub mod opcode {
    #![allow(missing_docs)]
    pub const CONTINUATION: u8 = 0;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// Builds the header of an unfragmented message of `len` bytes, masked, as a client must send it.
pub fn frame_header(opcode: u8, len: usize, mask: [u8; 4]) -> Vec<u8, 14> {
    let (first, [a, b, c, d]) = (0x80 | opcode, mask);
    match len {
        0..=125 => Vec::from_array([first, 0x80 | len as u8, a, b, c, d]),
        126..=0xffff => {
            let [hi, lo] = (len as u16).to_be_bytes();
            Vec::from_array([first, 0x80 | 126, hi, lo, a, b, c, d])
        }
        _ => {
            let [l0, l1, l2, l3, l4, l5, l6, l7] = (len as u64).to_be_bytes();
            Vec::from_array([first, 0x80 | 127, l0, l1, l2, l3, l4, l5, l6, l7, a, b, c, d])
        }
    }
}

/// Masks or unmasks the payload of a frame.
pub fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[i % 4];
    }
}

/// What comes next in the byte stream from a WebSocket server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FramePart {
    /// More bytes are needed.
    Incomplete,
    /// The header of a data frame, this many bytes: remove them.
    Header(usize),
    /// Payload, this many bytes: pass them to MQTT.
    Payload(usize),
    /// A complete control frame: remove `head` plus `len` bytes.
    Control {
        /// Close, ping or pong.
        opcode: u8,
        /// Size of the header in bytes.
        head: usize,
        /// Size of the payload in bytes, at most 125.
        len: usize,
    },
}

/// The framing rule that the server violated; the connection must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FrameError {
    /// A text frame \[MQTT-6.0.0-1\].
    Text = 1,
    /// Reserved bits, a reserved opcode, a masked frame, or one of 4 GiB or more.
    Header = 2,
    /// A continuation frame outside a fragmented message, or a new message inside one.
    Sequence = 3,
    /// A fragmented control frame, or one with more than 125 bytes of payload.
    Control = 4,
}

/// Parses a stream of WebSocket frames; holds the position in it.
pub struct FrameReader {
    /// Bytes of the current frame's payload not yet received.
    left: u32,
    /// The current message continues in another frame.
    in_message: bool,
}

impl FrameReader {
    /// At the start of a frame.
    pub const NEW: Self = FrameReader { left: 0, in_message: false };

    /// Parses what comes next in `raw`, the bytes after the payload already reported.
    pub fn next(&mut self, raw: &[u8]) -> Result<FramePart, FrameError> {
        if self.left > 0 {
            let available = raw.len().min(self.left as usize);
            self.left -= available as u32;
            return Ok(if available == 0 { FramePart::Incomplete } else { FramePart::Payload(available) });
        }
        let &[first, second, ref rest @ ..] = raw else { return Ok(FramePart::Incomplete) };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 || second & 0x80 != 0 {
            return Err(FrameError::Header);
        }
        let (head, len) = match second {
            126 => match rest.first_chunk::<2>() {
                Some(&len) => (4, u16::from_be_bytes(len) as u64),
                None => return Ok(FramePart::Incomplete),
            },
            127 => match rest.first_chunk::<8>() {
                Some(&len) => (10, u64::from_be_bytes(len)),
                None => return Ok(FramePart::Incomplete),
            },
            len => (2, len as u64),
        };
        match opcode {
            opcode::CONTINUATION | opcode::BINARY => {
                if self.in_message != (opcode == opcode::CONTINUATION) {
                    return Err(FrameError::Sequence);
                }
                self.left = u32::try_from(len).map_err(|_| FrameError::Header)?;
                self.in_message = !last;
                Ok(FramePart::Header(head))
            }
            1 => Err(FrameError::Text),
            opcode::CLOSE..=opcode::PONG => {
                if !last || len > 125 {
                    return Err(FrameError::Control);
                }
                let len = len as usize;
                Ok(if raw.len() < head + len { FramePart::Incomplete } else { FramePart::Control { opcode, head, len } })
            }
            _ => Err(FrameError::Header),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{FrameError, FramePart, FrameReader, apply_mask, frame_header, opcode};
    use std::vec::Vec;

    /// The payload and the control frames of a stream that comes in pieces of `size` bytes.
    fn unframe(stream: &[u8], size: usize) -> Result<(Vec<u8>, Vec<u8>), FrameError> {
        let (mut unframer, mut buf, mut data, mut controls) = (FrameReader::NEW, Vec::new(), Vec::new(), Vec::new());
        for chunk in stream.chunks(size) {
            buf.extend_from_slice(chunk);
            loop {
                match unframer.next(&buf)? {
                    FramePart::Incomplete => break,
                    FramePart::Header(n) => drop(buf.drain(..n)),
                    FramePart::Payload(n) => data.extend(buf.drain(..n)),
                    FramePart::Control { opcode, head, len } => {
                        controls.push(opcode);
                        buf.drain(..head + len);
                    }
                }
            }
        }
        Ok((data, controls))
    }

    #[test]
    fn payload_comes_out_whatever_the_frames_and_the_pieces() {
        let mut stream = std::vec![0x02, 2, b'a', b'b', 0x89, 1, b'!', 0x80, 126, 0, 3, b'c', b'd', b'e', 0x8a, 0];
        stream.extend_from_slice(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, b'f', 0x82, 0, 0x88, 2, 3, 0xe8]);
        for size in 1..stream.len() {
            let (data, controls) = unframe(&stream, size).unwrap();
            assert_eq!(
                (data.as_slice(), controls.as_slice()),
                (&b"abcdef"[..], &[opcode::PING, opcode::PONG, opcode::CLOSE][..]),
                "{size}"
            );
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_an_error() {
        for (stream, wrong) in [
            (&[0x81, 1, b'x'][..], FrameError::Text),
            (&[0xc2, 0], FrameError::Header),
            (&[0x82, 0x80], FrameError::Header),
            (&[0x83, 0], FrameError::Header),
            (&[0x8b, 0], FrameError::Header),
            (&[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0], FrameError::Header),
            (&[0x80, 0], FrameError::Sequence),
            (&[0x02, 0, 0x82, 0], FrameError::Sequence),
            (&[0x09, 0], FrameError::Control),
            (&[0x89, 126, 0, 126], FrameError::Control),
        ] {
            assert_eq!(unframe(stream, 1), Err(wrong), "{stream:?}");
        }
    }

    #[test]
    fn heads_have_the_three_lengths_and_the_mask() {
        let mask = [1, 2, 3, 4];
        assert_eq!(frame_header(opcode::BINARY, 125, mask), [0x82, 0x80 | 125, 1, 2, 3, 4]);
        assert_eq!(frame_header(opcode::PONG, 126, mask), [0x8a, 0x80 | 126, 0, 126, 1, 2, 3, 4]);
        assert_eq!(frame_header(opcode::BINARY, 65536, mask), [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]);
        let mut bytes = *b"hello";
        apply_mask(&mut bytes, mask);
        assert_eq!(bytes, [b'h' ^ 1, b'e' ^ 2, b'l' ^ 3, b'l' ^ 4, b'o' ^ 1]);
    }

    #[test]
    fn a_control_frame_has_at_most_125_bytes() {
        let next = |stream: &[u8]| {
            let mut reader = FrameReader::NEW;
            reader.next(stream)
        };
        let mut stream = std::vec![0x89, 125];
        stream.resize(127, 0);
        assert_eq!(next(&stream), Ok(FramePart::Control { opcode: opcode::PING, head: 2, len: 125 }));
        // With a length of two bytes, which is not the minimal encoding.
        let mut stream = std::vec![0x8a, 126, 0, 125];
        stream.resize(129, 0);
        assert_eq!(next(&stream), Ok(FramePart::Control { opcode: opcode::PONG, head: 4, len: 125 }));
        assert_eq!(next(&[0x8a, 126, 0, 126]), Err(FrameError::Control));
    }
}
