//! mgos_config.c: schema tables, defaults, and the accessors' bodies. Their declarations are in
//! header.rs.

use std::collections::BTreeMap;

use super::BANNER;
use super::c::{self, Named, Strings};
use super::schema::{Scalar, Type};
use super::tree::{Field, FieldNode, Section, Tree};

/// mgos_config.c.
pub fn source(tree: &Tree) -> String {
    let strings = Strings::of(&tree.root);
    let mut out = format!("{BANNER}\n#include \"mgos_config.h\"\n\n#include <stddef.h>\n\n");
    out += &strings.define();
    out += "\nbool mgos_config_is_default_str(const char *s) {\n\
            \x20 for (const char *const *p = s_strs; *p != NULL; p++) {\n\
            \x20   if (*p == s) return true;\n  }\n  return false;\n}\n";

    // The table of the whole configuration; a section's table is the part that starts at the
    // section.
    let mut tables = Tables::default();
    tables.add("s_schema", &tree.root);
    for field in tree.root.fields.iter().filter(|field| field.is_template()) {
        if let FieldNode::Section(section) = &field.node {
            tables.add(&format!("s_schema_{}", field.ident()), section);
        }
    }
    out += &tables.text;
    out += "\nstruct mgos_config mgos_sys_config;\n";

    for named in c::sections(&tree.root) {
        out += &functions(&named, &tables, &strings);
    }
    for field in c::fields(&tree.root) {
        out += &accessors(field, &strings);
    }
    out += "\nbool mgos_sys_config_get(const struct mg_str key, struct mg_str *value) {\n\
            \x20 return mgos_config_get(key, value, &mgos_sys_config, mgos_config_schema());\n}\n\
            \nbool mgos_sys_config_set(const struct mg_str key, const struct mg_str value, bool free_strings) {\n\
            \x20 return mgos_config_set(key, value, &mgos_sys_config, mgos_config_schema(), free_strings);\n}\n\
            \nconst struct mgos_conf_entry *mgos_config_schema(void) {\n  return mgos_config_get_schema();\n}\n";
    out
}

/// Schema tables, and the position of each section in them.
#[derive(Default)]
struct Tables {
    text: String,
    places: BTreeMap<String, (String, usize)>,
}

impl Tables {
    fn add(&mut self, name: &str, top: &Section) {
        let mut rows = vec![format!("    {{.type = CONF_TYPE_OBJECT, .key = \"\", .offset = 0, .num_desc = {}}},\n", descendants(top))];
        self.places.insert(top.struct_path.clone(), (name.into(), 0));
        // Member offsets are relative to the struct that the table is for.
        let prefix = if top.struct_path.is_empty() { 0 } else { top.struct_path.len() + 1 };
        self.rows(name, &top.c_type(), prefix, top, &mut rows);
        self.text += &format!("\nstatic const struct mgos_conf_entry {name}[] = {{\n{}}};\n", rows.concat());
    }

    fn rows(&mut self, name: &str, top: &str, prefix: usize, section: &Section, rows: &mut Vec<String>) {
        for field in section.members() {
            let (ty, key, member) = (field.node.conf_type(), field.key(), &field.path[prefix..]);
            let row = format!("    {{.type = {ty}, .key = \"{key}\", .offset = offsetof({top}, {member})");
            match &field.node {
                FieldNode::Value(..) => rows.push(row + "},\n"),
                FieldNode::Section(inner) => {
                    self.places.insert(field.path.clone(), (name.into(), rows.len()));
                    rows.push(format!("{row}, .num_desc = {}}},\n", descendants(inner)));
                    self.rows(name, top, prefix, inner, rows);
                }
            }
        }
    }
}

fn descendants(section: &Section) -> usize {
    section
        .members()
        .map(|field| match &field.node {
            FieldNode::Value(..) => 1,
            FieldNode::Section(inner) => 1 + descendants(inner),
        })
        .sum()
}

fn functions(named: &Named, tables: &Tables, strings: &Strings) -> String {
    let Named { suffix, path, section } = named;
    let (table, index) = &tables.places[*path];
    let mut defaults: String = section
        .members()
        .map(|field| match &field.node {
            FieldNode::Value(_, value) => format!("  cfg->{} = {};\n", field.key(), strings.value(value)),
            FieldNode::Section(_) => {
                format!("  mgos_config_{}_set_defaults(&cfg->{});\n", field.ident(), field.key())
            }
        })
        .collect();
    if defaults.is_empty() {
        defaults = "  (void) cfg;\n".into();
    }
    format!(
        "\nconst struct mgos_conf_entry *mgos_config{suffix}_get_schema(void) {{\n  return &{table}[{index}];\n}}\n\
         \nvoid mgos_config{suffix}_set_defaults({} *cfg) {{\n{defaults}}}\n",
        section.c_type()
    )
}

fn accessors(field: &Field, strings: &Strings) -> String {
    let (ident, path) = (field.ident(), &field.path);
    match &field.node {
        FieldNode::Section(section) => {
            format!("\nconst {} *mgos_config_get_{ident}(const struct mgos_config *cfg) {{\n  return &cfg->{path};\n}}\n", section.c_type())
        }
        FieldNode::Value(ty, default) => {
            let c_type = field.node.c_type();
            let set = match ty {
                Type::Str => format!("mgos_conf_set_str(&cfg->{path}, v)"),
                _ => format!("cfg->{path} = v"),
            };
            let default = match default {
                // An int in C.
                Scalar::Bool(b) => i32::from(*b).to_string(),
                other => strings.value(other),
            };
            format!(
                "\n{c_type}mgos_config_get_{ident}(const struct mgos_config *cfg) {{\n  return cfg->{path};\n}}\n\
                 \n{c_type}mgos_config_get_default_{ident}(void) {{\n  return {default};\n}}\n\
                 \nvoid mgos_config_set_{ident}(struct mgos_config *cfg, {c_type}v) {{\n  {set};\n}}\n"
            )
        }
    }
}
