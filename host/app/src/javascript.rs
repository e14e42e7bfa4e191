//! JavaScript: mJS looks up the C functions that scripts call by their names, so the program needs a
//! table of them. It is made from the `ffi('...')` in the scripts of the app and its libraries. Not
//! here: mJS itself, which comes from a copy of its library.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use project::files;

use super::Plan;

/// What to do where mJS is missing.
const NOT_RUN: &str = "note: JavaScript is not run: give copies of mongoose-os-libs/mjs by --lib mjs:PATH and of cesanta/mjs by \
    --module mjs_module:PATH";

/// Adds the table to a program with mJS; says so if scripts have none. `host` is libmgos_host.a.
pub(super) fn add(plan: &mut Plan, host: &Path) -> Result<()> {
    if !plan.libs.has("mjs") {
        if plan.libs.left_out.contains("mjs") || plan.files.iter().any(|file| file.ends_with("init.js")) {
            eprintln!("{NOT_RUN}");
        }
        return Ok(());
    }
    // Where the library mjs has files for each platform, the host's come from here.
    plan.files.push(project::root().join("host/js/api_arch_uart.js"));
    let mut names = BTreeSet::new();
    for script in plan.files.iter().filter(|file| files::ends_in(file, &["js"])) {
        names.extend(called(&String::from_utf8_lossy(&fs_err::read(script)?)));
    }
    let of_host = defined(host)?;
    let table = plan.dir.join("gen/mgos_host_ffi.c");
    project::write_if_changed(&table, &source(&names, &of_host))?;
    plan.sources.push(("gen".into(), table));
    // Weak references fetch nothing from an archive, and no shared library.
    plan.link.extend(names.intersection(&of_host).map(|name| format!("-Wl,--undefined={name}")));
    plan.link.push("-Wl,--no-as-needed".into());
    Ok(())
}

/// The functions that an archive has.
fn defined(archive: &Path) -> Result<BTreeSet<String>> {
    let text = project::output(Command::new("nm").args(["--defined-only", "--extern-only"]).arg(archive))?;
    // Address, type, name.
    Ok(text.lines().filter_map(|line| line.split_whitespace().nth(2)).map(Into::into).collect())
}

/// The functions that a script calls: `ffi('int f(char *)')` names f.
fn called(script: &str) -> BTreeSet<String> {
    let signatures = script.split("ffi").skip(1).filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix('(')?.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        rest[1..].split(quote).next()
    });
    let names = signatures.filter_map(|signature| signature.split('(').next()?.trim_end().rsplit([' ', '*', '\n', '\t']).next());
    names.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).map(Into::into).collect()
}

/// The C source of the table (mgos_dlsym.h). Scripts load files with functions that nobody calls, so
/// each of Mongoose OS that is nowhere gets one that logs an error. `of_host` are those of the host;
/// those of libraries win over that one. Others that are nowhere are NULL, which mJS reports.
fn source(names: &BTreeSet<String>, of_host: &BTreeSet<String>) -> String {
    let (mut functions, mut rows) = (String::new(), String::new());
    for (i, name) in names.iter().enumerate() {
        // Headers may declare it with its type, so in C it has another name.
        functions += &if of_host.contains(name) || !name.starts_with("mg") {
            format!("extern int s_function_{i}(void) __asm__(\"{name}\") __attribute__((weak));\n")
        } else {
            format!(
                "int s_function_{i}(void) __asm__(\"{name}\") __attribute__((weak));\n\
                 int s_function_{i}(void) {{\n  LOG(LL_ERROR, (\"the host has no {name}()\"));\n  return 0;\n}}\n"
            )
        };
        rows += &format!("    {{\"{name}\", (void *) s_function_{i}}},\n");
    }
    format!(
        "/* Generated from the ffi() calls of scripts by `cargo xtask run`; edit those, not this. */\n\n\
         #include \"common/cs_dbg.h\"\n#include \"mgos_dlsym.h\"\n\n{functions}\n\
         struct mgos_ffi_export ffi_exports[] = {{\n{rows}    {{NULL, NULL}},\n}};\nint ffi_exports_cnt = {};\n",
        names.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_of_mongoose_os_that_the_host_lacks_get_one_that_logs() {
        let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).into()).collect() };
        let text = source(&set(&["mgos_a", "mgos_b", "sin"]), &set(&["mgos_b"]));
        assert!(text.contains("the host has no mgos_a()") && !text.contains("no mgos_b") && !text.contains("no sin"), "{text}");
        assert!(text.contains("int ffi_exports_cnt = 3;"), "{text}");
    }

    #[test]
    fn functions_are_found_by_their_signatures() {
        let script = "let A = {\n  f: ffi('int mgos_f(char *, void (*)(int, userdata), userdata)'),\n  \
            g: ffi(\"void *mgos_g()\"), h: ffi ( 'double mgos_h (int)' ),\n};\nlet x = ffi(name);\nffi('void\\n  *mgos_i(void)');\n";
        assert_eq!(called(script).into_iter().collect::<Vec<_>>(), ["mgos_f", "mgos_g", "mgos_h", "mgos_i"]);
    }
}
