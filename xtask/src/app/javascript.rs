//! JavaScript: mJS looks up the C functions that scripts call by their names, so the program needs a
//! table of them. It is made from the `ffi('...')` in the scripts of the app and its libraries. Not
//! here: mJS itself, which comes from a copy of its library.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::Plan;
use crate::project;

/// What to do where mJS is missing.
const NOT_RUN: &str = "note: JavaScript is not run: give copies of mongoose-os-libs/mjs by --lib mjs:PATH and of cesanta/mjs by \
    --module mjs_module:PATH";

/// Adds the table to a program with mJS; says so if scripts have none.
pub(super) fn add(plan: &mut Plan) -> Result<()> {
    if !plan.libs.has("mjs") {
        if plan.libs.left_out.contains("mjs") || plan.files.iter().any(|file| file.ends_with("init.js")) {
            eprintln!("{NOT_RUN}");
        }
        return Ok(());
    }
    let mut names = BTreeSet::new();
    for script in plan.files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "js")) {
        names.extend(called(&read(script)?));
    }
    let table = plan.dir.join("gen/mgos_host_ffi.c");
    project::write_if_changed(&table, &source(&names))?;
    plan.sources.push(("gen".into(), table));
    // Fetches a function from the host's archive, as a weak reference does not.
    plan.link.extend(names.iter().map(|name| format!("-Wl,--undefined={name}")));
    Ok(())
}

fn read(script: &Path) -> Result<String> {
    let text = std::fs::read(script).with_context(|| format!("cannot read {}", script.display()))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The functions that a script calls: `ffi('int f(char *)')` names f.
fn called(script: &str) -> BTreeSet<String> {
    let signatures = script.split("ffi(").skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        rest[1..].split(quote).next()
    });
    let names = signatures.filter_map(|signature| signature.split('(').next()?.trim_end().rsplit([' ', '*', '\n', '\t']).next());
    names.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).map(Into::into).collect()
}

/// The C source of the table (mgos_dlsym.h). A function that does not exist is NULL there, which mJS
/// reports when a script calls it.
fn source(names: &BTreeSet<String>) -> String {
    let declarations: String = names.iter().map(|name| format!("extern void {name}(void) __attribute__((weak));\n")).collect();
    let rows: String = names.iter().map(|name| format!("    {{\"{name}\", (void *) {name}}},\n")).collect();
    format!(
        "/* Generated from the ffi() calls of scripts by `cargo xtask run`; edit those, not this. */\n\n\
         #include <stddef.h>\n\n#include \"mgos_dlsym.h\"\n\n{declarations}\n\
         struct mgos_ffi_export ffi_exports[] = {{\n{rows}    {{NULL, NULL}},\n}};\nint ffi_exports_cnt = {};\n",
        names.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_their_signatures() {
        let script = "let A = {\n  f: ffi('int mgos_f(char *, void (*)(int, userdata), userdata)'),\n  \
            g: ffi(\"void *mgos_g()\"), h: ffi( 'double mgos_h (int)' ),\n};\nlet x = ffi(name);\nffi('void\\n  *mgos_i(void)');\n";
        assert_eq!(called(script).into_iter().collect::<Vec<_>>(), ["mgos_f", "mgos_g", "mgos_h", "mgos_i"]);
    }
}
