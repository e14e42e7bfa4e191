//! `cargo xtask test`: runs the tests, ordered to fail early; with --all also those that take long.

use anyhow::Result;
use project::setup;

use crate::steps::{self, Step};

#[derive(clap::Args)]
pub struct Args {
    /// Also what takes long: the whole model check, the other brokers, fuzzing, the soak test
    #[arg(long)]
    all: bool,
}

pub const STEPS: &[Step] = &[
    ("unit tests and simulations of the library and the tools", &["test", "--workspace"]),
    ("breaking the rule of src/ffi does not compile", &["test", "--package", "mgos-mqtt", "--features", "internals", "--test", "rule"]),
    ("compatibility suite against a scripted broker", &["xtask", "c-test"]),
    ("end-to-end tests with mosquitto", &["xtask", "interop", "--broker", "mosquitto"]),
];

/// RabbitMQ is slow to start, so it runs a part.
pub const MORE: &[Step] = &[
    ("end-to-end tests with other brokers", &["xtask", "interop", "--broker", "rumqttd", "--broker", "aedes", "--broker", "amqtt"]),
    ("end-to-end tests with RabbitMQ", &["xtask", "interop", "--broker", "rabbitmq", "qos-", "session-tcp", "will-tcp", "login-tcp"]),
    ("fuzzing", &["xtask", "fuzz", "--seconds", "30"]),
    ("soak", &["xtask", "soak", "--minutes", "2"]),
    ("an app that is killed", &["xtask", "soak", "--kills", "--minutes", "1"]),
    ("connection isolation", &["xtask", "soak", "--isolation"]),
];

/// A part of the model check takes as long as all other unit tests.
const SHORTER: &[(&str, &str)] = &[("MGOS_MQTT_MODEL_LESS", "1")];

pub fn run(args: Args) -> Result<()> {
    let brokers: &[String] = if args.all { &[] } else { &["mosquitto".into()] };
    println!("This takes about {} minutes on two cores. The first run takes ten minutes more: it compiles", if args.all { 15 } else { 4 });
    println!("everything and installs missing Debian packages.");
    setup::ensure(&interop::packages_of(brokers))?;
    if args.all { steps::run(&[STEPS, MORE].concat(), &[]) } else { steps::run(STEPS, SHORTER) }
}
