//! With the feature `headers`: generates the C headers from src/ffi, into the tree or, for
//! comparison, into MGOS_MQTT_HEADERS. Run by `cargo xtask header`. Without the feature it does
//! nothing.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "headers")]
    headers::write();
}

#[cfg(feature = "headers")]
mod headers {
    use std::env;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Starts each header.
    const LICENSE: &str = "/*
 * Copyright the mgos-mqtt contributors. SPDX-License-Identifier: Apache-2.0
 *
 * Made from src/ffi by cbindgen: do not edit, run `cargo xtask header`.
 */
";

    struct Header {
        path: &'static str,
        sources: &'static [&'static str],
        intro: &'static str,
        includes: &'static [&'static str],
        /// Declarations that cannot be generated from Rust: functions that are in the shim.
        in_shim: &'static str,
        /// Items that this header omits.
        exclude: &'static [&'static str],
        /// Items that no function refers to but that belong to it.
        include: &'static [&'static str],
    }

    const HEADERS: [Header; 3] = [
        Header {
            path: "include/mgos_mqtt_conn.h",
            sources: &["src/ffi/types.rs", "src/ffi/conn_api.rs"],
            intro: "/**
 * @file
 * MQTT connections, any number of them, each with its own configuration. Most apps need only the
 * global one: see mgos_mqtt.h.
 *
 * Every function takes NULL for a connection, a string or a handler. It then logs an error and
 * returns 0, false or NULL; what it says of NULL otherwise holds. void functions report errors only
 * in the log. All of them may be called from handlers, timers, cloud events and log hooks, in the
 * firmware's main task.
 */

struct mgos_mqtt_conn;
",
            includes: &["<stdarg.h>", "<stdbool.h>", "<stddef.h>", "<stdint.h>", "", "\"mgos_mongoose.h\"", "\"mgos_sys_config.h\""],
            in_shim: include_str!("src/ffi/conn_shim.h"),
            exclude: &[
                "sub_handler_t",
                "mgos_mqtt_conn_nc",
                "mgos_mqtt_conn_reconnect",
                "mgos_mqtt_conn_get_packet_id",
                "mgos_mqtt_conn_sub_s",
                "mgos_mqtt_ws_ev",
            ],
            include: &["Reason", "mgos_mqtt_event", "mgos_mqtt_event_arg", "mgos_mqtt_result", "mgos_mqtt_piece"],
        },
        Header {
            path: "include/mgos_mqtt.h",
            sources: &["src/ffi/types.rs", "src/ffi/global_api.rs"],
            intro: "/**
 * @file
 * MQTT on the global connection: the one that the `mqtt` section of the configuration describes,
 * with a backup server in `mqtt1`. It connects when the network comes up, and reconnects and
 * resubscribes by itself.
 *
 * void functions report errors only in the log. All functions may be called from handlers, timers,
 * cloud events and log hooks, in the firmware's main task. For more connections than this one, see
 * mgos_mqtt_conn.h.
 */
",
            includes: &["\"mgos_mqtt_conn.h\""],
            in_shim: include_str!("src/ffi/global_shim.h"),
            exclude: &["mgos_mqtt_connect_fn_t", "mgos_mqtt_result_fn_t", "mgos_mqtt_finish_fn_t", "mgos_mqtt_core_sub", STATS, OPTIONS],
            include: &["sub_handler_t"],
        },
        Header {
            path: "shim/mgos_mqtt_seam.h",
            sources: &[
                "src/ffi/types.rs",
                "src/ffi/shim.rs",
                "src/ffi/events.rs",
                "src/ffi/websocket.rs",
                "src/ffi/global.rs",
                "src/ffi/queue_file.rs",
            ],
            intro: "/*
 * The seam between the shim, in C, and the core, in Rust: what each has for the other. Not for apps.
 *
 * Only pointers, lengths and fixed-width integers cross it.
 */
",
            includes: &["\"mgos_mqtt.h\""],
            in_shim: "",
            exclude: &["mgos_mqtt_connect_fn_t", "sub_handler_t", "mgos_mqtt_stream_handler_t", "mgos_mqtt_read_fn_t"],
            include: &[],
        },
    ];

    /// Declared in one header, used in two.
    const STATS: &str = "mgos_mqtt_stats";
    const OPTIONS: &str = "mgos_mqtt_pub_opts";

    /// Structures declared elsewhere: their names in Rust and in C.
    const STRUCTS: [&str; 5] = ["mg_connection", "mgos_config_mqtt", "mg_send_mqtt_handshake_opts", "mg_str", "mgos_mqtt_conn"];

    /// Constants of the shim interface and of the API: their names in Rust and in C.
    const ENUMS: [(&str, &str); 6] = [
        ("Log", "mgos_mqtt_log"),
        ("Number", "mgos_mqtt_number"),
        ("Frames", "mgos_mqtt_frames"),
        ("QueueLog", "mgos_mqtt_queue_log"),
        ("Cloud", "mgos_mqtt_cloud"),
        ("Reason", "mgos_mqtt_reason"),
    ];

    /// What is passed in another width than C declares: the names here and in C. See src/ffi/types.rs.
    const INTEGERS: [(&str, &str); 3] = [("ReturnedBool", "bool"), ("ReturnedU16", "uint16_t"), ("PassedBool", "bool")];

    pub fn write() {
        println!("cargo::rerun-if-changed=src/ffi");
        println!("cargo::rerun-if-env-changed=MGOS_MQTT_HEADERS");
        let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
        let out = env::var_os("MGOS_MQTT_HEADERS").map_or_else(|| root.clone(), PathBuf::from);
        for header in &HEADERS {
            let text = generate(header, &root);
            let path = out.join(header.path);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
            if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                fs::write(&path, text).expect("the header can be written");
            }
        }
    }

    fn generate(header: &Header, root: &Path) -> String {
        let mut config = cbindgen::Config {
            language: cbindgen::Language::C,
            style: cbindgen::Style::Tag,
            cpp_compat: true,
            no_includes: true,
            documentation_style: cbindgen::DocumentationStyle::Doxy,
            usize_is_size_t: true,
            line_length: 100,
            header: Some(LICENSE.to_string()),
            after_includes: Some(format!("{}\n{}", includes(header), header.intro)),
            ..Default::default()
        };
        config.export.exclude = STRUCTS.iter().chain(header.exclude).chain(&["mg_event_handler_t"]).map(|s| s.to_string()).collect();
        config.export.rename = INTEGERS.iter().map(|&(rust, c)| (rust.to_string(), c.to_string())).collect();
        config.export.rename.extend(STRUCTS.iter().map(|name| (name.to_string(), format!("struct {name}"))));
        for name in [STATS, OPTIONS].iter().filter(|name| header.exclude.contains(name)) {
            config.export.rename.insert(name.to_string(), format!("struct {name}"));
        }
        config.export.include = header.include.iter().map(|s| s.to_string()).collect();
        config.export.rename.extend(ENUMS.iter().map(|&(rust, c)| (rust.to_string(), c.to_string())));
        config.enumeration.rename_variants = cbindgen::RenameRule::QualifiedScreamingSnakeCase;
        let mut builder = cbindgen::Builder::new().with_config(config);
        for source in header.sources {
            builder = builder.with_src(root.join(source));
        }
        let mut text = Vec::new();
        builder.generate().expect("cbindgen understands src/ffi").write(&mut text);
        finish(&String::from_utf8(text).expect("cbindgen writes UTF-8"), header.in_shim)
    }

    fn includes(header: &Header) -> String {
        header.includes.iter().map(|file| if file.is_empty() { "\n".into() } else { format!("#include {file}\n") }).collect()
    }

    /// Removes the `# Safety` sections, which are for Rust callers, and adds the functions of the shim
    /// within the `extern "C"` block.
    fn finish(text: &str, in_shim: &str) -> String {
        const END: &str = "#ifdef __cplusplus\n}  // extern \"C\"";
        let mut out = String::new();
        let mut in_safety = false;
        for line in text.lines() {
            in_safety = line == " * # Safety" || (in_safety && line != " */");
            if in_safety {
                continue;
            }
            if line == " */" && out.ends_with(" *\n") {
                out.truncate(out.len() - " *\n".len());
            }
            if line.is_empty() && out.ends_with("\n\n") {
                continue;
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        let (before, after) = out.split_once(END).expect("cpp_compat makes an extern block");
        let gap = if in_shim.is_empty() { "" } else { "\n" };
        format!("#pragma once\n\n{before}{in_shim}{gap}{END}{after}")
            .replace("// extern \"C\"", "/* extern \"C\" */")
            .replace("#endif // __cplusplus", "#endif")
            .replace("#endif  // __cplusplus", "#endif")
    }
}
