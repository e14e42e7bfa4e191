//! Mongoose OS for a workstation: the functions that C apps for Mongoose OS call, on Linux. This
//! crate has the event manager, timers, events, network, pins and the rest of the system; strings,
//! buffers, JSON, logging and MQTT packets are C, in c/. Linked into one archive with the mqtt
//! library.
//!
//! The functions for apps are documented in the headers in include/.
#![warn(missing_docs)]

// Linked for the archive: the app calls it, nothing here does.
use mgos_mqtt as _;

pub mod abi;
pub mod addr;
mod alloc_faults;
pub mod app;
pub mod build_info;
pub mod clock;
pub mod codec;
pub mod config;
pub mod conn;
pub mod connect;
pub mod device;
pub mod events;
pub mod files;
pub mod global;
pub mod gpio;
pub mod http;
pub mod io;
mod log;
pub mod mgr;
mod name_server;
pub mod net;
mod resolve;
pub mod sntp;
mod stream;
mod sync;
pub mod system;
pub mod timers;
mod tls;
mod trace;
pub mod uart;
pub mod uri;
pub mod websocket;

#[cfg(test)]
mod testing;
