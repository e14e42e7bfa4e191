//! tshark, as an independent decoder, reads the capture that `--pcap` writes. Also checks the lines
//! that `--trace` prints.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use test_kit::broker::Setup;

use crate::fixture::Fixture;

/// The given fields of each packet in a file that matches the filter.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-Y", filter, "-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    Ok(project::output(&mut command)?.lines().map(str::to_owned).collect())
}

pub fn capture(fixture: &Fixture) -> Result<()> {
    let broker = fixture.broker("broker", Setup::default())?;
    let file = fixture.dir.join("app.pcap");
    let mut command = fixture.built("subscriptions")?.command(&[("mqtt.server", &broker.endpoint)]);
    command.arg("--pcap").arg(&file).arg("--trace");
    let printed = fixture.program("subscriptions", &mut command, &[])?.finish()?;
    // A segment may contain several packets; their types are then on one line.
    let types = tshark(&file, "mqtt", &["mqtt.msgtype"])?.join(",");
    let types: Vec<&str> = types.split(',').collect();
    fixture.check(types.starts_with(&["1", "2", "8"]), &format!("tshark sees CONNECT, CONNACK, SUBSCRIBE (types {types:?})"))?;
    for (number, name) in [("3", "PUBLISH"), ("4", "PUBACK"), ("9", "SUBACK"), ("10", "UNSUBSCRIBE"), ("11", "UNSUBACK")] {
        fixture.check(types.contains(&number), &format!("tshark sees {name}"))?;
    }
    let topics = tshark(&file, "mqtt.msgtype == 3", &["mqtt.topic"])?.join(",");
    fixture.check(topics.split(',').any(|topic| topic == "subs/x"), "tshark sees the topics of messages")?;
    // Lost, duplicated or reordered segments; malformed packets.
    let wrong = tshark(&file, "tcp.analysis.flags || _ws.malformed || _ws.expert.severity >= 0x600000", &["frame.number", "_ws.col.Info"])?;
    fixture.check(wrong.is_empty(), &format!("tshark finds nothing wrong {wrong:?}"))?;
    let traced: Vec<&str> = printed.iter().filter(|line| line.starts_with("trace ")).map(String::as_str).collect();
    fixture.check(traced.iter().any(|line| line.contains(" -> CONNECT ")), &format!("the trace shows CONNECT {traced:?}"))?;
    for what in [" <- CONNACK 0", " -> SUBSCRIBE ", " <- SUBACK ", "\"subs/x\"", " -> UNSUBSCRIBE ", " <- UNSUBACK "] {
        fixture.check(traced.iter().any(|line| line.contains(what)), &format!("the trace shows{what}"))?;
    }
    let flagged: Vec<_> = traced.iter().filter(|line| line.contains("  ! ") && !line.contains(" closed ")).collect();
    fixture.check(flagged.is_empty(), &format!("the trace flags no anomalies {flagged:?}"))
}
