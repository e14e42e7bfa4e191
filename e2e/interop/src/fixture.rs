//! The environment of a scenario: its brokers, apps and observers, in its own directory, and the
//! list of passed checks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use host_app::Built;
use project::files;
use project::process::Process;
use test_kit::broker::{Broker, Running, Setup};
use test_kit::observer::{self, Observer};
use test_kit::transport::{Certificates, Transport};

/// Built apps, by the name of their directory.
pub type Apps = BTreeMap<String, Built>;

pub struct Fixture<'a> {
    kind: &'a dyn Broker,
    apps: &'a Apps,
    pub files: &'a Certificates,
    /// How apps connect to brokers.
    pub transport: Transport,
    pub dir: PathBuf,
    pub end: Instant,
    /// Whether apps check certificates only as far as a device does.
    pub as_device: Cell<bool>,
    checks: RefCell<Vec<String>>,
    started: Cell<usize>,
}

impl<'a> Fixture<'a> {
    /// Creates an empty fixture.
    pub fn new(
        kind: &'a dyn Broker,
        transport: Transport,
        apps: &'a Apps,
        files: &'a Certificates,
        dir: PathBuf,
        end: Instant,
    ) -> Result<Fixture<'a>> {
        files::empty_dir(&dir)?;
        let (as_device, checks, started) = Default::default();
        Ok(Fixture { kind, apps, files, transport, dir, end, as_device, checks, started })
    }

    pub fn broker(&self, name: &str, setup: Setup) -> Result<Running<'a>> {
        Running::start(self.kind, &Setup { transport: self.transport, ..setup }, self.files, &self.dir.join(name), self.end)
    }

    /// Starts a broker of another kind than the one under test, or with another transport.
    pub fn broker_of<'b>(&self, kind: &'b dyn Broker, name: &str, transport: Transport) -> Result<Running<'b>> {
        Running::start(kind, &Setup { transport, ..Setup::default() }, self.files, &self.dir.join(name), self.end)
    }

    /// Starts an app that connects to this server.
    pub fn app(&self, name: &str, server: impl Display, settings: &[(&str, &str)]) -> Result<App<'_>> {
        let server = server.to_string();
        self.app_with(name, &[&[("mqtt.server", &*server)], settings].concat())
    }

    /// Starts an app; the settings say where it connects.
    pub fn app_with(&self, name: &str, settings: &[(&str, &str)]) -> Result<App<'_>> {
        self.program(name, &mut self.built(name)?.command(&[]), settings)
    }

    pub fn built(&self, name: &str) -> Result<&Built> {
        self.apps.get(name).with_context(|| format!("unknown app {name}"))
    }

    /// Starts an app that was built in another way.
    pub fn program(&self, name: &str, command: &mut Command, settings: &[(&str, &str)]) -> Result<App<'_>> {
        // A unique client id: two clients with the same id would disconnect each other.
        let (id, highest) = (format!("{name}-app"), self.kind.about().quirks.highest_qos.to_string());
        let transport = self.transport.settings(self.files);
        let mut all = vec![("device.id", id.as_str()), ("debug.level", "3")];
        // Short waits, unless the scenario is about waiting.
        all.extend([("mqtt.reconnect_timeout_min", "0.1"), ("mqtt.reconnect_timeout_max", "0.3")]);
        all.extend(transport.iter().map(|(key, value)| (*key, value.as_str())));
        // Only the apps in e2e/interop have this setting.
        if highest != "2" && project::root().join("e2e/interop/apps").join(name).join("mos.yml").exists() {
            all.push(("check.highest_qos", &highest));
        }
        for (key, value) in all.iter().chain(settings) {
            command.args(["--set", &format!("{key}={value}")]);
        }
        if self.as_device.get() {
            command.env("MGOS_HOST_DEVICE_TLS", "1");
        }
        let log = self.new_log(name);
        Ok(App { name: name.into(), process: Process::start(name, command, &log, self.end)?, fixture: self })
    }

    pub fn observer(&self, broker: &Running, topics: &[&str], session: Option<&str>) -> Result<Observer> {
        Observer::start(broker, topics, session, &self.new_log("observer"), self.end)
    }

    /// Publishes on a broker and returns once the broker has the message. Uses QoS 2, since an
    /// observer may see a message at a lower QoS before earlier ones at QoS 2.
    pub fn publish(&self, broker: &Running, topic: &str, payload: &str) -> Result<()> {
        observer::publish(broker, topic, payload, 2, false)
    }

    fn new_log(&self, name: &str) -> PathBuf {
        self.started.set(self.started.get() + 1);
        self.dir.join(format!("{}-{name}.log", self.started.get()))
    }

    /// Records a passed check; fails if it does not hold.
    pub fn check(&self, holds: bool, what: &str) -> Result<()> {
        ensure!(holds, "check failed: {what}");
        self.checks.borrow_mut().push(what.to_owned());
        Ok(())
    }

    /// All passed checks.
    pub fn checks(self) -> Vec<String> {
        self.checks.into_inner()
    }
}

/// A running app of e2e/interop.
pub struct App<'s> {
    name: String,
    pub process: Process,
    fixture: &'s Fixture<'s>,
}

impl App<'_> {
    /// Waits until the app reports this.
    pub fn reports(&mut self, what: &str) -> Result<()> {
        let name = self.name.clone();
        self.process
            .wait_for(&format!("{name} to report {what:?}"), |line| {
                // print() of mJS puts a space behind each argument.
                let told = line.strip_prefix("> ").is_some_and(|told| told.trim_end() == what);
                // After a failed check nothing more will come.
                if line.starts_with("not ok") { Some(Err(line.to_owned())) } else { told.then_some(Ok(())) }
            })?
            .map_err(|line| anyhow::anyhow!("{name}: {line}"))
    }

    /// Waits until the app exits and adopts its checks. Returns its output.
    pub fn finish(mut self) -> Result<Vec<String>> {
        let status = self.process.wait_for_end()?;
        let checks = self.collect_checks()?;
        let lines = self.process.lines();
        if !status.success() || !lines.contains(&format!("1..{checks}")) {
            bail!("{} ended early ({status}), after {checks} checks", self.name);
        }
        Ok(lines)
    }

    /// Kills the app as a power cut would, and adopts its checks up to then.
    pub fn kill(mut self) -> Result<()> {
        self.process.child.kill();
        self.collect_checks().map(drop)
    }

    /// Adds the app's checks to the fixture. Fails if one of them failed. Returns their number.
    fn collect_checks(&self) -> Result<usize> {
        let lines = self.process.lines();
        if let Some(failed) = lines.iter().find(|line| line.starts_with("not ok")) {
            bail!("{}: {failed}", self.name);
        }
        let checks: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("ok ")?.split_once(" - ")).collect();
        self.fixture.checks.borrow_mut().extend(checks.iter().map(|(_, what)| (*what).to_owned()));
        Ok(checks.len())
    }
}
