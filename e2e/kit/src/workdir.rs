//! Files for brokers: their configuration, and what comes from other languages' registries.
//! Installs what brokers/ pins below target/, again only when that changes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;
use project::files;

/// Writes a file and returns its path.
pub fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let file = dir.join(name);
    fs::write(&file, text)?;
    Ok(file)
}

/// A broker's directory, separate from the files that scenarios leave.
pub fn dir(broker: &str) -> PathBuf {
    project::target_dir().join("interop-brokers").join(broker)
}

/// Copies these files of brokers/BROKER and calls `install`, unless that was done with the
/// same files before.
pub fn install(broker: &str, names: &[&str], install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (from, to) = (project::root().join("e2e/kit/brokers").join(broker), dir(broker));
    let done = to.join("installed");
    let texts = names.iter().map(|name| fs::read_to_string(from.join(name))).collect::<Result<String, _>>()?;
    if fs::read_to_string(&done).is_ok_and(|same| same == texts) {
        return Ok(());
    }
    eprintln!("installing {broker} in {}", to.display());
    files::empty_dir(&to)?;
    names.iter().try_for_each(|name| files::copy(&from.join(name), &to.join(name)))?;
    install(&to)?;
    // Written last, so that an incomplete installation does not count.
    Ok(fs::write(done, texts)?)
}
