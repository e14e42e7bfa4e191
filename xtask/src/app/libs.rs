//! Resolves an app's libraries on the host: this project's mqtt, libraries in the app's own
//! directories, and those that the host replaces or lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::manifest::{LibRef, Manifest};
use crate::project;

/// Libraries that the host implements itself, headers included.
const REPLACED: &[&str] = &["core", "freertos", "lwip", "mbedtls", "mongoose", "vfs-common", "vfs-dev-part", "vfs-fs-lfs", "vfs-fs-spiffs"];

/// The host's own library of that name, in host/libs, which stands in for the device's.
fn stand_in(name: &str) -> Option<PathBuf> {
    let dir = project::root().join("host/libs").join(name);
    dir.join("mos.yml").is_file().then_some(dir)
}

/// Libraries that the host lacks but whose manifests depend on mqtt: apps that use one do not list
/// mqtt themselves.
const BRING_MQTT: &[&str] = &["aws", "azure", "gcp", "homeassistant", "rpc-mqtt", "watson"];

/// The libraries of one app.
#[derive(Debug, Default)]
pub struct Libs {
    /// In initialisation order, with their names.
    pub found: Vec<(String, Manifest)>,
    /// Requested by the app or one of its libraries, but not available on the host.
    pub lacking: Vec<String>,
    /// All names seen so far, whatever they resolved to.
    met: BTreeSet<String>,
}

impl Libs {
    pub fn of(app: &Manifest) -> Result<Libs> {
        let mut libs = Libs::default();
        // The first library with a given name wins; the app's own entries come first.
        libs.add_all(&app.libs, &app.dir)?;
        libs.sort_by_init()?;
        Ok(libs)
    }

    pub fn only_mqtt() -> Result<Libs> {
        let mut libs = Libs::default();
        libs.add("mqtt", Manifest::load(&project::root())?)?;
        Ok(libs)
    }

    fn add_all(&mut self, refs: &[LibRef], dir: &Path) -> Result<()> {
        for lib in refs {
            if !self.met.insert(lib.name.clone()) {
                continue;
            }
            let path = dir.join(lib.location.strip_prefix("file://").unwrap_or(&lib.location));
            if lib.name == "mqtt" {
                self.add("mqtt", Manifest::load(&project::root())?)?;
            } else if REPLACED.contains(&lib.name.as_str()) {
                // Nothing to build or to report.
            } else if let Some(dir) = stand_in(&lib.name) {
                self.add(&lib.name, Manifest::load(&dir)?)?;
            } else if path.join("mos.yml").is_file() {
                self.add(&lib.name, Manifest::load(&path)?)?;
            } else {
                self.lacking.push(lib.name.clone());
                if BRING_MQTT.contains(&lib.name.as_str()) {
                    self.add_all(&[LibRef { name: "mqtt".into(), location: "mqtt".into() }], dir)?;
                }
            }
        }
        Ok(())
    }

    /// Orders each library after its dependencies.
    fn add(&mut self, name: &str, manifest: Manifest) -> Result<()> {
        self.add_all(&manifest.libs.clone(), &manifest.dir.clone())?;
        self.found.push((name.to_owned(), manifest));
        Ok(())
    }

    /// Applies `init_after` in addition to the dependencies.
    fn sort_by_init(&mut self) -> Result<()> {
        let mut left = std::mem::take(&mut self.found);
        while !left.is_empty() {
            let ready = left.iter().position(|(_, lib)| {
                let needed = lib.libs.iter().map(|lib| &lib.name).chain(&lib.init_after);
                !needed.into_iter().any(|name| left.iter().any(|(other, _)| matches(name, other)))
            });
            let Some(ready) = ready else {
                let names: Vec<_> = left.iter().map(|(name, _)| name.as_str()).collect();
                bail!("circular init_after between these libraries: {}", names.join(", "));
            };
            self.found.push(left.remove(ready));
        }
        Ok(())
    }

    /// Macros that tell C code which libraries it is built with.
    pub fn defines(&self, app_name: &str) -> Vec<(String, String)> {
        let mut defines = vec![("MGOS_APP".to_owned(), format!("\"{app_name}\""))];
        let names = self.found.iter().map(|(name, _)| name.as_str()).chain(["core", "mongoose"]);
        for name in names {
            defines.push((format!("MGOS_HAVE_{}", name.replace('-', "_").to_uppercase()), "1".into()));
        }
        defines
    }
}

/// A name in `init_after` may end in `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}
