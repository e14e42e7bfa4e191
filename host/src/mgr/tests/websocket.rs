//! Tests of WebSocket clients with real servers: tungstenite, and scripted ones for what it would
//! not send. The frame layout is tested in websocket/frames.rs.

use std::{
    io::{Read, Write},
    net::TcpStream,
    ptr,
};

use libc::{c_char, c_int};
use tungstenite::{
    Message, WebSocket,
    handshake::server::{Request, Response},
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{
    bench::{Bench, Nc, Seen, note, peer},
    tls_peer::{Ca, Server, c},
};
use crate::{abi::*, clock, conn::Conn, http::mg_connect_ws, websocket::*};

const TEXT: c_int = 1;
const BINARY: c_int = 2;

unsafe extern "C" {
    fn mg_printf_websocket_frame(nc: Nc, op: c_int, fmt: *const c_char, ...);
}

/// A bench whose connections start a WebSocket handshake.
fn bench() -> Box<Bench> {
    let mut bench = Bench::new();
    bench.keep = true;
    bench.on_connect = Some(|_, nc| ask(nc, Some("mqtt")));
    bench
}

fn ask(nc: Nc, protocol: Option<&str>) {
    let protocol = protocol.map_or(ptr::null(), c);
    // SAFETY: a live connection, strings that outlive the test.
    unsafe {
        mg_set_protocol_http_websocket(nc);
        mg_send_websocket_handshake2(nc, c("/mqtt"), c("broker.example:8083"), protocol, ptr::null());
    }
}

fn send(nc: Nc, op: c_int, data: &[u8]) {
    // SAFETY: a live connection, and a length that is the data's.
    unsafe { mg_send_websocket_frame(nc, op, data.as_ptr().cast(), data.len()) };
}

/// Accepts as a broker does.
#[expect(clippy::result_large_err, reason = "tungstenite's type")]
fn accept(socket: TcpStream) -> (WebSocket<TcpStream>, Vec<(String, String)>) {
    socket.set_nodelay(true).unwrap();
    let mut headers = Vec::new();
    let choose = |request: &Request, mut response: Response| {
        headers.push(("path".to_owned(), request.uri().to_string()));
        for (name, value) in request.headers() {
            headers.push((name.to_string(), value.to_str().unwrap().to_owned()));
        }
        if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
            response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
        }
        Ok(response)
    };
    let socket = tungstenite::accept_hdr(socket, choose).unwrap();
    (socket, headers)
}

fn is_end(seen: &[Seen]) -> bool {
    seen.contains(&Seen::Close)
}

/// All events except POLL, RECV and SEND.
fn told(bench: &Bench) -> Vec<Seen> {
    bench.events().into_iter().filter(|s| s.received().is_none() && s.sent().is_none()).collect()
}

#[test]
fn a_handshake_sends_path_host_and_protocol_and_then_messages_go_both_ways() {
    let (addr, server) = peer(|s| {
        let (mut socket, headers) = accept(s);
        assert_eq!(socket.read().unwrap(), Message::binary(&b"from the client"[..]));
        socket.send(Message::text("from the server")).unwrap();
        socket.read().unwrap_err();
        headers
    });
    let mut bench = bench();
    bench.on_handshake = Some(|_, nc| send(nc, BINARY, b"from the client"));
    bench.on_frame = Some(|b, nc| b.set_flags(nc, F_CLOSE_IMMEDIATELY));
    let nc = bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Connect(0)));
    assert!(bench.flags(nc) & F_IS_WEBSOCKET != 0);
    bench.run_until(is_end);
    assert_eq!(bench.frames, [b"from the server"]);
    assert_eq!(told(&bench), [Seen::Connect(0), Seen::HandshakeDone(101), Seen::Frame(0x81), Seen::Close]);
    // As in Mongoose: the response's bytes are reported before and after it.
    let events = bench.events();
    let at = events.iter().position(|s| *s == Seen::HandshakeDone(101)).unwrap();
    assert!(events[at - 1].received().is_some() && events[at - 1] == events[at + 1]);

    let headers = server.join().unwrap();
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(header("path"), Some("/mqtt"));
    assert_eq!(header("host"), Some("broker.example:8083"));
    assert_eq!(header("sec-websocket-protocol"), Some("mqtt"));
    assert_eq!(header("authorization"), None);
}

#[test]
fn a_url_names_host_path_and_login() {
    let (addr, server) = peer(|s| {
        let (mut socket, headers) = accept(s);
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
        headers
    });
    let mut bench = bench();
    bench.on_connect = None;
    let user = bench.user();
    let mut connect = |url: &str| {
        // SAFETY: an initialised manager, strings that outlive the test.
        unsafe { mg_connect_ws(&mut bench.mgr, Some(note), user, c(url), c("mqtt"), c("X-A: b\r\n")) }
    };
    for invalid in ["http://h/", "ws://", "ws://h:x/"] {
        assert!(connect(invalid).is_null(), "{invalid}");
    }
    assert!(!connect(&format!("ws://joe:pw@{addr}/a/b?x=1")).is_null());
    bench.run_until(is_end);
    assert_eq!(told(&bench)[..2], [Seen::Connect(0), Seen::HandshakeDone(101)]);
    let headers = server.join().unwrap();
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let expected = ["/a/b?x=1", &addr, "mqtt", "b", "Basic am9lOnB3"];
    assert_eq!(["path", "host", "sec-websocket-protocol", "x-a", "authorization"].map(header), expected.map(Some));
}

