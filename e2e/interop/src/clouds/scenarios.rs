//! Scenarios with clouds: the app is a device that uses the API as that cloud's library does; the
//! cloud's side is played here.

use anyhow::{Context, Result};
use test_kit::broker::{Running, Setup};
use test_kit::mosquitto::Mosquitto;
use test_kit::observer::{self, Observer};
use test_kit::transport::Transport::{self, Cert, Tcp, Tls, Wss};

use super::{Cloud, apps, openssl};
use crate::fixture::Fixture;
use crate::scenarios::{Scenario, scenario};

/// Each runs once, with the broker that emulates the cloud.
pub const ALL: &[Scenario] = &[
    scenario("aws", &[Cert], aws, "AWS IoT: certificates on both sides, a shadow, five subscriptions in one packet"),
    scenario("gcp", &[Tls], gcp, "Google IoT Core: a signed token as password, a new one for each connection"),
    scenario("azure", &[Tls], azure, "Azure IoT Hub: user name and token freed once they are sent"),
    scenario("watson", &[Tls], watson, "IBM Watson: the configuration is copied, changed and applied at run time"),
    scenario("hivemq", &[Tcp, Tls, Wss], hivemq, "HiveMQ: anonymous over TCP, or with user name and password over TLS and WebSocket"),
    scenario("mosquitto", &[Tcp, Tls, Cert], counter, "Mosquitto: plain, with a password, over TLS"),
    scenario("apps", &[Tcp], apps::apps, "apps in the style of the libraries rpc-mqtt, aws, azure, homeassistant, thingsboard and watson"),
];

/// mosquitto's log lines of connections with this client id.
fn arrivals(broker: &Running, id: &str) -> Vec<String> {
    let words = format!(" as {id} (");
    broker.log().into_iter().filter(|line| line.contains("New client connected") && line.contains(&words)).collect()
}

fn aws(fixture: &Fixture) -> Result<()> {
    const THING: &str = "thing-1";
    let cloud = Cloud {
        name: "aws",
        retains: false,
        // The name in the certificate determines the thing's own topics.
        rules: "pattern readwrite $aws/things/%u/shadow/#\npattern read things/%u/#\n".into(),
        token_auth: Vec::new(),
    };
    let ca = |ending: &str| fixture.files.path(&format!("ca.{ending}")).display().to_string();
    // AWS issues certificates with RSA keys.
    openssl(&fixture.dir, &format!("req -newkey rsa:2048 -nodes -keyout thing.key -out thing.csr -subj /CN={THING}"))?;
    let signing = format!("x509 -req -in thing.csr -CA {} -CAkey {} -CAcreateserial -days 2 -out thing.pem", ca("pem"), ca("key"));
    openssl(&fixture.dir, &signing)?;
    let file = |name: &str| fixture.dir.join(name).display().to_string();

    let broker = fixture.broker_of(&cloud, "broker", fixture.transport)?;
    fixture.check(observer::publish(&broker, "x", "x", 2, false).is_err(), "this cloud closes the connection on QoS 2")?;
    fixture.check(observer::publish(&broker, "x", "x", 1, true).is_err(), "this cloud closes the connection on a retained message")?;
    let mut service = fixture.observer(&broker, &["$aws/things/#"], None)?;
    let settings = [
        ("aws.thing_name", THING),
        ("mqtt.client_id", THING),
        ("mqtt.ssl_cert", &*file("thing.pem")),
        ("mqtt.ssl_key", &*file("thing.key")),
    ];
    let mut app = fixture.app("aws", broker.endpoint, &settings)?;
    shadow(fixture, &broker, &mut service, THING)?;
    app.reports("its light is on")?;
    observer::publish(&broker, &format!("things/{THING}/orders"), "hurry", 1, false)?;
    app.process.wait_for_text("order received: hurry")?;
    observer::take_over_session(&broker, THING)?;
    shadow(fixture, &broker, &mut service, THING)?;
    app.finish()?;
    let came = arrivals(&broker, THING);
    let named = came.iter().filter(|line| line.contains(&format!("u'{THING}'"))).count();
    fixture.check(named == 2, "the broker identifies the thing by its certificate, each time")
}

