//! The handshake of a WebSocket client: its request, and what its response means. Independent of
//! connections.

use data_encoding::BASE64;
use tungstenite::handshake::derive_accept_key;

use crate::{
    abi::HttpMessage,
    http::message::{self, header},
};

/// The variable parts of a request. Empty means absent.
#[derive(Clone, Copy, Default)]
pub(super) struct Request<'a> {
    pub(super) path: &'a [u8],
    pub(super) host: &'a [u8],
    pub(super) protocol: &'a [u8],
    /// Whole lines.
    pub(super) extra_headers: &'a [u8],
    pub(super) user: &'a [u8],
    pub(super) password: &'a [u8],
}

impl Request<'_> {
    pub(super) fn with_key(&self, key: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
        let path = if self.path.is_empty() { b"/" } else { self.path };
        put(&[b"GET ", path, b" HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"]);
        if !self.user.is_empty() {
            let login = BASE64.encode(&[self.user, b":", self.password].concat());
            put(&[b"Authorization: Basic ", login.as_bytes(), b"\r\n"]);
        }
        put(&[b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ", key.as_bytes(), b"\r\n"]);
        if !self.host.is_empty() {
            put(&[b"Host: ", self.host, b"\r\n"]);
        }
        if !self.protocol.is_empty() {
            put(&[b"Sec-WebSocket-Protocol: ", self.protocol, b"\r\n"]);
        }
        put(&[self.extra_headers, b"\r\n"]);
        out
    }
}

/// A response.
pub(super) struct Reply {
    /// Points into the bytes that were read.
    pub(super) message: HttpMessage,
    /// Its length, without a body.
    pub(super) len: usize,
    /// Whether it accepts, with the hash of the key.
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Refused,
    /// It accepts, but with a wrong hash.
    WrongKey,
}

/// Parses a response; `None` while it is incomplete. `key` is the request's.
pub(super) fn reply(bytes: &[u8], key: Option<&str>) -> Result<Option<Reply>, String> {
    let Some((message, len)) = message::response(bytes)? else { return Ok(None) };
    let verdict = match (message.resp_code, header(&message, b"Sec-WebSocket-Accept")) {
        (101, Some(answer)) => match key {
            Some(key) if derive_accept_key(key.as_bytes()).as_bytes() != answer => Verdict::WrongKey,
            _ => Verdict::Accepted,
        },
        _ => Verdict::Refused,
    };
    Ok(Some(Reply { message, len, verdict }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_given_headers_and_no_empty_lines() {
        let all = Request {
            path: b"/mqtt?x=1",
            host: b"broker:8083",
            protocol: b"mqtt",
            extra_headers: b"X-A: b\r\n",
            user: b"joe",
            password: b"pw",
        };
        let text = String::from_utf8(all.with_key("KEY")).unwrap();
        assert_eq!(
            text,
            "GET /mqtt?x=1 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAuthorization: Basic am9lOnB3\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\nHost: broker:8083\r\nSec-WebSocket-Protocol: mqtt\r\nX-A: b\r\n\r\n"
        );
        let least = String::from_utf8(Request::default().with_key("KEY")).unwrap();
        assert_eq!(
            least,
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\n\r\n"
        );
    }

    #[test]
    fn only_a_response_with_the_hash_of_our_key_accepts() {
        // The example of RFC 6455.
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let yes =
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nrest";
        let verdict = |bytes: &[u8], key| reply(bytes, key).unwrap().unwrap().verdict;
        assert_eq!(verdict(yes, Some(key)), Verdict::Accepted);
        assert_eq!(verdict(yes, Some("another")), Verdict::WrongKey);
        assert_eq!(verdict(yes, None), Verdict::Accepted);
        assert_eq!(verdict(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Some(key)), Verdict::Refused);
        assert_eq!(verdict(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Some(key)), Verdict::Refused);
        for cut in 0..yes.len() - 4 {
            assert!(reply(&yes[..cut], Some(key)).unwrap().is_none(), "{cut}");
        }
    }
}
