//! WebSocket frames in a connection's buffers, laid out as in Mongoose: a reassembled message at
//! the front of the receive buffer, as opcode and data; unprocessed data after it. Plain bytes in
//! and out, independent of connections.

use std::{io::Cursor, ops::Range};

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, OpCode},
};

/// Bit in the first byte of a frame: last of its message.
const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;

/// What is at the front of the receive buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Incomplete.
    Wait,
    /// Invalid.
    Illegal(&'static str),
    /// Part of a message, joined with the earlier ones.
    Part,
    /// A message or a control frame; its bytes are removed once it is handled.
    Deliver { flags: u8, data: Range<usize>, remove: Range<usize> },
}

/// Processes a frame. `joined` is the length of the reassembled message so far, 0 for none. Also
/// returns how much of the buffer remains in use. Without `join` each fragment is delivered
/// separately.
pub(super) fn step(buf: &mut [u8], joined: &mut usize, join: bool) -> (Step, usize) {
    let len = buf.len();
    let start = (*joined).min(len);
    let mut cursor = Cursor::new(&buf[start..]);
    let (header, size) = match FrameHeader::parse(&mut cursor) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return (Step::Wait, len),
        Err(_) => return (Step::Illegal("unknown kind of frame"), len),
    };
    let data_at = start + cursor.position() as usize;
    let flags = buf[start];
    let is_control = flags & CONTROL != 0;
    let continues = flags & OPCODE == 0;
    let is_part = !header.is_final || continues;
    let illegal = match () {
        () if is_control && is_part => Some("fragmented control frame"),
        () if is_control && size > 125 => Some("control frame that is too long"),
        () if !is_control && *joined > 0 && join && !continues => Some("new message in the middle of a fragmented one"),
        () if *joined == 0 && join && continues => Some("continuation of nothing"),
        () => None,
    };
    if let Some(what) = illegal {
        return (Step::Illegal(what), len);
    }
    let Some(end) = usize::try_from(size).ok().and_then(|size| data_at.checked_add(size)) else {
        return (Step::Illegal("impossible length"), len);
    };
    if end > len {
        return (Step::Wait, len);
    }
    if let Some(mask) = header.mask {
        apply(mask, &mut buf[data_at..end]);
    }
    if !is_part || !join {
        return (Step::Deliver { flags, data: data_at..end, remove: start..end }, len);
    }
    // The first part keeps its opcode in front of its data.
    let keep = if continues { start } else { start + 1 };
    buf.copy_within(data_at.., keep);
    let left = len - (data_at - keep);
    *joined = keep + (end - data_at);
    if !header.is_final {
        return (Step::Part, left);
    }
    let whole = std::mem::take(joined);
    (Step::Deliver { flags: FIN | buf[0], data: 1..whole, remove: 0..whole }, left)
}

fn apply(mask: [u8; 4], data: &mut [u8]) {
    data.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

/// An outgoing frame. `op` is WEBSOCKET_OP_*, with WEBSOCKET_DONT_FIN for all fragments but the
/// last.
pub(super) fn frame<'a>(op: i32, parts: impl Iterator<Item = &'a [u8]> + Clone, mask: Option<[u8; 4]>) -> Vec<u8> {
    const DONT_FIN: i32 = 0x100;
    let size: usize = parts.clone().map(<[u8]>::len).sum();
    let header = FrameHeader { is_final: op & DONT_FIN == 0, opcode: OpCode::from(op as u8 & OPCODE), mask, ..FrameHeader::default() };
    let mut out = Vec::with_capacity(header.len(size as u64) + size);
    // Writing to a vector cannot fail.
    let _ = header.format(size as u64, &mut out);
    let data_at = out.len();
    parts.for_each(|part| out.extend_from_slice(part));
    if let Some(mask) = mask {
        apply(mask, &mut out[data_at..]);
    }
    out
}

