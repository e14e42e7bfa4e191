//! The JavaScript API under mJS, with mosquitto. mJS is not part of this project: the scenario runs
//! if copies of its sources are given.

use anyhow::Result;
use host_app::Places;
use test_kit::broker::Setup;
use test_kit::observer;
use test_kit::transport::Transport;

use super::fixture::Fixture;
use super::scenarios::{Scenario, scenario};

/// Directories of e2e/interop/apps or examples/.
pub const APPS: &[&str] = &["javascript", "scripts"];

pub const ALL: &[Scenario] = &[scenario(
    "javascript",
    &[Transport::Tcp],
    javascript,
    "examples/javascript, and every function of MQTT, under mJS; needs --lib mjs:PATH --module mjs_module:PATH",
)];

/// Whether mJS can be built.
pub fn is_given(places: &Places) -> bool {
    places.has("mjs", &project::root().join("e2e/interop/apps/scripts"))
}

fn javascript(fixture: &Fixture) -> Result<()> {
    let mut broker = fixture.broker("broker", Setup::default())?;
    let mut seen = fixture.observer(&broker, &["javascript-app/lamp"], None)?;
    let mut lamp = fixture.app("javascript", broker.endpoint, &[])?;
    lamp.process.wait_for_text("connected")?;
    // A retained message arrives no matter when the subscription becomes active.
    observer::publish(&broker, "javascript-app/lamp/set", "on", 1, true)?;
    fixture.check(seen.next_on("javascript-app/lamp")?.payload == "on", "examples/javascript switches its lamp on")?;
    lamp.kill()?;

    let mut seen = fixture.observer(&broker, &["scripts-app/#"], None)?;
    observer::publish(&broker, "scripts-app/kept", "x", 1, true)?;
    let mut app = fixture.app("scripts", broker.endpoint, &[])?;
    app.reports("connected 1")?;
    app.reports("kept")?;
    fixture.check(seen.next_on("scripts-app/queued")?.payload == "kept", "a message that a script queues arrives")?;
    let text = "caf\u{e9} \u{1f600}";
    observer::publish(&broker, "scripts-app/in/text", text, 1, true)?;
    fixture.check(seen.next_on("scripts-app/in/text/answer")?.payload == text, "a text that is not ASCII goes both ways unchanged")?;
    broker.kill();
    app.reports("closed")?;
    broker.restart()?;
    app.reports("connected 2")?;
    observer::publish(&broker, "scripts-app/in/again", "x", 1, true)?;
    app.reports("handled scripts-app/in/again")?;
    fixture.check(true, "subscriptions are there again after a reconnection")?;
    observer::publish(&broker, "scripts-app/end", "now", 1, true)?;
    app.reports("outcome")?;
    app.reports("end")?;
    app.kill()
}
