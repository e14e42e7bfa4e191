//! The licence texts of what a release contains code of: those that each crate brings, and those of
//! Rust's `core`, from the toolchain.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use project::{files, output};

use super::sbom::Component;

/// Beginnings of the names of files with licence texts.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "UNLICENSE", "NOTICE"];

/// Of `core`: its licences, and that of its Unicode tables.
const RUST: [&str; 3] = ["MIT.txt", "Apache-2.0.txt", "Unicode-3.0.txt"];

/// Copies the texts into a directory for each component.
pub fn copy(components: &[Component], to: &Path) -> Result<()> {
    for component in components {
        // That of the library is next to mos.yml.
        let Some(from) = component.dir.as_deref().filter(|_| component.name != "mgos-mqtt") else { continue };
        let texts = texts(from)?;
        ensure!(!texts.is_empty(), "{} has no licence text in {}", component.name, from.display());
        copy_all(&texts, &to.join(format!("{}-{}", component.name, component.version)))?;
    }
    copy_all(&rust_texts()?, &to.join("rust"))
}

fn copy_all(texts: &[PathBuf], to: &Path) -> Result<()> {
    for text in texts {
        files::copy(text, &to.join(text.file_name().context("a file has a name")?))?;
    }
    Ok(())
}

/// The licence texts in a crate's directory.
fn texts(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut texts = files::list(dir)?;
    texts.retain(|file| {
        let name = file.file_name().map(|name| name.to_string_lossy().to_uppercase()).unwrap_or_default();
        file.is_file() && NAMES.iter().any(|start| name.starts_with(start))
    });
    Ok(texts)
}

/// The texts for `core`: they are installed with the compiler.
fn rust_texts() -> Result<Vec<PathBuf>> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let sysroot = output(rustc.args(["--print", "sysroot"]).current_dir(project::root()))?;
    let dir = Path::new(sysroot.trim()).join("share/doc/rust/licenses");
    let files = RUST.map(|name| dir.join(name));
    let missing: Vec<_> = files.iter().filter(|file| !file.is_file()).map(|file| file.display().to_string()).collect();
    ensure!(missing.is_empty(), "Rust's licence texts are missing, use a toolchain of rustup: {}", missing.join(", "));
    Ok(files.into())
}

#[cfg(test)]
mod tests {
    use super::super::sbom;
    use super::*;

    #[test]
    fn every_component_has_a_licence_text_in_the_release() {
        let dir = tempfile::tempdir().unwrap();
        let components = sbom::components().unwrap();
        copy(&components, dir.path()).unwrap();
        let texts = |name: &str| texts_in(&dir.path().join(name));
        for component in components.iter().filter(|component| component.dir.is_some() && component.name != "mgos-mqtt") {
            let found = texts(&format!("{}-{}", component.name, component.version));
            assert!(found.contains("Permission is hereby granted"), "{}", component.name);
        }
        for part in ["Permission is hereby granted", "Apache License", "UNICODE LICENSE"] {
            assert!(texts("rust").contains(part), "{part}");
        }
    }

    fn texts_in(dir: &Path) -> String {
        files::list(dir).unwrap().iter().map(|file| project::read(file).unwrap()).collect()
    }

    #[test]
    fn a_component_without_a_licence_text_is_an_error() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(from.path().join("lib.rs"), "").unwrap();
        let mut components = sbom::components().unwrap();
        components.truncate(2);
        components[1].dir = Some(from.path().into());
        let error = copy(&components, to.path()).unwrap_err().to_string();
        assert!(error.contains("has no licence text"), "{error}");
    }
}
