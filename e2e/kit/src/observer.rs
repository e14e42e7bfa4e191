//! Independent clients that observe scenarios and take part in them: mosquitto_sub and
//! mosquitto_pub.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use fs_err::File;
use project::process::Process;
use project::setup::{Package, program};

use crate::broker::Running;
use crate::workdir;

/// Packages that observers need.
pub const PACKAGES: &[Package] = &[program("mosquitto-clients", "mosquitto_pub")];

/// A message retained on every broker. Observers subscribe to it last: once it arrives, all
/// subscriptions are active.
pub const READY: &str = "interop/ready";

fn client(program: &str, broker: &Running) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", &broker.address.ip().to_string(), "-p", &broker.address.port().to_string()]);
    if let Some((user, password)) = broker.login {
        command.args(["-u", user, "-P", password]);
    }
    command
}

/// The given QoS, or the highest that the broker grants.
fn granted(broker: &Running, qos: u8) -> String {
    qos.min(broker.quirks.highest_qos).to_string()
}

fn publisher(broker: &Running, topic: &str, qos: u8, retain: bool) -> Command {
    let mut command = client("mosquitto_pub", broker);
    command.args(["-q", &granted(broker, qos), "-t", topic]).args(retain.then_some("-r"));
    command
}

/// Publishes one message and waits until the broker has it.
pub fn publish(broker: &Running, topic: &str, payload: &str, qos: u8, retain: bool) -> Result<()> {
    let message: &[&str] = if payload.is_empty() { &["-n"] } else { &["-m", payload] };
    project::output(publisher(broker, topic, qos, retain).args(message)).map(drop)
}

/// Connects with another client's id, so that the broker disconnects that client.
pub fn take_over_session(broker: &Running, id: &str) -> Result<()> {
    project::output(publisher(broker, READY, 0, false).args(["-i", id, "-m", "yes"])).map(drop)
}

/// Publishes a file's content as one message.
pub fn publish_file(broker: &Running, topic: &str, file: &Path, qos: u8, retain: bool) -> Result<()> {
    project::output(publisher(broker, topic, qos, retain).arg("-f").arg(file)).map(drop)
}

/// Publishes each line as a message, in order.
pub fn publish_lines(broker: &Running, topic: &str, lines: &[String], qos: u8) -> Result<()> {
    let file = workdir::write(&broker.dir, "lines", &(lines.join("\n") + "\n"))?;
    project::output(publisher(broker, topic, qos, false).arg("-l").stdin(File::open(file)?.into_file())).map(drop)
}

/// A message received by an observer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub qos: u8,
    pub retained: bool,
    pub payload: String,
}

impl Message {
    /// Parses a line in the format requested in `Observer::start`.
    fn parse(line: &str) -> Option<Message> {
        let mut fields = line.strip_prefix("message ")?.splitn(4, ' ');
        let (qos, retained) = (fields.next()?.parse().ok()?, fields.next()? == "1");
        let (topic, payload) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        Some(Message { topic, qos, retained, payload })
    }
}

/// A subscriber that records what it receives.
pub struct Observer {
    process: Process,
}

impl Observer {
    /// Subscribes at QoS 2 and returns when the subscriptions are active. `session` is the client
    /// id of a persistent session; `None` for a clean one.
    pub fn start(broker: &Running, topics: &[&str], session: Option<&str>, log: &Path, end: Instant) -> Result<Observer> {
        let mut command = client("mosquitto_sub", broker);
        command.args(["-q", &granted(broker, 2), "-F", "message %q %r %t %p"]);
        if let Some(id) = session {
            command.args(["-c", "-i", id]);
        }
        for topic in topics {
            command.args(["-t", topic]);
        }
        command.args(["-t", READY]);
        let mut process = Process::start("the observer", &mut command, log, end)?;
        let ready = |line: &str| Message::parse(line).filter(|message| message.topic == READY).map(drop);
        // Without retained messages, publish until one arrives.
        while !broker.quirks.retains && Instant::now() < end && !process.lines().iter().any(|line| ready(line).is_some()) {
            publish(broker, READY, "yes", 1, false)?;
        }
        // What arrived earlier must stay visible to later waits.
        process.wait_for("the observer's subscriptions", ready)?;
        process.read_again();
        Ok(Observer { process })
    }

    /// The next message.
    pub fn next(&mut self, what: &str) -> Result<Message> {
        self.find(what, |message| message.topic != READY)
    }

    /// The next message on this topic; others are skipped.
    pub fn next_on(&mut self, topic: &str) -> Result<Message> {
        self.find(&format!("a message on {topic}"), |message| message.topic == topic)
    }

    /// Waits for a message with this topic and payload.
    pub fn wait_for(&mut self, topic: &str, payload: &str) -> Result<()> {
        self.find(&format!("{payload:?} on {topic}"), |message| message.topic == topic && message.payload == payload).map(drop)
    }

    fn find(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Result<Message> {
        self.process.wait_for(what, |line| Message::parse(line).filter(|message| wanted(message)))
    }

    /// Waits until `count` messages on this topic have arrived.
    pub fn wait_for_all(&mut self, topic: &str, count: usize) -> Result<()> {
        self.process.read_again();
        let mut come = 0;
        let counted = |line: &str| {
            come += usize::from(Message::parse(line).is_some_and(|message| message.topic == topic));
            (come == count).then_some(())
        };
        self.process.wait_for(&format!("{count} messages on {topic}"), counted)
    }

    /// All messages so far, in order.
    pub fn all(&self) -> Vec<Message> {
        self.process.lines().iter().filter_map(|line| Message::parse(line)).filter(|message| message.topic != READY).collect()
    }
}
