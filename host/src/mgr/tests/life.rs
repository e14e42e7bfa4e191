//! Tests of handlers, flags, timers and the closing of connections and managers: who is called,
//! what a handler may do, who frees what.

use std::{cell::Cell, os::fd::IntoRawFd, os::unix::net::UnixStream, ptr};

use libc::{c_int, c_void};

use super::bench::{Bench, Nc, Seen, free_port, note, peer};
use crate::{abi::*, clock, connect::mg_add_sock};

#[test]
fn invalid_arguments_are_rejected_immediately_with_a_reason() {
    let mut bench = Bench::new();
    for address in ["mqtt://host:1", "host", "", "1.2.3.4:70000"] {
        assert_eq!(bench.try_connect(address, |_| {}), Err("cannot parse address"), "{address}");
    }
    let tls = bench.try_connect("1.2.3.4:8883", |o| o.ssl_ca_cert = c"no such file".as_ptr()).unwrap_err();
    assert!(tls.contains("no such file"), "{tls}");
    bench.poll();
    assert_eq!(bench.seen, []);
    assert!(bench.connections().is_empty());
}

#[test]
fn a_handler_can_change_its_own_flags_only() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|s| s);
    const USER_1: u64 = 1 << 20;
    bench.on_connect = Some(|b, nc| b.set_flags(nc, USER_1 | F_UDP | F_LISTENING | F_RECV_AND_CLOSE));
    let nc = bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Connect(0)));
    assert_eq!(bench.flags(nc), USER_1);
    drop(server.join().unwrap());
}

thread_local! {
    static PROTO_CALLS: Cell<u32> = const { Cell::new(0) };
    static DESTROYED: Cell<u32> = const { Cell::new(0) };
}

unsafe extern "C" fn proto(_: Nc, _: c_int, _: *mut c_void, _: *mut c_void) {
    PROTO_CALLS.set(PROTO_CALLS.get() + 1);
}

unsafe extern "C" fn destroy(data: *mut c_void) {
    assert_eq!(data.addr(), 0x1234);
    DESTROYED.set(DESTROYED.get() + 1);
}

#[test]
fn a_protocol_handler_replaces_the_apps_and_its_data_is_destroyed_once() {
    let mut bench = Bench::new();
    let nc = bench.connect(&format!("127.0.0.1:{}", free_port()));
    // SAFETY: just created.
    unsafe {
        (*nc).proto_handler = Some(proto);
        (*nc).proto_data = ptr::without_provenance_mut(0x1234);
        (*nc).proto_data_destructor = Some(destroy);
    }
    let mut rounds = 0;
    while DESTROYED.get() == 0 {
        bench.poll();
        rounds += 1;
        assert!(rounds < 1000);
    }
    bench.poll();
    assert_eq!(bench.seen, []);
    assert!(PROTO_CALLS.get() >= 3, "POLL, CONNECT, CLOSE at least");
    assert_eq!(DESTROYED.get(), 1);
}

#[test]
fn a_timer_fires_once_when_its_time_has_passed() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|s| s);
    let nc = bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Connect(0)));
    bench.set_timer(nc, clock::wall() + 3600.0);
    bench.poll();
    assert!(!bench.seen.contains(&Seen::Timer));
    clock::mgos_host_time_skip(3_600_000_000);
    bench.seen.clear();
    bench.poll();
    bench.poll();
    assert_eq!(bench.seen, [Seen::Timer, Seen::Poll, Seen::Poll]);
    drop(server.join().unwrap());
}

#[test]
fn the_newest_connection_comes_first() {
    let mut bench = Bench::new();
    let (first, _) = bench.listen("127.0.0.1:0");
    let (second, _) = bench.listen("127.0.0.1:0");
    assert_eq!(bench.connections(), [second, first]);
    bench.set_flags(second, F_CLOSE_IMMEDIATELY);
    bench.poll();
    assert_eq!(bench.connections(), [first]);
}

