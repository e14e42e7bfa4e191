//! Tests of the event manager with real sockets on loopback: events, their order and data. The test
//! bench is in tests/bench.rs.

mod bench;
mod http;
mod life;
mod sntp;
mod tls;
mod tls_peer;
mod websocket;

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use bench::{Bench, Seen, free_port, peer};

use crate::abi::*;

#[test]
fn a_connection_is_polled_while_connecting_then_reports_events_in_order() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|mut s| {
        let mut got = [0; 5];
        s.read_exact(&mut got).unwrap();
        s.write_all(b"hello back").unwrap();
        got
    });
    bench.on_connect = Some(|b, nc| b.send(nc, b"hello"));
    let nc = bench.connect(&addr);
    assert!(bench.flags(nc) & F_CONNECTING != 0);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(server.join().unwrap(), *b"hello");
    assert_eq!(bench.seen[0], Seen::Poll, "polled before it is connected");
    assert_eq!(bench.events(), [Seen::Connect(0), Seen::Send(5), Seen::Recv(10), Seen::Close]);
    assert_eq!(bench.received, b"hello back");
}

#[test]
fn what_the_connect_handler_sends_goes_out_in_the_same_round() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|mut s| s.read(&mut [0; 8]).unwrap());
    bench.on_connect = Some(|b, nc| b.send(nc, b"x"));
    bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Connect(0)));
    let at = bench.seen.iter().position(|s| *s == Seen::Connect(0)).unwrap();
    assert_eq!(bench.seen[at + 1..], [Seen::Send(1)]);
    server.join().unwrap();
}

#[test]
fn a_refused_connection_gets_the_errno_and_then_close() {
    let mut bench = Bench::new();
    bench.connect(&format!("127.0.0.1:{}", free_port()));
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(bench.events(), [Seen::Connect(libc::ECONNREFUSED), Seen::Close]);
}

#[test]
fn an_unknown_host_gets_minus_one_and_close_and_is_never_polled() {
    let mut bench = Bench::new();
    // A label of more than 63 characters is invalid: no name server is needed.
    let nc = bench.connect(&format!("{}.invalid:1883", "x".repeat(64)));
    assert!(bench.flags(nc) & F_RESOLVING != 0);
    assert!(bench.connections().is_empty(), "not in the list while resolving");
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(bench.seen, [Seen::Connect(-1), Seen::Close]);
}

#[test]
fn a_name_is_resolved_and_then_connected_to() {
    let mut bench = Bench::new();
    let (addr, server) = peer(drop);
    let port = addr.rsplit_once(':').unwrap().1;
    bench.connect(&format!("tcp://localhost:{port}"));
    bench.run_until(|seen| seen.contains(&Seen::Close));
    server.join().unwrap();
    assert_eq!(bench.events(), [Seen::Connect(0), Seen::Close]);
}

#[test]
fn a_timer_ends_a_lookup_as_a_timeout() {
    let mut bench = Bench::new();
    let nc = bench.unresolved();
    bench.set_timer(nc, crate::clock::wall() - 1.0);
    bench.poll();
    assert_eq!(bench.seen, [Seen::Timer, Seen::Connect(-1), Seen::Close]);
}

#[test]
fn closing_during_a_lookup_gives_only_close() {
    let mut bench = Bench::new();
    let nc = bench.unresolved();
    bench.set_flags(nc, F_CLOSE_IMMEDIATELY);
    bench.poll();
    assert_eq!(bench.seen, [Seen::Close]);
}

#[test]
fn the_next_address_is_tried_before_an_error_is_reported() {
    let mut bench = Bench::new();
    let (addr, server) = peer(drop);
    let nobody = format!("127.0.0.1:{}", free_port());
    bench.begin(&[&nobody, &nobody, &addr]);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    server.join().unwrap();
    assert_eq!(bench.events(), [Seen::Connect(0), Seen::Close]);
}

#[test]
fn after_the_last_address_one_error_is_reported() {
    let mut bench = Bench::new();
    let nobody = format!("127.0.0.1:{}", free_port());
    bench.begin(&[&nobody, &nobody]);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(bench.events(), [Seen::Connect(libc::ECONNREFUSED), Seen::Close]);
}

#[test]
fn an_address_that_does_not_answer_is_followed_by_the_next() {
    let mut bench = Bench::new();
    let (addr, server) = peer(drop);
    let silent = bench::Silent::new();
    bench.begin(&[&silent.addr, &addr]);
    bench.poll();
    assert_eq!(bench.events(), []);
    crate::clock::mgos_host_time_skip(5_000_000);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    server.join().unwrap();
    assert_eq!(bench.events(), [Seen::Connect(0), Seen::Close]);
}

