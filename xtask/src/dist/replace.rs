//! Replaces a directory as a whole: the new one is built beside the old one, which stays until the
//! new one is complete. Not here: what is in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use project::files::{empty_dir, remove_dir};

/// Lets `build` fill a directory that then takes the place of `dir`. If it fails, `dir` stays as it
/// is, and what was built stays beside it until the next attempt.
pub fn replace<T>(dir: &Path, build: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let (new, old) = (beside(dir, "new")?, beside(dir, "old")?);
    // An earlier run ended between the two steps below.
    if !dir.exists() && old.exists() {
        fs::rename(&old, dir)?;
    }
    remove_dir(&old)?;
    empty_dir(&new)?;
    let built = build(&new).with_context(|| format!("{} is unchanged; what was built is in {}", dir.display(), new.display()))?;
    if dir.exists() {
        fs::rename(dir, &old)?;
    }
    fs::rename(&new, dir)?;
    remove_dir(&old)?;
    Ok(built)
}

fn beside(dir: &Path, what: &str) -> Result<PathBuf> {
    let name = dir.file_name().with_context(|| format!("{} has no name", dir.display()))?;
    Ok(dir.with_file_name(format!(".{}.{what}", name.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn write(dir: &Path, name: &str) -> Result<()> {
        Ok(std::fs::write(dir.join(name), name)?)
    }

    fn files(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_build_that_fails_halfway_leaves_the_good_result_and_what_it_built() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("mqtt");
        replace(&dir, |new| write(new, "first")).unwrap();
        let error = replace(&dir, |new| {
            write(new, "half")?;
            bail!("no compiler") as Result<()>
        });
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains("mqtt is unchanged") && error.contains("no compiler"), "{error}");
        assert_eq!(files(&dir), ["first"]);
        assert_eq!(files(&parent.path().join(".mqtt.new")), ["half"]);
        replace(&dir, |new| {
            assert_eq!(files(&dir), ["first"], "until the new one is complete");
            write(new, "second")
        })
        .unwrap();
        assert_eq!(files(&dir), ["second"]);
        assert_eq!(files(parent.path()), ["mqtt"]);
    }

    #[test]
    fn a_run_killed_between_the_two_renames_loses_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("mqtt");
        replace(&dir, |new| write(new, "first")).unwrap();
        std::fs::rename(&dir, parent.path().join(".mqtt.old")).unwrap();
        replace(&dir, |_| bail!("no compiler") as Result<()>).unwrap_err();
        assert_eq!(files(&dir), ["first"]);
    }
}
