//! What a broker keeps for an app that is offline: its session, messages in flight, its will. With
//! one broker; servers.rs has more.

use std::time::Duration;

use anyhow::Result;
use test_kit::broker::Setup;
use test_kit::observer::{self, Message};
use test_kit::proxy::{self, Proxy};

use crate::fixture::Fixture;

/// Per QoS.
const MESSAGES: usize = 40;

/// Topic prefixes of the publishing apps, and their `mqtt.clean_session`.
const OUT: [(&str, &str); 2] = [("session/out", "false"), ("session/clean", "true")];

pub fn session(fixture: &Fixture) -> Result<()> {
    let mut broker = fixture.broker("broker", Setup { persistent: true, ..Setup::default() })?;
    let keeps_order = ("session.keeps_order", if broker.quirks.keeps_order { "true" } else { "false" });
    let count = MESSAGES.to_string();
    let mut first = fixture.app("session", broker.endpoint, &[])?;
    first.reports("subscribed")?;
    first.kill()?;

    let mut lines: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    lines.push("end".into());
    observer::publish_lines(&broker, "session/in/1", &lines, 1)?;
    observer::publish_lines(&broker, "session/in/2", &lines, 2)?;
    broker.save()?;
    broker.restart()?;
    fixture.app("session", broker.endpoint, &[keeps_order, ("session.messages", &count)])?.finish()?;

    // The receiver has a session too, as either side may reconnect first.
    let filters = OUT.map(|(out, _)| format!("{out}/+"));
    let filters = [filters[0].as_str(), &filters[1]];
    let observer = fixture.observer(&broker, &filters, Some("receiver"))?;
    let mut apps = Vec::new();
    for (out, clean) in OUT {
        let id = out.replace('/', "-");
        let settings = [("device.id", id.as_str()), ("mqtt.clean_session", clean), ("session.out", out), ("session.publish", &count)];
        let mut app = fixture.app("session", broker.endpoint, &settings)?;
        app.reports("subscribed")?;
        apps.push(app);
    }
    drop(observer);
    broker.save()?;
    broker.kill();
    apps.iter_mut().try_for_each(|app| app.reports("published"))?;
    broker.restart()?;
    apps.into_iter().try_for_each(|app| app.finish().map(drop))?;
    let mut observer = fixture.observer(&broker, &filters, Some("receiver"))?;
    // Not every broker sends queued messages before new ones.
    for (out, _) in OUT {
        observer.wait_for_all(&format!("{out}/1"), MESSAGES)?;
        observer.wait_for_all(&format!("{out}/2"), MESSAGES)?;
    }
    // Published last, so that any duplicate arrives before it.
    fixture.publish(&broker, "session/out/end", "")?;
    observer.next_on("session/out/end")?;
    let all = observer.all();
    lines.pop();
    for (out, clean, qos) in OUT.iter().flat_map(|&(out, clean)| [1, 2].map(|qos| (out, clean, qos))) {
        let topic = format!("{out}/{qos}");
        let ours = |message: &&Message| message.topic == topic && message.qos == qos.min(broker.quirks.highest_qos);
        let mut got: Vec<_> = all.iter().filter(ours).map(|message| message.payload.as_str()).collect();
        let order = if broker.quirks.keeps_order { " and in order" } else { "" };
        if order.is_empty() {
            got.sort_by_key(|number| number.parse::<usize>().ok());
        }
        let what =
            format!("{MESSAGES} messages at QoS {qos} and clean_session {clean}, published while the broker was down, arrive once{order}");
        if !got.iter().eq(&lines) {
            eprintln!("{topic}: {got:?}");
        }
        fixture.check(got.into_iter().eq(&lines), &what)?;
    }
    Ok(())
}

/// An app that is killed again and again, with its queue in a file, and a broker that can't be reached in
/// every other run: with the default session, and with one that the broker keeps.
pub fn killed(fixture: &Fixture) -> Result<()> {
    killed_with(fixture, "true")?;
    killed_with(fixture, "false")
}

fn killed_with(fixture: &Fixture, clean_session: &str) -> Result<()> {
    const KILLS: usize = 20;
    let broker = fixture.broker(&format!("broker-{clean_session}"), Setup::default())?;
    let mut observer = fixture.observer(&broker, &["killed/#"], None)?;
    let queue = fixture.dir.join(format!("queue-{clean_session}")).display().to_string();
    let settings = [("mqtt.queue_file", queue.as_str()), ("mqtt.queue_file_delay", "0"), ("mqtt.clean_session", clean_session)];
    let mut accepted = Vec::new();
    for run in 1..=KILLS {
        let (number, server) = (run.to_string(), if run % 2 == 0 { "127.0.0.1:1".parse()? } else { broker.endpoint });
        let mut app = fixture.app("killed", server, &[&settings[..], &[("killed.run", &number)]].concat())?;
        app.reports(&format!("accepted {run}-0"))?;
        std::thread::sleep(Duration::from_millis(fastrand::u64(1..150)));
        app.process.child.kill();
        let lines = app.process.lines();
        let numbers = lines.iter().filter_map(|line| line.strip_prefix("> accepted "));
        accepted.extend(numbers.map(str::to_owned));
        // The last line may be cut short.
        accepted.pop();
    }
    fixture.app("killed", broker.endpoint, &settings)?.finish()?;
    fixture.publish(&broker, "killed/end", "")?;
    observer.next_on("killed/end")?;
    let all = observer.all();
    let times = |number: &String| all.iter().filter(|message| message.payload == *number).count();
    let lost: Vec<_> = accepted.iter().filter(|number| times(number) == 0).collect();
    let again = accepted.iter().filter(|number| times(number) > 1).count();
    let what = format!("the app published {} messages in {KILLS} runs that were killed, clean_session {clean_session}", accepted.len());
    fixture.check(accepted.len() > 5 * KILLS, &what)?;
    fixture.check(
        lost.is_empty(),
        &format!("each that was accepted arrives, {again} of them again; {} are lost: {:?} ...", lost.len(), &lost[..lost.len().min(9)]),
    )
}

