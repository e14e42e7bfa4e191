//! `cargo xtask dist`: the library as `mos build` takes it, with an archive for every platform of
//! Mongoose OS, in target/dist/mqtt. Elsewhere: check (requirements on each archive), checksums
//! (SHA256SUMS), replace (the old result stays until the new one is complete), firmware (building
//! an archive), release (what is published).

mod check;
pub mod checksums;
mod replace;

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use project::files;

use crate::firmware::{CORTEX_M3, CORTEX_M4_TI, CORTEX_M4F, ESP32, LX106, Logs, RV32IMAC, RV32IMC, Target, UBUNTU};

#[derive(clap::Args)]
pub struct Args {
    /// Only this platform; can be repeated
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(BTreeSet::from(PLATFORMS.map(|platform| platform.name))))]
    platform: Vec<String>,
    /// Check the contents of the archives, and that the shim compiles without warnings
    #[arg(long)]
    check: bool,
}

/// A Mongoose OS platform, or some of its boards.
pub struct Platform {
    /// Mongoose OS' name, `mos.platform`.
    pub name: &'static str,
    /// The archive's directory below lib/, as in mos.yml and mos_stm32.yml.
    pub dir: &'static str,
    pub target: &'static Target,
}

const fn platform(name: &'static str, target: &'static Target) -> Platform {
    Platform { name, dir: name, target }
}

pub const PLATFORMS: [Platform; 10] = [
    platform("ubuntu", &UBUNTU),
    Platform { name: "stm32", dir: "stm32/cortex-m4f", target: &CORTEX_M4F },
    Platform { name: "stm32", dir: "stm32/cortex-m3", target: &CORTEX_M3 },
    platform("rs14100", &CORTEX_M4F),
    platform("cc3200", &CORTEX_M4_TI),
    platform("cc3220", &CORTEX_M4_TI),
    platform("esp8266", &LX106),
    platform("esp32", &ESP32),
    platform("esp32c3", &RV32IMC),
    platform("esp32c6", &RV32IMAC),
];

/// The archives that every platform's directory has.
const ARCHIVES: [Logs; 2] = [Logs::With, Logs::Without];

pub use replace::replace;

pub fn run(args: Args) -> Result<()> {
    let wanted = |platform: &&Platform| args.platform.is_empty() || args.platform.iter().any(|name| name == platform.name);
    let platforms: Vec<_> = PLATFORMS.iter().filter(wanted).collect();
    let dist = project::target_dir().join("dist").join(subdirectory(&args.platform));
    replace(&dist, |new| build(new, &platforms, args.check))?;
    println!("the library, a location for mos.yml: {}", dist.display());
    Ok(())
}

/// Some platforms alone do not take the place of all. The last part is the library's name.
pub fn subdirectory<Name: Borrow<str>>(platforms: &[Name]) -> PathBuf {
    Path::new(&platforms.join("+")).join("mqtt")
}

/// Fills `dist` with the library for these platforms; with `check`, fails if it is unfit for
/// firmware.
pub fn build(dist: &Path, platforms: &[&Platform], check: bool) -> Result<()> {
    // Several platforms share a target.
    let mut built: BTreeMap<(&str, Logs), PathBuf> = BTreeMap::new();
    let mut shims = BTreeSet::new();
    let mut rows = Vec::new();
    for platform in platforms {
        for logs in ARCHIVES {
            let (key, file) = ((platform.target.name, logs), logs.file());
            if let Entry::Vacant(entry) = built.entry(key) {
                eprintln!("building {file} for {}", platform.target.name);
                entry.insert(platform.target.archive(logs).with_context(|| format!("{}: no {file}", platform.name))?);
            }
            let shipped = dist.join("lib").join(platform.dir).join(file);
            files::copy(&built[&key], &shipped)?;
            if check {
                rows.push(check::archive(platform, &shipped)?);
            }
        }
        if check && shims.insert(platform.target.name) {
            check::shim(platform.target)?;
        }
    }
    copy_sources(dist)?;
    checksums::write(dist)?;
    if check {
        checksums::check(dist)?;
        check::report(&rows)?;
    }
    Ok(())
}

