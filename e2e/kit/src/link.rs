//! A faulty link between an app and its broker: forwards bytes and cuts connections in
//! mid-transfer; or forwards one byte at a time; or hangs up when the app sends certain bytes, as
//! the policies of some clouds do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

type PassOn = fn(TcpStream, TcpStream, &AtomicI64, &State);

/// Brokers take as long to hang up as to answer. The library does not blame the message just sent
/// if the connection ends much sooner.
const DELIBERATION: Duration = Duration::from_millis(100);

const DIRECTIONS: [PassOn; 2] = [to_broker, to_app];

/// Stops on drop and closes all connections.
pub struct Link {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    stopped: AtomicBool,
    /// Forward each byte separately.
    bytewise: bool,
    /// Bytes that the app must not send: the connection ends before they pass.
    forbidden: Option<&'static [u8]>,
    cuts: AtomicUsize,
}

impl Link {
    /// Forwards to `broker`. Each of the first connections is cut after the number of bytes in
    /// `budgets`, both directions together; later ones are not cut.
    pub fn start(broker: SocketAddr, budgets: Vec<u32>) -> Result<Link> {
        Link::with(broker, budgets, State::default())
    }

    /// Forwards to `broker` one byte at a time, without cuts.
    pub fn bytewise(broker: SocketAddr) -> Result<Link> {
        Link::with(broker, Vec::new(), State { bytewise: true, ..State::default() })
    }

    /// Forwards to `broker`, and hangs up on each connection on which the app sends `forbidden`.
    pub fn forbidding(broker: SocketAddr, forbidden: &'static [u8]) -> Result<Link> {
        Link::with(broker, Vec::new(), State { forbidden: Some(forbidden), ..State::default() })
    }

    fn with(broker: SocketAddr, budgets: Vec<u32>, state: State) -> Result<Link> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        let address = listener.local_addr()?;
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let mut budgets = budgets.into_iter().map(i64::from);
            for app in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(broker) = TcpStream::connect(broker) else { continue };
                // Otherwise small packets would be delayed.
                let _ = (app.set_nodelay(true), broker.set_nodelay(true));
                let budget = Arc::new(AtomicI64::new(budgets.next().unwrap_or(i64::MAX)));
                for pass_on in DIRECTIONS {
                    let (Ok(app), Ok(broker)) = (app.try_clone(), broker.try_clone()) else { continue };
                    let (budget, shared) = (Arc::clone(&budget), Arc::clone(&shared));
                    thread::spawn(move || pass_on(app, broker, &budget, &shared));
                }
            }
        });
        Ok(Link { address, state })
    }

    /// Connections cut so far.
    pub fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

/// Forwards from the app to the broker, until either side ends or the connection is cut.
fn to_broker(mut app: TcpStream, mut broker: TcpStream, budget: &AtomicI64, state: &State) {
    let mut buffer = [0; 4096];
    let mut said = Vec::new();
    while let Ok(n @ 1..) = app.read(&mut buffer) {
        let allowed = state.take(budget, n).min(state.permitted(&mut said, &buffer[..n]));
        if state.pass(&mut broker, &buffer[..allowed]).is_err() || allowed < n {
            break;
        }
    }
    let _ = (app.shutdown(Shutdown::Both), broker.shutdown(Shutdown::Write));
}

/// Forwards from the broker to the app. After a cut, what the broker still sends is lost on the
/// way, as in a network: its writes succeed, and it notices the end by reading.
fn to_app(mut app: TcpStream, mut broker: TcpStream, budget: &AtomicI64, state: &State) {
    let mut buffer = [0; 4096];
    let mut cut = false;
    while let Ok(n @ 1..) = broker.read(&mut buffer) {
        if cut {
            continue;
        }
        let allowed = state.take(budget, n);
        cut = state.pass(&mut app, &buffer[..allowed]).is_err() || allowed < n;
        if cut {
            // The other direction notices and tells the broker.
            let _ = app.shutdown(Shutdown::Both);
        }
    }
    let _ = app.shutdown(Shutdown::Both);
}

impl State {
    fn pass(&self, to: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(if self.bytewise { 1 } else { bytes.len().max(1) }) {
            to.write_all(piece)?;
            if self.bytewise {
                // Gives the receiver time to read before the next byte arrives. If it is late, it
                // gets two, which does no harm.
                thread::sleep(Duration::from_micros(100));
            }
        }
        Ok(())
    }

    /// How many of these bytes may pass before the forbidden ones are complete. `said` is the tail
    /// of earlier bytes.
    fn permitted(&self, said: &mut Vec<u8>, bytes: &[u8]) -> usize {
        let Some(forbidden) = self.forbidden else { return bytes.len() };
        let before = said.len();
        said.extend_from_slice(bytes);
        let found = said.windows(forbidden.len()).position(|window| window == forbidden);
        if let Some(at) = found {
            self.cuts.fetch_add(1, Ordering::Relaxed);
            thread::sleep(DELIBERATION);
            return at.saturating_sub(before);
        }
        said.drain(..said.len().saturating_sub(forbidden.len() - 1));
        bytes.len()
    }

    /// How many of `n` bytes may still pass, so that cuts fall within packets.
    fn take(&self, budget: &AtomicI64, n: usize) -> usize {
        let len = n as i64;
        let left = budget.fetch_sub(len, Ordering::Relaxed);
        // Whoever uses up the budget counts the cut.
        if (0..len).contains(&left) {
            self.cuts.fetch_add(1, Ordering::Relaxed);
        }
        left.clamp(0, len) as usize
    }
}

/// Pseudo-random numbers, the same in each run.
pub fn budgets(count: usize, from: u32, to: u32) -> Vec<u32> {
    let mut x = 0x2545_f491_u32;
    let next = |_| {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        from + x % (to - from)
    };
    (0..count).map(next).collect()
}
