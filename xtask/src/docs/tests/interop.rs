//! Compares docs/testing.md with the tables of `cargo xtask interop`: the number of scenarios per
//! broker, and the transports of each scenario. The descriptions are not checked.

use std::collections::{BTreeMap, BTreeSet};

use interop::{cases_per_broker, scenarios};
use test_kit::transport::Transport;

use super::{read, tables};

#[test]
fn each_scenario_has_a_row_with_its_transports() {
    let page = read("docs/testing.md");
    let table = tables(&page).into_iter().find(|table| table.columns == ["scenario", "what it shows", "transports"]).unwrap();
    let mut listed = BTreeMap::new();
    for row in table.rows {
        let kinds: BTreeSet<String> = match row[2] {
            "all" => Transport::ALL.iter().map(|transport| transport.name()).collect(),
            some => some.split(", ").map(String::from).collect(),
        };
        listed.insert(row[0].trim_matches('`').to_owned(), kinds);
    }
    let named = |transports: &'static [Transport]| transports.iter().map(|transport| transport.name()).collect();
    let known: BTreeMap<String, BTreeSet<String>> =
        scenarios::ALL.iter().map(|scenario| (scenario.name.to_owned(), named(scenario.transports))).collect();
    assert_eq!(listed, known, "docs/testing.md (left) and e2e/interop/src/scenarios/mod.rs (right)");
}

#[test]
fn the_number_of_scenarios_per_broker_matches() {
    let page = read("docs/testing.md");
    let rows: Vec<_> = tables(&page).into_iter().flat_map(|table| table.rows).filter(|row| row.len() == 6).collect();
    for (broker, count) in cases_per_broker() {
        let row = rows.iter().find(|row| row[0].to_lowercase().starts_with(broker)).unwrap_or_else(|| panic!("no row for {broker}"));
        let listed = row[4].split_whitespace().next().unwrap_or_default();
        assert_eq!(listed, count.to_string(), "{broker}: docs/testing.md (left), actual (right)");
    }
}
