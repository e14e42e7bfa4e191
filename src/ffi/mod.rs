//! The C API, and the pump that carries out what the core wants by calling C. The only part, but
//! for `heap`, that may be unsafe.
//!
//! Conventions, for all of it:
//! - Every function takes NULL where a pointer is expected, and then does nothing, with an error in
//!   the log and 0, false or NULL returned; what is silent says so.
//! - C may call back in at any time: a handler, a cloud event, even a log line may publish,
//!   subscribe, reconfigure, free. So no reference is kept across a call that may run app code. The
//!   compiler holds that rule, see `app`.
//! - All calls come from the firmware's one task, as with the original.
//!
//! Each module uses those before it in this list and none after: tests/rule.rs.
//!
//! | modules | what they are for |
//! |---|---|
//! | `types`, `shim`, `token`, `clock` | the seam; the token that keeps references and app code apart |
//! | `config`, `nc`, `frames`, `connection` | what is there: configuration, Mongoose connection, its frames, the object |
//! | `hooks` | what features that only some apps use do in the event loop |
//! | `app` | all that may run app code |
//! | `notices`, `websocket` | what the app is told unasked; the handshake over WebSocket |
//! | `pump` | what goes out, and when to look again |
//! | `results`, `queue_file`, `pieces`, `upload` | what became of single messages; the queue over a restart; messages in pieces, in and out |
//! | `deliver`, `publish` | packets to handlers; what the app asks for |
//! | `handshake`, `lifecycle` | from the transport to CONNECT; connect, disconnect, lost, again |
//! | `finish` | the graceful disconnect that an app asks for |
//! | `events`, `global`, `conn_api`, `global_api` | entries from C: Mongoose, timer, network; the API |

pub mod app;
pub mod clock;
pub mod config;
pub mod conn_api;
pub mod connection;
mod deliver;
pub mod events;
mod finish;
pub mod frames;
pub mod global;
pub mod global_api;
mod handshake;
mod hooks;
mod lifecycle;
pub mod nc;
mod notices;
mod pieces;
mod publish;
mod pump;
pub mod queue_file;
mod results;
pub mod shim;
pub mod token;
pub mod types;
mod upload;
pub mod websocket;

#[cfg(test)]
mod tests;
