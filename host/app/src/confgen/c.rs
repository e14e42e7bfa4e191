//! Spells the tree in C: type names, literals, the order of struct definitions.

use super::schema::{Scalar, Type};
use super::tree::{Field, FieldNode, Section};

/// A section with the name used in its functions: empty for the whole configuration.
pub struct Named<'a> {
    /// "" or, for example, "_mqtt".
    pub suffix: String,
    pub path: &'a str,
    pub section: &'a Section,
}

/// All sections, inner ones first, the whole configuration last.
pub fn sections(root: &Section) -> Vec<Named<'_>> {
    fn walk<'a>(fields: &'a [Field], out: &mut Vec<Named<'a>>) {
        for field in fields {
            if let FieldNode::Section(section) = &field.node {
                walk(&section.fields, out);
                out.push(Named { suffix: format!("_{}", field.ident()), path: &field.path, section });
            }
        }
    }
    let mut out = Vec::new();
    walk(&root.fields, &mut out);
    out.push(Named { suffix: String::new(), path: "", section: root });
    out
}

/// All fields except those of templates, outer ones first.
pub fn fields(root: &Section) -> Vec<&Field> {
    root.members().flat_map(Field::with_inner).collect()
}

impl Section {
    /// `struct mgos_config_mqtt`.
    pub fn c_type(&self) -> String {
        if self.struct_path.is_empty() {
            "struct mgos_config".into()
        } else {
            format!("struct mgos_config_{}", self.struct_path.replace('.', "_"))
        }
    }

    /// The struct's members.
    pub fn members(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.is_template())
    }
}

impl FieldNode {
    /// The type, followed by a space unless it ends in `*`.
    pub fn c_type(&self) -> String {
        match self {
            FieldNode::Value(ty, _) => match ty {
                Type::Bool | Type::Int => "int ".into(),
                Type::Unsigned => "unsigned int ".into(),
                Type::Float => "float ".into(),
                Type::Double => "double ".into(),
                Type::Str => "const char *".into(),
            },
            FieldNode::Section(section) => section.c_type() + " ",
        }
    }

    /// CONF_TYPE_*.
    pub fn conf_type(&self) -> &'static str {
        match self {
            FieldNode::Value(ty, _) => match ty {
                Type::Bool => "CONF_TYPE_BOOL",
                Type::Int => "CONF_TYPE_INT",
                Type::Unsigned => "CONF_TYPE_UNSIGNED_INT",
                Type::Float => "CONF_TYPE_FLOAT",
                Type::Double => "CONF_TYPE_DOUBLE",
                Type::Str => "CONF_TYPE_STRING",
            },
            FieldNode::Section(_) => "CONF_TYPE_OBJECT",
        }
    }
}

/// The default strings, each once: a string in a struct is a default if its address is one of
/// these.
pub struct Strings(Vec<String>);

impl Strings {
    pub fn of(root: &Section) -> Strings {
        let string = |field: &Field| match &field.node {
            FieldNode::Value(_, Scalar::Str(s)) if !s.is_empty() => Some(s.clone()),
            _ => None,
        };
        let mut strings: Vec<_> = root.all().into_iter().filter_map(string).collect();
        strings.sort();
        strings.dedup();
        Strings(strings)
    }

    /// Their definitions, and the list of their addresses.
    pub fn define(&self) -> String {
        let mut out = String::new();
        for (i, string) in self.0.iter().enumerate() {
            out += &format!("static const char s_str_{i}[] = {};\n", string_literal(string));
        }
        let names: String = (0..self.0.len()).map(|i| format!("s_str_{i}, ")).collect();
        out += &format!("static const char *const s_strs[] = {{{names}NULL}};\n");
        out
    }

    /// A default as a C expression.
    pub fn value(&self, value: &Scalar) -> String {
        match value {
            Scalar::Bool(b) => b.to_string(),
            // The smallest int has no literal.
            Scalar::Int(i) if *i == i64::from(i32::MIN) => format!("({} - 1)", i + 1),
            Scalar::Int(i) if *i > i64::from(i32::MAX) => format!("{i}U"),
            Scalar::Int(i) => i.to_string(),
            Scalar::Float(f) => format!("{f:?}"),
            Scalar::Str(s) => match self.0.binary_search(s) {
                Ok(i) => format!("s_str_{i}"),
                Err(_) => "NULL".into(),
            },
        }
    }
}

/// A quoted string, using characters that all compilers read alike, without trigraphs.
pub fn string_literal(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' => out += "\\\"",
            b'\\' => out += "\\\\",
            b'\n' => out += "\\n",
            b'?' => out += "\\?",
            b' '..=b'~' => out.push(char::from(byte)),
            // Always three digits, so that a following digit is not included.
            _ => out += &format!("\\{byte:03o}"),
        }
    }
    out + "\""
}
