//! The parts of the simulation: link, client, broker, the tap between them, and the world that
//! drives them.
// Each test binary uses only some of it.
#![allow(missing_docs, dead_code)]

pub mod app;
pub mod broker;
pub mod client;
pub mod link;
pub mod rng;
pub mod splits;
pub mod tap;
pub mod world;
