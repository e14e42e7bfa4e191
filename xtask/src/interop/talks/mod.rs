//! The conversations: each is a function that sets a stage and looks at what happens on it. One table lists them all.

mod access;
mod capture;
mod delivery;
mod field;
mod opening;
mod programs;
mod servers;
mod session;

use anyhow::Result;

use super::over::Over;
use super::stage::Stage;
use crate::setup::{Package, program};

/// A conversation with a broker.
pub struct Talk {
    pub name: &'static str,
    pub about: &'static str,
    /// The kinds of connection that it is held over.
    pub over: &'static [Over],
    pub hold: fn(&Stage) -> Result<()>,
}

/// The apps that they use: directories of interop/ or examples/.
pub const APPS: &[&str] = &[
    "backup",
    "cut",
    "direct",
    "field",
    "leaves",
    "login",
    "offline_queue",
    "oversized",
    "qos",
    "reconfigure",
    "session",
    "several",
    "subscriptions",
    "tls",
    "two_brokers",
    "will",
];

/// What has nothing to do with the kind of connection is looked at once.
const PLAIN: &[Over] = &[Over::Tcp];
const EVERY: &[Over] = &Over::ALL;

/// What they take beside a broker.
pub const PACKAGES: &[Package] = &[program("tshark", "tshark")];

/// In the order in which they start: those that take longest come first.
pub const ALL: &[Talk] = &[
    Talk {
        name: "qos",
        about: "messages at each QoS, retained, empty and large ones, counted one by one",
        over: EVERY,
        hold: delivery::qos,
    },
    Talk { name: "by_hand", about: "a short program compiled with one line of cc against the SDK", over: PLAIN, hold: programs::by_hand },
    Talk { name: "cut", about: "messages both ways over a connection that is cut again and again", over: EVERY, hold: session::cut },
    Talk {
        name: "field",
        about: "a message or a subscription that the broker hangs up on, 1,000 waiting messages, a cut link at QoS 2",
        over: PLAIN,
        hold: field::field,
    },
    Talk {
        name: "session",
        about: "sessions that outlive the app and the broker, messages both ways meanwhile",
        over: EVERY,
        hold: session::session,
    },
    Talk { name: "backup", about: "from the broker to its backup when it dies, and back", over: EVERY, hold: servers::backup },
    Talk { name: "reconfigure", about: "disconnect, connect, another broker at run time", over: PLAIN, hold: servers::reconfigure },
    Talk { name: "login", about: "user name and password, right and wrong", over: EVERY, hold: access::login },
    Talk { name: "refusal", about: "a subscription that the broker's access rules forbid", over: PLAIN, hold: access::refusal },
    Talk { name: "will", about: "the last will of an app that is killed, or leaves; retained or not", over: EVERY, hold: session::will },
    Talk {
        name: "oversized",
        about: "messages over mqtt.recv_mbuf_limit are skipped and acknowledged",
        over: EVERY,
        hold: delivery::oversized,
    },
    Talk { name: "subscriptions", about: "two subscriptions to one filter, unsubscribing", over: EVERY, hold: delivery::subscriptions },
    Talk { name: "several", about: "three connections at once, to two brokers", over: EVERY, hold: servers::several },
    Talk { name: "direct", about: "examples/direct answers requests", over: PLAIN, hold: programs::direct },
    Talk { name: "two_brokers", about: "examples/two_brokers between two brokers", over: PLAIN, hold: programs::two_brokers },
    Talk { name: "offline_queue", about: "examples/offline_queue while its broker is away", over: PLAIN, hold: programs::offline_queue },
    Talk { name: "tls", about: "examples/tls, with a certificate on either side", over: &[Over::Cert], hold: programs::tls },
    Talk {
        name: "leaves",
        about: "examples/telemetry under valgrind, up to its end",
        over: &[Over::Tcp, Over::Tls, Over::Ws],
        hold: programs::leaves,
    },
    Talk {
        name: "trust",
        about: "TLS that one of both does not trust: certificates and keys that are wrong or missing",
        over: &[Over::Tls, Over::Cert, Over::Psk, Over::Wss],
        hold: opening::trust,
    },
    Talk {
        name: "handshake",
        about: "a server that does not agree to WebSocket, or does not answer",
        over: &[Over::Ws, Over::Wss],
        hold: opening::handshake,
    },
    Talk {
        name: "capture",
        about: "what --pcap writes, read by tshark, and what --trace prints",
        over: &[Over::Tcp, Over::Tls, Over::Ws],
        hold: capture::capture,
    },
    Talk { name: "bytewise", about: "a link that passes on one byte at a time", over: EVERY, hold: delivery::bytewise },
];
