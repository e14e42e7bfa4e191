//! Addresses: parsing `[tcp://]HOST:PORT` as Mongoose does, converting from and to `union
//! socket_address`, printing.

use std::{
    ffi::CStr,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
};

use libc::{c_char, c_int, size_t};

use crate::abi::{MgConnection, SocketAddress};
use crate::conn::Conn;

/// Longer host names are rejected, as by Mongoose.
const MAX_HOST_LEN: usize = 199;

const STRINGIFY_IP: c_int = 1;
const STRINGIFY_PORT: c_int = 2;
const STRINGIFY_REMOTE: c_int = 4;

/// An address to connect to or listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) udp: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    /// A name to be resolved.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(ip) => ip.fmt(f),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// Parses `[tcp://|udp://]HOST:PORT`, `:PORT` or `PORT`. Anything after a blank or comma is
/// ignored.
pub(crate) fn parse(text: &str) -> Option<Target> {
    let (udp, text) = match (text.strip_prefix("udp://"), text.strip_prefix("tcp://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => (false, text),
    };
    let text = text.split([',', ' ', '\t', '\r', '\n']).next()?;
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once("]:")?;
        (Host::Ip(host.parse::<Ipv6Addr>().ok()?.into()), port)
    } else {
        match text.split_once(':') {
            None | Some(("", _)) => {
                let port = text.strip_prefix(':').unwrap_or(text);
                (Host::Ip(Ipv4Addr::UNSPECIFIED.into()), port)
            }
            Some((host, port)) => match host.parse::<Ipv4Addr>() {
                Ok(ip) => (Host::Ip(ip.into()), port),
                Err(_) if host.len() > MAX_HOST_LEN => return None,
                Err(_) => (Host::Name(host.to_owned()), port),
            },
        }
    };
    // parse() alone would accept "+1883", too.
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok()?;
    Some(Target { host, port, udp })
}

/// The C representation, made by the system's own conversion.
pub(crate) fn to_c(addr: SocketAddr) -> SocketAddress {
    // SAFETY: all zero is a valid value of every member.
    let mut sa: SocketAddress = unsafe { std::mem::zeroed() };
    match addr {
        SocketAddr::V4(v4) => {
            sa.sin = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            }
        }
        SocketAddr::V6(v6) => {
            sa.sin6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            }
        }
    }
    sa
}

