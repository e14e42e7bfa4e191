//! URIs and URL encoding of mongoose/mg_uri.h, by the crates fluent-uri and percent-encoding.

use std::{ptr, slice};

use fluent_uri::{Iri, IriRef};
use libc::{c_char, c_int, c_uint, size_t};
use percent_encoding::{percent_decode, percent_encode_byte};

use crate::{abi::MgStr, alloc_faults};

const SPACE_AS_PLUS: c_uint = 1 << 0;
const UPPERCASE_HEX: c_uint = 1 << 1;
/// What `mg_url_encode()` leaves as it is, beside letters and digits.
const SAFE: &[u8] = b"._-$,;~()/";

pub(crate) const NULL: MgStr = MgStr { p: ptr::null(), len: 0 };

impl MgStr {
    /// Its bytes.
    ///
    /// # Safety
    /// `p` is NULL or holds `len` bytes, which outlive `'a`.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: upheld by the caller, see `# Safety`.
        if self.p.is_null() { &[] } else { unsafe { slice::from_raw_parts(self.p.cast(), self.len) } }
    }

    /// A copy from malloc(), with a NUL behind it; {NULL, 0} without memory.
    pub(crate) fn malloced(bytes: &[u8]) -> MgStr {
        if alloc_faults::fails() {
            return NULL;
        }
        // SAFETY: malloc() has no preconditions; the result is checked, and has room for the bytes
        // and the NUL.
        unsafe {
            let p = alloc_faults::exempt(|| libc::malloc(bytes.len() + 1)).cast::<u8>();
            if p.is_null() {
                return NULL;
            }
            bytes.as_ptr().copy_to(p, bytes.len());
            *p.add(bytes.len()) = 0;
            MgStr { p: p.cast(), len: bytes.len() }
        }
    }
}

/// The parts of a URI, within its text. Absent and empty ones are alike.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) user_info: &'a str,
    /// With the brackets of an IPv6 address.
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) fragment: &'a str,
}

/// Splits [SCHEME://[USER_INFO@]]HOST[:PORT][/PATH][?QUERY][#FRAGMENT].
pub(crate) fn parse(text: &str) -> Option<Parts<'_>> {
    // Without a scheme it is what RFC 3986 writes with two slashes before it.
    let has_scheme = text.find("://").is_some_and(|at| !text[..at].contains(['/', '?', '#']));
    let prefix = if has_scheme { "" } else { "//" };
    let whole = format!("{prefix}{text}");
    let uri = IriRef::parse(whole.as_str()).ok()?;
    let own = |part: &str| {
        let at = part.as_ptr().addr() - whole.as_ptr().addr();
        at.checked_sub(prefix.len()).map_or("", |at| &text[at..at + part.len()])
    };
    let authority = uri.authority()?;
    Some(Parts {
        scheme: uri.scheme().map_or("", |part| own(part.as_str())),
        user_info: authority.userinfo().map_or("", |part| own(part.as_str())),
        host: own(authority.host()),
        port: authority.port_to_u16().ok()?,
        path: own(uri.path().as_str()),
        query: uri.query().map_or("", |part| own(part.as_str())),
        fragment: uri.fragment().map_or("", |part| own(part.as_str())),
    })
}

/// `mg_parse_uri()`
///
/// # Safety
/// `uri` points to its length in bytes; the others are NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_parse_uri(
    uri: MgStr,
    scheme: *mut MgStr,
    user_info: *mut MgStr,
    host: *mut MgStr,
    port: *mut c_uint,
    path: *mut MgStr,
    query: *mut MgStr,
    fragment: *mut MgStr,
) -> c_int {
    // SAFETY: upheld by the caller, see `# Safety`.
    let text = str::from_utf8(unsafe { uri.bytes() });
    let parts = text.ok().and_then(parse);
    let found = parts.is_some();
    let parts = parts.unwrap_or_default();
    let texts = [
        (scheme, parts.scheme),
        (user_info, parts.user_info),
        (host, parts.host),
        (path, parts.path),
        (query, parts.query),
        (fragment, parts.fragment),
    ];
    for (out, part) in texts {
        let value = if part.is_empty() { NULL } else { MgStr { p: part.as_ptr().cast(), len: part.len() } };
        // SAFETY: upheld by the caller, see `# Safety`.
        unsafe { out.as_mut().map(|out| *out = value) };
    }
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { port.as_mut().map(|out| *out = parts.port.unwrap_or(0).into()) };
    if found { 0 } else { -1 }
}

/// A path without . and .. segments. `None` if it does not begin with a slash, or is no path.
fn normalize(path: &[u8]) -> Option<String> {
    let path = str::from_utf8(path).ok().filter(|path| path.starts_with('/'))?;
    let uri = format!("x://x{path}");
    let uri = Iri::parse(uri.as_str()).ok().filter(|uri| uri.path().as_str() == path)?;
    Some(uri.normalize().path().as_str().to_owned())
}

