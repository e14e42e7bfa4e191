//! Compiles the host's C sources, c/*.c, into the archive. Not c/app/: those need an app's
//! generated configuration and are compiled with each app.

use std::{env, fs, path::Path};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    let root = Path::new(&root);
    let mut sources: Vec<_> = ["c", "src"]
        .iter()
        .flat_map(|dir| fs::read_dir(root.join(dir)).expect("a folder of this package"))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "c"))
        .collect();
    sources.sort();

    println!("cargo:rerun-if-changed=c");
    println!("cargo:rerun-if-changed=include");
    for source in &sources {
        println!("cargo:rerun-if-changed={}", source.display());
    }
    let mut build = cc::Build::new();
    if env::var_os("CARGO_FEATURE_ALLOC_FAULTS").is_some() {
        // Distinguishes the system's allocations from those of the mqtt library: see
        // src/alloc_faults.rs.
        for name in ["malloc", "calloc", "realloc", "strdup"] {
            build.define(name, &*format!("mgos_host_other_{name}"));
        }
    }
    // src/tls.c reads mbedTLS's headers with the configuration that it was built with.
    let mbedtls = |what: &str| env::var(format!("DEP_MBEDTLS_{what}")).expect("set by mbedtls-sys-auto");
    build
        .files(&sources)
        .include(root.join("include"))
        .flag("-isystem")
        .flag(mbedtls("INCLUDE"))
        .define("MBEDTLS_CONFIG_FILE", &*format!("\"{}\"", mbedtls("CONFIG_H")))
        .std("gnu99")
        .warnings(true)
        .extra_warnings(true)
        .flag("-Wundef")
        .flag("-ffunction-sections")
        .flag("-fdata-sections")
        .compile("mgos_host_c");
}
