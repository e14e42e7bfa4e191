//! The proxy between app and broker: forwards bytes and injects faults into connections, chosen
//! from a seed. Not here: when faults are enabled (faults.rs).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::outages::Outages;

/// Faults of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No fault.
    None,
    /// Closed in mid-transfer.
    Cut,
    /// Closed with RST.
    Reset,
    /// The same two during the TLS, WebSocket or MQTT handshake.
    CutInHandshake,
    ResetInHandshake,
    /// RST immediately after accepting.
    Refused,
    /// No data passes either way any more, without notice.
    HalfOpen,
    /// No data passes for a while; cut later.
    Stall,
    /// Data is delayed; cut later.
    Delay,
    /// One byte at a time; cut later.
    Bytewise,
}

/// Probability of each, in percent.
const DRAW: [(Fault, u32); 9] = [
    (Fault::Cut, 40),
    (Fault::Reset, 19),
    (Fault::CutInHandshake, 11),
    (Fault::ResetInHandshake, 9),
    (Fault::Refused, 5),
    (Fault::HalfOpen, 2),
    (Fault::Stall, 4),
    (Fault::Delay, 5),
    (Fault::Bytewise, 5),
];

/// Minimum of bytes on a connection that should survive the handshake.
const SHORTEST: f64 = 60.0;

impl Fault {
    pub const ALL: [Fault; 10] = [
        Fault::None,
        Fault::Cut,
        Fault::Reset,
        Fault::CutInHandshake,
        Fault::ResetInHandshake,
        Fault::Refused,
        Fault::HalfOpen,
        Fault::Stall,
        Fault::Delay,
        Fault::Bytewise,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::Cut => "cut",
            Fault::Reset => "reset",
            Fault::CutInHandshake => "cut in the handshake",
            Fault::ResetInHandshake => "reset in the handshake",
            Fault::Refused => "refused",
            Fault::HalfOpen => "half-open",
            Fault::Stall => "stalled, then cut",
            Fault::Delay => "delayed, then cut",
            Fault::Bytewise => "in single bytes, then cut",
        }
    }

    fn resets(self) -> bool {
        matches!(self, Fault::Reset | Fault::ResetInHandshake | Fault::Refused)
    }
}

/// Stops on drop and closes all connections.
pub struct Proxy {
    /// In the broker's order.
    pub endpoints: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

struct Shared {
    stopped: AtomicBool,
    injecting: AtomicBool,
    frozen: AtomicBool,
    /// Threads that are forwarding or about to.
    passing: AtomicU32,
    random: Mutex<fastrand::Rng>,
    longest: f64,
    happened: [AtomicU32; 10],
    outages: Arc<Outages>,
    /// Incremented to end all connections.
    age: AtomicU32,
}

/// One connection, shared by both directions.
struct Pair {
    fault: Fault,
    /// Bytes until the fault occurs.
    left: AtomicI64,
    /// Half-open since.
    dead: Mutex<Option<Instant>>,
    /// Stalled until.
    stalled: Mutex<Option<Instant>>,
    /// The stall is over.
    resumed: AtomicBool,
    ended: AtomicBool,
    age: u32,
}

impl Proxy {
    /// Opens one endpoint for each of the broker's. `handshake_bytes` is the approximate number of
    /// bytes before MQTT for each. `longest` is the maximum of bytes on a faulty connection.
    pub fn start(broker: &[(SocketAddr, u32)], longest: u32, seed: u64, outages: Arc<Outages>) -> Result<Proxy> {
        let shared = Arc::new(Shared {
            stopped: false.into(),
            injecting: false.into(),
            frozen: false.into(),
            passing: 0.into(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            longest: longest.into(),
            happened: Default::default(),
            outages,
            age: 0.into(),
        });
        let mut endpoints = Vec::new();
        for &(to, handshake_bytes) in broker {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
            endpoints.push(listener.local_addr()?);
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for app in listener.incoming().map_while(Result::ok) {
                    if shared.stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    shared.take(app, to, handshake_bytes);
                }
            });
        }
        Ok(Proxy { endpoints, shared })
    }

    /// Enables or disables faults on new connections.
    pub fn inject(&self, on: bool) {
        self.shared.injecting.store(on, Ordering::Relaxed);
    }

