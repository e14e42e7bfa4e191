//! Connections that fail before MQTT: untrusted TLS, refused WebSocket.

use std::fmt::Display;

use anyhow::Result;
use test_kit::broker::{Running, Setup};
use test_kit::transport::Transport;
use test_kit::web::{Answer, Server};

use crate::fixture::Fixture;

/// Number of attempts to observe.
const TIMES: usize = 3;

/// The app fails to connect `TIMES` times; each time it gets an event, and the log contains
/// `cause`. Returns the log.
fn fails_to_connect(fixture: &Fixture, what: &str, server: impl Display, settings: &[(&str, &str)], cause: &str) -> Result<Vec<String>> {
    let times = TIMES.to_string();
    let ours = [("login.refusals", times.as_str()), ("mqtt.reconnect_timeout_max", "10")];
    let lines = fixture.app("login", server, &[&ours, settings].concat())?.finish()?;
    let causes = lines.iter().filter(|line| line.contains(cause)).count();
    fixture.check(causes == TIMES, &format!("{what}: the log says why, each time ({cause:?}, {causes} times)"))?;
    let waits = waits(&lines);
    let longer = waits.len() >= TIMES - 1 && waits.windows(2).all(|pair| pair[1] > pair[0]);
    fixture.check(longer, &format!("{what}: each wait is longer than the one before"))?;
    Ok(lines)
}

/// Milliseconds before each attempt to connect but the first, as in the log.
pub fn waits(lines: &[String]) -> Vec<u32> {
    let wait = |line: &String| line.split_once("MQTT0 connecting after ")?.1.strip_suffix(" ms")?.parse().ok();
    lines.iter().filter_map(wait).collect()
}

/// What the library's line about a failed handshake says is to be checked first.
const CA: &str = "mqtt.ssl_ca_cert and mqtt.server";
const CERT: &str = "mqtt.ssl_cert, ssl_key and ssl_ca_cert";
const PSK: &str = "mqtt.ssl_psk_identity, ssl_psk_key and ssl_cipher_suites";

/// The same for a TLS handshake; the library's line, which is all that a device's log has besides a
/// number, names what to check `first`.
fn tls_fails(fixture: &Fixture, what: &str, server: impl Display, settings: &[(&str, &str)], cause: &str, first: &str) -> Result<()> {
    let lines = fails_to_connect(fixture, what, server, settings, cause)?;
    let ends: Vec<_> = lines.iter().filter_map(|line| line.split_once("MQTT0 disconnected: ")).collect();
    // The app may end before the last one.
    let named = ends.len() >= TIMES - 1 && ends.iter().all(|end| end.1 == format!("TLS failed; check {first}"));
    fixture.check(named, &format!("{what}: the library's line says TLS, and what to check first"))
}

/// The app cannot start to connect, `TIMES` times; each time the log contains `cause`.
fn cannot_start(fixture: &Fixture, what: &str, settings: &[(&str, &str)], cause: &str) -> Result<()> {
    let mut app = fixture.app("login", "127.0.0.1:1", &[&[("mqtt.reconnect_timeout_max", "10")], settings].concat())?;
    for _ in 0..TIMES {
        app.process.wait_for_text(cause)?;
    }
    fixture.check(true, &format!("{what}: the log says why, each time ({cause:?})"))
}

