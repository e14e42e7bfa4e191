//! The scenario `apps`: six apps in the style of Mongoose OS' cloud libraries. Each one's service is
//! played here, by what it publishes and expects on its topics; its access rules are in
//! scenarios.rs.

use anyhow::{Result, bail};
use test_kit::broker::{Running, Setup};
use test_kit::observer::{self, Message, Observer};

use crate::fixture::Fixture;

pub fn apps(fixture: &Fixture) -> Result<()> {
    rpc(fixture)?;
    aws_shadow(fixture)?;
    azure_twin(fixture)?;
    home_assistant(fixture)?;
    thingsboard(fixture)?;
    watson_device(fixture)
}

/// A broker for one app, and an observer of these topics.
fn service<'a>(
    fixture: &Fixture<'a>,
    name: &str,
    login: Option<(&'static str, &'static str)>,
    topics: &[&str],
) -> Result<(Running<'a>, Observer)> {
    let broker = fixture.broker(name, Setup { login, ..Setup::default() })?;
    let observer = fixture.observer(&broker, topics, None)?;
    Ok((broker, observer))
}

fn say(broker: &Running, topic: &str, what: &str) -> Result<()> {
    observer::publish(broker, topic, what, 1, false)
}

/// A value in a JSON message, by its path.
fn value(message: &Message, path: &str) -> Result<serde_json::Value> {
    let json: serde_json::Value = serde_json::from_str(&message.payload)?;
    match json.pointer(path) {
        Some(value) => Ok(value.clone()),
        None => bail!("no {path} in {} on {}", message.payload, message.topic),
    }
}

