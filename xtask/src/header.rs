//! `cargo xtask header`: generates the C headers from src/ffi with cbindgen. With --check: checks
//! that they are up to date, compile as C and C++, and declare what firmware relies on.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use project::setup;
use regex::Regex;

use crate::log_lines;

#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a header is stale
    #[arg(long)]
    pub check: bool,
}

pub const HEADERS: [&str; 3] = ["include/mgos_mqtt.h", "include/mgos_mqtt_conn.h", "shim/mgos_mqtt_seam.h"];

pub fn run(args: Args) -> Result<()> {
    let fresh = project::target_dir().join("headers");
    fs_err::create_dir_all(&fresh)?;
    let mut cargo = project::cargo();
    cargo.args(["build", "--package", "mgos-mqtt", "--features", "headers"]);
    project::run(cargo.env("MGOS_MQTT_HEADERS", if args.check { fresh.clone() } else { project::root() }))?;
    let table = log_lines::table()?;
    if args.check {
        let committed = project::read(log_lines::TABLE).unwrap_or_default();
        ensure!(committed == table, "{} is stale: run cargo xtask header", log_lines::TABLE);
        for header in HEADERS {
            let committed = project::read(header).unwrap_or_default();
            ensure!(committed == project::read(fresh.join(header))?, "{header} is stale: run cargo xtask header");
        }
        compile()?;
        compare_javascript()?;
        println!("{} headers are up to date, compile as C99 and C++11, and declare what the original's do", HEADERS.len());
    } else {
        project::write_if_changed(&project::root().join(log_lines::TABLE), &table)?;
    }
    Ok(())
}

/// Compiles the headers and the expected types as C and C++.
fn compile() -> Result<()> {
    setup::ensure(setup::COMPILERS)?;
    let plan = host_app::plan("headers", None)?;
    let checks = project::root().join("xtask/checks/api_types.c");
    for (compiler, language, standard) in [("cc", "c", "c99"), ("c++", "c++", "c++11")] {
        let mut cc = Command::new(compiler);
        cc.args(["-x", language, &format!("-std={standard}"), "-fsyntax-only", "-Wall", "-Wextra", "-Wundef", "-Werror"]);
        cc.args(plan.includes.iter().map(|dir| format!("-I{}", dir.display())));
        project::run(cc.arg(&checks)).with_context(|| format!("the headers as {standard}"))?;
    }
    Ok(())
}

/// Checks that the functions called by the JavaScript API are declared with as many arguments as it
/// passes.
fn compare_javascript() -> Result<()> {
    let (script, header) = (project::read("mjs_fs/api_mqtt.js")?, project::read("include/mgos_mqtt.h")?);
    // Comments mention functions, too.
    let header = header.lines().filter(|line| !line.trim_start().starts_with(['*', '/'])).collect::<Vec<_>>().join("\n");
    let calls: Vec<_> = script.split("ffi('").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
    ensure!(!calls.is_empty(), "found no calls in mjs_fs/api_mqtt.js");
    for call in calls {
        let name = call.split('(').next().and_then(|before| before.split_whitespace().last()).context("a function has a name")?;
        let declared = header
            .split(&format!("{name}("))
            .nth(1)
            .with_context(|| format!("api_mqtt.js calls {name}, which mgos_mqtt.h does not declare"))?;
        let expected = arguments(declared.split(';').next().unwrap_or_default());
        // A callback counts as one argument.
        let given = arguments(&call[call.find('(').map_or(0, |at| at + 1)..]);
        ensure!(expected == given, "api_mqtt.js passes {given} arguments to {name}, mgos_mqtt.h declares {expected}");
    }
    compare_stats(&script, &project::read("include/mgos_mqtt_conn.h")?)
}

/// Checks that the names in MQTT.stats() match the C structure in its order, and that the reasons
/// match.
fn compare_stats(script: &str, header: &str) -> Result<()> {
    let names = names(script, r"(?s)_stats: \[(.*?)\]", r"'(\w+)'")?;
    let fields = self::names(header, r"(?s)struct mgos_mqtt_stats \{(.*?)\}", r"(?m)^ *uint32_t (\w+);")?;
    ensure!(names == fields, "MQTT.stats() has {names:?}, struct mgos_mqtt_stats {fields:?}");
    let reasons = self::names(header, r"(?s)enum mgos_mqtt_reason \{(.*?)\}", r"(?m)^ *MGOS_MQTT_(\w+),")?;
    for (number, reason) in reasons.iter().enumerate() {
        ensure!(script.contains(&format!("  {reason}: {number},")), "api_mqtt.js has no {reason}: {number}");
    }
    Ok(())
}

/// The names that one expression captures in what another does.
fn names<'a>(text: &'a str, list: &str, name: &str) -> Result<Vec<&'a str>> {
    let list = Regex::new(list)?.captures(text).and_then(|list| list.get(1)).with_context(|| format!("{list} not found"))?;
    let names: Vec<_> = Regex::new(name)?.captures_iter(list.as_str()).filter_map(|name| Some(name.get(1)?.as_str())).collect();
    ensure!(!names.is_empty(), "no names in {}", list.as_str());
    Ok(names)
}

/// Counts the arguments of a list, starting behind its opening parenthesis.
fn arguments(list: &str) -> usize {
    let (mut depth, mut commas, mut empty) = (0, 0, true);
    for c in list.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => break,
            ')' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
        empty &= c.is_whitespace();
    }
    let void = list.trim_start().starts_with("void)");
    if empty || void { 0 } else { commas + 1 }
}
