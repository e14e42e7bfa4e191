//! `cargo xtask soak`: an app on the host and a real broker, with injected faults in between, for
//! as long as requested; every message is counted at both ends. docs/testing.md lists the
//! requirements.
//!
//! Here: setup and summary. Phases are in faults.rs, connection faults in draw.rs.

mod app;
mod broker;
mod delivery_log;
mod draw;
mod faults;
mod isolation;
mod kills;
mod name_server;
mod outages;
mod packet;
mod peer;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use app::App;
use broker::SoakBroker;
use delivery_log::{DIRECTIONS, DeliveryLog};
use faults::{Declared, Fixture, Phase, Session, Tallies};
use name_server::NameServer;
use outages::{Outages, Stretch};
use peer::Peer;
use project::{files, setup};
use test_kit::broker::{Broker as _, Running, Setup, free_addresses};
use test_kit::mosquitto::Mosquitto;
use test_kit::observer;
use test_kit::proxy::Proxy;
use test_kit::transport::{Certificates, Transport};

/// The app's transports; the peer uses the first.
const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Tls, Transport::Ws];

#[derive(clap::Args)]
pub struct Args {
    /// Minimum duration; the current phase is completed
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Seed for the faults that the proxy injects
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let 1 % of all allocations fail, in builds with sanitizers; reports leaks at the end but
    /// does not measure the heap
    #[arg(long, conflicts_with = "isolation")]
    alloc_faults: bool,
    /// Instead: 64 connections in one app, one of them cut repeatedly
    #[arg(long)]
    isolation: bool,
    /// Instead: an app that keeps its queue in a file and is killed at random, behind a link that
    /// breaks
    #[arg(long, conflicts_with_all = ["isolation", "alloc_faults"])]
    kills: bool,
}

pub fn run(args: Args) -> Result<()> {
    setup::ensure(&[setup::COMPILERS, setup::TEST_TOOLS, Mosquitto.about().packages, observer::PACKAGES].concat())?;
    let name = match (args.isolation, args.kills) {
        (true, _) => "isolation",
        (_, true) => "kills",
        _ => "faults",
    };
    let dir = project::target_dir().join("soak").join(name);
    files::empty_dir(&dir)?;
    let files = Certificates::make(dir.join("certificates"))?;
    match name {
        "isolation" => isolation::run(args.seed, &dir, &files),
        "kills" => kills::run(args.seed, Duration::from_secs(args.minutes * 60), &dir, &files),
        _ => inject_faults(&args, &dir, &files),
    }
}

/// Results of the whole run.
#[derive(Default)]
struct Sums {
    phases: Vec<(Phase, Session, Tallies, Declared)>,
    /// Peak heap bytes, and open files at rest: after the first rotation, and at the end.
    heap: [u32; 2],
    files: [usize; 2],
    /// Heap bytes at rest, by transport: maximum of the first minute and a half, and last.
    rest: [[u32; 2]; 3],
}

/// For caches of the host and the C library's allocator; a leak of one byte per message would
/// exceed it.
const HEAP_SLACK: u32 = 64 << 10;

