//! `cargo xtask header`: the C headers, made anew from src/ffi by cbindgen; or, with --check, that they are as they would be made.

use anyhow::{Result, ensure};

use crate::project;

#[derive(clap::Args)]
pub struct Args {
    /// Change nothing; fail where a header is stale
    #[arg(long)]
    pub check: bool,
}

pub const HEADERS: [&str; 3] = ["include/mgos_mqtt.h", "include/mgos_mqtt_conn.h", "shim/mgos_mqtt_seam.h"];

pub fn run(args: Args) -> Result<()> {
    let fresh = project::target_dir().join("headers");
    std::fs::create_dir_all(&fresh)?;
    let mut cargo = project::cargo();
    cargo.args(["build", "--quiet", "--package", "mgos-mqtt", "--features", "headers"]);
    project::run(cargo.env("MGOS_MQTT_HEADERS", if args.check { fresh.clone() } else { project::root() }))?;
    if args.check {
        for header in HEADERS {
            let committed = std::fs::read_to_string(project::root().join(header)).unwrap_or_default();
            ensure!(committed == std::fs::read_to_string(fresh.join(header))?, "{header} is stale: run cargo xtask header");
        }
        println!("{} headers are fresh", HEADERS.len());
    }
    Ok(())
}
