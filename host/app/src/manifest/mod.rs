//! mos.yml: the manifest of an app or a library. Here: reading it, applying its conditions and
//! expanding its variables. Not here: finding libraries and building (app).

mod conds;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
pub use conds::{Vars, lib_path, module_path};

use crate::yaml::{self, Node, Value};

/// The platform for conditions. The host takes the place of Mongoose OS' own Linux port.
pub const PLATFORM: &str = "ubuntu";

/// A manifest. As read, its conditions are pending and its strings may contain variables: both
/// depend on the app and all of its libraries.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The directory of mos.yml; relative paths start there.
    pub dir: PathBuf,
    pub name: Option<String>,
    pub sources: Vec<String>,
    pub includes: Vec<String>,
    /// Directories and files that go into the app's file system.
    pub filesystem: Vec<String>,
    /// Names of files that do not go there, or nevertheless do; the first that matches counts.
    pub fs_filters: Vec<FsFilter>,
    pub cflags: Vec<String>,
    pub cxxflags: Vec<String>,
    pub cdefs: Vec<(String, String)>,
    pub build_vars: Vec<(String, String)>,
    pub binary_libs: Vec<String>,
    /// config_schema lists, in order.
    pub config_schema: Vec<Node>,
    pub libs: Vec<LibRef>,
    /// Repositories whose files the manifest names by `${mos.modules.NAME.path}`.
    pub modules: Vec<LibRef>,
    pub init_after: Vec<String>,
    pub init_before: Vec<String>,
    /// Do not initialise the libraries that this one needs before it.
    pub no_implicit_init_deps: bool,
    /// Conditions not yet applied.
    conds: Vec<Node>,
}

/// An entry of `libs` or `modules`.
#[derive(Clone, Debug, PartialEq)]
pub struct LibRef {
    pub name: String,
    pub location: String,
}

/// An entry of `fs_filters`.
#[derive(Clone, Debug, PartialEq)]
pub struct FsFilter {
    pub pattern: String,
    pub include: bool,
}

impl Manifest {
    /// Reads DIR/mos.yml and, if present, DIR/mos_ubuntu.yml after it; leaves conditions pending.
    pub fn read(dir: &Path) -> Result<Manifest> {
        Manifest::read_for(dir, PLATFORM)
    }

    fn read_for(dir: &Path, platform: &str) -> Result<Manifest> {
        let main = dir.join("mos.yml");
        ensure!(main.is_file(), "{} has no mos.yml: pass the directory of a Mongoose OS app", dir.display());
        let mut manifest = Manifest { dir: dir.to_path_buf(), ..Manifest::default() };
        let extra = dir.join(format!("mos_{platform}.yml"));
        for file in [main, extra].iter().filter(|file| file.is_file()) {
            manifest.take(&yaml::load(file)?)?;
        }
        Ok(manifest)
    }

    /// Reads a manifest and settles it by itself, without libraries.
    pub fn load(dir: &Path) -> Result<Manifest> {
        Manifest::load_for(dir, PLATFORM, &[])
    }

    /// The same for any platform, with variables given by the app.
    pub fn load_for(dir: &Path, platform: &str, given: &[(&str, &str)]) -> Result<Manifest> {
        let mut manifest = Manifest::read_for(dir, platform)?;
        manifest.settle_alone(platform, given)?;
        Ok(manifest)
    }

    fn settle_alone(&mut self, platform: &str, given: &[(&str, &str)]) -> Result<()> {
        loop {
            let mut vars = Vars::new(platform, given);
            self.set_vars(&mut vars);
            if !self.has_conds() {
                return self.expand(&vars);
            }
            self.apply_conds(&vars)?;
        }
    }

    /// Sets its variables, which override those of the manifests before.
    pub fn set_vars(&self, vars: &mut Vars) {
        for (kind, pairs) in [("build_vars", &self.build_vars), ("cdefs", &self.cdefs)] {
            for (name, value) in pairs {
                let value = vars.expand_known(value);
                vars.set(&format!("{kind}.{name}"), &value);
            }
        }
    }

    pub fn has_conds(&self) -> bool {
        !self.conds.is_empty()
    }

    /// Applies the pending conditions. Those inside of what applies are pending afterwards.
    pub fn apply_conds(&mut self, vars: &Vars) -> Result<()> {
        for cond in std::mem::take(&mut self.conds) {
            let when = cond.get("when").and_then(Node::text).with_context(|| format!("{}: a condition has no when", cond.place))?;
            if !vars.holds(&when).with_context(|| cond.place.to_string())? {
                continue;
            }
            if let Some(message) = cond.get("error").and_then(Node::text) {
                bail!("{}: the manifest refuses this build: {}", cond.place, vars.expand_known(&message));
            }
            if let Some(apply) = cond.get("apply") {
                self.take(apply)?;
            }
        }
        Ok(())
    }

