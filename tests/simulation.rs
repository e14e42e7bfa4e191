//! Whole runs of a connection in virtual time: the library's `Conn` and a model broker, joined by a
//! link that delays, splits, stalls and breaks off at any byte, with failing allocations and packet
//! IDs that wrap around.
//!
//! Each seed is one run. A failing one is printed; to see it again, with every packet:
//!     MGOS_MQTT_SIM_SEED=1234 cargo test --test simulation lives -- --nocapture
//! MGOS_MQTT_SIM_SEEDS=100000 runs more of them, MGOS_MQTT_SIM_FROM is the first one,
//! MGOS_MQTT_SIM_FAILURES=100 the number of failures at which it stops.

mod reference;
mod sim;

use sim::splits::{events, stream};
use sim::world::{Summary, live};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

fn add(a: &mut Summary, b: Summary) {
    a.connections += b.connections;
    a.published += b.published;
    a.delivered += b.delivered;
    a.dups += b.dups;
    a.releases_repeated += b.releases_repeated;
    a.pings += b.pings;
    a.wraps += b.wraps;
    a.oversized += b.oversized;
    a.overflows += b.overflows;
    a.timeouts += b.timeouts;
    a.sessions_lost += b.sessions_lost;
    a.outcomes.iter_mut().zip(b.outcomes).for_each(|(a, b)| *a += b);
    a.hours += b.hours;
}

#[test]
fn ten_thousand_runs_lose_and_duplicate_nothing() {
    if let Some(seed) = variable("MGOS_MQTT_SIM_SEED") {
        println!("{:?}", live(seed, true));
        return;
    }
    let from = variable("MGOS_MQTT_SIM_FROM").unwrap_or(0);
    let to = from + variable("MGOS_MQTT_SIM_SEEDS").unwrap_or(10_000);
    let next = AtomicU64::new(from);
    let total = Mutex::new(Summary::default());
    let failed = Mutex::new(Vec::new());
    let most = variable("MGOS_MQTT_SIM_FAILURES").unwrap_or(5) as usize;
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to || failed.lock().unwrap().len() >= most {
                        break;
                    }
                    match std::panic::catch_unwind(|| live(seed, false)) {
                        Ok(life) => add(&mut total.lock().unwrap(), life),
                        Err(_) => failed.lock().unwrap().push(seed),
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    assert!(failed.is_empty(), "seeds {failed:?} failed; see one with MGOS_MQTT_SIM_SEED={}", failed[0]);
    let total = total.into_inner().unwrap();
    println!("{total:?}");
    if to - from >= 1000 {
        // What never happens is not tested.
        let happened =
            [total.dups, total.releases_repeated, total.wraps, total.oversized, total.overflows, total.timeouts, total.sessions_lost];
        assert!(happened.iter().chain(&total.outcomes).all(|n| *n > 100), "{total:?}");
    }
}

#[test]
fn how_the_stream_is_split_makes_no_difference() {
    for seed in 0..3000 {
        let (bytes, limit) = stream(seed);
        let whole = events(&bytes, limit, |left| left);
        let single = events(&bytes, limit, |_| 1);
        assert_eq!(whole, single, "seed {seed}: at once, and byte by byte");
        let mut rng = sim::rng::Rng::new(seed);
        let pieces = events(&bytes, limit, |left| rng.between(1, left.min(50) as u64) as usize);
        assert_eq!(whole, pieces, "seed {seed}: at once, and in pieces");
    }
}
