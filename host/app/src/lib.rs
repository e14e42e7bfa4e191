//! Builds an app for this machine. Here: which sources, headers and configuration an app consists
//! of, and where the build goes. Elsewhere: libs (library resolution), places (where they are),
//! paths (files that a manifest names), javascript, compile (running compilers), link, sanitized
//! (builds with sanitizers).

mod compile;
pub mod confgen;
mod javascript;
mod libs;
mod link;
pub mod manifest;
mod paths;
mod places;
pub mod sanitized;
mod yaml;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
pub use compile::{Compiler, Language};
use fs_err as fs;
use libs::Libs;
use parking_lot::Mutex;
pub use places::Places;
use project::libclang;
use sha2::{Digest, Sha256};

use crate::confgen::Schema;
use crate::manifest::Manifest;

/// A built program and the directory that it uses as its file system.
pub struct Built {
    pub program: PathBuf,
    pub files: PathBuf,
}

impl Built {
    /// A command that starts it in its file system, with these settings.
    pub fn command(&self, settings: &[(&str, &dyn Display)]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.files);
        for (key, value) in settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
    }
}

/// All inputs of a program, including generated files.
#[derive(Default)]
pub struct Plan {
    /// The build directory.
    pub dir: PathBuf,
    /// C and C++ files, each with the part it belongs to, which becomes part of the object's name.
    pub sources: Vec<(String, PathBuf)>,
    /// Include directories in search order.
    pub includes: Vec<PathBuf>,
    pub defines: Vec<(String, String)>,
    pub cflags: Vec<String>,
    pub cxxflags: Vec<String>,
    /// Files for the app's file system.
    files: Vec<PathBuf>,
    /// Options for the linker.
    pub link: Vec<String>,
    /// Parts whose sources are all for other platforms, or nowhere.
    hollow: Vec<String>,
    /// The libraries that it is made of, and those that it lacks.
    libs: Libs,
}

/// Builds the app in `dir`.
pub fn build(dir: &Path, release: bool) -> Result<Built> {
    build_manifest(Manifest::read(&std::path::absolute(dir)?)?, &Places::default(), release, false)
}

/// Builds the app in `dir` with libraries from these places, and prints from which.
pub fn build_with(dir: &Path, places: &Places, release: bool) -> Result<Built> {
    build_manifest(Manifest::read(&std::path::absolute(dir)?)?, places, release, true)
}

fn build_manifest(manifest: Manifest, places: &Places, release: bool, verbose: bool) -> Result<Built> {
    let name = name(&manifest)?;
    let mut plan = plan_with(&name, Some(manifest), places)?;
    if verbose {
        plan.libs.print();
    }
    let host = host_library(release)?;
    plan.add_tls(&host);
    javascript::add(&mut plan, &host.archive)?;
    plan.build(&name, &Compiler::for_plan(&plan), host.archive)
}

