//! Compares what the documents say about configuration, the C API and log lines with mos.yml, the
//! headers and the sources.

use std::collections::{BTreeMap, BTreeSet};

use host_app::confgen;
use host_app::manifest::Manifest;
use project::{files, root, setup};

use super::{lines, names_in, read, spans, tables};
use crate::dist::PLATFORMS;
use crate::exports::{DECLARED, DEFINED, functions};

#[test]
fn each_configuration_key_is_described_with_its_type_and_default() {
    let manifest = Manifest::load(&root()).unwrap();
    let mut schema = confgen::Schema::default();
    manifest.config_schema.iter().for_each(|list| schema.merge(list));
    let flat: BTreeMap<_, _> = confgen::flat(&confgen::build(&schema).unwrap()).into_iter().collect();
    // The backup has the same keys: only those with a different default are listed.
    let set = |key: &str| schema.overrides.iter().any(|o| o.path == key);
    let expected: BTreeMap<_, _> = flat.into_iter().filter(|(key, _)| !key.starts_with("mqtt1.") || set(key)).collect();
    let page = read("docs/configuration.md");
    let mut listed = BTreeMap::new();
    for row in tables(&page).into_iter().flat_map(|table| table.rows).filter(|row| row[0].starts_with('`')) {
        assert_eq!(row.len(), 6, "{}: key, type, default, unit and range, meaning, cost", row[0]);
        assert!(row.iter().all(|cell| !cell.is_empty()), "{}: an empty field", row[0]);
        let old = listed.insert(row[0].trim_matches('`').to_owned(), (row[1].to_owned(), row[2].trim_matches('`').to_owned()));
        assert!(old.is_none(), "{} is listed twice", row[0]);
    }
    assert_eq!(listed, expected, "docs/configuration.md (left) and mos.yml (right)");
}

#[test]
fn the_overview_lists_exactly_the_functions_of_the_headers() {
    let mut declared = BTreeSet::new();
    for name in names_in("include") {
        let header = read(format!("include/{name}"));
        declared.extend([DECLARED, DEFINED].map(|which| functions(&header, which)).into_iter().flatten());
    }
    assert!(declared.len() > 30 && declared.contains("mgos_mqtt_conn_pubv"), "{declared:?}");
    let page = read("docs/guide.md");
    let mut listed = BTreeSet::new();
    for span in page.lines().flat_map(spans) {
        let name = span.split('(').next().unwrap_or_default();
        if span.contains('(') && name.starts_with("mgos_mqtt_") {
            listed.insert(name.to_owned());
        }
    }
    assert_eq!(listed, declared, "docs/guide.md (left) and include (right)");
}

#[test]
fn going_back_names_each_function_that_the_original_lacks() {
    let (page, back) = (read("docs/guide.md"), read("docs/differences.md"));
    let rows = page.lines().filter(|line| line.contains("(not in the original)"));
    let ours: Vec<&str> = rows.flat_map(spans).filter(|span| span.starts_with("mgos_mqtt_")).collect();
    assert!(ours.contains(&"mgos_mqtt_conn_free()") && ours.len() > 3, "{ours:?}");
    let (_, back) = back.split_once("### Going back").unwrap();
    let (back, _) = back.split_once("\n#").unwrap();
    let lacking: Vec<_> = ours.iter().filter(|name| !back.contains(&format!("`{name}`"))).collect();
    assert!(lacking.is_empty(), "docs/differences.md, Going back, does not name {lacking:?}");
}

#[test]
fn exactly_the_platforms_with_an_archive_are_listed() {
    let names: BTreeSet<&str> = PLATFORMS.iter().map(|platform| platform.name).collect();
    let dirs: BTreeSet<&str> = PLATFORMS.iter().map(|platform| platform.dir).collect();
    let rows = |page, section| tables(page).into_iter().find(|table| table.section == section).unwrap().rows;
    let page = read("docs/performance.md");
    let listed: BTreeSet<&str> = rows(&page, "Platforms").into_iter().flat_map(|row| spans(row[1])).collect();
    assert_eq!(listed, dirs, "docs/performance.md (left) and xtask/src/dist.rs (right)");
    let page = read("README.md");
    let listed: BTreeSet<&str> = rows(&page, "Where it runs").into_iter().flat_map(|row| row[0].split(", ")).collect();
    assert_eq!(listed, names, "README.md (left) and xtask/src/dist.rs (right)");
}

