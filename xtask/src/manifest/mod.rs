//! mos.yml: the manifest of an app or a library, with conditions applied. Not here: finding
//! libraries and building (app).

mod conds;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::yaml::{self, Node, Value};

pub use conds::Vars;

/// The platform for conditions. The host takes the place of Mongoose OS' own Linux port.
pub const PLATFORM: &str = "ubuntu";

/// A manifest after conditions and variables are applied.
#[derive(Debug, Default)]
pub struct Manifest {
    /// The directory of mos.yml; relative paths start there.
    pub dir: PathBuf,
    pub name: Option<String>,
    pub sources: Vec<String>,
    pub includes: Vec<String>,
    /// Directories whose files go into the app's file system.
    pub filesystem: Vec<String>,
    pub cflags: Vec<String>,
    pub cxxflags: Vec<String>,
    pub cdefs: Vec<(String, String)>,
    pub binary_libs: Vec<String>,
    /// config_schema lists, in order.
    pub config_schema: Vec<Node>,
    pub libs: Vec<LibRef>,
    pub init_after: Vec<String>,
}

/// An entry of `libs`.
#[derive(Clone, Debug, PartialEq)]
pub struct LibRef {
    pub name: String,
    pub location: String,
}

impl Manifest {
    /// Reads DIR/mos.yml and, if present, DIR/mos_ubuntu.yml after it.
    pub fn load(dir: &Path) -> Result<Manifest> {
        Manifest::load_for(dir, PLATFORM, &[])
    }

    /// The same for any platform, with variables given by the app.
    pub fn load_for(dir: &Path, platform: &str, given: &[(&str, &str)]) -> Result<Manifest> {
        let main = dir.join("mos.yml");
        if !main.is_file() {
            bail!("{} has no mos.yml: pass the directory of a Mongoose OS app", dir.display());
        }
        let mut manifest = Manifest { dir: dir.to_path_buf(), ..Manifest::default() };
        let mut vars = Vars::new(platform, given);
        let extra = dir.join(format!("mos_{platform}.yml"));
        for file in [main, extra].iter().filter(|file| file.is_file()) {
            let node = yaml::load(file)?;
            manifest.take(&node, &mut vars)?;
        }
        // Expanded with the final variables.
        manifest.binary_libs = manifest.binary_libs.iter().map(|lib| vars.expand(lib)).collect::<Result<_>>()?;
        Ok(manifest)
    }

    /// Merges a manifest, or the `apply` of a condition.
    fn take(&mut self, node: &Node, vars: &mut Vars) -> Result<()> {
        let Value::Map(entries) = &node.value else {
            bail!("{}: a manifest must be a mapping, not {}", node.place, node.value.kind());
        };
        // Variables first: the rest may use them, in any order.
        for key in ["build_vars", "cdefs"] {
            if let Some(map) = node.get(key) {
                let pairs = pairs(map, vars)?;
                for (name, value) in &pairs {
                    vars.set(&format!("{key}.{name}"), value);
                }
                if key == "cdefs" {
                    self.cdefs.retain(|(name, _)| !pairs.iter().any(|(new, _)| new == name));
                    self.cdefs.extend(pairs);
                }
            }
        }
        for (key, value) in entries {
            match key.as_str() {
                "name" => self.name = value.text(),
                "sources" => self.sources.extend(strings(value, vars)?),
                "includes" => self.includes.extend(strings(value, vars)?),
                "filesystem" => self.filesystem.extend(strings(value, vars)?),
                "cflags" => self.cflags.extend(strings(value, vars)?),
                "cxxflags" => self.cxxflags.extend(strings(value, vars)?),
                "init_after" => self.init_after.extend(strings(value, vars)?),
                "binary_libs" => self.binary_libs.extend(list(value)?.iter().filter_map(Node::text)),
                "config_schema" => self.config_schema.push(value.clone()),
                "libs" => self.libs.extend(libs(value, vars)?),
                // After everything outside of conditions.
                "conds" => {}
                _ => {}
            }
        }
        if let Some(conds) = node.get("conds") {
            for cond in list(conds)? {
                self.take_cond(cond, vars)?;
            }
        }
        Ok(())
    }

