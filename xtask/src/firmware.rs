//! The library as firmware takes it: an archive for one target, made from the same sources as the host's, with one object of our code
//! that shows nothing but the symbols of shim/exports.txt. Here: how it is made and what may be in it. Who asks for it: size, exports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::setup::{self, Package};
use crate::{app, project};

/// What a build for some kind of device takes.
pub struct Target {
    /// Ours, for people and for directories.
    pub name: &'static str,
    /// Rust's.
    pub triple: &'static str,
    /// What the C tools' names begin with.
    prefix: &'static str,
    cflags: &'static [&'static str],
    packages: &'static [Package],
}

/// Cortex-M4 with FPU: STM32 F4, L4, F7.
pub const CORTEX_M4F: Target = Target {
    name: "cortex-m4f",
    triple: "thumbv7em-none-eabihf",
    prefix: "arm-none-eabi-",
    cflags: &["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
    packages: &[
        setup::program("gcc-arm-none-eabi", "arm-none-eabi-gcc"),
        setup::program("binutils-arm-none-eabi", "arm-none-eabi-ld"),
        setup::installed("libnewlib-arm-none-eabi"),
    ],
};

/// This machine, as Mongoose OS' ubuntu platform.
pub const UBUNTU: Target = Target {
    name: "ubuntu",
    triple: "x86_64-unknown-linux-gnu",
    prefix: "",
    cflags: &[],
    packages: &[setup::program("gcc", "cc"), setup::program("binutils", "objcopy")],
};

/// Whether the shim is compiled with its log lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    On,
    Off,
}

impl Target {
    /// Sees to it that the C tools are there.
    pub fn ensure(&self) -> Result<()> {
        setup::ensure(self.packages)
    }

    /// One of the C tools.
    pub fn tool(&self, name: &str) -> Command {
        Command::new(format!("{}{name}", self.prefix))
    }

