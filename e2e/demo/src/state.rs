//! The state of the demo: collects, prints and waits for events.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::app::LogLine;
use crate::broker::Role;
use crate::delivery_log::DeliveryLog;
use crate::svg::Dot;
use crate::timeline::Timeline;

/// An event.
#[derive(Debug)]
pub enum Event {
    App(LogLine),
    AppEnded,
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
    /// The app is expected to exit.
    pub ending: bool,
    addresses: Vec<(Role, SocketAddr)>,
    killed: Option<Role>,
    events: Receiver<Event>,
    sender: Sender<Event>,
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
            ending: false,
            addresses: Vec::new(),
            killed: None,
            events,
            sender,
        }
    }

    /// For event sources.
    pub fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    pub fn knows(&mut self, role: Role, address: SocketAddr) {
        self.addresses.push((role, address));
    }

    /// The observer may lose its connection to this broker from now on.
    pub fn is_killed(&mut self, role: Role) {
        self.killed = Some(role);
    }

    /// Processes events until the condition holds. `what` completes "waiting for".
    pub fn wait(&mut self, what: &str, limit: Duration, mut until: impl FnMut(&State) -> bool) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(Duration::from_millis(20)) {
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("all event sources are gone"),
            }
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
            Event::AppEnded if self.ending => {}
            Event::AppEnded => bail!("the app exited unexpectedly"),
            Event::App(line) => self.log_line(line),
        }
        Ok(())
    }

    fn log_line(&mut self, line: LogLine) {
        let text = match line {
            LogLine::Reading { seq, qos, dropped } => {
                self.dots.push((self.timeline.seconds(), Dot::Published { qos, dropped }));
                return self.delivery_log.publish(seq, qos, dropped);
            }
            LogLine::Connecting(address) => {
                let role = self.addresses.iter().find(|(_, known)| known.to_string() == address);
                match role {
                    Some((role, _)) => format!("connects to the {}", role.name()),
                    None => format!("connects to {address}"),
                }
            }
            LogLine::Connected => {
                self.connected = true;
                "connected".into()
            }
            LogLine::Disconnected => {
                self.connected = false;
                "connection lost".into()
            }
            LogLine::CannotConnect => "cannot connect".into(),
            LogLine::RetryAfter(_) if self.ending => return,
            LogLine::RetryAfter(time) => format!("retries in {time}"),
            LogLine::Command(command) => format!("command {command}"),
        };
        self.timeline.print("app", &text);
    }
}