pub fn trust(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let path = |name: &str| fixture.files.path(name).display().to_string();
    let fails = |what: &str, settings: &[(&str, &str)], cause, first| tls_fails(fixture, what, broker.endpoint, settings, cause, first);
    match fixture.transport {
        Transport::Cert => {
            let (cert, key) = (path("stranger.pem"), path("stranger.key"));
            let (none, unknown) = ([("mqtt.ssl_cert", ""), ("mqtt.ssl_key", "")], [("mqtt.ssl_cert", &*cert), ("mqtt.ssl_key", &*key)]);
            fails("no client certificate", &none, "it may require a client certificate (ssl_cert, ssl_key)", CA)?;
            fails("a certificate from an unknown issuer", &unknown, "it does not know the client certificate's issuer", CERT)?;
            let unfit = [("mqtt.ssl_key", &*key)];
            cannot_start(fixture, "a key that belongs to another certificate", &unfit, "does not belong to the certificate in")?;
            let keyless = "no key, neither in its own file nor with the certificate";
            cannot_start(fixture, keyless, &[("mqtt.ssl_key", "")], "ssl_key, not set, so in ssl_cert: no usable key")?;
        }
        Transport::Psk => {
            let wrong = [("mqtt.ssl_psk_key", "ffffffffffffffffffffffffffffffff")];
            fails("a wrong key", &wrong, "is ssl_psk_key right?", PSK)?;
            let unknown = [("mqtt.ssl_psk_identity", "nobody")];
            fails("an identity that the broker does not know", &unknown, "the server refused with the alert ", PSK)?;
        }
        _ => {
            let stranger = [("mqtt.ssl_ca_cert", &*path("stranger.pem"))];
            // The CA's own certificate, if the broker sends it along.
            fails("a CA other than the broker's", &stranger, "unknown CA: the certificate of \"CN=interop ", CA)?;
            let missing = [("mqtt.ssl_ca_cert", "nothing.pem")];
            cannot_start(fixture, "a missing CA file", &missing, "ssl_ca_cert: cannot read \"nothing.pem\": No such file")?;
            let typo = [("mqtt.ssl_cipher_suites", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA265")];
            cannot_start(fixture, "a cipher suite that does not exist", &typo, "is it TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256?")?;
            let other = fixture.broker("other", Setup { wrong_host: true, ..Setup::default() })?;
            tls_fails(fixture, "a certificate for another name", other.endpoint, &[], "elsewhere.example", CA)?;
            // The name is also checked where no lookup is needed, unless that is turned off.
            let by_name = format!("localhost:{}", other.endpoint.port());
            tls_fails(fixture, "a certificate for another name than localhost", &by_name, &[], "wrong name: connecting to localhost", CA)?;
            let name = [("mqtt.ssl_server_name", "elsewhere.example")];
            fixture.app("subscriptions", other.endpoint, &name)?.finish()?;
            fixture.check(true, "with the certificate's name in mqtt.ssl_server_name it works")?;
            as_on_a_device(fixture, &other)?;
        }
    }
    fixture.app("subscriptions", broker.endpoint, &[])?.finish()?;
    fixture.check(true, "with the right settings everything works")
}

/// A broker whose certificate is for elsewhere.example, where only what a device checks is checked.
fn as_on_a_device(fixture: &Fixture, broker: &Running) -> Result<()> {
    fixture.as_device.set(true);
    let by_name = format!("localhost:{}", broker.endpoint.port());
    let hosts_file = "a name in the hosts file, as on a device";
    tls_fails(fixture, hosts_file, &by_name, &[], "wrong name: connecting to localhost", CA)?;
    fixture.app("subscriptions", &by_name, &[("mqtt.ssl_server_name", "*")])?.finish()?;
    fixture.check(true, &format!("{hosts_file}: not checked with * in mqtt.ssl_server_name"))?;
    let name = [("mqtt.ssl_server_name", "broker.example")];
    tls_fails(fixture, "mqtt.ssl_server_name, as on a device", broker.endpoint, &name, "wrong name: connecting to broker.example", CA)?;
    fixture.app("subscriptions", broker.endpoint, &[])?.finish()?;
    fixture.check(true, "an address, as on a device: not checked without mqtt.ssl_server_name")?;
    fixture.as_device.set(false);
    Ok(())
}

pub fn handshake(fixture: &Fixture) -> Result<()> {
    let no_mqtt = "the server does not speak MQTT over WebSocket; check mqtt.ws_path";
    let servers = [
        ("a server that answers 404", Answer::NotFound, "30", "the server does not agree to WebSocket: 404 Not Found; check mqtt.ws_path"),
        ("a server that does not answer", Answer::Nothing, "0.5", "no connection within 500 ms (mqtt.connect_timeout), closing"),
        ("WebSocket without a subprotocol", Answer::Protocol(""), "30", no_mqtt),
        ("WebSocket with another subprotocol", Answer::Protocol("Sec-WebSocket-Protocol: chat\r\n"), "30", no_mqtt),
    ];
    for (what, answer, timeout, cause) in servers {
        let server = if fixture.transport == Transport::Wss {
            Server::over_tls(answer, fixture.files, fixture.end)?
        } else {
            Server::plain(answer)?
        };
        fails_to_connect(fixture, what, server.address, &[("mqtt.connect_timeout", timeout)], cause)?;
    }
    Ok(())
}