    fn dir(&self) -> Result<PathBuf> {
        let dir = project::target_dir().join("firmware").join(self.name);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// Builds libmgos_mqtt.a and returns its path.
    pub fn archive(&self) -> Result<PathBuf> {
        self.ensure()?;
        let dir = self.dir()?;
        let raw = self.rust_archive(&dir)?;
        // Of the archive that Rust makes only our own object goes on: the firmware has its memcpy and divisions already.
        let members = output(self.tool("ar").arg("t").arg(&raw))?;
        let ours: Vec<_> = members.lines().filter(|member| member.starts_with("mgos_mqtt-")).collect();
        ensure!(ours.len() == 1, "{}: one object of our own expected, there are {}", raw.display(), ours.len());
        project::run(self.tool("ar").arg("x").arg(&raw).args(&ours).current_dir(&dir))?;
        let exports = exports()?;
        let object = dir.join("mgos_mqtt_core.o");
        let mut ld = self.tool("ld");
        ld.args(["-r", "--gc-sections", "-o"]).arg(&object).arg(dir.join(ours[0]));
        ld.args(exports.iter().flat_map(|name| ["-u", name]));
        project::run(&mut ld)?;
        let mut objcopy = self.tool("objcopy");
        objcopy.args(exports.iter().map(|name| format!("--keep-global-symbol={name}"))).arg(&object);
        project::run(&mut objcopy)?;
        let archive = dir.join("libmgos_mqtt.a");
        if archive.exists() {
            std::fs::remove_file(&archive)?;
        }
        project::run(self.tool("ar").arg("rcsD").arg(&archive).arg(&object))?;
        std::fs::remove_file(dir.join(ours[0]))?;
        Ok(archive)
    }

    /// Has cargo build the library as a static library.
    fn rust_archive(&self, dir: &Path) -> Result<PathBuf> {
        let mut cargo = if has_rustup_target(self.triple) { project::cargo() } else { debian_cargo()? };
        let build_std = cargo.get_program() == DEBIAN_CARGO;
        let target_dir = dir.join("rust");
        cargo.args(["rustc", "--quiet", "--package", "mgos-mqtt", "--lib", "--crate-type", "staticlib"]);
        cargo.args(["--profile", "firmware", "--features", "archive", "--target", self.triple, "--target-dir"]).arg(&target_dir);
        if build_std {
            cargo.arg("-Zbuild-std=core");
        }
        project::run(&mut cargo)?;
        Ok(target_dir.join(self.triple).join("firmware/libmgos_mqtt.a"))
    }

    /// Links archive and shim with what is reachable from `roots`, and returns the program. What the platform provides stays
    /// undefined.
    pub fn link(&self, archive: &Path, roots: &BTreeSet<String>, logs: Logs) -> Result<PathBuf> {
        let plan = app::plan("firmware", None)?;
        let shim = project::root().join("shim");
        let dir = self.dir()?;
        let mut objects = Vec::new();
        for source in c_files(&shim)? {
            let name = source.file_name().context("a file has a name")?;
            let object = dir.join(name).with_extension("o");
            let mut cc = self.tool("gcc");
            cc.args(self.cflags).args([
                "-Os",
                "-std=gnu99",
                "-ffunction-sections",
                "-fdata-sections",
                "-Wall",
                "-Wextra",
                "-Wundef",
                "-Werror",
            ]);
            cc.arg(if logs == Logs::On { "-DCS_ENABLE_STDIO=1" } else { "-DCS_ENABLE_STDIO=0" });
            // Compiled where it stands, so that log lines name the file and not its path, as Mongoose OS has it.
            cc.args(plan.includes.iter().map(|dir| format!("-I{}", dir.display()))).arg("-c").arg(name).current_dir(&shim);
            project::run(cc.arg("-o").arg(&object))?;
            objects.push(object);
        }
        let program = dir.join("linked.elf");
        let mut ld = self.tool("gcc");
        ld.args(self.cflags).args(["-nostdlib", "-Wl,--gc-sections", "-Wl,--unresolved-symbols=ignore-all", "-Wl,-e,mgos_mqtt_init"]);
        ld.args(["-Wl,-z,noexecstack"]).args(roots.iter().map(|name| format!("-Wl,-u,{name}"))).args(&objects).arg(archive);
        project::run(ld.arg("-o").arg(&program))?;
        Ok(program)
    }

    /// Sizes of an object's sections, by name.
    pub fn sections(&self, object: &Path) -> Result<Vec<(String, u64)>> {
        let listing = output(self.tool("size").arg("-A").arg(object))?;
        let lines = listing.lines().filter(|line| line.starts_with('.'));
        Ok(lines
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                Some((words.next()?.to_string(), words.next()?.parse().ok()?))
            })
            .collect())
    }

    /// Symbols of an object or archive, with the letter that nm gives them.
    pub fn symbols(&self, object: &Path) -> Result<Vec<(char, String)>> {
        let listing = output(self.tool("nm").arg(object))?;
        Ok(listing
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace().rev();
                let name = words.next()?;
                Some((words.next()?.chars().next()?, name.to_string()))
            })
            .collect())
    }
}

/// Symbols that would mean a panic, formatting or allocation by Rust's own means: none of them belongs into firmware.
pub fn forbidden(symbols: &[(char, String)]) -> Vec<&str> {
    // Names are mangled: a crate's or module's name is preceded by its length.
    const PARTS: [&str; 5] = ["9panicking", "4core3fmt", "core9panic", "5alloc", "rust_begin_unwind"];
    let bad = symbols.iter().filter(|(_, name)| PARTS.iter().any(|part| name.contains(part)) || name.starts_with("__rust_"));
    bad.map(|(_, name)| name.as_str()).collect()
}

/// The symbols that the archive shows.
pub fn exports() -> Result<BTreeSet<String>> {
    let path = project::root().join("shim/exports.txt");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(String::from).collect())
}

/// What a command prints.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", project::shown(command)))?;
    if !output.status.success() {
        bail!("{} failed: {}", project::shown(command), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn c_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "c"));
    files.sort();
    Ok(files)
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
fn debian_cargo() -> Result<Command> {
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
