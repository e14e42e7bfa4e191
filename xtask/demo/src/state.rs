//! Where everything that happens comes together: events are counted, told, and waited for.

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

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    App(LogLine),
    AppEnded,
    Subscribed,
    ObserverLost(Role),
    /// The observer got a reading with this number.
    Reading(Role, u32),
    Answer(Role, Value),
}

/// The state of the play.
pub struct State {
    pub delivery_log: DeliveryLog,
    pub timeline: Timeline,
    /// When readings were published and arrived, for the picture.
    pub dots: Vec<(f64, Dot)>,
    pub subscribed: usize,
    pub connected: bool,
    /// Id and content of the last answer.
    pub answer: Option<(i64, Value)>,
    /// The app may end from now on.
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

    /// For those who report events.
    pub fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    pub fn knows(&mut self, role: Role, address: SocketAddr) {
        self.addresses.push((role, address));
    }

    /// Its connections may break from now on.
    pub fn is_killed(&mut self, role: Role) {
        self.killed = Some(role);
    }

    /// Let time pass until the condition holds. `what` completes "waiting for".
    pub fn wait(&mut self, what: &str, limit: Duration, mut until: impl FnMut(&State) -> bool) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(Duration::from_millis(20)) {
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("nobody is left to report anything"),
            }
            if until(self) {
                self.timeline.close();
                return Ok(());
            }
            if Instant::now() > end {
                self.timeline.close();
                bail!("waited {} s for {what}, in vain", limit.as_secs());
            }
            let counts = format!("{} published, {} arrived", self.delivery_log.published(), self.delivery_log.arrived());
            self.timeline.progress(&format!("{counts}; waiting for {what}"));
        }
    }

    /// Let time pass, and no more.
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
                    self.timeline.say("observer", &format!("the first reading from the {}", from.name()));
                }
            }
            Event::Answer(from, answer) => {
                self.timeline.say("observer", &format!("answer by way of the {}: {answer}", from.name()));
                self.answer = answer.get("id").and_then(Value::as_i64).map(|id| (id, answer));
            }
            Event::Subscribed => self.subscribed += 1,
            Event::ObserverLost(role) if self.killed == Some(role) => {}
            Event::ObserverLost(role) => bail!("the observer has lost its connection to the {}", role.name()),
            Event::AppEnded if self.ending => {}
            Event::AppEnded => bail!("the app has ended by itself"),
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
            LogLine::RetryAfter(time) => format!("tries again in {time}"),
            LogLine::Command(command) => format!("command {command}"),
        };
        self.timeline.say("app", &text);
    }
}
