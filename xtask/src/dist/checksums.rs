//! SHA256SUMS of a release: one line per file, in the format of `sha256sum --check`. Not here:
//! which files a release contains (dist).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use fs_err as fs;
use project::files;
use sha2::{Digest, Sha256};

const NAME: &str = "SHA256SUMS";

/// Writes the checksums of all files below `dir`.
pub fn write(dir: &Path) -> Result<()> {
    save(dir, &of(dir)?)
}

/// Writes the checksums of these files in `dir`.
pub fn write_of(dir: &Path, files: &[&str]) -> Result<()> {
    let sums = files.iter().map(|file| Ok((file.to_string(), sum(&dir.join(file))?))).collect::<Result<_>>()?;
    save(dir, &sums)
}

fn save(dir: &Path, sums: &BTreeMap<String, String>) -> Result<()> {
    let text = sums.iter().fold(String::new(), |text, (file, sum)| text + sum + "  " + file + "\n");
    Ok(fs::write(dir.join(NAME), text)?)
}

fn sum(path: &Path) -> Result<String> {
    Ok(format!("{:x}", Sha256::digest(fs::read(path)?)))
}

/// Checks that exactly the listed files exist, unchanged.
pub fn check(dir: &Path) -> Result<()> {
    let text = fs::read_to_string(dir.join(NAME))?;
    let noted: BTreeMap<_, _> =
        text.lines().filter_map(|line| line.split_once("  ")).map(|(sum, file)| (file.into(), sum.into())).collect();
    let found = of(dir)?;
    let differs: Vec<&String> = noted.keys().chain(found.keys()).filter(|file| noted.get(*file) != found.get(*file)).collect();
    ensure!(differs.is_empty(), "{NAME} does not match these files, build the release again: {differs:?}");
    Ok(())
}

/// The checksums of all files, by their paths relative to `dir`.
pub fn of(dir: &Path) -> Result<BTreeMap<String, String>> {
    let files = files::below(dir)?.into_iter().filter(|file| file != Path::new(NAME));
    files.map(|file| Ok((file.display().to_string(), sum(&dir.join(file))?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_correct_and_a_changed_added_or_missing_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        std::fs::create_dir(file("lib")).unwrap();
        std::fs::write(file("lib/a"), "abc").unwrap();
        std::fs::write(file("b"), "").unwrap();
        super::write(dir.path()).unwrap();
        assert_eq!(
            std::fs::read_to_string(file(NAME)).unwrap(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  lib/a\n"
        );
        check(dir.path()).unwrap();
        let fault = || format!("{}", check(dir.path()).unwrap_err());
        std::fs::write(file("lib/a"), "abd").unwrap();
        assert!(fault().contains("lib/a"));
        std::fs::write(file("lib/a"), "abc").unwrap();
        std::fs::write(file("more"), "").unwrap();
        assert!(fault().contains("more"));
        std::fs::remove_file(file("more")).unwrap();
        std::fs::remove_file(file("b")).unwrap();
        assert!(fault().contains("\"b\""));
    }
}