    /// Blocks or unblocks traffic on all connections.
    pub fn freeze(&self, frozen: bool) {
        self.shared.frozen.store(frozen, Ordering::SeqCst);
        // Transfers in progress must complete before this returns.
        while frozen && self.shared.passing.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Cuts all current connections.
    pub fn cut_all(&self) {
        self.shared.age.fetch_add(1, Ordering::Relaxed);
    }

    pub fn happened(&self, fault: Fault) -> u32 {
        self.shared.happened[fault as usize].load(Ordering::Relaxed)
    }

    /// Connections that ended with a fault.
    pub fn cuts(&self) -> u32 {
        Fault::ALL.iter().filter(|&&fault| fault != Fault::None).map(|&fault| self.happened(fault)).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting threads.
        self.endpoints.iter().for_each(|endpoint| drop(TcpStream::connect(endpoint)));
    }
}

/// Held while data is forwarded.
struct Turn<'a>(&'a AtomicU32);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn draw(&self, handshake_bytes: u32) -> (Fault, u32) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.injecting.load(Ordering::Relaxed) {
            return (Fault::None, 0);
        }
        let mut n = random.u32(..100);
        let fault = DRAW.iter().find(|(_, weight)| {
            let hit = n < *weight;
            n = n.wrapping_sub(*weight);
            hit
        });
        let fault = fault.map_or(Fault::Cut, |(fault, _)| *fault);
        let early = matches!(fault, Fault::CutInHandshake | Fault::ResetInHandshake);
        // Log-uniform: between 100 and 200 bytes as often as between 10,000 and 20,000, since
        // retransmissions alone need some.
        let late = |random: &mut fastrand::Rng| SHORTEST * (self.longest / SHORTEST).powf(random.f64());
        let after = if early { random.u32(..handshake_bytes + 60) } else { handshake_bytes + late(&mut random) as u32 };
        (fault, after)
    }

    fn take(self: &Arc<Self>, app: TcpStream, to: SocketAddr, handshake_bytes: u32) {
        let (fault, after) = self.draw(handshake_bytes);
        if fault == Fault::Refused {
            self.count(fault);
            return reset(&app);
        }
        let Ok(broker) = TcpStream::connect(to) else {
            self.outages.blocked("the broker was down");
            return reset(&app);
        };
        let pair = Arc::new(Pair {
            fault,
            left: AtomicI64::new(if fault == Fault::None { i64::MAX } else { after.into() }),
            dead: Mutex::default(),
            stalled: Mutex::default(),
            resumed: false.into(),
            ended: false.into(),
            age: self.age.load(Ordering::Relaxed),
        });
        for stream in [&app, &broker] {
            // Otherwise small packets would be delayed; the timeout lets the loops below check for
            // the end.
            let _ = (stream.set_nodelay(true), stream.set_read_timeout(Some(Duration::from_millis(20))));
        }
        for to_broker in [true, false] {
            let (Ok(app), Ok(broker)) = (app.try_clone(), broker.try_clone()) else { continue };
            let (pair, shared) = (Arc::clone(&pair), Arc::clone(self));
            thread::spawn(move || if to_broker { shared.outward(app, broker, &pair) } else { shared.inward(app, broker, &pair) });
        }
    }

    fn count(&self, fault: Fault) {
        self.happened[fault as usize].fetch_add(1, Ordering::Relaxed);
        self.outages.blocked(fault.name());
    }

    fn stalled(&self, pair: &Pair) -> bool {
        let until = *pair.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled = until.is_some_and(|until| Instant::now() < until);
        if stalled {
            self.outages.blocked("stalled");
            thread::sleep(Duration::from_millis(5));
        }
        stalled
    }

    /// Permission to forward, unless traffic is blocked.
    fn turn(&self, pair: &Pair) -> Option<Turn<'_>> {
        if self.stalled(pair) {
            return None;
        }
        self.passing.fetch_add(1, Ordering::SeqCst);
        let turn = Turn(&self.passing);
        if !self.frozen.load(Ordering::SeqCst) {
            return Some(turn);
        }
        drop(turn);
        self.outages.blocked("frozen");
        thread::sleep(Duration::from_millis(5));
        None
    }

    fn is_over(&self, pair: &Pair) -> bool {
        pair.ended.load(Ordering::Relaxed) || pair.age != self.age.load(Ordering::Relaxed) || self.stopped.load(Ordering::Relaxed)
    }

    /// Forwards from the app to the broker. The broker notices the end by reading, as with a
    /// network: its writes succeed.
    fn outward(&self, mut app: TcpStream, broker: TcpStream, pair: &Pair) {
        let mut buffer = [0; 4096];
        while !self.is_over(pair) {
            let Some(_turn) = self.turn(pair) else { continue };
            match app.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    if self.pass(&buffer[..n], &broker, pair).is_err() {
                        break;
                    }
                }
                Err(e) if is_timeout(&e) => {}
                Err(_) => break,
            }
        }
        let dead = *pair.dead.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = dead {
            // The broker is not told: it notices by itself, or when the app reconnects.
            self.outages.given_up(since.elapsed(), Fault::HalfOpen.name());
            return;
        }
        pair.ended.store(true, Ordering::Relaxed);
        let _ = broker.shutdown(Shutdown::Write);
        if pair.fault.resets() && pair.left.load(Ordering::Relaxed) <= 0 {
            // Sent once the other direction has closed it, too.
            return reset(&app);
        }
        let _ = app.shutdown(Shutdown::Both);
    }

    /// Forwards from the broker to the app. What arrives after a cut is lost on the way.
    fn inward(&self, app: TcpStream, mut broker: TcpStream, pair: &Pair) {
        let mut buffer = [0; 4096];
        let mut app = Some(app);
        loop {
            if self.is_over(pair) {
                app = None;
            }
            let turn = if app.is_some() { self.turn(pair) } else { None };
            if app.is_some() && turn.is_none() {
                continue;
            }
            match broker.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => app = app.take().filter(|to| self.pass(&buffer[..n], to, pair).is_ok()),
                Err(e) if is_timeout(&e) => {}
                Err(_) => break,
            }
        }
        if pair.dead.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            pair.ended.store(true, Ordering::Relaxed);
            if !self.stopped.load(Ordering::Relaxed) {
                self.outages.blocked("the broker closed");
            }
            if let Some(app) = app {
                let _ = app.shutdown(Shutdown::Both);
            }
        }
    }

    /// Forwards what may still pass; then injects the fault. An error ends the connection.
    fn pass(&self, bytes: &[u8], mut to: &TcpStream, pair: &Pair) -> io::Result<()> {
        let len = bytes.len() as i64;
        let left = pair.left.fetch_sub(len, Ordering::Relaxed);
        let allowed = left.clamp(0, len) as usize;
        let step = if pair.fault == Fault::Bytewise { 1 } else { 4096 };
        for piece in bytes[..allowed].chunks(step) {
            match pair.fault {
                Fault::Delay => thread::sleep(Duration::from_millis(7)),
                // Gives the receiver time to read before the next byte arrives. If it is late, it
                // gets two, which does no harm.
                Fault::Bytewise => thread::sleep(Duration::from_micros(80)),
                _ => {}
            }
            to.write_all(piece)?;
        }
        if allowed == bytes.len() {
            return Ok(());
        }
        // Whoever uses up the budget counts the fault.
        let first = (0..len).contains(&left);
        let ends = Err(ErrorKind::ConnectionAborted.into());
        match pair.fault {
            Fault::HalfOpen => {
                if first {
                    self.count(pair.fault);
                    *pair.dead.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
                Ok(())
            }
            Fault::Stall if !pair.resumed.load(Ordering::Relaxed) => {
                if first {
                    // Sometimes long enough to be noticed. Afterwards the delayed data and a little
                    // more passes; then it is cut.
                    let time = Duration::from_millis(300 + bytes.len() as u64 % 1000);
                    *pair.stalled.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
                    while self.stalled(pair) {}
                    pair.left.store(1500, Ordering::Relaxed);
                    pair.resumed.store(true, Ordering::Relaxed);
                }
                while !pair.resumed.load(Ordering::Relaxed) && !self.is_over(pair) {
                    thread::sleep(Duration::from_millis(5));
                }
                to.write_all(&bytes[allowed..])
            }
            _ => {
                if first {
                    self.count(pair.fault);
                }
                pair.ended.store(true, Ordering::Relaxed);
                ends
            }
        }
    }
}

fn is_timeout(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Closes with RST.
fn reset(stream: &TcpStream) {
    // If that is not possible, it closes normally.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
