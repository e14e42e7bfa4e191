//! The configuration generator: config_schema lists in, C out.
//!
//! The output has the API of Mongoose OS' generator, so that apps and the shim compile unchanged:
//! struct mgos_config, mgos_sys_config_get_*() and set, `mgos_config_<section>_copy()`, schema
//! tables. In addition, a flat table for the host's loader.

mod c;
mod header;
mod schema;
mod source;
mod tables;
mod tree;

#[cfg(test)]
mod tests;

pub use schema::Schema;
pub use tables::Lib;
pub use tree::{Tree, build};

/// First lines of every generated file.
const BANNER: &str = "/* Generated from the config_schema of the app and its libraries by `cargo xtask run` or\n\
    \x20* `cargo xtask sdk`; edit those, not this. */\n";

/// mgos_config.h.
pub fn header(tree: &Tree) -> String {
    header::header(tree)
}

/// mgos_config.c.
pub fn source(tree: &Tree) -> String {
    source::source(tree)
}

/// mgos_host_tables.c: what the host needs to know about this app.
pub fn tables(tree: &Tree, app_name: &str, app_dir: &str, libs: &[Lib]) -> String {
    tables::tables(tree, app_name, app_dir, libs)
}

/// All keys with the name of their type and their default as text.
pub fn flat(tree: &Tree) -> Vec<(String, (String, String))> {
    fn walk(section: &tree::Section, at: &str, all: &mut Vec<(String, (String, String))>) {
        for field in &section.fields {
            let path = if at.is_empty() { field.key().to_owned() } else { format!("{at}.{}", field.key()) };
            match &field.node {
                tree::FieldNode::Section(inner) => walk(inner, &path, all),
                tree::FieldNode::Value(ty, default) => all.push((path, (format!("{ty:?}").to_lowercase(), default.shown()))),
            }
        }
    }
    let mut all = Vec::new();
    walk(&tree.root, "", &mut all);
    all
}