/// `None` for a family that is neither IPv4 nor IPv6.
pub(crate) fn from_c(sa: &SocketAddress) -> Option<SocketAddr> {
    // SAFETY: every member is plain old data, and the family is at the same offset in each.
    unsafe {
        match c_int::from(sa.sa.sa_family) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(sa.sin.sin_addr.s_addr.to_ne_bytes());
                Some((ip, u16::from_be(sa.sin.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6 = sa.sin6;
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

fn print(addr: Option<SocketAddr>, flags: c_int) -> String {
    let Some(addr) = addr else { return String::new() };
    match (flags & STRINGIFY_IP != 0, flags & STRINGIFY_PORT != 0) {
        (true, true) => addr.to_string(),
        (true, false) => addr.ip().to_string(),
        (false, true) => addr.port().to_string(),
        (false, false) => String::new(),
    }
}

/// Copies text to a C buffer, truncated and NUL-terminated; returns the length written.
///
/// # Safety
/// `buf` has room for `len` bytes.
pub(crate) unsafe fn to_buf(text: &str, buf: *mut c_char, len: size_t) -> c_int {
    if buf.is_null() || len == 0 {
        return 0;
    }
    let n = text.len().min(len - 1);
    // SAFETY: n is less than both the text's length plus one and the buffer's.
    unsafe {
        text.as_ptr().copy_to(buf.cast(), n);
        *buf.add(n) = 0;
    }
    n as c_int
}

/// `mg_sock_addr_to_str()`
///
/// # Safety
/// `sa` is NULL or valid, `buf` has room for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_sock_addr_to_str(sa: *const SocketAddress, buf: *mut c_char, len: size_t, flags: c_int) -> c_int {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { to_buf(&print(sa.as_ref().and_then(from_c), flags), buf, len) }
}

/// `mg_conn_addr_to_str()`
///
/// # Safety
/// `nc` is a live connection, `buf` has room for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_conn_addr_to_str(nc: *mut MgConnection, buf: *mut c_char, len: size_t, flags: c_int) -> c_int {
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some(conn) = (unsafe { Conn::new(nc) }) else { return 0 };
    let addr = match flags & STRINGIFY_REMOTE != 0 {
        true => from_c(&conn.peer()),
        false => conn.local_addr(),
    };
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { to_buf(&print(addr, flags), buf, len) }
}

/// A C string as `&str`, if it is UTF-8.
///
/// # Safety
/// `s` is NULL or NUL-terminated and outlives `'a`.
pub(crate) unsafe fn text<'a>(s: *const c_char) -> Option<&'a str> {
    if s.is_null() {
        return None;
    }
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { CStr::from_ptr(s) }.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(host: &str, port: u16) -> Option<Target> {
        let host = Host::Ip(host.parse().unwrap());
        Some(Target { host, port, udp: false })
    }

    fn name(host: &str, port: u16) -> Option<Target> {
        let host = Host::Name(host.to_owned());
        Some(Target { host, port, udp: false })
    }

    #[test]
    fn every_documented_form_is_parsed() {
        assert_eq!(parse("1.2.3.4:1883"), ip("1.2.3.4", 1883));
        assert_eq!(parse("tcp://1.2.3.4:1883"), ip("1.2.3.4", 1883));
        assert_eq!(parse("[::1]:80"), ip("::1", 80));
        assert_eq!(parse("tcp://[fe80::2]:65535"), ip("fe80::2", 65535));
        assert_eq!(parse("broker.example:8883"), name("broker.example", 8883));
        assert_eq!(parse("localhost:1"), name("localhost", 1));
        assert_eq!(parse(":8000"), ip("0.0.0.0", 8000));
        assert_eq!(parse("8000"), ip("0.0.0.0", 8000));
        assert_eq!(parse("a:1,b:2"), name("a", 1));
        assert!(parse("udp://1.2.3.4:53").unwrap().udp);
        // Not an IPv4 address, so an (odd) name.
        assert_eq!(parse("1.2.3:7"), name("1.2.3", 7));
    }

    #[test]
    fn invalid_addresses_are_rejected() {
        let long = format!("{}:1", "x".repeat(200));
        for text in [
            "",
            ":",
            "host",
            "host:",
            "host:x",
            "host:1x",
            "host:+1",
            "host:65536",
            "mqtt://host:1",
            "::1:1883",
            "[::1]",
            "[host]:1",
            "1.2.3.4",
            "-1",
            &long,
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn addresses_round_trip_through_c() {
        for text in ["1.2.3.4:5", "[2001:db8::1]:443"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(from_c(&to_c(addr)), Some(addr));
        }
    }

    #[test]
    fn printing_cuts_to_the_buffer() {
        let sa = to_c("10.20.30.40:5060".parse().unwrap());
        let mut buf: [c_char; 32] = [0; 32];
        let mut show = |len, flags| {
            // SAFETY: len does not exceed the buffer.
            let n = unsafe { mg_sock_addr_to_str(&sa, buf.as_mut_ptr(), len, flags) };
            // SAFETY: just written, with its NUL.
            let text = unsafe { CStr::from_ptr(buf.as_ptr()) }.to_str().unwrap().to_owned();
            assert_eq!(n as usize, text.len());
            text
        };
        assert_eq!(show(32, STRINGIFY_IP | STRINGIFY_PORT), "10.20.30.40:5060");
        assert_eq!(show(32, STRINGIFY_IP), "10.20.30.40");
        assert_eq!(show(32, STRINGIFY_PORT), "5060");
        assert_eq!(show(6, STRINGIFY_IP), "10.20");
    }
}
