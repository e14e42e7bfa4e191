//! What tools do with files and directories beyond fs-err, which names the file in each error: reading
//! one of the project, listing, emptying, copying and removing directories.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

use crate::{git, root};

/// The text of a file, by its path in the project.
pub fn read(path: impl AsRef<Path>) -> Result<String> {
    Ok(fs::read_to_string(root().join(path))?)
}

/// Writes a file only if its content changes, so that whatever depends on its modification time
/// stays valid.
pub fn write_if_changed(path: &Path, text: &str) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    Ok(fs::write(path, text)?)
}

/// What is in a directory, by name.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Whether a file's name ends in one of these, without a dot.
pub fn ends_in(file: &Path, endings: &[&str]) -> bool {
    file.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known))
}

/// The files below a directory, by their paths relative to it.
pub fn below(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut left, mut files) = (vec![dir.to_owned()], Vec::new());
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(list(&path)?);
        } else {
            files.push(path.strip_prefix(dir)?.to_owned());
        }
    }
    Ok(files)
}

/// The project's files, relative to its root: those that git knows or would add.
pub fn of_project() -> Result<Vec<PathBuf>> {
    let list = git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    Ok(list.split_terminator('\0').map(PathBuf::from).filter(|file| root().join(file).is_file()).collect())
}

/// Copies a file, into a directory that need not exist yet.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::copy(from, to)?;
    Ok(())
}

/// Copies the files below a directory.
pub fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    below(from)?.iter().try_for_each(|file| copy(&from.join(file), &to.join(file)))
}

/// Removes a file, if it exists.
pub fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Removes a directory with all that is in it, if it exists.
pub fn remove_dir(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    Ok(())
}

/// Makes an empty directory, in place of what was there.
pub fn empty_dir(dir: &Path) -> Result<()> {
    remove_dir(dir)?;
    Ok(fs::create_dir_all(dir)?)
}
