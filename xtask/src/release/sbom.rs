//! The software bill of materials of a release, as CycloneDX 1.5: the crates in the archives, from
//! `cargo metadata` and Cargo.lock, Rust's `core`, and the archives with their checksums.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use project::output;
use regex::Regex;
use serde_json::{Value, json};

use super::{Source, VERSION};
use crate::firmware::toolchains;

/// Something that the archives contain code of.
pub struct Component {
    pub name: String,
    pub version: String,
    /// An SPDX expression.
    pub licence: String,
    /// Where its licence texts are; `None` for Rust's `core`.
    pub dir: Option<PathBuf>,
    /// SHA-256 of the crate's package.
    checksum: Option<String>,
    needs: BTreeSet<String>,
}

impl Component {
    /// Identifies it in the document.
    fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// The crates that the library depends on, and `core` once per compiler. compiler_builtins is not in
/// the archives: they use what the firmware's compiler brings.
pub fn components() -> Result<Vec<Component>> {
    let mut found = crates()?;
    found.extend(toolchains()?.into_iter().map(|version| Component {
        name: "core".into(),
        version,
        licence: "(MIT OR Apache-2.0) AND Unicode-3.0".into(),
        dir: None,
        checksum: None,
        needs: BTreeSet::new(),
    }));
    Ok(found)
}

/// The library, its normal dependencies, and theirs.
pub fn crates() -> Result<Vec<Component>> {
    let metadata = output(project::cargo().args(["metadata", "--format-version", "1", "--features", "mgos-mqtt/archive", "--quiet"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let checksums = checksums(&project::read("Cargo.lock")?);
    let packages = list(&metadata["packages"]);
    let package =
        |id: &Value| packages.iter().find(|package| package["id"] == *id).with_context(|| format!("cargo metadata: no package {id}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let reference = |package: &Value| format!("{}@{}", text(&package["name"]), text(&package["version"]));
    let root = packages.iter().find(|package| package["name"] == "mgos-mqtt").context("cargo metadata: no mgos-mqtt")?;
    let (mut left, mut seen, mut found) = (vec![&root["id"]], BTreeSet::new(), Vec::new());
    while let Some(id) = left.pop() {
        if !seen.insert(id.as_str()) {
            continue;
        }
        let node = list(&metadata["resolve"]["nodes"]).iter().find(|node| node["id"] == *id);
        let deps = list(&node.with_context(|| format!("cargo metadata: no node {id}"))?["deps"]).iter();
        let normal = deps.filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
        let needed: Vec<_> = normal.map(|dep| &dep["pkg"]).collect();
        left.extend(&needed);
        let this = package(id)?;
        // The old way to write OR.
        let licence = text(&this["license"]).replace('/', " OR ");
        ensure!(!licence.is_empty(), "{} states no licence", this["name"]);
        found.push(Component {
            name: text(&this["name"]),
            version: text(&this["version"]),
            licence,
            dir: PathBuf::from(text(&this["manifest_path"])).parent().map(PathBuf::from),
            checksum: checksums.get(&reference(this)).cloned(),
            needs: needed.into_iter().map(|id| Ok(reference(package(id)?))).collect::<Result<_>>()?,
        });
    }
    found.sort_by(|a, b| (a.name != "mgos-mqtt", &a.name).cmp(&(b.name != "mgos-mqtt", &b.name)));
    Ok(found)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The checksums in Cargo.lock, by `NAME@VERSION`.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let package = Regex::new("name = \"(.*)\"\nversion = \"(.*)\"\nsource = .*\nchecksum = \"(.*)\"").expect("a valid expression");
    package.captures_iter(lock).map(|package| (format!("{}@{}", &package[1], &package[2]), package[3].to_owned())).collect()
}

/// The document. `files` are those of the release with their SHA-256.
pub fn document(components: &[Component], files: &BTreeMap<String, String>, source: &Source) -> Result<String> {
    let hashes = |sum: &String| json!([{ "alg": "SHA-256", "content": sum }]);
    let archives = files.iter().filter(|(file, _)| file.ends_with(".a"));
    let archives: Vec<_> =
        archives.map(|(file, sum)| json!({ "type": "file", "bom-ref": file, "name": file, "hashes": hashes(sum) })).collect();
    let described = |component: &Component| {
        let mut object = json!({
            "type": "library",
            "bom-ref": component.reference(),
            "name": component.name,
            "version": component.version,
            "licenses": [{ "expression": component.licence }],
        });
        if let Some(sum) = &component.checksum {
            object["purl"] = json!(format!("pkg:cargo/{}", component.reference()));
            object["hashes"] = hashes(sum);
        }
        object
    };
    let (library, others) = components.split_first().context("the library is a component")?;
    let mut main = described(library);
    main["components"] = json!(archives);
    let rust: Vec<_> = others.iter().filter(|component| component.dir.is_none()).map(Component::reference).collect();
    let dependencies: Vec<_> = components
        .iter()
        .map(|component| {
            let mut needs: Vec<_> = component.needs.iter().cloned().collect();
            if component.name == library.name {
                needs.extend(rust.iter().cloned());
            }
            json!({ "ref": component.reference(), "dependsOn": needs })
        })
        .collect();
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": source.time,
            "tools": { "components": [{ "type": "application", "name": "cargo xtask release", "version": VERSION }] },
            "component": main,
            "properties": [{ "name": "git:commit", "value": source.commit }],
        },
        "components": others.iter().map(described).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deny::FIRMWARE;

    #[test]
    fn the_components_are_what_firmware_may_contain_each_with_version_licence_and_checksum() {
        let (found, lock) = (crates().unwrap(), project::read("Cargo.lock").unwrap());
        assert_eq!(found[0].name, "mgos-mqtt");
        let names: BTreeSet<_> = found.iter().map(|component| component.name.as_str()).collect();
        assert_eq!(names, BTreeSet::from(FIRMWARE));
        for component in &found[1..] {
            assert!(lock.contains(&format!("version = \"{}\"", component.version)), "{}", component.name);
            assert_eq!(component.checksum.as_ref().map(String::len), Some(64), "{}", component.name);
            assert!(component.licence.contains("MIT") && !component.licence.contains('/'), "{}", component.licence);
        }
    }

    #[test]
    fn the_document_names_each_archive_with_its_checksum_and_who_needs_what() {
        let component = |name: &str, needs: &[&str], dir: Option<&str>| Component {
            name: name.into(),
            version: "1.0.0".into(),
            licence: "MIT".into(),
            dir: dir.map(PathBuf::from),
            checksum: dir.map(|_| "ab".repeat(32)),
            needs: needs.iter().map(|name| name.to_string()).collect(),
        };
        let components =
            [component("mgos-mqtt", &["heapless@1.0.0"], Some("/a")), component("heapless", &[], Some("/b")), component("core", &[], None)];
        let files = [("lib/esp32/libmgos_mqtt.a", "12"), ("mos.yml", "34")].map(|(file, sum)| (file.to_owned(), sum.to_owned())).into();
        let source = Source { commit: "0123".into(), epoch: "1000000000".into(), time: "2001-09-09T01:46:40Z".into() };
        let document: Value = serde_json::from_str(&document(&components, &files, &source).unwrap()).unwrap();
        assert_eq!(document["metadata"]["timestamp"], "2001-09-09T01:46:40Z");
        let archives = &document["metadata"]["component"]["components"];
        assert_eq!(archives[0]["name"], "lib/esp32/libmgos_mqtt.a");
        assert_eq!(archives[0]["hashes"][0]["content"], "12");
        assert_eq!(archives.as_array().unwrap().len(), 1);
        assert_eq!(document["components"][0]["purl"], "pkg:cargo/heapless@1.0.0");
        assert_eq!(document["components"][1]["name"], "core");
        assert_eq!(document["dependencies"][0]["dependsOn"], json!(["heapless@1.0.0", "core@1.0.0"]));
    }
}
