//! mgos_config.h: structs, accessors, and the functions of each section. Their bodies are in
//! source.rs.

use std::collections::BTreeSet;

use super::BANNER;
use super::c::{self, Named};
use super::tree::{Field, FieldNode, Tree};

/// mgos_config.h.
pub fn header(tree: &Tree) -> String {
    let mut out = format!(
        "{BANNER}\n#pragma once\n\n#include <stdbool.h>\n#include <stddef.h>\n\n\
         #include \"common/mg_str.h\"\n\n#include \"mgos_config_util.h\"\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n"
    );
    let mut defined = BTreeSet::new();
    for named in c::sections(&tree.root) {
        if defined.insert(named.section.struct_path.clone()) {
            out += &definition(&named);
        }
        out += &functions(&named);
    }
    out += "\n/* The running configuration. */\nextern struct mgos_config mgos_sys_config;\n";
    for field in c::fields(&tree.root) {
        out += &accessors(field);
    }
    out += "\n/* One value by its path, as text; see mgos_config_util.h. */\n\
            bool mgos_sys_config_get(const struct mg_str key, struct mg_str *value);\n\
            bool mgos_sys_config_set(const struct mg_str key, const struct mg_str value, bool free_strings);\n\
            \n/* Whether a string in a config is one of the defaults, which are not from malloc. */\n\
            bool mgos_config_is_default_str(const char *s);\n\
            \nconst struct mgos_conf_entry *mgos_config_schema(void);\n\
            \n#ifdef __cplusplus\n}\n#endif\n";
    out
}

fn definition(named: &Named) -> String {
    let members: String = named.section.members().map(|field| format!("  {}{};\n", field.node.c_type(), field.key())).collect();
    // C has no empty structs.
    let members = if members.is_empty() { "  char unused_;\n".into() } else { members };
    format!("\n{} {{\n{members}}};\n", named.section.c_type())
}

fn functions(named: &Named) -> String {
    let Named { suffix, path, section } = named;
    let of = if path.is_empty() { "The whole configuration." } else { path };
    let ty = section.c_type();
    let name = format!("mgos_config{suffix}");
    format!(
        "\n/* {of} */\n\
         const struct mgos_conf_entry *{name}_get_schema(void);\n\
         void {name}_set_defaults({ty} *cfg);\n\
         static inline bool {name}_parse(struct mg_str json, {ty} *cfg) {{\n\
         \x20 {name}_set_defaults(cfg);\n\
         \x20 return mgos_conf_parse_sub(json, {name}_get_schema(), cfg);\n}}\n\
         static inline bool {name}_parse_f(const char *fname, {ty} *cfg) {{\n\
         \x20 {name}_set_defaults(cfg);\n\
         \x20 return mgos_conf_parse_sub_f(fname, {name}_get_schema(), cfg);\n}}\n\
         static inline bool {name}_emit(const {ty} *cfg, bool pretty, struct json_out *out) {{\n\
         \x20 return mgos_conf_emit_json_out(cfg, NULL, {name}_get_schema(), pretty, out);\n}}\n\
         static inline bool {name}_emit_f(const {ty} *cfg, bool pretty, const char *fname) {{\n\
         \x20 return mgos_conf_emit_f(cfg, NULL, {name}_get_schema(), pretty, fname);\n}}\n\
         static inline bool {name}_copy(const {ty} *src, {ty} *dst) {{\n\
         \x20 return mgos_conf_copy({name}_get_schema(), src, dst);\n}}\n\
         static inline void {name}_free({ty} *cfg) {{\n\
         \x20 mgos_conf_free({name}_get_schema(), cfg);\n}}\n"
    )
}

fn accessors(field: &Field) -> String {
    let ident = field.ident();
    let upper = ident.to_uppercase();
    let mut out = format!("\n/* {} */\n#define MGOS_CONFIG_HAVE_{upper}\n#define MGOS_SYS_CONFIG_HAVE_{upper}\n", field.path);
    match &field.node {
        FieldNode::Section(section) => {
            let ty = section.c_type();
            out += &format!(
                "const {ty} *mgos_config_get_{ident}(const struct mgos_config *cfg);\n\
                 static inline const {ty} *mgos_sys_config_get_{ident}(void) {{ \
                 return mgos_config_get_{ident}(&mgos_sys_config); }}\n"
            );
        }
        node @ FieldNode::Value(..) => {
            let ty = node.c_type();
            out += &format!(
                "{ty}mgos_config_get_{ident}(const struct mgos_config *cfg);\n\
                 {ty}mgos_config_get_default_{ident}(void);\n\
                 void mgos_config_set_{ident}(struct mgos_config *cfg, {ty}v);\n\
                 static inline {ty}mgos_sys_config_get_{ident}(void) {{ \
                 return mgos_config_get_{ident}(&mgos_sys_config); }}\n\
                 static inline {ty}mgos_sys_config_get_default_{ident}(void) {{ \
                 return mgos_config_get_default_{ident}(); }}\n\
                 static inline void mgos_sys_config_set_{ident}({ty}v) {{ \
                 mgos_config_set_{ident}(&mgos_sys_config, v); }}\n"
            );
        }
    }
    out
}
