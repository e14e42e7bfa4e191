//! Resolves an app's libraries as the mos tool does: which there are, in which order, and what
//! conditions add. On the host, some come from this project or are built into the host, and what is
//! nowhere on this machine is left out. Not here: where copies are looked for (places).

mod order;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::places::{self, Places};
use crate::manifest::{LibRef, Manifest, PLATFORM, Vars, identifier, lib_path, module_path};

/// Libraries that are the host itself: no copy takes their place.
const HOST: [&str; 2] = ["core", "mongoose"];

/// Libraries that the host implements, headers included, unless a copy is named explicitly. Others
/// are in host/libs.
const REPLACED: [&str; 7] = ["freertos", "lwip", "mbedtls", "vfs-common", "vfs-dev-part", "vfs-fs-lfs", "vfs-fs-spiffs"];

/// Those that MGOS_HAVE_* announces to C code: of the others the host has no headers.
const ANNOUNCED: [&str; 4] = ["core", "mbedtls", "mongoose", "vfs-common"];

/// Libraries for what the host does not do: left out even if there is a copy in deps.
const UNSUPPORTED: [(&str, &str); 4] = [
    ("dns-sd", "the host announces no services"),
    ("fstab", "the host mounts no file systems"),
    ("http-server", "the host serves no HTTP"),
    ("i2c", "the host has no I2C bus"),
];

/// What libraries need themselves, for when they are left out: an app does not list that.
const BRING: [(&str, &[&str]); 13] = [
    ("aws", &["mqtt", "shadow"]),
    ("azure", &["mqtt", "shadow"]),
    ("dash", &["shadow"]),
    ("demo-bundle", &["mqtt", "shadow"]),
    ("gcp", &["mqtt"]),
    ("homeassistant", &["mqtt"]),
    ("js-demo-bundle", &["demo-bundle", "mjs"]),
    ("rpc-azure", &["mqtt"]),
    ("rpc-gcp", &["mqtt"]),
    ("rpc-mqtt", &["mqtt"]),
    ("thingsboard", &["mqtt"]),
    ("watson", &["mqtt"]),
    ("zthing-mqtt", &["mqtt"]),
];

/// What to do about a library that is left out.
pub const WAY_OUT: &str = "give a copy by --lib NAME:PATH, or several by --deps-dir DIR (host/README.md, \"Libraries\")";

/// A library that is compiled into the program.
#[derive(Debug)]
pub struct Lib {
    pub name: String,
    pub manifest: Manifest,
}

/// The libraries of one app.
#[derive(Debug, Default)]
pub struct Libs {
    /// Each after those that it needs: the order of their configuration.
    pub found: Vec<Lib>,
    /// Their names in the order of initialisation.
    pub init_order: Vec<String>,
    /// Built into the host.
    pub replaced: BTreeSet<String>,
    /// Not on this machine, or unwanted.
    pub left_out: BTreeSet<String>,
}

impl Libs {
    /// Resolves an app's libraries. Conditions in its manifest are applied and variables expanded.
    pub fn of(app: &mut Manifest, places: &Places) -> Result<Libs> {
        let mut resolver =
            Resolver { places, app_dir: app.dir.clone(), libs: BTreeMap::new(), needs: BTreeMap::new(), met: Libs::default() };
        app.libs.extend(places.libs.iter().map(|(name, path)| LibRef { name: name.clone(), location: path.clone() }));
        app.libs.push(LibRef { name: "core".into(), location: "core".into() });
        loop {
            resolver.read_new(app)?;
            let order = order::sorted(&resolver.needs).context("libraries need each other")?;
            let vars = resolver.vars(app, &order);
            if !app.has_conds() && resolver.libs.values().all(|lib| !lib.has_conds()) {
                return resolver.finish(app, order, &vars);
            }
            resolver.apply_conds(app, &order, &vars)?;
        }
    }

