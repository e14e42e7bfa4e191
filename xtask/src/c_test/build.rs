//! Builds the apps of the suite. Building apps in general is in `app`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use host_app::manifest::Manifest;
use host_app::{Compiler, Plan, sanitized};
use project::some_at_a_time;

use super::name_of;
use super::program::{Area, Mode};

/// Builds all apps. Those with the same manifest share everything except their own source.
pub fn build(sources: &[PathBuf], mode: Mode) -> Result<Vec<Area>> {
    let host = if mode == Mode::Sanitize { sanitized::host_library()? } else { host_app::host_library(false)?.archive };
    eprintln!("building {} areas of the suite", sources.len());
    let (dirs, files): (Vec<PathBuf>, Vec<PathBuf>) = sources.iter().cloned().partition(|source| source.is_dir());
    let root = project::root().join("c_tests");
    let mut areas = if files.is_empty() { Vec::new() } else { build_group(&root, &files, mode, &host)? };
    for dir in &dirs {
        areas.extend(build_group(dir, &[], mode, &host)?);
        if dir.join(STAND_IN).is_dir() {
            areas.push(build_with_stand_in(dir, mode)?);
        }
    }
    Ok(areas)
}

/// In the directory of an app: a package that stands in place of the library and of all below it, with a
/// main.c.
const STAND_IN: &str = "stand_in";

/// Builds the first source of an app, without the others, with its stand-in.
fn build_with_stand_in(dir: &Path, mode: Mode) -> Result<Area> {
    const PACKAGE: &str = "mgos-mqtt-stand-in";
    project::run(project::cargo().args(["build", "--package", PACKAGE]))?;
    let archive = project::target_dir().join(format!("debug/lib{}.a", PACKAGE.replace('-', "_")));
    let name = format!("{}-{STAND_IN}", name_of(dir));
    let mut plan = plan(dir, &name, mode, |sources| {
        sources.truncate(1);
        sources.push(format!("{STAND_IN}/main.c"));
    })?;
    // Nothing of a firmware.
    plan.sources.retain(|(part, _)| part == "app");
    let compiler = compiler(&plan, mode, false);
    let mut inputs = compiler.compile(&plan.sources)?;
    inputs.push(archive);
    let program = plan.dir.join(&name);
    compiler.link(&program, &inputs)?;
    Ok(Area { name, program, files: plan.dir })
}

/// Builds one app per source with the manifest in `dir`; without sources, the single app that the
/// manifest describes.
fn build_group(dir: &Path, sources: &[PathBuf], mode: Mode, host: &Path) -> Result<Vec<Area>> {
    let mut plan = plan(dir, &name_of(dir), mode, |of_manifest| {
        if !sources.is_empty() {
            *of_manifest = vec!["lib".into()];
        }
    })?;
    if dir.join(STAND_IN).is_dir() {
        // The app plays the library's core, whose functions come with the host.
        plan.link.push("-Wl,--allow-multiple-definition".into());
    }
    let compiler = compiler(&plan, mode, true);
    let common = compiler.compile(&plan.sources)?;
    let own: Vec<_> = sources.iter().map(|source| ("area".to_string(), source.clone())).collect();
    let own = compiler.compile(&own)?;
    let names = if sources.is_empty() { vec![name_of(dir)] } else { sources.iter().map(|source| name_of(source)).collect() };
    let files = plan.dir.join("fs");
    fs_err::create_dir_all(&files)?;
    let build = |i: usize| -> Result<Area> {
        let (name, own) = (names[i].clone(), own.get(i..=i).unwrap_or_default());
        let program = plan.dir.join(&name);
        compiler.link(&program, &[own, &common, &[host.to_owned()]].concat())?;
        Ok(Area { name, program, files: files.clone() })
    };
    some_at_a_time(2, names.len(), build).into_iter().collect()
}

fn compiler(plan: &Plan, mode: Mode, with_host: bool) -> Compiler<'_> {
    if mode == Mode::Sanitize { sanitized::compiler(plan, with_host) } else { Compiler::for_plan(plan) }
}

/// The plan for an app with the manifest in `dir`, whose sources are changed.
fn plan(dir: &Path, name: &str, mode: Mode, change: impl FnOnce(&mut Vec<String>)) -> Result<Plan> {
    let mut manifest = Manifest::load(dir)?;
    change(&mut manifest.sources);
    manifest.cflags.extend(["-Wextra", "-Werror"].map(String::from));
    // valgrind runs the plain builds.
    if mode != Mode::Sanitize {
        return host_app::plan(name, Some(manifest));
    }
    manifest.cflags.extend(sanitized::CFLAGS.map(String::from));
    host_app::plan(&format!("{name}-sanitize"), Some(manifest))
}
