//! The app under demonstration, and its log lines. They are the demo's only source for what the app
//! published: one line per reading.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;

use anyhow::{Context, Result};
use project::child::Child;

use crate::state::Event;

/// A parsed log line.
#[derive(Clone, Debug, PartialEq)]
pub enum LogLine {
    /// A reading was published. `dropped`: neither sent nor queued.
    Reading {
        seq: u32,
        qos: usize,
        dropped: bool,
    },
    Connecting(String),
    Connected,
    Disconnected,
    CannotConnect,
    RetryAfter(String),
    Command(String),
}

impl LogLine {
    /// `None` for lines that the demo ignores.
    pub fn parse(line: &str) -> Option<LogLine> {
        // The text follows the file and line number.
        let (_, text) = line.split_once(' ')?;
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix("reading ") {
            let (seq, rest) = rest.split_once(" at QoS ")?;
            let (qos, rest) = rest.split_once(':')?;
            return Some(LogLine::Reading { seq: seq.parse().ok()?, qos: qos.parse().ok()?, dropped: rest.ends_with("dropped") });
        }
        if let Some(rest) = text.strip_prefix("MQTT0 connecting ") {
            return match rest.split_once(' ')? {
                ("to", address) => Some(LogLine::Connecting(address.into())),
                ("after", time) => Some(LogLine::RetryAfter(time.into())),
                _ => None,
            };
        }
        match text {
            "cloud: connected" => Some(LogLine::Connected),
            "cloud: disconnected" => Some(LogLine::Disconnected),
            "cloud: cannot connect" => Some(LogLine::CannotConnect),
            _ => text.strip_prefix("command ").map(|rest| LogLine::Command(rest.into())),
        }
    }
}

/// Starts the app. Its log goes to a file and, line by line, to `events`.
pub fn start(program: &Path, files: &Path, config: &Path, log: &Path, events: Sender<Event>) -> Result<Child> {
    let mut command = Command::new(program);
    command.current_dir(files).arg("--conf").arg(config).stdout(Stdio::null()).stderr(Stdio::piped());
    // Configuration saved by an app in an earlier run must not affect the demo.
    let _ = std::fs::remove_file(files.join("conf9.json"));
    let mut child = Child::spawn(&mut command).with_context(|| format!("cannot start {}", program.display()))?;
    let stderr = child.take_stderr().context("cannot open the app's stderr")?;
    let mut copy = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            // The copy is for reading afterwards; the demo works without it.
            let _ = writeln!(copy, "{line}");
            if let Some(line) = LogLine::parse(&line) {
                let _ = events.send(Event::App(line));
            }
        }
        let _ = events.send(Event::AppEnded);
    });
    Ok(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_parsed() {
        for (line, expected) in [
            ("main.c:44     reading 7 at QoS 1: 21.25", Some(LogLine::Reading { seq: 7, qos: 1, dropped: false })),
            ("main.c:44     reading 9 at QoS 0: 21.25, dropped", Some(LogLine::Reading { seq: 9, qos: 0, dropped: true })),
            ("mgos_mqtt_conn.c:165    MQTT0 connecting to 127.0.0.1:1883", Some(LogLine::Connecting("127.0.0.1:1883".into()))),
            ("mgos_mqtt_conn.c:97     MQTT0 connecting after 520 ms", Some(LogLine::RetryAfter("520 ms".into()))),
            ("main.c:94   cloud: connected", Some(LogLine::Connected)),
            ("main.c:94   cloud: connecting", None),
            ("main.c:76   command {\"cmd\":\"pause\"}: done", Some(LogLine::Command("{\"cmd\":\"pause\"}: done".into()))),
            ("", None),
        ] {
            assert_eq!(LogLine::parse(line), expected, "{line}");
        }
    }
}
