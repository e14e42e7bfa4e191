//! A name server on loopback that knows one address, 127.0.0.1, and fails or keeps silent when it is told to.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, RCODE, ResourceRecord};

use super::watch::Watch;

/// What it does with questions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    Answers,
    /// No such name.
    Denies,
    /// Server failure.
    Fails,
    /// Nothing, until it is in another mood: then it answers late.
    Silent,
}

/// Ends when dropped.
pub struct Names {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    over: AtomicBool,
    mood: Mutex<Mood>,
    failed: AtomicU32,
}

impl Names {
    pub fn start(watch: Arc<Watch>) -> Result<Names> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared { over: false.into(), mood: Mutex::new(Mood::Answers), failed: 0.into() });
        let own = Arc::clone(&shared);
        thread::spawn(move || own.serve(&socket, &watch));
        Ok(Names { address, shared })
    }

    pub fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// How many questions had no good answer, or a late one.
    pub fn failed(&self) -> u32 {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn serve(&self, socket: &UdpSocket, watch: &Watch) {
        let mut waiting: Vec<(Vec<u8>, SocketAddr)> = Vec::new();
        let mut buffer = [0; 1500];
        while !self.over.load(Ordering::Relaxed) {
            let mood = *self.mood.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok((n, from)) = socket.recv_from(&mut buffer) {
                waiting.push((buffer[..n].to_vec(), from));
                if mood != Mood::Answers {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            if mood != Mood::Answers && !waiting.is_empty() {
                watch.hindered(if mood == Mood::Silent { "the name server was silent" } else { "the name server failed" });
            }
            if mood == Mood::Silent {
                continue;
            }
            for (question, from) in waiting.drain(..) {
                // Who asked may have gone.
                if let Some(answer) = answer(&question, mood) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        }
    }
}

fn answer(question: &[u8], mood: Mood) -> Option<Vec<u8>> {
    let query = Packet::parse(question).ok()?;
    let name = query.questions.first()?.qname.clone();
    let mut answer = query.into_reply();
    match mood {
        Mood::Denies => *answer.rcode_mut() = RCODE::NameError,
        Mood::Fails => *answer.rcode_mut() = RCODE::ServerFailure,
        Mood::Answers | Mood::Silent => {
            let address = A { address: Ipv4Addr::LOCALHOST.into() };
            answer.answers.push(ResourceRecord::new(name, CLASS::IN, 1, RData::A(address)));
        }
    }
    answer.build_bytes_vec().ok()
}
