//! The head of an HTTP message as `struct http_message`: status or request line, and headers. Its
//! body is in body.rs.

use std::ffi::{CStr, c_int};

use httparse::{EMPTY_HEADER, Header, Request, Response, Status};
use libc::c_char;

use crate::{
    abi::{HTTP_HEADERS, HttpMessage, MgStr},
    uri::NULL,
};

/// Maximum length of a head.
const MAX_HEAD: usize = 8192;
/// `MG_HTTP_CONTENT_LENGTH_UNKNOWN`
pub(crate) const UNKNOWN: usize = usize::MAX;

pub(super) fn string(bytes: &[u8]) -> MgStr {
    MgStr { p: bytes.as_ptr().cast(), len: bytes.len() }
}

/// What requests and responses have in common. `bytes` begins with a head of `len` bytes.
fn message(bytes: &[u8], len: usize, headers: &[Header<'_>]) -> HttpMessage {
    let mut message = HttpMessage {
        message: string(&bytes[..len]),
        body: string(&bytes[len..len]),
        method: NULL,
        uri: NULL,
        proto: NULL,
        resp_code: 0,
        resp_status_msg: NULL,
        query_string: NULL,
        header_names: [NULL; HTTP_HEADERS],
        header_values: [NULL; HTTP_HEADERS],
        content_length: UNKNOWN,
    };
    // As in Mongoose, headers without a value are skipped, and the last slot stays empty to end the
    // list.
    let told = headers.iter().filter(|h| !h.value.is_empty()).take(HTTP_HEADERS - 1);
    for (i, header) in told.enumerate() {
        message.header_names[i] = string(header.name.as_bytes());
        message.header_values[i] = string(header.value);
    }
    if let Some(length) = header(&message, b"Content-Length").and_then(|v| str::from_utf8(v).ok()?.parse().ok()) {
        message.content_length = length;
        message.body.len = length;
        message.message.len = len.saturating_add(length);
    }
    message
}

/// The end of the head, if it is complete.
fn complete(parsed: httparse::Result<usize>, bytes: &[u8]) -> Result<Option<usize>, String> {
    match parsed {
        Ok(Status::Complete(len)) => Ok(Some(len)),
        Ok(Status::Partial) if bytes.len() < MAX_HEAD => Ok(None),
        Ok(Status::Partial) => Err(format!("it exceeds {MAX_HEAD} bytes")),
        Err(e) => Err(format!("{e}")),
    }
}

/// Parses a response's head, and returns its length; `None` while it is incomplete. The message
/// points into `bytes`; its body is as long as it declares.
pub(crate) fn response(bytes: &[u8]) -> Result<Option<(HttpMessage, usize)>, String> {
    let mut headers = [EMPTY_HEADER; 128];
    let mut parsed = Response::new(&mut headers);
    let Some(len) = complete(parsed.parse(bytes), bytes)? else { return Ok(None) };
    // It starts at "HTTP/1.1", possibly after empty lines.
    let begin = bytes.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
    let mut message = message(bytes, len, parsed.headers);
    message.proto = string(&bytes[begin..begin + 8]);
    message.resp_code = c_int::from(parsed.code.unwrap_or_default());
    message.resp_status_msg = string(parsed.reason.unwrap_or_default().as_bytes());
    Ok(Some((message, len)))
}

/// The same for a request.
fn request(bytes: &[u8]) -> Result<Option<(HttpMessage, usize)>, String> {
    let mut headers = [EMPTY_HEADER; 128];
    let mut parsed = Request::new(&mut headers);
    let Some(len) = complete(parsed.parse(bytes), bytes)? else { return Ok(None) };
    let mut message = message(bytes, len, parsed.headers);
    let target = parsed.path.unwrap_or_default();
    let line = bytes.split(|&b| b == b'\r' || b == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
    message.method = string(parsed.method.unwrap_or_default().as_bytes());
    message.proto = line.rsplit(|&b| b == b' ').next().map_or(NULL, string);
    (message.uri, message.query_string) = match target.split_once('?') {
        Some((path, query)) => (string(path.as_bytes()), string(query.as_bytes())),
        None => (string(target.as_bytes()), NULL),
    };
    Ok(Some((message, len)))
}

/// The value of a header, whose name is compared ignoring case.
pub(crate) fn header<'a>(message: &HttpMessage, name: &[u8]) -> Option<&'a [u8]> {
    // SAFETY: the strings of a message were slices of its bytes, which outlive it.
    unsafe { Some(message.header_values[position(message, name)?].bytes()) }
}

fn position(message: &HttpMessage, name: &[u8]) -> Option<usize> {
    let mut known = message.header_names.iter().take_while(|header| header.len > 0);
    // SAFETY: as above.
    known.position(|known| unsafe { known.bytes() }.eq_ignore_ascii_case(name))
}

/// `mg_get_http_header()`
///
/// # Safety
/// `hm` is valid, `name` NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_get_http_header(hm: *mut HttpMessage, name: *const c_char) -> *mut MgStr {
    // SAFETY: upheld by the caller; the strings of a message are valid as long as the message.
    unsafe {
        let hm = &mut *hm;
        match position(hm, CStr::from_ptr(name).to_bytes()) {
            Some(at) => &raw mut hm.header_values[at],
            None => std::ptr::null_mut(),
        }
    }
}

/// `mg_parse_http()`
///
/// # Safety
/// `s` holds `n` bytes, `hm` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_parse_http(s: *const c_char, n: c_int, hm: *mut HttpMessage, is_req: c_int) -> c_int {
    let text = MgStr { p: s, len: usize::try_from(n).unwrap_or(0) };
    // SAFETY: upheld by the caller, see `# Safety`.
    let bytes = unsafe { text.bytes() };
    match if is_req != 0 { request(bytes) } else { response(bytes) } {
        Ok(Some((message, len))) => {
            // SAFETY: upheld by the caller, see `# Safety`.
            unsafe { hm.write(message) };
            len as c_int
        }
        Ok(None) => 0,
        Err(_) => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show<'a>(text: MgStr) -> &'a str {
        // SAFETY: a string of a message, which points into bytes that the test has.
        str::from_utf8(unsafe { text.bytes() }).unwrap()
    }

    #[test]
    fn invalid_and_endless_responses_are_rejected() {
        assert!(response(b"220 mail.example ESMTP\r\n\r\n").is_err());
        let long = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'a'; MAX_HEAD]].concat();
        assert!(response(&long).is_err());
    }

    #[test]
    fn response_headers_are_found_ignoring_case() {
        let bytes = b"HTTP/1.1 401 Unauthorized\r\nEmpty:\r\nWWW-Authenticate: Basic \r\nContent-Length: 12\r\n\r\n";
        let (mut message, len) = response(bytes).unwrap().unwrap();
        let mut find = |name: &CStr| {
            // SAFETY: a valid message, and a name that ends in NUL.
            unsafe { mg_get_http_header(&mut message, name.as_ptr()).as_ref() }.map(|value| show(*value))
        };
        assert_eq!(find(c"www-authenticate"), Some("Basic"));
        assert_eq!(find(c"Content-length"), Some("12"));
        assert_eq!(find(c"empty"), None);
        assert_eq!(find(c"WWW"), None);
        assert_eq!((message.resp_code, show(message.resp_status_msg), show(message.proto)), (401, "Unauthorized", "HTTP/1.1"));
        assert_eq!((len, message.content_length, message.message.len), (bytes.len(), 12, bytes.len() + 12));
    }

    #[test]
    fn a_request_is_parsed_into_method_path_and_query() {
        let bytes = b"POST /a/b?x=1 HTTP/1.1\r\nHost: here\r\n\r\nrest";
        // SAFETY: all zero is a valid message; the bytes have that length.
        let (message, len) = unsafe {
            let mut message: HttpMessage = std::mem::zeroed();
            let len = mg_parse_http(bytes.as_ptr().cast(), bytes.len() as c_int, &mut message, 1);
            (message, len)
        };
        assert_eq!(len as usize, bytes.len() - 4);
        let parts = [message.method, message.uri, message.query_string, message.proto].map(show);
        assert_eq!(parts, ["POST", "/a/b", "x=1", "HTTP/1.1"]);
        assert_eq!((header(&message, b"host"), message.content_length), (Some(&b"here"[..]), UNKNOWN));
        // SAFETY: as above.
        unsafe {
            let mut message: HttpMessage = std::mem::zeroed();
            assert_eq!(mg_parse_http(bytes.as_ptr().cast(), 20, &mut message, 1), 0);
            assert_eq!(mg_parse_http(c"nonsense\r\n\r\n".as_ptr(), 12, &mut message, 0), -1);
        }
    }
}
