//! Tests of whole apps, from mos.yml to what the program prints. Those of examples/ are in
//! examples.rs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

use super::build;
use super::libs::Libs;
use crate::manifest::Manifest;

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// An app in C and C++ with its own library and a file in its file system, without mqtt. It prints
/// and exits.
const APP: &[(&str, &str)] = &[
    (
        "mos.yml",
        "name: xtask-test\nsources: [src, 'more/*.c']\nincludes: [include]\nfilesystem: [fs]\n\
         cdefs: {GREETING: '\"hi\"'}\n\
         config_schema:\n- [test.n, i, 7, {}]\n- [ours.name, changed]\n\
         libs:\n- location: our-lib\n- origin: https://github.com/mongoose-os-libs/core\n",
    ),
    ("our-lib/mos.yml", "type: lib\nsources: [src]\nincludes: [include]\nconfig_schema:\n- [ours.name, s, first, {}]\n"),
    ("our-lib/include/ours.h", "const char *ours(void);\n"),
    (
        "our-lib/src/ours.c",
        "#include \"mgos.h\"\n#include \"ours.h\"\nstatic bool s_init;\n\
         bool mgos_our_lib_init(void) {\n  s_init = true;\n  return true;\n}\n\
         const char *ours(void) {\n  return s_init ? mgos_sys_config_get_ours_name() : \"not initialised\";\n}\n",
    ),
    ("include/add.h", "#ifdef __cplusplus\nextern \"C\"\n#endif\nint add(int a, int b);\n#define ONE 1\n"),
    ("src/add.cpp", "#include \"add.h\"\n#include <string>\nint add(int a, int b) { return std::string(a + b, 'x').size(); }\n"),
    (
        "src/main.c",
        "#include <stdio.h>\n#include \"add.h\"\n#include \"mgos.h\"\n#include \"ours.h\"\n\
         int more(void);\n\
         enum mgos_app_init_result mgos_app_init(void) {\n\
         \x20 char line[20] = \"\";\n  FILE *f = fopen(\"hello.txt\", \"r\");\n\
         \x20 if (f != NULL) fgets(line, sizeof(line), f);\n\
         \x20 printf(\"%s %s %d %s %d %s %s\\n\", GREETING, MGOS_APP, add(mgos_sys_config_get_test_n(), ONE), ours(), more(),\n\
         \x20        mgos_sys_config_get_device_id(), line);\n  fflush(stdout);\n  exit(0);\n}\n",
    ),
    ("more/more.c", "int more(void);\nint more(void) { return 5; }\n"),
    ("more/not_this.txt", ""),
    ("fs/hello.txt", "from a file"),
];

fn run(built: &super::Built, args: &[&str]) -> Output {
    Command::new(&built.program).args(args).current_dir(&built.files).env("MGOS_HOST_MAC", "02:00:00:0a:0b:0c").output().unwrap()
}

fn changed(path: &Path) -> SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

