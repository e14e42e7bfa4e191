//! Connections that do not come to MQTT: TLS that one side does not trust, WebSocket that the server does not give.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use anyhow::{Context, Result};

use crate::interop::broker::Setup;
use crate::interop::over::Over;
use crate::interop::stage::Stage;

/// So many attempts are looked at.
const TIMES: usize = 3;

/// The app tries, `TIMES` times, in vain; each time it is told, and the log has this in it.
fn in_vain(stage: &Stage, what: &str, server: SocketAddr, settings: &[(&str, &str)], cause: &str) -> Result<()> {
    let (server, times) = (server.to_string(), TIMES.to_string());
    let mut all = vec![("mqtt.server", server.as_str()), ("login.refusals", times.as_str()), ("mqtt.reconnect_timeout_max", "10")];
    all.extend(settings);
    let lines = stage.app_alone("login", &all)?.finish()?;
    let causes = lines.iter().filter(|line| line.contains(cause)).count();
    stage.check(causes == TIMES, &format!("{what}: the log says why, each time ({cause:?}, {causes} times)"))?;
    let wait = |line: &String| line.split_once("MQTT0 connecting after ")?.1.strip_suffix(" ms")?.parse::<u32>().ok();
    let waits: Vec<_> = lines.iter().filter_map(wait).collect();
    let longer = waits.len() >= TIMES - 1 && waits.windows(2).all(|pair| pair[1] > pair[0]);
    stage.check(longer, &format!("{what}: each wait is longer than the one before"))
}

pub fn trust(stage: &Stage) -> Result<()> {
    let broker = stage.broker("broker", Setup::default())?;
    let path = |name: &str| stage.files.path(name).display().to_string();
    match stage.over {
        Over::Cert => {
            let none = [("mqtt.ssl_cert", ""), ("mqtt.ssl_key", "")];
            in_vain(stage, "no certificate of ours", broker.door, &none, "it may want a certificate of ours (ssl_cert, ssl_key)")?;
            let unknown = [("mqtt.ssl_cert", &*path("stranger.pem")), ("mqtt.ssl_key", &*path("stranger.key"))];
            in_vain(stage, "a certificate by nobody", broker.door, &unknown, "it does not know who issued our certificate")?;
        }
        Over::Psk => {
            let wrong = [("mqtt.ssl_psk_key", "ffffffffffffffffffffffffffffffff")];
            in_vain(stage, "a wrong key", broker.door, &wrong, "is ssl_psk_key right?")?;
            let unknown = [("mqtt.ssl_psk_identity", "nobody")];
            in_vain(stage, "an identity that the broker does not know", broker.door, &unknown, "the server refused with the alert ")?;
        }
        _ => {
            let stranger = [("mqtt.ssl_ca_cert", &*path("stranger.pem"))];
            in_vain(
                stage,
                "a CA that is not the broker's",
                broker.door,
                &stranger,
                "unknown CA: the certificate of \"CN=interop server\"",
            )?;
            let other = stage.broker("other", Setup { elsewhere: true, ..Setup::default() })?;
            in_vain(stage, "a certificate for another name", other.door, &[], "elsewhere.example")?;
        }
    }
    stage.app("subscriptions", &broker, &[])?.finish()?;
    stage.check(true, "with the right settings all goes well")
}

pub fn handshake(stage: &Stage) -> Result<()> {
    let missing = server(Some("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot here\n"))?;
    in_vain(stage, "a server that says 404", missing, &[], "the server does not agree to WebSocket: 404 Not Found; check mqtt.ws_path")?;
    let silent = server(None)?;
    let soon = [("mqtt.connect_timeout", "0.3")];
    in_vain(stage, "a server that says nothing", silent, &soon, "no connection within 300 ms (mqtt.connect_timeout), closing")
}

/// A small server: reads a request, gives this answer, or none, and waits for the other side to hang up.
fn server(answer: Option<&'static str>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for mut app in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            let mut buffer = [0; 512];
            while let Ok(n @ 1..) = app.read(&mut buffer) {
                request.extend_from_slice(&buffer[..n]);
                if let (true, Some(answer)) = (request.ends_with(b"\r\n\r\n"), answer) {
                    // Who does not read it, does not need it.
                    let _ = app.write_all(answer.as_bytes());
                }
            }
        }
    });
    Ok(address)
}
