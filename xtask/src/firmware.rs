//! The library for firmware: an archive for one target, built from the same sources as the host's,
//! with a single object that exports only the symbols of shim/exports.txt. Here: how it is built
//! and what it may contain. Used by size, exports and others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;
use project::setup::{self, Package};
use project::{files, output};
use regex::Regex;

pub mod harness;
mod rust;
mod targets;

pub use rust::{RUST, toolchains};
pub use targets::{CORTEX_M3, CORTEX_M4_TI, CORTEX_M4F, ESP32, LX106, RV32IMAC, RV32IMC, UBUNTU, UBUNTU_FAST};

/// Build settings for one kind of device.
pub struct Target {
    /// Our name, for output and directories.
    pub name: &'static str,
    /// Rust's target triple.
    pub triple: &'static str,
    /// Prefix of the C tools' names.
    prefix: &'static str,
    pub cflags: &'static [&'static str],
    /// Linker flags for joining objects: the linker does not read the target from them.
    ldflags: &'static [&'static str],
    pub packages: &'static [Package],
    pub layout: Layout,
    assembler: Option<Assembler>,
    /// Optimised for speed instead of size: for comparison only.
    fast: bool,
}

/// Rust's Xtensa back end misplaces literals in objects. Set where an external assembler makes the
/// objects from its assembly, and how.
pub struct Assembler {
    /// The target specification, in xtask/xtensa.
    json: &'static str,
    /// Filters for the assembly, applied in order; in xtask/xtensa as well.
    filters: &'static [&'static str],
    command: &'static [&'static str],
}

/// Whose linker scripts place the sections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// GNU ld's: .text*, .rodata*, .data*, .bss*.
    Gnu,
    /// TI's: .text*, .const, .data, .bss.
    Ti,
}

/// What the shim is compiled with; an app's cdefs choose it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shim {
    pub logs: bool,
    pub websocket: bool,
    pub debug_topics: bool,
}

impl Shim {
    pub const WHOLE: Shim = Shim { logs: true, websocket: true, debug_topics: true };
    pub const WITHOUT_LOGS: Shim = Shim { logs: false, ..Shim::WHOLE };
    pub const LEAST: Shim = Shim { logs: false, websocket: false, debug_topics: false };

    /// The compiler's flags.
    pub fn cdefs(self) -> [String; 3] {
        [("CS_ENABLE_STDIO", self.logs), ("MGOS_MQTT_ENABLE_WS", self.websocket), ("MGOS_MQTT_ENABLE_DEBUG_TOPICS", self.debug_topics)]
            .map(|(name, on)| format!("-D{name}={}", on as u8))
    }
}

/// Variants of the archive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Logs {
    With,
    /// For firmware that is built without logging: what is done for log lines only is left out.
    Without,
}

impl Logs {
    /// The archive's name.
    pub fn file(self) -> &'static str {
        if self == Logs::With { "libmgos_mqtt.a" } else { "libmgos_mqtt_nolog.a" }
    }
}

impl Target {
    /// Makes sure that the C tools are installed.
    pub fn ensure(&self) -> Result<()> {
        setup::ensure(self.packages)
    }

    /// One of the C tools.
    pub fn tool(&self, name: &str) -> Command {
        Command::new(format!("{}{name}", self.prefix))
    }