    /// Those of a program without a manifest.
    pub fn only_mqtt() -> Result<Libs> {
        let manifest = Manifest::load(&project::root())?;
        Ok(Libs { found: vec![Lib { name: "mqtt".into(), manifest }], init_order: vec!["mqtt".into()], ..Libs::default() })
    }

    pub fn has(&self, name: &str) -> bool {
        self.found.iter().any(|lib| lib.name == name)
    }

    /// Macros that tell C code which libraries it is built with.
    pub fn defines(&self, app_name: &str) -> Vec<(String, String)> {
        let mut defines = vec![("MGOS_APP".to_owned(), format!("\"{app_name}\""))];
        let replaced = self.replaced.iter().map(String::as_str).chain(HOST).filter(|name| ANNOUNCED.contains(name));
        let names: BTreeSet<_> = self.found.iter().map(|lib| lib.name.as_str()).chain(replaced).collect();
        defines.extend(names.into_iter().map(|name| (have(name), "1".into())));
        defines
    }

    /// For the user: where each library comes from, and what is left out.
    pub fn print(&self) {
        let own = self.has("mqtt").then(|| "mqtt of this project".to_owned());
        let own_libs = self.found.iter().filter(|lib| lib.manifest.dir.starts_with(host_libs())).map(|lib| &lib.name);
        let host = self.replaced.iter().chain(own_libs).map(String::as_str).collect::<BTreeSet<_>>();
        let host = (!host.is_empty()).then(|| format!("{} of the host", host.into_iter().collect::<Vec<_>>().join(", ")));
        let copies = self.found.iter().filter(|lib| lib.name != "mqtt" && !lib.manifest.dir.starts_with(host_libs()));
        let mut by_place: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for lib in copies {
            let dir = &lib.manifest.dir;
            // Several in one directory are listed together.
            let place = dir.parent().filter(|_| dir.file_name().is_some_and(|name| *name == *lib.name)).unwrap_or(dir);
            by_place.entry(place.display().to_string()).or_default().push(&lib.name);
        }
        let copies = by_place.into_iter().map(|(place, names)| format!("{} in {place}", names.join(", ")));
        eprintln!("libraries: {}", own.into_iter().chain(host).chain(copies).collect::<Vec<_>>().join("; "));
        if !self.left_out.is_empty() {
            eprintln!("left out: {}; if the app needs one, {WAY_OUT}", self.left_out());
        }
    }

