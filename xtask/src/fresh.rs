//! `cargo xtask fresh`: runs the commands of README's quick start as on a machine that has just been
//! set up: in a bare Debian with the packages that README asks for and this machine's Rust, and once
//! more with the newest libclang that this Debian has. What is tested is the last commit.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use project::files;
use project::setup::{self, Package, installed, program};

use crate::docs::text;

#[derive(clap::Args)]
pub struct Args {
    /// Only the first command, the demo
    #[arg(long)]
    demo: bool,
    /// All brokers as well
    #[arg(long, conflicts_with = "demo")]
    brokers: bool,
    /// Only machines whose name contains one of these words, for example: bookworm, libclang
    words: Vec<String>,
}

const PACKAGES: &[Package] =
    &[program("debootstrap", "debootstrap"), installed("debian-archive-keyring"), program("util-linux", "unshare")];

/// Machines to try, each a directory below target/fresh: Debian 12 and 13, bare and with the newest
/// libclang.
const MACHINES: [&str; 4] = ["bookworm-bare", "bookworm-libclang", "trixie-bare", "trixie-libclang"];

/// The packages that README asks for, installed as a user would.
const ASKED: &str = "git gcc";

/// What else such a machine has: whoever has installed Rust has the first.
const BASE: &str = "ca-certificates";

pub fn run(args: Args) -> Result<()> {
    let wanted = |name: &&str| args.words.is_empty() || args.words.iter().any(|word| name.contains(word.as_str()));
    let machines: Vec<_> = MACHINES.into_iter().filter(wanted).collect();
    ensure!(!machines.is_empty(), "no machine matches; machines: {}", MACHINES.join(", "));
    ensure!(setup::is_root(), "this makes root directories and changes into them: run it as root");
    setup::ensure(PACKAGES)?;
    let readme = project::read("README.md")?;
    let mut commands = quick_start(&readme);
    if args.demo {
        commands.truncate(1);
    }
    if args.brokers {
        commands.push("cargo xtask interop");
    }
    let mut report = Vec::new();
    for name in machines {
        println!("\n== {name}: a bare Debian");
        make(name).with_context(|| format!("cannot set up {name}"))?;
        for command in &commands {
            println!("\n== {name}: {command}");
            let begun = Instant::now();
            enter(name, &format!("cd /root/mgos-mqtt && {command}"))
                .with_context(|| format!("failed on {name}, which is left in {}", dir(name).display()))?;
            report.push(format!("  {name:<20} {command:<20} {:>5} s", begun.elapsed().as_secs()));
        }
        files::remove_dir(&dir(name))?;
    }
    println!("\nall commands succeed:\n{}", report.join("\n"));
    Ok(())
}

/// The commands in README's section of that name.
fn quick_start(readme: &str) -> Vec<&str> {
    let section = readme.split("\n## ").find(|section| section.starts_with("Quick start")).unwrap_or_default();
    text::blocks(section).into_iter().flatten().filter(|line| line.starts_with("cargo xtask ")).collect()
}

fn dir(name: &str) -> PathBuf {
    project::target_dir().join("fresh").join(name)
}

/// The bare system, with a clone of this repository in it.
fn make(name: &str) -> Result<()> {
    let (dir, (release, variant)) = (dir(name), name.split_once('-').context("a machine is a release and a variant")?);
    files::empty_dir(&dir)?;
    project::run(Command::new("debootstrap").args(["--variant=minbase", "--include", BASE, release]).arg(&dir))?;
    for (file, why) in [("etc/resolv.conf", "names"), ("etc/ssl/certs/ca-certificates.crt", "certificates")] {
        fs::copy(Path::new("/").join(file), dir.join(file)).with_context(|| format!("cannot take over this machine's {why}"))?;
    }
    // As on an installed system; the newest libclang of Debian 12 comes as a security update.
    let security = format!("sed -n 's:/debian {release} :/debian-security {release}-security :p' /etc/apt/sources.list");
    enter(name, &format!("{security} > /etc/apt/sources.list.d/security.list"))?;
    enter(name, &format!("apt-get update -q && apt-get install -y -q {ASKED}"))?;
    if variant == "libclang" {
        enter(name, NEWEST_LIBCLANG)?;
    }
    let clone = dir.join("root/mgos-mqtt");
    project::run(Command::new("git").args(["clone", "--quiet", "--no-hardlinks"]).arg(project::root()).arg(clone))
}

/// Runs a command there. Whatever it leaves running ends with it.
fn enter(name: &str, command: &str) -> Result<()> {
    let rust = project::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-e", "-c", ENTER, "sh", command]);
    let status = unshare.env("ROOT", dir(name)).env("RUST", rust.trim()).status().context("cannot start unshare")?;
    ensure!(status.success(), "{command}: {status}");
    Ok(())
}

/// Mounts what a system has, and Rust; gone with the namespace. npm and pip bring certificates of
/// their own, and are told of this machine's.
const ENTER: &str = r#"
mkdir -p "$ROOT/opt/rust"
mount --bind "$RUST" "$ROOT/opt/rust"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
certificates=/etc/ssl/certs/ca-certificates.crt
exec env -i HOME=/root TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive \
  NODE_EXTRA_CA_CERTS=$certificates PIP_CERT=$certificates \
  PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot "$ROOT" sh -e -c "$1"
"#;

const NEWEST_LIBCLANG: &str = r#"
newest=$(apt-cache search --names-only '^libclang-[0-9]+-dev$' | cut -d' ' -f1 | sort -V | tail -n 1)
apt-get install -y -q --no-install-recommends "$newest"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_run_and_installed_is_what_readme_says() {
        let readme = project::read("README.md").unwrap();
        assert_eq!(quick_start(&readme), ["cargo xtask demo", "cargo xtask test"]);
        assert!(readme.contains(&format!("`apt-get install {ASKED}`")), "README asks for other packages");
    }
}