    fn dir(&self) -> Result<PathBuf> {
        let dir = project::target_dir().join("firmware").join(self.name);
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Builds an archive and returns its path.
    pub fn archive(&self, logs: Logs) -> Result<PathBuf> {
        self.ensure()?;
        let dir = if logs == Logs::With { self.dir()? } else { self.dir()?.join("nolog") };
        fs::create_dir_all(&dir)?;
        let core = rust::object(self, logs, &dir)?;
        let exports = exports()?;
        let object = dir.join("mgos_mqtt_core.o");
        let mut ld = self.tool("ld");
        ld.args(self.ldflags).args(["-r", "--gc-sections", "-o"]).arg(&object).arg(&core);
        ld.args(exports.iter().flat_map(|name| ["-u", name]));
        project::run(&mut ld)?;
        let mut objcopy = self.tool("objcopy");
        objcopy.args(exports.iter().map(|name| format!("--keep-global-symbol={name}")));
        // Nothing unwinds, and these sections are only for debugging.
        let unplaced = || UNPLACED.into_iter().chain((!self.is_linux()).then_some(STACK_NOTE));
        objcopy.args(unplaced().map(|section| format!("--remove-section={section}")));
        objcopy.args(unplaced().flat_map(|section| [".rel", ".rela"].map(|rel| format!("--remove-section={rel}{section}"))));
        if self.layout == Layout::Ti {
            for (name, _) in self.sections(&object)? {
                let to = [(".rodata", ".const"), (".data", ".data"), (".bss", ".bss")];
                if let Some((_, to)) = to.iter().find(|(from, to)| name.starts_with(from) && name != *to) {
                    objcopy.arg(format!("--rename-section={name}={to}"));
                }
            }
        }
        project::run(objcopy.arg("--strip-unneeded").arg(&object))?;
        let archive = dir.join(logs.file());
        files::remove(&archive)?;
        project::run(self.tool("ar").arg("rcsD").arg(&archive).arg(&object))?;
        Ok(archive)
    }

    /// The object that `archive` is made from, still with the names of symbols that are not
    /// exported.
    pub fn object_with_names(&self) -> Result<PathBuf> {
        self.archive(Logs::With)?;
        Ok(self.dir()?.join("rust.o"))
    }

    /// Compiles the shim as firmware does, with warnings as errors. Returns the objects.
    pub fn compile_shim(&self, standard: &[&str], shim: Shim) -> Result<Vec<PathBuf>> {
        let flags = [standard, &["-Wundef"]].concat();
        self.compile(&c_files(&project::root().join("shim"))?, &flags, shim, &self.dir()?)
    }

    /// Compiles sources into a directory, with the headers of Mongoose OS and warnings as errors.
    fn compile(&self, sources: &[PathBuf], flags: &[&str], shim: Shim, dir: &Path) -> Result<Vec<PathBuf>> {
        let plan = host_app::plan("firmware", None)?;
        let compile = |source: &PathBuf| {
            let name = source.file_name().context("a file has a name")?;
            let object = dir.join(name).with_extension("o");
            let mut cc = self.tool("gcc");
            cc.args(self.cflags).args([if self.fast { "-O2" } else { "-Os" }, "-ffunction-sections", "-fdata-sections"]);
            cc.args(["-Wall", "-Wextra", "-Werror"]).args(flags).args(shim.cdefs());
            cc.args(plan.includes.iter().map(|dir| format!("-I{}", dir.display()))).arg("-c").arg(name);
            // Compiled in its own directory, so that log lines contain the file name without a
            // path, as in Mongoose OS.
            project::run(cc.arg("-o").arg(&object).current_dir(source.parent().context("a file is in a directory")?))?;
            Ok(object)
        };
        sources.iter().map(compile).collect()
    }

    /// Links archive and shim with what is reachable from `roots`, and returns the program. Symbols
    /// of the platform stay undefined.
    pub fn link(&self, archive: &Path, roots: &BTreeSet<String>, shim: Shim) -> Result<PathBuf> {
        let objects = self.compile_shim(&["-std=gnu99"], shim)?;
        let program = self.dir()?.join("linked.elf");
        let mut ld = self.tool("gcc");
        ld.args(self.cflags).args(["-nostdlib", "-Wl,--gc-sections", "-Wl,--unresolved-symbols=ignore-all", "-Wl,-e,mgos_mqtt_init"]);
        ld.arg(format!("-Wl,-Map={}", program.with_extension("map").display()));
        ld.args(roots.iter().map(|name| format!("-Wl,-u,{name}"))).args(&objects).arg(archive);
        project::run(ld.arg("-o").arg(&program))?;
        Ok(program)
    }

    /// Whether its programs run on Linux.
    pub fn is_linux(&self) -> bool {
        self.triple.contains("-linux-")
    }

    /// Sizes of an object's sections, by name.
    pub fn sections(&self, object: &Path) -> Result<Vec<(String, u64)>> {
        let listing = output(self.tool("size").arg("-A").arg(object))?;
        let sections = Regex::new(r"(?m)^(\.\S+)\s+(\d+)")?;
        sections.captures_iter(&listing).map(|section| Ok((section[1].to_owned(), section[2].parse()?))).collect()
    }

    /// Symbols that an object or archive defines for others.
    pub fn exported(&self, object: &Path) -> Result<BTreeSet<String>> {
        let symbols = self.symbols(object)?;
        Ok(symbols.into_iter().filter(|(kind, _)| kind.is_ascii_uppercase() && *kind != 'U').map(|(_, name)| name).collect())
    }

    /// Symbols of an object or archive, with nm's type letter.
    pub fn symbols(&self, object: &Path) -> Result<Vec<(char, String)>> {
        let listing = output(self.tool("nm").arg(object))?;
        let symbols = Regex::new(r"(?m) ([[:alpha:]?-]) (\S+)$")?;
        Ok(symbols.captures_iter(&listing).map(|symbol| (char::from(symbol[1].as_bytes()[0]), symbol[2].to_owned())).collect())
    }
}

/// Sections that are left out of the archive.
const UNPLACED: [&str; 4] = [".ARM.exidx*", ".ARM.extab*", ".eh_frame", ".comment"];

/// Says that an object needs no executable stack. One object without it makes the stack of a whole
/// Linux program executable. Compilers for bare metal do not emit it, and their linkers do not look
/// at it.
pub const STACK_NOTE: &str = ".note.GNU-stack";

/// Symbols that indicate panics, formatting or Rust's own allocation, none of which firmware may
/// contain.
pub fn forbidden(symbols: &[(char, String)]) -> Vec<&str> {
    // In mangled names a crate's or module's name is preceded by its length.
    const PARTS: [&str; 5] = ["9panicking", "4core3fmt", "core9panic", "5alloc", "rust_begin_unwind"];
    let bad = symbols.iter().filter(|(_, name)| PARTS.iter().any(|part| name.contains(part)) || name.starts_with("__rust_"));
    bad.map(|(_, name)| name.as_str()).collect()
}

/// The symbols that the archive exports.
pub fn exports() -> Result<BTreeSet<String>> {
    names("shim/exports.txt")
}

/// Reads a list in the repository, one name per line.
pub fn names(path: &str) -> Result<BTreeSet<String>> {
    let text = project::read(path)?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(String::from).collect())
}

/// The C and assembly sources in a directory, by name.
pub fn c_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = files::list(dir)?;
    files.retain(|file| files::ends_in(file, &["c", "s"]));
    Ok(files)
}
