//! Builds an app for this machine. Here: which sources, headers and configuration an app consists
//! of, and where the build goes. Elsewhere: libs (library resolution), compile (running compilers),
//! sanitized (builds with sanitizers).

mod compile;
mod libs;
pub mod sanitized;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod stand_ins;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::confgen::{self, Lib, Schema};
use crate::manifest::Manifest;
use crate::{libclang, project, yaml};

pub use compile::{Compiler, Language};
use libs::Libs;

/// A built program and the directory that it uses as its file system.
pub struct Built {
    pub program: PathBuf,
    pub files: PathBuf,
}

/// All inputs of a program, including generated files.
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
    /// Directories with files for the app's file system.
    filesystem: Vec<PathBuf>,
}

/// Builds the app in `dir`.
pub fn build(dir: &Path, release: bool) -> Result<Built> {
    build_manifest(Manifest::load(&std::path::absolute(dir)?)?, release)
}

fn build_manifest(manifest: Manifest, release: bool) -> Result<Built> {
    let name = name(&manifest)?;
    let mut plan = plan(&name, Some(manifest))?;
    let host = host_library(release)?;
    plan.add_tls(&host);
    let objects = Compiler::for_plan(&plan).compile(&plan.sources)?;
    let program = plan.dir.join(&name);
    compile::link(&plan, &objects, &host.archive, &program)?;
    let files = plan.dir.join("fs");
    copy_files(&plan.filesystem, &files)?;
    Ok(Built { program, files })
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

/// Collects the inputs of an app; without an app, those that all apps with the mqtt library share.
pub fn plan(name: &str, app: Option<Manifest>) -> Result<Plan> {
    let root = project::root();
    let kind = if app.is_some() { "apps" } else { "parts" };
    let dir = project::target_dir().join(kind).join(name);
    let generated = dir.join("gen");
    std::fs::create_dir_all(&generated).with_context(|| format!("cannot create {}", generated.display()))?;

    let libs = match &app {
        Some(app) => Libs::of(app)?,
        None => Libs::only_mqtt()?,
    };
    if !libs.lacking.is_empty() {
        eprintln!("note: libraries not available on the host, skipped: {}", libs.lacking.join(", "));
    }
    let inits = libs.found.iter().map(|(name, lib)| {
        let init = (!lib.sources.is_empty()).then(|| format!("mgos_{}_init", name.replace('-', "_")));
        Lib { name: name.clone(), init }
    });
    generate(&generated, name, &libs, app.as_ref(), &inits.collect::<Vec<_>>())?;

    let mut plan = Plan {
        dir,
        sources: Vec::new(),
        includes: vec![generated.clone()],
        defines: libs.defines(name),
        cflags: Vec::new(),
        cxxflags: Vec::new(),
        filesystem: Vec::new(),
    };
    for source in ["mgos_config.c", "mgos_host_tables.c"] {
        plan.sources.push(("gen".into(), generated.join(source)));
    }
    for source in sources_in(&root.join("host/c/app"))? {
        plan.sources.push(("host".into(), source));
    }
    // The app's headers precede those of libraries, as its configuration follows theirs.
    let parts = app.iter().map(|app| ("app", app)).chain(libs.found.iter().map(|(name, lib)| (name.as_str(), lib)));
    for (part, manifest) in parts {
        plan.add(part, manifest)?;
    }
    plan.includes.push(root.join("host/include"));
    Ok(plan)
}

impl Plan {
    /// Expose mbedTLS to the app's C, as on a device: cloud libraries use it for signing.
    fn add_tls(&mut self, host: &Host) {
        self.includes.push(host.tls.join("include"));
        self.defines.push(("MBEDTLS_CONFIG_FILE".into(), format!("\"{}\"", host.tls.join("config.h").display())));
    }

    fn add(&mut self, part: &str, manifest: &Manifest) -> Result<()> {
        let from = |paths: &[String]| paths.iter().map(|path| manifest.dir.join(path)).collect::<Vec<_>>();
        for source in from(&manifest.sources) {
            for file in expand_source(&source).with_context(|| format!("sources of {part}"))? {
                self.sources.push((part.into(), file));
            }
        }
        self.includes.extend(from(&manifest.includes));
        self.filesystem.extend(from(&manifest.filesystem));
        self.defines.extend(manifest.cdefs.iter().cloned());
        self.cflags.extend(manifest.cflags.iter().cloned());
        self.cxxflags.extend(manifest.cxxflags.iter().cloned());
        Ok(())
    }
}

/// Writes the generated C of an app.
fn generate(dir: &Path, name: &str, libs: &Libs, app: Option<&Manifest>, inits: &[Lib]) -> Result<()> {
    let mut schema = Schema::default();
    let base = yaml::load(&project::root().join("host/mos.yml"))?;
    schema.merge(base.get("config_schema").context("host/mos.yml has no config_schema")?);
    for manifest in libs.found.iter().map(|(_, lib)| lib).chain(app) {
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
    project::write_if_changed(&dir.join("mgos_host_tables.c"), &confgen::tables(&tree, name, inits))
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
    let built = &mut BUILT.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(release)];
    if built.is_none() {
        *built = Some(build_host_library(release)?);
    }
    built.clone().context("the host library")
}

fn build_host_library(release: bool) -> Result<Host> {
    let mut cargo = project::cargo();
    cargo.args(["build", "--package", "mgos-host", "--lib", "--message-format=json-render-diagnostics"]);
    if release {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {}", project::shown(&cargo)))?;
    if !output.status.success() {
        bail!("{} failed ({}){}", project::shown(&cargo), output.status, libclang::hint());
    }
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

/// Expands a manifest source: a directory (its files, not recursively), a file, or a name with `*`.
fn expand_source(source: &Path) -> Result<Vec<PathBuf>> {
    if source.is_dir() {
        return sources_in(source);
    }
    let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some((before, after)) = name.split_once('*') {
        let dir = source.parent().unwrap_or(source);
        let mut files = if dir.is_dir() { sources_in(dir)? } else { Vec::new() };
        files.retain(|file| {
            let file = file.file_name().unwrap_or_default().to_string_lossy();
            file.len() >= before.len() + after.len() && file.starts_with(before) && file.ends_with(after)
        });
        return Ok(files);
    }
    if !source.is_file() {
        bail!("{} does not exist", source.display());
    }
    Ok(vec![source.to_path_buf()])
}

fn sources_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut files: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.is_file() && Language::of(file).is_some());
    files.sort();
    Ok(files)
}

/// Copies each directory's files into the app's file system. Files that the app wrote there are
/// kept.
fn copy_files(from: &[PathBuf], to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for dir in from {
        let entries = std::fs::read_dir(dir).with_context(|| format!("filesystem: cannot list {}", dir.display()))?;
        for entry in entries {
            let file = entry?.path();
            if let (true, Some(name)) = (file.is_file(), file.file_name()) {
                std::fs::copy(&file, to.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
            }
        }
    }
    Ok(())
}