    pub fn left_out(&self) -> String {
        let shown = self.left_out.iter().map(|name| match UNSUPPORTED.iter().find(|(known, _)| known == name) {
            Some((_, why)) => format!("{name} ({why})"),
            None => name.clone(),
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// The host's own libraries under the names of a device's.
fn host_libs() -> PathBuf {
    project::root().join("host/libs")
}

/// The macro and build variable of a library.
fn have(name: &str) -> String {
    format!("MGOS_HAVE_{}", identifier(name).to_uppercase())
}

/// Where a library comes from.
enum Source {
    Copy(PathBuf),
    Host,
    Nowhere,
}

struct Resolver<'a> {
    places: &'a Places,
    app_dir: PathBuf,
    /// By name; those of `met.found` until they are sorted.
    libs: BTreeMap<String, Manifest>,
    /// What each of them needs, whether that is found or not.
    needs: BTreeMap<String, BTreeSet<String>>,
    met: Libs,
}

impl Resolver<'_> {
    /// Reads libraries that were listed since the last call, level by level: of two with the same
    /// name the one that is listed closer to the app wins.
    fn read_new(&mut self, app: &mut Manifest) -> Result<()> {
        let mut listed = VecDeque::from([(None, self.app_dir.clone(), std::mem::take(&mut app.libs))]);
        for (name, lib) in &mut self.libs {
            listed.push_back((Some(name.clone()), lib.dir.clone(), std::mem::take(&mut lib.libs)));
        }
        while let Some((by, base, refs)) = listed.pop_front() {
            for lib in refs {
                if let Some(by) = &by {
                    self.needs.entry(by.clone()).or_default().insert(lib.name.clone());
                }
                if self.libs.contains_key(&lib.name) || self.met.replaced.contains(&lib.name) || self.met.left_out.contains(&lib.name) {
                    continue;
                }
                match self.find(&lib, &base)? {
                    Source::Copy(dir) => {
                        let mut manifest = self.read(&lib, &dir)?;
                        listed.push_back((Some(lib.name.clone()), dir, std::mem::take(&mut manifest.libs)));
                        self.needs.entry(lib.name.clone()).or_default();
                        self.libs.insert(lib.name, manifest);
                    }
                    Source::Host => drop(self.met.replaced.insert(lib.name)),
                    Source::Nowhere => {
                        let brings = BRING.iter().filter(|(name, _)| *name == lib.name).flat_map(|(_, brings)| brings.iter());
                        let refs = brings.map(|name| LibRef { name: (*name).into(), location: (*name).into() }).collect();
                        listed.push_back((None, base.clone(), refs));
                        self.met.left_out.insert(lib.name);
                    }
                }
            }
        }
        Ok(())
    }

    fn find(&self, lib: &LibRef, base: &Path) -> Result<Source> {
        let given = self.places.libs.iter().find(|(name, _)| *name == lib.name).map(|(_, path)| std::path::absolute(path)).transpose()?;
        if let Some(path) = given.as_ref().filter(|path| !path.join("mos.yml").is_file()) {
            bail!("--lib {}:{}: there is no mos.yml in that directory", lib.name, path.display());
        }
        // The mos tool starts from the app's directory for libraries, too.
        let local = places::local_path(&lib.location).map(|path| [base.join(path), self.app_dir.join(path)]);
        let local = local.into_iter().flatten().find(|dir| dir.join("mos.yml").is_file());
        let explicit = given.or(local).map(|dir| dir.canonicalize().unwrap_or(dir));
        let host = HOST.contains(&lib.name.as_str());
        if host || lib.name == "mqtt" {
            if let Some(path) = explicit {
                eprintln!("note: {} is part of the host, which does not use {}", lib.name, path.display());
            }
            return Ok(if host { Source::Host } else { Source::Copy(project::root()) });
        }
        Ok(match explicit {
            Some(path) => Source::Copy(path),
            None if self.places.without.contains(&lib.name) => Source::Nowhere,
            None if UNSUPPORTED.iter().any(|(name, _)| *name == lib.name) => Source::Nowhere,
            None if REPLACED.contains(&lib.name.as_str()) => Source::Host,
            None if host_libs().join(&lib.name).join("mos.yml").is_file() => Source::Copy(host_libs().join(&lib.name)),
            None => self.places.lib(lib, &self.app_dir).map_or(Source::Nowhere, Source::Copy),
        })
    }

    fn read(&self, lib: &LibRef, dir: &Path) -> Result<Manifest> {
        let manifest = Manifest::read(dir)?;
        match &manifest.name {
            // As for the mos tool, so that one library does not go under two names.
            Some(name) if *name != lib.name => {
                bail!(
                    "{}/mos.yml: the library calls itself {name:?}, but is listed as {:?}: name it {name:?} there",
                    dir.display(),
                    lib.name
                )
            }
            _ => Ok(manifest),
        }
    }

    /// Variables for conditions: of libraries in their order, then of the app, which win.
    fn vars(&self, app: &Manifest, order: &[String]) -> Vars {
        let given: Vec<_> = self.places.build_vars.iter().map(|(name, value)| (format!("build_vars.{name}"), value.as_str())).collect();
        let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let mut vars = Vars::new(PLATFORM, &given);
        let replaced = self.met.replaced.iter().map(String::as_str).filter(|name| ANNOUNCED.contains(name));
        let names = order.iter().map(String::as_str).chain(replaced).map(have).chain(["MGOS".to_owned()]);
        for name in names {
            vars.set(&format!("build_vars.{name}"), "1");
            vars.set(&format!("cdefs.{name}"), "1");
        }
        for (name, manifest) in order.iter().filter_map(|name| Some((name, self.libs.get(name)?))) {
            vars.set(&lib_path(name), &manifest.dir.display().to_string());
            manifest.set_vars(&mut vars);
            self.set_modules(manifest, &mut vars);
        }
        app.set_vars(&mut vars);
        self.set_modules(app, &mut vars);
        vars
    }

    fn set_modules(&self, manifest: &Manifest, vars: &mut Vars) {
        for module in &manifest.modules {
            if let Some(dir) = self.places.module(module, &manifest.dir, &self.app_dir) {
                vars.set(&module_path(&module.name), &std::path::absolute(&dir).unwrap_or(dir).display().to_string());
            }
        }
    }

    /// The app's conditions first: if they add libraries, those are read before any others apply.
    fn apply_conds(&mut self, app: &mut Manifest, order: &[String], vars: &Vars) -> Result<()> {
        let left_out = self.met.left_out();
        let hint = || match left_out.is_empty() {
            true => "conditions of the manifest".to_owned(),
            false => format!("conditions of the manifest (left out: {left_out}; if one of them sets the variable, {WAY_OUT})"),
        };
        app.apply_conds(vars).with_context(hint)?;
        if app.libs.is_empty() {
            for name in order {
                if let Some(lib) = self.libs.get_mut(name) {
                    lib.apply_conds(vars).with_context(hint)?;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, app: &mut Manifest, order: Vec<String>, vars: &Vars) -> Result<Libs> {
        let mut libs = std::mem::take(&mut self.met);
        libs.init_order = order::sorted(&init_needs(&self.libs, &self.needs)).context("init_after or init_before is circular")?;
        let dirs: Vec<PathBuf> = order.iter().filter_map(|name| Some(self.libs.get(name)?.dir.clone())).collect();
        for manifest in self.libs.values_mut().chain([&mut *app]) {
            let lacking =
                manifest.modules.iter().find(|module| self.places.module(module, &manifest.dir, &self.app_dir).is_none()).cloned();
            manifest.expand(vars).with_context(|| match lacking {
                Some(module) => {
                    format!("module {0} is not on this machine: give a copy of {1} by --module {0}:PATH", module.name, module.location)
                }
                None => "a variable".into(),
            })?;
            for list in [&mut manifest.sources, &mut manifest.includes, &mut manifest.filesystem] {
                *list = list.iter().flat_map(|entry| in_all_libs(entry, &dirs)).collect();
            }
        }
        libs.found = order.into_iter().filter_map(|name| Some(Lib { manifest: self.libs.remove(&name)?, name })).collect();
        Ok(libs)
    }
}

/// `@all_libs/DIR` is that directory of each library.
fn in_all_libs(entry: &str, dirs: &[PathBuf]) -> Vec<String> {
    match entry.strip_prefix("@all_libs") {
        Some(path) => dirs.iter().map(|dir| format!("{}/{}", dir.display(), path.trim_start_matches('/'))).collect(),
        None => vec![entry.to_owned()],
    }
}

/// What is to be initialised before each library.
fn init_needs(libs: &BTreeMap<String, Manifest>, needs: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    let matching = |pattern: &str| libs.keys().filter(|name| matches(pattern, name)).cloned().collect::<Vec<_>>();
    let mut before: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, lib) in libs {
        let own = before.entry(name.clone()).or_default();
        if !lib.no_implicit_init_deps {
            own.extend(needs.get(name).into_iter().flatten().cloned());
        }
        own.extend(lib.init_after.iter().flat_map(|pattern| matching(pattern)));
        for later in lib.init_before.iter().flat_map(|pattern| matching(pattern)) {
            before.entry(later).or_default().insert(name.clone());
        }
    }
    before
}

/// A name in `init_after` and `init_before` may be a pattern.
fn matches(pattern: &str, name: &str) -> bool {
    glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name))
}