/// `mg_normalize_uri_path()`
///
/// # Safety
/// `path` is valid and points to its length in bytes; `out.p` has room for as many, and may be the
/// same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_normalize_uri_path(path: *const MgStr, out: *mut MgStr) -> c_int {
    // SAFETY: upheld by the caller; the result is no longer than the path, and is not part of it.
    unsafe {
        let Some(normalized) = normalize((*path).bytes()) else { return 0 };
        normalized.as_ptr().copy_to((*out).p.cast_mut().cast(), normalized.len());
        (*out).len = normalized.len();
    }
    1
}

/// `mg_assemble_uri()`
///
/// # Safety
/// The strings are NULL or valid and point to their length in bytes; `uri` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_assemble_uri(
    scheme: *const MgStr,
    user_info: *const MgStr,
    host: *const MgStr,
    port: c_uint,
    path: *const MgStr,
    query: *const MgStr,
    fragment: *const MgStr,
    normalize_path: c_int,
    uri: *mut MgStr,
) -> c_int {
    // SAFETY: upheld by the caller, see `# Safety`.
    let part = |part: *const MgStr| unsafe { part.as_ref().map_or(&[][..], |part| part.bytes()) };
    let mut out: Vec<u8> = Vec::new();
    let mut put = |before: &[u8], part: &[u8], after: &[u8]| {
        if !part.is_empty() {
            [before, part, after].iter().for_each(|piece| out.extend_from_slice(piece));
        }
    };
    put(b"", part(scheme), b"://");
    put(b"", part(user_info), b"@");
    put(b"", part(host), b"");
    if port != 0 {
        put(b":", port.to_string().as_bytes(), b"");
    }
    match normalize(part(path)) {
        Some(path) if normalize_path != 0 => put(b"", path.as_bytes(), b""),
        _ => put(b"", part(path), b""),
    }
    put(b"?", part(query), b"");
    put(b"#", part(fragment), b"");
    let result = MgStr::malloced(&out);
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { uri.write(result) };
    if result.p.is_null() { -1 } else { 0 }
}

fn encode(src: &[u8], safe: &[u8], flags: c_uint) -> String {
    let one = |&byte: &u8| match byte {
        b' ' if flags & SPACE_AS_PLUS != 0 => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || (byte.is_ascii() && safe.contains(&byte)) => char::from(byte).to_string(),
        byte if flags & UPPERCASE_HEX != 0 => percent_encode_byte(byte).to_owned(),
        byte => percent_encode_byte(byte).to_ascii_lowercase(),
    };
    src.iter().map(one).collect()
}

/// `mg_url_encode_opt()`
///
/// # Safety
/// Both strings point to their length in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_url_encode_opt(src: MgStr, safe: MgStr, flags: c_uint) -> MgStr {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { MgStr::malloced(encode(src.bytes(), safe.bytes(), flags).as_bytes()) }
}

/// `mg_url_encode()`
///
/// # Safety
/// `src` points to its length in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_url_encode(src: MgStr) -> MgStr {
    // SAFETY: upheld by the caller, see `# Safety`.
    MgStr::malloced(encode(unsafe { src.bytes() }, SAFE, 0).as_bytes())
}

/// `None` for an invalid escape sequence.
fn decode(src: &[u8], is_form: bool) -> Option<Vec<u8>> {
    let spaced: Vec<u8> = src.iter().map(|&byte| if is_form && byte == b'+' { b' ' } else { byte }).collect();
    let valid = |escape: &[u8]| escape.len() >= 2 && escape[..2].iter().all(u8::is_ascii_hexdigit);
    let all_valid = spaced.split(|&byte| byte == b'%').skip(1).all(valid);
    all_valid.then(|| percent_decode(&spaced).collect())
}

/// `mg_url_decode()`
///
/// # Safety
/// `src` holds `src_len` bytes, `dst` has room for `dst_len`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_url_decode(src: *const c_char, src_len: c_int, dst: *mut c_char, dst_len: c_int, is_form: c_int) -> c_int {
    let room = usize::try_from(dst_len).unwrap_or(0);
    let src = MgStr { p: src, len: usize::try_from(src_len).unwrap_or(0) };
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some(decoded) = decode(unsafe { src.bytes() }, is_form != 0) else { return -1 };
    let fits = decoded.len() < room;
    let len = if fits { decoded.len() } else { room.saturating_sub(1) };
    if room > 0 {
        // SAFETY: the length and a NUL are within the room that the caller has.
        unsafe {
            decoded.as_ptr().copy_to(dst.cast(), len);
            *dst.add(len) = 0;
        }
    }
    if fits { len as c_int } else { -1 }
}

