//! External programs that commands need: checked, and installed if missing where possible.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use crate::project;

/// A Debian package, and how to tell that it is installed.
#[derive(Clone, Copy)]
pub struct Package {
    pub name: &'static str,
    pub sign: Sign,
}

/// How to detect a package.
#[derive(Clone, Copy)]
pub enum Sign {
    /// By a program in the path.
    Program(&'static str),
    /// By asking the package manager: for libraries.
    Installed,
    /// libclang, wherever the system has it.
    LibClang,
}

/// A package detected by a program.
pub const fn program(name: &'static str, program: &'static str) -> Package {
    Package { name, sign: Sign::Program(program) }
}

/// A package detected by the package manager.
pub const fn installed(name: &'static str) -> Package {
    Package { name, sign: Sign::Installed }
}

/// What building an app needs besides Rust: the host's TLS library is built with CMake, and its
/// headers are parsed by libclang.
pub const COMPILERS: &[Package] =
    &[program("gcc", "cc"), program("g++", "c++"), program("cmake", "cmake"), Package { name: "libclang-dev", sign: Sign::LibClang }];

/// What the host's tests need in addition.
pub const TEST_TOOLS: &[Package] = &[program("openssl", "openssl"), program("valgrind", "valgrind"), program("nodejs", "node")];

/// Makes sure that the packages are installed; installs missing ones, or says how.
pub fn ensure(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().filter(|package| !package.is_there()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !project::has_program("apt-get") {
        bail!("missing: {list} (names of Debian packages); install them with your package manager");
    }
    let root = is_root();
    if !root && !sudo_does_not_prompt() {
        bail!("missing: {list}; install them with: sudo apt-get update && sudo apt-get install -y {list}");
    }
    eprintln!("installing {list}");
    apt_get(root, &["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(missing);
    apt_get(root, &install)
}

impl Package {
    fn is_there(self) -> bool {
        match self.sign {
            Sign::Program(program) => project::has_program(program),
            Sign::Installed => {
                let query = Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", self.name]).output();
                query.is_ok_and(|output| output.stdout == b"installed")
            }
            Sign::LibClang => env::var_os("LIBCLANG_PATH").is_some() || lib_folders().any(|folder| folder.join("libclang.so").exists()),
        }
    }
}

/// Library directories: the system's, and those of each LLVM installed next to it.
fn lib_folders() -> impl Iterator<Item = PathBuf> {
    let inside = |folder: &str, tail: &'static str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(move |entry| entry.path().join(tail))
    };
    let known = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    known.into_iter().chain(inside("/usr/lib", "lib")).chain(inside("/usr/lib", ""))
}

fn apt_get(root: bool, args: &[&str]) -> Result<()> {
    let mut command = Command::new(if root { "apt-get" } else { "sudo" });
    if !root {
        command.args(["-n", "apt-get"]);
    }
    // Hides the package manager's progress; errors are still shown.
    project::run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn sudo_does_not_prompt() -> bool {
    let sudo = Command::new("sudo").args(["-n", "true"]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    sudo.is_ok_and(|status| status.success())
}
