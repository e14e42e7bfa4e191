//! Brokers from registries of other languages: what interop/brokers/ pins is installed below target/, anew only when that has changed.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::project;

/// Where a broker is installed. Outside of what conversations leave behind.
pub fn dir(broker: &str) -> PathBuf {
    project::target_dir().join("interop-brokers").join(broker)
}

/// Copy these files of interop/brokers/BROKER there, and let `install` do the rest, unless that has been done with the same files.
pub fn install(broker: &str, files: &[&str], install: impl FnOnce(&std::path::Path) -> Result<()>) -> Result<()> {
    let (from, to) = (project::root().join("interop/brokers").join(broker), dir(broker));
    let done = to.join("installed");
    let mut texts = String::new();
    for file in files {
        let path = from.join(file);
        texts += &fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    if fs::read_to_string(&done).is_ok_and(|same| same == texts) {
        return Ok(());
    }
    eprintln!("installing {broker} in {}", to.display());
    if to.exists() {
        fs::remove_dir_all(&to).with_context(|| format!("cannot empty {}", to.display()))?;
    }
    fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
    for file in files {
        fs::copy(from.join(file), to.join(file)).with_context(|| format!("cannot write to {}", to.display()))?;
    }
    install(&to)?;
    // Last, so that half of it does not count.
    fs::write(&done, texts).with_context(|| format!("cannot write {}", done.display()))
}
