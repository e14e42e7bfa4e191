//! Tests of HTTP clients with scripted servers. Heads and bodies alone are tested in http/.

use std::{
    ffi::CStr,
    io::{Read, Write},
    net::TcpStream,
    ptr,
    thread::JoinHandle,
};

use libc::c_char;

use super::{
    bench::{Bench, Nc, Seen, note, peer},
    tls_peer::{Ca, Server, c},
};
use crate::{
    abi::*,
    http::{mg_basic_auth_header, mg_connect_http, mg_connect_http_opt},
    testing::log_lines,
    uri::NULL,
};

/// A request up to its empty line, and `body` bytes more.
fn read_request(s: &mut impl Read, body: usize) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        s.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let mut rest = vec![0; body];
    s.read_exact(&mut rest).unwrap();
    request.extend(rest);
    String::from_utf8(request).unwrap()
}

/// A server that reads a request, with a body of that length, and writes the reply in two pieces.
fn server(body: usize, reply: &'static [u8]) -> (String, JoinHandle<String>) {
    peer(move |mut s: TcpStream| {
        s.set_nodelay(true).unwrap();
        let request = read_request(&mut s, body);
        let (first, second) = reply.split_at(reply.len() / 2);
        s.write_all(first).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        s.write_all(second).unwrap();
        request
    })
}

fn bench() -> Box<Bench> {
    let mut bench = Bench::new();
    bench.keep = true;
    bench.on_frame = Some(|b, nc| b.set_flags(nc, F_CLOSE_IMMEDIATELY));
    bench
}

fn get(bench: &mut Bench, url: &str, headers: *const c_char, data: *const c_char) -> Nc {
    let user = bench.user();
    // SAFETY: an initialised manager, strings that outlive the test.
    unsafe { mg_connect_http(&mut bench.mgr, Some(note), user, c(url), headers, data) }
}

/// All events except POLL, RECV and SEND, until the end.
fn told(bench: &mut Bench) -> Vec<Seen> {
    bench.run_until(|seen| seen.contains(&Seen::Close));
    bench.events().into_iter().filter(|s| s.received().is_none() && s.sent().is_none()).collect()
}

#[test]
fn a_get_asks_for_path_and_query_and_its_reply_is_delivered_whole() {
    let mut bench = bench();
    let (addr, server) = server(0, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    get(&mut bench, &format!("http://joe:pw@{addr}/a/b?x=1"), c("X-A: b\r\n"), ptr::null());
    assert_eq!(told(&mut bench), [Seen::Connect(0), Seen::HttpReply(200), Seen::Close]);
    assert_eq!(bench.frames, [b"hello"]);
    let expected = format!("GET /a/b?x=1 HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 0\r\nAuthorization: Basic am9lOnB3\r\nX-A: b\r\n\r\n");
    assert_eq!(server.join().unwrap(), expected);
}

#[test]
fn a_post_sends_its_data_and_chunks_of_the_reply_are_joined() {
    let mut bench = bench();
    let (addr, server) = server(3, b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    get(&mut bench, &addr, ptr::null(), c("a=1"));
    assert_eq!(told(&mut bench), [Seen::Connect(0), Seen::HttpReply(201), Seen::Close]);
    assert_eq!(bench.frames, [b"abcde"]);
    assert_eq!(server.join().unwrap(), format!("POST / HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 3\r\n\r\na=1"));
}

#[test]
fn a_reply_without_a_length_ends_with_the_connection() {
    let mut bench = bench();
    let (addr, server) = server(0, b"HTTP/1.0 404 Not Found\r\nServer: old\r\n\r\nnothing here");
    get(&mut bench, &addr, ptr::null(), ptr::null());
    assert_eq!(told(&mut bench), [Seen::Connect(0), Seen::HttpReply(404), Seen::Close]);
    assert_eq!(bench.frames, [b"nothing here"]);
    server.join().unwrap();
}

#[test]
fn what_is_no_reply_or_cut_off_closes_the_connection_and_is_logged() {
    for (reply, logged) in
        [(&b"220 mail.example ESMTP\r\n\r\n"[..], "invalid HTTP reply"), (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "cut off")]
    {
        let mut bench = bench();
        let (addr, server) = server(0, reply);
        get(&mut bench, &addr, ptr::null(), ptr::null());
        assert_eq!(told(&mut bench), [Seen::Connect(0), Seen::Close]);
        let log = log_lines();
        assert!(log.contains(logged), "{log}");
        let _ = server.join();
    }
}

#[test]
fn a_reply_beyond_the_limit_of_the_buffer_closes_the_connection() {
    let mut bench = bench();
    let (addr, server) = server(0, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789012345678901234567890123456789");
    let nc = get(&mut bench, &addr, ptr::null(), ptr::null());
    bench.set_limit(nc, 60);
    assert_eq!(told(&mut bench), [Seen::Connect(0), Seen::Close]);
    assert!(log_lines().contains("recv_mbuf_limit"));
    let _ = server.join();
}

#[test]
fn https_is_tls_without_a_check_unless_a_ca_is_given() {
    let ca = Ca::new("http test");
    let cert = ca.issue(&["localhost"], |_| {});
    let (port, server) = Server::new(&cert).start(|link| {
        let request = read_request(link, 0);
        link.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        link.flush().unwrap();
        let _ = link.read(&mut [0; 8]);
        request
    });
    let mut bench = bench();
    get(&mut bench, &format!("https://127.0.0.1:{port}"), ptr::null(), ptr::null());
    assert_eq!(told(&mut bench), [Seen::Connect(0), Seen::HttpReply(200), Seen::Close]);
    assert!(server.join().unwrap().starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn an_invalid_url_is_rejected_with_a_reason() {
    let mut bench = bench();
    for url in ["ftp://a/", "http://", "http://a b/", "/only/path"] {
        let mut error: *const c_char = ptr::null();
        // SAFETY: all zero means no options; an initialised manager, strings that outlive the test.
        unsafe {
            let mut opts: MgConnectOpts = std::mem::zeroed();
            opts.error_string = &raw mut error;
            let user = bench.user();
            let nc = mg_connect_http_opt(&mut bench.mgr, Some(note), user, opts, c(url), ptr::null(), ptr::null());
            assert!(nc.is_null(), "{url}");
            assert!(CStr::from_ptr(error).to_str().unwrap().starts_with("invalid URL"), "{url}");
        }
    }
}

#[test]
fn a_client_of_a_listener_gets_no_http_server() {
    let mut bench = bench();
    let (listener, at) = bench.listen("127.0.0.1:0");
    // SAFETY: a live connection.
    unsafe { crate::websocket::mg_set_protocol_http_websocket(listener) };
    let mut client = TcpStream::connect(at).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(told(&mut bench), [Seen::Accept(true), Seen::Close]);
    assert!(log_lines().contains("HTTP servers are not supported"));
}

#[test]
fn a_basic_authorization_may_have_the_password_apart_or_within() {
    // SAFETY: an initialised mbuf, strings with their lengths.
    unsafe {
        let string = |text: &'static str| MgStr { p: text.as_ptr().cast(), len: text.len() };
        for (user, pass) in [(string("joe"), string("pw")), (string("joe:pw"), NULL)] {
            let mut buf: Mbuf = std::mem::zeroed();
            mg_basic_auth_header(user, pass, &mut buf);
            assert_eq!(MgStr { p: buf.buf, len: buf.len }.bytes(), b"Authorization: Basic am9lOnB3\r\n");
            mbuf_free(&mut buf);
        }
    }
}
