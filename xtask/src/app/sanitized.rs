//! Programs that watch themselves: C by clang with its address and undefined-behaviour sanitizers, Rust by the nightly compiler with the
//! address sanitizer. Here: the compilers, their flags and the host's library made so. Not here: what is run (c_test).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Built, Compiler, copy_files, name, plan};
use crate::manifest::Manifest;
use crate::project;
use crate::setup;

/// The sanitizers' part of the C compiler is a package of its own, which clang only recommends.
const PACKAGES: &[setup::Package] = &[setup::program("clang", "clang"), setup::installed("libclang-rt-dev")];

pub const CC: &str = "clang";
const SANITIZE: &str = "-fsanitize=address,undefined";
/// What programs are linked with; it takes the sanitizers, and the host's own allocation functions (its feature `starve`).
pub const LINK: [&str; 2] = [SANITIZE, "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup"];
pub const CFLAGS: [&str; 3] = [SANITIZE, "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
/// For all C but the library's own: its allocations are counted apart (host/src/starve.rs).
pub const OTHERS: [&str; 5] = [
    "-DMGOS_HOST_STARVES=1",
    "-Dmalloc=mgos_host_other_malloc",
    "-Dcalloc=mgos_host_other_calloc",
    "-Drealloc=mgos_host_other_realloc",
    "-Dstrdup=mgos_host_other_strdup",
];

/// Build the app in `dir`.
pub fn build(dir: &Path) -> Result<Built> {
    let host = host_library()?;
    let mut manifest = Manifest::load(&std::path::absolute(dir)?)?;
    let name = format!("{}-sanitize", name(&manifest)?);
    manifest.cflags.extend(CFLAGS.map(String::from));
    let plan = plan(&name, Some(manifest))?;
    let objects = Compiler::for_plan(&plan).with_cc(CC).outside_mqtt(&OTHERS).compile(&plan.sources)?;
    let program = plan.dir.join(&name);
    let mut command = Command::new(CC);
    command.args(["-g", "-Wl,--gc-sections", "-o"]).arg(&program).args(&objects).arg(&host).args(LINK);
    project::run(command.args(["-lpthread", "-ldl", "-lm"]))?;
    let files = plan.dir.join("fs");
    copy_files(&plan.filesystem, &files)?;
    Ok(Built { program, files })
}

/// Build libmgos_host.a, with the C in it and the Rust. In a directory of its own, as other flags would have everything else built anew.
pub fn host_library() -> Result<PathBuf> {
    setup::ensure(PACKAGES)?;
    let dir = project::target_dir().join("sanitize");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let variable = target.replace('-', "_");
    let mut cargo = project::nightly()?;
    // With a target given, programs that the build itself runs are made as ever.
    cargo
        .args(["build", "--quiet", "--package", "mgos-host", "--lib", "--features", "starve", "--target", &target])
        .env("CARGO_TARGET_DIR", &dir);
    cargo.env(format!("CC_{variable}"), CC).env(format!("CFLAGS_{variable}"), CFLAGS.join(" "));
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", variable.to_uppercase());
    cargo.env_remove("RUSTFLAGS").env(flags, "-Zsanitizer=address -Cforce-frame-pointers=yes -Cdebug-assertions -Coverflow-checks");
    project::run(&mut cargo)?;
    let archive = dir.join(&target).join("debug/libmgos_host.a");
    // Flags that do not arrive would go unnoticed: nothing would ever be reported.
    for (part, call) in [("mgos_mqtt-", "__asan_report_"), ("mgos_host-", "__asan_report_"), ("mbuf.o", "__ubsan_handle_")] {
        if !calls(&archive, part, call)? {
            bail!("{}: {part}* has no call of {call}*; it was built without the sanitizers", archive.display());
        }
    }
    Ok(archive)
}

/// Whether some object of the archive that has `part` in its name refers to a symbol that begins with `call`.
fn calls(archive: &PathBuf, part: &str, call: &str) -> Result<bool> {
    let output = Command::new("nm").args(["--undefined-only", "--print-file-name"]).arg(archive).output().context("cannot start nm")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names =
        |line: &str| line.rsplit_once(':').is_some_and(|(object, rest)| object.contains(part) && rest.contains(&format!("U {call}")));
    Ok(text.lines().any(names))
}
