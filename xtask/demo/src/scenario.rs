//! The story, scene by scene: who is started, killed and asked what, and the verdict.
//! What happens meanwhile is taken down by state and delivery_log.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::app;
use crate::broker::{Broker, Role};
use crate::observer::Observer;
use crate::state::State;
use crate::svg;

/// The app's device id, with which its topics begin.
const DEVICE: &str = "demo";

/// Time between readings: long enough that a quiet moment lies between two of them.
const INTERVAL_MS: u64 = 200;

const SOON: Duration = Duration::from_secs(10);

/// Where the demo finds and puts things.
pub struct Paths {
    pub program: PathBuf,
    /// The app's file system.
    pub files: PathBuf,
    pub logs: PathBuf,
    /// Where the timeline is drawn, if it is.
    pub svg: Option<PathBuf>,
}

/// Play it. True if nothing was lost at QoS 1 and 2, and neither broker passed a reading at QoS 2
/// on twice.
pub fn run(paths: &Paths) -> Result<bool> {
    std::fs::create_dir_all(&paths.logs).with_context(|| format!("cannot create {}", paths.logs.display()))?;
    let mut state = State::new();
    let result = steps(paths, &mut state);
    state.timeline.close();
    let logs = paths.logs.display();
    if let Err(error) = result {
        println!("\n{}", state.delivery_log.table());
        return Err(error.context(format!("the demo could not be played to its end; the logs are in {logs}")));
    }
    println!("\n{}", state.delivery_log.table());
    println!(
        "arrived: different readings that the observer got, by their numbers. lost: published, never got.\n\
         twice: got more than once from one and the same broker. QoS 2 forbids that; QoS 1 does not.\n\
         on both: got from either broker. This can happen to what is in flight when the primary dies: its\n\
         acknowledgement dies with it, so the app must send again. QoS 2 is exactly once within a session, which\n\
         the app has with one broker, so this is not counted as twice."
    );
    println!(
        "QoS 0 is not kept for later: {} of its readings were published while there was no connection.\n",
        state.delivery_log.dropped(0)
    );
    if let Some(path) = &paths.svg {
        let drawn = svg::draw(&state.timeline.lines, &state.dots);
        std::fs::write(path, drawn).with_context(|| format!("cannot write {}", path.display()))?;
        println!("The timeline is drawn in {}.\n", path.display());
    }
    let faults = state.delivery_log.faults();
    if faults.is_empty() {
        println!("Nothing at QoS 1 or 2 was lost, no broker passed anything on twice at QoS 2. {:.0} s.", state.timeline.seconds());
    } else {
        println!("Not as it must be: {}. The logs are in {logs}.", faults.join("; "));
    }
    Ok(faults.is_empty())
}

