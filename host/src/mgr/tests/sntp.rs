//! Tests of UDP clients, and of SNTP over them, with servers on loopback.

use std::{cell::RefCell, net::UdpSocket, ptr, thread};

use libc::{c_char, c_int, c_void};

use super::{
    bench::{Bench, Nc, Seen, note},
    tls_peer::c,
};
use crate::{
    abi::*,
    clock,
    sntp::{answer, mg_sntp_connect, mg_sntp_get_time, mg_sntp_send_request},
};

/// A server that gets `count` datagrams, and answers each as `reply` says.
fn server(count: usize, reply: fn(usize, &[u8]) -> Vec<u8>) -> (String, thread::JoinHandle<Vec<Vec<u8>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let at = socket.local_addr().unwrap().to_string();
    let serve = move || {
        let one = |i| {
            let mut buf = [0; 4096];
            let (len, from) = socket.recv_from(&mut buf).unwrap();
            socket.send_to(&reply(i, &buf[..len]), from).unwrap();
            buf[..len].to_vec()
        };
        (0..count).map(one).collect()
    };
    (at, thread::spawn(serve))
}

#[test]
fn a_udp_client_connects_at_once_and_each_portion_is_a_datagram() {
    let mut bench = Bench::new();
    let (at, server) = server(2, |i, data| if i == 0 { Vec::new() } else { data[..3].to_vec() });
    bench.on_connect = Some(|b, nc| b.send(nc, &[7; 3000]));
    let nc = bench.connect(&format!("udp://{at}"));
    assert!(bench.flags(nc) & F_UDP != 0);
    // The first answer is empty, and not an end.
    bench.run_until(|seen| seen.contains(&Seen::Send(3000)));
    bench.send(nc, b"abcd");
    bench.run_until(|seen| seen.contains(&Seen::Recv(3)));
    assert_eq!(bench.received, b"abc");
    assert_eq!(server.join().unwrap(), [vec![7; 3000], b"abcd".to_vec()]);
    bench.set_flags(nc, F_CLOSE_IMMEDIATELY);
    bench.run_until(|seen| seen.contains(&Seen::Close));
}

#[test]
fn udp_servers_and_tls_over_udp_are_rejected_with_a_reason() {
    let mut bench = Bench::new();
    let error = bench.try_connect("udp://127.0.0.1:1", |opts| opts.ssl_ca_cert = c("*")).unwrap_err();
    assert!(error.starts_with("TLS over UDP is not supported"), "{error}");
    let mut error: *const c_char = ptr::null();
    // SAFETY: all zero means no options; an initialised manager, and a string that outlives the test.
    unsafe {
        let mut opts: MgBindOpts = std::mem::zeroed();
        opts.error_string = &raw mut error;
        assert!(crate::connect::mg_bind_opt(&mut bench.mgr, c("udp://1234"), Some(note), ptr::null_mut(), opts).is_null());
        assert!(std::ffi::CStr::from_ptr(error).to_str().unwrap().starts_with("UDP servers are not supported"));
    }
}

fn time_reply(i: usize, request: &[u8]) -> Vec<u8> {
    assert_eq!((request.len(), request[0]), (48, 0x23));
    if i == 0 { b"not this".to_vec() } else { answer(clock::wall()).to_vec() }
}

#[test]
fn a_time_server_is_asked_as_often_as_the_app_asks() {
    let mut bench = Bench::new();
    bench.keep = true;
    let (at, server) = server(2, time_reply);
    // SAFETY: a live connection.
    bench.on_connect = Some(|_, nc| unsafe { mg_sntp_send_request(nc) });
    bench.on_frame = Some(|b, nc| match b.seen.last() {
        // SAFETY: as above.
        Some(Seen::SntpMalformed) => unsafe { mg_sntp_send_request(nc) },
        _ => b.set_flags(nc, F_CLOSE_IMMEDIATELY),
    });
    let user = bench.user();
    // SAFETY: an initialised manager, a string that outlives the test.
    assert!(unsafe { !mg_sntp_connect(&mut bench.mgr, Some(note), user, c(&at)).is_null() });
    bench.run_until(|seen| seen.contains(&Seen::Close));
    let told: Vec<_> = bench.events().into_iter().filter(|s| s.sent().is_none() && s.received().is_none()).collect();
    assert_eq!(told, [Seen::Connect(0), Seen::SntpMalformed, Seen::SntpReply(0), Seen::Close]);
    server.join().unwrap();
}

thread_local! {
    static TOLD: RefCell<Vec<(c_int, f64)>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn remember(_: Nc, ev: c_int, data: *mut c_void, _: *mut c_void) {
    // SAFETY: a reply carries a message.
    let time = if ev == EV_SNTP_REPLY { unsafe { (*data.cast::<SntpMessage>()).time } } else { 0.0 };
    TOLD.with_borrow_mut(|told| told.push((ev, time)));
}

fn get_time(bench: &mut Bench, at: &str) -> Nc {
    // SAFETY: an initialised manager, a string that outlives the test.
    unsafe { mg_sntp_get_time(&mut bench.mgr, Some(remember), c(at)) }
}

/// Runs until the result is there and the connection gone.
fn result(bench: &mut Bench) -> Vec<(c_int, f64)> {
    while !bench.connections().is_empty() {
        bench.poll();
    }
    TOLD.take()
}

#[test]
fn the_time_is_asked_for_until_a_server_answers() {
    let mut bench = Bench::new();
    let (at, server) = server(2, time_reply);
    let nc = get_time(&mut bench, &at);
    // The first answer is malformed; the next attempt is due in ten seconds.
    while bench.connections().first().is_none_or(|_| bench.recv_len(nc) == 0 && timer(nc) == 0.0) {
        bench.poll();
    }
    thread::sleep(std::time::Duration::from_millis(50));
    bench.poll();
    assert!((timer(nc) - clock::wall() - 10.0).abs() < 1.0);
    bench.set_timer(nc, clock::wall());
    let told = result(&mut bench);
    assert_eq!((told.len(), told[0].0), (1, EV_SNTP_REPLY));
    // The server's clock is ahead.
    assert!((told[0].1 - clock::wall() - 102.5).abs() < 5.0, "{told:?}");
    server.join().unwrap();
}

fn timer(nc: Nc) -> f64 {
    // SAFETY: the connection is not closed yet.
    unsafe { (*nc).ev_timer_time }
}

#[test]
fn without_an_answer_the_third_attempt_is_the_last() {
    let mut bench = Bench::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nc = get_time(&mut bench, &silent.local_addr().unwrap().to_string());
    let mut attempts = 0;
    while !bench.connections().is_empty() {
        bench.poll();
        if !bench.connections().is_empty() && timer(nc) > clock::wall() + 1.0 {
            attempts += 1;
            bench.set_timer(nc, clock::wall());
        }
    }
    assert_eq!((attempts, TOLD.take()), (3, vec![(EV_SNTP_FAILED, 0.0)]));
}

#[test]
fn a_server_that_cannot_be_reached_is_a_failure_and_an_invalid_name_no_connection() {
    let mut bench = Bench::new();
    // Nothing listens there, so the system reports that the port is unreachable.
    get_time(&mut bench, &format!("127.0.0.1:{}", super::bench::free_port()));
    assert_eq!(result(&mut bench), [(EV_SNTP_FAILED, 0.0)]);
    assert!(get_time(&mut bench, "a:b:c").is_null());
}