#[test]
fn without_a_subprotocol_none_is_requested() {
    let (addr, server) = peer(|s| {
        let (mut socket, headers) = accept(s);
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
        headers
    });
    let mut bench = bench();
    bench.on_connect = Some(|_, nc| ask(nc, None));
    bench.connect(&addr);
    bench.run_until(is_end);
    assert!(server.join().unwrap().iter().all(|(name, _)| name != "sec-websocket-protocol"));
    assert_eq!(told(&bench)[..2], [Seen::Connect(0), Seen::HandshakeDone(101)]);
}

#[test]
fn frames_byte_by_byte_and_fragments_around_a_ping_are_joined() {
    let (addr, server) = peer(|s| {
        let (mut socket, _) = accept(s);
        // "ab" and "cd" as two fragments, a ping "p" in between, then "e" unfragmented.
        for byte in [0x02, 2, b'a', b'b', 0x89, 1, b'p', 0x80, 2, b'c', b'd', 0x82, 1, b'e'] {
            socket.get_mut().write_all(&[byte]).unwrap();
        }
        assert_eq!(socket.read().unwrap(), Message::Pong(b"p"[..].into()));
        assert_eq!(socket.read().unwrap(), Message::binary(&b"seen"[..]));
    });
    let mut bench = bench();
    bench.on_frame = Some(|b, nc| {
        if b.frames.last().unwrap() == b"e" {
            send(nc, BINARY, b"seen");
        }
    });
    bench.connect(&addr);
    bench.run_until(is_end);
    server.join().unwrap();
    assert_eq!(bench.frames, [&b"p"[..], b"abcd", b"e"]);
    let frames = [Seen::ControlFrame(0x89), Seen::Frame(0x82), Seen::Frame(0x82)];
    assert_eq!(told(&bench)[2..5], frames);
}

#[test]
fn frames_received_with_the_response_are_delivered_after_it() {
    let (addr, server) = peer(|s| {
        let (mut socket, _) = accept(s);
        socket.write(Message::text("1")).unwrap();
        socket.write(Message::text("2")).unwrap();
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    });
    let mut bench = bench();
    bench.connect(&addr);
    bench.run_until(is_end);
    server.join().unwrap();
    let wanted = [Seen::Connect(0), Seen::HandshakeDone(101), Seen::Frame(0x81), Seen::Frame(0x81), Seen::ControlFrame(0x88), Seen::Close];
    assert_eq!(told(&bench), wanted);
    assert_eq!(bench.frames[..2], [b"1", b"2"]);
}

#[test]
fn a_close_frame_is_sent_back_and_the_connection_closed() {
    let (addr, server) = peer(|s| {
        let (mut socket, _) = accept(s);
        let bye = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
        socket.close(Some(bye.clone())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Close(Some(bye)));
        assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    });
    let mut bench = bench();
    bench.connect(&addr);
    bench.run_until(is_end);
    server.join().unwrap();
    assert_eq!(told(&bench)[2..], [Seen::ControlFrame(0x88), Seen::Close]);
    assert_eq!(bench.frames, [b"\x03\xe9bye"]);
}

#[test]
fn closing_from_this_side_sends_pending_data_first() {
    let (addr, server) = peer(|s| {
        let (mut socket, _) = accept(s);
        assert_eq!(socket.read().unwrap(), Message::text("last"));
        assert!(matches!(socket.read().unwrap(), Message::Close(Some(frame)) if frame.code == CloseCode::Normal));
    });
    let mut bench = bench();
    bench.on_handshake = Some(|_, nc| {
        send(nc, TEXT, b"last");
        send(nc, WEBSOCKET_OP_CLOSE, &1000_u16.to_be_bytes());
    });
    bench.connect(&addr);
    bench.run_until(is_end);
    server.join().unwrap();
}

/// A server that reads the request and sends this response.
fn scripted(answer: &'static str) -> (String, std::thread::JoinHandle<()>) {
    peer(move |mut s| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            s.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        s.write_all(answer.as_bytes()).unwrap();
        let _ = s.read_to_end(&mut request);
    })
}

