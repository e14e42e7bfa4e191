//! HTTP of a WebSocket client: the handshake request, and its response as `struct http_message`.
//! Independent of connections.

use std::{ffi::c_int, ptr};

use data_encoding::BASE64;
use httparse::{EMPTY_HEADER, Response, Status};
use tungstenite::handshake::derive_accept_key;

use crate::abi::{HTTP_HEADERS, HttpMessage, MgStr};

/// Maximum length of a response.
const MAX_REPLY: usize = 8192;

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
    let mut headers = [EMPTY_HEADER; 128];
    let mut parsed = Response::new(&mut headers);
    let len = match parsed.parse(bytes) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if bytes.len() < MAX_REPLY => return Ok(None),
        Ok(Status::Partial) => return Err(format!("it exceeds {MAX_REPLY} bytes")),
        Err(e) => return Err(format!("{e}")),
    };
    let header = |name: &str| parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    let code = parsed.code.unwrap_or_default();
    let verdict = match (code, header("Sec-WebSocket-Accept")) {
        (101, Some(answer)) => match key {
            Some(key) if derive_accept_key(key.as_bytes()).as_bytes() != answer => Verdict::WrongKey,
            _ => Verdict::Accepted,
        },
        _ => Verdict::Refused,
    };
    let content_length = header("Content-Length").and_then(|v| str::from_utf8(v).ok()?.parse().ok());
    // The response starts at "HTTP/1.1", possibly after empty lines.
    let begin = bytes.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
    let mut message = HttpMessage {
        message: MgStr { p: bytes.as_ptr().cast(), len: content_length.map_or(usize::MAX, |n: usize| n.saturating_add(len)) },
        body: MgStr { p: bytes[len..].as_ptr().cast(), len: content_length.unwrap_or(usize::MAX) },
        method: EMPTY,
        uri: EMPTY,
        proto: string(&bytes[begin..begin + 8]),
        resp_code: c_int::from(code),
        resp_status_msg: string(parsed.reason.unwrap_or_default().as_bytes()),
        query_string: EMPTY,
        header_names: [EMPTY; HTTP_HEADERS],
        header_values: [EMPTY; HTTP_HEADERS],
        content_length: content_length.unwrap_or(usize::MAX),
    };
    // As in Mongoose, headers without a value are skipped, and the last slot stays empty to end the
    // list.
    let told = parsed.headers.iter().filter(|h| !h.value.is_empty()).take(HTTP_HEADERS - 1);
    for (i, header) in told.enumerate() {
        message.header_names[i] = string(header.name.as_bytes());
        message.header_values[i] = string(header.value);
    }
    Ok(Some(Reply { message, len, verdict }))
}

const EMPTY: MgStr = MgStr { p: ptr::null(), len: 0 };

fn string(bytes: &[u8]) -> MgStr {
    MgStr { p: bytes.as_ptr().cast(), len: bytes.len() }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::websocket::mg_get_http_header;

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

    #[test]
    fn invalid_and_endless_responses_are_rejected() {
        assert!(reply(b"220 mail.example ESMTP\r\n\r\n", None).is_err());
        let long = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'a'; MAX_REPLY]].concat();
        assert!(reply(&long, None).is_err());
    }

    #[test]
    fn response_headers_are_found_ignoring_case() {
        let bytes = b"HTTP/1.1 401 Unauthorized\r\nEmpty:\r\nWWW-Authenticate: Basic \r\nContent-Length: 12\r\n\r\n";
        let mut message = reply(bytes, None).unwrap().unwrap().message;
        let show = |text: MgStr| {
            // SAFETY: a string of the message, which points into the bytes above.
            unsafe { std::slice::from_raw_parts(text.p.cast::<u8>(), text.len) }
        };
        let mut find = |name: &CStr| {
            // SAFETY: a valid message, and a name that ends in NUL.
            unsafe { mg_get_http_header(&mut message, name.as_ptr()).as_ref() }.map(|value| show(*value))
        };
        assert_eq!(find(c"www-authenticate"), Some(&b"Basic"[..]));
        assert_eq!(find(c"Content-length"), Some(&b"12"[..]));
        assert_eq!(find(c"empty"), None);
        assert_eq!(find(c"WWW"), None);
        assert_eq!((message.resp_code, show(message.resp_status_msg), show(message.proto)), (401, &b"Unauthorized"[..], &b"HTTP/1.1"[..]));
        assert_eq!((message.content_length, message.message.len), (12, bytes.len() + 12));
    }
}
