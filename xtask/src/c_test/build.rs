//! Builds the apps of the suite. Building apps in general is in `app`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use host_app::manifest::Manifest;
use host_app::{Compiler, sanitized};

use super::program::{Area, Mode};
use super::{name_of, two_at_a_time};

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

/// Build the first source of an app, without the others, with its stand-in.
fn build_with_stand_in(dir: &Path, mode: Mode) -> Result<Area> {
    const PACKAGE: &str = "mgos-mqtt-stand-in";
    project::run(project::cargo().args(["build", "--package", PACKAGE]))?;
    let archive = project::target_dir().join(format!("debug/lib{}.a", PACKAGE.replace('-', "_")));
    let mut manifest = Manifest::load(dir)?;
    manifest.sources.truncate(1);
    manifest.sources.push(format!("{STAND_IN}/main.c"));
    manifest.cflags.extend(["-Wextra", "-Werror"].map(String::from));
    let sanitize = mode == Mode::Sanitize;
    let name = format!("{}-{STAND_IN}", name_of(dir));
    let flavour = format!("{name}{}", if sanitize { "-sanitize" } else { "" });
    let cc = if sanitize { sanitized::CC } else { "cc" };
    if sanitize {
        manifest.cflags.extend(sanitized::CFLAGS.map(String::from));
    }
    let mut plan = host_app::plan(&flavour, Some(manifest))?;
    // Nothing of a firmware.
    plan.sources.retain(|(part, _)| part == "app");
    let objects = Compiler::for_plan(&plan).with_cc(cc).compile(&plan.sources)?;
    let program = plan.dir.join(&name);
    let mut command = Command::new(cc);
    command.args(["-g", "-Wl,--gc-sections", "-o"]).arg(&program).args(&objects).arg(&archive);
    command.args(if sanitize { &sanitized::CFLAGS[..1] } else { &[] });
    project::run(command.args(["-lpthread", "-ldl", "-lm"]))?;
    Ok(Area { name, program, files: plan.dir })
}

/// Builds one app per source with the manifest in `dir`; without sources, the single app that the
/// manifest describes.
fn build_group(dir: &Path, sources: &[PathBuf], mode: Mode, host: &Path) -> Result<Vec<Area>> {
    let mut manifest = Manifest::load(dir)?;
    if !sources.is_empty() {
        manifest.sources = vec!["lib".into()];
    }
    manifest.cflags.extend(["-Wextra", "-Werror"].map(String::from));
    let sanitize = mode == Mode::Sanitize;
    if sanitize {
        manifest.cflags.extend(sanitized::CFLAGS.map(String::from));
    }
    // valgrind runs the plain builds.
    let flavour = format!("{}{}", name_of(dir), if sanitize { "-sanitize" } else { "" });
    let plan = host_app::plan(&flavour, Some(manifest))?;
    let compiler = Compiler::for_plan(&plan);
    let compiler = if sanitize { compiler.with_cc(sanitized::CC).outside_mqtt(&sanitized::OTHERS) } else { compiler };
    let common = compiler.compile(&plan.sources)?;
    let own: Vec<_> = sources.iter().map(|source| ("area".to_string(), source.clone())).collect();
    let own = compiler.compile(&own)?;
    let names = if sources.is_empty() { vec![name_of(dir)] } else { sources.iter().map(|source| name_of(source)).collect() };
    let files = plan.dir.join("fs");
    fs_err::create_dir_all(&files)?;
    let link = |i: usize| -> Result<Area> {
        let name = names[i].clone();
        let program = plan.dir.join(&name);
        let mut command = Command::new(if sanitize { sanitized::CC } else { "cc" });
        command.args(["-g", "-Wl,--gc-sections", "-o"]).arg(&program).args(own.get(i)).args(&common).arg(host);
        command.args(if sanitize { &sanitized::LINK[..] } else { &[] });
        if dir.join(STAND_IN).is_dir() {
            // The app plays the library's core, whose functions come with the host.
            command.arg("-Wl,--allow-multiple-definition");
        }
        project::run(command.args(["-lpthread", "-ldl", "-lm"]))?;
        Ok(Area { name, program, files: files.clone() })
    };
    two_at_a_time(names.len(), link).into_iter().collect()
}
