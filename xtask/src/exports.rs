//! `cargo xtask exports`: checks that the library defines every symbol of the original, and that
//! the archive exports only those of shim/exports.txt.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use regex::Regex;

use crate::firmware::{self, Logs, UBUNTU};

#[derive(clap::Args)]
pub struct Args {}

/// Symbols that the original's objects define beyond its headers; firmware and libraries may
/// reference them.
const BEYOND_HEADERS: [&str; 7] = [
    "mgos_mqtt_init",
    "mgos_mqtt_ev",
    "mgos_mqtt_ws_ev",
    "mgos_mqtt_conn_get_packet_id",
    "mgos_mqtt_conn_sub_s",
    "mgos_mqtt_conn_nc",
    "mgos_mqtt_conn_reconnect",
];

/// Symbols that tie the shim to the archive of the same version.
pub const VERSIONED: &str = "mgos_mqtt_archive_missing_or_version_mismatch_";

pub fn run(_: Args) -> Result<()> {
    let archive = UBUNTU.archive(Logs::With)?;
    let shown = UBUNTU.exported(&archive)?;
    let expected = firmware::exports()?;
    check_version(&expected)?;
    let missing: Vec<_> = expected.difference(&shown).collect();
    let extra: Vec<_> = shown.difference(&expected).collect();
    ensure!(missing.is_empty() && extra.is_empty(), "shim/exports.txt and the archive differ: missing {missing:?}, not listed {extra:?}");
    // The rest of the API is in the shim.
    let defined: BTreeSet<String> = shown.into_iter().chain(shim_definitions()?).collect();
    let lacking: Vec<_> = public_api()?.into_iter().filter(|name| !defined.contains(name)).collect();
    ensure!(lacking.is_empty(), "defined by neither archive nor shim: {lacking:?}");
    println!("{} symbols in the archive, as listed; all {} of the original are defined", expected.len(), public_api()?.len());
    Ok(())
}

/// The symbol that makes the linker detect a wrong archive carries the version of the manifests.
fn check_version(exports: &BTreeSet<String>) -> Result<()> {
    for (manifest, key) in [("Cargo.toml", "version = "), ("mos.yml", "version: ")] {
        let text = project::read(manifest)?;
        let version = text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("{manifest} has no version"))?;
        let name = format!("{VERSIONED}{}", version.trim_matches('"').replace(['.', '-', '+'], "_"));
        ensure!(
            exports.contains(&name),
            "{manifest} has version {version}: rename {VERSIONED}... in src/ffi/global.rs, shim/ and shim/exports.txt to {name}"
        );
    }
    Ok(())
}

/// All functions of the API: those that the headers declare, and those that the original defines
/// beyond them. Inline functions are no symbols.
pub fn public_api() -> Result<BTreeSet<String>> {
    let mut names: BTreeSet<String> = BEYOND_HEADERS.map(String::from).into();
    for header in ["include/mgos_mqtt.h", "include/mgos_mqtt_conn.h"] {
        names.extend(functions(&project::read(header)?, DECLARED));
    }
    Ok(names)
}

/// The functions that the shim defines.
fn shim_definitions() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in firmware::c_files(&project::root().join("shim"))? {
        names.extend(functions(&project::read(file)?, DEFINED));
    }
    Ok(names)
}

/// What follows the arguments of a function.
pub const DECLARED: char = ';';
pub const DEFINED: char = '{';

/// The API's functions that C code declares or defines.
pub fn functions(code: &str, which: char) -> BTreeSet<String> {
    let function = Regex::new(&format!(r"(?m)^(?:\w+[ *]+)+(mgos_mqtt_\w+)\([^;{{]*[{which}]")).expect("a valid expression");
    function.captures_iter(code).map(|function| function[1].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_and_definitions_are_told_apart() {
        let code = "/* As\nmgos_mqtt_pub(). */\ntypedef void (*mgos_mqtt_fn_t)(int);\nstruct mg_connection *mgos_mqtt_conn_nc(\n    int a);\n\
                    static inline bool mgos_mqtt_sub(int a) {\n  return mgos_mqtt_conn_sub(a);\n}\n";
        let named = |which| functions(code, which).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!((named(DECLARED).as_str(), named(DEFINED).as_str()), ("mgos_mqtt_conn_nc", "mgos_mqtt_sub"));
    }
}
