//! Directories and files: emptied and written, and those of brokers from other languages' registries.
//! Installs what brokers/ pins below target/, again only when that changes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Writes a file and returns its path.
pub fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = dir.join(name);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Creates a directory, or empties it.
pub fn empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

/// A broker's directory, separate from the files that scenarios leave.
pub fn dir(broker: &str) -> PathBuf {
    project::target_dir().join("interop-brokers").join(broker)
}

/// Copies these files of brokers/BROKER and calls `install`, unless that was done with the
/// same files before.
pub fn install(broker: &str, files: &[&str], install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (from, to) = (project::root().join("e2e/kit/brokers").join(broker), dir(broker));
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
    empty(&to)?;
    for file in files {
        fs::copy(from.join(file), to.join(file)).with_context(|| format!("cannot write to {}", to.display()))?;
    }
    install(&to)?;
    // Written last, so that an incomplete installation does not count.
    fs::write(&done, texts).with_context(|| format!("cannot write {}", done.display()))
}