    fn take_cond(&mut self, cond: &Node, vars: &mut Vars) -> Result<()> {
        let when = cond.get("when").and_then(Node::text).with_context(|| format!("{}: a condition has no when", cond.place))?;
        if !vars.holds(&when).with_context(|| cond.place.to_string())? {
            return Ok(());
        }
        if let Some(message) = cond.get("error").and_then(Node::text) {
            bail!("{}: the manifest refuses this build: {}", cond.place, vars.expand(&message)?);
        }
        match cond.get("apply") {
            Some(apply) => self.take(apply, vars),
            None => Ok(()),
        }
    }
}

fn list(node: &Node) -> Result<&[Node]> {
    match &node.value {
        Value::List(items) => Ok(items),
        Value::Null => Ok(&[]),
        other => bail!("{}: expected a list, found {}", node.place, other.kind()),
    }
}

fn strings(node: &Node, vars: &Vars) -> Result<Vec<String>> {
    list(node)?
        .iter()
        .map(|item| {
            let text = item.text().with_context(|| format!("{}: expected a string", item.place))?;
            vars.expand(&text).with_context(|| item.place.to_string())
        })
        .collect()
}

fn pairs(node: &Node, vars: &Vars) -> Result<Vec<(String, String)>> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .map(|(name, value)| {
                let text = value.text().with_context(|| format!("{}: {name} must be a scalar", value.place))?;
                Ok((name.clone(), vars.expand(&text).with_context(|| value.place.to_string())?))
            })
            .collect(),
        Value::Null => Ok(Vec::new()),
        other => bail!("{}: expected a mapping, found {}", node.place, other.kind()),
    }
}

fn libs(node: &Node, vars: &Vars) -> Result<Vec<LibRef>> {
    let mut out = Vec::new();
    for item in list(node)? {
        let location = match &item.value {
            Value::Str(location) => Some(location.clone()),
            // `origin` is the old name of `location`.
            _ => item.get("location").or_else(|| item.get("origin")).and_then(Node::text),
        };
        let name = item.get("name").and_then(Node::text);
        let location = match (location, &name) {
            (Some(location), _) => vars.expand(&location).with_context(|| item.place.to_string())?,
            (None, Some(name)) => name.clone(),
            (None, None) => bail!("{}: an entry of libs needs a location", item.place),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest> {
        let mut manifest = Manifest::default();
        manifest.take(&yaml::parse(text, Path::new("mos.yml"))?, &mut Vars::new(PLATFORM, &[]))?;
        Ok(manifest)
    }

    #[test]
    fn conditions_add_to_the_unconditional_part() {
        let manifest = read(
            "name: a\nsources: [src]\nbuild_vars: {EXTRA: '1'}\nconds:\n\
             - when: mos.platform == \"ubuntu\"\n  apply: {sources: ['src/${mos.platform}']}\n\
             - when: build_vars.EXTRA == \"1\"\n  apply:\n    cdefs: {EXTRA: 2}\n\
             - when: mos.platform == \"esp32\"\n  apply: {sources: [esp]}\n",
        )
        .unwrap();
        assert_eq!(manifest.sources, ["src", "src/ubuntu"]);
        assert_eq!(manifest.cdefs, [("EXTRA".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn a_condition_can_refuse_the_build() {
        let error = read("conds:\n- when: mos.platform != \"esp8266\"\n  error: only for esp8266\n").unwrap_err();
        assert_eq!(error.to_string(), "mos.yml:2: the manifest refuses this build: only for esp8266");
    }

    #[test]
    fn a_library_is_named_by_its_entry_else_by_its_location() {
        let manifest = read(
            "libs:\n- origin: https://github.com/mongoose-os-libs/wifi.git\n- location: ../rs\n  name: mqtt\n\
             - location: https://github.com/mongoose-os-libs/ca-bundle/\n",
        )
        .unwrap();
        let names: Vec<_> = manifest.libs.iter().map(|lib| lib.name.as_str()).collect();
        assert_eq!(names, ["wifi", "mqtt", "ca-bundle"]);
    }

    #[test]
    fn an_undefined_variable_is_an_error_that_says_where() {
        let error = read("sources:\n- src/${build_vars.NO}\n").unwrap_err();
        assert_eq!(format!("{error:#}"), "mos.yml:2: ${build_vars.NO} is not defined");
    }
}