/// Everything except the archives.
fn copy_sources(dist: &Path) -> Result<()> {
    let root = project::root();
    let mut sources = ["mos.yml", "mos_stm32.yml", "LICENSE"].map(|file| root.join(file)).to_vec();
    for (dir, endings) in [("include", &["h"][..]), ("shim", &["c", "h"]), ("mjs_fs", &["js"])] {
        sources.extend(files::list(&root.join(dir))?.into_iter().filter(|file| files::ends_in(file, endings)));
    }
    sources.iter().try_for_each(|file| files::copy(file, &dist.join(file.strip_prefix(&root)?)))
}

#[cfg(test)]
mod tests {
    use host_app::manifest::Manifest;

    use super::*;

    /// The archives that the manifests name for a platform and these variables of the app, of those
    /// that there are: the mos tool drops others.
    fn linked(platform: &str, vars: &[(&str, &str)]) -> Vec<String> {
        let existing: BTreeSet<String> =
            PLATFORMS.iter().flat_map(|platform| ARCHIVES.map(|logs| format!("lib/{}/{}", platform.dir, logs.file()))).collect();
        let named = Manifest::load_for(&project::root(), platform, vars).unwrap().binary_libs;
        named.into_iter().filter(|file| existing.contains(file)).collect()
    }

    #[test]
    fn the_manifests_name_one_archive_for_each_platform() {
        for platform in PLATFORMS.iter().filter(|platform| platform.name != "stm32") {
            assert_eq!(linked(platform.name, &[]), [format!("lib/{}/libmgos_mqtt.a", platform.dir)]);
        }
    }

    #[test]
    fn stm32_f2_gets_the_archive_without_fpu_by_board_device_family_or_request() {
        let (board, device, family) = ("build_vars.BOARD", "build_vars.DEVICE", "build_vars.FAMILY");
        let cpu = "build_vars.MGOS_MQTT_CPU";
        let (m3, m4f) = ("lib/stm32/cortex-m3/libmgos_mqtt.a", "lib/stm32/cortex-m4f/libmgos_mqtt.a");
        for (vars, expected) in [
            (&[][..], m4f),
            (&[(board, "NUCLEO-F746ZG")], m4f),
            (&[(board, "Electron")], m3),
            (&[(board, "mine"), (device, "stm32f205rg")], m3),
            (&[(board, "mine"), (device, "stm32f412rg")], m4f),
            (&[(device, "stm32f205rg")], m3),
            (&[(family, "stm32f2")], m3),
            (&[(family, "stm32l4")], m4f),
            (&[(device, "stm32f207zg"), (cpu, "cortex-m3")], m3),
            (&[(board, "Electron"), (cpu, "cortex-m4f")], m4f),
        ] {
            assert_eq!(linked("stm32", vars), [expected], "{vars:?}");
        }
    }

    #[test]
    fn firmware_without_logging_gets_the_archive_without_log_lines() {
        let (logs, chosen) = ("cdefs.CS_ENABLE_STDIO", "build_vars.MGOS_MQTT_ARCHIVE");
        for (vars, expected) in [
            (&[][..], "libmgos_mqtt.a"),
            (&[(logs, "1")], "libmgos_mqtt.a"),
            (&[(logs, "0")], "libmgos_mqtt_nolog.a"),
            (&[(chosen, "libmgos_mqtt_nolog.a")], "libmgos_mqtt_nolog.a"),
        ] {
            assert_eq!(linked("esp32", vars), [format!("lib/esp32/{expected}")], "{vars:?}");
        }
        assert_eq!(linked("stm32", &[(logs, "0"), ("build_vars.FAMILY", "stm32f2")]), ["lib/stm32/cortex-m3/libmgos_mqtt_nolog.a"]);
    }

    #[test]
    fn some_platforms_alone_do_not_take_the_place_of_all() {
        let [all, one, two] = [&[][..], &["esp32"], &["esp32", "stm32"]].map(subdirectory);
        assert_eq!([all, one, two], ["mqtt", "esp32/mqtt", "esp32+stm32/mqtt"].map(PathBuf::from));
    }
}
