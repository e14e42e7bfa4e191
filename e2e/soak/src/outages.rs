//! Measures how long the app is without a connection, and whether that is explained: by an
//! obstruction, and after its end by the app's configured time limits.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use test_kit::proxy::Watch;

/// mqtt.reconnect_timeout_max plus its tenth of jitter, and mqtt.connect_timeout for an attempt in
/// progress: see e2e/soak/apps/app/mos.yml.
const BACK_OFF: Duration = Duration::from_millis(110);
const CONNECT: Duration = Duration::from_secs(2);
/// A dead link is detected within 1.75 times mqtt.keep_alive, which is two seconds.
const KEEP_ALIVE: Duration = Duration::from_millis(3500);
/// Tolerance for a busy machine.
const GRACE: Duration = Duration::from_secs(4);

/// A duration and its cause.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    pub time: Duration,
    pub cause: &'static str,
}

#[derive(Default)]
struct Inner {
    down: Option<Instant>,
    /// When the app was last obstructed, and by what.
    blocked: Option<(Instant, &'static str)>,
    report: Report,
}

/// Summary of the observations.
#[derive(Clone, Default)]
pub struct Report {
    pub connections: u32,
    /// The longest time without a connection.
    pub outage: Stretch,
    /// The longest time without a connection after the obstruction ended.
    pub after: Stretch,
    /// The longest time until a dead link was given up.
    pub dead: Stretch,
    /// Outages without an explanation.
    pub unexplained: Vec<String>,
}

#[derive(Default)]
pub struct Outages(Mutex<Inner>);

impl Outages {
    /// The app has connected.
    pub fn up(&self) {
        let mut inner = self.0.lock();
        inner.report.connections += 1;
        let Some(down) = inner.down.take() else { return };
        let now = Instant::now();
        let (since, cause) = inner.blocked.unwrap_or((down, "nothing"));
        let after = now.saturating_duration_since(since.max(down));
        inner.report.outage = inner.report.outage.max(Stretch { time: now - down, cause });
        inner.report.after = inner.report.after.max(Stretch { time: after, cause });
        if after > BACK_OFF + CONNECT + GRACE {
            let text = format!("no connection for {:.1} s after the last obstruction ({cause})", after.as_secs_f64());
            inner.report.unexplained.push(text);
        }
    }

    /// The app has disconnected.
    pub fn down(&self) {
        self.0.lock().down = Some(Instant::now());
    }

    pub fn report(&self) -> Report {
        self.0.lock().report.clone()
    }
}

impl Watch for Outages {
    fn blocked(&self, by: &'static str) {
        self.0.lock().blocked = Some((Instant::now(), by));
    }

    fn given_up(&self, after: Duration, by: &'static str) {
        let mut inner = self.0.lock();
        inner.blocked = Some((Instant::now(), by));
        inner.report.dead = inner.report.dead.max(Stretch { time: after, cause: by });
        if after > KEEP_ALIVE.max(CONNECT) + GRACE {
            inner.report.unexplained.push(format!("a dead link ({by}) was given up only after {:.1} s", after.as_secs_f64()));
        }
    }
}