pub fn cut(fixture: &Fixture) -> Result<()> {
    const CUTS: usize = 25;
    const MESSAGES: usize = 150;
    let broker = fixture.broker("broker", Setup::default())?;
    let mut observer = fixture.observer(&broker, &["cut/out/+", "field/out/clean"], None)?;
    // The first connection lasts until everyone has subscribed; the others end within packets of
    // all types, or during the handshake.
    let handshake_bytes = fixture.transport.handshake_bytes();
    let mut budgets = proxy::budgets(CUTS, 60 + handshake_bytes / 2, 2500 + handshake_bytes);
    budgets[0] = 1000 + 2 * handshake_bytes;
    let link = Proxy::cutting(broker.endpoint, budgets)?;
    let once = if broker.quirks.exactly_once { "true" } else { "false" };
    let count = MESSAGES.to_string();
    let short = [("mqtt.reconnect_timeout_min", "0.03"), ("mqtt.reconnect_timeout_max", "0.06")];
    let settings = [&short[..], &[("cut.messages", &count), ("cut.once", once)]].concat();
    let mut app = fixture.app("cut", link.endpoints[0], &settings)?;
    // In parallel, an app with a clean session.
    let mut budgets = proxy::budgets(CUTS, 60 + handshake_bytes / 2, 2500 + handshake_bytes);
    budgets[0] += handshake_bytes;
    let link_of_clean = Proxy::cutting(broker.endpoint, budgets)?;
    let settings = [&short[..], &[("field.part", "cut"), ("field.messages", &count)]].concat();
    let clean = fixture.app("field", link_of_clean.endpoints[0], &settings)?;
    app.reports("subscribed")?;
    let lines: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    observer::publish_lines(&broker, "cut/in/1", &lines, 1)?;
    observer::publish_lines(&broker, "cut/in/2", &lines, 2)?;
    app.reports("complete")?;
    observer::publish(&broker, "cut/in/2", "end", 2, false)?;
    app.finish()?;
    clean.finish()?;
    fixture.publish(&broker, "cut/out/end", "")?;
    observer.next_on("cut/out/end")?;
    fixture.check(link.cuts() > CUTS / 4 && link_of_clean.cuts() > 1, "the connections were cut many times")?;
    let all = observer.all();
    let times_on = |topic: &str, line: &String| all.iter().filter(|message| message.topic == topic && message.payload == *line).count();
    let times = |qos: u8, line: &String| times_on(&format!("cut/out/{qos}"), line);
    fixture.check(
        lines.iter().all(|line| times_on("field/out/clean", line) >= 1),
        "with clean_session true, each message that the app published at QoS 2 arrives",
    )?;
    fixture.check(lines.iter().all(|line| times(1, line) >= 1), "each message that the app published at QoS 1 arrives")?;
    if !broker.quirks.exactly_once {
        return fixture.check(lines.iter().all(|line| times(2, line) >= 1), "each message that the app published at QoS 2 arrives");
    }
    fixture.check(lines.iter().all(|line| times(2, line) == 1), "each message that the app published at QoS 2 arrives exactly once")
}

pub fn will(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let mut observer = fixture.observer(&broker, &["will/#"], None)?;

    if broker.quirks.heeds_disconnect {
        fixture.app("will", broker.endpoint, &[("will.leave", "true")])?.finish()?;
        fixture.publish(&broker, "will/mark", "")?;
        observer.next_on("will/state")?;
        fixture.check(observer.next("the mark")?.topic == "will/mark", "no will is published after DISCONNECT")?;
    }

    let mut app = fixture.app("will", broker.endpoint, &[])?;
    app.reports("connected")?;
    // Its first message has arrived, so that the will comes after it.
    observer.next_on("will/state")?;
    app.kill()?;
    let will = observer.next("the will")?;
    fixture.check(will.topic == "will/state" && will.payload == "gone", "the will of an app that is killed is published")?;
    let mut later = fixture.observer(&broker, &["will/#"], None)?;
    fixture.publish(&broker, "will/mark", "")?;
    fixture.check(later.next("the mark")?.topic == "will/mark", "a will is not retained by default")?;

    let mut app = fixture.app("will", broker.endpoint, &[("mqtt.will_retain", "true")])?;
    app.reports("connected")?;
    observer.next_on("will/state")?;
    app.kill()?;
    observer.wait_for("will/state", "gone")?;
    // A multi-threaded broker may forward a message before it replaces the retained one.
    let will = loop {
        let message = fixture.observer(&broker, &["will/state"], None)?.next("the retained will")?;
        if message.payload != "here" {
            break message;
        }
    };
    fixture.check(will.payload == "gone" && will.retained, "a retained will is available to later subscribers")
}