/// The app's name is also that of its directory and its program.
fn name(manifest: &Manifest) -> Result<String> {
    let name = match &manifest.name {
        Some(name) => name.clone(),
        None => manifest.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    // Reserved names within the build directory.
    if name.is_empty() || name.starts_with('.') || name.contains('/') || ["fs", "gen", "obj"].contains(&name.as_str()) {
        bail!("{}/mos.yml: {name:?} is a reserved name, choose another one", manifest.dir.display());
    }
    Ok(name)
}

/// The build directory of an app: by its name, unless another app has that already. Apps must not
/// find each other's files.
fn build_dir(name: &str, app: Option<&Manifest>) -> Result<PathBuf> {
    let Some(app) = app else { return Ok(project::target_dir().join("parts").join(name)) };
    let apps = project::target_dir().join("apps");
    let digest = Sha256::digest(app.dir.as_os_str().as_encoded_bytes());
    let other = apps.join(format!("{name}-{digest:.8x}"));
    let (dir, path) = (apps.join(name), app.dir.display().to_string());
    match fs::read_to_string(dir.join("gen/app_dir")) {
        Ok(owner) if owner == path => return Ok(dir),
        Ok(owner) if Path::new(&owner).join("mos.yml").is_file() => return Ok(other),
        // That of an app that is gone.
        Ok(_) => fs::remove_dir_all(&dir)?,
        Err(_) => {}
    }
    fs::create_dir_all(dir.join("gen"))?;
    fs::write(dir.join("gen/app_dir"), path)?;
    Ok(dir)
}

/// Collects the inputs of an app; without an app, those that all apps with the mqtt library share.
pub fn plan(name: &str, app: Option<Manifest>) -> Result<Plan> {
    plan_with(name, app, &Places::default())
}

fn plan_with(name: &str, mut app: Option<Manifest>, places: &Places) -> Result<Plan> {
    let root = project::root();
    let dir = build_dir(name, app.as_ref())?;
    let generated = dir.join("gen");
    fs::create_dir_all(&generated)?;
    let libs = match &mut app {
        Some(app) => Libs::of(app, places)?,
        None => Libs::only_mqtt()?,
    };
    let mut plan = Plan { dir, includes: vec![generated.clone()], defines: libs.defines(name), ..Plan::default() };
    for source in ["mgos_config.c", "mgos_host_tables.c"] {
        plan.sources.push(("gen".into(), generated.join(source)));
    }
    for source in paths::sources(&["host/c/app".into()], &root)? {
        plan.sources.push(("host".into(), source));
    }
    // The app's headers precede those of libraries, as its configuration follows theirs.
    if let Some(app) = &app {
        if app.sources.is_empty() && app.filesystem.is_empty() {
            eprintln!("warning: {}: neither sources nor filesystem: the app has no code of its own", app.dir.join("mos.yml").display());
        }
        plan.add("app", app)?;
    }
    for lib in &libs.found {
        plan.add(&lib.name, &lib.manifest)?;
    }
    // Those of the app override those of libraries.
    for manifest in libs.found.iter().map(|lib| &lib.manifest).chain(&app) {
        for (macro_name, value) in &manifest.cdefs {
            plan.defines.retain(|(old, _)| old != macro_name);
            plan.defines.push((macro_name.clone(), value.clone()));
        }
    }
    plan.includes.push(root.join("host/include"));
    // As with `mos build`, headers next to sources are found by `#include <...>`, too.
    for (part, source) in plan.sources.iter().filter(|(part, _)| !["gen", "host", "mqtt"].contains(&part.as_str())) {
        let dir = source.parent().with_context(|| format!("sources of {part}"))?;
        if !plan.includes.iter().any(|known| known == dir) {
            plan.includes.push(dir.into());
        }
    }
    generate(&generated, name, &libs, app.as_ref(), &plan.inits(&libs))?;
    plan.libs = libs;
    Ok(plan)
}

impl Plan {
    /// Compiles and links the program, and copies the files of its file system.
    fn build(&self, name: &str, compiler: &Compiler, host: PathBuf) -> Result<Built> {
        let mut inputs = compiler.compile(&self.sources).map_err(|error| self.with_left_out(error))?;
        inputs.push(host);
        let program = self.dir.join(name);
        compiler.link(&program, &inputs).map_err(|error| self.with_left_out(error))?;
        // It has no directories. Files that the app wrote there are kept.
        let files = self.dir.join("fs");
        fs::create_dir_all(&files)?;
        self.files.iter().try_for_each(|file| fs::copy(file, files.join(file.file_name().unwrap_or_default())).map(drop))?;
        Ok(Built { program, files })
    }

    /// Expose mbedTLS to the app's C, as on a device: cloud libraries use it for signing.
    fn add_tls(&mut self, host: &Host) {
        self.includes.push(host.tls.join("include"));
        self.defines.push(("MBEDTLS_CONFIG_FILE".into(), format!("\"{}\"", host.tls.join("config.h").display())));
    }

    fn add(&mut self, part: &str, manifest: &Manifest) -> Result<()> {
        let files = paths::sources(&manifest.sources, &manifest.dir).with_context(|| format!("sources of {part}"))?;
        if files.is_empty() && !manifest.sources.is_empty() {
            // Not an error for the mos tool: an app in JavaScript may list sources that it has not.
            eprintln!("note: {part} has no C or C++ file in {}", manifest.sources.join(", "));
            self.hollow.push(part.into());
        }
        self.sources.extend(files.into_iter().map(|file| (part.into(), file)));
        self.includes.extend(manifest.includes.iter().map(|path| manifest.dir.join(path)));
        let files = paths::filesystem(&manifest.filesystem, &manifest.fs_filters, &manifest.dir);
        self.files.extend(files.with_context(|| format!("filesystem of {part}"))?);
        self.cflags.extend(manifest.cflags.iter().cloned());
        self.cxxflags.extend(manifest.cxxflags.iter().cloned());
        Ok(())
    }

    /// The libraries to initialise, in order. One without sources has no init function.
    fn inits<'a>(&self, libs: &'a Libs) -> Vec<&'a str> {
        let has_sources = |name: &&str| self.sources.iter().any(|(part, _)| part == name);
        libs.init_order.iter().map(String::as_str).filter(has_sources).collect()
    }

    /// An error of a compiler may come from what is left out.
    fn with_left_out(&self, error: anyhow::Error) -> anyhow::Error {
        let mut lines = format!("{error:#}");
        if !self.libs.left_out.is_empty() {
            lines += &format!("\nleft out: {}; if what is missing belongs to one, {}", self.libs.left_out(), libs::WAY_OUT);
        }
        if !self.hollow.is_empty() {
            let parts = self.hollow.join(", ");
            lines += &format!(
                "\nwithout sources for Linux: {parts}; if what is missing belongs to one, give one that has them by --lib NAME:PATH"
            );
        }
        anyhow!(lines)
    }
}

