//! The failover demo: an app keeps its readings when its broker dies.
//!
//! `cargo xtask demo` builds everything and starts this program. The brokers are mgos-rumqttd, in
//! processes of their own so that they can be killed.

mod broker;
mod delivery_log;
mod observer;
mod scenario;
mod state;
mod svg;
mod timeline;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match scenario::run(&scenario::Paths::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