#[test]
fn a_status_other_than_101_is_reported_and_the_connection_closed() {
    let (addr, server) = scripted("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    let mut bench = bench();
    bench.connect(&addr);
    bench.run_until(is_end);
    server.join().unwrap();
    assert_eq!(told(&bench), [Seen::Connect(0), Seen::HandshakeDone(404), Seen::Close]);
}

#[test]
fn a_response_with_a_wrong_or_missing_hash_closes_without_an_event() {
    for answer in ["HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: AAAA\r\n\r\n", "\x20\x02\0\0"] {
        let (addr, server) = scripted(answer);
        let mut bench = bench();
        bench.connect(&addr);
        bench.run_until(is_end);
        server.join().unwrap();
        assert_eq!(told(&bench), [Seen::Connect(0), Seen::Close]);
    }
}

#[test]
fn a_peer_that_violates_the_protocol_gets_a_close_frame() {
    let (addr, server) = peer(|s| {
        let (mut socket, _) = accept(s);
        // A fragmented ping.
        socket.get_mut().write_all(&[0x09, 0]).unwrap();
        assert!(matches!(socket.read().unwrap(), Message::Close(Some(frame)) if frame.code == CloseCode::Protocol));
    });
    let mut bench = bench();
    bench.connect(&addr);
    bench.run_until(is_end);
    server.join().unwrap();
    assert_eq!(told(&bench), [Seen::Connect(0), Seen::HandshakeDone(101), Seen::Close]);
}

#[test]
fn a_silent_connection_is_pinged() {
    let (addr, server) = peer(|s| {
        let (mut socket, _) = accept(s);
        assert_eq!(socket.read().unwrap(), Message::Ping(b""[..].into()));
    });
    let mut bench = bench();
    bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::HandshakeDone(101)));
    clock::mgos_host_time_skip(7_000_000);
    bench.run_until(is_end);
    server.join().unwrap();
}

#[test]
fn messages_of_every_size_arrive_intact_through_every_function() {
    const BIG: usize = 200_000;
    let (addr, server) = peer(|s| {
        let (mut socket, _) = accept(s);
        assert_eq!(socket.read().unwrap(), Message::text("7 of 9"));
        assert_eq!(socket.read().unwrap(), Message::binary(&b"onetwo"[..]));
        assert_eq!(socket.read().unwrap(), Message::binary(&b"split"[..]));
        let big = socket.read().unwrap();
        socket.send(big).unwrap();
        while socket.read().is_ok() {}
    });
    let mut bench = bench();
    bench.on_handshake = Some(|_, nc| {
        let strings = [MgStr { p: c"one".as_ptr(), len: 3 }, MgStr { p: ptr::null(), len: 0 }, MgStr { p: c"two".as_ptr(), len: 3 }];
        // SAFETY: a live connection; the format fits its arguments, the count the strings.
        unsafe {
            mg_printf_websocket_frame(nc, TEXT, c"%d of %s".as_ptr(), 7 as c_int, c"9".as_ptr());
            mg_send_websocket_framev(nc, BINARY, strings.as_ptr(), 3);
        }
        send(nc, BINARY | 0x100, b"sp");
        send(nc, 0, b"lit");
        send(nc, BINARY, &[5; BIG]);
    });
    bench.on_frame = Some(|_, nc| send(nc, WEBSOCKET_OP_CLOSE, b""));
    bench.connect(&addr);
    bench.run_until(is_end);
    server.join().unwrap();
    assert!(bench.frames[0] == [5; BIG]);
}

#[test]
fn a_handler_may_swap_the_buffers_while_it_runs() {
    let (addr, server) = peer(|s| {
        let (mut socket, _) = accept(s);
        for part in ["a", "b", "c"] {
            socket.write(Message::text(part)).unwrap();
        }
        socket.flush().unwrap();
        for part in ["a", "b", "c"] {
            assert_eq!(socket.read().unwrap(), Message::text(part));
        }
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    });
    let mut bench = bench();
    bench.on_frame = Some(|b, nc| {
        if matches!(b.seen.last(), Some(Seen::ControlFrame(_))) {
            return;
        }
        // As a protocol on top does, which must not see frames. SAFETY: a live connection; both
        // mbufs are restored before anything else accesses them.
        unsafe {
            let mbuf = Conn::new(nc).unwrap().recv_mbuf();
            let outer = mbuf.read();
            mbuf.write(Mbuf { buf: ptr::null_mut(), len: 0, size: 0 });
            mbuf_append(mbuf, c"something".as_ptr().cast(), 9);
            mbuf_free(mbuf);
            mbuf.write(outer);
        }
        let echo = b.frames.last().unwrap().clone();
        send(nc, TEXT, &echo);
    });
    bench.connect(&addr);
    bench.run_until(is_end);
    server.join().unwrap();
}

#[test]
fn it_all_goes_over_tls_too() {
    let ca = Ca::new("the test CA");
    let cert = ca.issue(&["localhost"], |_| {});
    let (port, server) = Server::new(&cert).start(|link| {
        let mut socket = tungstenite::accept(link).unwrap();
        let message = socket.read().unwrap();
        socket.send(message).unwrap();
        while socket.read().is_ok() {}
    });
    let mut bench = bench();
    bench.on_handshake = Some(|_, nc| send(nc, BINARY, &[3; 5000]));
    bench.on_frame = Some(|_, nc| send(nc, WEBSOCKET_OP_CLOSE, b""));
    bench.try_connect(&format!("localhost:{port}"), |o| o.ssl_ca_cert = c("*")).unwrap();
    bench.run_until(is_end);
    assert!(bench.frames[0] == [3; 5000]);
    server.join().unwrap();
}
