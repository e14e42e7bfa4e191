//! The C API, and the pump that carries out what the core wants by calling C. The only part, but for
//! `heap`, that may be unsafe.
//!
//! Conventions, for all of it:
//! - Every function takes NULL where a pointer is expected, and then does nothing, with an error in
//!   the log and 0, false or NULL returned; what is silent says so.
//! - C may call back in at any time: a handler, a cloud event, even a log line may publish,
//!   subscribe, reconfigure, free. So no reference is kept across a call that may run app code. The
//!   compiler holds that rule, see `app`.
//! - All calls come from the firmware's one task, as with the original.
//!
//! Each module uses those below it and none above:
//!
//! ```text
//! conn_api, global_api, events    entries from C: the API; Mongoose, timer, network
//! global                          the connection of the `mqtt` section
//! lifecycle                       connect, disconnect, lost, again
//! handshake                       from the transport to CONNECT
//! publish   deliver               what the app asks for; packets to handlers
//! pump                            what goes out, and when to look again
//! notices   websocket             what the app is told; frames
//! app  connection  nc  config  clock      what is there, and the seam
//! shim  types
//! ```

pub mod app;
pub mod clock;
pub mod config;
pub mod conn_api;
pub mod connection;
mod deliver;
pub mod events;
pub mod global;
pub mod global_api;
mod handshake;
mod lifecycle;
pub mod nc;
mod notices;
mod publish;
mod pump;
pub mod shim;
pub mod types;
pub mod websocket;

#[cfg(test)]
mod tests;