fn inject_faults(args: &Args, dir: &Path, files: &Certificates) -> Result<()> {
    eprintln!("building the library, the host and e2e/soak/apps/app");
    let source = project::root().join("e2e/soak/apps/app");
    let built = if args.alloc_faults { host_app::sanitized::build(&source)? } else { host_app::build(&source, false)? };
    let begun = Instant::now();
    let length = Duration::from_secs(args.minutes * 60);
    let (delivery_log, outages) = (Arc::new(DeliveryLog::default()), Arc::new(Outages::default()));
    let others = free_addresses::<2>()?.into_iter().zip([TRANSPORTS[1], TRANSPORTS[2]]).collect();
    let kind = SoakBroker(others);
    let end = begun + length + Duration::from_secs(600);
    let broker = Running::start(&kind, &Setup::default(), files, dir, end)?;
    let endpoints: Vec<_> = [broker.address].into_iter().chain(kind.0.iter().map(|other| other.0)).collect();
    let peer = Peer::start(broker.address, Arc::clone(&delivery_log));
    let plan = draw::plan(args.seed, 30_000, TRANSPORTS.map(Transport::handshake_bytes).to_vec());
    let proxy = Proxy::start(&endpoints, plan, outages.clone())?;
    proxy.inject(false);
    let name_server = NameServer::start(Arc::clone(&outages))?;
    let mut command = built.command(&[
        ("device.id", &"soak-app"),
        ("debug.level", &2),
        ("soak.ca", &files.path("ca.pem").display()),
        ("soak.control", &dir.join("control").display()),
        ("soak.alloc_faults", &args.alloc_faults),
    ]);
    command.env("MGOS_HOST_NAME_SERVER", name_server.address.to_string()).env("MGOS_HOST_SEED", args.seed.to_string());
    if args.alloc_faults {
        command.env("MGOS_HOST_ALLOC_FAULTS", "1%");
    }
    let app = App::start(command, dir, &delivery_log, &outages)?;
    let mut fixture =
        Fixture { app, broker, proxy, name_server, peer, delivery_log, outages, restarts: 0, crashes: 0, amnesias: 0, floods: 0 };
    fixture.wait("for the peer to subscribe", |fixture| fixture.peer.state().ready)?;

    println!("mosquitto {}, seed {}; logs in {}", Mosquitto.version()?, args.seed, dir.display());
    let mut random = fastrand::Rng::with_seed(args.seed);
    let mut sums = Sums::default();
    // The many allocations of a TLS handshake never all succeed.
    let endpoints: &[usize] = if args.alloc_faults { &[0, 2] } else { &[0, 1, 2] };
    for n in 0.. {
        let ((phase, session), endpoint) = (Phase::number(n), endpoints[n % endpoints.len()]);
        let (start, cuts) = (begun.elapsed(), fixture.proxy.cuts());
        let (tallies, declared) = fixture.hold(phase, session, endpoint, &mut random)?;
        let cuts = fixture.proxy.cuts() - cuts;
        let [lost, away] = tallies.map(|flows| flows[1].lost + flows[2].lost);
        let all: u32 = tallies.iter().flatten().map(|tally| tally.arrived).sum();
        let time = (begun.elapsed() - start).as_secs_f64();
        println!(
            "  {:>4} s {:8} {:4} {:5} {time:5.1} s {all:6} messages, {cuts:3} cuts; lost at QoS 1 and 2: {lost:3} from the app, {away:3} to it; heap {} at rest, {} peak",
            start.as_secs(),
            phase.name(),
            TRANSPORTS[endpoint].name(),
            session.name(),
            fixture.app.state().used,
            fixture.app.state().most,
        );
        sums.phases.push((phase, session, tallies, declared));
        let (state, open) = (fixture.app.state(), fixture.app.descriptors()?);
        let early = begun.elapsed() < Duration::from_secs(60) || n <= faults::FIRST_ROTATION;
        let rest = &mut sums.rest[endpoint];
        if early {
            sums.heap[0] = state.most;
            sums.files[0] = sums.files[0].max(open);
        }
        if begun.elapsed() < Duration::from_secs(90) || rest[0] == 0 {
            rest[0] = rest[0].max(state.used);
        }
        rest[1] = state.used;
        sums.heap[1] = state.most;
        sums.files[1] = open;
        if !fixture.delivery_log.all_bad().is_empty() || (begun.elapsed() >= length && !early) {
            break;
        }
    }
    let mut bad = sums.report(&fixture, begun.elapsed());
    let status = fixture.app.stop()?;
    if args.alloc_faults {
        println!("{}", alloc_fault_count(&dir.join("app.log")).context("no failed allocations in the app's log")?);
    }
    if !status.success() {
        bad.push(format!("the app did not exit cleanly: {status}"));
    }
    ensure!(bad.is_empty(), "FAIL:\n  {}", bad.join("\n  "));
    println!("soak: PASS");
    Ok(())
}

