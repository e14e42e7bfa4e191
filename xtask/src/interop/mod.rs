//! `cargo xtask interop`: the whole library against real brokers. Apps in C from interop/, built as for `cargo xtask run`, scenario to a broker
//! that runs on loopback for this one conversation; other clients (mosquitto_pub, mosquitto_sub) look on and join in.
//!
//! Here: the table of brokers, which conversations are held with which, and the report. A conversation is in talks/.

mod aedes;
mod amqtt;
pub mod broker;
mod clouds;
mod fixture;
mod link;
pub mod mosquitto;
pub mod observer;
mod rabbitmq;
mod rumqttd;
pub mod scenarios;
pub mod transport;
mod web;
mod workdir;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use broker::Broker;
use fixture::{Apps, Fixture};
use scenarios::Scenario;
use transport::{Certificates, Transport};

use crate::{app, project, setup};

/// Each conversation is held with each of these, but for what it says it will_on_exit out.
const BROKERS: &[&dyn Broker] = &[&mosquitto::Mosquitto, &rumqttd::Rumqttd, &aedes::Aedes, &amqtt::Amqtt, &rabbitmq::Rabbitmq];

/// How long one conversation may take: far more than it needs, as the machine may be busy.
const LIMIT: Duration = Duration::from_secs(180);

/// So many conversations at a time.
const PARALLEL: usize = 2;

#[derive(clap::Args)]
pub struct Args {
    /// List the conversations and hold none
    #[arg(long)]
    list: bool,
    /// Show each single check
    #[arg(long, short)]
    verbose: bool,
    /// Only this broker; can be given more than once
    #[arg(long, value_name = "NAME")]
    broker: Vec<String>,
    /// Only conversations with one of these words in their name, as in: cut, tls, cut-wss
    words: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    let brokers = chosen(&args.broker)?;
    let wanted = |case: &Case| args.words.is_empty() || args.words.iter().any(|word| case.name().contains(word.as_str()));
    let cases: Vec<Case> = scenarios::ALL.iter().flat_map(Case::of).filter(wanted).collect();
    let clouds: Vec<Case> = clouds::ALL.iter().flat_map(Case::of).filter(wanted).collect();
    if cases.is_empty() && clouds.is_empty() {
        let names: Vec<_> = scenarios::ALL.iter().chain(clouds::ALL).map(|scenario| scenario.name).collect();
        bail!("no conversation is called so; there are: {}", names.join(", "));
    }
    if args.list {
        list(&brokers, &cases, &clouds);
        return Ok(());
    }
    setup::ensure(setup::COMPILERS)?;
    setup::ensure(setup::TEST_TOOLS)?;
    setup::ensure(observer::PACKAGES)?;
    setup::ensure(scenarios::PACKAGES)?;
    // Clouds are all played by the same one.
    let with_clouds = brokers.iter().any(|broker| broker.name() == mosquitto::Mosquitto.name()) && !clouds.is_empty();
    if with_clouds {
        setup::ensure(clouds::PACKAGES)?;
    }
    for broker in &brokers {
        broker.install().with_context(|| format!("no {}", broker.name()))?;
    }
    eprintln!("building the library, the host and the apps of interop/");
    let apps = build_apps()?;
    let files = Certificates::make(dir().join("certificates"))?;
    let begun = Instant::now();
    let (mut passed, mut failed, mut checks) = (0, 0, 0);
    let cases = brokers.into_iter().map(|broker| (broker, &cases, ""));
    let clouds = with_clouds.then_some((&mosquitto::Mosquitto as &dyn Broker, &clouds, ", in the place of clouds"));
    for (broker, cases, as_what) in cases.chain(clouds) {
        println!("{} {}{as_what}", broker.name(), broker.version()?);
        let (chosen, skipped): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.skip_reason(broker).is_none());
        let begun = Instant::now();
        run_cases(broker, &chosen, &apps, &files, |case, result, time| match result {
            Ok(shown) => {
                passed += 1;
                checks += shown.len();
                println!("  ok      {:18} {:3} checks {:5.1} s", case.name(), shown.len(), time.as_secs_f64());
                if args.verbose {
                    shown.iter().for_each(|what| println!("            {what}"));
                }
            }
            Err(error) => {
                failed += 1;
                println!("  FAILED  {:18} {error:#}", case.name());
            }
        });
        println!("  {} held in {:.0} s, {} left out: see --list", chosen.len(), begun.elapsed().as_secs_f64(), skipped.len());
    }
    println!("{checks} checks in {:.0} s", begun.elapsed().as_secs_f64());
    println!("interop: {passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} of {} conversations failed; their logs are in {}", passed + failed, dir().display());
    }
    Ok(())
}

