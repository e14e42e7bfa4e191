//! The scenarios: each is a function that starts brokers and apps through a fixture and checks what
//! happens. A table lists them all.

mod access;
mod capture;
mod delivery;
mod field;
mod handshake;
mod programs;
mod servers;
mod session;

use anyhow::Result;
use project::setup::{Package, program};
use test_kit::transport::Transport;

use super::fixture::Fixture;

/// A scenario with a broker.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    /// The transports that it runs with.
    pub transports: &'static [Transport],
    pub run: fn(&Fixture) -> Result<()>,
}

/// The apps of the scenarios: directories of e2e/interop/apps or examples/.
pub const APPS: &[&str] = &[
    "backup",
    "cut",
    "direct",
    "field",
    "killed",
    "will_on_exit",
    "latest",
    "login",
    "offline_queue",
    "ota",
    "oversized",
    "qos",
    "reconfigure",
    "session",
    "sleep",
    "multi_connection",
    "subscriptions",
    "tls",
    "two_brokers",
    "upload",
    "will",
];

/// For scenarios that do not depend on the transport.
const TCP_ONLY: &[Transport] = &[Transport::Tcp];
const ALL_TRANSPORTS: &[Transport] = &Transport::ALL;

/// Needed besides a broker.
pub const PACKAGES: &[Package] = &[program("tshark", "tshark")];

/// In starting order: the longest first.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "qos",
        about: "messages at each QoS, retained, empty and large, each counted",
        transports: ALL_TRANSPORTS,
        run: delivery::qos,
    },
    Scenario {
        name: "direct_calls",
        about: "a short program compiled against the SDK with a single call of cc",
        transports: TCP_ONLY,
        run: programs::direct_calls,
    },
    Scenario {
        name: "cut",
        about: "messages both ways over a connection that is cut repeatedly",
        transports: ALL_TRANSPORTS,
        run: session::cut,
    },
    Scenario {
        name: "field",
        about: "a message or subscription that makes the broker hang up, 1,000 queued messages, QoS 2 over a link that is cut",
        transports: TCP_ONLY,
        run: field::field,
    },
    Scenario {
        name: "session",
        about: "sessions that outlive app and broker, with messages both ways meanwhile",
        transports: ALL_TRANSPORTS,
        run: session::session,
    },
    Scenario { name: "killed", about: "a queue in a file, with the app killed at any time", transports: TCP_ONLY, run: session::killed },
    Scenario { name: "backup", about: "failover to the backup broker, and back", transports: ALL_TRANSPORTS, run: servers::backup },
    Scenario {
        name: "reconfigure",
        about: "disconnect, connect, switch to another broker at run time",
        transports: TCP_ONLY,
        run: servers::reconfigure,
    },
    Scenario { name: "login", about: "user name and password, right and wrong", transports: ALL_TRANSPORTS, run: access::login },
    Scenario { name: "refusal", about: "a subscription that the broker's access rules forbid", transports: TCP_ONLY, run: access::refusal },
    Scenario {
        name: "will",
        about: "the will of an app that is killed or disconnects; retained or not",
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
        about: "three connections to two brokers",
        transports: ALL_TRANSPORTS,
        run: servers::multi_connection,
    },
    Scenario { name: "direct", about: "examples/direct answers requests", transports: TCP_ONLY, run: programs::direct },
    Scenario { name: "two_brokers", about: "examples/two_brokers between two brokers", transports: TCP_ONLY, run: programs::two_brokers },
    Scenario {
        name: "offline_queue",
        about: "examples/offline_queue while its broker is down",
        transports: TCP_ONLY,
        run: programs::offline_queue,
    },
    Scenario { name: "latest", about: "examples/latest while its broker is down", transports: TCP_ONLY, run: programs::latest },
    Scenario {
        name: "upload",
        about: "examples/upload with a megabyte, over a link that is cut inside it",
        transports: ALL_TRANSPORTS,
        run: programs::upload,
    },
    Scenario { name: "ota", about: "examples/ota, with an image in pieces and a wrong one", transports: TCP_ONLY, run: programs::ota },
    Scenario {
        name: "sleep",
        about: "examples/sleep over several starts, with its broker down",
        transports: TCP_ONLY,
        run: programs::sleep,
    },
    Scenario { name: "tls", about: "examples/tls, with certificates on both sides", transports: &[Transport::Cert], run: programs::tls },
    Scenario {
        name: "will_on_exit",
        about: "examples/telemetry under valgrind until it exits",
        transports: &[Transport::Tcp, Transport::Tls, Transport::Ws],
        run: programs::will_on_exit,
    },
    Scenario {
        name: "trust",
        about: "untrusted TLS: wrong or missing certificates and keys",
        transports: &[Transport::Tls, Transport::Cert, Transport::Psk, Transport::Wss],
        run: handshake::trust,
    },
    Scenario {
        name: "handshake",
        about: "a server that refuses WebSocket or does not answer",
        transports: &[Transport::Ws, Transport::Wss],
        run: handshake::handshake,
    },
    Scenario {
        name: "capture",
        about: "output of --pcap, read by tshark, and of --trace",
        transports: &[Transport::Tcp, Transport::Tls, Transport::Ws],
        run: capture::capture,
    },
    Scenario { name: "bytewise", about: "a link that forwards one byte at a time", transports: ALL_TRANSPORTS, run: delivery::bytewise },
];
