//! Web servers that do not offer MQTT over WebSocket as requested. For TLS, `openssl s_server` runs
//! in front.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use project::child::Child;

use crate::broker::free_addresses;
use crate::transport::Certificates;

/// How a server answers a request.
#[derive(Clone, Copy)]
pub enum Answer {
    Nothing,
    NotFound,
    /// A valid handshake, but with this instead of the subprotocol header.
    Protocol(&'static str),
}

/// Runs until dropped, or until this process exits.
pub struct Server {
    pub address: SocketAddr,
    _tls: Option<Child>,
}

impl Server {
    pub fn plain(answer: Answer) -> Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for app in listener.incoming().map_while(Result::ok) {
                if let Ok(from) = app.try_clone() {
                    serve(from, app, answer);
                }
            }
        });
        Ok(Server { address, _tls: None })
    }

    pub fn over_tls(answer: Answer, files: &Certificates, end: Instant) -> Result<Server> {
        let [address] = free_addresses()?;
        let mut command = Command::new("openssl");
        // One connection after another: received data on stdout, data to send on stdin.
        command.args(["s_server", "-quiet", "-accept", &address.to_string()]);
        command.arg("-cert").arg(files.path("server.pem")).arg("-key").arg(files.path("server.key"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Child::spawn(&mut command).context("cannot start openssl s_server")?;
        let (Some(from), Some(to)) = (child.stdout.take(), child.stdin.take()) else { bail!("cannot open pipes to openssl s_server") };
        thread::spawn(move || serve(from, to, answer));
        let server = Server { address, _tls: Some(child) };
        // A connection that closes immediately does no harm.
        let listening = project::try_until(end, || Ok(TcpStream::connect(address).ok()))?;
        listening.map(|_| server).with_context(|| format!("openssl s_server does not listen on {address}"))
    }
}

/// Answers each request until the input ends.
fn serve(mut from: impl Read, mut to: impl Write, answer: Answer) {
    let mut request = Vec::new();
    let mut buffer = [0; 512];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        request.extend_from_slice(&buffer[..n]);
        if request.ends_with(b"\r\n\r\n") {
            // A client that does not read the answer does not need it.
            let _ = to.write_all(reply(&String::from_utf8_lossy(&request), answer).as_bytes()).and_then(|()| to.flush());
            request.clear();
        }
    }
}

fn reply(request: &str, answer: Answer) -> String {
    match answer {
        Answer::Nothing => String::new(),
        Answer::NotFound => "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found\n".into(),
        Answer::Protocol(header) => {
            let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
            let accept = accept(key.trim()).unwrap_or_default();
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{header}\r\n"
            )
        }
    }
}

/// Sec-WebSocket-Accept for a key: RFC 6455, 4.2.2.
fn accept(key: &str) -> Result<String> {
    let script = format!("printf %s '{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11' | openssl sha1 -binary | openssl base64");
    Ok(project::output(Command::new("sh").args(["-c", &script]))?.trim().to_owned())
}
