//! The scenario, step by step: starting, killing, commands, and the verdict. State and DeliveryLog
//! record what happens.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use project::files;
use project::process::Process;
use rumqttc::{Client, QoS};
use serde_json::{Value, json};
use test_kit::workdir;

use crate::broker::{Broker, Role};
use crate::state::State;
use crate::{observer, svg};

/// The app's device id, the prefix of its topics.
const DEVICE: &str = "demo";

/// Time between readings: long enough for the traffic of one to finish before the next.
const INTERVAL_MS: u64 = 200;

const SOON: Duration = Duration::from_secs(10);

/// For the whole demo; reached only by a hang.
const LIMIT: Duration = Duration::from_secs(180);

/// This program is run by cargo xtask demo
#[derive(clap::Parser)]
pub struct Paths {
    /// The app
    program: PathBuf,
    /// Its file system
    files: PathBuf,
    /// The directory for logs
    logs: PathBuf,
    /// Where to draw the timeline
    svg: Option<PathBuf>,
}

/// Runs the demo. Returns true if nothing was lost at QoS 1 and 2, and no broker delivered a QoS 2
/// reading twice.
pub fn run(paths: &Paths) -> Result<bool> {
    files::empty_dir(&paths.logs)?;
    let mut state = State::new();
    let result = steps(paths, &mut state);
    state.timeline.close();
    let logs = paths.logs.display();
    if let Err(error) = result {
        println!("\n{}", state.delivery_log.table());
        return Err(error.context(format!("the demo did not complete; the logs are in {logs}")));
    }
    println!("\n{}", state.delivery_log.table());
    println!(
        "arrived: distinct readings received by the observer. lost: published but never received.\n\
         dup: received more than once from the same broker, which QoS 2 forbids and QoS 1 allows.\n\
         on both: received from both brokers. This can happen to messages in flight when the primary dies:\n\
         the acknowledgement is lost with it, so the app must send again. QoS 2 is exactly once within a\n\
         session, and each broker has its own, so this does not count as a duplicate."
    );
    println!("QoS 0 is not queued: {} of its readings were published without a connection.\n", state.delivery_log.dropped(0));
    if let Some(path) = &paths.svg {
        fs_err::write(path, svg::draw(&state.timeline.lines, &state.dots))?;
        println!("Timeline written to {}.\n", path.display());
    }
    let faults = state.delivery_log.faults();
    if faults.is_empty() {
        println!("PASS: no QoS 1 or QoS 2 message was lost, no QoS 2 message was duplicated. {:.0} s.", state.timeline.seconds());
    } else {
        println!("FAIL: {}. The logs are in {logs}.", faults.join("; "));
    }
    Ok(faults.is_empty())
}

