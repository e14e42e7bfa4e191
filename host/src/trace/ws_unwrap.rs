//! Extracts the payload of WebSocket from one side of a connection. Independent of MQTT and of the
//! other side.

use std::io::Cursor;

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

/// Progress of the side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not enough data to tell.
    New,
    /// Not WebSocket: all data is payload.
    Plain,
    /// In the HTTP header.
    Head,
    /// Frames follow.
    Frames,
}

/// One side of a connection.
pub(super) struct WsUnwrap {
    state: State,
    /// Data that is not decoded yet.
    waiting: Vec<u8>,
}

impl WsUnwrap {
    pub(super) fn new() -> WsUnwrap {
        WsUnwrap { state: State::New, waiting: Vec::new() }
    }

    /// Whether it started with HTTP.
    pub(super) fn is_websocket(&self) -> bool {
        matches!(self.state, State::Head | State::Frames)
    }

    /// Adds data. Returns the payload that is complete now.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(bytes);
        if self.state == State::New {
            let begins = |word: &[u8]| self.waiting.iter().zip(word).all(|(a, b)| a == b);
            let http = begins(b"GET ") || begins(b"HTTP");
            self.state = match (http, self.waiting.len()) {
                (true, ..4) => return Vec::new(),
                (true, _) => State::Head,
                (false, _) => State::Plain,
            };
        }
        if self.state == State::Head {
            let Some(end) = self.waiting.windows(4).position(|four| four == b"\r\n\r\n") else { return Vec::new() };
            self.waiting.drain(..end + 4);
            self.state = State::Frames;
        }
        match self.state {
            State::Frames => self.frames(),
            _ => std::mem::take(&mut self.waiting),
        }
    }

    /// The payload of complete frames; control frames are skipped.
    fn frames(&mut self) -> Vec<u8> {
        let mut payload = Vec::new();
        loop {
            let mut cursor = Cursor::new(&self.waiting);
            let Ok(Some((header, size))) = FrameHeader::parse(&mut cursor) else { return payload };
            let start = cursor.position() as usize;
            let Some(end) = start.checked_add(size as usize).filter(|end| *end <= self.waiting.len()) else { return payload };
            if matches!(header.opcode, OpCode::Data(Data::Binary | Data::Continue)) {
                let mask = header.mask.unwrap_or_default();
                payload.extend(self.waiting[start..end].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            }
            self.waiting.drain(..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn byte_by_byte(ws: &mut WsUnwrap, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|byte| ws.take(&[*byte])).collect()
    }

    #[test]
    fn without_websocket_all_data_is_payload() {
        let mut ws = WsUnwrap::new();
        assert_eq!(byte_by_byte(&mut ws, b"\x10\x00GET "), b"\x10\x00GET ");
        assert!(!ws.is_websocket());
    }

    #[test]
    fn http_headers_and_frame_headers_are_removed_and_control_frames_skipped() {
        let mut ws = WsUnwrap::new();
        let said = b"GET /mqtt HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x82\x83\x01\x02\x03\x04abc\x89\x00\x02\x01x\x80\x01y";
        assert_eq!(byte_by_byte(&mut ws, said), [b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, b'x', b'y']);
        assert!(ws.is_websocket());
    }

    #[test]
    fn one_segment_may_contain_header_and_frames() {
        let mut ws = WsUnwrap::new();
        assert_eq!(ws.take(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x82\x02hi\x82\x05half"), b"hi");
        assert_eq!(ws.take(b"!"), b"half!");
    }
}
