//! Programs from crates.io that commands call, each in a pinned version.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cargo, output, run, target_dir};

/// A program, the name of its crate as well.
pub struct Tool {
    pub name: &'static str,
    pub version: &'static str,
    /// For `cargo install`.
    pub options: &'static [&'static str],
}

impl Tool {
    /// The program in this version, from the path or the target directory; installed there if it is
    /// missing.
    pub fn ensure(&self) -> Result<PathBuf> {
        let Tool { name, version, options } = self;
        let tools = target_dir().join("tools");
        let installed = tools.join("bin").join(name);
        for program in [PathBuf::from(name), installed.clone()] {
            if self.is(&program) {
                return Ok(program);
            }
        }
        println!("{name} {version} is missing; building it into {}", tools.display());
        let mut install = cargo();
        // Not optimised: it has little to do, and builds in half the time.
        install.args(["install", name, "--version", version, "--locked", "--debug", "--force"]).args(*options).arg("--root");
        let hint = || format!("{name} is missing; install it with: cargo install {name} --version {version} --locked");
        run(install.arg(&tools)).with_context(hint)?;
        Ok(installed)
    }

    fn is(&self, program: &PathBuf) -> bool {
        let mut command = Command::new(program);
        // cargo passes its own word on: `cargo deny` calls `cargo-deny deny`.
        command.args(self.name.strip_prefix("cargo-")).arg("--version");
        output(&mut command).is_ok_and(|said| said.split_whitespace().any(|word| word.trim_start_matches('v') == self.version))
    }
}
