//! Builds with sanitizers: C by clang with address and undefined-behaviour sanitizers, Rust by the
//! nightly compiler with the address sanitizer. Here: compilers, flags and the host library. Not
//! here: what is run (c_test).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use project::setup;

use super::{Built, Compiler, Plan, name, plan};
use crate::manifest::Manifest;

/// clang's sanitizer runtime is a separate package that clang only recommends.
pub const PACKAGES: &[setup::Package] = &[setup::program("clang", "clang"), setup::installed("libclang-rt-dev")];

const CC: &str = "clang";
const SANITIZE: &str = "-fsanitize=address,undefined";
/// Linker flags: the sanitizers, and the host's allocation wrappers (feature `alloc_faults`).
const LINK: &[&str] = &[SANITIZE, "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup"];
pub const CFLAGS: [&str; 3] = [SANITIZE, "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
/// For all C outside the mqtt library, so that the library's allocations are counted separately
/// (host/src/alloc_faults.rs).
const OTHERS: &[&str] = &[
    "-DMGOS_HOST_HAS_ALLOC_FAULTS=1",
    "-Dmalloc=mgos_host_other_malloc",
    "-Dcalloc=mgos_host_other_calloc",
    "-Drealloc=mgos_host_other_realloc",
    "-Dstrdup=mgos_host_other_strdup",
];

/// Builds the app in `dir` with sanitizers.
pub fn build(dir: &Path) -> Result<Built> {
    let host = host_library()?;
    let mut manifest = Manifest::read(&std::path::absolute(dir)?)?;
    let name = format!("{}-sanitize", name(&manifest)?);
    manifest.cflags.extend(CFLAGS.map(String::from));
    let plan = plan(&name, Some(manifest))?;
    plan.build(&name, &compiler(&plan, true), host)
}

/// Compiles and links a program, with the host library below or without it.
pub fn compiler(plan: &Plan, with_host: bool) -> Compiler<'_> {
    let (outside, link) = if with_host { (OTHERS, LINK) } else { (&[][..], &LINK[..1]) };
    Compiler { plan, cc: Some(CC), outside, link }
}

/// Builds libmgos_host.a with sanitizers in C and Rust. Uses its own target directory, as different
/// flags would rebuild everything else.
pub fn host_library() -> Result<PathBuf> {
    setup::ensure(PACKAGES)?;
    let dir = project::target_dir().join("sanitize");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let variable = target.replace('-', "_");
    let mut cargo = project::nightly()?;
    // With an explicit target, build scripts and proc macros are built without these flags.
    cargo
        .args(["build", "--package", "mgos-host", "--lib", "--features", "alloc_faults", "--target", &target])
        .env("CARGO_TARGET_DIR", &dir);
    cargo.env(format!("CC_{variable}"), CC).env(format!("CFLAGS_{variable}"), CFLAGS.join(" "));
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", variable.to_uppercase());
    cargo.env_remove("RUSTFLAGS").env(flags, "-Zsanitizer=address -Cforce-frame-pointers=yes -Cdebug-assertions -Coverflow-checks");
    project::run(&mut cargo)?;
    let archive = dir.join(&target).join("debug/libmgos_host.a");
    // If the flags got lost, nothing would ever be reported.
    let undefined = project::output(Command::new("nm").args(["--undefined-only", "--print-file-name"]).arg(&archive))?;
    for (part, call) in [("mgos_mqtt-", "U __asan_report_"), ("mgos_host-", "U __asan_report_"), ("mbuf.o", "U __ubsan_handle_")] {
        let calls = |line: &str| line.rsplit_once(':').is_some_and(|(object, rest)| object.contains(part) && rest.contains(call));
        ensure!(undefined.lines().any(calls), "{}: {part}* lacks {call}*; it was built without the sanitizers", archive.display());
    }
    Ok(archive)
}
