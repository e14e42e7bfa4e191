//! Builds the archives a second time, from a copy of the sources at another path, with nothing
//! taken from the first build. Both must have the same bytes: whoever distrusts a release can make
//! it again.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use project::files;

use crate::dist::{self, checksums};

/// One platform for each way in which an object is made: by the default compiler, by the one that
/// also builds `core`, and through each of the two assemblers.
const ONE_OF_EACH_KIND: [&str; 4] = ["ubuntu", "rs14100", "esp8266", "esp32"];

/// Compares the archives of `library` with those of the second build: of all platforms, or of one
/// of each kind.
pub fn compare(library: &Path, one_of_each_kind: bool) -> Result<()> {
    let platforms: &[&str] = if one_of_each_kind { &ONE_OF_EACH_KIND } else { &[] };
    // Longer, as lengths may matter, too.
    let copy = project::target_dir().join("the-same-sources-elsewhere").join("mgos-mqtt");
    files::remove_dir(&copy)?;
    for file in files::of_project()? {
        files::copy(&project::root().join(&file), &copy.join(&file))?;
    }
    println!("building {} again in {}", if one_of_each_kind { platforms.join(", ") } else { "all".into() }, copy.display());
    let mut again = Command::new(std::env::current_exe()?);
    again.arg("dist").args(platforms.iter().flat_map(|name| ["--platform", name])).current_dir(&copy);
    // The runner takes the root from the first, and its output goes to the second.
    again.env("CARGO_MANIFEST_DIR", copy.join("xtask")).env("CARGO_TARGET_DIR", copy.join("target"));
    project::run(&mut again).context("the second build failed")?;
    let second = copy.join("target/dist").join(dist::subdirectory(platforms));
    let differing = differing(library, &second)?;
    ensure!(differing.is_empty(), "the second build, in {}, differs in {}", second.display(), differing.join(", "));
    println!("the same bytes");
    files::remove_dir(&copy)
}

/// The files of `second` that `first` does not have with the same content.
fn differing(first: &Path, second: &Path) -> Result<Vec<String>> {
    let (first, mut second) = (checksums::of(first)?, checksums::of(second)?);
    ensure!(!second.is_empty(), "the second build is empty");
    second.retain(|file, sum| first.get(file) != Some(sum));
    Ok(second.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_second_build_makes_differently_or_alone_is_named() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |dir: &tempfile::TempDir, name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        assert!(differing(first.path(), second.path()).is_err());
        for name in ["same", "other", "first only"] {
            write(&first, name, "1");
        }
        write(&second, "same", "1");
        assert_eq!(differing(first.path(), second.path()).unwrap(), [] as [&str; 0]);
        write(&second, "other", "2");
        write(&second, "second only", "1");
        assert_eq!(differing(first.path(), second.path()).unwrap(), ["other", "second only"]);
    }
}
