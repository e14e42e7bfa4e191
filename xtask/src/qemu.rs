//! `cargo xtask qemu`: the shipped archives, linked by the platforms' own compilers with a Mongoose OS in memory (qemu/), run on emulated
//! chips and on this machine. What they are put through: qemu/scenarios.c.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::firmware::{CORTEX_M3, CORTEX_M4_TI, CORTEX_M4F, LX106, Logs, RV32IMAC, RV32IMC, Target, UBUNTU, c_files};
use crate::setup::{self, Package};
use crate::{app, project};

#[derive(clap::Args)]
pub struct Args {
    /// Only this machine; more than once for several
    #[arg(long, value_name = "NAME")]
    machine: Vec<String>,
}

struct Machine {
    target: &'static Target,
    /// In qemu/, with the start-up code and the linker script; none for this machine.
    dir: Option<&'static str>,
    /// The emulator and its arguments, to which the program is added.
    emulator: &'static [&'static str],
    packages: &'static [Package],
}

/// Cortex-M with FPU, and without.
const AN386: &[&str] = &["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-semihosting", "-kernel"];
const AN385: &[&str] = &["qemu-system-arm", "-M", "mps2-an385", "-nographic", "-monitor", "none", "-semihosting", "-kernel"];
const VIRT: &[&str] = &["qemu-system-riscv32", "-M", "virt", "-nographic", "-monitor", "none", "-bios", "none", "-kernel"];
const SIM: &[&str] = &["qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", "-nographic", "-monitor", "none", "-semihosting", "-kernel"];

const ARM: &[Package] = &[setup::program("qemu-system-arm", "qemu-system-arm")];
const OTHERS: &[Package] = &[setup::program("qemu-system-misc", "qemu-system-riscv32")];

const MACHINES: [Machine; 7] = [
    Machine { target: &UBUNTU, dir: None, emulator: &[], packages: &[] },
    Machine { target: &CORTEX_M4F, dir: Some("cortex-m"), emulator: AN386, packages: ARM },
    Machine { target: &CORTEX_M3, dir: Some("cortex-m"), emulator: AN385, packages: ARM },
    Machine { target: &CORTEX_M4_TI, dir: Some("cortex-m"), emulator: AN386, packages: ARM },
    Machine { target: &RV32IMC, dir: Some("rv32"), emulator: VIRT, packages: OTHERS },
    Machine { target: &RV32IMAC, dir: Some("rv32"), emulator: VIRT, packages: OTHERS },
    Machine { target: &LX106, dir: Some("lx106"), emulator: SIM, packages: OTHERS },
];

/// For all scenarios on one machine.
const PATIENCE: Duration = Duration::from_secs(180);

pub fn run(args: Args) -> Result<()> {
    let wanted = |machine: &&Machine| args.machine.is_empty() || args.machine.iter().any(|name| name == machine.target.name);
    ensure!(
        args.machine.iter().all(|name| MACHINES.iter().any(|machine| machine.target.name == name)),
        "the machines are {}",
        MACHINES.map(|machine| machine.target.name).join(", ")
    );
    let mut failed = Vec::new();
    for machine in MACHINES.iter().filter(wanted) {
        ensure_emulator(machine)?;
        let program = machine.build().with_context(|| format!("{}: no program", machine.target.name))?;
        println!("{}:", machine.target.name);
        if let Err(error) = machine.run(&program) {
            println!("  {error:#}");
            failed.push(machine.target.name);
        }
    }
    ensure!(failed.is_empty(), "not as it should be on {}", failed.join(", "));
    Ok(())
}

/// Debian's emulators cannot be installed beside qemu-utils from its backports.
fn ensure_emulator(machine: &Machine) -> Result<()> {
    let missing = machine.emulator.first().is_some_and(|emulator| !project::has_program(emulator));
    let version = Command::new("dpkg-query").args(["-W", "-f=${Version}", "qemu-utils"]).output();
    if missing && version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).contains("~bpo")) {
        // To apt-get, a minus behind the name means that it is to go.
        let gone = setup::installed("qemu-utils-");
        return setup::ensure(&[machine.packages, &[gone]].concat())
            .context("qemu-utils from backports stands in the way of the emulators");
    }
    setup::ensure(machine.packages)
}

impl Machine {
    fn build(&self) -> Result<PathBuf> {
        let archive = self.target.archive()?;
        let root = project::root();
        let plan = app::plan("firmware", None)?;
        let dir = project::target_dir().join("qemu").join(self.target.name);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let mut sources: Vec<PathBuf> =
            ["main", "scenarios", "port", "memory", "broker"].map(|name| root.join(format!("qemu/{name}.c"))).into();
        sources.extend(["mbuf.c", "app/mgos_config_util.c"].map(|name| root.join("host/c").join(name)));
        sources.extend(plan.sources.iter().map(|(_, source)| source).filter(|source| source.ends_with("gen/mgos_config.c")).cloned());
        match self.dir {
            Some(machine) => sources.extend(c_files(&root.join("qemu").join(machine))?),
            None => sources.push(root.join("qemu/host.c")),
        }
        let mut objects = self.target.compile_shim(&["-std=gnu99"], Logs::On)?;
        for source in &sources {
            let object = dir.join(source.file_name().context("a file has a name")?).with_extension("o");
            let mut cc = self.target.tool("gcc");
            cc.args(self.target.cflags).args([
                "-Os",
                "-g",
                "-std=gnu99",
                "-ffunction-sections",
                "-fdata-sections",
                "-Wall",
                "-Wextra",
                "-Werror",
            ]);
            cc.args(plan.includes.iter().map(|dir| format!("-I{}", dir.display())));
            cc.arg(format!("-I{}", root.join("shim").display())).arg(format!("-I{}", root.join("qemu").display()));
            project::run(cc.arg("-c").arg(source).arg("-o").arg(&object))?;
            objects.push(object);
        }
        let program = dir.join("scenarios.elf");
        let mut ld = self.target.tool("gcc");
        ld.args(self.target.cflags).args(["-Wl,--gc-sections", "-Wl,-z,noexecstack"]);
        if let Some(machine) = self.dir {
            ld.arg("-nostartfiles").arg("-T").arg(root.join("qemu").join(machine).join("link.ld"));
            ld.arg("-Wl,--no-warn-rwx-segments");
        }
        ld.args(["malloc", "free", "calloc", "realloc", "strdup"].map(|name| format!("-Wl,--wrap={name}")));
        ld.args(&objects).arg(&archive);
        if self.target.name == LX106.name {
            ld.args(["-nostdlib", "-lgcc"]);
        }
        project::run(ld.arg("-o").arg(&program))?;
        Ok(program)
    }

    /// Runs the program; what it prints is shown as it comes.
    fn run(&self, program: &Path) -> Result<()> {
        let mut command = match self.emulator.split_first() {
            Some((emulator, args)) => {
                let mut command = Command::new(emulator);
                command.args(args).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {}", project::shown(&command)))?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if start.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                bail!("no end after {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        ensure!(status.success(), "{status}");
        Ok(())
    }
}
