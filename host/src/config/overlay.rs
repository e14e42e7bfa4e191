//! Reads JSON files and KEY=VALUE settings, validates them against the table and converts them to
//! values. Safe code, no side effects besides reading files.

use std::ffi::CString;
use std::path::Path;

use serde_json::Value as Json;

use super::table::{Entry, Kind, Table, Value};

/// Collects values and errors.
pub(super) struct Overlay<'a> {
    table: &'a Table,
    values: Vec<(&'a Entry, Value)>,
    problems: Vec<String>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(table: &'a Table) -> Overlay<'a> {
        Overlay { table, values: Vec::new(), problems: Vec::new() }
    }

    /// The values in order of appearance, and the errors.
    pub(super) fn finish(self) -> (Vec<(&'a Entry, Value)>, Vec<String>) {
        (self.values, self.problems)
    }

    /// A file with a JSON object, nested like the keys.
    pub(super) fn file(&mut self, path: &Path) {
        let source = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => self.json(&source, &text),
            Err(error) => self.problems.push(format!("{source}: cannot read: {error}")),
        }
    }

    fn json(&mut self, source: &str, text: &str) {
        match serde_json::from_str(text) {
            Ok(json @ Json::Object(_)) => self.object(source, "", json),
            Ok(other) => self.problems.push(format!("{source}: expected a JSON object, got {}", kind_of(&other))),
            Err(error) => self.problems.push(format!("{source}: not valid JSON: {error}")),
        }
    }

    fn object(&mut self, source: &str, path: &str, json: Json) {
        let Json::Object(members) = json else { return };
        for (name, value) in members {
            let key = if path.is_empty() { name } else { format!("{path}.{name}") };
            match self.entry(&key) {
                Err(problem) => self.problems.push(format!("{source}: {problem}")),
                Ok(entry) => match (entry.kind, value) {
                    (Kind::Section, value @ Json::Object(_)) => self.object(source, &key, value),
                    (_, value) => match from_json(entry.kind, &value) {
                        Ok(value) => self.values.push((entry, value)),
                        Err(expected) => {
                            self.problems.push(format!("{source}: {key}: expected {expected}, got {} ({value})", kind_of(&value)))
                        }
                    },
                },
            }
        }
    }

    /// `KEY=VALUE`: the text is converted to the key's type.
    pub(super) fn setting(&mut self, setting: &str) {
        let Some((key, text)) = setting.split_once('=') else {
            self.problems.push(format!("--set {setting}: expected KEY=VALUE"));
            return;
        };
        match self.entry(key.trim()) {
            Err(problem) => self.problems.push(format!("--set {setting}: {problem}")),
            Ok(entry) => match from_text(entry.kind, text) {
                Ok(value) => self.values.push((entry, value)),
                Err(expected) => self.problems.push(format!("--set {setting}: {}: expected {expected}", entry.key)),
            },
        }
    }

    fn entry(&self, key: &str) -> Result<&'a Entry, String> {
        self.table.find(key).ok_or_else(|| match nearest(self.table, key) {
            Some(other) => format!("{key}: no such key; did you mean {other}?"),
            None => format!("{key}: no such key in this app"),
        })
    }
}

/// What a type expects, for messages.
fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "an integer of 32 bits",
        Kind::Unsigned => "an integer of 32 bits, not negative",
        Kind::Bool => "true or false",
        Kind::Double | Kind::Float => "a number",
        Kind::Str => "a string",
        Kind::Section => "an object: it is a section, its keys can be set one by one",
    }
}

fn from_json(kind: Kind, json: &Json) -> Result<Value, &'static str> {
    let value = match (kind, json) {
        (Kind::Int, Json::Number(n)) => n.as_i64().and_then(|v| v.try_into().ok()).map(Value::Int),
        (Kind::Unsigned, Json::Number(n)) => n.as_u64().and_then(|v| v.try_into().ok()).map(Value::Unsigned),
        (Kind::Bool, Json::Bool(b)) => Some(Value::Bool(*b)),
        (Kind::Double, Json::Number(n)) => n.as_f64().map(Value::Double),
        (Kind::Float, Json::Number(n)) => n.as_f64().and_then(to_float),
        (Kind::Str, Json::String(s)) => return string(s),
        _ => None,
    };
    value.ok_or(expected(kind))
}

fn from_text(kind: Kind, text: &str) -> Result<Value, &'static str> {
    let word = text.trim();
    let value = match kind {
        Kind::Int => word.parse().ok().map(Value::Int),
        Kind::Unsigned => word.parse().ok().map(Value::Unsigned),
        Kind::Bool => word.parse().ok().map(Value::Bool),
        Kind::Double => word.parse().ok().filter(|v: &f64| v.is_finite()).map(Value::Double),
        Kind::Float => word.parse().ok().and_then(to_float),
        Kind::Str => return string(text),
        Kind::Section => None,
    };
    value.ok_or(expected(kind))
}

fn string(text: &str) -> Result<Value, &'static str> {
    CString::new(text).map(Value::Str).map_err(|_| "a string without a NUL character, as C cannot hold one")
}

fn to_float(v: f64) -> Option<Value> {
    #[expect(clippy::cast_possible_truncation, reason = "less precision is what the type is for; the range is checked")]
    let v = v as f32;
    v.is_finite().then_some(Value::Float(v))
}

fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// The key that a misspelt one was probably meant to be.
fn nearest<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    let likeness = |entry: &Entry| strsim::normalized_damerau_levenshtein(&entry.key, key);
    let best = table.entries().iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= 0.7).then_some(best.key.as_str())
}