/// `mg_url_decode_n()`
///
/// # Safety
/// `src` points to its length in bytes; `dst.p` has room for `dst.len`, and may be the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_url_decode_n(src: MgStr, dst: *mut MgStr, is_form: c_int) -> c_int {
    // SAFETY: upheld by the caller; what was decoded is a copy.
    unsafe {
        match decode(src.bytes(), is_form != 0) {
            Some(decoded) if decoded.len() <= (*dst).len => {
                decoded.as_ptr().copy_to((*dst).p.cast_mut().cast(), decoded.len());
                (*dst).len = decoded.len();
                decoded.len() as c_int
            }
            _ => -1,
        }
    }
}

/// `mg_get_http_var()`
///
/// # Safety
/// `buf` is valid and points to its length in bytes, `name` is NUL-terminated, `dst` has room for
/// `dst_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_get_http_var(buf: *const MgStr, name: *const c_char, dst: *mut c_char, dst_len: size_t) -> c_int {
    if dst.is_null() || dst_len == 0 {
        return -2;
    }
    // SAFETY: upheld by the caller, see `# Safety`.
    let (form, name) = unsafe {
        *dst = 0;
        ((*buf).bytes(), std::ffi::CStr::from_ptr(name).to_bytes())
    };
    let pairs = form.split(|&byte| byte == b'&');
    let value = pairs.filter_map(|pair| pair.split_at_checked(name.len())).find_map(|(key, rest)| match rest {
        [b'=', value @ ..] if key.eq_ignore_ascii_case(name) => Some(value),
        _ => None,
    });
    let Some(value) = value else { return 0 };
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { mg_url_decode(value.as_ptr().cast(), value.len() as c_int, dst, c_int::try_from(dst_len).unwrap_or(c_int::MAX), 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn string(text: &str) -> MgStr {
        MgStr { p: text.as_ptr().cast(), len: text.len() }
    }

    /// The text, and frees it.
    fn taken(text: MgStr) -> String {
        // SAFETY: from `malloced`, with its NUL.
        unsafe {
            let owned = CStr::from_ptr(text.p).to_str().unwrap().to_owned();
            assert_eq!(owned.len(), text.len);
            libc::free(text.p.cast_mut().cast());
            owned
        }
    }

    #[test]
    fn a_uri_is_split_into_its_parts() {
        let all = parse("https://user:pw@foo.com:443/a/b?x=1&y=/2#top").unwrap();
        let expected = Parts {
            scheme: "https",
            user_info: "user:pw",
            host: "foo.com",
            port: Some(443),
            path: "/a/b",
            query: "x=1&y=/2",
            fragment: "top",
        };
        assert_eq!(all, expected);
        assert_eq!(parse("foo.com:80").unwrap(), Parts { host: "foo.com", port: Some(80), ..Parts::default() });
        assert_eq!(parse("device_01").unwrap(), Parts { host: "device_01", ..Parts::default() });
        assert_eq!(parse("ws://[::1]:8080/rpc").unwrap().host, "[::1]");
        assert_eq!(parse("/only/path?q").unwrap(), Parts { path: "/only/path", query: "q", ..Parts::default() });
        assert_eq!(parse("host?next=http://x").unwrap(), Parts { host: "host", query: "next=http://x", ..Parts::default() });
        assert_eq!(parse("").unwrap(), Parts::default());
    }

    #[test]
    fn what_is_no_uri_is_rejected() {
        for text in ["host:65536", "host:port", "a b", "http://a/%zz", "1http://a", "http://[::1"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn parts_point_into_the_uri_and_any_may_be_left_out() {
        let uri = "mqtt://broker:1883/x";
        let (mut host, mut port, mut fragment) = (NULL, 7, string("old"));
        let none = ptr::null_mut();
        // SAFETY: a string with its length, and values to write to.
        unsafe {
            assert_eq!(mg_parse_uri(string(uri), none, none, &mut host, &mut port, none, none, &mut fragment), 0);
            assert_eq!((host.bytes(), port, host.p), (&b"broker"[..], 1883, uri[7..].as_ptr().cast()));
            assert!(fragment.p.is_null() && fragment.len == 0);
            assert_eq!(mg_parse_uri(string("a b"), none, none, &mut host, &mut port, none, none, none), -1);
            assert_eq!((host.len, port), (0, 0));
        }
    }

    fn assembled(uri: &str, normalize_path: c_int) -> String {
        let mut parts = [NULL; 6];
        let [scheme, user_info, host, path, query, fragment] = &mut parts;
        let (mut port, mut out) = (0, NULL);
        // SAFETY: a string with its length, and values to write to.
        unsafe {
            assert_eq!(mg_parse_uri(string(uri), scheme, user_info, host, &mut port, path, query, fragment), 0);
            assert_eq!(mg_assemble_uri(scheme, user_info, host, port, path, query, fragment, normalize_path, &mut out), 0);
        }
        taken(out)
    }

    #[test]
    fn an_assembled_uri_is_what_was_split() {
        for uri in ["https://user:pw@foo.com:443/a/../b?x=1#top", "foo.com:80", "[::1]/x", "/a?b", "a"] {
            assert_eq!(assembled(uri, 0), uri);
        }
        assert_eq!(assembled("ws://a/x/./y/../z/", 1), "ws://a/x/z/");
        assert_eq!(assembled("ws://a/../..", 1), "ws://a/");
        let mut out = NULL;
        let none = ptr::null();
        // SAFETY: NULL parts, and a value to write to.
        assert_eq!(unsafe { mg_assemble_uri(none, none, none, 0, none, none, none, 1, &mut out) }, 0);
        assert_eq!(taken(out), "");
    }

    #[test]
    fn a_path_is_normalized_in_place_and_one_without_a_slash_is_not() {
        let mut text = *b"/a/./b/../c";
        let mut path = MgStr { p: text.as_mut_ptr().cast(), len: text.len() };
        let (at, relative) = (&raw mut path, string("a/b"));
        // SAFETY: strings with their lengths; the first is also the output.
        unsafe {
            assert_eq!((mg_normalize_uri_path(at, at), (*at).bytes()), (1, &b"/a/c"[..]));
            assert_eq!(mg_normalize_uri_path(&relative, at), 0);
        }
    }

    #[test]
    fn encoding_spares_what_is_safe_and_writes_the_requested_digits() {
        let text = "a/b c+ä";
        // SAFETY: strings with their lengths.
        unsafe {
            assert_eq!(taken(mg_url_encode(string(text))), "a/b%20c%2b%c3%a4");
            assert_eq!(taken(mg_url_encode_opt(string(text), NULL, UPPERCASE_HEX)), "a%2Fb%20c%2B%C3%A4");
            assert_eq!(taken(mg_url_encode_opt(string(text), string("/"), SPACE_AS_PLUS)), "a/b+c%2b%c3%a4");
            assert_eq!(taken(mg_url_encode_opt(NULL, NULL, 0)), "");
        }
    }

    #[test]
    fn decoding_rejects_invalid_escapes_and_what_does_not_fit() {
        let mut out: [c_char; 8] = [1; 8];
        let mut decoded = |text: &str, room: c_int, is_form| {
            // SAFETY: a string with its length, and a buffer of at least that room.
            let len = unsafe { mg_url_decode(text.as_ptr().cast(), text.len() as c_int, out.as_mut_ptr(), room, is_form) };
            // SAFETY: just written, with a NUL.
            (len, unsafe { CStr::from_ptr(out.as_ptr()) }.to_str().unwrap().to_owned())
        };
        assert_eq!(decoded("a%2Fb+c", 8, 0), (5, "a/b+c".into()));
        assert_eq!(decoded("a%2Fb+c", 8, 1), (5, "a/b c".into()));
        assert_eq!(decoded("a%2Fb+c", 5, 1), (-1, "a/b ".into()));
        for text in ["%", "%2", "%2x", "a%%41"] {
            assert_eq!(decoded(text, 8, 0).0, -1, "{text}");
        }
        let mut text = *b"%41+";
        let mut dst = MgStr { p: text.as_mut_ptr().cast(), len: text.len() };
        // SAFETY: decoded in place.
        unsafe { assert_eq!((mg_url_decode_n(dst, &mut dst, 1), dst.bytes()), (2, &b"A "[..])) };
    }

    #[test]
    fn a_variable_of_a_form_is_found_by_its_whole_name() {
        let form = string("ab=1&A=x%20y&empty=&bad=%q");
        let mut out: [c_char; 8] = [1; 8];
        let mut var = |name: &CStr, room| {
            // SAFETY: a string with its length, a name with its NUL, a buffer of at least that room.
            let len = unsafe { mg_get_http_var(&form, name.as_ptr(), out.as_mut_ptr(), room) };
            // SAFETY: just written, with a NUL.
            (len, unsafe { CStr::from_ptr(out.as_ptr()) }.to_str().unwrap().to_owned())
        };
        assert_eq!(var(c"a", 8), (3, "x y".into()));
        assert_eq!(var(c"ab", 8), (1, "1".into()));
        assert_eq!(var(c"empty", 8), (0, String::new()));
        assert_eq!(var(c"missing", 8), (0, String::new()));
        assert_eq!(var(c"a", 3).0, -1);
        assert_eq!(var(c"bad", 8).0, -1);
        assert_eq!(var(c"a", 0).0, -2);
    }
}