/// The brokers of these names; all if there are none.
fn chosen(names: &[String]) -> Result<Vec<&'static dyn Broker>> {
    if names.is_empty() {
        return Ok(BROKERS.to_vec());
    }
    let find = |name: &String| {
        let known = || BROKERS.iter().map(|broker| broker.name()).collect::<Vec<_>>().join(", ");
        BROKERS.iter().find(|broker| broker.name() == name).copied().with_context(|| format!("no broker {name:?}; there are: {}", known()))
    };
    names.iter().map(find).collect()
}

fn list(brokers: &[&dyn Broker], cases: &[Case], clouds: &[Case]) {
    for case in cases.iter().chain(clouds) {
        println!("{:18} {}", case.name(), case.scenario.about);
    }
    for broker in brokers {
        for case in cases {
            if let Some(why) = case.skip_reason(*broker) {
                println!("not with {:10} {:18} {why}", broker.name(), case.name());
            }
        }
    }
}

/// All that the conversations leave behind.
fn dir() -> std::path::PathBuf {
    project::target_dir().join("interop")
}

/// Build the apps that conversations use: those below interop/, and the examples.
fn build_apps() -> Result<Apps> {
    let mut apps = Apps::new();
    for name in scenarios::APPS.iter().chain(clouds::APPS) {
        let root = project::root();
        let own = root.join("interop").join(name);
        let path: &Path = if own.is_dir() { &own } else { &root.join("examples").join(name) };
        apps.insert(name, app::build(path, false).with_context(|| format!("building {}", path.display()))?);
    }
    Ok(apps)
}

/// A conversation over one kind of connection.
struct Case {
    scenario: &'static Scenario,
    transport: Transport,
}

impl Case {
    fn of(scenario: &'static Scenario) -> impl Iterator<Item = Case> {
        scenario.transports.iter().map(move |&transport| Case { scenario, transport })
    }

    fn name(&self) -> String {
        format!("{}-{}", self.scenario.name, self.transport.name())
    }

    /// Why it is not held with this broker, if so.
    fn skip_reason(&self, broker: &dyn Broker) -> Option<&'static str> {
        broker.skips().iter().find(|entry| self.is(entry.what)).map(|entry| entry.why)
    }

    fn is(&self, what: &str) -> bool {
        what == self.scenario.name || what == self.transport.name() || what == self.name()
    }
}

/// How many conversations are held with which broker, those of clouds left aside: for the test of what docs/interop.md tells of it.
#[cfg(test)]
pub fn cases_per_broker() -> Vec<(&'static str, usize)> {
    let count = |broker: &dyn Broker| scenarios::ALL.iter().flat_map(Case::of).filter(|case| case.skip_reason(broker).is_none()).count();
    BROKERS.iter().map(|broker| (broker.name(), count(*broker))).collect()
}

/// Hold conversations with one broker, several at a time, and report each as it ends.
fn run_cases(
    broker: &dyn Broker,
    cases: &[&Case],
    apps: &Apps,
    files: &Certificates,
    mut report: impl FnMut(&Case, Result<Vec<String>>, Duration),
) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    // Children die with the thread that started them, so the threads are to last until all is over.
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL.min(cases.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let dir = dir().join(broker.name()).join(case.name());
                    let result = Fixture::new(broker, case.transport, apps, files, dir, begun + LIMIT).and_then(|fixture| {
                        (case.scenario.run)(&fixture)?;
                        Ok(fixture.shown())
                    });
                    // Nobody listens only if the report has panicked.
                    let _ = sender.send((case, result, begun.elapsed()));
                }
            });
        }
        drop(sender);
        for (case, result, time) in results {
            report(case, result, time);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_leaves_out_is_a_conversation_or_a_kind_of_connection() {
        let cases: Vec<Case> = scenarios::ALL.iter().flat_map(Case::of).collect();
        for broker in BROKERS {
            for entry in broker.skips() {
                let known = cases.iter().any(|case| case.is(entry.what));
                assert!(known, "{}: there is no {}", broker.name(), entry.what);
            }
        }
    }
}