#[test]
fn an_app_is_built_run_configured_and_rebuilt_only_where_it_changed() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), APP);
    let built = build(dir.path(), false).unwrap();
    let output = run(&built, &["--set", "device.id=d_??????"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hi xtask-test 8 changed 5 d_0A0B0C from a file\n");

    let conf = dir.path().join("c.json");
    fs::write(&conf, r#"{"test": {"n": 1}, "ours": {"name": "conf"}, "device": {"id": "x"}}"#).unwrap();
    let conf = conf.to_str().unwrap();
    let output = run(&built, &["--conf", conf, "--set", "test.n=2"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hi xtask-test 3 conf 5 x from a file\n");

    // Saved configuration applies below the command line; an unknown saved key does not prevent the
    // start.
    fs::write(built.files.join("conf9.json"), r#"{"test": {"n": 3, "gone": 1}, "device": {"id": "saved"}}"#).unwrap();
    let output = run(&built, &["--set", "test.n=2"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hi xtask-test 3 changed 5 saved from a file\n");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(messages.contains("ignored: conf9.json: test.gone: no such key"), "{messages}");
    fs::remove_file(built.files.join("conf9.json")).unwrap();

    let output = run(&built, &["--set", "test.n=x", "--set", "test.m=1", "--conf", "/nonexistent.json"]);
    assert_eq!(output.status.code(), Some(1));
    let messages = String::from_utf8_lossy(&output.stderr);
    for part in ["/nonexistent.json: cannot read", "test.n: expected an integer", "test.m: no such key"] {
        assert!(messages.contains(part), "{messages}");
    }

    let objects = built.program.with_file_name("obj");
    let object = |name: &str| changed(&objects.join(name));
    let before = [object("app-src-main.c.o"), object("app-more-more.c.o"), object("gen-gen-mgos_config.c.o")];
    build(dir.path(), false).unwrap();
    assert_eq!(before, [object("app-src-main.c.o"), object("app-more-more.c.o"), object("gen-gen-mgos_config.c.o")]);
    write(dir.path(), &[("include/add.h", "#ifdef __cplusplus\nextern \"C\"\n#endif\nint add(int a, int b);\n#define ONE 10\n")]);
    let built = build(dir.path(), false).unwrap();
    let output = run(&built, &["--set", "device.id=x"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hi xtask-test 17 changed 5 x from a file\n");
    assert!(object("app-src-main.c.o") > before[0]);
    assert_eq!([object("app-more-more.c.o"), object("gen-gen-mgos_config.c.o")], before[1..]);
}

#[test]
fn a_broken_app_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = |files: &[(&str, &str)]| {
        write(dir.path(), files);
        format!("{:#}", build(dir.path(), false).err().unwrap()).replace(dir.path().to_str().unwrap(), "APP")
    };
    assert_eq!(refusal(&[]), "APP has no mos.yml: pass the directory of a Mongoose OS app");
    assert_eq!(refusal(&[("mos.yml", "name: fs\n")]), "APP/mos.yml: \"fs\" is a reserved name, choose another one");
    assert_eq!(refusal(&[("mos.yml", "name: broken\nsources: [nosuch]\n")]), "sources of app: APP/nosuch does not exist");
    assert_eq!(
        refusal(&[("mos.yml", "name: broken\nsources: [src]\nconfig_schema:\n- [a.if, i, 1, {}]\n"), ("src/a.c", "")]),
        "invalid config schema\n  APP/mos.yml:4: a.if: \"if\" cannot be a config key: it is a C or C++ keyword"
    );
}

fn libs_of(text: &str) -> Libs {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("mos.yml", text)]);
    for (name, manifest) in [("a", "libs: [{location: ../b}]\n"), ("b", "{}\n"), ("c", "init_after: ['a*']\n")] {
        write(dir.path(), &[(&format!("{name}/mos.yml"), manifest)]);
    }
    Libs::of(&Manifest::load(dir.path()).unwrap()).unwrap()
}

fn names(libs: &Libs) -> Vec<&str> {
    libs.found.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn libraries_are_initialised_after_those_that_they_need_or_name() {
    assert_eq!(names(&libs_of("libs: [{location: c}, {location: a}]\n")), ["b", "a", "c"]);
}

#[test]
fn libraries_that_depend_on_mqtt_add_it_even_if_they_are_missing_themselves() {
    let libs = libs_of("libs: [{origin: 'https://github.com/mongoose-os-libs/rpc-mqtt'}, {location: a}, {origin: x/dht}]\n");
    assert_eq!(names(&libs), ["mqtt", "b", "a"]);
    assert_eq!(libs.lacking, ["rpc-mqtt", "dht"]);
}

#[test]
fn the_name_mqtt_always_means_this_projects_library() {
    let libs = libs_of("libs: [{location: a, name: mqtt}, {origin: 'https://github.com/mongoose-os-libs/mqtt'}]\n");
    assert_eq!(names(&libs), ["mqtt"]);
    assert!(libs.found[0].1.sources.iter().any(|source| source == "shim"));
}
