//! `cargo xtask dist`: the library as `mos build` takes it, with an archive for every platform of
//! Mongoose OS, in target/dist/mqtt. Elsewhere: check (requirements on each archive), checksums
//! (SHA256SUMS of a release), firmware (building an archive).

mod check;
mod checksums;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::firmware::{CORTEX_M3, CORTEX_M4_TI, CORTEX_M4F, ESP32, LX106, RV32IMAC, RV32IMC, Target, UBUNTU};
use crate::project;

#[derive(clap::Args)]
pub struct Args {
    /// Only this platform; can be repeated
    #[arg(long, value_name = "NAME")]
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

pub fn run(args: Args) -> Result<()> {
    if let Some(unknown) = args.platform.iter().find(|name| PLATFORMS.iter().all(|platform| platform.name != **name)) {
        let mut names: Vec<_> = PLATFORMS.iter().map(|platform| platform.name).collect();
        names.dedup();
        bail!("unknown platform {unknown}; platforms: {}", names.join(", "));
    }
    let dist = project::target_dir().join("dist/mqtt");
    clear(&dist)?;
    let mut built: Vec<(&'static str, PathBuf)> = Vec::new();
    let mut rows = Vec::new();
    for platform in PLATFORMS.iter().filter(|platform| args.platform.is_empty() || args.platform.iter().any(|name| name == platform.name)) {
        // Several platforms share a target.
        let archive = match built.iter().find(|(name, _)| *name == platform.target.name) {
            Some((_, archive)) => archive.clone(),
            None => platform.target.archive().with_context(|| format!("{}: no archive", platform.name))?,
        };
        let to = dist.join("lib").join(platform.dir);
        std::fs::create_dir_all(&to)?;
        let shipped = to.join("libmgos_mqtt.a");
        std::fs::copy(&archive, &shipped)?;
        if args.check {
            rows.push(check::archive(platform, &shipped)?);
            if built.iter().all(|(name, _)| *name != platform.target.name) {
                check::shim(platform.target)?;
            }
        }
        built.push((platform.target.name, archive));
    }
    copy_sources(&dist)?;
    checksums::write(&dist)?;
    if args.check {
        checksums::check(&dist)?;
    }
    println!("{}", dist.display());
    if args.check { check::report(&rows) } else { Ok(()) }
}

fn clear(dist: &Path) -> Result<()> {
    if dist.exists() {
        std::fs::remove_dir_all(dist).with_context(|| format!("cannot clear {}", dist.display()))?;
    }
    std::fs::create_dir_all(dist).with_context(|| format!("cannot create {}", dist.display()))
}

/// Everything except the archives.
fn copy_sources(dist: &Path) -> Result<()> {
    for file in ["mos.yml", "mos_stm32.yml", "LICENSE"] {
        std::fs::copy(project::root().join(file), dist.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    for (dir, endings) in [("include", &["h"][..]), ("shim", &["c", "h"]), ("mjs_fs", &["js"])] {
        let to = dist.join(dir);
        std::fs::create_dir_all(&to)?;
        for entry in std::fs::read_dir(project::root().join(dir))? {
            let path = entry?.path();
            let wanted = path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted));
            if let Some(name) = path.file_name().filter(|_| wanted) {
                std::fs::copy(&path, to.join(name))?;
            }
        }
    }
    Ok(())
}
