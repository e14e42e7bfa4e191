//! Loads the configuration: saved values, `--conf` files and `--set` options over the app's
//! defaults, using the table generated with the app.
//!
//! Guarantee: unknown keys and values of a wrong type are always detected, and all errors are
//! reported together. Not here: applying the values (c/app/mgos_sys_config.c).

mod overlay;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use overlay::Overlay;
use table::Table;

/// File in the working directory to which `mgos_sys_config_save()` writes.
const SAVED: &str = "conf9.json";

/// Sources in order; later ones take precedence.
#[derive(Debug, Default)]
pub struct Sources {
    /// JSON files, from `--conf`.
    pub files: Vec<PathBuf>,
    /// `KEY=VALUE`, from `--set`.
    pub settings: Vec<String>,
}

/// All errors in the sources, one per line, with key, source and what was expected.
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

/// Fills `mgos_sys_config` and applies it: device id, log levels. Called once, before any library's
/// init.
pub fn load(sources: &Sources) -> Result<(), Problems> {
    // SAFETY: generated for this app; it only writes mgos_sys_config, which nothing else uses yet.
    unsafe { mgos_host_conf_set_defaults() };
    let table = Table::of_app();

    // Saved values may come from an older version of the app, so errors in them do not prevent the
    // start.
    let mut saved = Overlay::new(&table);
    if Path::new(SAVED).exists() {
        saved.file(Path::new(SAVED));
    }
    let (values, problems) = saved.finish();
    for problem in problems {
        eprintln!("warning: ignored: {problem}");
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

/// All keys of this app with type and default, one per line, for `--help`.
pub fn keys() -> String {
    let mut out = String::new();
    for entry in Table::of_app().entries() {
        if let Some(default) = &entry.default {
            out += &format!("  {:<32} {:<10} {}\n", entry.key, entry.kind.to_string(), default);
        }
    }
    out
}
