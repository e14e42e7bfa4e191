//! `cargo xtask test`: all tests, those that fail soonest first. What each step tests is its own to say.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::{project, setup};

#[derive(clap::Args)]
pub struct Args {}

/// CI has the other one, too.
const LIGHT: &[&str] = &["xtask", "interop", "--broker", "mosquitto", "--broker", "rumqttd", "--broker", "aedes", "--broker", "amqtt"];

/// What is run, each a cargo command.
pub const STEPS: [(&str, &[&str]); 4] = [
    ("unit tests, simulations, tests of the host and of xtask", &["test", "--workspace"]),
    ("breaking the rule of src/ffi does not compile", &["test", "--package", "mgos-mqtt", "--features", "internals", "--test", "rule"]),
    ("compatibility with the original, against a scripted broker", &["xtask", "c-test"]),
    ("whole apps against real brokers, but for RabbitMQ, which takes long to start", LIGHT),
];

pub fn run(_: Args) -> Result<()> {
    // Tests of the host compile C, and play TLS servers.
    setup::ensure(setup::COMPILERS)?;
    setup::ensure(setup::TEST_TOOLS)?;
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