/// The host's allocation count, from the last lines of the app's log.
fn alloc_fault_count(log: &Path) -> Option<String> {
    let text = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rev().find(|line| line.starts_with("alloc faults: "));
    line.filter(|line| !line.ends_with(" 0 failed")).map(str::to_owned)
}

impl Sums {
    /// Prints the summary. Returns all violations.
    fn report(&self, fixture: &Fixture, time: Duration) -> Vec<String> {
        let seen = fixture.outages.report();
        println!("\nRequired: QoS 1: no loss; QoS 2: no loss, no duplicates; in order; except for declared losses");
        println!("With a clean session, QoS 2: no loss, duplicates only across a lost session; to the app: while it is subscribed");
        println!("  {:8} {:5} {:>10}  {:>8} {:>8} {:>6} {:>6} {:>6}", "phase", "", "", "sent", "arrived", "lost", "dup", "order");
        for (phase, session) in Phase::ALL.into_iter().flat_map(|phase| Session::ALL.map(|session| (phase, session))) {
            let of_this = || self.phases.iter().filter(|(other, of, ..)| (*other, *of) == (phase, session));
            if of_this().next().is_none() {
                continue;
            }
            for direction in DIRECTIONS {
                for qos in 0..3 {
                    let mut sum = delivery_log::Tally::default();
                    of_this().for_each(|(_, _, tallies, _)| sum.add(tallies[direction as usize][qos]));
                    println!("  {:8} {:5} {:>4} QoS {qos}  {sum}", phase.name(), session.name(), format!("{direction:?}").to_lowercase());
                }
            }
            let declared: Vec<_> = of_this().map(|(.., declared)| declared).collect();
            let sum = |of: fn(&Declared) -> u32| declared.iter().map(|declared| of(declared)).sum::<u32>();
            let [full, released, stored] = [sum(|d| d.given_up), sum(|d| d.released), sum(|d| d.stored.iter().sum())];
            if full + released + stored > 0 {
                println!(
                    "                 declared: {full} given up; lost with a session: {released} between PUBREC and PUBCOMP, {stored} undelivered"
                );
            }
        }
        println!("\n{:.0} s, {} phases, {} connections", time.as_secs_f64(), self.phases.len(), seen.connections);
        let faults: Vec<_> = draw::FAULTS.iter().map(|&(fault, _)| format!("{} {}", fixture.proxy.happened(fault), fault.name())).collect();
        println!("{} cuts: {}", fixture.proxy.cuts(), faults.join(", "));
        println!(
            "broker: {} restarts, {} crashes, {} with sessions lost; {} lookups failed or hung",
            fixture.restarts,
            fixture.crashes,
            fixture.amnesias,
            fixture.name_server.failed()
        );
        let show = |s: Stretch| format!("{:.2} s ({})", s.time.as_secs_f64(), s.cause);
        println!("longest time without a connection: {}", show(seen.outage));
        println!("longest time without a connection after the obstruction ended: {}", show(seen.after));
        println!("longest time until a dead link was given up: {}", show(seen.dead));
        println!("peak heap, in bytes: {} after the first rotation, {} at the end", self.heap[0], self.heap[1]);
        for (transport, [first, last]) in TRANSPORTS.iter().zip(self.rest) {
            println!("heap at rest, {}: {first} at the start, {last} at the end", transport.name());
        }
        println!("open files: {} in the first rotation, {} at the end", self.files[0], self.files[1]);

        let mut bad = fixture.delivery_log.all_bad();
        bad.extend(seen.unexplained);
        if self.heap[1] > self.heap[0] + HEAP_SLACK {
            bad.push("peak heap grew after the first rotation".into());
        }
        if self.rest.iter().any(|[first, last]| *last > first + HEAP_SLACK) {
            bad.push("heap at rest grew".into());
        }
        if self.files[1] > self.files[0] {
            bad.push("the number of open files grew".into());
        }
        // At least a hundred per minute; a run that failed early is reported as such.
        if bad.is_empty() && (fixture.proxy.cuts() as u64) < time.as_secs() * 100 / 60 {
            bad.push("fewer than a hundred cuts per minute: not a valid soak test".into());
        }
        bad
    }
}
