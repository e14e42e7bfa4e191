//! The conversations: each is a function that sets a stage and looks at what happens on it. One table lists them all.

mod delivery;

use anyhow::Result;

use super::stage::Stage;

/// A conversation with a broker.
pub struct Talk {
    pub name: &'static str,
    /// Completes "shows that".
    pub about: &'static str,
    pub hold: fn(&Stage) -> Result<()>,
}

/// The apps that they use: directories of interop/ or examples/.
pub const APPS: &[&str] = &["qos"];

/// In the order in which they start: those that take longest come first.
pub const ALL: &[Talk] = &[
    Talk { name: "qos", about: "messages at each QoS, retained, empty and large ones, counted one by one", hold: delivery::qos },
];
