//! A proxy between apps and a broker, as a faulty link: forwards bytes and injects faults into
//! connections. Not here: which faults, and when, in the soak test (e2e/soak).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

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

impl Fault {
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

/// The fault of the next connection to an endpoint, and the bytes that pass before, both directions
/// together.
pub type Plan = Box<dyn FnMut(usize) -> (Fault, i64) + Send>;

/// Is told what keeps apps from their broker.
pub trait Watch: Send + Sync + 'static {
    /// Something obstructs the app now.
    fn blocked(&self, _by: &'static str) {}

    /// The app gave up a link that had been dead for this long.
    fn given_up(&self, _after: Duration, _by: &'static str) {}
}

impl Watch for () {}

/// Brokers take as long to hang up as to answer. The library does not blame the message just sent
/// if the connection ends much sooner.
const DELIBERATION: Duration = Duration::from_millis(100);

/// Stops on drop and closes all connections.
pub struct Proxy {
    /// In the broker's order.
    pub endpoints: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

struct Shared {
    plan: Mutex<Plan>,
    watch: Arc<dyn Watch>,
    /// Bytes that an app must not send: the connection ends before they pass. Empty if there are none.
    forbidden: &'static [u8],
    stopped: AtomicBool,
    injecting: AtomicBool,
    /// Read by threads as long as they forward.
    frozen: RwLock<bool>,
    happened: [AtomicUsize; 10],
    /// Incremented to end all connections.
    age: AtomicU32,
}

/// One connection, shared by both directions.
struct Pair {
    fault: Fault,
    /// Bytes until the fault occurs.
    left: AtomicI64,
    /// Half-open since.
    dead: OnceLock<Instant>,
    /// The stall is over.
    resumed: AtomicBool,
    ended: AtomicBool,
    age: u32,
}

impl Proxy {
    /// Cuts each of the first connections after the number of bytes in `budgets`; later ones are
    /// not cut.
    pub fn cutting(broker: SocketAddr, budgets: Vec<u32>) -> Result<Proxy> {
        let mut budgets = budgets.into_iter();
        let plan = move |_| budgets.next().map_or((Fault::None, 0), |bytes| (Fault::Cut, bytes.into()));
        Proxy::start(&[broker], Box::new(plan), Arc::new(()))
    }

    /// Forwards one byte at a time, without cuts.
    pub fn bytewise(broker: SocketAddr) -> Result<Proxy> {
        Proxy::start(&[broker], Box::new(|_| (Fault::Bytewise, i64::MAX)), Arc::new(()))
    }

    /// Hangs up on each connection on which the app sends `forbidden`, as the policies of some
    /// clouds do.
    pub fn forbidding(broker: SocketAddr, forbidden: &'static [u8]) -> Result<Proxy> {
        Proxy::with(&[broker], Box::new(|_| (Fault::None, 0)), Arc::new(()), forbidden)
    }

    /// Opens one endpoint for each of the broker's.
    pub fn start(broker: &[SocketAddr], plan: Plan, watch: Arc<dyn Watch>) -> Result<Proxy> {
        Proxy::with(broker, plan, watch, b"")
    }

    fn with(broker: &[SocketAddr], plan: Plan, watch: Arc<dyn Watch>, forbidden: &'static [u8]) -> Result<Proxy> {
        let shared = Arc::new(Shared {
            plan: Mutex::new(plan),
            watch,
            forbidden,
            stopped: false.into(),
            injecting: true.into(),
            frozen: false.into(),
            happened: Default::default(),
            age: 0.into(),
        });
        let mut endpoints = Vec::new();
        for (endpoint, &to) in broker.iter().enumerate() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
            endpoints.push(listener.local_addr()?);
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for app in listener.incoming().map_while(Result::ok) {
                    if shared.stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    shared.take(app, to, endpoint);
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
        // Waits for transfers in progress.
        *self.shared.frozen.write() = frozen;
    }

    /// Cuts all current connections.
    pub fn cut_all(&self) {
        self.shared.age.fetch_add(1, Ordering::Relaxed);
    }

    pub fn happened(&self, fault: Fault) -> usize {
        self.shared.happened[fault as usize].load(Ordering::Relaxed)
    }

    /// Connections that ended with a fault.
    pub fn cuts(&self) -> usize {
        self.shared.happened.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting threads.
        self.endpoints.iter().for_each(|endpoint| drop(TcpStream::connect(endpoint)));
    }
}

impl Shared {
    fn take(self: &Arc<Self>, app: TcpStream, to: SocketAddr, endpoint: usize) {
        let (fault, after) = match self.injecting.load(Ordering::Relaxed) {
            true => self.plan.lock()(endpoint),
            false => (Fault::None, 0),
        };
        if fault == Fault::Refused {
            self.count(fault);
            return reset(&app);
        }
        let Ok(broker) = TcpStream::connect(to) else {
            self.watch.blocked("the broker was down");
            return reset(&app);
        };
        let pair = Arc::new(Pair {
            fault,
            left: AtomicI64::new(if fault == Fault::None { i64::MAX } else { after }),
            dead: OnceLock::new(),
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
        self.watch.blocked(fault.name());
    }

    /// Permission to forward as long as it is held, unless traffic is blocked.
    fn turn(&self) -> Option<RwLockReadGuard<'_, bool>> {
        let frozen = self.frozen.read();
        if !*frozen {
            return Some(frozen);
        }
        drop(frozen);
        self.watch.blocked("frozen");
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
        let mut said = Vec::new();
        while !self.is_over(pair) {
            let Some(_turn) = self.turn() else { continue };
            match app.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    let permitted = self.permitted(&mut said, &buffer[..n]);
                    if self.pass(&buffer[..permitted], &broker, pair).is_err() || permitted < n {
                        break;
                    }
                }
                Err(e) if is_timeout(&e) => {}
                Err(_) => break,
            }
        }
        if let Some(since) = pair.dead.get() {
            // The broker is not told: it notices by itself, or when the app reconnects.
            self.watch.given_up(since.elapsed(), Fault::HalfOpen.name());
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
            let turn = if app.is_some() { self.turn() } else { None };
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
        if pair.dead.get().is_none() {
            pair.ended.store(true, Ordering::Relaxed);
            if !self.stopped.load(Ordering::Relaxed) {
                self.watch.blocked("the broker closed");
            }
            if let Some(app) = app {
                let _ = app.shutdown(Shutdown::Both);
            }
        }
    }

    /// How many of these bytes may pass before the forbidden ones are complete. `said` is the tail
    /// of earlier bytes.
    fn permitted(&self, said: &mut Vec<u8>, bytes: &[u8]) -> usize {
        if self.forbidden.is_empty() {
            return bytes.len();
        }
        let before = said.len();
        said.extend_from_slice(bytes);
        if let Some(at) = said.windows(self.forbidden.len()).position(|window| window == self.forbidden) {
            self.count(Fault::Cut);
            thread::sleep(DELIBERATION);
            return at.saturating_sub(before);
        }
        said.drain(..said.len().saturating_sub(self.forbidden.len() - 1));
        bytes.len()
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
        match pair.fault {
            Fault::HalfOpen => {
                if first {
                    self.count(pair.fault);
                    let _ = pair.dead.set(Instant::now());
                }
                Ok(())
            }
            Fault::Stall if !pair.resumed.load(Ordering::Relaxed) => {
                if first {
                    // Sometimes long enough to be noticed. Afterwards the delayed data and a little
                    // more passes; then it is cut.
                    let until = Instant::now() + Duration::from_millis(300 + bytes.len() as u64 % 1000);
                    while Instant::now() < until {
                        self.watch.blocked("stalled");
                        thread::sleep(Duration::from_millis(5));
                    }
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
                Err(ErrorKind::ConnectionAborted.into())
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

/// Numbers of bytes after which connections are cut, the same in each run.
pub fn budgets(count: usize, from: u32, to: u32) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..count).map(|_| random.u32(from..to)).collect()
}
