//! Collects the config_schema lists of mos.yml files into one schema. Applying overrides and
//! aliases is in tree.

use crate::yaml::{Node, Place, Value};

/// C and C++ keywords: a key becomes the name of a struct member.
const RESERVED: &str = "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t \
    char32_t class compl const const_cast constexpr continue decltype default delete do double dynamic_cast else \
    enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not \
    not_eq nullptr operator or or_eq private protected public register reinterpret_cast restrict return short \
    signed sizeof static static_assert static_cast struct switch template this thread_local throw true try \
    typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq";

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int,
    Unsigned,
    Float,
    Double,
    Str,
}

impl Type {
    fn from_letter(letter: &str) -> Option<Type> {
        Some(match letter {
            "b" => Type::Bool,
            "i" => Type::Int,
            "ui" => Type::Unsigned,
            "f" => Type::Float,
            "d" => Type::Double,
            "s" => Type::Str,
            _ => return None,
        })
    }

    /// The default of a key that is declared without one.
    pub fn zero(self) -> Scalar {
        match self {
            Type::Bool => Scalar::Bool(false),
            Type::Int | Type::Unsigned => Scalar::Int(0),
            Type::Float | Type::Double => Scalar::Float(0.0),
            Type::Str => Scalar::Str(String::new()),
        }
    }

    /// Converts a YAML value to this type.
    pub fn read(self, value: &Value) -> Result<Scalar, String> {
        let expected = match (self, value) {
            (Type::Bool, Value::Bool(b)) => return Ok(Scalar::Bool(*b)),
            // YAML 1.1 booleans, which `mos` accepts.
            (Type::Bool, Value::Str(s)) if matches!(s.as_str(), "yes" | "on" | "Yes" | "On" | "YES" | "ON") => {
                return Ok(Scalar::Bool(true));
            }
            (Type::Bool, Value::Str(s)) if matches!(s.as_str(), "no" | "off" | "No" | "Off" | "NO" | "OFF") => {
                return Ok(Scalar::Bool(false));
            }
            (Type::Bool, _) => "true or false",
            (Type::Int, Value::Int(i)) if i32::try_from(*i).is_ok() => return Ok(Scalar::Int(*i)),
            (Type::Int, _) => "a 32-bit integer",
            (Type::Unsigned, Value::Int(i)) if u32::try_from(*i).is_ok() => return Ok(Scalar::Int(*i)),
            (Type::Unsigned, _) => "an unsigned 32-bit integer",
            (Type::Float | Type::Double, Value::Float(f)) if f.is_finite() => return Ok(Scalar::Float(*f)),
            #[expect(clippy::cast_precision_loss, reason = "a C double holds no more")]
            (Type::Float | Type::Double, Value::Int(i)) => return Ok(Scalar::Float(*i as f64)),
            (Type::Float | Type::Double, Value::Str(s)) if s.parse().is_ok_and(f64::is_finite) => {
                return Ok(Scalar::Float(s.parse().unwrap_or_default()));
            }
            (Type::Float | Type::Double, _) => "a number",
            (Type::Str, Value::Str(s)) => return Ok(Scalar::Str(s.clone())),
            (Type::Str, _) => "a string (in quotes, if it looks like something else)",
        };
        Err(format!("expected {expected}, got {}", value.kind()))
    }
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
}

impl Scalar {
    /// As text; `""` for an empty string.
    pub fn shown(&self) -> String {
        match self {
            Scalar::Bool(b) => b.to_string(),
            Scalar::Int(i) => i.to_string(),
            Scalar::Float(f) => f.to_string(),
            Scalar::Str(s) if s.is_empty() => "\"\"".into(),
            Scalar::Str(s) => s.clone(),
        }
    }
}

/// What an entry declares.
#[derive(Clone, Debug)]
pub enum Kind {
    Section {
        template: bool,
    },
    Value(Type, Scalar),
    /// The same as another entry, under a different path.
    Like(String),
}

/// A declared key or section.
#[derive(Clone, Debug)]
pub struct Entry {
    pub path: String,
    pub kind: Kind,
    pub place: Place,
}

