//! Tests of reading manifests. Those of conditions and variables are in conds.rs.

use super::*;

fn read(text: &str) -> Result<Manifest> {
    let mut manifest = Manifest { dir: "APP".into(), ..Manifest::default() };
    manifest.take(&yaml::parse(text, Path::new("mos.yml"))?)?;
    manifest.settle_alone(PLATFORM, &[])?;
    Ok(manifest)
}

#[test]
fn conditions_add_to_the_unconditional_part() {
    let manifest = read(
        "name: a\nsources: [src]\nbuild_vars: {EXTRA: '1'}\nconds:\n\
         - when: mos.platform == \"ubuntu\"\n  apply: {sources: ['src/${mos.platform}']}\n\
         - when: build_vars.EXTRA == \"1\"\n  apply:\n    cdefs: {EXTRA: 2}\n\
         - when: build_vars.BOARD == \"\"\n  apply:\n    conds:\n    - when: cdefs.EXTRA == \"2\"\n      apply: {sources: [inner]}\n\
         - when: mos.platform == \"esp32\"\n  apply: {sources: [esp]}\n",
    )
    .unwrap();
    assert_eq!(manifest.sources, ["src", "src/ubuntu", "inner"]);
    assert_eq!(manifest.cdefs, [("EXTRA".to_owned(), "2".to_owned())]);
}

#[test]
fn a_manifest_can_refuse_the_build() {
    let error = read("conds:\n- when: mos.platform != \"esp8266\"\n  error: only for esp8266\n").unwrap_err();
    assert_eq!(error.to_string(), "mos.yml:2: the manifest refuses this build: only for esp8266");
    let error = read("conds:\n- when: mos.platform == \"ubuntu\"\n  apply: {error: not here}\n").unwrap_err();
    assert_eq!(error.to_string(), "mos.yml:3: the manifest refuses this build: not here");
}

#[test]
fn a_library_is_named_by_its_entry_else_by_its_location() {
    let manifest = read(
        "libs:\n- origin: https://github.com/mongoose-os-libs/wifi.git\n- location: ../rs\n  name: mqtt\n\
         - location: https://github.com/mongoose-os-libs/ca-bundle/\n",
    )
    .unwrap();
    let names: Vec<_> = manifest.libs.iter().map(|lib| lib.name.as_str()).collect();
    assert_eq!(names, ["wifi", "mqtt", "ca-bundle"]);
}

#[test]
fn an_undefined_variable_is_an_error_that_says_where_it_is_used() {
    let error = read("sources:\n- src/${build_vars.NO}\n").unwrap_err();
    assert_eq!(format!("{error:#}"), "APP/mos.yml: sources: ${build_vars.NO} is not defined");
    // Nobody may ever use these.
    read("build_vars: {A: '${build_vars.NO}'}\ncdefs: {B: '${cdefs.NO}'}\nlibs_version: ${mos.version}\n").unwrap();
}

#[test]
fn a_build_variable_may_add_to_what_it_was_before() {
    let manifest = read(
        "build_vars: {OPTS: a}\nconds:\n- when: mos.platform == \"ubuntu\"\n  apply:\n    build_vars: {OPTS: '${build_vars.OPTS} b'}\n\
         - when: mos.platform == \"ubuntu\"\n  apply:\n    conds:\n    - when: build_vars.OPTS != \"a\"\n      apply: {cflags: ['-D${build_vars.OPTS}']}\n",
    )
    .unwrap();
    assert_eq!(manifest.cflags, ["-Da b"]);
}

#[test]
fn lists_may_be_empty_and_filters_keep_their_order() {
    let manifest = read("sources:\nlibs:\nconfig_schema:\nconds:\nbuild_vars:\nfs_filters:\n- include: a.js\n- exclude: '*.js'\n").unwrap();
    assert_eq!(manifest.sources.len() + manifest.libs.len(), 0);
    let filters: Vec<_> = manifest.fs_filters.iter().map(|filter| (filter.pattern.as_str(), filter.include)).collect();
    assert_eq!(filters, [("a.js", true), ("*.js", false)]);
    let error = read("fs_filters: [{}]\n").unwrap_err();
    assert_eq!(error.to_string(), "mos.yml:1: an entry of fs_filters has either include or exclude");
}
