//! Where the libraries of an app and their modules are on this machine: the options of
//! `cargo xtask run`, and the directories that `mos build` leaves behind. Not here: which libraries
//! an app needs (libs).

use std::path::{Path, PathBuf};

use crate::manifest::LibRef;

/// Options for libraries. Those of `mos build` that it has as well mean the same.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Places {
    /// Use this copy of a library, also if no manifest lists it; can be repeated
    #[arg(long = "lib", value_name = "NAME:PATH", value_parser = |text: &str| pair(text, ':'))]
    pub libs: Vec<(String, String)>,
    /// Use this copy of a module, which a library's manifest names; can be repeated
    #[arg(long = "module", value_name = "NAME:PATH", value_parser = |text: &str| pair(text, ':'))]
    pub modules: Vec<(String, String)>,
    /// A directory with libraries, each under its name, besides the app's deps; can be repeated
    #[arg(long = "deps-dir", value_name = "DIR")]
    pub deps_dirs: Vec<PathBuf>,
    /// Leave a library out; can be repeated
    #[arg(long, value_name = "NAME")]
    pub without: Vec<String>,
    /// Set a variable of the manifests; can be repeated
    #[arg(long = "build-var", value_name = "NAME=VALUE", value_parser = |text: &str| pair(text, '='))]
    pub build_vars: Vec<(String, String)>,
}

fn pair(text: &str, separator: char) -> Result<(String, String), String> {
    match text.split_once(separator) {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(format!("expected a name, {separator:?} and a value")),
    }
}

impl Places {
    #[cfg(test)]
    pub fn new(libs: &[(&str, &Path)], deps_dirs: &[&Path]) -> Places {
        let libs = libs.iter().map(|(name, path)| ((*name).into(), path.display().to_string())).collect();
        Places { libs, deps_dirs: deps_dirs.iter().map(|dir| dir.to_path_buf()).collect(), ..Places::default() }
    }

    /// Whether there is a copy of a library for the app in this directory.
    pub fn has(&self, name: &str, app_dir: &Path) -> bool {
        let lib = LibRef { name: name.into(), location: name.into() };
        self.libs.iter().any(|(given, _)| given == name) || self.lib(&lib, app_dir).is_some()
    }

    /// The directory of a library in the app's deps or one of the given directories.
    pub fn lib(&self, lib: &LibRef, app_dir: &Path) -> Option<PathBuf> {
        self.candidates(lib, "", app_dir).into_iter().find(|dir| dir.join("mos.yml").is_file())
    }

    /// The directory of a module. `base` is that of the manifest that names it.
    pub fn module(&self, module: &LibRef, base: &Path, app_dir: &Path) -> Option<PathBuf> {
        if let Some((_, path)) = self.modules.iter().find(|(name, _)| *name == module.name) {
            return Some(path.into());
        }
        let local = local_path(&module.location).map(|path| base.join(path));
        local.into_iter().chain(self.candidates(module, "modules", app_dir)).find(|dir| dir.is_dir())
    }

    /// Where a library or module may be, below this folder of each directory.
    fn candidates(&self, lib: &LibRef, folder: &str, app_dir: &Path) -> Vec<PathBuf> {
        let names: Vec<_> = [PathBuf::from(&lib.name)].into_iter().chain(path_in_repository(&lib.location)).collect();
        let dirs = self.deps_dirs.iter().cloned().chain([app_dir.join("deps")]);
        dirs.flat_map(|dir| names.iter().map(move |name| dir.join(folder).join(name)).collect::<Vec<_>>()).collect()
    }
}

/// The path of a location on this machine, also as `file://`; `None` for one of another machine.
pub fn local_path(location: &str) -> Option<&str> {
    if let Some(path) = location.strip_prefix("file://") {
        return Some(path);
    }
    // Like `https://host/repository` and `user@host:repository`.
    (!location.contains(':')).then_some(location)
}

/// Where `mos build` puts a library below deps: in a directory called after the repository, and
/// there at the path that follows `tree/BRANCH/` or `.git/` in the location.
fn path_in_repository(location: &str) -> Option<PathBuf> {
    if local_path(location).is_some() {
        return None;
    }
    let (repository, path) = match (location.split_once("/tree/"), location.split_once(".git/")) {
        (Some((repository, rest)), _) => (repository.trim_end_matches("/-"), rest.split_once('/').map_or("", |(_, path)| path)),
        (None, Some((repository, path))) => (repository, path),
        (None, None) => (location, ""),
    };
    let name = repository.trim_end_matches('/').rsplit(['/', ':']).next()?;
    let dir = PathBuf::from(name.strip_suffix(".git").unwrap_or(name));
    Some(if path.is_empty() { dir } else { dir.join(path) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_inside_of_a_repository_is_found_where_mos_build_puts_it() {
        for (location, path) in [
            ("https://github.com/mongoose-os-libs/wifi", "wifi"),
            ("https://github.com/mongoose-os-libs/wifi.git", "wifi"),
            ("https://github.com/me/things/tree/master/libs/lamp", "things/libs/lamp"),
            ("https://example.org/me/things/-/tree/main/lamp", "things/lamp"),
            ("git@example.org:me/things.git", "things"),
            ("ssh://git@example.org/me/things.git/lamp", "things/lamp"),
        ] {
            assert_eq!(path_in_repository(location), Some(path.into()), "{location}");
        }
        assert_eq!(path_in_repository("../lamp"), None);
    }

    #[test]
    fn a_location_is_a_path_unless_it_names_a_machine() {
        for (location, path) in [
            ("../lamp", Some("../lamp")),
            ("file:///libs/lamp", Some("/libs/lamp")),
            ("https://github.com/mongoose-os-libs/wifi", None),
            ("git@example.org:me/things.git", None),
        ] {
            assert_eq!(local_path(location), path);
        }
    }
}
