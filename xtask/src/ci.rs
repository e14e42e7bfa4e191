//! `cargo xtask ci`: everything that must pass before a change lands, ordered to fail early.
//! .ci/run calls only this.

use std::time::Instant;

use anyhow::{Context, Result};
use project::setup;

#[derive(clap::Args)]
pub struct Args {}

/// Name and cargo command of each step.
pub const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    ("headers", &["xtask", "header", "--check"]),
    ("exported symbols", &["xtask", "exports"]),
    ("conformance table", &["xtask", "conformance", "--check"]),
    ("dependencies", &["xtask", "deny"]),
    ("documentation", &["rustdoc", "--package", "mgos-mqtt", "--lib", "--quiet", "--", "-D", "warnings"]),
    ("crate package", &["package", "--package", "mgos-mqtt", "--quiet", "--allow-dirty"]),
    ("size", &["xtask", "size"]),
    ("operation costs", &["xtask", "bench"]),
    ("throughput clients", &["xtask", "bench", "--throughput", "--unoptimised", "--messages", "500"]),
    ("tests", &["xtask", "test"]),
    ("commands in documents", &["xtask", "docs"]),
    ("end-to-end with RabbitMQ", &["xtask", "interop", "--broker", "rabbitmq", "qos-", "session-tcp", "will-tcp", "login-tcp"]),
    ("C suite, sanitized", &["xtask", "c-test", "--sanitize"]),
    ("C suite, failing allocations", &["xtask", "c-test", "--alloc-faults", "memory"]),
    ("C suite, samples", &["xtask", "c-test", "--alloc-faults", "--at-most", "4", "--seeds", "0", "direct", "inbound", "queue"]),
    ("archives", &["xtask", "dist", "--check"]),
    ("release, reproducible", &["xtask", "release", "--check"]),
    ("emulated chips", &["xtask", "qemu"]),
    ("mutants of the change", &["xtask", "mutants", "--change"]),
    ("fuzzing", &["xtask", "fuzz", "--seconds", "30"]),
    ("demo", &["xtask", "demo"]),
    ("soak", &["xtask", "soak", "--minutes", "2"]),
    ("connection isolation", &["xtask", "soak", "--isolation"]),
    ("a million messages", &["xtask", "bench", "--million"]),
];

pub fn run(_: Args) -> Result<()> {
    setup::ensure(setup::COMPILERS)?;
    setup::ensure(setup::TEST_TOOLS)?;
    let mut times = Vec::new();
    for &(name, step) in STEPS {
        println!("\n== {name}: cargo {}", step.join(" "));
        let start = Instant::now();
        project::run(project::cargo().args(step)).with_context(|| format!("{name} failed"))?;
        times.push((name, start.elapsed()));
    }
    println!("\nall steps passed:");
    for (name, time) in times {
        println!("  {name:<20} {:>5} s", time.as_secs());
    }
    Ok(())
}
