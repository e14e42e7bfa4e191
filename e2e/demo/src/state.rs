//! The state of the demo: collects, prints and waits for events.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use project::process::Process;
use serde_json::Value;

use crate::broker::Role;
use crate::delivery_log::DeliveryLog;
use crate::svg::Dot;
use crate::timeline::Timeline;

/// What an observer has seen.
#[derive(Debug)]
pub enum Event {
    Subscribed,
    ObserverLost(Role),
    /// The observer received a reading with this number.
    Reading(Role, u32),
    Answer(Role, Value),
}

/// What is known so far.
pub struct State {
    pub delivery_log: DeliveryLog,
    pub timeline: Timeline,
    /// When readings were published and received, for the picture.
    pub dots: Vec<(f64, Dot)>,
    pub subscribed: usize,
    pub connected: bool,
    /// Id and content of the last answer.
    pub answer: Option<(i64, Value)>,
    /// Its log lines are the only source for what it published: one line per reading.
    pub app: Option<Process>,
    /// How many of them were processed.
    read: usize,
    pub addresses: Vec<(Role, SocketAddr)>,
    /// The observer may lose its connection to this broker.
    pub killed: Option<Role>,
    events: Receiver<Event>,
    /// For event sources.
    pub sender: Sender<Event>,
}

impl State {
    pub fn new() -> State {
        let (sender, events) = mpsc::channel();
        State {
            delivery_log: DeliveryLog::default(),
            timeline: Timeline::new(),
            dots: Vec::new(),
            subscribed: 0,
            connected: false,
            answer: None,
            app: None,
            read: 0,
            addresses: Vec::new(),
            killed: None,
            events,
            sender,
        }
    }

    /// Processes events until the condition holds. `what` completes "waiting for".
    pub fn wait(&mut self, what: &str, limit: Duration, mut until: impl FnMut(&State) -> bool) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let event = self.events.recv_timeout(Duration::from_millis(20));
            // What the app says comes before what follows from it.
            self.read_log()?;
            event.map_or(Ok(()), |event| self.take(event))?;
            if until(self) {
                self.timeline.close();
                return Ok(());
            }
            if Instant::now() > end {
                self.timeline.close();
                bail!("timed out after {} s waiting for {what}", limit.as_secs());
            }
            let counts = format!("{} published, {} arrived", self.delivery_log.published(), self.delivery_log.arrived());
            self.timeline.progress(&format!("{counts}; waiting for {what}"));
        }
    }

    /// Processes events for a while.
    pub fn pass(&mut self, what: &str, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        self.wait(what, time + Duration::from_secs(1), |_| Instant::now() >= end)
    }

    fn take(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Reading(from, seq) => {
                self.delivery_log.arrive(from, seq);
                self.dots.push((self.timeline.seconds(), Dot::Arrived(from)));
                if self.delivery_log.arrived_from(from) == 1 {
                    self.timeline.print("observer", &format!("the first reading from the {}", from.name()));
                }
            }
            Event::Answer(from, answer) => {
                self.timeline.print("observer", &format!("answer through the {}: {answer}", from.name()));
                self.answer = answer.get("id").and_then(Value::as_i64).map(|id| (id, answer));
            }
            Event::Subscribed => self.subscribed += 1,
            Event::ObserverLost(role) if self.killed == Some(role) => {}
            Event::ObserverLost(role) => bail!("the observer lost its connection to the {}", role.name()),
        }
        Ok(())
    }

    /// Processes the app's new log lines.
    fn read_log(&mut self) -> Result<()> {
        let Some(app) = &mut self.app else { return Ok(()) };
        let (status, lines) = (app.child.try_wait()?, app.lines());
        let new = std::mem::replace(&mut self.read, lines.len());
        for line in &lines[new..] {
            let _ = self.log_line(line);
        }
        match status {
            Some(status) => bail!("the app exited unexpectedly ({status})"),
            None => Ok(()),
        }
    }

    /// `None` for lines that the demo ignores.
    fn log_line(&mut self, line: &str) -> Option<()> {
        // The text follows the file and line number.
        let text = line.split_once(' ')?.1.trim_start();
        if let Some(rest) = text.strip_prefix("reading ") {
            let (seq, rest) = rest.split_once(" at QoS ")?;
            let (qos, rest) = rest.split_once(':')?;
            let (seq, qos, dropped) = (seq.parse().ok()?, qos.parse().ok()?, rest.ends_with("dropped"));
            self.dots.push((self.timeline.seconds(), Dot::Published { qos, dropped }));
            self.delivery_log.publish(seq, qos, dropped);
            return Some(());
        }
        self.connected = text == "cloud: connected" || self.connected && text != "cloud: disconnected";
        let shown = match text {
            "cloud: connected" => "connected".into(),
            "cloud: disconnected" => "connection lost".into(),
            "cloud: cannot connect" => "cannot connect".into(),
            _ if text.starts_with("command ") => text.into(),
            _ => match text.strip_prefix("MQTT0 connecting ")?.split_once(' ')? {
                ("after", time) => format!("retries in {time}"),
                ("to", address) => {
                    let role = self.addresses.iter().find(|(_, known)| known.to_string() == address);
                    format!("connects to {}", role.map_or(address.into(), |(role, _)| format!("the {}", role.name())))
                }
                _ => return None,
            },
        };
        self.timeline.print("app", &shown);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_parsed() {
        let mut state = State::new();
        state.addresses.push((Role::Primary, "127.0.0.1:1883".parse().unwrap()));
        for (line, shown, connected) in [
            ("mgos_mqtt_conn.c:165    MQTT0 connecting to 127.0.0.1:1883", "connects to the primary", false),
            ("mgos_mqtt_conn.c:165    MQTT0 connecting to 127.0.0.1:1", "connects to 127.0.0.1:1", false),
            ("mgos_mqtt_conn.c:97     MQTT0 connecting after 520 ms", "retries in 520 ms", false),
            ("main.c:94   cloud: connected", "connected", true),
            ("main.c:76   command {\"cmd\":\"pause\"}: done", "command {\"cmd\":\"pause\"}: done", true),
            ("main.c:94   cloud: disconnected", "connection lost", false),
            ("main.c:94   cloud: connecting", "", false),
            ("main.c:44     reading 7 at QoS 1: 21.25", "", false),
            ("main.c:44     reading 9 at QoS 0: 21.25, dropped", "", false),
            ("", "", false),
        ] {
            state.timeline.lines.clear();
            state.log_line(line);
            assert_eq!(state.timeline.lines.first().map_or("", |(_, _, what)| what), shown, "{line}");
            assert_eq!(state.connected, connected, "{line}");
        }
        assert_eq!((state.delivery_log.outstanding(0), state.delivery_log.outstanding(1)), (vec![7, 9], vec![7]));
        assert_eq!((state.delivery_log.dropped(0), state.dots.len()), (1, 2));
    }
}
