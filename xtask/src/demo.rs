//! `cargo xtask demo`: builds examples/telemetry and the demo program, and becomes the latter.
//! The demo itself is a program of its own (xtask/demo): its broker takes long to compile, and only it needs one.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{app, project, setup};

#[derive(clap::Args)]
pub struct Args {
    /// Build the host and the library optimised
    #[arg(long)]
    release: bool,
    /// Draw the timeline as well, as an SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::COMPILERS)?;
    eprintln!("building the library, the host and examples/telemetry (a minute or two the first time)");
    let built = app::build(&project::root().join("examples/telemetry"), args.release)?;
    eprintln!("building the demo (its broker takes a minute or two the first time)");
    project::run(project::cargo().args(["build", "--quiet", "--package", "mgos-demo"]))?;
    let program = project::target_dir().join("debug/mgos-demo");
    let logs = project::target_dir().join("demo");
    eprintln!();
    let error = Command::new(&program).arg("run").args([&built.program, &built.files, &logs]).args(&args.svg).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
