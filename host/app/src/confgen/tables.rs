//! mgos_host_tables.c: connects an app's build with the host, see host/include/mgos_host.h.

use super::BANNER;
use super::c::{self, string_literal};
use super::schema::Scalar;
use super::tree::{FieldNode, Tree};
use crate::manifest::identifier;

/// mgos_host_tables.c: what the host needs to know about this app. `libs` are those to initialise.
pub fn tables(tree: &Tree, app_name: &str, app_dir: &str, libs: &[&str]) -> String {
    let mut out = format!(
        "{BANNER}\n#include \"mgos_host.h\"\n\n#include <stddef.h>\n\n#include \"mgos_config.h\"\n\n\
         const char *const mgos_host_app_name = {};\nconst char *const mgos_host_app_dir = {};\n\n",
        string_literal(app_name),
        string_literal(app_dir)
    );
    out += "const struct mgos_host_conf_entry mgos_host_conf_entries[] = {\n";
    let fields = c::fields(&tree.root);
    for field in &fields {
        let default = match &field.node {
            FieldNode::Section(_) => "NULL".into(),
            FieldNode::Value(_, Scalar::Str(s)) => string_literal(s),
            FieldNode::Value(_, other) => format!("\"{}\"", other.shown()),
        };
        let path = &field.path;
        out += &format!("    {{\"{path}\", {}, offsetof(struct mgos_config, {path}), {default}}},\n", field.node.conf_type());
    }
    // One extra row, not counted, as C has no empty arrays.
    out += &format!(
        "    {{NULL, 0, 0, NULL}},\n}};\nconst uint32_t mgos_host_conf_num_entries = {};\n\
         void *const mgos_host_conf_base = &mgos_sys_config;\n\n",
        fields.len()
    );
    for lib in libs {
        out += &format!("bool mgos_{}_init(void);\n", identifier(lib));
    }
    out += "\nconst struct mgos_host_lib mgos_host_libs[] = {\n";
    for lib in libs {
        out += &format!("    {{{}, mgos_{}_init}},\n", string_literal(lib), identifier(lib));
    }
    out += &format!("    {{NULL, NULL}},\n}};\nconst uint32_t mgos_host_num_libs = {};\n", libs.len());
    out
}
