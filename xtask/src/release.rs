//! `cargo xtask release`: what users without Rust build firmware with, in target/dist/release: the
//! library with its archives as a git repository for the mos tool, and the same as a tar.gz; and the C
//! reference.
//! Elsewhere: dist (the library itself), sbom and licences (what the archives are made of), again
//! (that the archives are reproducible), pack (repository and tar.gz).

mod again;
mod licences;
mod pack;
pub mod sbom;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use project::git;

use crate::dist::{self, PLATFORMS, checksums};
use crate::docs::book;

#[derive(clap::Args)]
pub struct Args {
    /// Only check that a release can be made: of uncommitted changes too, building the archives a
    /// second time for one platform of each kind, in target/dist/release-check
    #[arg(long)]
    check: bool,
}

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that a release is made of.
pub struct Source {
    pub commit: String,
    /// Its time, in seconds since 1970 and as ISO 8601: the only time that a release contains.
    pub epoch: String,
    pub time: String,
}

pub fn run(args: Args) -> Result<()> {
    let source = source(args.check)?;
    let dir = project::target_dir().join(if args.check { "dist/release-check" } else { "dist/release" });
    dist::replace(&dir, |new| make(new, &source, args.check))?;
    println!("{}: mqtt is a git repository with tag {VERSION}; {ARCHIVE} has the same files", dir.display());
    Ok(())
}

fn make(new: &Path, source: &Source, check: bool) -> Result<()> {
    let library = new.join("mqtt");
    fs::create_dir(&library)?;
    // CI checks the archives in a step of its own.
    dist::build(&library, &PLATFORMS.iter().collect::<Vec<_>>(), !check)?;
    again::compare(&library, check)?;
    let components = sbom::components()?;
    licences::copy(&components, &library.join("LICENSES"))?;
    let readme = include_str!("release/README.md").replace("{version}", VERSION).replace("{commit}", &source.commit);
    fs::write(library.join("README.md"), readme)?;
    fs::copy(project::root().join("CHANGELOG.md"), library.join("CHANGELOG.md"))?;
    fs::write(library.join("sbom.cdx.json"), sbom::document(&components, &checksums::of(&library)?, source)?)?;
    checksums::write(&library)?;
    pack::repository(&library, source)?;
    pack::archive(&library, &new.join(ARCHIVE), source)?;
    let reference = new.join("reference");
    book::reference(&reference)?;
    pack::archive(&reference, &new.join(REFERENCE), source)?;
    checksums::write_of(new, &[ARCHIVE, REFERENCE])
}

/// Whether what is new is that version.
fn is_for(changelog: &str, version: &str) -> bool {
    changelog.lines().find_map(|line| line.strip_prefix("## ")).is_some_and(|heading| heading.starts_with(&format!("[{version}] - ")))
}

const ARCHIVE: &str = concat!("mgos-mqtt-", env!("CARGO_PKG_VERSION"), ".tar.gz");

/// The C reference as HTML.
const REFERENCE: &str = concat!("mgos-mqtt-reference-", env!("CARGO_PKG_VERSION"), ".tar.gz");

/// The current commit. Fails, unless for a `check`, on uncommitted changes, which no one could build
/// again, and if it is no longer the version that the manifests name.
fn source(check: bool) -> Result<Source> {
    let changed = git(&["status", "--porcelain"]).context("a release is made in a git clone")?;
    ensure!(changed.is_empty() || check, "a release is made of a commit, and these files differ:\n{changed}");
    let changelog = project::read("CHANGELOG.md")?;
    ensure!(check || is_for(&changelog, VERSION), "the first heading of CHANGELOG.md is not that of {VERSION}: see CONTRIBUTING.md");
    let shown =
        |format: &str| git(&["show", "--no-patch", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", &format!("--format={format}"), "HEAD"]);
    Ok(Source { commit: shown("%H")?, epoch: shown("%ct")?, time: shown("%cd")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_with_unreleased_changes_is_for_no_version() {
        let released = "# Changelog\n\n## [1.2.0] - 2026-01-01\n\n### Added\n\n- More.\n\n## [1.1.0] - 2025-01-01\n";
        assert!(is_for(released, "1.2.0") && !is_for(released, "1.1.0") && !is_for(released, "1.2"));
        assert!(!is_for(&released.replace("## [1.2.0] -", "## [Unreleased]\n\n## [1.2.0] -"), "1.2.0"));
    }
}
