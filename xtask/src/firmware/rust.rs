//! Rust's part of an archive: the one object with our code, for a target that rustup has installed, or else by a compiler that has the
//! sources of `core` and builds that for the target as well.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::{Target, UBUNTU, output};
use crate::project;
use crate::setup;

/// Makes the object and returns its path.
pub fn object(target: &Target, dir: &Path) -> Result<PathBuf> {
    let raw = archive(target, dir)?;
    // Of the archive that Rust makes only our own object goes on: the firmware has its memcpy and divisions already.
    let members = output(target.tool("ar").arg("t").arg(&raw))?;
    let ours: Vec<_> = members.lines().filter(|member| member.starts_with("mgos_mqtt-")).collect();
    ensure!(ours.len() == 1, "{}: one object of our own expected, there are {}", raw.display(), ours.len());
    project::run(target.tool("ar").arg("x").arg(&raw).args(&ours).current_dir(dir))?;
    let object = dir.join("rust.o");
    std::fs::rename(dir.join(ours[0]), &object)?;
    Ok(object)
}

/// Has cargo build the library as a static library.
fn archive(target: &Target, dir: &Path) -> Result<PathBuf> {
    let mut cargo = if has_rustup_target(target.triple) { project::cargo() } else { debian_cargo()? };
    let build_std = cargo.get_program() == DEBIAN_CARGO;
    let target_dir = dir.join("rust");
    cargo.args(["rustc", "--quiet", "--package", "mgos-mqtt", "--lib", "--crate-type", "staticlib"]);
    cargo.args(["--profile", "firmware", "--features", "archive", "--target", target.triple, "--target-dir"]).arg(&target_dir);
    if build_std {
        cargo.arg("-Zbuild-std=core");
    }
    project::run(&mut cargo)?;
    Ok(target_dir.join(target.triple).join("firmware/libmgos_mqtt.a"))
}

fn has_rustup_target(triple: &str) -> bool {
    triple == UBUNTU.triple
        || Command::new("rustup")
            .args(["target", "list", "--installed"])
            .output()
            .is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).lines().any(|line| line == triple))
}

/// Where Debian's packages put it; it is not the first in the path where rustup is in use.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A cargo whose compiler has the sources of `core`, to be built for the target.
pub fn debian_cargo() -> Result<Command> {
    setup::ensure(&[setup::installed("rustc-web"), setup::installed("cargo-web"), setup::installed("rust-web-src")])?;
    let mut cargo = Command::new(DEBIAN_CARGO);
    cargo.current_dir(project::root()).env("RUSTC", "/usr/bin/rustc");
    // Building `core` is not a stable feature yet; nothing else that isn't is used.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    for name in ["RUSTUP_TOOLCHAIN", "RUSTDOC", "CARGO", "LD_LIBRARY_PATH"] {
        cargo.env_remove(name);
    }
    Ok(cargo)
}
