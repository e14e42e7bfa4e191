//! Tests of TLS connections with real servers: what succeeds, what fails, and how it is reported.
//! The servers are in tls_peer.rs.

use std::{
    io::{Read, Write},
    sync::LazyLock,
};

use libc::c_char;

use super::{
    bench::{Bench, Seen, peer},
    tls_peer::*,
};
use crate::{abi::*, clock::mgos_settimeofday, testing::log_lines};

static CA: LazyLock<Ca> = LazyLock::new(|| Ca::new("the test CA"));
static GOOD: LazyLock<Cert> = LazyLock::new(|| CA.issue(&["localhost", "127.0.0.1"], |_| {}));

/// Connects to a port of `host` as the client of ping_pong; returns all events except POLL, and the
/// log.
fn talk(host: &str, port: u16, change: impl FnOnce(&mut MgConnectOpts)) -> (Vec<Seen>, String) {
    let mut bench = Bench::new();
    log_lines();
    bench.on_connect = Some(|b, nc| b.send(nc, b"ping"));
    let nc = bench.try_connect(&format!("{host}:{port}"), change).unwrap();
    assert!(bench.flags(nc) & F_SSL != 0);
    bench.run_until(|seen| seen.contains(&Seen::Close));
    (bench.events(), log_lines())
}

/// The error string of a connect that fails at once.
fn refused(change: impl FnOnce(&mut MgConnectOpts)) -> String {
    Bench::new().try_connect("127.0.0.1:1", change).unwrap_err().to_owned()
}

const PASSED: [Seen; 4] = [Seen::Connect(0), Seen::Send(4), Seen::Recv(4), Seen::Close];
const FAILED: [Seen; 2] = [Seen::Connect(-3), Seen::Close];

