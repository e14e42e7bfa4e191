//! Compares docs/interop.md with the tables of `cargo xtask interop`: the number of scenarios per
//! broker, and the transports of each scenario. The descriptions are not checked.

use std::collections::BTreeMap;

use interop::{cases_per_broker, scenarios};
use test_kit::transport::Transport;

use super::{cells, read};

/// In the order of the table's columns.
const KINDS: [Transport; 6] = [Transport::Tcp, Transport::Tls, Transport::Cert, Transport::Psk, Transport::Ws, Transport::Wss];

#[test]
fn each_scenario_has_a_row_with_its_transports() {
    let page = read("docs/interop.md");
    let mut listed = BTreeMap::new();
    for row in page.lines().filter_map(cells).filter(|row| row.len() == 2 + KINDS.len() && row[0].starts_with('`')) {
        let kinds: Vec<&str> =
            KINDS.iter().zip(&row[2..]).filter(|(_, cell)| **cell == "yes").map(|(transport, _)| transport.name()).collect();
        listed.insert(row[0].trim_matches('`').to_owned(), kinds);
    }
    let named = |transports: &'static [Transport]| KINDS.iter().filter(|kind| transports.contains(kind)).map(|kind| kind.name()).collect();
    let known: BTreeMap<String, Vec<&str>> =
        scenarios::ALL.iter().map(|scenario| (scenario.name.to_owned(), named(scenario.transports))).collect();
    assert_eq!(listed, known, "docs/interop.md (left) and e2e/interop/src/scenarios/mod.rs (right)");
}

#[test]
fn the_number_of_scenarios_per_broker_matches() {
    let page = read("docs/interop.md");
    let rows: Vec<_> = page.lines().filter_map(cells).filter(|row| row.len() == 6).collect();
    for (broker, count) in cases_per_broker() {
        let row = rows.iter().find(|row| row[0].to_lowercase().starts_with(broker)).unwrap_or_else(|| panic!("no row for {broker}"));
        let listed = row[4].split_whitespace().next().unwrap_or_default();
        assert_eq!(listed, count.to_string(), "{broker}: docs/interop.md (left), actual (right)");
    }
}
