//! `cargo xtask qemu`: runs the shipped archives, linked by the platforms' own compilers with the
//! minimal Mongoose OS in qemu/, on emulated chips and on this machine. The scenarios are in
//! qemu/scenarios.c.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use project::child::Child;
use project::setup::{self, Package};

use crate::firmware::harness::{Core, Harness};
use crate::firmware::{CORTEX_M3, CORTEX_M4_TI, CORTEX_M4F, ESP32, LX106, RV32IMAC, RV32IMC, Target, UBUNTU};

#[derive(clap::Args)]
pub struct Args {
    /// Only this machine; can be repeated
    #[arg(long, value_name = "NAME", value_parser = MACHINES.map(|machine| machine.target.name))]
    machine: Vec<String>,
}

struct Machine {
    target: &'static Target,
    /// Directory in qemu/ with start-up code and linker script; `None` for this machine.
    dir: Option<&'static str>,
    /// The emulator with its arguments, to which the program is appended.
    emulator: &'static [&'static str],
    packages: &'static [Package],
}

/// Cortex-M with and without FPU.
const AN386: &[&str] = &["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-semihosting", "-kernel"];
const AN385: &[&str] = &["qemu-system-arm", "-M", "mps2-an385", "-nographic", "-monitor", "none", "-semihosting", "-kernel"];
const VIRT: &[&str] = &["qemu-system-riscv32", "-M", "virt", "-nographic", "-monitor", "none", "-bios", "none", "-kernel"];
const SIM: &[&str] = &["qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", "-nographic", "-monitor", "none", "-semihosting", "-kernel"];
/// The ESP32's core is not packaged; this one has register windows as well.
const SIM_WINDOWED: &[&str] =
    &["qemu-system-xtensa", "-M", "sim", "-cpu", "dc233c", "-nographic", "-monitor", "none", "-semihosting", "-kernel"];

const ARM: &[Package] = &[setup::program("qemu-system-arm", "qemu-system-arm")];
const OTHERS: &[Package] = &[setup::program("qemu-system-misc", "qemu-system-riscv32")];

const MACHINES: [Machine; 8] = [
    Machine { target: &UBUNTU, dir: None, emulator: &[], packages: &[] },
    Machine { target: &CORTEX_M4F, dir: Some("cortex-m"), emulator: AN386, packages: ARM },
    Machine { target: &CORTEX_M3, dir: Some("cortex-m"), emulator: AN385, packages: ARM },
    Machine { target: &CORTEX_M4_TI, dir: Some("cortex-m"), emulator: AN386, packages: ARM },
    Machine { target: &RV32IMC, dir: Some("rv32"), emulator: VIRT, packages: OTHERS },
    Machine { target: &RV32IMAC, dir: Some("rv32"), emulator: VIRT, packages: OTHERS },
    Machine { target: &LX106, dir: Some("lx106"), emulator: SIM, packages: OTHERS },
    Machine { target: &ESP32, dir: Some("esp32"), emulator: SIM_WINDOWED, packages: OTHERS },
];

/// Time limit for all scenarios on one machine.
const TIME_LIMIT: Duration = Duration::from_secs(180);

pub fn run(args: Args) -> Result<()> {
    let wanted = |machine: &&Machine| args.machine.is_empty() || args.machine.iter().any(|name| name == machine.target.name);
    let mut failed = Vec::new();
    for machine in MACHINES.iter().filter(wanted) {
        ensure_emulator(machine)?;
        for (core, what) in [(Core::Archive, ""), (Core::ArchiveWithoutLogs, ", no log")] {
            let name = format!("{}{what}", machine.target.name);
            let program = machine.build(core).with_context(|| format!("cannot build the program for {name}"))?;
            println!("{name}:");
            if let Err(error) = machine.run(&program) {
                println!("  {error:#}");
                failed.push(name);
            }
        }
    }
    ensure!(failed.is_empty(), "failed on {}", failed.join(", "));
    Ok(())
}

/// What all machines need.
pub fn packages() -> Vec<Package> {
    MACHINES.iter().flat_map(|machine| [machine.packages, machine.target.packages].concat()).collect()
}

/// Debian's emulators conflict with qemu-utils from backports.
fn ensure_emulator(machine: &Machine) -> Result<()> {
    let missing = machine.emulator.first().is_some_and(|emulator| !project::has_program(emulator));
    let version = Command::new("dpkg-query").args(["-W", "-f=${Version}", "qemu-utils"]).output();
    if missing && version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).contains("~bpo")) {
        // For apt-get, a trailing minus means removal.
        let gone = setup::installed("qemu-utils-");
        return setup::ensure(&[machine.packages, &[gone]].concat()).context("qemu-utils from backports conflicts with the emulators");
    }
    setup::ensure(machine.packages)
}

/// Runs a program of these sources on the machine for `target`, with these further arguments, and
/// returns its output.
pub fn printed(target: &Target, name: &str, sources: &[&str], args: &[&str]) -> Result<String> {
    let machine = MACHINES.iter().find(|machine| machine.target.name == target.name).context("there is a machine for the target")?;
    ensure_emulator(machine)?;
    let program = Harness { name, machine: machine.dir, sources, own_heap: true, core: Core::Archive }.build(target)?;
    let output = machine.command(&program).args(args).stdin(Stdio::null()).output().context("cannot start the machine")?;
    // Semihosting writes to either stream.
    let text = [output.stdout, output.stderr].map(|stream| String::from_utf8_lossy(&stream).into_owned()).concat();
    ensure!(output.status.success(), "{name} on {}: {}\n{text}", target.name, output.status);
    Ok(text)
}

impl Machine {
    fn build(&self, core: Core) -> Result<PathBuf> {
        let sources = &["qemu/main.c", "qemu/scenarios.c", "qemu/memory.c"];
        let name = if core == Core::Archive { "scenarios" } else { "scenarios_without_log" };
        Harness { name, machine: self.dir, sources, own_heap: true, core }.build(self.target)
    }

    fn command(&self, program: &Path) -> Command {
        match self.emulator.split_first() {
            Some((emulator, args)) => {
                let mut command = Command::new(emulator);
                command.args(args).arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    /// Runs the program and shows its output as it comes.
    fn run(&self, program: &Path) -> Result<()> {
        let mut command = self.command(program);
        let mut child = Child::spawn(command.stdin(Stdio::null())).with_context(|| format!("cannot start {}", project::shown(&command)))?;
        let status = child.wait_until(Instant::now() + TIME_LIMIT)?;
        let status = status.with_context(|| format!("still running after {} s", TIME_LIMIT.as_secs()))?;
        ensure!(status.success(), "{status}");
        Ok(())
    }
}