#[test]
fn mos_yml_is_shown_with_the_version_of_the_next_release() {
    for page in ["README.md", "docs/differences.md"] {
        let text = read(page);
        let shown: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("    version: ")).collect();
        assert_eq!(shown, [env!("CARGO_PKG_VERSION")], "{page}");
    }
}

#[test]
fn contributing_lists_the_packages_that_plain_cargo_needs() {
    let packages = setup::COMPILERS.iter().chain(setup::TEST_TOOLS).map(|package| package.name);
    let list = packages.collect::<Vec<_>>().join(" ");
    assert!(read("CONTRIBUTING.md").contains(&format!("`{list}`")), "CONTRIBUTING.md does not name these packages: {list}");
}

/// Whether the quoted line can come from a literal in the sources; `...` stands for a placeholder.
fn is_in(quoted: &str, sources: &str) -> bool {
    let parts: Vec<&str> = quoted.split("...").map(str::trim).filter(|part| !part.is_empty()).collect();
    // Strings may continue on the next line in C, and quotes are escaped in Rust.
    !parts.is_empty() && sources.lines().any(|line| parts.iter().all(|part| line.contains(part)))
}

fn sources() -> String {
    let mut files = files::of_project().unwrap();
    files.retain(|file| ["shim", "host/src", "host/c"].iter().any(|dir| file.starts_with(dir)));
    files.iter().map(|file| read(file).replace("\\\"", "\"")).collect()
}

#[test]
fn each_log_line_in_troubleshooting_is_one_of_the_sources() {
    let sources = sources();
    let page = read("docs/troubleshooting.md");
    let quoted: Vec<&str> =
        lines(&page).into_iter().filter(|(code, line)| *code && !line.is_empty()).map(|(_, line)| line.trim()).collect();
    assert!(quoted.len() >= 15, "only {} lines were found", quoted.len());
    let wrong: Vec<&str> = quoted
        .into_iter()
        .filter(|line| {
            let text = ["MQTT0 queue file mqtt_queue: ", "MQTT0 "].iter().find_map(|prefix| line.strip_prefix(prefix)).unwrap_or(line);
            !line.starts_with("cargo ") && !is_in(text, &sources)
        })
        .collect();
    assert!(wrong.is_empty(), "not in shim or host:\n{}", wrong.join("\n"));
    assert!(!is_in("queue underflow", &sources));
    assert!(is_in("packet of ... bytes exceeds mqtt.recv_mbuf_limit", &sources));
}

#[test]
fn troubleshooting_quotes_each_error_and_each_warning() {
    let (table, page) = (read("shim/log_lines.txt"), read("docs/troubleshooting.md"));
    let quoted: Vec<&str> = lines(&page).into_iter().filter(|(code, _)| *code).map(|(_, line)| line).collect();
    // A line of the table is its name, its level, its text with {placeholders}.
    let told = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let (name, level, text) = (words.next()?, words.next()?, words.next()?);
        (name.starts_with(char::is_uppercase) && matches!(level, "E" | "W")).then_some(text)
    });
    let told: Vec<&str> = told.collect();
    assert!(told.len() > 40, "only {} lines were found", told.len());
    let lacking: Vec<&&str> =
        told.iter().filter(|text| !quoted.iter().any(|line| text.split(['{', '}']).step_by(2).all(|part| line.contains(part)))).collect();
    assert!(lacking.is_empty(), "docs/troubleshooting.md does not quote\n{lacking:#?}");
}

#[test]
fn host_readme_lists_each_module() {
    let page = read("host/README.md");
    let listed: BTreeSet<&str> = page.split_whitespace().collect();
    let lacking: Vec<String> = names_in("host/src")
        .into_iter()
        .filter(|name| name.ends_with(".rs") && name != "lib.rs" && !listed.contains(name.as_str()))
        .collect();
    assert!(lacking.is_empty(), "host/README.md does not list {lacking:?}");
}

#[test]
fn the_readme_is_short_and_links_every_example() {
    let page = read("README.md");
    assert!(page.lines().count() < 120);
    for name in names_in("examples") {
        let link = format!("](examples/{name})");
        assert!(page.contains(&link), "README.md does not link {link}");
    }
}
