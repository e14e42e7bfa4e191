//! The Rust part of an archive: a single object with our code. Device builds use a compiler that
//! also builds `core` from source, for a target specification that may differ from Rust's own;
//! builds for this machine use the default compiler.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use project::output;
use project::setup::{self, Package};

use super::{Assembler, Logs, Target};

/// Builds the object and returns its path. Of the archive that Rust makes as well nothing is used:
/// firmware already has memcpy and division routines.
pub fn object(target: &Target, logs: Logs, dir: &Path) -> Result<PathBuf> {
    let object = dir.join("rust.o");
    if let Some(assembler) = target.assembler.as_ref().filter(|_| !has_espressif()) {
        assembled(assembler, logs, dir, &object).with_context(|| format!("for {}", target.name))?;
        return Ok(object);
    }
    let described = description(target, dir)?;
    let mut cargo = match (&target.assembler, &described) {
        (Some(_), _) => espressif("cargo"),
        (None, Some(_)) => debian_cargo()?,
        (None, None) => project::cargo(),
    };
    build(&mut cargo, described.as_deref().unwrap_or(target.triple), logs, &dir.join("rust"));
    if described.is_some() {
        cargo.arg("-Zjson-target-spec");
    }
    if target.fast {
        cargo.args(["--config", "profile.firmware.opt-level=3"]);
    }
    if described.is_some() || target.assembler.is_some() {
        cargo.arg("-Zbuild-std=core");
    }
    project::run(cargo.arg("--").arg(format!("--emit=obj={}", object.display())))?;
    Ok(object)
}

/// Rust's specifications of these targets waste flash, and no stable switch helps. On ARM all code
/// keeps a frame pointer: one register less, and a fifteenth more code. On RISC-V the linker is not
/// told that it may relax calls: a tenth more code. Returns the path of a specification that
/// differs only in that; `None` for other targets.
fn description(target: &Target, dir: &Path) -> Result<Option<String>> {
    let (from, to) = if target.triple.starts_with("thumb") {
        (r#""frame-pointer": "always""#, r#""frame-pointer": "may-omit""#)
    } else if target.triple.starts_with("riscv") {
        (r#""features": ""#, r#""features": "+relax,"#)
    } else {
        return Ok(None);
    };
    let mut rustc = debian(DEBIAN_RUSTC)?;
    let description = output(rustc.args(["-Zunstable-options", "--print", "target-spec-json", "--target", target.triple]))?;
    let lean = description.replace(from, to);
    ensure!(lean != description, "the compiler's description of {} has no {from}", target.triple);
    let path = dir.join(target.triple).with_extension("json");
    fs::write(&path, lean)?;
    Ok(Some(path.display().to_string()))
}

fn build(cargo: &mut Command, target: &str, logs: Logs, target_dir: &Path) {
    cargo.args(["rustc", "--quiet", "--package", "mgos-mqtt", "--lib", "--crate-type", "staticlib"]);
    cargo.args(["--profile", "firmware", "--features", "archive", "--target", target, "--target-dir"]).arg(target_dir);
    if logs == Logs::Without {
        cargo.arg("--no-default-features");
    }
}

/// Lets the compiler emit assembly and the assembler make the object from it.
fn assembled(assembler: &Assembler, logs: Logs, dir: &Path, object: &Path) -> Result<()> {
    let data = project::root().join("xtask/xtensa");
    let json = data.join(assembler.json);
    let written = dir.join("emitted.s");
    let mut cargo = debian_cargo()?;
    cargo.env("RUSTC_WRAPPER", data.join("rustc.sh"));
    build(&mut cargo, &json.to_string_lossy(), logs, &dir.join("rust"));
    cargo.args(["-Zbuild-std=core", "-Zjson-target-spec"]);
    // The back end fails on parts of compiler_builtins when it optimises. They are not used:
    // firmware has libgcc.
    cargo.args(["--config", "profile.firmware.package.compiler_builtins.opt-level=0", "--"]);
    project::run(cargo.arg(format!("--emit=asm={}", written.display())))?;
    let source = dir.join("rust.s");
    fs::copy(&written, &source)?;
    for filter in assembler.filters {
        let filtered = output(Command::new("awk").arg("-f").arg(data.join(filter)).arg(&source))?;
        fs::write(&source, filtered)?;
    }
    let (program, args) = assembler.command.split_first().context("an assembler has a name")?;
    project::run(Command::new(program).args(args).arg(&source).arg("-o").arg(object))
}

/// Whether Espressif's compiler is installed (by espup): its back end needs no workaround.
fn has_espressif() -> bool {
    let list = output(Command::new("rustup").args(["toolchain", "list"]));
    list.is_ok_and(|list| list.lines().any(|line| line == "esp" || line.starts_with("esp ")))
}

fn espressif(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "esp", program]).current_dir(project::root());
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "CARGO"] {
        command.env_remove(name);
    }
    command
}

