//! More than one broker: failover, reconfiguration, multiple connections.

use anyhow::Result;
use test_kit::broker::Setup;

use crate::fixture::Fixture;

/// Printed by the `backup` app when a message arrives through its subscription.
const ANSWERED: &str = "ok ";

pub fn backup(fixture: &Fixture) -> Result<()> {
    let mut primary = fixture.broker("primary", Setup::default())?;
    let mut second = fixture.broker("backup", Setup::default())?;
    let address = second.endpoint.to_string();
    // The backup has a complete configuration of its own.
    let transport = fixture.transport.settings(fixture.files);
    let transport: Vec<_> = transport.iter().map(|(key, value)| (key.replacen("mqtt.", "mqtt1.", 1), value)).collect();
    let mut settings =
        vec![("mqtt1.server", address.as_str()), ("mqtt1.reconnect_timeout_min", "0.1"), ("mqtt1.reconnect_timeout_max", "0.3")];
    settings.extend(transport.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let mut app = fixture.app("backup", primary.endpoint, &settings)?;

    app.reports("connected 1")?;
    fixture.publish(&primary, "backup/answer", "well")?;
    app.process.wait_for_text(ANSWERED)?;
    primary.kill();
    app.process.wait_for_text("MQTT0 switching to mqtt1")?;
    app.reports("connected 2")?;
    fixture.check(true, "when the broker dies, the app switches to the backup")?;
    fixture.publish(&second, "backup/answer", "well")?;
    app.process.wait_for_text(ANSWERED)?;
    second.kill();
    primary.restart()?;
    app.process.wait_for_text("MQTT0 switching to mqtt")?;
    app.reports("connected 3")?;
    fixture.check(true, "when the backup dies, the app switches back")?;
    fixture.publish(&primary, "backup/answer", "well")?;
    app.finish().map(drop)
}

pub fn reconfigure(fixture: &Fixture) -> Result<()> {
    let here = fixture.broker("broker", Setup::default())?;
    let there = fixture.broker("other", Setup::default())?;
    let seen_here = fixture.observer(&here, &["change/#"], None)?;
    let seen_there = fixture.observer(&there, &["change/#"], None)?;
    fixture.app("reconfigure", here.endpoint, &[("other.server", &there.endpoint.to_string())])?.finish()?;
    for (mut observer, broker, expected) in [(seen_here, &here, "1 2 end"), (seen_there, &there, "3 end")] {
        fixture.publish(broker, "change/end", "end")?;
        observer.next_on("change/end")?;
        let steps: Vec<_> = observer.all().into_iter().map(|message| message.payload).collect();
        fixture.check(steps.join(" ") == expected, "each message arrives once, at the broker configured at that time")?;
    }
    Ok(())
}

pub fn multi_connection(fixture: &Fixture) -> Result<()> {
    let here = fixture.broker("broker", Setup::default())?;
    let there = fixture.broker("other", Setup::default())?;
    fixture.app("multi_connection", here.endpoint, &[("other.server", &there.endpoint.to_string())])?.finish().map(drop)
}
