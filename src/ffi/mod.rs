//! The C API, and the pump that carries out what the core wants by calling C. The only part, but for `heap`, that may be unsafe.
//!
//! Conventions, for all of it:
//! - Every function takes NULL where a pointer is expected, and then does nothing, with an error in the log and 0, false or NULL returned.
//! - C may call back in at any time: a handler, a cloud event, even a log line may publish, subscribe, reconfigure, free. So no
//!   reference to an object is alive while C runs; see `object::Hold`.
//! - All calls come from the firmware's one task, as with the original.

pub mod conn_api;
pub mod events;
pub mod global;
pub mod global_api;
mod lifecycle;
pub mod object;
mod pump;
pub mod shim;
pub mod types;
mod websocket;

#[cfg(test)]
mod tests;
