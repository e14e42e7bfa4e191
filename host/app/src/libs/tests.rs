//! Tests of library resolution, without compiling: which libraries there are for an app, from where, in
//! which order, and what conditions add. Building with them is tested in app/tests.rs.

use std::fs;

use super::*;

/// Directories with the given manifests.
struct Files(tempfile::TempDir);

impl Files {
    fn new(manifests: &[(&str, &str)]) -> Files {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in manifests {
            let dir = dir.path().join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("mos.yml"), text).unwrap();
        }
        Files(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn resolve(&self, places: &Places) -> Result<(Manifest, Libs)> {
        let mut app = Manifest::read(&self.path("app"))?;
        let libs = Libs::of(&mut app, places)?;
        Ok((app, libs))
    }

    fn libs(&self, places: &Places) -> Libs {
        self.resolve(places).unwrap().1
    }

    /// Where a library comes from, below these directories.
    fn origin(&self, libs: &Libs, name: &str) -> String {
        let lib = libs.found.iter().find(|lib| lib.name == name).unwrap_or_else(|| panic!("{name} in {:?}", names(libs)));
        lib.manifest.dir.strip_prefix(self.0.path()).map_or("elsewhere".into(), |dir| dir.display().to_string())
    }
}

fn names(libs: &Libs) -> Vec<&str> {
    libs.found.iter().map(|lib| lib.name.as_str()).collect()
}

const GITHUB: &str = "https://github.com/mongoose-os-libs";

#[test]
fn libraries_are_initialised_after_those_that_they_need_or_name() {
    let files = Files::new(&[
        ("app", "libs: [{location: ../c}, {location: ../a}, {location: ../first}]"),
        ("a", "libs: [{location: ../b}]"),
        ("b", "{}"),
        ("c", "init_after: ['a*']"),
        ("first", "init_before: ['*']\nno_implicit_init_deps: true\nlibs: [{location: ../late}]"),
        ("late", "no_implicit_init_deps: true\ninit_after: [c]"),
    ]);
    let error = files.resolve(&Places::default()).unwrap_err();
    assert!(format!("{error:#}").contains("init_after or init_before is circular: "), "{error:#}");

    fs::write(files.path("first/mos.yml"), "init_before: ['[abc]']\nno_implicit_init_deps: true\nlibs: [{location: ../late}]\n").unwrap();
    let libs = files.libs(&Places::default());
    assert_eq!(names(&libs), ["b", "a", "c", "late", "first"]);
    assert_eq!(libs.init_order, ["first", "b", "a", "c", "late"]);
}

#[test]
fn a_copy_is_taken_from_an_option_a_path_a_given_directory_or_deps_in_this_order() {
    let app = format!("libs: [{{location: '{GITHUB}/lamp'}}, {{location: {GITHUB}/switch}}, {{location: ../mine, name: bulb}}]");
    let files = Files::new(&[
        ("app", &app),
        ("app/deps/lamp", "{}"),
        ("app/deps/switch", "{}"),
        ("app/deps/bulb", "{}"),
        ("given/switch", "{}"),
        ("given/bulb", "{}"),
        ("mine", "{}"),
        ("other", "{}"),
    ]);
    let libs = files.libs(&Places::default());
    assert_eq!(["lamp", "switch", "bulb"].map(|name| files.origin(&libs, name)), ["app/deps/lamp", "app/deps/switch", "mine"]);
    let (given, other) = (files.path("given"), files.path("other"));
    let libs = files.libs(&Places::new(&[("bulb", &other)], &[&given]));
    assert_eq!(["lamp", "switch", "bulb"].map(|name| files.origin(&libs, name)), ["app/deps/lamp", "given/switch", "other"]);
    let error = files.resolve(&Places::new(&[("bulb", &files.path("nowhere"))], &[])).unwrap_err().to_string();
    assert!(error.starts_with("--lib bulb:") && error.ends_with("nowhere: there is no mos.yml in that directory"), "{error}");
}

#[test]
fn of_two_copies_the_one_listed_closer_to_the_app_wins_in_any_order() {
    for list in ["[{location: ../a}, {location: ../mine/b}]", "[{location: ../mine/b}, {location: ../a}]"] {
        let app = format!("libs: {list}");
        let files = Files::new(&[("app", app.as_str()), ("a", "libs: [{location: ../b}]"), ("b", "{}"), ("mine/b", "{}")]);
        let libs = files.libs(&Places::default());
        assert_eq!((names(&libs), files.origin(&libs, "b")), (vec!["b", "a"], "mine/b".into()), "{list}");
    }
}

#[test]
fn an_option_adds_a_library_that_no_manifest_lists() {
    let files = Files::new(&[("app", "{}"), ("extra", "name: extra")]);
    assert_eq!(names(&files.libs(&Places::new(&[("extra", &files.path("extra"))], &[]))), ["extra"]);
    let error = files.resolve(&Places::new(&[("other", &files.path("extra"))], &[])).unwrap_err().to_string();
    assert!(error.ends_with("the library calls itself \"extra\", but is listed as \"other\": name it \"extra\" there"), "{error}");
}

#[test]
fn libraries_that_depend_on_mqtt_add_it_even_if_they_are_missing_themselves() {
    for lib in ["aws", "azure", "demo-bundle", "gcp", "homeassistant", "js-demo-bundle", "rpc-mqtt", "thingsboard", "watson", "zthing-mqtt"]
    {
        let files = Files::new(&[("app", &format!("libs: [{{origin: '{GITHUB}/{lib}'}}, {{origin: x/wheel}}]"))]);
        let libs = files.libs(&Places::default());
        assert_eq!(names(&libs), ["mqtt"], "{lib}");
        assert!(libs.left_out.contains(lib) && libs.left_out.contains("wheel"), "{lib}: {:?}", libs.left_out);
    }
}

#[test]
fn the_name_mqtt_always_means_this_projects_library_also_for_libraries() {
    let app = format!("libs: [{{location: ../a}}, {{origin: '{GITHUB}/mqtt'}}, {{origin: '{GITHUB}/core'}}]");
    let files = Files::new(&[("app", &app), ("a", "libs: [{location: ../b, name: mqtt}]"), ("b", "{}"), ("app/deps/core", "{}")]);
    let libs = files.libs(&Places::new(&[("mqtt", &files.path("b"))], &[]));
    assert_eq!(names(&libs), ["mqtt", "a"]);
    assert_eq!(libs.found[0].manifest.sources, ["shim"]);
    assert!(libs.replaced.contains("core"));
}

#[test]
fn a_copy_that_is_named_explicitly_takes_the_place_of_what_the_host_has() {
    let files = Files::new(&[
        ("app", &format!("libs: [{{origin: '{GITHUB}/boards'}}, {{origin: '{GITHUB}/vfs-common'}}]")),
        ("app/deps/boards", "{}"),
        ("mine", "{}"),
    ]);
    // Whatever `mos build` has fetched into deps is for a device.
    let libs = files.libs(&Places::default());
    assert_eq!((names(&libs), files.origin(&libs, "boards")), (vec!["boards"], "elsewhere".into()));
    assert!(libs.replaced.contains("vfs-common"));
    let mine = files.path("mine");
    let libs = files.libs(&Places::new(&[("boards", &mine), ("vfs-common", &mine)], &[]));
    assert_eq!((names(&libs), files.origin(&libs, "boards")), (vec!["vfs-common", "boards"], "mine".into()));
    assert!(!libs.replaced.contains("vfs-common"));
    assert!(libs.defines("a").contains(&("MGOS_HAVE_BOARDS".into(), "1".into())));
}

#[test]
fn conditions_see_the_variables_of_all_and_may_add_libraries() {
    let files = Files::new(&[
        (
            "app",
            "build_vars: {COLOUR: red}\nlibs: [{location: ../a}]\nconds:\n- when: build_vars.SHAPE == \"round\"\n  apply:\n\
             \x20   libs: [{location: ../b}]\n    sources: ['${mos.libs.b.path}/x.c', '${mos.libs.a.path}/x.c']\n",
        ),
        ("a", "build_vars: {COLOUR: blue, SHAPE: round}\nconds:\n- when: defined(build_vars.MGOS_HAVE_B)\n  apply: {cdefs: {WITH_B: 1}}\n"),
        ("b", "conds:\n- when: build_vars.COLOUR == \"red\"\n  apply: {includes: [red]}\n"),
    ]);
    let (app, libs) = files.resolve(&Places::default()).unwrap();
    assert_eq!(names(&libs), ["a", "b"]);
    assert_eq!(libs.found[1].manifest.includes, ["red"]);
    assert_eq!(libs.found[0].manifest.cdefs, [("WITH_B".into(), "1".into())]);
    let expected = ["b", "a"].map(|name| files.path(name).join("x.c").display().to_string());
    assert_eq!(app.sources, expected);
}

#[test]
fn a_variable_of_a_library_that_is_left_out_is_explained() {
    let app = format!("libs: [{{origin: '{GITHUB}/lamp'}}]\nconds:\n- when: build_vars.LAMP == \"on\"\n  apply: {{sources: [on.c]}}\n");
    let files = Files::new(&[("app", &app)]);
    let error = format!("{:#}", files.resolve(&Places::default()).unwrap_err());
    assert!(
        error.contains("left out: lamp; if one of them sets the variable, ") && error.ends_with("build_vars.LAMP is not defined"),
        "{error}"
    );
    let places = Places { build_vars: vec![("LAMP".into(), "on".into())], ..Places::default() };
    assert_eq!(files.resolve(&places).unwrap().0.sources, ["on.c"]);
}

#[test]
fn modules_are_found_in_deps_or_named_by_an_option() {
    let lib =
        "modules: [{location: 'https://github.com/me/engine', name: engine_module}]\nsources: ['${mos.modules.engine_module.path}/x.c']\n";
    let files = Files::new(&[("app", "libs: [{location: ../a}]"), ("a", lib)]);
    let error = format!("{:#}", files.resolve(&Places::default()).unwrap_err());
    assert!(
        error.starts_with("module engine_module is not on this machine: give a copy of https://github.com/me/engine by --module"),
        "{error}"
    );
    let deps = files.path("app/deps/modules/engine");
    fs::create_dir_all(&deps).unwrap();
    let libs = files.libs(&Places::default());
    assert_eq!(libs.found[0].manifest.sources, [deps.join("x.c").display().to_string()]);
}

#[test]
fn a_directory_in_all_libraries_is_that_of_each() {
    let files = Files::new(&[("app", "libs: [{location: ../a}, {location: ../b}]"), ("a", "{}"), ("b", "filesystem: ['@all_libs/js']")]);
    let libs = files.libs(&Places::default());
    let expected = ["a", "b"].map(|name| files.path(name).join("js").display().to_string());
    assert_eq!(libs.found[1].manifest.filesystem, expected);
}
