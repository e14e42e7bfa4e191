//! A DNS server on loopback that resolves every name to 127.0.0.1, and fails or stays silent on
//! request.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, RCODE, ResourceRecord};
use test_kit::proxy::Watch as _;

use super::outages::Outages;

/// How it handles queries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Answers,
    /// NXDOMAIN.
    Denies,
    /// SERVFAIL.
    Fails,
    /// No answer until the mode changes; then it answers late.
    Silent,
}

/// Stops on drop.
pub struct NameServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    stopped: AtomicBool,
    mode: Mutex<Mode>,
    failed: AtomicU32,
}

impl NameServer {
    pub fn start(outages: Arc<Outages>) -> Result<NameServer> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared { stopped: false.into(), mode: Mutex::new(Mode::Answers), failed: 0.into() });
        let own = Arc::clone(&shared);
        thread::spawn(move || own.serve(&socket, &outages));
        Ok(NameServer { address, shared })
    }

    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock() = mode;
    }

    /// Number of queries with a failed or late answer.
    pub fn failed(&self) -> u32 {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn serve(&self, socket: &UdpSocket, outages: &Outages) {
        let mut waiting: Vec<(Vec<u8>, SocketAddr)> = Vec::new();
        let mut buffer = [0; 1500];
        while !self.stopped.load(Ordering::Relaxed) {
            let mode = *self.mode.lock();
            if let Ok((n, from)) = socket.recv_from(&mut buffer) {
                waiting.push((buffer[..n].to_vec(), from));
                if mode != Mode::Answers {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            if mode != Mode::Answers && !waiting.is_empty() {
                outages.blocked(if mode == Mode::Silent { "the name server was silent" } else { "the name server failed" });
            }
            if mode == Mode::Silent {
                continue;
            }
            for (question, from) in waiting.drain(..) {
                // The client may be gone.
                if let Some(answer) = answer(&question, mode) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        }
    }
}

fn answer(question: &[u8], mode: Mode) -> Option<Vec<u8>> {
    let query = Packet::parse(question).ok()?;
    let name = query.questions.first()?.qname.clone();
    let mut answer = query.into_reply();
    match mode {
        Mode::Denies => *answer.rcode_mut() = RCODE::NameError,
        Mode::Fails => *answer.rcode_mut() = RCODE::ServerFailure,
        Mode::Answers | Mode::Silent => {
            let address = A { address: Ipv4Addr::LOCALHOST.into() };
            answer.answers.push(ResourceRecord::new(name, CLASS::IN, 1, RData::A(address)));
        }
    }
    answer.build_bytes_vec().ok()
}