fn steps(paths: &Paths, state: &mut State) -> Result<()> {
    let [mut primary, backup] = [Broker::start(Role::Primary, &paths.logs)?, Broker::start(Role::Backup, &paths.logs)?];
    let mut observers = Vec::new();
    for (role, broker) in Role::BOTH.into_iter().zip([&primary, &backup]) {
        state.timeline.print(&role.name(), &format!("broker listens on {}", broker.address));
        state.addresses.push((role, broker.address));
        observers.push(observer::start(role, broker.address, DEVICE, state.sender.clone())?);
    }
    let [on_primary, on_backup] = observers.as_slice() else { bail!("two observers are needed") };
    state.wait("the observer's subscriptions", SOON, |state| state.subscribed == 2)?;
    state.timeline.print("observer", &format!("subscribed to {DEVICE}/# on both brokers, at QoS 2"));

    let config = write_config(&paths.logs, &primary, &backup)?;
    // Configuration saved by an app in an earlier run must not affect the demo.
    let _ = std::fs::remove_file(paths.files.join("conf9.json"));
    let mut command = Command::new(&paths.program);
    command.current_dir(&paths.files).arg("--conf").arg(config);
    state.app = Some(Process::start("the app", &mut command, &paths.logs.join("app.log"), Instant::now() + LIMIT)?);
    state.timeline.print("app", "starts; a reading every 200 ms, at QoS 0, 1 and 2 in turn");
    state.wait("the app's connection", SOON, |state| state.connected)?;
    state.wait("readings from the primary", SOON, |state| state.delivery_log.arrived_from(Role::Primary) >= 9)?;
    let mut commands = Commands(0);
    commands.send(state, on_primary, "status")?;

    idle_moment(state)?;
    primary.process.child.kill();
    state.killed = Some(Role::Primary);
    state.timeline.print("primary", &format!("killed, after {} readings", state.delivery_log.published()));
    state.wait("the app to notice", SOON, |state| !state.connected)?;
    state.wait("the app to switch to the backup", 3 * SOON, |state| state.connected)?;
    state.wait("the first reading from the backup", SOON, |state| state.delivery_log.arrived_from(Role::Backup) > 0)?;
    // Does not fail on a timeout, here and below: missing readings are lost, and the summary
    // reports them.
    let _ = state.wait("readings published meanwhile", SOON, |state| state.delivery_log.outstanding(1).len() <= 1);
    let (dropped, from_backup) = (state.delivery_log.dropped(0), state.delivery_log.arrived_from(Role::Backup));
    let text = format!("{from_backup} readings from the backup so far; {dropped} at QoS 0 were dropped without a connection");
    state.timeline.print("observer", &text);

    state.pass("more readings through the backup", Duration::from_secs(2))?;
    commands.send(state, on_backup, "status")?;
    let answer = commands.send(state, on_backup, "pause")?;
    // The app's own count must match its log lines.
    let next = answer.get("next").and_then(Value::as_u64).context("the answer to pause has no next")?;
    state.wait("the app's last log lines", SOON, |state| state.delivery_log.published() as u64 >= next)?;
    let _ = state.wait("the last readings", SOON, |state| state.delivery_log.outstanding(1).is_empty());
    state.pass("duplicates", Duration::from_secs(1))?;

    let mut app = state.app.take().context("the app is missing")?;
    app.child.terminate();
    let status = app.wait_for_end()?;
    ensure!(status.success(), "the app exited with {status}");
    state.timeline.print("app", "exited on SIGTERM");
    Ok(())
}

/// Waits for a moment between two readings when everything is delivered and acknowledged, so that
/// the count shows what the app does, not what the broker lost.
fn idle_moment(state: &mut State) -> Result<()> {
    for _ in 0..20 {
        let before = state.delivery_log.published();
        state.wait("an idle moment", SOON, |state| {
            state.delivery_log.published() > before && state.delivery_log.outstanding(0).is_empty()
        })?;
        let published = state.delivery_log.published();
        // Time for the acknowledgements that follow the delivery.
        state.pass("an idle moment", Duration::from_millis(60))?;
        if state.delivery_log.published() == published && state.delivery_log.outstanding(0).is_empty() {
            return Ok(());
        }
    }
    bail!("no idle moment between two readings: this machine is too busy for the demo")
}

/// Numbers the commands, to match answers to them.
struct Commands(i64);

impl Commands {
    fn send(&mut self, state: &mut State, by: &Client, command: &str) -> Result<Value> {
        self.0 += 1;
        let id = self.0;
        let message = json!({"cmd": command, "id": id}).to_string();
        by.publish(format!("{DEVICE}/command"), QoS::AtLeastOnce, false, message).context("cannot send a command")?;
        state.timeline.print("observer", &format!("sends the command {command}"));
        state.wait("the answer", SOON, |state| state.answer.as_ref().is_some_and(|(of, _)| *of == id))?;
        state.answer.take().map(|(_, answer)| answer).context("the answer is missing")
    }
}

/// The app's configuration: the brokers' addresses, and short waits.
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
    workdir::write(dir, "demo.json", &format!("{config:#}\n"))
}
