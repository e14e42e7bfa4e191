//! The project's task runner. `cargo xtask help` lists its commands; CI and developers use only
//! these.
//!
//! Here: the list of commands. Each has its own module with its options in `Args` and a function
//! that runs it.

mod bench;
mod c_test;
mod ci;
mod conformance;
mod demo;
mod deny;
mod dist;
mod docs;
mod exports;
mod figures;
mod firmware;
mod fresh;
mod fuzz;
mod header;
mod log_lines;
mod miri;
mod mutants;
mod qemu;
mod release;
mod run;
mod sdk;
mod setup;
mod size;
mod steps;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Builds, runs and checks mgos-mqtt", disable_version_flag = true)]
struct Cli {
    /// Name missing Debian packages instead of installing them
    #[arg(long, global = true)]
    no_install: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the failover demo: one app, two brokers, one of them killed
    Demo(demo::Args),
    /// Build a Mongoose OS app for this machine and run it
    Run(run::Args),
    /// Run the compatibility suite: C apps against a scripted broker
    CTest(c_test::Args),
    /// Run everything that must pass before a change lands
    Ci(ci::Args),
    /// Run the tests: unit tests, the compatibility suite, end-to-end tests
    Test(test::Args),
    /// Run the commands shown in the documents; with --open: show the documents as HTML
    Docs(docs::Args),
    /// Run the two commands of README in bare Debian systems
    Fresh(fresh::Args),
    /// Install all Debian packages that any command needs
    Setup(setup::Args),
    /// Put headers and libraries for building an app without cargo into target/sdk
    Sdk(sdk::Args),
    /// End-to-end tests against real brokers
    Interop(interop::Args),
    /// Generate the C headers from src/ffi
    Header(header::Args),
    /// Check the symbols of the firmware archive
    Exports(exports::Args),
    /// Build the library for mos build, with an archive for each platform
    Dist(dist::Args),
    /// Make what is published: the library with its archives as a git repository and a tar.gz
    Release(release::Args),
    /// Run the archives on emulated chips
    Qemu(qemu::Args),
    /// Complete the table of MQTT 3.1.1 statements and their tests in docs/testing.md
    Conformance(conformance::Args),
    /// Check licences and sources of all dependencies, and which of them firmware has
    Deny(deny::Args),
    /// Run the library's tests under Miri
    Miri(miri::Args),
    /// Mutation testing: small changes to the library that must make a test fail
    Mutants(mutants::Args),
    /// Run the fuzz targets
    Fuzz(fuzz::Args),
    /// Soak test with fault injection
    Soak(soak::Args),
    /// Measure flash use and compare it with docs/performance.md
    Size(size::Args),
    /// Measure instructions and memory per operation and compare them with docs/performance.md
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.no_install {
        project::setup::do_not_install();
    }
    let result = match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Fresh(args) => fresh::run(args),
        Command::CTest(args) => c_test::run(args),
        Command::Ci(args) => ci::run(args),
        Command::Test(args) => test::run(args),
        Command::Run(args) => run::run(args),
        Command::Docs(args) => docs::run(args),
        Command::Setup(args) => setup::run(args),
        Command::Sdk(args) => sdk::run(args),
        Command::Interop(args) => interop::run(args),
        Command::Header(args) => header::run(args),
        Command::Exports(args) => exports::run(args),
        Command::Dist(args) => dist::run(args),
        Command::Release(args) => release::run(args),
        Command::Qemu(args) => qemu::run(args),
        Command::Conformance(args) => conformance::run(args),
        Command::Deny(args) => deny::run(args),
        Command::Miri(args) => miri::test(args),
        Command::Mutants(args) => mutants::run(args),
        Command::Fuzz(args) => fuzz::run_all(args),
        Command::Soak(args) => soak::run(args),
        Command::Size(args) => size::run(args),
        Command::Bench(args) => bench::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
