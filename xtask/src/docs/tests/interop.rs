//! What docs/interop.md tells of conversations with brokers, held against the tables of `cargo xtask interop`: how many are held with which
//! broker, and over which kind of connection. What each of them shows is in words, and not looked at.

use std::collections::BTreeMap;

use super::{cells, read};
use crate::interop::{cases_per_broker, scenarios, transport::Transport};

/// In the order of the table's columns.
const KINDS: [Transport; 6] = [Transport::Tcp, Transport::Tls, Transport::Cert, Transport::Psk, Transport::Ws, Transport::Wss];

#[test]
fn each_conversation_has_its_row_with_the_connections_that_it_is_held_over() {
    let page = read("docs/interop.md");
    let mut told = BTreeMap::new();
    for row in page.lines().filter_map(cells).filter(|row| row.len() == 2 + KINDS.len() && row[0].starts_with('`')) {
        let kinds: Vec<&str> = KINDS.iter().zip(&row[2..]).filter(|(_, cell)| **cell == "yes").map(|(over, _)| over.name()).collect();
        told.insert(row[0].trim_matches('`').to_owned(), kinds);
    }
    let named = |over: &'static [Transport]| KINDS.iter().filter(|kind| over.contains(kind)).map(|kind| kind.name()).collect();
    let known: BTreeMap<String, Vec<&str>> =
        scenarios::ALL.iter().map(|scenario| (scenario.name.to_owned(), named(scenario.transports))).collect();
    assert_eq!(told, known, "docs/interop.md (left) and xtask/src/interop/scenarios/mod.rs (right)");
}

#[test]
fn the_number_of_conversations_with_each_broker_is_as_told() {
    let page = read("docs/interop.md");
    let rows: Vec<_> = page.lines().filter_map(cells).filter(|row| row.len() == 6).collect();
    for (broker, count) in cases_per_broker() {
        let row = rows.iter().find(|row| row[0].to_lowercase().starts_with(broker)).unwrap_or_else(|| panic!("no row for {broker}"));
        let told = row[4].split_whitespace().next().unwrap_or_default();
        assert_eq!(told, count.to_string(), "{broker}: docs/interop.md (left), what is held (right)");
    }
}
