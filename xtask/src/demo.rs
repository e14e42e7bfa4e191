//! `cargo xtask demo`: builds examples/telemetry and the demo program, and execs the latter. The
//! demo (e2e/demo) is a separate program because its broker takes long to compile and nothing
//! else needs it.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use project::setup;

#[derive(clap::Args)]
pub struct Args {
    /// Build host and library with optimisation
    #[arg(long)]
    release: bool,
    /// Also draw the timeline as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    let program = project::target_dir().join("debug/mgos-demo");
    if !program.exists() {
        eprintln!(
            "The first run takes about five minutes: it installs missing Debian packages, and compiles the host, an app and a broker."
        );
        eprintln!("Later ones take half a minute.");
    }
    setup::ensure(setup::COMPILERS)?;
    eprintln!("building the library, the host and examples/telemetry");
    let built = host_app::build(&project::root().join("examples/telemetry"), args.release)?;
    eprintln!("building the demo and its broker");
    project::run(project::cargo().args(["build", "--package", "mgos-demo"]))?;
    let logs = project::target_dir().join("demo");
    eprintln!();
    let error = Command::new(&program).args([&built.program, &built.files, &logs]).args(&args.svg).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