/// The versions of Rust that build archives: the default one, Debian's, and Espressif's where it is
/// installed.
pub fn toolchains() -> Result<BTreeSet<String>> {
    let mut default = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    default.current_dir(project::root());
    let mut compilers = vec![default, debian(DEBIAN_RUSTC)?];
    compilers.extend(has_espressif().then(|| espressif("rustc")));
    let version = |mut rustc: Command| {
        let text = output(rustc.arg("--version"))?;
        text.split_whitespace().nth(1).map(String::from).with_context(|| format!("a version of Rust expected, not {text}"))
    };
    compilers.into_iter().map(version).collect()
}

/// Where Debian's packages install it; with rustup it is not first in the path.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A cargo whose compiler has the sources of `core`, to build it for the target.
fn debian_cargo() -> Result<Command> {
    let mut cargo = debian(DEBIAN_CARGO)?;
    cargo.current_dir(project::root()).env("RUSTC", DEBIAN_RUSTC);
    Ok(cargo)
}

/// A Rust for targets that need `core` to be built.
pub const RUST: &[Package] = &[setup::installed("rustc-web"), setup::installed("cargo-web"), setup::installed("rust-web-src")];

fn debian(program: &str) -> Result<Command> {
    setup::ensure(RUST)?;
    let mut command = Command::new(program);
    // Building `core` and custom target specifications are unstable features; no other unstable
    // feature is used.
    command.env("RUSTC_BOOTSTRAP", "1");
    for name in ["RUSTUP_TOOLCHAIN", "RUSTDOC", "CARGO", "LD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firmware::ESP32;

    fn tidied(text: &str, test: &str) -> String {
        let dir = project::target_dir().join("firmware");
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join(format!("{test}.s"));
        fs::write(&file, text).unwrap();
        output(Command::new("awk").arg("-f").arg(project::root().join("xtask/xtensa/tidy.awk")).arg(&file)).unwrap()
    }

    #[test]
    fn calls_through_an_address_become_calls_by_name_if_nothing_else_uses_it() {
        let text = "\t.literal .LCPI0_0, near\n\t.literal .LCPI0_1, both\n\t.literal .LCPI0_2, 65535\n\
                    f:\n\tl32r\ta8, .LCPI0_0\n\tor\ta2, a12, a12\n\tcallx0\ta8\n\
                    \tl32r\ta8, .LCPI0_1\n\tbeqz\ta2, .L1\n\tcallx0\ta8\n.L1:\n\
                    \tl32r\ta9, .LCPI0_1\n\tcallx0\ta9\n\
                    \tl32r\ta12, .LCPI0_1\n\tcallx0\ta12\n\
                    \tl32r\ta8, .LCPI0_2\n\tcallx0\ta8\n";
        let expected = "\t.literal .LCPI0_1, both\n\t.literal .LCPI0_2, 65535\n\
                        f:\n\tor\ta2, a12, a12\n\tcall0\tnear\n\
                        \tl32r\ta8, .LCPI0_1\n\tbeqz\ta2, .L1\n\tcallx0\ta8\n.L1:\n\
                        \tcall0\tboth\n\
                        \tl32r\ta12, .LCPI0_1\n\tcallx0\ta12\n\
                        \tl32r\ta8, .LCPI0_2\n\tcallx0\ta8\n";
        assert_eq!(tidied(text, "calls"), expected);
    }

    #[test]
    fn instructions_that_the_assembler_does_not_know_are_encoded_as_the_esp32_expects() {
        // As llvm-mc -mcpu=esp32 encodes them.
        const EXPECTED: [(&str, &[u8]); 25] = [
            ("min a3, a4, a5", &[0x50, 0x34, 0x43]),
            ("max a3, a4, a5", &[0x50, 0x34, 0x53]),
            ("minu a3, a4, a5", &[0x50, 0x34, 0x63]),
            ("maxu a3, a4, a5", &[0x50, 0x34, 0x73]),
            ("muluh a3, a4, a5", &[0x50, 0x34, 0xa2]),
            ("mulsh a3, a4, a5", &[0x50, 0x34, 0xb2]),
            ("quou a3, a4, a5", &[0x50, 0x34, 0xc2]),
            ("quos a3, a4, a5", &[0x50, 0x34, 0xd2]),
            ("remu a3, a4, a5", &[0x50, 0x34, 0xe2]),
            ("rems a3, a4, a5", &[0x50, 0x34, 0xf2]),
            ("sext a3, a4, 7", &[0x00, 0x34, 0x23]),
            ("sext a3, a4, 22", &[0xf0, 0x34, 0x23]),
            ("entry a1, 208", &[0x36, 0xa1, 0x01]),
            ("entry sp, 32760", &[0x36, 0xf1, 0xff]),
            ("retw", &[0x90, 0x00, 0x00]),
            ("retw.n", &[0x1d, 0xf0]),
            ("movsp a3, a4", &[0x30, 0x14, 0x00]),
            ("callx4 a5", &[0xd0, 0x05, 0x00]),
            ("callx8 a8", &[0xe0, 0x08, 0x00]),
            ("s32e a3, a4, -64", &[0x30, 0x04, 0x49]),
            ("l32e a3, a4, -4", &[0x30, 0xf4, 0x09]),
            ("rfwo", &[0x00, 0x34, 0x00]),
            ("rfwu", &[0x00, 0x35, 0x00]),
            ("wsr.windowbase a3", &[0x30, 0x48, 0x13]),
            ("wsr.windowstart a3", &[0x30, 0x49, 0x13]),
        ];
        ESP32.ensure().unwrap();
        let file = project::target_dir().join("firmware/instructions.s");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, EXPECTED.map(|(text, _)| text).join("\n") + "\n").unwrap();
        let (object, bytes) = (file.with_extension("o"), file.with_extension("bin"));
        let (assembler, args) = ESP32.assembler.as_ref().unwrap().command.split_first().unwrap();
        output(Command::new(assembler).args(args).arg(&file).arg("-o").arg(&object)).unwrap();
        output(ESP32.tool("objcopy").args(["-O", "binary", "-j", ".text"]).args([&object, &bytes])).unwrap();
        assert_eq!(fs::read(bytes).unwrap(), EXPECTED.map(|(_, bytes)| bytes).concat());
    }

    #[test]
    fn the_stack_pointer_is_moved_in_one_step_at_the_beginning_and_before_the_end() {
        let (down, up, between) =
            ("\taddi\ta8, a1, -16\n\tor\ta1, a8, a8\n", "\taddi\ta8, a1, 16\n\tor\ta1, a8, a8\n", "\tl8ui\ta3, a8, 0\n");
        assert_eq!(
            tidied(&format!("f:\n{down}{between}.LBB0_1:\n{down}{up}{between}{up}\tret\n"), "stack"),
            format!("f:\n\taddi\ta1, a1, -16\n{between}.LBB0_1:\n{down}{up}{between}\taddi\ta1, a1, 16\n\tret\n")
        );
    }
}
