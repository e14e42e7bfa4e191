//! Apps that are not written for these tests, or are built differently: examples, a program
//! compiled with cc. The apps bring their own checks; this plays the other side.

use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;
use sha2::{Digest, Sha256};
use test_kit::broker::{Running, Setup};
use test_kit::observer::{self, Message, Observer};
use test_kit::proxy::Proxy;
use test_kit::workdir;

use crate::fixture::Fixture;

pub fn direct(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let mut observer = fixture.observer(&broker, &["/response"], None)?;
    let mut app = fixture.app("direct", broker.endpoint, &[])?;
    app.process.wait_for_text("subscribed, id ")?;
    let ask = |observer: &mut Observer, request: &str| -> Result<Message> {
        fixture.publish(&broker, "/request", request)?;
        observer.next("the answer")
    };
    let set = ask(&mut observer, r#"{"gpio": {"pin": 2, "state": 1}}"#)?;
    fixture.check(set.payload == r#"{"pin": 2, "state": 1}"#, "examples/direct sets a pin and answers")?;
    let read = ask(&mut observer, r#"{"gpio": {"pin": 2}}"#)?;
    fixture.check(read.payload == set.payload, "it reads the pin and answers")?;
    let wrong = ask(&mut observer, "nonsense")?;
    fixture.check(wrong.payload.starts_with(r#"{"error": "#), "it answers a request that it does not understand")?;
    app.process.wait_for_text("response ")?;
    app.kill().map(drop)
}

pub fn two_brokers(fixture: &Fixture) -> Result<()> {
    let (near, far) = (fixture.broker("near", Setup::default())?, fixture.broker("far", Setup::default())?);
    let mut seen_near = fixture.observer(&near, &["switch/#"], None)?;
    let mut seen_far = fixture.observer(&far, &["two_brokers-app/sensor/#"], None)?;
    let mut app =
        fixture.app_with("two_brokers", &[("near.server", &near.endpoint.to_string()), ("far.server", &far.endpoint.to_string())])?;
    let (mut waiting, both) = (2, "both brokers to answer the subscriptions");
    app.process.wait_for(both, |line| {
        waiting -= usize::from(line.ends_with("near is connected") || line.ends_with("far is connected"));
        (waiting == 0).then_some(())
    })?;
    // A retained message arrives no matter when the subscription becomes active.
    observer::publish(&near, "sensor/kitchen", "21.5", 1, true)?;
    let up = seen_far.next_on("two_brokers-app/sensor/kitchen")?;
    fixture.check(up.payload == "21.5", "examples/two_brokers forwards a reading to the far broker")?;
    observer::publish(&far, "two_brokers-app/switch/lamp", "on", 1, true)?;
    let down = seen_near.next_on("switch/lamp")?;
    fixture.check(down.payload == "on", "and a command to the near one")?;
    app.kill()
}

pub fn offline_queue(fixture: &Fixture) -> Result<()> {
    let mut broker = fixture.broker("broker", Setup::default())?;
    let mut app = fixture.app("offline_queue", broker.endpoint, &[("readings.interval", "50"), ("mqtt.max_queue_length", "3")])?;
    app.process.wait_for_text("reading 0 acknowledged")?;
    broker.kill();
    app.process.wait_for_text("the queue is full: reading ")?;
    fixture.check(true, "examples/offline_queue reports which reading was dropped for a newer one")?;
    broker.restart()?;
    app.process.wait_for_text("acknowledged")?;
    fixture.check(true, "the rest is acknowledged once the broker is back")?;
    app.kill()
}

pub fn latest(fixture: &Fixture) -> Result<()> {
    let mut broker = fixture.broker("broker", Setup::default())?;
    let mut app = fixture.app("latest", broker.endpoint, &[("sensor.interval", "10"), ("mqtt.max_queue_length", "3")])?;
    app.process.wait_for_text("readings: ")?;
    broker.kill();
    let replaced = |line: &str| line.split_once(" acknowledged, ")?.1.split_once(" replaced")?.0.parse::<u32>().ok();
    let first = app.process.wait_for("readings to be replaced", |line| replaced(line).filter(|&n| n > 0))?;
    let last = app.process.wait_for("more of them", |line| replaced(line).filter(|&n| n > first + 50))?;
    broker.restart()?;
    let mut observer = fixture.observer(&broker, &["latest-app/reading"], None)?;
    let seq = |payload: &str| payload.split_once(": ")?.1.trim_end_matches('}').parse::<u32>().ok();
    // What was in flight when the broker was killed is repeated.
    let mut repeated = 0;
    loop {
        let reading = observer.next_on("latest-app/reading")?;
        let seq = seq(&reading.payload).with_context(|| format!("a reading without a number: {}", reading.payload))?;
        if seq > last {
            break;
        }
        repeated += 1;
    }
    fixture.check(repeated < 5, "examples/latest sends no reading that a newer one has replaced while the broker was down")?;
    app.process.wait_for_text(" 0 given up")?;
    fixture.check(true, "and gives none up, with hundreds of them and a queue of three")?;
    app.kill()
}

pub fn ota(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let mut observer = fixture.observer(&broker, &["ota-app/ota/status"], None)?;
    let (image, received) = (fixture.dir.join("image"), fixture.dir.join("image.new"));
    // Larger than the app's heap would be on a device, and not the same anywhere.
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&image, &bytes)?;
    let hash = format!("{:x}", Sha256::digest(&bytes));
    let file = received.display().to_string();
    let cuts = if broker.quirks.repeats { vec![100_000] } else { vec![] };
    let expected = cuts.len();
    let link = Proxy::cutting(broker.endpoint, cuts)?;
    let mut app = fixture.app("ota", link.endpoints[0], &[("ota.file", &file), ("mqtt.recv_mbuf_limit", "1024")])?;
    observer::publish(&broker, "ota-app/ota/sha256", &hash, 1, true)?;
    app.process.wait_for_text(&format!("expecting {hash}"))?;
    observer::publish_file(&broker, "ota-app/ota/image", &image, 1, false)?;
    let status = observer.next_on("ota-app/ota/status")?.payload;
    fixture.check(status == "ready", &format!("examples/ota takes an image of 300,000 bytes in pieces of a kilobyte: {status}"))?;
    fixture.check(link.cuts() == expected, &format!("the link was cut {expected} times inside: the broker sent it again"))?;
    fixture.check(fs::read(&received)? == bytes, "and has it in its file, byte by byte")?;
    fs::write(&image, &bytes[1..])?;
    observer::publish_file(&broker, "ota-app/ota/image", &image, 1, false)?;
    let status = observer.next_on("ota-app/ota/status")?.payload;
    fixture.check(status == "refused: wrong hash" && !received.exists(), "one with another hash is refused, and gone")?;
    app.kill()
}

pub fn upload(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let mut observer = fixture.observer(&broker, &["upload-app/file"], None)?;
    // Text, as the observer prints a line for each message.
    let text: String = (0..1_000_000u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)).collect();
    let file = workdir::write(&fixture.dir, "file", &text)?;
    let cuts = if broker.quirks.drops_incomplete { vec![400_000] } else { vec![] };
    let expected = cuts.len();
    let link = Proxy::cutting(broker.endpoint, cuts)?;
    let mut app = fixture.app("upload", link.endpoints[0], &[("upload.file", &file.display().to_string())])?;
    let message = observer.next_on("upload-app/file")?;
    fixture.check(message.payload == text, "examples/upload publishes a file of 1,000,000 bytes in pieces")?;
    fixture.check(link.cuts() == expected, &format!("the link was cut {expected} times inside it: it was begun anew"))?;
    app.process.wait_for_text("was published")?;
    fixture.check(true, "and is told of its acknowledgement")?;
    app.kill()
}

pub fn sleep(fixture: &Fixture) -> Result<()> {
    let mut broker = fixture.broker("broker", Setup::default())?;
    let queue = fixture.dir.join("readings").display().to_string();
    let mut wills = fixture.observer(&broker, &["sleep/lost"], None)?;
    let settings: &[(&str, &str)] = &[("mqtt.queue_file", &queue), ("awake.most", "3000")];
    let awake = |broker: &Running, left: &str| -> Result<()> {
        let mut app = fixture.app("sleep", broker.endpoint, settings)?;
        app.process.wait_for_text(&format!("asleep, {left} readings left"))?;
        app.process.wait_for_end().map(drop)
    };
    awake(&broker, "0")?;
    fixture.check(true, "examples/sleep publishes a reading and ends when it is acknowledged")?;
    fixture.publish(&broker, "sleep/lost", "mark")?;
    fixture.check(wills.next("the mark")?.payload == "mark", "and the broker has published no will")?;
    broker.kill();
    awake(&broker, "1")?;
    awake(&broker, "2")?;
    fixture.check(true, "with the broker down it keeps readings over its restarts")?;
    broker.restart()?;
    let mut observer = fixture.observer(&broker, &["sleep-app/reading"], None)?;
    awake(&broker, "0")?;
    observer.wait_for_all("sleep-app/reading", 3)?;
    fixture.check(true, "and sends all three when the broker is back")
}

pub fn tls(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let mut observer = fixture.observer(&broker, &["tls-app/hello"], None)?;
    let mut app = fixture.app("tls", broker.endpoint, &[])?;
    observer.next_on("tls-app/hello")?;
    app.process.wait_for_text("has arrived, encrypted")?;
    fixture.check(true, "examples/tls publishes over TLS with its own certificate")?;
    app.kill()
}

pub fn will_on_exit(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let mut observer = fixture.observer(&broker, &["will_on_exit-app/#"], None)?;
    let built = fixture.built("will_on_exit")?;
    // A memory error or a leak makes the exit status 99. The log lists all memory that is not freed.
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=all", "--num-callers=30"]);
    valgrind.args(["--errors-for-leak-kinds=definite,indirect", "--fair-sched=try"]).arg(&built.program).current_dir(&built.files);
    let mut app = fixture.program("will_on_exit", &mut valgrind, &[("mqtt.server", &broker.endpoint.to_string())])?;
    for _ in 0..30 {
        observer.next_on("will_on_exit-app/reading")?;
    }
    fixture.publish(&broker, "will_on_exit-app/command", r#"{"cmd": "pause", "id": 1}"#)?;
    observer.next_on("will_on_exit-app/answer")?;
    fixture.publish(&broker, "will_on_exit-app/end", "now")?;
    app.reports("freed")?;
    let status = app.process.wait_for_end()?;
    fixture.check(status.success(), "valgrind reports no errors and no leaks")?;
    let lines = app.process.lines();
    let counted = lines.iter().any(|line| line.contains("HEAP SUMMARY"));
    fixture.check(counted, "valgrind printed its heap summary")?;
    let kept = lines.windows(4).find(|lines| {
        // Allocations are made through malloc() and similar; those that the system makes on behalf
        // of others do not count.
        let ours = |line: &str| line.contains("mgos_mqtt::") || line.contains("(mgos_mqtt");
        lines[0].contains("in loss record") && lines[2..].iter().any(|line| ours(line))
    });
    fixture.check(
        kept.is_none(),
        &format!("after mgos_mqtt_conn_free() the library holds no memory{}", kept.map_or(String::new(), |at| at.join("\n"))),
    )
}

pub fn direct_calls(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let said = project::output(Command::new(std::env::current_exe()?).arg("sdk"))?;
    let line = said.lines().map(str::trim).find(|line| line.starts_with("cc app.c "));
    let line = line.with_context(|| format!("cargo xtask sdk does not print how to compile an app: {said}"))?;
    let source = project::root().join("e2e/interop/apps/direct_calls/app.c");
    fs::copy(&source, fixture.dir.join("app.c"))?;
    let compiled = Command::new("sh").args(["-c", line]).current_dir(&fixture.dir).output().context("cannot start sh")?;
    let messages = String::from_utf8_lossy(&compiled.stderr);
    fixture.check(
        compiled.status.success() && messages.is_empty(),
        &format!(
            "the cc command printed by cargo xtask sdk compiles an app without warnings{}{messages}",
            if messages.is_empty() { "" } else { ": " }
        ),
    )?;
    let mut command = Command::new(fixture.dir.join("app"));
    let settings = [("mqtt.server", &*broker.endpoint.to_string()), ("mqtt.enable", "true")];
    fixture.program("direct_calls", command.current_dir(&fixture.dir), &settings)?.finish().map(drop)
}
