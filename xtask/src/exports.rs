//! `cargo xtask exports`: checks that the library defines every symbol of the original, and that
//! the archive exports only those of shim/exports.txt.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use crate::firmware::{self, UBUNTU};

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
    let archive = UBUNTU.archive()?;
    let symbols = UBUNTU.symbols(&archive)?;
    let shown: BTreeSet<String> =
        symbols.iter().filter(|(kind, _)| kind.is_ascii_uppercase() && *kind != 'U').map(|(_, name)| name.clone()).collect();
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
/// beyond them.
pub fn public_api() -> Result<BTreeSet<String>> {
    let mut names: BTreeSet<String> = BEYOND_HEADERS.map(String::from).into();
    for header in ["include/mgos_mqtt.h", "include/mgos_mqtt_conn.h"] {
        let text = project::read(header)?;
        // Comments mention functions too; inline functions are no symbols.
        let mut is_inline = false;
        let mut is_code = |line: &&str| {
            is_inline |= line.starts_with("static inline");
            let skipped = is_inline || line.trim_start().starts_with(['*', '/']);
            is_inline &= *line != "}";
            !skipped
        };
        let code: String = text.lines().filter(|line| is_code(line)).collect::<Vec<_>>().join("\n");
        names.extend(functions(&code));
    }
    Ok(names)
}

/// The functions that the shim defines, taken from the start of each definition.
fn shim_definitions() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in ["mgos_mqtt.c", "mgos_mqtt_conn.c", "mgos_mqtt_config.c", "mgos_mqtt_seam.c", "mgos_mqtt_server.c"] {
        let text = project::read(format!("shim/{file}"))?;
        let definitions =
            text.lines().filter(|line| !line.starts_with([' ', '}', '/', '#']) && !line.ends_with(';')).collect::<Vec<_>>().join("\n");
        names.extend(functions(&definitions));
    }
    Ok(names)
}

/// The API names that are followed by an opening parenthesis.
fn functions(code: &str) -> impl Iterator<Item = String> + '_ {
    let words = code.split('(').filter_map(|before| before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next());
    words.filter(move |word| word.starts_with("mgos_mqtt_")).map(String::from)
}
