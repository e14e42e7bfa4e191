//! Behaviour in the field: small named models of real brokers, clouds and links, and assertions on
//! how the device responds.
//!
//! Virtual time and no randomness: the same on every machine. docs/testing.md has the table. To see
//! every packet of a test:
//!     MGOS_MQTT_FIELD_TRACE=1 cargo test --test field a_forbidden -- --nocapture

mod reference;
mod sim;

#[path = "field/brokers.rs"]
mod brokers;
#[path = "field/hang_ups.rs"]
mod hang_ups;
#[path = "field/links.rs"]
mod links;
#[path = "field/reconnections.rs"]
mod reconnections;
#[path = "field/silence.rs"]
mod silence;
#[path = "field/slow_links.rs"]
mod slow_links;
#[path = "field/world.rs"]
mod world;
