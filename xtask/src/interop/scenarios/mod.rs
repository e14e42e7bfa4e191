//! The conversations: each is a function that sets a fixture and looks at what happens on it. One table lists them all.

mod access;
mod capture;
mod delivery;
mod field;
mod handshake;
mod programs;
mod servers;
mod session;

use anyhow::Result;

use super::fixture::Fixture;
use super::transport::Transport;
use crate::setup::{Package, program};

/// A conversation with a broker.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    /// The kinds of connection that it is held over.
    pub transports: &'static [Transport],
    pub run: fn(&Fixture) -> Result<()>,
}

/// The apps that they use: directories of interop/ or examples/.
pub const APPS: &[&str] = &[
    "backup",
    "cut",
    "direct",
    "field",
    "will_on_exit",
    "login",
    "offline_queue",
    "oversized",
    "qos",
    "reconfigure",
    "session",
    "multi_connection",
    "subscriptions",
    "tls",
    "two_brokers",
    "will",
];

/// What has nothing to do with the kind of connection is looked at once.
const TCP_ONLY: &[Transport] = &[Transport::Tcp];
const ALL_TRANSPORTS: &[Transport] = &Transport::ALL;

/// What they take beside a broker.
pub const PACKAGES: &[Package] = &[program("tshark", "tshark")];

/// In the order in which they start: those that take longest come first.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "qos",
        about: "messages at each QoS, retained, empty and large ones, counted one by one",
        transports: ALL_TRANSPORTS,
        run: delivery::qos,
    },
    Scenario {
        name: "direct_calls",
        about: "a short program compiled with one line of cc against the SDK",
        transports: TCP_ONLY,
        run: programs::direct_calls,
    },
    Scenario {
        name: "cut",
        about: "messages both quirks over a connection that is cut again and again",
        transports: ALL_TRANSPORTS,
        run: session::cut,
    },
    Scenario {
        name: "field",
        about: "a message or a subscription that the broker hangs up on, 1,000 waiting messages, a cut link at QoS 2",
        transports: TCP_ONLY,
        run: field::field,
    },
    Scenario {
        name: "session",
        about: "sessions that outlive the app and the broker, messages both quirks meanwhile",
        transports: ALL_TRANSPORTS,
        run: session::session,
    },
    Scenario {
        name: "backup",
        about: "from the broker to its backup when it dies, and back",
        transports: ALL_TRANSPORTS,
        run: servers::backup,
    },
    Scenario {
        name: "reconfigure",
        about: "disconnect, connect, another broker at run time",
        transports: TCP_ONLY,
        run: servers::reconfigure,
    },
    Scenario { name: "login", about: "user name and password, right and wrong", transports: ALL_TRANSPORTS, run: access::login },
    Scenario { name: "refusal", about: "a subscription that the broker's access rules forbid", transports: TCP_ONLY, run: access::refusal },
    Scenario {
        name: "will",
        about: "the last will of an app that is killed, or will_on_exit; retained or not",
        transports: ALL_TRANSPORTS,
        run: session::will,
    },
    Scenario {
        name: "oversized",
        about: "messages over mqtt.recv_mbuf_limit are skipped and acknowledged",
        transports: ALL_TRANSPORTS,
        run: delivery::oversized,
    },
    Scenario {
        name: "subscriptions",
        about: "two subscriptions to one filter, unsubscribing",
        transports: ALL_TRANSPORTS,
        run: delivery::subscriptions,
    },
    Scenario {
        name: "multi_connection",
        about: "three connections at once, to two brokers",
        transports: ALL_TRANSPORTS,
        run: servers::multi_connection,
    },
    Scenario { name: "direct", about: "examples/direct answers requests", transports: TCP_ONLY, run: programs::direct },
    Scenario { name: "two_brokers", about: "examples/two_brokers between two brokers", transports: TCP_ONLY, run: programs::two_brokers },
    Scenario {
        name: "offline_queue",
        about: "examples/offline_queue while its broker is away",
        transports: TCP_ONLY,
        run: programs::offline_queue,
    },
    Scenario { name: "tls", about: "examples/tls, with a certificate on either side", transports: &[Transport::Cert], run: programs::tls },
    Scenario {
        name: "will_on_exit",
        about: "examples/telemetry under valgrind, up to its end",
        transports: &[Transport::Tcp, Transport::Tls, Transport::Ws],
        run: programs::will_on_exit,
    },
    Scenario {
        name: "trust",
        about: "TLS that one of both does not trust: certificates and keys that are wrong or missing",
        transports: &[Transport::Tls, Transport::Cert, Transport::Psk, Transport::Wss],
        run: handshake::trust,
    },
    Scenario {
        name: "handshake",
        about: "a server that does not agree to WebSocket, or does not answer",
        transports: &[Transport::Ws, Transport::Wss],
        run: handshake::handshake,
    },
    Scenario {
        name: "capture",
        about: "what --pcap writes, read by tshark, and what --trace prints",
        transports: &[Transport::Tcp, Transport::Tls, Transport::Ws],
        run: capture::capture,
    },
    Scenario { name: "bytewise", about: "a link that passes on one byte at a time", transports: ALL_TRANSPORTS, run: delivery::bytewise },
];
