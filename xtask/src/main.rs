//! The project's one runner. `cargo xtask help` lists its commands; CI and people use nothing else.
//!
//! Here: the list of commands and nothing more. Each has a module of its own, whose `Args` says what it takes
//! and whose `run` does it.

mod app;
mod bench;
mod c_test;
mod ci;
mod confgen;
mod conformance;
mod demo;
mod deny;
mod dist;
mod docs;
mod exports;
mod figures;
mod firmware;
mod fuzz;
mod header;
mod interop;
mod manifest;
mod miri;
mod mutants;
mod process;
mod project;
mod qemu;
mod run;
mod sdk;
mod setup;
mod size;
mod soak;
mod test;
mod yaml;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Builds, runs and checks mgos-mqtt", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The main job: an app keeps its readings through the death of its broker
    Demo(demo::Args),
    /// Build a Mongoose OS app in C for this machine and run it
    Run(run::Args),
    /// The compatibility suite: plain C apps against a scripted broker
    CTest(c_test::Args),
    /// Everything that must hold before a change lands
    Ci(ci::Args),
    /// All tests: of the parts, of compatibility, and with real brokers
    Test(test::Args),
    /// Run the commands that the documents show, as they stand there
    Docs(docs::Args),
    /// Put headers and libraries for compiling an app by hand into target/sdk
    Sdk(sdk::Args),
    /// Let apps and real brokers talk to each other, and count what arrives
    Interop(interop::Args),
    /// Make the C headers from src/ffi
    Header(header::Args),
    /// Check the symbols of the firmware archive
    Exports(exports::Args),
    /// Make the library as mos build takes it, with an archive for each platform
    Dist(dist::Args),
    /// Run the archives on emulated chips
    Qemu(qemu::Args),
    /// Write docs/conformance.md: the statements of MQTT 3.1.1 and their tests
    Conformance(conformance::Args),
    /// Check the licences and sources of all dependencies, and which of them firmware carries
    Deny(deny::Args),
    /// Run the library's tests under Miri
    Miri(miri::Args),
    /// Change the library in small ways, each of which a test must see
    Mutants(mutants::Args),
    /// Run the fuzz targets
    Fuzz(fuzz::Args),
    /// Let everything go wrong between an app and its broker, and count what arrives
    Soak(soak::Args),
    /// Hold the flash that the library takes against docs/figures.md
    Size(size::Args),
    /// Hold what operations cost, in instructions and memory, against docs/figures.md
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(args),
        Command::CTest(args) => c_test::run(args),
        Command::Ci(args) => ci::run(args),
        Command::Test(args) => test::run(args),
        Command::Run(args) => run::run(args),
        Command::Docs(args) => docs::run(args),
        Command::Sdk(args) => sdk::run(args),
        Command::Interop(args) => interop::run(args),
        Command::Header(args) => header::run(args),
        Command::Exports(args) => exports::run(args),
        Command::Dist(args) => dist::run(args),
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
