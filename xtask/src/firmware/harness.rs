//! Builds a program for a chip or this machine: archive and shim on top of the minimal Mongoose OS
//! in qemu/. Used by qemu and bench.

use std::path::PathBuf;

use anyhow::Result;

use super::{ESP32, LX106, Logs, Shim, Target, c_files};

/// Inputs of a program besides archive, shim and Mongoose OS.
pub struct Harness<'a> {
    pub name: &'a str,
    /// Directory in qemu/ with start-up code and linker script; `None` for this machine.
    pub machine: Option<&'a str>,
    /// Relative to the project's root.
    pub sources: &'a [&'a str],
    /// The sources have a heap, as qemu/memory.c, in place of the C library's.
    pub own_heap: bool,
    pub core: Core,
}

/// Which build of the core a program has.
#[derive(Clone, Copy, PartialEq)]
pub enum Core {
    Archive,
    /// Firmware without a log, and everything else compiled accordingly.
    ArchiveWithoutLogs,
    /// As the archive, with the names of functions.
    Named,
}

/// Sources that every program has.
const COMMON: [&str; 4] = ["qemu/port.c", "qemu/broker.c", "host/c/mbuf.c", "host/c/app/mgos_config_util.c"];

impl Harness<'_> {
    pub fn build(&self, target: &Target) -> Result<PathBuf> {
        let (core, shim) = match self.core {
            Core::Archive => (target.archive(Logs::With)?, Shim::WHOLE),
            Core::ArchiveWithoutLogs => (target.archive(Logs::Without)?, Shim::WITHOUT_LOGS),
            Core::Named => (target.object_with_names()?, Shim::WHOLE),
        };
        let root = project::root();
        let plan = host_app::plan("firmware", None)?;
        let dir = project::target_dir().join("qemu").join(target.name).join(self.name);
        fs_err::create_dir_all(&dir)?;
        let mut sources: Vec<PathBuf> = COMMON.iter().chain(self.sources).map(|source| root.join(source)).collect();
        sources.extend(plan.sources.iter().map(|(_, source)| source).filter(|source| source.ends_with("gen/mgos_config.c")).cloned());
        match self.machine {
            Some(machine) => {
                sources.extend(c_files(&root.join("qemu").join(machine))?);
                if target.triple.starts_with("xtensa") {
                    sources.extend(c_files(&root.join("qemu/xtensa"))?);
                }
            }
            None => sources.push(root.join("qemu/host.c")),
        }
        let mut objects = target.compile_shim(&["-std=gnu99"], shim)?;
        let includes = ["shim", "qemu"].map(|dir| format!("-I{}", root.join(dir).display()));
        objects.extend(target.compile(&sources, &["-std=gnu99", "-g", &includes[0], &includes[1]], shim, &dir)?);
        let program = dir.join("program.elf");
        let mut ld = target.tool("gcc");
        ld.args(target.cflags).arg("-Wl,--gc-sections");
        if let Some(machine) = self.machine {
            ld.arg("-nostartfiles").arg("-T").arg(root.join("qemu").join(machine).join("link.ld"));
        }
        if self.own_heap {
            ld.args(["malloc", "free", "calloc", "realloc", "strdup"].map(|name| format!("-Wl,--wrap={name}")));
        }
        ld.args(&objects).arg(core);
        if target.name == LX106.name {
            ld.args(["-nostdlib", "-lgcc"]);
        } else if target.name == ESP32.name {
            // libgcc has the other ABI.
            ld.args(["-nostdlib", "-Wl,--no-relax"]);
        }
        project::run(ld.arg("-o").arg(&program))?;
        Ok(program)
    }
}
