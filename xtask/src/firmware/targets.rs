//! The kinds of devices that the library is built for: Rust's name, the C compiler and its flags,
//! as in the platforms' own builds. Which platform and board uses which target is in dist.

use project::setup::{self, Package};

use super::{Assembler, Layout, Target};

const ARM: &[Package] = &[
    setup::program("gcc-arm-none-eabi", "arm-none-eabi-gcc"),
    setup::program("binutils-arm-none-eabi", "arm-none-eabi-ld"),
    setup::installed("libnewlib-arm-none-eabi"),
];
const RISCV: &[Package] = &[
    setup::program("gcc-riscv64-unknown-elf", "riscv64-unknown-elf-gcc"),
    setup::program("binutils-riscv64-unknown-elf", "riscv64-unknown-elf-ld"),
    setup::installed("picolibc-riscv64-unknown-elf"),
];

/// Cortex-M4 with FPU: STM32 F4, L4, F7.
pub const CORTEX_M4F: Target = Target {
    name: "cortex-m4f",
    triple: "thumbv7em-none-eabihf",
    prefix: "arm-none-eabi-",
    cflags: &["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
    ldflags: &[],
    packages: ARM,
    layout: Layout::Gnu,
    assembler: None,
    fast: false,
};

/// Cortex-M3: STM32 F2.
pub const CORTEX_M3: Target =
    Target { name: "cortex-m3", triple: "thumbv7m-none-eabi", cflags: &["-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft"], ..CORTEX_M4F };

/// Cortex-M4 as built by TI's compiler: without FPU, with sections that its linker scripts place.
pub const CORTEX_M4_TI: Target = Target {
    name: "cortex-m4-ti",
    triple: "thumbv7em-none-eabi",
    cflags: &["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"],
    layout: Layout::Ti,
    ..CORTEX_M4F
};

/// ESP32-C3.
pub const RV32IMC: Target = Target {
    name: "rv32imc",
    triple: "riscv32imc-unknown-none-elf",
    prefix: "riscv64-unknown-elf-",
    cflags: &["-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"],
    ldflags: &["-melf32lriscv"],
    packages: RISCV,
    layout: Layout::Gnu,
    assembler: None,
    fast: false,
};

/// ESP32-C6.
pub const RV32IMAC: Target = Target {
    name: "rv32imac",
    triple: "riscv32imac-unknown-none-elf",
    cflags: &["-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs"],
    ..RV32IMC
};

/// ESP8266.
pub const LX106: Target = Target {
    name: "lx106",
    triple: "xtensa-esp8266-none-elf",
    prefix: "xtensa-lx106-elf-",
    // The package has no C library; these are the headers of the platform's own.
    cflags: &["-mlongcalls", "-mtext-section-literals", "-isystem", "/usr/include/newlib"],
    ldflags: &["--no-relax"],
    packages: &[
        setup::program("gcc-xtensa-lx106", "xtensa-lx106-elf-gcc"),
        setup::program("binutils-xtensa-lx106", "xtensa-lx106-elf-ld"),
        setup::installed("libnewlib-dev"),
    ],
    layout: Layout::Gnu,
    assembler: Some(Assembler {
        json: "esp8266.json",
        filters: &["tidy.awk", "fixlit.awk"],
        command: &["xtensa-lx106-elf-as", "--longcalls", "--text-section-literals"],
    }),
    fast: false,
};

/// Teaches the ESP8266's assembler the ESP32's instructions.
const ESP32_INSTRUCTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/xtensa/esp32.s");

/// ESP32, with the ESP8266's tools: its compiler has the ABI with register windows as well.
pub const ESP32: Target = Target {
    name: "esp32",
    triple: "xtensa-esp32-none-elf",
    cflags: &[
        "-mabi=windowed",
        "-mlongcalls",
        "-mtext-section-literals",
        "-Xassembler",
        ESP32_INSTRUCTIONS,
        "-isystem",
        "/usr/include/newlib",
    ],
    assembler: Some(Assembler {
        json: "esp32.json",
        filters: &["fixlit.awk"],
        command: &["xtensa-lx106-elf-as", "--abi-windowed", "--longcalls", "--text-section-literals", ESP32_INSTRUCTIONS],
    }),
    ..LX106
};

/// This machine, as Mongoose OS' ubuntu platform.
pub const UBUNTU: Target = Target {
    name: "ubuntu",
    triple: "x86_64-unknown-linux-gnu",
    prefix: "",
    cflags: &[],
    ldflags: &[],
    packages: &[setup::program("gcc", "cc"), setup::program("binutils", "objcopy")],
    layout: Layout::Gnu,
    assembler: None,
    fast: false,
};

/// As UBUNTU, optimised for speed: shows what optimising for size costs.
pub const UBUNTU_FAST: Target = Target { name: "ubuntu-fast", fast: true, ..UBUNTU };
