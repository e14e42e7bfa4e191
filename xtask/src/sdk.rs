//! `cargo xtask sdk`: headers and libraries to build an app with a single call of cc.

use std::process::Command;

use anyhow::Result;
use host_app::Compiler;
use project::{files, setup};

#[derive(clap::Args)]
pub struct Args {
    /// Build host and library with optimisation
    #[arg(long)]
    release: bool,
}

pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::COMPILERS)?;
    let plan = host_app::plan("sdk", None)?;
    let host = host_app::host_library(args.release)?;
    let objects = Compiler::for_plan(&plan).compile(&plan.sources)?;

    let sdk = project::target_dir().join("sdk");
    let (include, lib) = (sdk.join("include"), sdk.join("lib"));
    // Start from scratch, so that removed headers disappear here too.
    [&include, &lib].into_iter().try_for_each(|dir| files::empty_dir(dir))?;
    // Copy the last in search order first, so that earlier ones overwrite it.
    for dir in plan.includes.iter().rev().chain([&host.tls.join("include")]) {
        for file in files::below(dir)?.iter().filter(|file| files::ends_in(file, &["h", "hpp"])) {
            files::copy(&dir.join(file), &include.join(file))?;
        }
    }
    // mbedTLS' own config.h describes a different build.
    files::copy(&host.tls.join("config.h"), &include.join("mbedtls/config.h"))?;
    files::copy(&host.archive, &lib.join("libmgos_host.a"))?;

    // A single object references everything that libmgos_host.a needs of an app: the linker pulls
    // it in when it resolves main, and with it all that the host needs later. This keeps the
    // command line short.
    let whole = plan.dir.join("mgos_mqtt.o");
    project::run(Command::new("cc").args(["-r", "-nostdlib", "-o"]).arg(&whole).args(&objects))?;
    let archive = lib.join("libmgos_mqtt.a");
    project::run(Command::new("ar").arg("rcs").arg(&archive).arg(&whole))?;

    let sdk = sdk.display();
    println!("{sdk}: headers are in include, libraries in lib. To build an app that defines mgos_app_init():");
    println!("  cc app.c -I{sdk}/include -L{sdk}/lib -lmgos_mqtt -lmgos_host -lpthread -ldl -lm -o app");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_call_of_cc_builds_an_app() {
        run(Args { release: false }).unwrap();
        let sdk = project::target_dir().join("sdk");
        let dir = tempfile::tempdir().unwrap();
        let app = "#include <stdio.h>\n#include \"mgos.h\"\n#include \"mgos_mqtt.h\"\n#include \"mbedtls/md.h\"\n\
            enum mgos_app_init_result mgos_app_init(void) {\n\
            \x20 mgos_mqtt_sub(\"in\", NULL, NULL);\n\
            \x20 printf(\"%s %d\\n\", mgos_sys_config_get_mqtt1_ws_path(), mgos_mqtt_global_is_connected());\n\
            \x20 printf(\"%d\\n\", mbedtls_md_get_size(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256)));\n\
            \x20 fflush(stdout);\n  exit(0);\n}\n";
        std::fs::write(dir.path().join("app.c"), app).unwrap();
        let mut cc = Command::new("cc");
        cc.arg("app.c").arg(format!("-I{}/include", sdk.display())).arg(format!("-L{}/lib", sdk.display()));
        cc.args(["-lmgos_mqtt", "-lmgos_host", "-lpthread", "-ldl", "-lm", "-o", "app"]);
        project::run(cc.current_dir(dir.path())).unwrap();
        let output = Command::new(dir.path().join("app")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "/mqtt 0\n32\n", "{output:?}");
    }
}
