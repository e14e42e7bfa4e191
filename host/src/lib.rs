//! A Mongoose OS for a workstation: what apps written in C for Mongoose OS call, on
//! Linux. This crate is the event manager, timers, events, network, pins and the
//! rest of the system; strings, buffers, JSON, logging and MQTT packets are C, in
//! c/. Linked into one archive, with the mqtt library.
//!
//! The functions that apps call are documented in the headers in include/.

// For the archive: nothing here calls it, the app does.
use mgos_mqtt as _;

pub mod abi;
pub mod addr;
mod alloc_faults;
pub mod app;
pub mod clock;
pub mod config;
pub mod conn;
pub mod connect;
pub mod device;
pub mod events;
pub mod global;
pub mod gpio;
pub mod io;
mod log;
pub mod mgr;
mod name_server;
pub mod net;
mod resolve;
mod stream;
mod sync;
pub mod system;
pub mod timers;
mod tls;
mod trace;
pub mod uart;
pub mod websocket;

#[cfg(test)]
mod testing;
