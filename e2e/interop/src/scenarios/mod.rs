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
use test_kit::transport::Transport::{self, Cert, Psk, Tcp, Tls, Ws, Wss};

use super::fixture::Fixture;

/// A scenario with a broker.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    /// The transports that it runs with.
    pub transports: &'static [Transport],
    pub run: fn(&Fixture) -> Result<()>,
}

pub const fn scenario(
    name: &'static str,
    transports: &'static [Transport],
    run: fn(&Fixture) -> Result<()>,
    about: &'static str,
) -> Scenario {
    Scenario { name, about, transports, run }
}

/// For scenarios that do not depend on the transport.
const TCP_ONLY: &[Transport] = &[Tcp];
const ALL_TRANSPORTS: &[Transport] = &Transport::ALL;

/// Needed besides a broker.
pub const PACKAGES: &[Package] = &[program("tshark", "tshark")];

/// In starting order: the longest first.
pub const ALL: &[Scenario] = &[
    scenario("qos", ALL_TRANSPORTS, delivery::qos, "messages at each QoS, retained, empty and large, each counted"),
    scenario("direct_calls", TCP_ONLY, programs::direct_calls, "a short program compiled against the SDK with a single call of cc"),
    scenario("cut", ALL_TRANSPORTS, session::cut, "messages both ways over a connection that is cut repeatedly"),
    scenario(
        "field",
        TCP_ONLY,
        field::field,
        "a message or subscription that makes the broker hang up, 1,000 queued messages, QoS 2 over a link that is cut",
    ),
    scenario("session", ALL_TRANSPORTS, session::session, "sessions that outlive app and broker, with messages both ways meanwhile"),
    scenario("killed", TCP_ONLY, session::killed, "a queue in a file, with the app killed at any time"),
    scenario("backup", ALL_TRANSPORTS, servers::backup, "failover to the backup broker, and back"),
    scenario("reconfigure", TCP_ONLY, servers::reconfigure, "disconnect, connect, switch to another broker at run time"),
    scenario("login", ALL_TRANSPORTS, access::login, "user name and password, right and wrong"),
    scenario("refusal", TCP_ONLY, access::refusal, "a subscription that the broker's access rules forbid"),
    scenario("will", ALL_TRANSPORTS, session::will, "the will of an app that is killed or disconnects; retained or not"),
    scenario("oversized", ALL_TRANSPORTS, delivery::oversized, "messages over mqtt.recv_mbuf_limit are skipped and acknowledged"),
    scenario("subscriptions", ALL_TRANSPORTS, delivery::subscriptions, "two subscriptions to one filter, unsubscribing"),
    scenario("multi_connection", ALL_TRANSPORTS, servers::multi_connection, "three connections to two brokers"),
    scenario("direct", TCP_ONLY, programs::direct, "examples/direct answers requests"),
    scenario("two_brokers", TCP_ONLY, programs::two_brokers, "examples/two_brokers between two brokers"),
    scenario("offline_queue", TCP_ONLY, programs::offline_queue, "examples/offline_queue while its broker is down"),
    scenario("latest", TCP_ONLY, programs::latest, "examples/latest while its broker is down"),
    scenario("upload", ALL_TRANSPORTS, programs::upload, "examples/upload with a megabyte, over a link that is cut inside it"),
    scenario("ota", TCP_ONLY, programs::ota, "examples/ota, with an image in pieces and a wrong one"),
    scenario("sleep", TCP_ONLY, programs::sleep, "examples/sleep over several starts, with its broker down"),
    scenario("tls", &[Cert], programs::tls, "examples/tls, with certificates on both sides"),
    scenario("will_on_exit", &[Tcp, Tls, Ws], programs::will_on_exit, "examples/telemetry under valgrind until it exits"),
    scenario("trust", &[Tls, Cert, Psk, Wss], handshake::trust, "untrusted TLS: wrong or missing certificates and keys"),
    scenario("handshake", &[Ws, Wss], handshake::handshake, "a server that refuses WebSocket or does not answer"),
    scenario("capture", &[Tcp, Tls, Ws], capture::capture, "output of --pcap, read by tshark, and of --trace"),
    scenario("bytewise", ALL_TRANSPORTS, delivery::bytewise, "a link that forwards one byte at a time"),
];
