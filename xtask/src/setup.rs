//! Other programs that commands need: looked for, and installed when missing, as far as that is possible here.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use crate::project;

/// A Debian package, and how to see that it is there.
#[derive(Clone, Copy)]
pub struct Package {
    pub name: &'static str,
    pub sign: Sign,
}

/// What a package's presence is known by.
#[derive(Clone, Copy)]
pub enum Sign {
    /// A program in the path.
    Program(&'static str),
    /// Nothing but the package manager's word: for libraries.
    Installed,
    /// The library for reading C headers, wherever a system puts it.
    LibClang,
}

/// A package that is known by a program.
pub const fn program(name: &'static str, program: &'static str) -> Package {
    Package { name, sign: Sign::Program(program) }
}

/// A package that is known by nothing but the package manager.
pub const fn installed(name: &'static str) -> Package {
    Package { name, sign: Sign::Installed }
}

/// What building an app takes beside Rust: the host's TLS library is built with CMake, and its headers are read by libclang.
pub const COMPILERS: &[Package] =
    &[program("gcc", "cc"), program("g++", "c++"), program("cmake", "cmake"), Package { name: "libclang-dev", sign: Sign::LibClang }];

/// What the host's tests take beside that.
pub const TEST_TOOLS: &[Package] = &[program("openssl", "openssl"), program("valgrind", "valgrind"), program("nodejs", "node")];

/// Make sure that the packages are there; install what is missing, or say how.
pub fn ensure(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().filter(|package| !package.is_there()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !project::has_program("apt-get") {
        bail!("missing: {list} (names of Debian packages); install them with this system's package manager");
    }
    let root = is_root();
    if !root && !sudo_asks_nothing() {
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

/// Where libraries are: those of the system, and of each LLVM that is installed beside them.
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
    // Its output would drown what the user waits for; errors still show.
    project::run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn sudo_asks_nothing() -> bool {
    let sudo = Command::new("sudo").args(["-n", "true"]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    sudo.is_ok_and(|status| status.success())
}