/// A new default for a key that is declared elsewhere.
#[derive(Clone, Debug)]
pub struct Override {
    pub path: String,
    pub value: Node,
}

/// All lists, merged in order.
#[derive(Debug, Default)]
pub struct Schema {
    pub entries: Vec<Entry>,
    pub overrides: Vec<Override>,
    /// Errors in the lists; if there are any, the rest is unusable.
    pub problems: Vec<String>,
}

impl Schema {
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Adds a list. Its entries go after existing ones; an entry with an existing path replaces it.
    pub fn merge(&mut self, list: &Node) {
        let rows = match &list.value {
            Value::List(rows) => rows,
            // `config_schema:` with nothing behind it.
            Value::Null => return,
            _ => return self.problems.push(format!("{}: config_schema must be a list", list.place)),
        };
        for row in rows {
            if let Err(problem) = self.merge_row(row) {
                self.problems.push(format!("{}: {problem}", row.place));
            }
        }
    }

    fn merge_row(&mut self, row: &Node) -> Result<(), String> {
        let Value::List(cells) = &row.value else {
            return Err(r#"an entry must be a list: ["path", "type", default, {title: ...}]"#.into());
        };
        let Some(Value::Str(path)) = cells.first().map(|cell| &cell.value) else {
            return Err("the path, first in an entry, must be a string".into());
        };
        check_path(path)?;
        match cells.as_slice() {
            [_, value] => {
                self.overrides.retain(|o| o.path != *path);
                self.overrides.push(Override { path: path.clone(), value: value.clone() });
                Ok(())
            }
            [_, kind, params] => self.declare(row, path, kind, None, params),
            [_, kind, default, params] => self.declare(row, path, kind, Some(default), params),
            _ => Err(format!("{path}: an entry has 2 to 4 elements, this one has {}", cells.len())),
        }
    }

    fn declare(&mut self, row: &Node, path: &str, kind: &Node, default: Option<&Node>, params: &Node) -> Result<(), String> {
        let Value::Str(letter) = &kind.value else {
            return Err(format!("{path}: the type, second in an entry, must be a string"));
        };
        if !matches!(params.value, Value::Map(_) | Value::Null) {
            return Err(format!(
                "{path}: the last of three or four elements must be a mapping such as {{title: ...}}, not {}",
                params.value.kind()
            ));
        }
        let kind = match Type::from_letter(letter) {
            Some(ty) => {
                let default = default.map_or(Ok(ty.zero()), |node| ty.read(&node.value));
                Kind::Value(ty, default.map_err(|problem| format!("{path}: {problem}"))?)
            }
            None if letter == "o" => Kind::Section { template: is_template(path, params)? },
            None => {
                check_path(letter).map_err(|_| {
                    format!("{path}: no such type as {letter:?}; there are b, i, ui, f, d, s, o and the path of another entry")
                })?;
                Kind::Like(letter.clone())
            }
        };
        for (at, _) in path.match_indices('.') {
            let section = &path[..at];
            if self.entry(section).is_none() {
                self.entries.push(Entry { path: section.into(), kind: Kind::Section { template: false }, place: row.place.clone() });
            }
        }
        let entry = Entry { path: path.into(), kind, place: row.place.clone() };
        match self.entries.iter_mut().find(|old| old.path == path) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        Ok(())
    }
}

/// `abstract: true` declares a struct for other sections to copy, but no section.
fn is_template(path: &str, params: &Node) -> Result<bool, String> {
    match params.get("abstract").map(|node| &node.value) {
        None => Ok(false),
        Some(Value::Bool(true)) if path.contains('.') => Err(format!("{path}: only a section at the top level can be abstract")),
        Some(Value::Bool(b)) => Ok(*b),
        Some(_) => Err(format!("{path}: abstract must be true or false")),
    }
}

fn check_path(path: &str) -> Result<(), String> {
    for key in path.split('.') {
        if RESERVED.split_whitespace().any(|word| word == key) {
            return Err(format!("{path}: {key:?} cannot be a config key: it is a C or C++ keyword"));
        }
        let mut chars = key.chars();
        let head = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !head || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("{path}: {key:?} cannot be a config key: it is not a valid C identifier"));
        }
    }
    Ok(())
}
