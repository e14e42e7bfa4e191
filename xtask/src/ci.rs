//! `cargo xtask ci`: everything that must pass before a change lands, ordered to fail early.
//! .ci/run calls only this.

use anyhow::Result;
use project::setup;

use crate::steps::{self, Step};

#[derive(clap::Args)]
pub struct Args {}

pub const STEPS: &[Step] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    ("headers", &["xtask", "header", "--check"]),
    ("exported symbols", &["xtask", "exports"]),
    ("conformance table", &["xtask", "conformance", "--check"]),
    ("dependencies", &["xtask", "deny"]),
    ("documentation", &["rustdoc", "--package", "mgos-mqtt", "--lib", "--quiet", "--", "-D", "warnings"]),
    ("crate package", &["package", "--package", "mgos-mqtt", "--quiet", "--allow-dirty"]),
    ("size", &["xtask", "size"]),
    ("operation costs", &["xtask", "bench"]),
    ("throughput clients", &["xtask", "bench", "--throughput", "--unoptimised", "--messages", "500"]),
    ("tests", &["xtask", "test", "--all"]),
    ("commands in documents", &["xtask", "docs"]),
    ("C suite, sanitized", &["xtask", "c-test", "--sanitize"]),
    ("C suite, failing allocations", &["xtask", "c-test", "--alloc-faults", "memory"]),
    ("C suite, samples", &["xtask", "c-test", "--alloc-faults", "--at-most", "4", "--seeds", "0", "direct", "inbound", "queue"]),
    ("archives", &["xtask", "dist", "--check"]),
    ("release, reproducible", &["xtask", "release", "--check"]),
    ("emulated chips", &["xtask", "qemu"]),
    ("mutants of the change", &["xtask", "mutants", "--change"]),
    ("demo", &["xtask", "demo"]),
    ("a million messages", &["xtask", "bench", "--million"]),
];

pub fn run(_: Args) -> Result<()> {
    setup::ensure(&[setup::COMPILERS, setup::TEST_TOOLS].concat())?;
    steps::run(STEPS, &[])
}
