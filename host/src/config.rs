//! The loader: saved values, `--conf` files and `--set` options laid over the app's defaults, by the flat table that the
//! app's build generates.
//!
//! Guarantee: nothing unknown and nothing of a wrong type gets in unnoticed; all that is wrong is reported at once.
//! Not here: what the values do once they are loaded (c/app/mgos_sys_config.c).

mod overlay;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use overlay::Overlay;
use table::Table;

/// Where `mgos_sys_config_save()` puts values, in the working directory.
const SAVED: &str = "conf9.json";

/// What is laid over the defaults, in this order; later values win.
#[derive(Debug, Default)]
pub struct Sources {
    /// JSON files, from `--conf`.
    pub files: Vec<PathBuf>,
    /// `KEY=VALUE`, from `--set`.
    pub settings: Vec<String>,
}

/// Everything that was wrong with the sources; one line each, naming key, source and what was expected.
#[derive(Debug)]
pub struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}

unsafe extern "C" {
    fn mgos_host_conf_set_defaults();
    fn mgos_host_conf_loaded();
}

/// Fill `mgos_sys_config`, and let it take effect: device id, log levels. To be called once, before any library's init.
pub fn load(sources: &Sources) -> Result<(), Problems> {
    // SAFETY: generated for this app; it only writes mgos_sys_config, which nobody else uses yet.
    unsafe { mgos_host_conf_set_defaults() };
    let table = Table::of_app();

    // What the app saved itself may come from an older version of it, so it is no reason not to start.
    let mut saved = Overlay::new(&table);
    if Path::new(SAVED).exists() {
        saved.file(Path::new(SAVED));
    }
    let (values, problems) = saved.finish();
    for problem in problems {
        eprintln!("warning: left out: {problem}");
    }
    values.iter().for_each(|(entry, value)| table.store(entry, value));

    let mut given = Overlay::new(&table);
    sources.files.iter().for_each(|file| given.file(file));
    sources.settings.iter().for_each(|setting| given.setting(setting));
    let (values, problems) = given.finish();
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    values.iter().for_each(|(entry, value)| table.store(entry, value));

    // SAFETY: every field of mgos_sys_config now has a value of its type.
    unsafe { mgos_host_conf_loaded() };
    Ok(())
}

/// Every key of this app with its type and default, one a line, for `--help`.
pub fn keys() -> String {
    let mut out = String::new();
    for entry in Table::of_app().entries() {
        if let Some(default) = &entry.default {
            out += &format!("  {:<32} {:<10} {}\n", entry.key, entry.kind.to_string(), default);
        }
    }
    out
}