/// The opcode in a frame's first byte, if it is a control frame's.
pub(super) fn control(flags: u8) -> Option<Control> {
    if let OpCode::Control(control) = OpCode::from(flags & OPCODE) { Some(control) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: i32 = 1;
    const BINARY: i32 = 2;
    const PING: i32 = 9;
    const CONTINUE: i32 = 0;
    const DONT_FIN: i32 = 0x100;

    fn one(op: i32, data: &[u8]) -> Vec<u8> {
        frame(op, std::iter::once(data), None)
    }

    /// Everything delivered if the bytes arrive in portions of this size.
    fn receive(bytes: &[u8], portion: usize) -> Vec<(u8, Vec<u8>)> {
        let (mut buf, mut joined, mut out) = (Vec::new(), 0, Vec::new());
        for portion in bytes.chunks(portion) {
            buf.extend_from_slice(portion);
            loop {
                let (step, left) = step(&mut buf, &mut joined, true);
                buf.truncate(left);
                match step {
                    Step::Wait => break,
                    Step::Part => {}
                    Step::Illegal(what) => panic!("{what}"),
                    Step::Deliver { flags, data, remove } => {
                        out.push((flags, buf[data].to_vec()));
                        buf.drain(remove);
                    }
                }
            }
        }
        assert!(buf.is_empty() && joined == 0);
        out
    }

    #[test]
    fn frames_round_trip_however_they_are_segmented() {
        for size in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let data: Vec<u8> = (0..size).map(|i| i as u8).collect();
            for mask in [None, Some([1, 2, 3, 4])] {
                let sent = frame(BINARY, [&data[..size / 2], &data[size / 2..]].into_iter(), mask);
                for portion in [1, 3, 1000, sent.len()] {
                    if portion > 1 || size < 1000 {
                        assert_eq!(receive(&sent, portion), [(0x82, data.clone())], "{size} {portion}");
                    }
                }
            }
        }
    }

    #[test]
    fn fragments_are_joined_and_control_frames_between_them_delivered_immediately() {
        let sent = [
            one(TEXT | DONT_FIN, b"abc"),
            one(PING, b"p"),
            one(CONTINUE | DONT_FIN, b""),
            frame(CONTINUE | DONT_FIN, std::iter::once(&b"def"[..]), Some([9, 8, 7, 6])),
            one(PING, b""),
            one(CONTINUE, b"g"),
            one(BINARY, b"next"),
        ]
        .concat();
        let wanted = [(0x89, b"p".to_vec()), (0x89, vec![]), (0x81, b"abcdefg".to_vec()), (0x82, b"next".to_vec())];
        for portion in 1..sent.len() {
            assert_eq!(receive(&sent, portion), wanted);
        }
    }

    #[test]
    fn invalid_frames_are_reported() {
        let last_step = |sent: &[Vec<u8>]| {
            let (mut buf, mut joined) = (sent.concat(), 0);
            let (mut last, left) = step(&mut buf, &mut joined, true);
            if last == Step::Part {
                (last, _) = step(&mut buf[..left], &mut joined, true);
            }
            last
        };
        for (sent, what) in [
            (vec![one(PING | DONT_FIN, b"")], "fragmented control frame"),
            (vec![one(PING, &[0; 126])], "control frame that is too long"),
            (vec![one(TEXT | DONT_FIN, b"a"), one(TEXT, b"b")], "new message in the middle of a fragmented one"),
            (vec![one(CONTINUE, b"a")], "continuation of nothing"),
            (vec![one(3, b"a")], "unknown kind of frame"),
            (vec![[&[0x82, 127][..], &[0xff; 8]].concat()], "impossible length"),
        ] {
            assert_eq!(last_step(&sent), Step::Illegal(what));
        }
    }

    #[test]
    fn fragments_are_delivered_separately_if_requested() {
        let mut buf = one(TEXT | DONT_FIN, b"abc");
        let mut joined = 0;
        let (step, left) = step(&mut buf, &mut joined, false);
        assert_eq!((step, left, joined), (Step::Deliver { flags: 0x01, data: 2..5, remove: 0..5 }, 5, 0));
    }
}
