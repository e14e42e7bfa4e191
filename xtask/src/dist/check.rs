//! `cargo xtask dist --check`: requirements on an archive and the shim before firmware links them.
//! Inspects the shipped files with binutils, whatever way they were built.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::dist::Platform;
use crate::exports::VERSIONED;
use crate::firmware::{self, Layout, Shim, Target};

/// One line of the table.
pub struct Row {
    platform: &'static str,
    dir: &'static str,
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
    let members = firmware::output(target.tool("ar").arg("t").arg(path))?;
    if members.lines().count() != 1 {
        faults.push(format!("expected one object, found {}", members.lines().collect::<Vec<_>>().join(" ")));
    }
    let symbols = target.symbols(path)?;
    let global = |(kind, _): &&(char, String)| kind.is_ascii_uppercase() && *kind != 'U';
    let shown: BTreeSet<_> = symbols.iter().filter(global).map(|(_, name)| name.clone()).collect();
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
    let mut sizes = [0; 4];
    for (name, size) in target.sections(path)? {
        match place(target.layout, &name) {
            Some(Place::Memory(which)) => sizes[which] += size,
            Some(Place::Attributes) => {}
            None => faults.push(format!("section {name}: the platform's linker scripts do not place it")),
        }
    }
    Ok(Row { platform: platform.name, dir: platform.dir, sizes, exported: shown.len(), undefined: undefined.len(), faults })
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
    match layout {
        _ if is(".ARM.attributes") || is(".riscv.attributes") || is(".xt.prop") || is(".xt.lit") || is(".xtensa.info") => {
            Some(Place::Attributes)
        }
        _ if is(".text") || is(".literal") => Some(Place::Memory(0)),
        Layout::Gnu if is(".rodata") => Some(Place::Memory(1)),
        Layout::Gnu if is(".data") => Some(Place::Memory(2)),
        Layout::Gnu if is(".bss") => Some(Place::Memory(3)),
        Layout::Ti if name == ".const" => Some(Place::Memory(1)),
        Layout::Ti if name == ".data" => Some(Place::Memory(2)),
        Layout::Ti if name == ".bss" => Some(Place::Memory(3)),
        _ => None,
    }
}

/// Compiles the shim as the platforms do, with warnings as errors.
pub fn shim(target: &Target) -> Result<()> {
    // Strict C99 hides strdup unless requested.
    for standard in [&["-std=gnu99"][..], &["-std=c99", "-D_DEFAULT_SOURCE=1"]] {
        for shim in [Shim::Whole, Shim::WithoutLogs, Shim::Least] {
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
        "{:<10} {:<22} {:>7} {:>7} {:>6} {:>6} {:>8} {:>7}  verdict",
        "platform", "archive in lib/", "text", "rodata", "data", "bss", "exported", "needed"
    );
    for row in rows {
        let [text, rodata, data, bss] = row.sizes;
        let verdict = if row.faults.is_empty() { "good" } else { "BAD" };
        println!(
            "{:<10} {:<22} {text:>7} {rodata:>7} {data:>6} {bss:>6} {:>8} {:>7}  {verdict}",
            row.platform, row.dir, row.exported, row.undefined
        );
    }
    let faults: Vec<_> = rows.iter().flat_map(|row| row.faults.iter().map(|fault| format!("\n  {}: {fault}", row.dir))).collect();
    ensure!(faults.is_empty(), "unfit for firmware:{}", faults.concat());
    println!("The shim compiles without warnings.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(layout: Layout, name: &str) -> bool {
        place(layout, name).is_some()
    }

    #[test]
    fn sections_that_the_linker_scripts_place_are_known() {
        for name in [".text", ".text._ZN4core", ".rodata", ".rodata.cst4", ".data.x", ".bss", ".bss.GLOBAL", ".ARM.attributes"] {
            assert!(fits(Layout::Gnu, name), "{name}");
        }
        for name in [".text.f", ".const", ".data", ".bss"] {
            assert!(fits(Layout::Ti, name), "{name}");
        }
    }

    #[test]
    fn sections_that_nothing_places_are_faults() {
        for name in [".eh_frame", ".ARM.exidx", ".ARM.exidx.text.f", ".ctors", ".tdata", ".textual", ".const"] {
            assert!(!fits(Layout::Gnu, name), "{name}");
        }
        for name in [".rodata", ".rodata.x", ".data.x", ".bss.x", ".ARM.exidx"] {
            assert!(!fits(Layout::Ti, name), "{name}");
        }
    }
}