fn rpc(fixture: &Fixture) -> Result<()> {
    let (broker, mut peer) = service(fixture, "rpc", None, &["peer/rpc"])?;
    let mut app = fixture.app("rpc", broker.endpoint, &[("rpc.peer", "mqtt://peer")])?;
    let call = peer.next_on("peer/rpc")?;
    fixture.check(value(&call, "/method")? == "Greet" && value(&call, "/src")? == "rpc-app", "the device calls its peer")?;
    say(&broker, "rpc-app/rpc", &format!(r#"{{"id":{},"src":"peer","dst":"rpc-app","result":"hello"}}"#, value(&call, "/id")?))?;
    app.reports("was greeted")?;
    let mut ask = |id: u32, method: &str, args: &str| -> Result<Message> {
        say(&broker, "rpc-app/rpc", &format!(r#"{{"id":{id},"src":"peer","method":"{method}","args":{args}}}"#))?;
        let answer = peer.next_on("peer/rpc")?;
        fixture.check(value(&answer, "/id")? == id && value(&answer, "/dst")? == "peer", "an answer names the call and the caller")?;
        Ok(answer)
    };
    let info = ask(7, "Sys.GetInfo", "{}")?;
    let sum = ask(8, "Sum", r#"{"a":40,"b":2}"#)?;
    let missing = ask(9, "Missing", "{}")?;
    fixture.check(value(&info, "/result/app")? == "interop_rpc", "a call returns an object")?;
    fixture.check(value(&sum, "/result")? == 42, "and a number")?;
    fixture.check(value(&missing, "/error/code")? == 404, "an unknown method is an error")?;
    app.finish().map(drop)
}

fn aws_shadow(fixture: &Fixture) -> Result<()> {
    let topic = |rest: &str| format!("$aws/things/thing-1/shadow/{rest}");
    let (broker, mut shadow) = service(fixture, "aws_shadow", None, &[&topic("get"), &topic("update")])?;
    let mut app = fixture.app("aws_shadow", broker.endpoint, &[("aws.thing_name", "thing-1")])?;
    // The first update has an outdated version.
    for (version, accepted) in [(5, false), (6, true)] {
        shadow.next_on(&topic("get"))?;
        say(&broker, &topic("get/accepted"), &format!(r#"{{"version":{version},"state":{{"desired":{{"brightness":50}}}}}}"#))?;
        let update = shadow.next_on(&topic("update"))?;
        let (of, token) = (value(&update, "/version")?, value(&update, "/clientToken")?);
        fixture.check((of == version) == accepted, "an update names the version that it changes")?;
        fixture.check(value(&update, "/state/reported/brightness")? == 50, "and reports the state")?;
        if accepted {
            say(&broker, &topic("update/accepted"), &format!(r#"{{"version":7,"clientToken":{token}}}"#))?;
        } else {
            say(&broker, &topic("update/rejected"), &format!(r#"{{"code":409,"message":"Version conflict","clientToken":{token}}}"#))?;
        }
    }
    app.reports("brightness 50")?;
    say(&broker, &topic("update/delta"), r#"{"version":8,"state":{"brightness":80}}"#)?;
    let update = shadow.next_on(&topic("update"))?;
    fixture.check(value(&update, "/state/reported/brightness")? == 80, "a delta is applied and reported")?;
    let token = value(&update, "/clientToken")?;
    say(&broker, &topic("update/accepted"), &format!(r#"{{"version":9,"clientToken":{token}}}"#))?;
    app.finish().map(drop)
}

fn azure_twin(fixture: &Fixture) -> Result<()> {
    let (broker, mut hub) = service(fixture, "azure_twin", None, &["$iothub/#"])?;
    let connection = "HostName=hub.example.net;DeviceId=device-1;SharedAccessKey=a+key/==";
    let mut app = fixture.app("azure_twin", broker.endpoint, &[("azure.cs", connection)])?;
    hub.next_on("$iothub/twin/GET/?$rid=1")?;
    say(&broker, "$iothub/twin/res/200/?$rid=1", r#"{"desired":{"interval":30},"reported":{}}"#)?;
    let mut reported = |rid: u32, interval: u32| -> Result<()> {
        let report = hub.next_on(&format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}"))?;
        fixture.check(value(&report, "/interval")? == interval, "a property is reported")?;
        say(&broker, &format!("$iothub/twin/res/204/?$rid={rid}&$version=2"), "")?;
        app.reports(&format!("interval {interval}"))
    };
    reported(2, 30)?;
    say(&broker, "$iothub/twin/PATCH/properties/desired/?$version=4", r#"{"interval":60,"$version":4}"#)?;
    reported(3, 60)?;
    for (method, status, answer) in [("reset", 200, r#"{"done":true}"#), ("fly", 404, r#"{"error":"no such method"}"#)] {
        say(&broker, &format!("$iothub/methods/POST/{method}/?$rid={status}1"), r#"{"delay":1}"#)?;
        hub.wait_for(&format!("$iothub/methods/res/{status}/?$rid={status}1"), answer)?;
    }
    fixture.check(true, "a direct method is answered with its request's number, an unknown one with 404")?;
    say(&broker, "devices/device-1/messages/devicebound/%24.mid=1&unit=%C2%B0C%20%26%20%25", "21.5")?;
    app.finish().map(drop)
}

fn home_assistant(fixture: &Fixture) -> Result<()> {
    const DEVICE: &str = "home_assistant-app";
    let (broker, mut home) = service(fixture, "home_assistant", None, &["homeassistant/#", &format!("{DEVICE}/#")])?;
    let topic = |rest: &str| format!("{DEVICE}/{rest}");
    let app = fixture.app("home_assistant", broker.endpoint, &[])?;
    // At its connection, and when Home Assistant is there.
    for time in 1..=2 {
        let switch = home.next_on(&format!("homeassistant/switch/{DEVICE}/led/config"))?;
        fixture.check(value(&switch, "/command_topic")? == topic("led/set"), "a switch is announced with its topics")?;
        fixture.check(value(&switch, "/device/name")? == "interop_home_assistant", "and the device")?;
        let sensor = home.next_on(&format!("homeassistant/sensor/{DEVICE}/uptime/config"))?;
        fixture.check(value(&sensor, "/unit_of_measurement")? == "s", "a sensor is announced with its unit")?;
        home.wait_for(&topic("availability"), "online")?;
        if time == 1 {
            home.wait_for(&topic("led"), "OFF")?;
            say(&broker, "homeassistant/status", "online")?;
        }
    }
    for state in ["ON", "OFF"] {
        say(&broker, &topic("led/set"), state)?;
        home.wait_for(&topic("led"), state)?;
    }
    home.next_on(&topic("uptime"))?;
    fixture.check(true, "the switch is set, and the sensor read")?;
    let configs = [format!("homeassistant/switch/{DEVICE}/led/config"), topic("led"), topic("availability")];
    let mut later = fixture.observer(&broker, &configs.each_ref().map(String::as_str), None)?;
    for _ in &configs {
        let message = later.next("a retained message")?;
        fixture.check(message.retained, "configuration, state and availability are retained")?;
    }
    app.kill()?;
    home.wait_for(&topic("availability"), "offline")?;
    fixture.check(true, "the will says that the device is gone")
}

fn thingsboard(fixture: &Fixture) -> Result<()> {
    const ME: &str = "v1/devices/me";
    // ThingsBoard looks only at the token; mosquitto requires a password as well.
    const LOGIN: (&str, &str) = ("A1_TEST_TOKEN", "ignored");
    let (broker, mut server) = service(fixture, "thingsboard", Some(LOGIN), &[&format!("{ME}/#")])?;
    let topic = |rest: &str| format!("{ME}/{rest}");
    let mut app = fixture.app("thingsboard", broker.endpoint, &[("mqtt.user", LOGIN.0), ("mqtt.pass", LOGIN.1)])?;
    server.wait_for(&topic("attributes"), r#"{"firmware":"1.0"}"#)?;
    let request = server.next_on(&topic("attributes/request/1"))?;
    fixture.check(value(&request, "/sharedKeys")? == "interval", "the device reports attributes and asks for a shared one")?;
    say(&broker, &topic("attributes/response/1"), r#"{"shared":{"interval":60}}"#)?;
    app.reports("interval 60")?;
    let call = server.next_on(&topic("rpc/request/1"))?;
    fixture.check(value(&call, "/method")? == "getTime", "it calls the server")?;
    let reading = server.next_on(&topic("telemetry"))?;
    fixture.check(value(&reading, "/temperature")? == 21, "it sends telemetry")?;
    say(&broker, &topic("rpc/response/1"), r#"{"time":1764000000}"#)?;
    app.reports("knows the time")?;
    say(&broker, &topic("attributes"), r#"{"interval":1}"#)?;
    app.reports("interval 1")?;
    for (id, request, answer) in [
        (11, r#"{"method":"setLight","params":true}"#, r#"{"light":true}"#),
        (12, r#"{"method":"setLight","params":false}"#, r#"{"light":false}"#),
        (13, r#"{"method":"fly","params":{}}"#, r#"{"error":"unknown method"}"#),
    ] {
        say(&broker, &topic(&format!("rpc/request/{id}")), request)?;
        server.wait_for(&topic(&format!("rpc/response/{id}")), answer)?;
    }
    fixture.check(true, "calls from the server are answered by their number")?;
    app.kill()
}

fn watson_device(fixture: &Fixture) -> Result<()> {
    const ID: &str = "d:org123:lamp:device-1";
    const LOGIN: (&str, &str) = ("use-token-auth", "a-token-of-the-registration");
    let (broker, mut platform) = service(fixture, "watson_device", Some(LOGIN), &["iot-2/evt/#"])?;
    let app = fixture.app("watson_device", broker.endpoint, &[("watson.client_id", ID), ("watson.token", LOGIN.1)])?;
    let status = "iot-2/evt/status/fmt/json";
    for connection in 1..=2 {
        let first = platform.next_on(status)?;
        fixture.check(value(&first, "/d/light")? == 0, "the device reports its state once it is connected")?;
        let when = value(&first, "/ts")?;
        let is_time = when.as_str().is_some_and(|text| text.len() == 20 && text > "2024");
        fixture.check(is_time, "with the time")?;
        for light in [1, 0] {
            say(&broker, "iot-2/cmd/light/fmt/json", &format!(r#"{{"light":{light}}}"#))?;
            let event = platform.next_on(status)?;
            fixture.check(value(&event, "/d/light")? == light, "a command is carried out and reported")?;
        }
        if connection == 1 {
            observer::take_over_session(&broker, ID)?;
        }
    }
    app.kill()
}
