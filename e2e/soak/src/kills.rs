//! `--kills`: an app (e2e/interop/apps/killed) that keeps its queue in a file, behind a link that
//! breaks, is killed again and again: one device with the default session, one whose session the
//! broker keeps. What the library accepted must arrive.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use host_app::Built;
use project::process::Process;
use test_kit::broker::{Running, Setup};
use test_kit::observer::{self, Observer};
use test_kit::proxy::Proxy;
use test_kit::transport::Certificates;

use super::broker::SoakBroker;
use super::draw;

/// For the last messages, beyond the time in which the app is killed.
const REST: Duration = Duration::from_secs(180);

/// The longest life of an app, milliseconds.
const LONGEST: u64 = 1500;

/// A device, which outlives its processes.
struct Device {
    clean_session: bool,
    accepted: Vec<String>,
    lives: usize,
    /// Lives that began with messages of the one before.
    restored: usize,
}

pub fn run(seed: u64, time: Duration, dir: &Path, files: &Certificates) -> Result<()> {
    eprintln!("building the library, the host and e2e/interop/apps/killed");
    let built = host_app::build(&project::root().join("e2e/interop/apps/killed"), false)?;
    let begun = Instant::now();
    let end = begun + time + REST;
    let kind = SoakBroker::default();
    let broker = Running::start(&kind, &Setup::default(), files, dir, end)?;
    let mut observer = Observer::start(&broker, &["killed/#"], None, &dir.join("observer.log"), end)?;
    let proxy = Proxy::start(&[broker.address], draw::plan(seed, 30_000, vec![0]), Arc::new(()))?;
    let mut devices = [true, false].map(|clean_session| Device { clean_session, accepted: Vec::new(), lives: 0, restored: 0 });
    let mut random = fastrand::Rng::with_seed(seed);
    while begun.elapsed() < time {
        let device = &mut devices[random.usize(..2)];
        device.lives += 1;
        let name = format!("{}{}", device.name(), device.lives);
        let mut app = device.start(&built, proxy.endpoints[0], &name, dir, end)?;
        std::thread::sleep(Duration::from_millis(random.u64(1..LONGEST)));
        app.child.kill();
        device.died(&app.lines());
    }
    proxy.inject(false);
    for device in &devices {
        let mut app = device.start(&built, proxy.endpoints[0], "", dir, end)?;
        ensure!(app.wait_for_end()?.success(), "the last app did not exit cleanly");
    }
    observer::publish(&broker, "killed/end", "end", 2, false)?;
    observer.next_on("killed/end")?;

    let mut arrived: HashMap<String, usize> = HashMap::new();
    observer.all().into_iter().for_each(|message| *arrived.entry(message.payload).or_default() += 1);
    println!("seed {seed}, {} cuts of the link in {} s", proxy.cuts(), begun.elapsed().as_secs());
    let mut lost = Vec::new();
    for device in &devices {
        let times = |text: &String| arrived.get(text).copied().unwrap_or_default();
        lost.extend(device.accepted.iter().filter(|text| times(text) == 0));
        println!(
            "  clean_session {}: killed {} times, {} lives with messages of the one before; {} accepted, {} of them arrived again",
            device.clean_session,
            device.lives,
            device.restored,
            device.accepted.len(),
            device.accepted.iter().filter(|text| times(text) > 1).count(),
        );
        ensure!(device.restored * 4 > device.lives, "too few lives have left something");
    }
    ensure!(lost.is_empty(), "FAIL: {} lost: {lost:?}", lost.len());
    println!("kills: PASS");
    Ok(())
}

impl Device {
    fn name(&self) -> &'static str {
        if self.clean_session { "clean" } else { "kept" }
    }

    /// Starts its app. Without a name of its life it publishes nothing, and ends when all is
    /// acknowledged.
    fn start(&self, built: &Built, server: SocketAddr, life: &str, dir: &Path, end: Instant) -> Result<Process> {
        let name = self.name();
        let mut command = built.command(&[
            ("device.id", &name),
            ("debug.level", &2),
            ("mqtt.server", &server),
            ("mqtt.clean_session", &self.clean_session),
            ("mqtt.reconnect_timeout_min", &0.05),
            ("mqtt.reconnect_timeout_max", &0.1),
            ("mqtt.queue_file", &dir.join(name).display()),
            ("mqtt.queue_file_delay", &0),
            ("killed.run", &life),
            ("check.patience", &170),
        ]);
        Process::start(name, &mut command, &dir.join(format!("{name}.log")), end)
    }

    /// Takes down what its app has said.
    fn died(&mut self, lines: &[String]) {
        let texts = lines.iter().filter_map(|line| line.strip_prefix("> accepted "));
        let before = self.accepted.len();
        self.accepted.extend(texts.map(str::to_owned));
        // The last line may be cut short.
        self.accepted.truncate(self.accepted.len().saturating_sub(1).max(before));
        self.restored += lines.iter().any(|line| line.contains(" messages restored") && !line.contains(": 0 messages")) as usize;
    }
}