#[test]
fn reading_stops_at_the_limit_and_all_is_delivered_before_close() {
    let mut bench = Bench::new();
    let sent: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
    let copy = sent.clone();
    let (addr, server) = peer(move |mut s| s.write_all(&copy).unwrap());
    bench.keep = true;
    let nc = bench.connect(&addr);
    bench.set_limit(nc, 3000);
    bench.run_until(|seen| seen.iter().filter_map(Seen::received).sum::<i32>() == 3000);
    server.join().unwrap();
    for _ in 0..10 {
        bench.poll();
    }
    assert_eq!(bench.recv_len(nc), 3000, "full: nothing more is read");
    assert_eq!(bench.watched(nc), None, "a round would end at once for data that nobody takes");
    assert!(!bench.seen.contains(&Seen::Close));

    let mut all = Vec::new();
    while !bench.seen.contains(&Seen::Close) {
        all.extend(bench.take(nc));
        bench.poll();
    }
    assert_eq!(all, sent);
    assert!(bench.seen.iter().filter_map(Seen::received).all(|n| n <= 1460));
    assert_eq!(bench.events().last(), Some(&Seen::Close));
}

#[test]
fn with_a_limit_of_zero_nothing_is_read() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|mut s| {
        s.write_all(b"data").unwrap();
        s
    });
    let nc = bench.connect(&addr);
    bench.set_limit(nc, 0);
    bench.run_until(|seen| seen.contains(&Seen::Connect(0)));
    let _open = server.join().unwrap();
    for _ in 0..10 {
        bench.poll();
    }
    assert_eq!(bench.events(), [Seen::Connect(0)]);
}

#[test]
fn send_and_close_sends_everything_first() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|mut s| {
        let mut all = Vec::new();
        s.read_to_end(&mut all).unwrap();
        all
    });
    bench.on_connect = Some(|b, nc| {
        b.send(nc, &[7; 300_000]);
        b.set_flags(nc, F_SEND_AND_CLOSE);
    });
    bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(server.join().unwrap(), vec![7; 300_000]);
    let sent: Vec<i32> = bench.seen.iter().filter_map(Seen::sent).collect();
    assert_eq!(sent.iter().sum::<i32>(), 300_000);
    assert!(sent.iter().all(|n| *n <= 1460));
}

#[test]
fn close_immediately_closes_in_the_next_round_and_drops_unsent_data() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|mut s| {
        let mut all = Vec::new();
        s.read_to_end(&mut all).unwrap();
        all
    });
    bench.on_connect = Some(|b, nc| {
        b.send(nc, b"never");
        b.set_flags(nc, F_CLOSE_IMMEDIATELY);
    });
    bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(bench.events(), [Seen::Connect(0), Seen::Close]);
    assert_eq!(server.join().unwrap(), b"");
}

#[test]
fn a_peer_that_resets_the_connection_closes_it() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|mut s| {
        s.read_exact(&mut [0; 1]).unwrap();
        // Closing without lingering resets the connection.
        let linger = Some(std::time::Duration::ZERO);
        socket2::SockRef::from(&s).set_linger(linger).unwrap();
    });
    bench.on_connect = Some(|b, nc| b.send(nc, b"x"));
    bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    server.join().unwrap();
    assert_eq!(bench.events(), [Seen::Connect(0), Seen::Send(1), Seen::Close]);
}

#[test]
fn accepted_connections_know_their_listener() {
    let mut bench = Bench::new();
    let (lc, addr) = bench.listen("127.0.0.1:0");
    bench.echo = true;
    let client = std::thread::spawn(move || {
        let mut s = std::net::TcpStream::connect(addr).unwrap();
        s.write_all(b"ping").unwrap();
        let mut got = [0; 4];
        s.read_exact(&mut got).unwrap();
        got
    });
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(client.join().unwrap(), *b"ping");
    assert_eq!(bench.events(), [Seen::Accept(true), Seen::Recv(4), Seen::Send(4), Seen::Close]);
    assert_eq!(bench.connections(), [lc]);
}

#[test]
fn ipv6_loopback_works_where_available() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return eprintln!("this machine has no IPv6 loopback");
    };
    let mut bench = Bench::new();
    let addr = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let nc = bench.connect(&addr);
    assert_eq!(bench.address(nc), addr);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    server.join().unwrap();
    assert_eq!(bench.events(), [Seen::Connect(0), Seen::Close]);
}