    /// Expands variables in whatever the build uses, when all of them are known.
    pub fn expand(&mut self, vars: &Vars) -> Result<()> {
        let lists = [
            ("sources", &mut self.sources),
            ("includes", &mut self.includes),
            ("filesystem", &mut self.filesystem),
            ("binary_libs", &mut self.binary_libs),
            ("cflags", &mut self.cflags),
            ("cxxflags", &mut self.cxxflags),
        ];
        for (key, list) in lists {
            for text in list {
                *text = vars.expand(text).with_context(|| format!("{}/mos.yml: {key}", self.dir.display()))?;
            }
        }
        for (_, value) in &mut self.cdefs {
            *value = vars.expand_known(value);
        }
        Ok(())
    }

    /// Merges a manifest, or the `apply` of a condition.
    fn take(&mut self, node: &Node) -> Result<()> {
        let Value::Map(entries) = &node.value else {
            bail!("{}: a manifest must be a mapping, not {}", node.place, node.value.kind());
        };
        for (key, value) in entries {
            match key.as_str() {
                "name" => self.name = value.text(),
                "sources" => self.sources.extend(strings(value)?),
                "includes" => self.includes.extend(strings(value)?),
                "filesystem" => self.filesystem.extend(strings(value)?),
                "fs_filters" => self.fs_filters.extend(fs_filters(value)?),
                "cflags" => self.cflags.extend(strings(value)?),
                "cxxflags" => self.cxxflags.extend(strings(value)?),
                "init_after" => self.init_after.extend(strings(value)?),
                "init_before" => self.init_before.extend(strings(value)?),
                "no_implicit_init_deps" => self.no_implicit_init_deps = value.value == Value::Bool(true),
                "binary_libs" => self.binary_libs.extend(strings(value)?),
                "build_vars" => merge(&mut self.build_vars, pairs(value)?),
                "cdefs" => merge(&mut self.cdefs, pairs(value)?),
                "config_schema" => self.config_schema.push(value.clone()),
                "libs" => self.libs.extend(libs(value)?),
                "modules" => self.modules.extend(libs(value)?),
                "conds" => self.conds.extend(list(value)?.iter().cloned()),
                "warning" => eprintln!("warning: {}: {}", value.place, value.text().unwrap_or_default()),
                "error" => bail!("{}: the manifest refuses this build: {}", value.place, value.text().unwrap_or_default()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A name as part of a variable or of a C identifier.
pub fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Later values override earlier ones of the same name; a value may refer to the one that it
/// overrides.
fn merge(into: &mut Vec<(String, String)>, new: Vec<(String, String)>) {
    for (name, value) in new {
        let own = format!("${{build_vars.{name}}}");
        let old = into.iter().position(|(known, _)| *known == name).map(|at| into.remove(at).1);
        let value = match old {
            Some(old) if value.contains(&own) => value.replace(&own, &old),
            _ => value,
        };
        into.push((name, value));
    }
}

fn list(node: &Node) -> Result<&[Node]> {
    match &node.value {
        Value::List(items) => Ok(items),
        Value::Null => Ok(&[]),
        other => bail!("{}: expected a list, found {}", node.place, other.kind()),
    }
}

fn strings(node: &Node) -> Result<Vec<String>> {
    let text = |item: &Node| item.text().filter(|text| !text.is_empty()).with_context(|| format!("{}: expected a string", item.place));
    list(node)?.iter().map(text).collect()
}

fn pairs(node: &Node) -> Result<Vec<(String, String)>> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .map(|(name, value)| {
                let text = value.text().with_context(|| format!("{}: {name} must be a scalar", value.place))?;
                Ok((name.clone(), text))
            })
            .collect(),
        Value::Null => Ok(Vec::new()),
        other => bail!("{}: expected a mapping, found {}", node.place, other.kind()),
    }
}

fn fs_filters(node: &Node) -> Result<Vec<FsFilter>> {
    let filter = |item: &Node| match (item.get("include").and_then(Node::text), item.get("exclude").and_then(Node::text)) {
        (Some(pattern), None) => Ok(FsFilter { pattern, include: true }),
        (None, Some(pattern)) => Ok(FsFilter { pattern, include: false }),
        _ => bail!("{}: an entry of fs_filters has either include or exclude", item.place),
    };
    list(node)?.iter().map(filter).collect()
}

fn libs(node: &Node) -> Result<Vec<LibRef>> {
    let mut out = Vec::new();
    for item in list(node)? {
        let location = match &item.value {
            Value::Str(location) => Some(location.clone()),
            // `origin` is the old name of `location`.
            _ => item.get("location").or_else(|| item.get("origin")).and_then(Node::text),
        };
        let name = item.get("name").and_then(Node::text);
        let location = match (location, &name) {
            (Some(location), _) => location,
            (None, Some(name)) => name.clone(),
            (None, None) => bail!("{}: an entry of libs or modules needs a location", item.place),
        };
        let name = name.unwrap_or_else(|| name_of(&location));
        out.push(LibRef { name, location });
    }
    Ok(out)
}

/// The last part of a location, without .git.
fn name_of(location: &str) -> String {
    let last = location.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(location);
    last.strip_suffix(".git").unwrap_or(last).to_owned()
}
