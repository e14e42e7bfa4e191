//! `cargo xtask dist --check`: requirements on an archive and the shim before firmware links them.
//! Inspects the shipped files with binutils, whatever way they were built.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::dist::Platform;
use crate::exports::VERSIONED;
use crate::firmware::{self, Layout, STACK_NOTE, Shim, Target};

/// One line of the table.
pub struct Row {
    platform: &'static str,
    /// In lib/.
    archive: String,
    /// Bytes of text, read-only data, data, bss.
    sizes: [u64; 4],
    exported: usize,
    undefined: usize,
    faults: Vec<String>,
}

/// Inspects the archive of a platform.
pub fn archive(platform: &Platform, path: &Path) -> Result<Row> {
    let target = platform.target;
    let mut faults = Vec::new();
    let members = project::output(target.tool("ar").arg("t").arg(path))?;
    if members.lines().count() != 1 {
        faults.push(format!("expected one object, found {}", members.lines().collect::<Vec<_>>().join(" ")));
    }
    let symbols = target.symbols(path)?;
    let shown = target.exported(path)?;
    let expected = firmware::exports()?;
    faults.extend(expected.difference(&shown).map(|name| format!("does not define {name}")));
    faults.extend(shown.difference(&expected).map(|name| format!("exports {name}, which shim/exports.txt does not list")));
    let undefined: Vec<_> = symbols.iter().filter(|(kind, _)| matches!(kind, 'U' | 'w' | 'v')).map(|(_, name)| name.as_str()).collect();
    let allowed = firmware::names("xtask/allowed_undefined.txt")?;
    let strange = undefined.iter().filter(|name| !name.starts_with("mgos_mqtt_shim_") && !allowed.contains(**name));
    faults.extend(strange.map(|name| format!("needs {name}, which xtask/allowed_undefined.txt does not list")));
    faults.extend(
        firmware::forbidden(&symbols).iter().map(|name| format!("contains {name}: panics, formatting and Rust allocation are not allowed")),
    );
    faults.extend(stack_fault(target, path)?);
    let mut sizes = [0; 4];
    for (name, size) in target.sections(path)?.into_iter().filter(|(name, _)| !target.is_linux() || name != STACK_NOTE) {
        match place(target.layout, &name) {
            Some(Place::Memory(which)) => sizes[which] += size,
            Some(Place::Attributes) => {}
            None => faults.push(format!("section {name}: the platform's linker scripts do not place it")),
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let archive = format!("{}/{name}", platform.dir);
    Ok(Row { platform: platform.name, archive, sizes, exported: shown.len(), undefined: undefined.len(), faults })
}

/// Why a Linux program with these objects would have an executable stack, if it would.
fn stack_fault(target: &Target, path: &Path) -> Result<Option<String>> {
    if !target.is_linux() {
        return Ok(None);
    }
    let listing = project::output(target.tool("objdump").args(["-h", "-w"]).arg(path))?;
    let notes: Vec<_> = listing.lines().filter(|line| line.split_whitespace().nth(1) == Some(STACK_NOTE)).collect();
    let objects = listing.lines().filter(|line| line.contains("file format")).count();
    Ok(if notes.len() != objects {
        Some(format!("an object has no {STACK_NOTE}: linkers would make the firmware's stack executable"))
    } else if notes.iter().any(|note| note.contains("CODE")) {
        Some(format!("{STACK_NOTE} asks for an executable stack"))
    } else {
        None
    })
}

enum Place {
    /// Index into `sizes`.
    Memory(usize),
    /// Notes for the linker.
    Attributes,
}

/// Which column a section counts for, if any.
fn place(layout: Layout, name: &str) -> Option<Place> {
    let is = |section: &str| name == section || name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
    if [".ARM.attributes", ".riscv.attributes", ".xt.prop", ".xt.lit", ".xtensa.info"].into_iter().any(is) {
        return Some(Place::Attributes);
    }
    let memory = match layout {
        _ if is(".text") || is(".literal") => 0,
        Layout::Gnu => [".rodata", ".data", ".bss"].into_iter().position(is)? + 1,
        Layout::Ti => [".const", ".data", ".bss"].into_iter().position(|section| name == section)? + 1,
    };
    Some(Place::Memory(memory))
}

/// Compiles the shim as the platforms do, with warnings as errors.
pub fn shim(target: &Target) -> Result<()> {
    // Strict C99 hides strdup unless requested.
    for standard in [&["-std=gnu99"][..], &["-std=c99", "-D_DEFAULT_SOURCE=1"]] {
        for shim in [Shim::WHOLE, Shim::WITHOUT_LOGS, Shim::LEAST] {
            let objects = target
                .compile_shim(standard, shim)
                .with_context(|| format!("{}: the shim does not compile with {}", target.name, standard[0]))?;
            // Without this reference, linking the wrong archive would go unnoticed.
            let needed = objects.iter().map(|object| target.symbols(object)).collect::<Result<Vec<_>>>()?.concat();
            ensure!(
                needed.iter().any(|(kind, name)| *kind == 'U' && name.starts_with(VERSIONED)),
                "{}: the shim does not reference the archive of its version",
                target.name
            );
        }
    }
    Ok(())
}

/// Prints the table; fails if anything is wrong.
pub fn report(rows: &[Row]) -> Result<()> {
    println!(
        "{:<10} {:<38} {:>7} {:>7} {:>6} {:>6} {:>8} {:>7}  verdict",
        "platform", "archive in lib/", "text", "rodata", "data", "bss", "exported", "needed"
    );
    for row in rows {
        let [text, rodata, data, bss] = row.sizes;
        let verdict = if row.faults.is_empty() { "good" } else { "BAD" };
        println!(
            "{:<10} {:<38} {text:>7} {rodata:>7} {data:>6} {bss:>6} {:>8} {:>7}  {verdict}",
            row.platform, row.archive, row.exported, row.undefined
        );
    }
    let faults: Vec<_> = rows.iter().flat_map(|row| row.faults.iter().map(|fault| format!("\n  {}: {fault}", row.archive))).collect();
    ensure!(faults.is_empty(), "unfit for firmware:{}", faults.concat());
    println!("The shim compiles without warnings.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::firmware::{CORTEX_M4F, UBUNTU};

    #[test]
    fn an_object_that_would_make_the_stack_executable_is_a_fault_on_linux_only() {
        let dir = tempfile::tempdir().unwrap();
        let [source, marked, unmarked, asking] = ["f.c", "marked.o", "unmarked.o", "asking.o"].map(|name| dir.path().join(name));
        std::fs::write(&source, "int f(void) { return 1; }\n").unwrap();
        project::run(Command::new("cc").arg("-c").arg(&source).arg("-o").arg(&marked)).unwrap();
        project::run(Command::new("objcopy").arg(format!("--remove-section={STACK_NOTE}")).arg(&marked).arg(&unmarked)).unwrap();
        project::run(Command::new("objcopy").arg(format!("--set-section-flags={STACK_NOTE}=code")).arg(&marked).arg(&asking)).unwrap();
        let archive = dir.path().join("both.a");
        project::run(Command::new("ar").arg("rcs").arg(&archive).args([&marked, &unmarked])).unwrap();
        assert_eq!(stack_fault(&UBUNTU, &marked).unwrap(), None);
        for bad in [&unmarked, &archive] {
            assert!(stack_fault(&UBUNTU, bad).unwrap().unwrap().contains("has no .note.GNU-stack"));
        }
        assert!(stack_fault(&UBUNTU, &asking).unwrap().unwrap().contains("asks for"));
        assert_eq!(stack_fault(&CORTEX_M4F, &unmarked).unwrap(), None);
    }

    #[test]
    fn sections_that_no_linker_script_places_are_faults() {
        let gnu = ".text .text._ZN4core .rodata .rodata.cst4 .data.x .bss .bss.GLOBAL .ARM.attributes";
        let not_gnu = ".eh_frame .ARM.exidx .ARM.exidx.text.f .ctors .tdata .textual .const";
        let (ti, not_ti) = (".text.f .const .data .bss", ".rodata .rodata.x .data.x .bss.x .ARM.exidx");
        for (layout, names, fits) in
            [(Layout::Gnu, gnu, true), (Layout::Gnu, not_gnu, false), (Layout::Ti, ti, true), (Layout::Ti, not_ti, false)]
        {
            for name in names.split(' ') {
                assert_eq!(place(layout, name).is_some(), fits, "{name}");
            }
        }
    }
}
