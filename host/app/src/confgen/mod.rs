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

pub use header::header;
pub use schema::Schema;
pub use source::source;
pub use tables::tables;
use tree::{Field, FieldNode};
pub use tree::{Tree, build};

/// First lines of every generated file.
const BANNER: &str = "/* Generated from the config_schema of the app and its libraries by `cargo xtask run` or\n\
    \x20* `cargo xtask sdk`; edit those, not this. */\n";

/// All keys with the name of their type and their default as text.
pub fn flat(tree: &Tree) -> Vec<(String, (String, String))> {
    let value = |field: &Field| match &field.node {
        FieldNode::Section(_) => None,
        FieldNode::Value(ty, default) => Some((field.path.clone(), (format!("{ty:?}").to_lowercase(), default.shown()))),
    };
    tree.root.all().into_iter().filter_map(value).collect()
}