#[test]
fn a_handler_may_run_a_round_that_ends_its_own_connection() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|s| s);
    bench.on_connect = Some(|b, nc| {
        b.set_flags(nc, F_CLOSE_IMMEDIATELY);
        b.poll();
        b.send(nc, b"nobody gets this");
    });
    bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(bench.events(), [Seen::Connect(0), Seen::Close]);
    assert!(bench.connections().is_empty());
    drop(server.join().unwrap());
}

#[test]
fn a_handler_may_run_a_round_that_ends_another_connection() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|s| s);
    bench.connect(&format!("127.0.0.1:{}", free_port()));
    bench.connect(&addr);
    bench.on_connect = Some(|b, _| {
        b.on_connect = None;
        b.on_poll = None;
        for _ in 0..5 {
            b.poll();
        }
    });
    bench.run_until(|seen| seen.contains(&Seen::Close) && seen.contains(&Seen::Connect(0)));
    let refused = Seen::Connect(libc::ECONNREFUSED);
    let mut events = bench.events();
    events.retain(|e| *e != Seen::Connect(0));
    assert_eq!(events, [refused, Seen::Close]);
    assert_eq!(bench.connections().len(), 1);
    drop(server.join().unwrap());
}

#[test]
fn a_close_handler_may_connect_again() {
    let mut bench = Bench::new();
    bench.on_close = Some(|b, _| {
        b.on_close = None;
        let port = free_port();
        b.connect(&format!("127.0.0.1:{port}"));
    });
    bench.connect(&format!("127.0.0.1:{}", free_port()));
    bench.run_until(|seen| seen.iter().filter(|s| **s == Seen::Close).count() == 2);
    let refused = Seen::Connect(libc::ECONNREFUSED);
    assert_eq!(bench.events(), [refused, Seen::Close, refused, Seen::Close]);
}

#[test]
fn freeing_the_manager_closes_every_connection_and_takes_no_new_one() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|s| s);
    bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Connect(0)));
    bench.unresolved();
    bench.on_close = Some(|b, _| {
        let reason = b.try_connect("127.0.0.1:1", |_| {}).unwrap_err();
        assert!(reason.contains("closing"), "{reason}");
    });
    bench.seen.clear();
    bench.free();
    assert_eq!(bench.events(), [Seen::Close, Seen::Connect(-1), Seen::Close]);
    assert_eq!(bench.poll(), 0, "a freed manager does nothing");
    drop(server.join().unwrap());
}

#[test]
fn a_round_returns_the_number_of_events() {
    let mut bench = Bench::new();
    bench.connect(&format!("127.0.0.1:{}", free_port()));
    let mut told = 0;
    while !bench.seen.contains(&Seen::Close) {
        told += bench.poll();
    }
    assert_eq!(told, 2);
}

#[test]
fn a_socket_of_the_apps_own_becomes_a_connection() {
    let mut bench = Bench::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let user = bench.user();
    // SAFETY: initialised; nothing else uses the socket.
    let nc = unsafe { mg_add_sock(&mut bench.mgr, theirs.into_raw_fd(), Some(note), user) };
    assert!(!nc.is_null());
    std::io::Write::write_all(&mut &ours, b"over a pipe").unwrap();
    drop(ours);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(bench.events(), [Seen::Recv(11), Seen::Close]);
    assert_eq!(bench.received, b"over a pipe");
}

#[test]
fn a_handler_that_closes_while_receiving_gets_no_more_data() {
    let mut bench = Bench::new();
    let (addr, server) = peer(|mut s| std::io::Write::write_all(&mut s, &[1; 5000]));
    bench.on_recv = Some(|b, nc| b.set_flags(nc, F_CLOSE_IMMEDIATELY));
    bench.connect(&addr);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert_eq!(bench.events().iter().filter(|e| e.received().is_some()).count(), 1);
    server.join().unwrap().unwrap();
}
