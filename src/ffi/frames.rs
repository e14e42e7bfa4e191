//! The frames of a WebSocket: made and taken apart in the buffers of a Mongoose connection.
//!
//! The receive buffer holds, in front, bytes that have been taken out of their frames, and behind
//! them what has come in since. The send buffer holds, in front, whole frames, and behind them what
//! has been written since, by the app's own calls of Mongoose too: it is put into a frame before
//! Mongoose gets to send it.

use super::nc::Nc;
use super::shim;
use crate::wire::websocket::{FrameError, FramePart, FrameReader, apply_mask, frame_header, opcode};
use core::num::NonZeroU32;

/// How far a connection over WebSocket has got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Stage {
    /// It is not one over WebSocket.
    Off,
    /// Frames go both ways.
    Open,
    /// TCP and TLS are coming up.
    Connecting,
    /// The HTTP request was sent.
    Upgrading,
    /// The server has agreed. Mongoose's handler is still on the stack.
    Agreed,
}

/// The state of a connection over WebSocket.
pub struct WebSocket {
    unframer: FrameReader,
    /// Bytes at the front of the receive buffer that belong to MQTT.
    pub unframed: usize,
    /// Bytes at the front of the send buffer that are whole frames.
    framed: usize,
    /// A close frame has been written.
    close_is_sent: bool,
}

/// Why the work on frames has ended early, as the number that crosses the seam.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interruption(pub NonZeroU32);

impl Interruption {
    /// The server has closed the WebSocket, and was answered.
    pub const CLOSED: Self = Interruption(NonZeroU32::MIN);
    /// There was no memory for the header of a frame: what follows makes no sense to the server.
    pub const OUT_OF_MEMORY: Self = Interruption(NonZeroU32::MIN.saturating_add(1));
    const BAD_FRAME: u32 = 256;

    /// The server has broken the protocol.
    #[inline(never)]
    fn bad_frame(error: FrameError) -> Self {
        Interruption(NonZeroU32::MIN.saturating_add(Self::BAD_FRAME - 1 + error as u32))
    }

    /// The rule that the server has broken, a `FrameError`.
    pub fn rule(self) -> i32 {
        (self.0.get() & (Self::BAD_FRAME - 1)) as i32
    }
}

impl WebSocket {
    /// The handshake is over. The `unsent` bytes that wait are Mongoose's: the rest of its request,
    /// or its answer to a ping that came with the reply.
    pub const fn opened(unsent: usize) -> Self {
        WebSocket { unframer: FrameReader::NEW, unframed: 0, framed: unsent, close_is_sent: false }
    }

    /// `n` bytes of MQTT have been dealt with.
    pub fn consumed(&mut self, n: usize) {
        self.unframed = self.unframed.saturating_sub(n);
    }

    /// Mongoose has sent `n` bytes.
    pub fn sent(&mut self, n: usize) {
        self.framed = self.framed.saturating_sub(n);
    }

    /// Puts what has been written since the last frame into one; with `even_empty` also nothing.
    pub fn frame(&mut self, nc: &mut Nc<'_>, opcode: u8, even_empty: bool) -> Result<(), Interruption> {
        let at = self.framed;
        let len = nc.unsent().saturating_sub(at);
        if len == 0 && !even_empty {
            return Ok(());
        }
        // SAFETY: makes a number.
        let mask = unsafe { shim::mgos_mqtt_shim_random() }.to_ne_bytes();
        let head = frame_header(opcode, len, mask);
        let payload = nc.insert_unsent(at, &head).ok_or(Interruption::OUT_OF_MEMORY)?;
        apply_mask(payload, mask);
        self.framed = at + head.len() + len;
        Ok(())
    }

    /// Writes a close frame (RFC 6455, 5.5.1) with the payload that `put` writes, unless one has
    /// been written. Without memory for it the connection ends without.
    pub fn frame_close(&mut self, nc: &mut Nc<'_>, put: impl FnOnce(&mut Nc<'_>) -> bool) -> Result<(), Interruption> {
        if !core::mem::replace(&mut self.close_is_sent, true) && put(nc) {
            self.frame(nc, opcode::CLOSE, true)?;
        }
        Ok(())
    }

    /// Takes what has come in out of its frames, and answers control frames. A close waits until
    /// the packets before it have been dealt with, unless `to_the_end`.
    #[inline(never)]
    pub fn unframe(&mut self, nc: &mut Nc<'_>, to_the_end: bool) -> Result<(), Interruption> {
        // What the app has written goes before an answer.
        self.frame(nc, opcode::BINARY, false)?;
        loop {
            let at = self.unframed;
            let raw = nc.received().0.get(at..).unwrap_or(&[]);
            let gone = match self.unframer.next(raw).map_err(Interruption::bad_frame)? {
                FramePart::Incomplete => return Ok(()),
                FramePart::Payload(n) => {
                    self.unframed += n;
                    0
                }
                FramePart::Header(n) => n,
                FramePart::Control { opcode: opcode::CLOSE, head, len } => {
                    if at > 0 && !to_the_end {
                        return Ok(());
                    }
                    self.frame_close(nc, |nc| nc.echo(at + head, len))?;
                    nc.consume(at, head + len);
                    return Err(Interruption::CLOSED);
                }
                FramePart::Control { opcode, head, len } => {
                    // A ping stays unanswered without memory, and if the server does not read.
                    let answer = opcode == opcode::PING && !nc.is_backlogged();
                    if answer && nc.echo(at + head, len) {
                        self.frame(nc, opcode::PONG, true)?;
                    }
                    head + len
                }
            };
            nc.consume(at, gone);
        }
    }
}

/// The status code 1000 (RFC 6455, 7.4.1).
pub const NORMAL_CLOSURE: [u8; 2] = [0x03, 0xe8];
