//! `cargo xtask test`: runs all tests, ordered to fail early. Each step is a cargo command.

use std::time::Instant;

use anyhow::{Context, Result};
use project::setup;

#[derive(clap::Args)]
pub struct Args {}

/// CI also runs RabbitMQ.
const FAST_BROKERS: &[&str] =
    &["xtask", "interop", "--broker", "mosquitto", "--broker", "rumqttd", "--broker", "aedes", "--broker", "amqtt"];

/// Description and cargo command of each step.
pub const STEPS: [(&str, &[&str]); 4] = [
    ("unit tests and simulations, including host and xtask", &["test", "--workspace"]),
    ("breaking the rule of src/ffi does not compile", &["test", "--package", "mgos-mqtt", "--features", "internals", "--test", "rule"]),
    ("compatibility suite against a scripted broker", &["xtask", "c-test"]),
    ("end-to-end tests against real brokers, without RabbitMQ, which is slow to start", FAST_BROKERS),
];

pub fn run(_: Args) -> Result<()> {
    println!("This takes about ten minutes on two cores, and twenty the first time, which also installs missing Debian packages");
    println!("and, in {}, brokers from crates.io, npm and PyPI.", project::target_dir().display());
    let brokers: Vec<String> = FAST_BROKERS[2..].iter().filter(|word| **word != "--broker").map(|name| (*name).to_owned()).collect();
    setup::ensure(&interop::packages_of(&brokers)?)?;
    let mut times = Vec::new();
    for (what, step) in STEPS {
        let shown = format!("cargo {}", step.join(" "));
        println!("\n== {what}: {shown}");
        let start = Instant::now();
        project::run(project::cargo().args(step)).with_context(|| format!("tests failed: {what}"))?;
        times.push(format!("{shown} ({} s)", start.elapsed().as_secs()));
    }
    println!("\nall tests passed: {}", times.join(", "));
    Ok(())
}