/// Writes the generated C of an app.
fn generate(dir: &Path, name: &str, libs: &Libs, app: Option<&Manifest>, inits: &[&str]) -> Result<()> {
    let mut schema = Schema::default();
    let base = yaml::load(&project::root().join("host/mos.yml"))?;
    schema.merge(base.get("config_schema").context("host/mos.yml has no config_schema")?);
    for manifest in libs.found.iter().map(|lib| &lib.manifest).chain(app) {
        for list in &manifest.config_schema {
            schema.merge(list);
        }
    }
    let tree = match confgen::build(&schema) {
        Ok(tree) => tree,
        Err(problems) => bail!("invalid config schema\n  {}", problems.join("\n  ")),
    };
    for warning in &tree.warnings {
        eprintln!("warning: {warning}");
    }
    project::write_if_changed(&dir.join("mgos_config.h"), &confgen::header(&tree))?;
    project::write_if_changed(&dir.join("mgos_config.c"), &confgen::source(&tree))?;
    let app_dir = app.map(|app| app.dir.display().to_string()).unwrap_or_default();
    project::write_if_changed(&dir.join("mgos_host_tables.c"), &confgen::tables(&tree, name, &app_dir, inits))
}

/// The library that every app links.
#[derive(Clone)]
pub struct Host {
    /// libmgos_host.a: the host and the Rust part of the mqtt library.
    pub archive: PathBuf,
    /// Where the bundled mbedTLS has its headers (include) and its configuration (config.h).
    pub tls: PathBuf,
}

/// Builds libmgos_host.a, once per process.
pub fn host_library(release: bool) -> Result<Host> {
    static BUILT: Mutex<[Option<Host>; 2]> = Mutex::new([None, None]);
    let built = &mut BUILT.lock()[usize::from(release)];
    if built.is_none() {
        *built = Some(build_host_library(release)?);
    }
    built.clone().context("the host library")
}

fn build_host_library(release: bool) -> Result<Host> {
    let mut cargo = project::cargo();
    // Flags that are given for the app are not for mbedTLS.
    for variable in ["CFLAGS", "CXXFLAGS", "LDFLAGS"] {
        cargo.env_remove(variable);
    }
    cargo.args(["build", "--package", "mgos-host", "--lib", "--message-format=json-render-diagnostics"]);
    if release {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {}", project::shown(&cargo)))?;
    ensure!(output.status.success(), "{} failed ({}){}", project::shown(&cargo), output.status, libclang::hint());
    let said = String::from_utf8_lossy(&output.stdout);
    let tls = said.lines().find_map(tls_dir).context("cargo's output does not say where mbedTLS was built")?;
    let archive = project::target_dir().join(if release { "release" } else { "debug" }).join("libmgos_host.a");
    Ok(Host { archive, tls })
}

/// Parses one of cargo's JSON messages, one object a line; only one kind matters here.
fn tls_dir(message: &str) -> Option<PathBuf> {
    if !message.contains(r#""reason":"build-script-executed""#) || !message.contains("#mbedtls-sys-auto@") {
        return None;
    }
    let (_, dir) = message.split_once(r#""out_dir":""#)?;
    Some(dir.split_once('"')?.0.into())
}
