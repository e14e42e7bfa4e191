//! Message delivery over a connection that stays up: all QoS levels, oversized messages, byte by
//! byte. Broken connections are in session.rs.

use anyhow::Result;
use test_kit::broker::Setup;
use test_kit::observer;
use test_kit::proxy::Proxy;
use test_kit::workdir;

use crate::fixture::Fixture;

pub fn qos(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let quirks = broker.quirks;
    let wildcard = |filter, topic| if quirks.retained_by_wildcard { filter } else { topic };
    let settings = [("qos.lowered", &*quirks.downgrades_qos.to_string()), ("qos.kept", wildcard("kept/#", "kept/1"))];
    fixture.app("qos", broker.endpoint, &settings)?.finish()?;
    let mut later = fixture.observer(&broker, &[wildcard("kept/#", "kept/3")], None)?;
    let first = later.next("the retained message")?;
    let expected = first.topic == "kept/3" && first.retained && (first.qos == 1 || !quirks.downgrades_qos) && first.payload == "for later";
    fixture.check(expected, "a client that subscribes later gets the retained message, flagged as retained")
}

pub fn subscriptions(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    fixture.app("subscriptions", broker.endpoint, &[])?.finish().map(drop)
}

pub fn bytewise(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let link = Proxy::bytewise(broker.endpoint)?;
    fixture.app("subscriptions", link.endpoints[0], &[])?.finish()?;
    fixture.check(true, "everything works one byte at a time")
}

/// Logged for each skipped message.
const SKIPPED: &str = "), dropped: big/";

pub fn oversized(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let file = |name: &str, size: usize| workdir::write(&fixture.dir, name, &"x".repeat(size));
    // Over WebSocket mosquitto sends large messages slowly: see docs/testing.md.
    let (large, huge) = (file("large", 10_000)?, file("huge", if fixture.transport.is_websocket() { 20_000 } else { 1_000_000 })?);
    observer::publish_file(&broker, "big/retained", &large, 1, true)?;

    let mut app = fixture.app("oversized", broker.endpoint, &[])?;
    // Brokers differ in which of the two comes first.
    app.process.wait_for_text(SKIPPED)?;
    app.process.read_again();
    app.reports("subscribed")?;
    fixture.check(true, "a retained message that is too large is skipped, and the log says so")?;
    fixture.publish(&broker, "big/first", "small")?;
    observer::publish_file(&broker, "big/0", &large, 0, false)?;
    observer::publish_file(&broker, "big/1", &large, 1, false)?;
    observer::publish_file(&broker, "big/2", &huge, 2, false)?;
    fixture.publish(&broker, "big/last", "end")?;
    let lines = app.finish()?;
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    fixture
        .check(count(SKIPPED) == 4 && count("CONNACK 0") == 1, "so is one at each QoS, up to a megabyte, while the connection stays up")?;

    // Otherwise the broker rightly sends it again when the app subscribes again.
    observer::publish(&broker, "big/retained", "", 1, true)?;
    fixture.publish(&broker, "big/last", "end")?;
    let lines = fixture.app("oversized", broker.endpoint, &[])?.finish()?;
    let again = lines.iter().any(|line| line.contains(SKIPPED));
    fixture.check(!again, "they were acknowledged: the broker does not send them again in the same session")
}
