//! WebSocket frames in a connection's buffers, laid out as Mongoose does: what is
//! put together of a fragmented message lies at the front of the receive buffer, an
//! opcode and then the data; after it, what has not been looked at. Plain bytes in
//! and out: knows no connection.

use std::{io::Cursor, ops::Range};

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, OpCode},
};

/// In the first byte of a frame: it is its message's last.
const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;

/// What is at the front of the receive buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Not enough yet.
    Wait,
    /// What no peer may send.
    Illegal(&'static str),
    /// Part of a message, put to its other parts.
    Part,
    /// A message, or a control frame; these bytes go when it has been handled.
    Deliver { flags: u8, data: Range<usize>, remove: Range<usize> },
}

/// Looks at one frame. `joined` is how much of the buffer is a message put together so far,
/// 0 for none. Returns also how much of the buffer is left in use. Without `join` each
/// fragment is delivered on its own.
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
    // The first part leaves its opcode in front of its data.
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

/// A frame as it goes out. `op` is WEBSOCKET_OP_*, with WEBSOCKET_DONT_FIN for all fragments
/// but the last.
pub(super) fn frame<'a>(op: i32, parts: impl Iterator<Item = &'a [u8]> + Clone, mask: Option<[u8; 4]>) -> Vec<u8> {
    const DONT_FIN: i32 = 0x100;
    let size: usize = parts.clone().map(<[u8]>::len).sum();
    let header = FrameHeader { is_final: op & DONT_FIN == 0, opcode: OpCode::from(op as u8 & OPCODE), mask, ..FrameHeader::default() };
    let mut out = Vec::with_capacity(header.len(size as u64) + size);
    // Writing to a vector does not fail.
    let _ = header.format(size as u64, &mut out);
    let data_at = out.len();
    parts.for_each(|part| out.extend_from_slice(part));
    if let Some(mask) = mask {
        apply(mask, &mut out[data_at..]);
    }
    out
}

/// The opcode that a frame's first byte holds, if it is that of a control frame.
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

    /// All that comes out when the bytes arrive in portions of this size.
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
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
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
    fn fragments_are_put_together_with_control_frames_between_them_delivered_at_once() {
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
    fn what_no_peer_may_send_is_told() {
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
    fn fragments_are_delivered_one_by_one_where_that_is_asked_for() {
        let mut buf = one(TEXT | DONT_FIN, b"abc");
        let mut joined = 0;
        let (step, left) = step(&mut buf, &mut joined, false);
        assert_eq!((step, left, joined), (Step::Deliver { flags: 0x01, data: 2..5, remove: 0..5 }, 5, 0));
    }
}
