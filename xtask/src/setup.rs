//! `cargo xtask setup`: installs all Debian packages that any command needs, for a machine that is
//! set up once: CI, a container. Without it each command installs what it needs when it runs.

use std::collections::BTreeSet;

use anyhow::Result;
use project::setup::{COMPILERS, Package, TEST_TOOLS, ensure};

use crate::docs::book;
use crate::{bench, firmware, qemu};

#[derive(clap::Args)]
pub struct Args {
    /// Only print the names
    #[arg(long)]
    list: bool,
}

pub fn run(args: Args) -> Result<()> {
    let packages = packages();
    if args.list {
        let names: BTreeSet<_> = packages.iter().map(|package| package.name).collect();
        project::print_lines(names.into_iter().map(str::to_owned));
        return Ok(());
    }
    ensure(&packages)
}

/// All but those of `cargo xtask fresh`, which no other command is part of.
fn packages() -> Vec<Package> {
    let end_to_end = interop::packages_of(&[]);
    let others =
        [COMPILERS, TEST_TOOLS, firmware::RUST, host_app::sanitized::PACKAGES, bench::PACKAGES, bench::PEERS, book::PACKAGES, &end_to_end];
    [others.concat(), qemu::packages()].concat()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use project::files;
    use regex::Regex;

    use super::*;

    #[test]
    fn every_package_that_the_sources_name_is_among_those_to_be_installed() {
        let packages = packages();
        let mut missing = Vec::new();
        let mut found = 0;
        // Not packages: the files of a broker, and what makes way for a package.
        let call = Regex::new(r#"(?:^|[^\w.])(?:program|installed)\("([\w.+-]*[\w+])""#).unwrap();
        let is_source =
            |file: &PathBuf| files::ends_in(file, &["rs"]) && ["xtask", "e2e", "host/app"].iter().any(|dir| file.starts_with(dir));
        for file in files::of_project().unwrap().into_iter().filter(is_source) {
            let text = project::read(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let names = call.captures_iter(code).map(|call| call.extract::<1>().1[0]);
            for name in names.filter(|name| !name.ends_with(".js") && !file.ends_with("fresh.rs")) {
                found += 1;
                if !packages.iter().any(|package| package.name == name) {
                    missing.push(format!("{}: {name}", file.display()));
                }
            }
        }
        assert!(found > 20, "found {found}");
        assert_eq!(missing, [""; 0]);
    }
}
