//! YAML as a plain tree with line numbers. The only module that uses the YAML crate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use saphyr::{LoadableYamlNode, MarkedYamlOwned, ScalarOwned, YamlDataOwned};

/// File and line of a value, for messages.
#[derive(Clone, Debug)]
pub struct Place {
    file: Arc<PathBuf>,
    line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A value and its position.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

// Equality ignores the position.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Value {
    /// The kind of the value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number with a fraction",
            Value::Str(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl Node {
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// A scalar as text, for build variables and macros.
    pub fn text(&self) -> Option<String> {
        match &self.value {
            Value::Str(s) => Some(s.clone()),
            Value::Int(i) => Some(i.to_string()),
            Value::Float(f) => Some(format!("{f:?}")),
            Value::Bool(b) => Some(b.to_string()),
            Value::Null => Some(String::new()),
            Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// The first document of a YAML file.
pub fn load(path: &Path) -> Result<Node> {
    parse(&fs_err::read_to_string(path)?, path)
}

/// The first document of a YAML text; `name` is the file name in messages.
pub fn parse(text: &str, name: &Path) -> Result<Node> {
    let file = Arc::new(name.to_path_buf());
    let documents = MarkedYamlOwned::load_from_str(text).map_err(|e| anyhow!("{}: {e}", name.display()))?;
    match documents.into_iter().next() {
        Some(document) => convert(document, &file),
        None => Ok(Node { place: Place { file, line: 1 }, value: Value::Null }),
    }
}

fn convert(node: MarkedYamlOwned, file: &Arc<PathBuf>) -> Result<Node> {
    let place = Place { file: file.clone(), line: node.span.start.line() };
    let value = match node.data {
        YamlDataOwned::Value(scalar) => match scalar {
            ScalarOwned::Null => Value::Null,
            ScalarOwned::Boolean(b) => Value::Bool(b),
            ScalarOwned::Integer(i) => Value::Int(i),
            ScalarOwned::FloatingPoint(f) => Value::Float(f.into_inner()),
            ScalarOwned::String(s) => Value::Str(s),
        },
        YamlDataOwned::Sequence(items) => Value::List(items.into_iter().map(|item| convert(item, file)).collect::<Result<_>>()?),
        YamlDataOwned::Mapping(entries) => {
            let mut map = Vec::new();
            for (key, value) in entries {
                let key = convert(key, file)?;
                let name = key.text().ok_or_else(|| anyhow!("{}: a key must be a scalar", key.place))?;
                map.push((name, convert(value, file)?));
            }
            Value::Map(map)
        }
        YamlDataOwned::Tagged(_, inner) => return convert(*inner, file),
        YamlDataOwned::Representation(text, ..) => Value::Str(text),
        YamlDataOwned::Alias(_) | YamlDataOwned::BadValue => {
            return Err(anyhow!("{place}: unsupported value"));
        }
    };
    Ok(Node { place, value })
}
