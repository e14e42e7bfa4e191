//! Where the body of an HTTP response ends: by its length, by its chunks, or with the connection.

use std::borrow::Cow;

use httparse::{EMPTY_HEADER, Status};

use super::message::{UNKNOWN, header};
use crate::abi::HttpMessage;

/// A body, as far as it was received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    Incomplete,
    /// It ends with the connection.
    Open(&'a [u8]),
    /// The whole body, and the bytes that it takes.
    Whole(Cow<'a, [u8]>, usize),
}

/// The body of a response, which begins at the beginning of `bytes`.
pub(super) fn body<'a>(message: &HttpMessage, bytes: &'a [u8]) -> Result<Body<'a>, String> {
    let none = matches!(message.resp_code, 100..200 | 204 | 304);
    let chunked_by = |coding: &[u8]| coding.to_ascii_lowercase().ends_with(b"chunked");
    if none {
        Ok(Body::Whole(Cow::Borrowed(&[]), 0))
    } else if header(message, b"Transfer-Encoding").is_some_and(chunked_by) {
        Ok(chunks(bytes)?.map_or(Body::Incomplete, |(body, len)| Body::Whole(Cow::Owned(body), len)))
    } else if message.content_length == UNKNOWN {
        Ok(Body::Open(bytes))
    } else {
        let whole = bytes.get(..message.content_length);
        Ok(whole.map_or(Body::Incomplete, |body| Body::Whole(Cow::Borrowed(body), body.len())))
    }
}

/// Joins chunks. Returns the body and the bytes that it takes; `None` while it is incomplete.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let (begin, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(Status::Complete((len, size))) => (at + len, usize::try_from(size).unwrap_or(usize::MAX)),
            Ok(Status::Partial) => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        if size == 0 {
            // Headers may follow; the app does not get them.
            let mut trailer = [EMPTY_HEADER; 16];
            return match httparse::parse_headers(&bytes[begin..], &mut trailer).map_err(|e| e.to_string())? {
                Status::Complete((len, _)) => Ok(Some((body, begin + len))),
                Status::Partial => Ok(None),
            };
        }
        let Some((chunk, rest)) = bytes[begin..].split_at_checked(size) else { return Ok(None) };
        match rest {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(None),
            _ => return Err("a chunk is longer than its size".to_owned()),
        }
        body.extend_from_slice(chunk);
        at = begin + size + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message::response, *};

    fn of(bytes: &[u8]) -> Result<Body<'_>, String> {
        let (message, len) = response(bytes).unwrap().unwrap();
        body(&message, &bytes[len..])
    }

    #[test]
    fn a_body_is_as_long_as_declared() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd";
        assert_eq!(of(bytes), Ok(Body::Whole(Cow::Borrowed(b"abc"), 3)));
        assert_eq!(of(&bytes[..bytes.len() - 2]), Ok(Body::Incomplete));
        assert_eq!(of(b"HTTP/1.1 204 No Content\r\n\r\nnext"), Ok(Body::Whole(Cow::Borrowed(b""), 0)));
        assert_eq!(of(b"HTTP/1.1 200 OK\r\n\r\nab"), Ok(Body::Open(b"ab")));
    }

    #[test]
    fn chunks_are_joined_once_all_are_there() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\nA;x=y\r\n0123456789\r\n0\r\nX: trailer\r\n\r\n";
        let (_, head) = response(bytes).unwrap().unwrap();
        assert_eq!(of(bytes), Ok(Body::Whole(Cow::Borrowed(b"Wiki0123456789"), bytes.len() - head)));
        for cut in head..bytes.len() {
            assert_eq!(of(&bytes[..cut]), Ok(Body::Incomplete), "{cut}");
        }
    }

    #[test]
    fn invalid_chunks_are_rejected() {
        for chunks in ["x\r\n", "2\r\nabc\r\n", "ffffffffffffffffff\r\n"] {
            let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert!(of(bytes.as_bytes()).is_err(), "{chunks:?}");
        }
    }
}
