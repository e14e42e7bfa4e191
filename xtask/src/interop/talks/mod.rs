//! The conversations: each is a function that sets a stage and looks at what happens on it. One table lists them all.

mod access;
mod delivery;
mod programs;
mod servers;
mod session;

use anyhow::Result;

use super::stage::Stage;

/// A conversation with a broker.
pub struct Talk {
    pub name: &'static str,
    pub about: &'static str,
    pub hold: fn(&Stage) -> Result<()>,
}

/// The apps that they use: directories of interop/ or examples/.
pub const APPS: &[&str] =
    &["backup", "cut", "direct", "login", "oversized", "qos", "reconfigure", "session", "several", "subscriptions", "will"];

/// In the order in which they start: those that take longest come first.
pub const ALL: &[Talk] = &[
    Talk { name: "by_hand", about: "a short program compiled with one line of cc against the SDK", hold: programs::by_hand },
    Talk { name: "cut", about: "messages both ways over a connection that is cut again and again", hold: session::cut },
    Talk { name: "session", about: "sessions that outlive the app and the broker, messages both ways meanwhile", hold: session::session },
    Talk { name: "backup", about: "from the broker to its backup when it dies, and back", hold: servers::backup },
    Talk { name: "reconfigure", about: "disconnect, connect, another broker at run time", hold: servers::reconfigure },
    Talk { name: "login", about: "user name and password, right and wrong", hold: access::login },
    Talk { name: "refusal", about: "a subscription that the broker's access rules forbid", hold: access::refusal },
    Talk { name: "will", about: "the last will of an app that is killed, or leaves; retained or not", hold: session::will },
    Talk { name: "qos", about: "messages at each QoS, retained, empty and large ones, counted one by one", hold: delivery::qos },
    Talk { name: "oversized", about: "messages over mqtt.recv_mbuf_limit are skipped and acknowledged", hold: delivery::oversized },
    Talk { name: "subscriptions", about: "two subscriptions to one filter, unsubscribing", hold: delivery::subscriptions },
    Talk { name: "several", about: "three connections at once, to two brokers", hold: servers::several },
    Talk { name: "direct", about: "examples/direct answers requests", hold: programs::direct },
];
