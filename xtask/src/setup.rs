//! `cargo xtask setup`: installs all Debian packages that any command needs, for a machine that is
//! set up once: CI, a container. Without it each command installs what it needs when it runs.

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
    let packages = packages()?;
    if args.list {
        let mut names: Vec<_> = packages.iter().map(|package| package.name).collect();
        names.sort_unstable();
        names.dedup();
        project::print_lines(names.into_iter().map(str::to_owned));
        return Ok(());
    }
    ensure(&packages)
}

/// All but those of `cargo xtask fresh`, which no other command is part of.
fn packages() -> Result<Vec<Package>> {
    let end_to_end = interop::packages_of(&[])?;
    let others =
        [COMPILERS, TEST_TOOLS, firmware::RUST, host_app::sanitized::PACKAGES, bench::PACKAGES, bench::PEERS, book::PACKAGES, &end_to_end];
    Ok([others.concat(), qemu::packages()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in `program("name", "...")` and `installed("name")`.
    fn named(text: &str) -> impl Iterator<Item = &str> {
        let calls = ["program(\"", "installed(\""].into_iter();
        calls.flat_map(move |call| text.match_indices(call).map(move |(at, _)| text.split_at(at + call.len()))).filter_map(
            |(before, rest)| {
                let is_call = before.trim_end_matches(['"', '(']).rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').next();
                let is_call = is_call.is_some_and(|word| ["program", "installed"].contains(&word));
                rest.split_once('"').map(|(name, _)| name).filter(|_| is_call)
            },
        )
    }

    #[test]
    fn every_package_that_the_sources_name_is_among_those_to_be_installed() {
        let packages = packages().unwrap();
        let mut missing = Vec::new();
        let mut found = 0;
        for pattern in ["xtask/**/*.rs", "e2e/**/src/**/*.rs", "host/app/**/*.rs"] {
            for path in glob::glob(&project::root().join(pattern).display().to_string()).unwrap().flatten() {
                let file = path.strip_prefix(project::root()).unwrap().display().to_string();
                if ["xtask/src/fresh.rs", "xtask/src/setup.rs"].contains(&file.as_str()) {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                // Not packages: the files of a broker, and what makes way for a package.
                for name in named(code).filter(|name| !name.contains('/') && !name.ends_with(['-', '.']) && !name.ends_with(".js")) {
                    found += 1;
                    if !packages.iter().any(|package| package.name == name) {
                        missing.push(format!("{file}: {name}"));
                    }
                }
            }
        }
        assert!(found > 20, "found {found}");
        assert_eq!(missing, [""; 0]);
    }
}