/// Plays the shadow service for one connection of the thing.
fn shadow(fixture: &Fixture, broker: &Running, service: &mut Observer, thing: &str) -> Result<()> {
    let topic = |rest: &str| format!("$aws/things/{thing}/shadow/{rest}");
    let say = |rest: &str, what: &str| observer::publish(broker, &topic(rest), what, 1, false);
    let get = service.next_on(&topic("get"))?;
    fixture.check(get.qos == 1, "messages that the thing publishes at QoS 2 arrive at QoS 1, and it stays connected")?;
    // The largest possible shadow.
    say("get/accepted", &format!(r#"{{"version":1,"state":{{"reported":{{"notes":"{}"}}}}}}"#, "n".repeat(8000)))?;
    let first = service.next_on(&topic("update"))?;
    fixture.check(first.payload.contains("\"first\""), "the thing reports its state")?;
    say("update/accepted", r#"{"version":2,"state":{"reported":{"light":0}},"clientToken":"first"}"#)?;
    say("update/delta", r#"{"version":3,"state":{"light":1}}"#)?;
    let second = service.next_on(&topic("update"))?;
    fixture.check(second.payload.contains("\"light\":1"), "the thing applies the desired state and reports it")?;
    say("update/accepted", r#"{"version":4,"state":{"reported":{"light":1}},"clientToken":"second"}"#)
}

fn gcp(fixture: &Fixture) -> Result<()> {
    for (kind, key) in [("ECDSA", "EC -pkeyopt ec_paramgen_curve:prime256v1"), ("RSA", "RSA -pkeyopt rsa_keygen_bits:2048")] {
        let name = |ending: &str| format!("{kind}.{ending}");
        let file = |ending: &str| fixture.dir.join(name(ending)).display().to_string();
        openssl(&fixture.dir, &format!("genpkey -algorithm {key} -out {}", name("key")))?;
        openssl(&fixture.dir, &format!("pkey -in {} -pubout -out {}", name("key"), name("pem")))?;
        gcp_with(fixture, kind, &file("key"), file("pem"))?;
    }
    Ok(())
}

fn gcp_with(fixture: &Fixture, kind: &str, private: &str, public: String) -> Result<()> {
    const PROJECT: &str = "interoperability-of-things";
    const DEVICE: &str = "a-device-with-a-name-that-is-rather-long-0123456789";
    let id = format!("projects/{PROJECT}/locations/europe-west1/registries/rather-a-large-registry/devices/{DEVICE}");
    let cloud = Cloud {
        name: "gcp",
        retains: true,
        rules: format!(
            "pattern read /devices/{DEVICE}/config\npattern read /devices/{DEVICE}/commands/#\npattern write /devices/{DEVICE}/events\n"
        ),
        token_auth: vec![("scheme", "jwt".into()), ("key", public), ("client", id.clone()), ("resource", PROJECT.into())],
    };
    let broker = fixture.broker_of(&cloud, kind, fixture.transport)?;
    let topic = |rest: &str| format!("/devices/{DEVICE}/{rest}");
    observer::publish(&broker, &topic("config"), "every minute", 1, true)?;
    let mut service = fixture.observer(&broker, &[&topic("events")], None)?;
    let server = broker.endpoint.to_string();
    let settings = [
        ("gcp.server", server.as_str()),
        ("gcp.project", PROJECT),
        ("gcp.registry", "rather-a-large-registry"),
        ("gcp.device", DEVICE),
        ("gcp.key", private),
        // Valid for a second beyond the half minute before expiry at which it is renewed.
        ("gcp.token_ttl", "31"),
        ("gcp.late", "2"),
    ];
    let app = fixture.app_with("gcp", &settings)?;
    for connection in 1..=3 {
        service.wait_for(&topic("events"), &format!(r#"{{"event":"up","connection":{connection}}}"#))?;
    }
    observer::publish(&broker, &topic("commands"), "blink", 1, false)?;
    service.wait_for(&topic("events"), r#"{"event":"blinked","connection":3}"#)?;
    let lines = app.finish()?;
    let said = |word: &str| broker.log().iter().filter(|line| line.contains(&format!("token_auth: {word} {id}, "))).count();
    fixture.check(
        said("expired") == 2 && said("accepted,") == 3,
        &format!("{kind}: two tokens were expired, three were valid, for a client id of {} bytes", id.len()),
    )?;
    let refusals = lines.iter().filter(|line| line.contains("MQTT0 CONNACK 5: not authorized")).count();
    fixture.check(refusals == 2, "the log says why each token is refused")
}

fn azure(fixture: &Fixture) -> Result<()> {
    const DEVICE: &str = "device-1";
    const KEY: &str = "YSBrZXkgdGhhdCBpcyBzaGFyZWQgd2l0aCB0aGUgaHVi";
    let rules = "pattern write devices/%c/messages/events/#\npattern read devices/%c/messages/devicebound/#\npattern readwrite $iothub/#\n";
    // A name that needs no lookup and is in the certificate. The port is known only once the broker
    // runs, so the user name does not contain it.
    let host = "localhost";
    let token_auth = vec![
        ("scheme", "sas".into()),
        ("key", KEY.into()),
        ("client", DEVICE.into()),
        ("user", format!("{host}/{DEVICE}/?api-version=2021-04-12")),
        ("resource", format!("{host}%2Fdevices%2F{DEVICE}")),
    ];
    let cloud = Cloud { name: "azure", retains: true, rules: rules.into(), token_auth };
    let broker = fixture.broker_of(&cloud, "broker", fixture.transport)?;
    let port = broker.endpoint.port();
    let connection = |key: &str| format!("HostName={host}:{port};DeviceId={DEVICE};SharedAccessKey={key}");

    let mut stranger = fixture.app_with("azure", &[("azure.cs", &connection("YW5vdGhlciBrZXk="))])?;
    for _ in 0..2 {
        stranger.process.wait_for_text("MQTT0 CONNACK 5: not authorized")?;
    }
    fixture.check(arrivals(&broker, DEVICE).is_empty(), "with a wrong key no connection is accepted")?;
    drop(stranger);

    let mut service = fixture.observer(&broker, &["$iothub/#", "devices/#"], None)?;
    let mut app = fixture.app_with("azure", &[("azure.cs", &connection(KEY))])?;
    for times in 1..=2 {
        hub(fixture, &broker, &mut service, DEVICE, times)?;
        app.reports("acknowledged")?;
        if times == 1 {
            observer::take_over_session(&broker, DEVICE)?;
        }
    }
    app.finish()?;
    let came = arrivals(&broker, DEVICE);
    let named = came.iter().filter(|line| line.contains(&format!("u'{host}/{DEVICE}/?api-version=2021-04-12'"))).count();
    fixture.check(named == 2, "user name and token arrive intact, each time")
}

/// Plays the hub for one connection of the device.
fn hub(fixture: &Fixture, broker: &Running, service: &mut Observer, device: &str, times: i32) -> Result<()> {
    let say = |topic: &str, what: &str| observer::publish(broker, topic, what, 1, false);
    service.next_on(&format!("$iothub/twin/GET/?$rid={times}"))?;
    say(&format!("$iothub/twin/res/200/?$rid={times}"), r#"{"desired":{"interval":30},"reported":{}}"#)?;
    say(&format!("$iothub/methods/POST/reboot/?$rid=7{times}"), "{}")?;
    let answer = service.next_on(&format!("$iothub/methods/res/200/?$rid=7{times}"))?;
    fixture.check(answer.payload == r#"{"done":true}"#, "the response to a method goes to the topic of the request")?;
    say(&format!("devices/{device}/messages/devicebound/a"), "hello, device")?;
    let telemetry = service.next_on(&format!("devices/{device}/messages/events/"))?;
    fixture.check(telemetry.qos == 1, "telemetry published at QoS 2 arrives at QoS 1")
}

fn watson(fixture: &Fixture) -> Result<()> {
    const ID: &str = "d:org123:sensor:device-1";
    const TOKEN: &str = "a-token-of-the-registration";
    let open = fixture.broker_of(&Mosquitto, "quickstart", Transport::Tcp)?;
    let registered = fixture.broker("registered", Setup { login: Some(("use-token-auth", TOKEN)), ..Setup::default() })?;
    let mut seen_there = fixture.observer(&open, &["iot-2/#"], None)?;
    let mut seen = fixture.observer(&registered, &["iot-2/#"], None)?;
    let (quickstart, host) = (open.endpoint.to_string(), registered.endpoint.to_string());
    let ca = fixture.files.path("ca.pem").display().to_string();
    let settings = [
        ("watson.quickstart", quickstart.as_str()),
        ("watson.host_name", host.as_str()),
        ("watson.client_id", ID),
        ("watson.token", TOKEN),
        ("watson.ca_cert", ca.as_str()),
        // The first connection is plain.
        ("mqtt.ssl_ca_cert", ""),
    ];
    let mut app = fixture.app_with("watson", &settings)?;
    app.reports("event 2")?;
    observer::publish(&registered, "iot-2/cmd/blink/fmt/json", "twice", 1, false)?;
    seen.wait_for("iot-2/evt/done/fmt/json", r#"{"command":"twice"}"#)?;
    app.reports("event 2")?;
    seen_there.wait_for("iot-2/evt/status/fmt/json", r#"{"d":{"connection":1}}"#)?;
    app.kill()?;
    fixture.check(arrivals(&open, "d:quickstart:sensor:watson-app").len() == 1, "quickstart sees a device without a user name")?;
    let came = arrivals(&registered, ID);
    let proper = matches!(&came[..], [line] if line.contains("u'use-token-auth'") && line.contains(" c1,"));
    fixture.check(proper, "the registered device connects once, with its id, user name and token")?;
    let leaked = seen_there.all().iter().any(|message| !message.payload.contains(r#""connection":1"#));
    fixture.check(!leaked, "no message goes to the wrong broker")
}

/// Credentials for brokers without anonymous access.
const LOGIN: (&str, &str) = ("device-1", "a long password, with blanks: \"and\" more");

fn hivemq(fixture: &Fixture) -> Result<()> {
    // The public broker is open; those in HiveMQ's cloud are not.
    let login = (fixture.transport != Transport::Tcp).then_some(LOGIN);
    let mut broker = fixture.broker("broker", Setup { login, persistent: true, ..Setup::default() })?;
    let (user, password) = login.unwrap_or_default();
    let topic = |rest: &str| format!("devices/hivemq-app/{rest}");
    let mut seen = fixture.observer(&broker, &[&topic("state"), &topic("reading")], None)?;
    let mut app = fixture.app("hivemq", broker.endpoint, &[("mqtt.user", user), ("mqtt.pass", password)])?;
    let online = seen.next_on(&topic("state"))?;
    fixture.check(online.payload == "online", "the device reports that it is online")?;
    fixture.publish(&broker, &topic("ask"), "anna")?;
    let reading = seen.next_on(&topic("reading"))?;
    fixture.check(reading.qos == 2 && reading.payload == r#"{"for":"anna","celsius":21.5}"#, "a reading arrives at QoS 2")?;
    app.reports("read 1")?;
    broker.save()?;
    broker.kill();
    broker.restart()?;
    app.process.wait_for_text("connection 2")?;
    let mut later = fixture.observer(&broker, &[&topic("state")], None)?;
    app.kill()?;
    later.wait_for(&topic("state"), "offline")?;
    let after = fixture.observer(&broker, &[&topic("state")], None)?.next("the retained state")?;
    fixture.check(after.retained && after.payload == "offline", "after a crash of the broker and then of the device, its will is retained")
}

fn counter(fixture: &Fixture) -> Result<()> {
    // Plain TCP is tried with and without anonymous access.
    let logins: &[_] = if fixture.transport == Transport::Tcp { &[None, Some(LOGIN)] } else { &[Some(LOGIN)] };
    for (i, &login) in logins.iter().enumerate() {
        let mut broker = fixture.broker(&format!("broker{i}"), Setup { login, ..Setup::default() })?;
        let (user, password) = login.unwrap_or_default();
        let settings = [("mqtt.user", user), ("mqtt.pass", password), ("counter.interval", "50")];
        let mut app = fixture.app("mosquitto", broker.endpoint, &settings)?;
        for target in ["1000", "2000"] {
            let mut seen = fixture.observer(&broker, &["counter/is"], None)?;
            seen.next("a value of the counter")?;
            fixture.publish(&broker, "counter/set", target)?;
            app.process.wait_for_text(&format!("the counter is set to {target}"))?;
            let more = seen.next_on("counter/is").context("no values after it was set")?;
            fixture.check(more.qos == 1, "the counter is published and set")?;
            broker.kill();
            broker.restart()?;
        }
        app.process.wait_for_text("MQTT0 CONNACK 0")?;
        fixture.publish(&broker, "counter/set", "end")?;
        app.finish()?;
    }
    Ok(())
}
