//! Tests of whole apps, from mos.yml to what the program prints, and of the host's own libraries.
//! Those of examples/ are in examples.rs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

use super::{Places, build, build_with};

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
    ("src/local.h", "#define X 'x'\n"),
    (
        "src/add.cpp",
        "#include <add.h>\n#include <local.h>\n#include <string>\nint add(int a, int b) { return std::string(a + b, X).size(); }\n",
    ),
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
    assert_eq!(
        refusal(&[("mos.yml", "name: broken\nsources: [src]\nconfig_schema:\n- [a.if, i, 1, {}]\n"), ("src/a.c", "")]),
        "invalid config schema\n  APP/mos.yml:4: a.if: \"if\" cannot be a config key: it is a C or C++ keyword"
    );
}

/// An app that calls a library of its own under the name of one that it does not have.
const CALLER: &[(&str, &str)] = &[
    ("app/mos.yml", "name: xtask-caller\nsources: [main.c]\nlibs:\n- location: https://github.com/mongoose-os-libs/lamp\n"),
    (
        "app/main.c",
        "#include \"mgos.h\"\n#include \"lamp.h\"\nenum mgos_app_init_result mgos_app_init(void) {\n\
         \x20 printf(\"%d %s\\n\", lamp(), mgos_sys_config_get_device_id());\n  fflush(stdout);\n  exit(0);\n}\n",
    ),
    ("copies/lamp/mos.yml", "name: lamp\ntype: lib\nsources: [lamp.c]\nincludes: [.]\n"),
    ("copies/lamp/lamp.h", "int lamp(void);\n"),
    ("copies/lamp/lamp.c", "#include \"mgos.h\"\nint lamp(void) { return 5; }\nbool mgos_lamp_init(void) { return true; }\n"),
];

/// Writes that app under a name of its own: tests run at the same time.
fn write_caller(dir: &Path, name: &str) {
    write(dir, CALLER);
    let manifest = dir.join("app/mos.yml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(manifest, text.replace("xtask-caller", name)).unwrap();
}

#[test]
fn what_is_left_out_and_what_to_do_is_named_when_the_app_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    write_caller(dir.path(), "xtask-left-out");
    let app = dir.path().join("app");
    let error = format!("{:#}", build(&app, false).err().unwrap());
    assert!(error.contains("\nleft out: lamp; if what is missing belongs to one, give a copy by --lib NAME:PATH"), "{error}");
    let built = build_with(&app, &Places::new(&[], &[&dir.path().join("copies")]), false).unwrap();
    let output = Command::new(&built.program).args(["--set", "device.id=x"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5 x\n");
}

#[test]
fn two_apps_have_two_device_ids_and_two_directories_even_if_they_have_one_name() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let id = |dir: &Path| {
        let app = dir.join("app");
        write(dir, CALLER);
        write(dir, &[("app/mos.yml", "name: xtask-twins\nsources: [main.c]\nlibs: [{location: ../copies/lamp}]\n")]);
        let built = build(&app, false).unwrap();
        let output = Command::new(&built.program).env_remove("MGOS_HOST_MAC").output().unwrap();
        (built.files, String::from_utf8(output.stdout).unwrap())
    };
    let (first, second) = (id(one.path()), id(two.path()));
    assert_ne!(first.0, second.0);
    assert_ne!(first.1, second.1);
    assert!(first.1.starts_with("5 host_") && first.1.len() == second.1.len(), "{first:?}");
    // The same at each start and after each build.
    assert_eq!(id(one.path()), first);
    assert_eq!(id(two.path()), second);
    // Nobody needs the directory of the second any more.
    fs::remove_dir_all(second.0.parent().unwrap()).unwrap();
}

#[test]
fn a_library_for_other_platforms_is_named_when_the_app_calls_it() {
    let dir = tempfile::tempdir().unwrap();
    write_caller(dir.path(), "xtask-hollow");
    write(dir.path(), &[("copies/lamp/mos.yml", "type: lib\nsources: ['src/${platform}']\nincludes: [.]\n")]);
    let places = Places::new(&[], &[&dir.path().join("copies")]);
    let error = format!("{:#}", build_with(&dir.path().join("app"), &places, false).err().unwrap());
    assert!(error.contains("\nwithout sources for Linux: lamp; if what is missing belongs to one, "), "{error}");
}

#[test]
fn a_library_without_its_init_function_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write_caller(dir.path(), "xtask-no-init");
    write(dir.path(), &[("copies/lamp/lamp.c", "int lamp(void);\nint lamp(void) { return 5; }\n")]);
    let places = Places::new(&[("lamp", &dir.path().join("copies/lamp"))], &[]);
    let error = format!("{:#}", build_with(&dir.path().join("app"), &places, false).err().unwrap());
    assert!(error.contains("the library lamp has no function bool mgos_lamp_init(void)"), "{error}");
    assert!(!error.contains("mqtt library"), "{error}");
}

/// Those in host/libs, by an app that uses them.
#[test]
fn the_hosts_libraries_answer_as_their_headers_say() {
    let built = build(&project::root().join("host/tests_apps/host_libs"), false).unwrap();
    let output = built.command(&[]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(!stdout.contains("not ok"), "{stdout}");
    for line in ["the host has no Wi-Fi access point", "cannot be disconnected", "cannot scan for Wi-Fi networks"] {
        assert!(stderr.contains(line) || stdout.contains(line), "{line}: {stdout}\n{stderr}");
    }
}
