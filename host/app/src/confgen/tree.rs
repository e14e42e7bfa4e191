//! The schema as a tree of structs: aliases resolved, overrides applied, everything validated.
//! Generating C is elsewhere.

use std::collections::BTreeSet;

use super::schema::{Entry, Kind, Scalar, Schema, Type};

/// A section: a struct and its fields.
#[derive(Clone, Debug)]
pub struct Section {
    /// The path that the struct is named after; for an alias, the original's.
    pub struct_path: String,
    pub fields: Vec<Field>,
    /// Only a template for other sections.
    pub template: bool,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub path: String,
    pub node: FieldNode,
}

#[derive(Clone, Debug)]
pub enum FieldNode {
    Value(Type, Scalar),
    Section(Section),
}

impl Section {
    /// All fields below it, outer ones first.
    pub fn all(&self) -> Vec<&Field> {
        self.fields.iter().flat_map(Field::with_inner).collect()
    }
}

impl Field {
    /// This field, and all below it.
    pub fn with_inner(&self) -> Vec<&Field> {
        let inner = if let FieldNode::Section(section) = &self.node { section.all() } else { Vec::new() };
        std::iter::once(self).chain(inner).collect()
    }

    pub fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// The path as part of a C name.
    pub fn ident(&self) -> String {
        self.path.replace('.', "_")
    }

    pub fn is_template(&self) -> bool {
        matches!(&self.node, FieldNode::Section(section) if section.template)
    }
}

/// A resolved schema.
#[derive(Debug)]
pub struct Tree {
    pub root: Section,
    /// Harmless, but not what the author meant.
    pub warnings: Vec<String>,
}

/// Resolves a schema, or returns everything that is wrong with it.
pub fn build(schema: &Schema) -> Result<Tree, Vec<String>> {
    let mut builder = Builder { schema, problems: schema.problems.clone(), trail: Vec::new(), used: BTreeSet::new() };
    let mut fields = Vec::new();
    for entry in &schema.entries {
        if !entry.path.contains('.') {
            fields.extend(builder.field(entry));
        }
    }
    let root = Section { struct_path: String::new(), fields, template: false };
    let mut warnings = Vec::new();
    for entry in &schema.entries {
        builder.check_parent(entry, &mut warnings);
    }
    for over in &schema.overrides {
        if !builder.used.contains(&over.path) {
            warnings.push(format!(
                "{}: {}: no library in this build has this key, its new default is ignored; is the library in libs?",
                over.value.place, over.path
            ));
        }
    }
    builder.check_names(&root);
    if builder.problems.is_empty() { Ok(Tree { root, warnings }) } else { Err(builder.problems) }
}

struct Builder<'a> {
    schema: &'a Schema,
    problems: Vec<String>,
    /// Entries being resolved, to detect an alias that contains itself.
    trail: Vec<String>,
    /// Overrides whose key exists.
    used: BTreeSet<String>,
}

impl Builder<'_> {
    /// The field declared by an entry; `None` if an error was recorded instead.
    fn field(&mut self, entry: &Entry) -> Option<Field> {
        if self.trail.contains(&entry.path) {
            self.problem(entry, format!("its type refers to itself through {}", self.trail.join(", ")));
            return None;
        }
        self.trail.push(entry.path.clone());
        let field = self.field_on_trail(entry);
        self.trail.pop();
        field
    }

    fn field_on_trail(&mut self, entry: &Entry) -> Option<Field> {
        match &entry.kind {
            Kind::Value(ty, default) => {
                let default = self.overridden(&entry.path, *ty).unwrap_or_else(|| default.clone());
                Some(Field { path: entry.path.clone(), node: FieldNode::Value(*ty, default) })
            }
            Kind::Section { template } => {
                let mut fields = Vec::new();
                for child in &self.schema.entries {
                    if parent(&child.path) == Some(&entry.path) {
                        fields.extend(self.field(child));
                    }
                }
                let section = Section { struct_path: entry.path.clone(), fields, template: *template };
                Some(Field { path: entry.path.clone(), node: FieldNode::Section(section) })
            }
            Kind::Like(original) => {
                let Some(target) = self.schema.entry(original) else {
                    self.problem(
                        entry,
                        format!("its type {original:?} is neither one of b, i, ui, f, d, s, o nor the path of another entry"),
                    );
                    return None;
                };
                let field = self.field(target)?;
                Some(self.moved(field, original, &entry.path))
            }
        }
    }

    /// A copy of the original under the alias's path, with the original's defaults, then the
    /// alias's own overrides.
    fn moved(&mut self, mut field: Field, from: &str, to: &str) -> Field {
        field.path = format!("{to}{}", &field.path[from.len()..]);
        match &mut field.node {
            FieldNode::Value(ty, default) => {
                if let Some(value) = self.overridden(&field.path, *ty) {
                    *default = value;
                }
            }
            FieldNode::Section(section) => {
                section.template = false;
                let fields = std::mem::take(&mut section.fields);
                section.fields = fields.into_iter().map(|child| self.moved(child, from, to)).collect();
            }
        }
        field
    }

    fn overridden(&mut self, path: &str, ty: Type) -> Option<Scalar> {
        let over = self.schema.overrides.iter().find(|over| over.path == path)?;
        let first = self.used.insert(over.path.clone());
        match ty.read(&over.value.value) {
            Ok(value) => Some(value),
            Err(problem) => {
                if first {
                    self.problems.push(format!("{}: {path}: {problem}", over.value.place));
                }
                None
            }
        }
    }

    /// An entry below something that is not a section would be dropped silently.
    fn check_parent(&mut self, entry: &Entry, warnings: &mut Vec<String>) {
        let Some(above) = parent(&entry.path).and_then(|path| self.schema.entry(path)) else { return };
        match &above.kind {
            Kind::Section { .. } => {}
            Kind::Value(..) => self.problem(entry, format!("{} is a value, it cannot have keys", above.path)),
            Kind::Like(original) => warnings.push(format!(
                "{}: {}: ignored, because {} has the type of {original}: declare it there",
                entry.place, entry.path, above.path
            )),
        }
    }

    /// `a.b_c` and `a_b.c` would both become mgos_sys_config_get_a_b_c().
    fn check_names(&mut self, root: &Section) {
        let mut seen = std::collections::BTreeMap::new();
        for field in root.all() {
            if let Some(other) = seen.insert(field.ident(), &field.path) {
                self.problems.push(format!("{other} and {} would have the same accessors in C", field.path));
            }
        }
    }

    fn problem(&mut self, entry: &Entry, problem: String) {
        self.problems.push(format!("{}: {}: {problem}", entry.place, entry.path));
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(above, _)| above)
}
