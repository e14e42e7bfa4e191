//! Behaviour of brokers and links in the field, with a real broker: the rows of docs/testing.md that
//! need one. tests/field.rs covers the rest in virtual time.

use anyhow::Result;
use test_kit::broker::Setup;
use test_kit::observer;
use test_kit::proxy::{self, Proxy};

use crate::fixture::Fixture;

pub fn field(fixture: &Fixture) -> Result<()> {
    hang_up(fixture)?;
    refused(fixture)?;
    policy(fixture)?;
    waiting(fixture, "waiting", "")?;
    waiting(fixture, "unlimited", "max_inflight_messages 0\n")?;
    cut(fixture)
}

/// Number of lines that contain this text.
fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

/// Logged for each connection.
const CONNECTED: &str = "MQTT0 CONNACK 0";

/// A message larger than the broker accepts, followed by valid ones.
fn hang_up(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("limited", Setup { lines: "max_packet_size 2000\n".into(), ..Setup::default() })?;
    let mut observer = fixture.observer(&broker, &["field/out/#"], None)?;
    let lines = fixture.app("field", broker.endpoint, &[("field.part", "hang_up")])?.finish()?;
    fixture.publish(&broker, "field/out/end", "")?;
    observer.next_on("field/out/end")?;
    let all = observer.all();
    let mut numbers: Vec<u32> = Vec::new();
    for message in all.iter().filter(|message| message.topic == "field/out/good") {
        let number = message.payload.parse()?;
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    fixture.check(numbers.iter().copied().eq(0..23), "23 valid messages behind the large one arrive, in order")?;
    fixture.check(
        !all.iter().any(|message| message.topic == "field/out/large"),
        "the broker does not deliver a message that exceeds its limit",
    )?;
    let named = "the broker closes the connection on message 1, set aside: field/out/large (50";
    fixture.check(count(&lines, named) == 1, "the log names it once, with packet ID, topic and size")?;
    let connections = count(&lines, CONNECTED);
    fixture.check(connections <= 10, &format!("{connections} connections, at most 10"))?;
    let told = |what: &str| lines.iter().filter_map(|line| line.strip_prefix("> ")?.strip_prefix(what)).next();
    fixture.check(
        told("set aside after ").is_some() && told("set aside after ") == told("complete after "),
        "once it is set aside the connection stays up",
    )
}

/// One of three subscriptions refused by SUBACK 0x80.
fn refused(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("refusing", Setup { refused: Some("forbidden/#"), ..Setup::default() })?;
    let mut app = fixture.app("field", broker.endpoint, &[("field.part", "refused")])?;
    app.reports("subscribed")?;
    fixture.publish(&broker, "field/in/a", "a")?;
    fixture.publish(&broker, "field/in/b", "b")?;
    let lines = app.finish()?;
    fixture.check(count(&lines, "subscription refused: forbidden/x (0x80)") == 1, "the log names the refused subscription")?;
    fixture.check(count(&lines, CONNECTED) == 1, "the connection stays up")
}

/// The same, refused by hanging up, as AWS IoT does.
fn policy(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("policy", Setup::default())?;
    let link = Proxy::forbidding(broker.endpoint, b"forbidden/x")?;
    let mut app = fixture.app("field", link.endpoints[0], &[("field.part", "refused")])?;
    app.reports("subscribed")?;
    fixture.publish(&broker, "field/in/a", "a")?;
    fixture.publish(&broker, "field/in/b", "b")?;
    let lines = app.finish()?;
    let named = count(&lines, "the broker closes the connection on a subscription, set aside: forbidden/x");
    fixture.check(named == 1, "the log names the subscription that the broker hangs up on")?;
    let connections = count(&lines, CONNECTED);
    let cuts = link.cuts();
    fixture.check(
        connections <= 10 && connections == cuts + 1,
        &format!("{connections} connections, at most 10, {cuts} of them cut by the policy"),
    )
}

/// More queued QoS 2 messages for a session than may be in flight.
fn waiting(fixture: &Fixture, name: &str, lines: &str) -> Result<()> {
    const MESSAGES: usize = 1000;
    let broker = fixture.broker(name, Setup { lines: lines.into(), ..Setup::default() })?;
    let settings = [("field.part", "waiting"), ("mqtt.clean_session", "false")];
    let mut app = fixture.app("field", broker.endpoint, &settings)?;
    app.reports("subscribed")?;
    app.kill()?;
    let numbers: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    observer::publish_lines(&broker, "field/in/waiting", &numbers, 2)?;
    let all = MESSAGES.to_string();
    let lines = fixture.app("field", broker.endpoint, &[&settings[..], &[("field.messages", &all)]].concat())?.finish()?;
    fixture.check(count(&lines, CONNECTED) == 1, &format!("the log has one connection ({name})"))
}

/// QoS 2 messages over links that are cut, with clean sessions and with a persistent one.
fn cut(fixture: &Fixture) -> Result<()> {
    const MESSAGES: usize = 400;
    const CUTS: usize = 40;
    let broker = fixture.broker("cut", Setup::default())?;
    let mut observer = fixture.observer(&broker, &["field/out/#"], None)?;
    let (count, mut apps, mut links) = (MESSAGES.to_string(), Vec::new(), Vec::new());
    for (name, clean) in [("clean", "true"), ("kept", "false")] {
        let link = Proxy::cutting(broker.endpoint, proxy::budgets(CUTS, 100, 1200))?;
        let id = format!("field-{name}");
        let settings = [
            ("device.id", id.as_str()),
            ("mqtt.clean_session", clean),
            ("mqtt.reconnect_timeout_min", "0.03"),
            ("mqtt.reconnect_timeout_max", "0.06"),
            ("field.part", "cut"),
            ("field.messages", &count),
        ];
        apps.push(fixture.app("field", link.endpoints[0], &settings)?);
        links.push(link);
    }
    apps.into_iter().try_for_each(|app| app.finish().map(drop))?;
    fixture.publish(&broker, "field/out/end", "")?;
    observer.next_on("field/out/end")?;
    let all = observer.all();
    let times = |name: &str| {
        let mut times = vec![0; MESSAGES];
        let topic = format!("field/out/{name}");
        for number in all.iter().filter(|message| message.topic == topic).filter_map(|message| message.payload.parse::<usize>().ok()) {
            times[number] += 1;
        }
        times
    };
    let [clean, kept] = ["clean", "kept"].map(times);
    let repeated = clean.iter().filter(|&&n| n > 1).count();
    let cuts: Vec<_> = links.iter().map(Proxy::cuts).collect();
    fixture.check(cuts.iter().all(|&cuts| cuts > CUTS / 4), &format!("the links were cut {cuts:?} times"))?;
    fixture.check(
        clean.iter().all(|&n| n > 0),
        &format!("{MESSAGES} messages at QoS 2 arrive with clean_session true, {repeated} of them more than once"),
    )?;
    fixture.check(kept.iter().all(|&n| n == 1), &format!("{MESSAGES} messages at QoS 2 arrive exactly once with clean_session false"))
}