fn ca(files: &Files) -> *const c_char {
    c(&files.put("ca.pem", &CA.cert.pem))
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn a_server_with_a_trusted_certificate_is_accepted_by_name_and_by_address() {
    let files = Files::new();
    for host in ["localhost", "127.0.0.1"] {
        let (port, server) = Server::new(&GOOD).start(ping_pong);
        let (events, _) = talk(host, port, |o| o.ssl_ca_cert = ca(&files));
        assert_eq!(events, PASSED);
        server.join().unwrap().unwrap();
    }
}

#[test]
fn sni_carries_names_but_no_addresses() {
    let files = Files::new();
    for (host, name, told) in
        [("localhost", None, Some("localhost")), ("127.0.0.1", None, None), ("127.0.0.1", Some("localhost"), Some("localhost"))]
    {
        let (port, server) = Server::new(&GOOD).start(|link| {
            ping_pong(link).unwrap();
            link.conn.server_name().map(str::to_owned)
        });
        talk(host, port, |o| {
            o.ssl_ca_cert = ca(&files);
            o.ssl_server_name = name.map_or(std::ptr::null(), c);
        });
        assert_eq!(server.join().unwrap().as_deref(), told);
    }
}

#[test]
fn one_ca_of_several_in_a_file_is_enough() {
    let files = Files::new();
    let bundle = [Ca::new("another").cert.pem, CA.cert.pem.clone(), Ca::new("a third").cert.pem].concat();
    let (port, server) = Server::new(&GOOD).start(ping_pong);
    let (events, _) = talk("localhost", port, |o| o.ssl_ca_cert = c(&files.put("bundle.pem", &bundle)));
    assert_eq!(events, PASSED);
    server.join().unwrap().unwrap();
}

#[test]
fn an_unknown_ca_is_rejected_and_the_log_names_certificate_and_issuer() {
    let files = Files::new();
    let (port, server) = Server::new(&GOOD).start(ping_pong);
    let other = files.put("other.pem", &Ca::new("another").cert.pem);
    let (events, log) = talk("localhost", port, |o| o.ssl_ca_cert = c(&other));
    assert_eq!(events, FAILED);
    assert_says(&log, &["unknown CA", "CN=the server", "CN=the test CA", &other, "-0x2700"]);
    assert!(server.join().unwrap().is_err());
}

#[test]
fn a_certificate_for_another_name_is_rejected_even_without_a_lookup() {
    let files = Files::new();
    let cert = CA.issue(&["broker.example", "10.1.2.3"], |_| {});
    for host in ["127.0.0.1", "localhost"] {
        let (port, server) = Server::new(&cert).start(ping_pong);
        let (events, log) = talk(host, port, |o| o.ssl_ca_cert = ca(&files));
        assert_eq!(events, FAILED);
        assert_says(&log, &["wrong name", &format!("connecting to {host}"), "broker.example, 10.1.2.3", "-0x2700"]);
        assert!(server.join().unwrap().is_err());
    }
}

#[test]
fn on_request_dates_are_not_checked_and_names_only_after_a_lookup_as_on_a_device() {
    let files = Files::new();
    let expired = CA.issue(&["localhost"], |p| p.not_after = rcgen::date_time_ymd(2020, 2, 29));
    let early = CA.issue(&["localhost"], |p| p.not_before = rcgen::date_time_ymd(2099, 1, 1));
    let other = CA.issue(&["broker.example", "10.1.2.3"], |_| {});
    for (host, cert, name, passes) in [
        ("localhost", &expired, None, true),
        ("localhost", &early, None, true),
        ("127.0.0.1", &other, None, true),
        ("127.0.0.1", &other, Some("broker.example"), true),
        ("127.0.0.1", &other, Some("other.example"), false),
        // The hosts file has it.
        ("localhost", &other, None, true),
        ("localhost", &other, Some("localhost"), false),
    ] {
        let (port, server) = Server::new(cert).start(ping_pong);
        let (events, _) = crate::tls::as_device(|| {
            talk(host, port, |o| {
                o.ssl_ca_cert = ca(&files);
                o.ssl_server_name = name.map_or(std::ptr::null(), c);
            })
        });
        assert_eq!(events == PASSED, passes, "{host} {name:?}: {events:?}");
        let _ = server.join().unwrap();
    }
    let (port, server) = Server::new(&GOOD).start(ping_pong);
    let stranger = files.put("stranger.pem", &Ca::new("another").cert.pem);
    let (events, _) = crate::tls::as_device(|| talk("127.0.0.1", port, |o| o.ssl_ca_cert = c(&stranger)));
    assert_eq!(events, FAILED, "the CA is");
    let _ = server.join().unwrap();
}

#[test]
fn ssl_server_name_overrides_the_name_and_a_star_disables_the_check() {
    let files = Files::new();
    let cert = CA.issue(&["broker.example"], |_| {});
    for (name, passes) in [("broker.example", true), ("*", true), ("other.example", false)] {
        let (port, server) = Server::new(&cert).start(ping_pong);
        let (events, _) = talk("127.0.0.1", port, |o| {
            o.ssl_ca_cert = ca(&files);
            o.ssl_server_name = c(name);
        });
        assert_eq!(events == PASSED, passes, "{name}: {events:?}");
        let _ = server.join().unwrap();
    }
}

#[test]
fn a_star_as_ca_accepts_any_server_and_warns() {
    let cert = Ca::new("nobody").issue(&["elsewhere"], |p| p.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let (port, server) = Server::new(&cert).start(ping_pong);
    let (events, log) = talk("127.0.0.1", port, |o| o.ssl_ca_cert = c("*"));
    assert_eq!(events, PASSED);
    assert_says(&log, &["is not verified"]);
    server.join().unwrap().unwrap();
}

#[test]
fn an_expired_certificate_is_rejected_and_the_log_has_the_dates() {
    let files = Files::new();
    let cert = CA.issue(&["localhost"], |p| p.not_after = rcgen::date_time_ymd(2020, 2, 29));
    let (port, server) = Server::new(&cert).start(ping_pong);
    let (events, log) = talk("localhost", port, |o| o.ssl_ca_cert = ca(&files));
    assert_eq!(events, FAILED);
    assert_says(&log, &["expired on 2020-02-29 00:00:00 UTC", "the clock says", "-0x2700"]);
    let _ = server.join().unwrap();
}

#[test]
fn dates_are_compared_with_the_apps_clock_and_one_that_is_not_set_is_named() {
    let files = Files::new();
    let cert = CA.issue(&["localhost"], |p| p.not_before = rcgen::date_time_ymd(2020, 1, 1));
    let (port, server) = Server::new(&cert).start(ping_pong);
    let mut bench = Bench::new();
    log_lines();
    let now = crate::clock::wall();
    mgos_settimeofday(86_400.0, std::ptr::null_mut());
    bench.try_connect(&format!("localhost:{port}"), |o| o.ssl_ca_cert = ca(&files)).unwrap();
    bench.run_until(|seen| seen.contains(&Seen::Close));
    mgos_settimeofday(now, std::ptr::null_mut());
    let (events, log) = (bench.events(), log_lines());
    assert_eq!(events, FAILED);
    assert_says(&log, &["not valid before 2020-01-01", "the clock is not set, it says 1970-01-02"]);
    let _ = server.join().unwrap();
}

#[test]
fn a_client_certificate_is_accepted_also_with_its_key_in_the_same_file() {
    let files = Files::new();
    let ours = CA.issue(&["device"], |_| {});
    let both = files.put("both.pem", &[ours.pem.as_str(), &ours.key_pem].concat());
    let (cert, key) = (files.put("cert.pem", &ours.pem), files.put("key.pem", &ours.key_pem));
    for (cert, key) in [(&cert, Some(&key)), (&both, None)] {
        let server = Server { clients_of: Some(&CA), ..Server::new(&GOOD) };
        let (port, server) = server.start(ping_pong);
        let (events, _) = talk("localhost", port, |o| {
            o.ssl_ca_cert = ca(&files);
            o.ssl_cert = c(cert);
            o.ssl_key = key.map_or(std::ptr::null(), |key| c(key));
        });
        assert_eq!(events, PASSED);
        server.join().unwrap().unwrap();
    }
}

#[test]
fn without_a_client_certificate_the_server_refuses_and_the_log_has_its_alert() {
    let files = Files::new();
    let server = Server { clients_of: Some(&CA), ..Server::new(&GOOD) };
    let (port, server) = server.start(ping_pong);
    let (events, log) = talk("localhost", port, |o| o.ssl_ca_cert = ca(&files));
    assert_eq!(events, FAILED);
    assert_says(&log, &["the server refused with the alert", "ssl_cert", "-0x7780"]);
    assert!(server.join().unwrap().is_err());
}

#[test]
fn a_server_that_does_not_know_our_ca_says_so() {
    let files = Files::new();
    let ours = Ca::new("unheard of").issue(&["device"], |_| {});
    let server = Server { clients_of: Some(&CA), ..Server::new(&GOOD) };
    let (port, server) = server.start(ping_pong);
    let (events, log) = talk("localhost", port, |o| {
        o.ssl_ca_cert = ca(&files);
        o.ssl_cert = c(&files.put("cert.pem", &ours.pem));
        o.ssl_key = c(&files.put("key.pem", &ours.key_pem));
    });
    assert_eq!(events, FAILED);
    assert_says(&log, &["unknown_ca (48)", "-0x7780"]);
    assert!(server.join().unwrap().is_err());
}

#[test]
fn a_server_without_tls_1_2_is_rejected() {
    let files = Files::new();
    let server = Server { version: &rustls::version::TLS13, ..Server::new(&GOOD) };
    let (port, server) = server.start(ping_pong);
    let (events, log) = talk("localhost", port, |o| o.ssl_ca_cert = ca(&files));
    assert_eq!(events, FAILED);
    assert_says(&log, &["protocol_version (70)", "does not speak TLS 1.2"]);
    assert!(server.join().unwrap().is_err());
}

#[test]
fn a_non_tls_server_is_distinguished_from_one_that_hangs_up() {
    let files = Files::new();
    let (addr, server) = peer(|mut s| {
        s.write_all(b"220 mail.example ESMTP\r\n").unwrap();
        // Until the server hangs up in some way.
        let _ = s.read_to_end(&mut Vec::new());
    });
    let port = addr.rsplit_once(':').unwrap().1.parse().unwrap();
    let (events, log) = talk("127.0.0.1", port, |o| o.ssl_ca_cert = ca(&files));
    assert_eq!(events, FAILED);
    assert_says(&log, &["waiting for the server's hello", "does not speak TLS", "right port"]);
    server.join().unwrap();

    let (addr, server) = peer(|mut s| _ = s.read(&mut [0; 1000]).unwrap());
    let port = addr.rsplit_once(':').unwrap().1.parse().unwrap();
    let (events, log) = talk("127.0.0.1", port, |o| o.ssl_ca_cert = ca(&files));
    assert_eq!(events, FAILED);
    assert_says(&log, &["waiting for the server's hello: the server hung up"]);
    server.join().unwrap();
}

#[test]
fn a_client_certificate_without_a_ca_is_rejected() {
    let files = Files::new();
    let ours = CA.issue(&["device"], |_| {});
    let both = files.put("both.pem", &[ours.pem.as_str(), &ours.key_pem].concat());
    let (port, server) = Server::new(&GOOD).start(ping_pong);
    let (events, log) = talk("localhost", port, |o| o.ssl_cert = c(&both));
    assert_eq!(events, FAILED);
    assert_says(&log, &["set ssl_ca_cert"]);
    let _ = server.join().unwrap();
}

#[test]
fn invalid_settings_are_rejected_immediately_with_an_explanation() {
    let files = Files::new();
    let (ours, other) = (CA.issue(&["device"], |_| {}), CA.issue(&["device"], |_| {}));
    let (cert, key) = (files.put("cert.pem", &ours.pem), files.put("key.pem", &other.key_pem));
    let nothing = files.path("nothing.pem").to_str().unwrap().to_owned();
    let text = files.put("text.pem", "no certificate");

    let error = refused(|o| o.ssl_ca_cert = c(&nothing));
    assert_says(&error, &["ssl_ca_cert", &nothing, "No such file"]);
    assert_says(&refused(|o| o.ssl_ca_cert = c(&text)), &["ssl_ca_cert", &text, "is not a certificate", "(mbedTLS -0x"]);
    assert_says(&refused(|o| o.ssl_cert = c(&nothing)), &["ssl_cert", &nothing, "No such file"]);
    assert_says(&refused(|o| o.ssl_cert = c(&cert)), &["ssl_key, not set, so in ssl_cert", &cert, "no usable key"]);
    let with_key = |key: &str| {
        let (cert, key) = (c(&cert), c(key));
        refused(move |o| (o.ssl_cert, o.ssl_key) = (cert, key))
    };
    assert_says(&with_key(&key), &["ssl_key", &key, "does not belong to", &cert]);
    assert_says(&with_key("ATCA:0"), &["crypto chip"]);

    let with_suites = |list: &str| {
        let list = c(list);
        refused(move |o| (o.ssl_ca_cert, o.ssl_cipher_suites) = (c("*"), list))
    };
    let error = with_suites("TLS-RSA-WITH-AES-128-GCM-SHA256:TLS-PSK-WITH-AES-128-GCM-SHA265");
    assert_says(&error, &["unknown cipher suite \"TLS-PSK-WITH-AES-128-GCM-SHA265\"", "is it TLS-PSK-WITH-AES-128-GCM-SHA256?"]);

    let with_psk = |key: &str| {
        let key = c(key);
        refused(move |o| (o.ssl_psk_identity, o.ssl_psk_key) = (c("me"), key))
    };
    assert_says(&with_psk("0123"), &["32 or 64 hex digits", "it has 4"]);
    assert_says(&with_psk(&"x".repeat(32)), &["not hex digits"]);
    assert_says(&refused(|o| o.ssl_psk_identity = c("me")), &["ssl_psk_key is not"]);
}

#[test]
fn a_peer_that_moves_one_byte_at_a_time_is_waited_for() {
    let files = Files::new();
    let (port, server) = Server { slow: true, ..Server::new(&GOOD) }.start(ping_pong);
    let (events, _) = talk("localhost", port, |o| o.ssl_ca_cert = ca(&files));
    assert_eq!(events, PASSED);
    server.join().unwrap().unwrap();
}

#[test]
fn a_lot_of_data_goes_both_ways_unharmed() {
    const SIZE: usize = 700_000;
    fn data() -> Vec<u8> {
        (0..SIZE).map(|i| (i * 7 % 251) as u8).collect()
    }
    let files = Files::new();
    let (port, server) = Server::new(&GOOD).start(|link| {
        // Both directions at once: the client must keep reading while it cannot write.
        link.write_all(&data()).unwrap();
        let mut got = vec![0; SIZE];
        link.read_exact(&mut got).unwrap();
        link.conn.send_close_notify();
        link.flush().unwrap();
        got
    });
    let mut bench = Bench::new();
    bench.on_connect = Some(|b, nc| b.send(nc, &data()));
    bench.try_connect(&format!("localhost:{port}"), |o| o.ssl_ca_cert = ca(&files)).unwrap();
    bench.run_until(|seen| seen.contains(&Seen::Close));
    assert!(server.join().unwrap() == data());
    assert!(bench.received == data());
    let sent: i32 = bench.seen.iter().filter_map(Seen::sent).sum();
    assert_eq!(sent as usize, SIZE);
}

#[test]
fn data_buffered_by_tls_is_delivered_when_the_app_makes_room() {
    let files = Files::new();
    let (port, server) = Server::new(&GOOD).start(|link| {
        link.write_all(&[7; 5000]).unwrap();
        link.flush().unwrap();
        link.read_exact(&mut [0; 4]).unwrap();
    });
    let mut bench = Bench::new();
    bench.keep = true;
    let nc = bench.try_connect(&format!("localhost:{port}"), |o| o.ssl_ca_cert = ca(&files)).unwrap();
    bench.set_limit(nc, 1000);
    bench.run_until(|seen| seen.iter().any(|s| s.received().is_some()));
    let mut got = 0;
    while got < 5000 {
        assert!(bench.recv_len(nc) <= 1000);
        got += bench.take(nc).len();
        bench.poll();
    }
    bench.send(nc, b"done");
    bench.run_until(|seen| seen.contains(&Seen::Close));
    server.join().unwrap();
}

#[test]
fn a_server_with_an_rsa_certificate_is_accepted() {
    let files = Files::new();
    let (cert, key) = Openssl::rsa(&files);
    let server = Openssl::start(&["-cert", &cert, "-key", &key]);
    let received = one_line(&server, |o| o.ssl_ca_cert = c(&cert));
    assert_eq!(received, Ok(b"dlrow\n".to_vec()));
}

/// Sends a line to an openssl server and returns its answer; or the log, if that fails.
fn one_line(server: &Openssl, change: impl FnOnce(&mut MgConnectOpts)) -> Result<Vec<u8>, String> {
    let mut bench = Bench::new();
    log_lines();
    bench.on_connect = Some(|b, nc| b.send(nc, b"world\n"));
    bench.on_recv = Some(|b, nc| b.set_flags(nc, F_CLOSE_IMMEDIATELY));
    bench.try_connect(&format!("localhost:{}", server.port), change).unwrap();
    bench.run_until(|seen| seen.contains(&Seen::Close));
    let received = std::mem::take(&mut bench.received);
    if received.is_empty() { Err(log_lines()) } else { Ok(received) }
}

#[test]
fn a_pre_shared_key_is_accepted_and_a_wrong_one_refused() {
    const KEY: &str = "00112233445566778899aabbccddeeff";
    let server = Openssl::start(&["-nocert", "-psk", KEY, "-psk_identity", "device", "-cipher", "PSK-AES128-GCM-SHA256"]);
    let with = |key: &str, suites: Option<&str>| {
        one_line(&server, |o| {
            o.ssl_psk_identity = c("device");
            o.ssl_psk_key = c(key);
            o.ssl_cipher_suites = suites.map_or(std::ptr::null(), c);
        })
    };
    let suite = Some("TLS-PSK-WITH-AES-128-GCM-SHA256");
    assert_eq!(with(KEY, suite), Ok(b"dlrow\n".to_vec()));
    assert_eq!(with(&KEY.to_uppercase(), suite), Ok(b"dlrow\n".to_vec()));
    let log = with(&KEY.replace('0', "1"), suite).unwrap_err();
    assert_says(&log, &["the server refused with the alert", "is ssl_psk_key right?", "-0x7780"]);
    let log = with(KEY, None).unwrap_err();
    assert_says(&log, &["set ssl_cipher_suites", "handshake_failure (40)"]);
}
