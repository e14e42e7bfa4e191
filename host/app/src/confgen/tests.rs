//! Tests the generator's output with C: compiles it without warnings as C and C++, and runs it
//! under valgrind. Also tests its errors and warnings.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use project::files;

use super::{Schema, Tree, build, header, source, tables};
use crate::yaml;

/// The schema of the host and the mqtt library, with lists before and after the library's.
fn schema(before: &str, after: &str) -> Schema {
    let root = project::root();
    let list_of = |file: PathBuf| yaml::load(&file).unwrap().get("config_schema").unwrap().clone();
    let mut schema = Schema::default();
    schema.merge(&list_of(root.join("host/mos.yml")));
    schema.merge(&yaml::parse(before, Path::new("before.yml")).unwrap());
    schema.merge(&list_of(root.join("mos.yml")));
    schema.merge(&yaml::parse(after, Path::new("after.yml")).unwrap());
    schema
}

fn small(text: &str) -> Schema {
    let mut schema = Schema::default();
    schema.merge(&yaml::parse(text, Path::new("a.yml")).unwrap());
    schema
}

const BEFORE: &str = r#"
- ["mqtt.first", "s", "in front", {title: "Of the app, in front of the library's"}]
- ["mqtt.max_qos", 1]
"#;

const AFTER: &str = r#"
- ["mqtt.pub", "s", "/out", {title: "Of the app"}]
- ["mqtt.sub.deep", "ui", 4294967295, {title: "Makes mqtt.sub"}]
- ["mqtt.server", "broker:1883"]
- ["mqtt.reconnect_timeout_min", 3]
- ["mqtt1.enable", true]
- ["mqtt1.pub", "/out1"]
- ["tpl", "o", {abstract: true}]
- ["tpl.gain", "f", 1.5, {}]
- ["tpl.in.name", "s", "n", {}]
- ["adc.one", "tpl", {title: "One"}]
- ["adc.two", "tpl", {title: "Two"}]
- ["adc.two.gain", -2]
- ["odd", "s", "a\"b\\ ??( \u00e9\n1", {}]
- ["low", "i", -2147483648, {}]
- ["empty", "o", {}]
- ["no_default.b", "b", {}]
- ["no_default.s", "s", {}]
"#;

/// The directory of a test, with the generated files.
fn generated(name: &str, tree: &Tree) -> PathBuf {
    let dir = project::target_dir().join("confgen-tests").join(name);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("mgos_config.h"), header(tree)).unwrap();
    std::fs::write(dir.join("mgos_config.c"), source(tree)).unwrap();
    std::fs::write(dir.join("mgos_host_tables.c"), tables(tree, "te\"st", "/apps/te\"st", &["mqtt"])).unwrap();
    dir
}

fn cc(compiler: &str, standard: &str, dir: &Path) -> Command {
    let mut command = Command::new(compiler);
    command.args([standard, "-g", "-Wall", "-Wextra", "-Wundef", "-Werror", "-ffunction-sections"]);
    command.arg("-I").arg(dir).arg("-I").arg(project::root().join("host/include")).current_dir(dir);
    command
}

/// The host's C sources that need no generated configuration, as an archive: the linker takes what
/// is used.
fn host_archive() -> &'static Path {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let dir = project::target_dir().join("confgen-tests/host");
        std::fs::create_dir_all(&dir).unwrap();
        let sources = files::list(&project::root().join("host/c")).unwrap();
        let mut ar = Command::new("ar");
        ar.arg("rcs").arg("libhost.a").current_dir(&dir);
        for source in sources.iter().filter(|path| files::ends_in(path, &["c"])) {
            let object = format!("{}.o", source.file_stem().unwrap().to_str().unwrap());
            project::run(cc("cc", "-std=gnu99", &dir).arg("-c").arg(source).arg("-o").arg(&object)).unwrap();
            ar.arg(object);
        }
        project::run(&mut ar).unwrap();
        dir.join("libhost.a")
    })
}

/// Compiles a C program with the generated files and runs it under valgrind: exit status 0, no
/// leaks, no invalid accesses.
fn run_c(dir: &Path, program: &str) {
    let app = project::root().join("host/c/app");
    let ours = ["mgos_config_parse.c", "mgos_config_util.c", "mgos_config_value.c", "mgos_sys_config.c"];
    let mut compile = cc("cc", "-std=gnu99", dir);
    compile.args(["-Wl,--gc-sections", "-o", "program", "mgos_config.c", "mgos_host_tables.c"]);
    compile.args(ours.map(|file| app.join(file)));
    compile.arg(project::root().join("host/app/src/confgen/testdata").join(program)).arg(host_archive()).arg("-lm");
    project::run(&mut compile).unwrap();
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--error-exitcode=99", "--leak-check=full", "./program"]);
    project::run(valgrind.current_dir(dir)).unwrap();
}