fn steps(paths: &Paths, state: &mut State) -> Result<()> {
    let [mut primary, backup] = [Broker::start(Role::Primary, &paths.logs)?, Broker::start(Role::Backup, &paths.logs)?];
    let mut observers = Vec::new();
    for (role, broker) in Role::BOTH.into_iter().zip([&primary, &backup]) {
        state.timeline.say(role.name(), &format!("broker listens on {}", broker.address));
        state.knows(role, broker.address);
        observers.push(Observer::start(role, broker.address, DEVICE, state.sender())?);
    }
    let [on_primary, on_backup] = observers.as_slice() else { bail!("two observers are needed") };
    state.wait("the observer's subscriptions", SOON, |state| state.subscribed == 2)?;
    state.timeline.say("observer", &format!("listens to {DEVICE}/# on both brokers, at QoS 2"));

    let config = write_config(&paths.logs, &primary, &backup)?;
    let log = paths.logs.join("app.log");
    let mut app = app::start(&paths.program, &paths.files, &config, &log, state.sender())?;
    state.timeline.say("app", "starts; a reading every 200 ms, at QoS 0, 1 and 2 in turn");
    state.wait("the app's connection", SOON, |state| state.connected)?;
    state.wait("readings from the primary", SOON, |state| state.delivery_log.arrived_from(Role::Primary) >= 9)?;
    let mut commands = Commands(0);
    commands.send(state, on_primary, "status")?;

    quiet_moment(state)?;
    primary.kill();
    state.is_killed(Role::Primary);
    state.timeline.say("primary", &format!("killed, after {} readings", state.delivery_log.published()));
    state.wait("the app to notice", SOON, |state| !state.connected)?;
    state.wait("the app to go to the backup", 3 * SOON, |state| state.connected)?;
    state.wait("the first reading from the backup", SOON, |state| state.delivery_log.arrived_from(Role::Backup) > 0)?;
    // Not to be failed on, here and below: what stays out is lost, and the summary says so.
    let _ = state.wait("what was published meanwhile", SOON, |state| state.delivery_log.outstanding(1).len() <= 1);
    let (dropped, from_backup) = (state.delivery_log.dropped(0), state.delivery_log.arrived_from(Role::Backup));
    let text = format!("{from_backup} readings from the backup so far; {dropped} at QoS 0 were dropped without a connection");
    state.timeline.say("observer", &text);

    state.pass("some more readings by way of the backup", Duration::from_secs(2))?;
    commands.send(state, on_backup, "status")?;
    let answer = commands.send(state, on_backup, "pause")?;
    // The app's own count against that of its log lines.
    let next = answer.get("next").and_then(Value::as_u64).context("the answer to pause has no next")?;
    state.wait("the app's last log lines", SOON, |state| state.delivery_log.published() as u64 >= next)?;
    let _ = state.wait("the last readings", SOON, |state| state.delivery_log.outstanding(1).is_empty());
    state.pass("anything that comes twice", Duration::from_secs(1))?;

    state.ending = true;
    app.terminate();
    match app.wait_until(Instant::now() + SOON)? {
        Some(status) if status.success() => state.timeline.say("app", "ended when asked to"),
        Some(status) => bail!("the app ended with {status}"),
        None => bail!("the app does not end when asked to"),
    }
    Ok(())
}

/// Between two readings, when all is delivered and acknowledged: so that what is counted is the app's doing, not what
/// the broker took with it.
fn quiet_moment(state: &mut State) -> Result<()> {
    for _ in 0..20 {
        let before = state.delivery_log.published();
        state.wait("a quiet moment", SOON, |state| {
            state.delivery_log.published() > before && state.delivery_log.outstanding(0).is_empty()
        })?;
        let published = state.delivery_log.published();
        // For the acknowledgements that follow the delivery.
        state.pass("a quiet moment", Duration::from_millis(60))?;
        if state.delivery_log.published() == published && state.delivery_log.outstanding(0).is_empty() {
            return Ok(());
        }
    }
    bail!("no quiet moment between two readings: this machine is too busy for the demo")
}

/// Numbers the commands, so that each answer finds its question.
struct Commands(i64);

impl Commands {
    fn send(&mut self, state: &mut State, by: &Observer, command: &str) -> Result<Value> {
        self.0 += 1;
        let id = self.0;
        by.command(DEVICE, &json!({"cmd": command, "id": id}))?;
        state.timeline.say("observer", &format!("sends the command {command}"));
        state.wait("the answer", SOON, |state| state.answer.as_ref().is_some_and(|(of, _)| *of == id))?;
        state.answer.take().map(|(_, answer)| answer).context("the answer is gone")
    }
}

/// The app's config: where the brokers are, and short waits.
fn write_config(dir: &Path, primary: &Broker, backup: &Broker) -> Result<PathBuf> {
    let server = |broker: &Broker| {
        json!({
            "enable": true,
            "server": broker.address.to_string(),
            "reconnect_timeout_min": 0.5,
            "reconnect_timeout_max": 2,
            "max_queue_length": 200,
        })
    };
    let config = json!({
        "device": {"id": DEVICE},
        "telemetry": {"interval": INTERVAL_MS},
        "mqtt": server(primary),
        "mqtt1": server(backup),
    });
    let path = dir.join("demo.json");
    std::fs::write(&path, format!("{config:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
