//! More than one broker: the backup, another configuration, several connections at once.

use anyhow::Result;

use crate::interop::broker::Setup;
use crate::interop::stage::Stage;

/// What the app of `backup` prints when an answer has come to its subscription.
const ANSWERED: &str = "ok ";

pub fn backup(stage: &Stage) -> Result<()> {
    let mut primary = stage.broker("primary", Setup::default())?;
    let mut second = stage.broker("backup", Setup::default())?;
    let address = second.door.to_string();
    // It has a configuration of its own, all of it.
    let over = stage.over.settings(stage.files);
    let over: Vec<_> = over.iter().map(|(key, value)| (key.replacen("mqtt.", "mqtt1.", 1), value)).collect();
    let mut settings =
        vec![("mqtt1.server", address.as_str()), ("mqtt1.reconnect_timeout_min", "0.1"), ("mqtt1.reconnect_timeout_max", "0.3")];
    settings.extend(over.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let mut app = stage.app("backup", &primary, &settings)?;

    app.tells("connected 1")?;
    stage.publish(&primary, "backup/answer", "well")?;
    app.process.wait_for_text(ANSWERED)?;
    primary.kill();
    app.process.wait_for_text("MQTT0 switching to mqtt1")?;
    app.tells("connected 2")?;
    stage.check(true, "when the broker dies, the app goes to its backup")?;
    stage.publish(&second, "backup/answer", "well")?;
    app.process.wait_for_text(ANSWERED)?;
    second.kill();
    primary.restart()?;
    app.process.wait_for_text("MQTT0 switching to mqtt")?;
    app.tells("connected 3")?;
    stage.check(true, "when the backup dies, the app goes back")?;
    stage.publish(&primary, "backup/answer", "well")?;
    app.finish().map(drop)
}

pub fn reconfigure(stage: &Stage) -> Result<()> {
    let here = stage.broker("broker", Setup::default())?;
    let there = stage.broker("other", Setup::default())?;
    let seen_here = stage.observer(&here, &["change/#"], None)?;
    let seen_there = stage.observer(&there, &["change/#"], None)?;
    stage.app("reconfigure", &here, &[("other.server", &there.door.to_string())])?.finish()?;
    for (mut observer, broker, expected) in [(seen_here, &here, "1 2 end"), (seen_there, &there, "3 end")] {
        stage.publish(broker, "change/end", "end")?;
        observer.next_on("change/end")?;
        let steps: Vec<_> = observer.all().into_iter().map(|message| message.payload).collect();
        stage.check(steps.join(" ") == expected, "each message arrives once, at the broker of its time")?;
    }
    Ok(())
}

pub fn several(stage: &Stage) -> Result<()> {
    let here = stage.broker("broker", Setup::default())?;
    let there = stage.broker("other", Setup::default())?;
    stage.app("several", &here, &[("other.server", &there.door.to_string())])?.finish().map(drop)
}
