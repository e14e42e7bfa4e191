//! Brokers with access control: who may log in, who may subscribe to what. Untrusted TLS is in
//! handshake.rs.

use anyhow::Result;
use test_kit::broker::Setup;

use super::handshake::waits;
use crate::fixture::Fixture;

pub fn login(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup { login: Some(("device", "right")), ..Setup::default() })?;
    let wrong = [("mqtt.user", "device"), ("mqtt.pass", "wrong"), ("login.refusals", "3"), ("mqtt.reconnect_timeout_max", "10")];
    let lines = fixture.app("login", broker.endpoint, &wrong)?.finish()?;
    // Brokers differ in which of the two they send.
    let causes = ["MQTT0 CONNACK 4: bad user name or password", "MQTT0 CONNACK 5: not authorized"];
    let refusals = lines.iter().filter(|line| causes.iter().any(|cause| line.contains(cause))).count();
    fixture.check(refusals == 3, "the log says why each connection is refused")?;
    let doubled = matches!(waits(&lines)[..], [first, second, ..] if first < 150 && second > first * 3 / 2);
    fixture.check(doubled, "each wait after a refusal is longer than the one before")?;

    fixture.app("subscriptions", broker.endpoint, &[("mqtt.user", "device"), ("mqtt.pass", "right")])?.finish()?;
    fixture.check(true, "with the right password everything works")
}

pub fn refusal(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup { refused: Some("secret/#"), ..Setup::default() })?;
    let lines = fixture.app("login", broker.endpoint, &[])?.finish()?;
    let refused: Vec<_> = lines.iter().filter(|line| line.contains("subscription refused: ")).collect();
    let named = matches!(refused[..], [line] if line.contains(" secret/a (0x80)"));
    fixture.check(named, "the log names the one subscription that was refused")
}
