//! The failover demo: an app keeps its readings when its broker dies.
//!
//! `cargo xtask demo` builds everything and starts this program. It has two modes: the scenario
//! (`run`), and the brokers (`broker`), which run as separate processes so that they can be killed.

mod app;
mod broker;
mod delivery_log;
mod observer;
mod scenario;
mod state;
mod svg;
mod timeline;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns true if the demo succeeded.
fn run(args: &[String]) -> Result<bool> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["broker", address] => broker::serve(address.parse()?).map(|()| true),
        ["run", program, files, logs, svg @ ..] if svg.len() <= 1 => scenario::run(&scenario::Paths {
            program: PathBuf::from(program),
            files: PathBuf::from(files),
            logs: PathBuf::from(logs),
            svg: svg.first().map(PathBuf::from),
        }),
        _ => bail!("this program is run by cargo xtask demo; usage: run PROGRAM FILES LOGS [SVG], or: broker ADDRESS"),
    }
}