#[test]
fn generated_c_has_the_values_the_struct_order_and_the_functions_of_an_app() {
    let tree = build(&schema(BEFORE, AFTER)).unwrap();
    assert_eq!(tree.warnings, [""; 0]);
    run_c(&generated("app", &tree), "app.c");
}

#[test]
fn running_config_is_changed_saved_and_read_again() {
    let tree = build(&schema("[]", "[]")).unwrap();
    let dir = generated("saving", &tree);
    let _ = std::fs::remove_file(dir.join("conf9.json"));
    run_c(&dir, "saving.c");
}

#[test]
fn generated_header_is_valid_cpp_and_strict_c99() {
    let tree = build(&schema(BEFORE, AFTER)).unwrap();
    let dir = generated("cpp", &tree);
    let user = "#include \"mgos_sys_config.h\"\n\
        int main(void) { return mgos_sys_config_get_mqtt() == 0 || mgos_sys_config_get_mqtt1_pub() == 0; }\n";
    std::fs::write(dir.join("user.cpp"), user).unwrap();
    std::fs::write(dir.join("user.c"), user).unwrap();
    project::run(cc("c++", "-std=c++11", &dir).args(["-pedantic", "-c", "user.cpp"])).unwrap();
    for file in ["user.c", "mgos_config.c", "mgos_host_tables.c"] {
        project::run(cc("cc", "-std=c99", &dir).args(["-pedantic", "-c", file])).unwrap();
    }
}

fn problems(text: &str) -> Vec<String> {
    build(&small(text)).unwrap_err()
}

#[test]
fn reserved_words_and_invalid_c_names_are_rejected_with_their_position() {
    assert_eq!(
        problems("- [a.class, i, 1, {}]\n- [a.b-c, i, 1, {}]\n- [9, i, 1, {}]\n- ['', i, 1, {}]"),
        [
            "a.yml:1: a.class: \"class\" cannot be a config key: it is a C or C++ keyword",
            "a.yml:2: a.b-c: \"b-c\" cannot be a config key: it is not a valid C identifier",
            "a.yml:3: the path, first in an entry, must be a string",
            "a.yml:4: : \"\" cannot be a config key: it is not a valid C identifier",
        ]
    );
}

#[test]
fn defaults_of_a_wrong_type_are_rejected_in_entries_and_overrides() {
    assert_eq!(
        problems(
            "- [a, i, '1', {}]\n- [b, b, 1, {}]\n- [c, s, 1, {}]\n- [d, ui, -1, {}]\n- [e, i, 3000000000, {}]\n\
             - [f, d, x, {}]\n- [g, i, 1, {}]\n- [g, 1.5]"
        ),
        [
            "a.yml:1: a: expected a 32-bit integer, got a string",
            "a.yml:2: b: expected true or false, got an integer",
            "a.yml:3: c: expected a string (in quotes, if it looks like something else), got an integer",
            "a.yml:4: d: expected an unsigned 32-bit integer, got an integer",
            "a.yml:5: e: expected a 32-bit integer, got an integer",
            "a.yml:6: f: expected a number, got a string",
            "a.yml:8: g: expected a 32-bit integer, got a number with a fraction",
        ]
    );
}

#[test]
fn malformed_entries_are_rejected() {
    assert_eq!(
        problems(
            "- a\n- [a]\n- [a, s, text]\n- [a, q-q, {}]\n- [a, nosuch, {}]\n- [b, i, 1, {}]\n- [b.c, i, 1, {}]\n\
             - [dd, ee, {}]\n- [ee, dd, {}]\n- [f.g_h, i, {}]\n- [f_g.h, i, {}]"
        ),
        [
            "a.yml:1: an entry must be a list: [\"path\", \"type\", default, {title: ...}]",
            "a.yml:2: a: an entry has 2 to 4 elements, this one has 1",
            "a.yml:3: a: the last of three or four elements must be a mapping such as {title: ...}, not a string",
            "a.yml:4: a: no such type as \"q-q\"; there are b, i, ui, f, d, s, o and the path of another entry",
            "a.yml:5: a: its type \"nosuch\" is neither one of b, i, ui, f, d, s, o nor the path of another entry",
            "a.yml:8: dd: its type refers to itself through dd, ee",
            "a.yml:9: ee: its type refers to itself through ee, dd",
            "a.yml:7: b.c: b is a value, it cannot have keys",
            "f.g_h and f_g.h would have the same accessors in C",
        ]
    );
}

#[test]
fn overrides_of_unknown_keys_and_keys_below_an_alias_cause_warnings() {
    let tree = build(&small("- [a.b, i, 1, {}]\n- [a1, a, {}]\n- [wifi.ap.enable, false]\n- [a1.c, i, 1, {}]")).unwrap();
    assert_eq!(
        tree.warnings,
        [
            "a.yml:4: a1.c: ignored, because a1 has the type of a: declare it there",
            "a.yml:3: wifi.ap.enable: no library in this build has this key, its new default is ignored; is the library in libs?",
        ]
    );
}
