//! `cargo xtask interop`: end-to-end tests of the library against real brokers. Apps in C from
//! apps/, built as by `cargo xtask run`, connect to a broker started on loopback for a single
//! scenario; mosquitto_pub and mosquitto_sub observe and take part.
//!
//! Here: the table of brokers, which scenarios run with which, and the report. The scenarios are in
//! scenarios/.

mod clouds;
mod fixture;
mod javascript;
pub mod scenarios;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fixture::{Apps, Fixture};
use project::setup::{self, Package};
use scenarios::Scenario;
use test_kit::broker::Broker;
use test_kit::transport::{Certificates, Transport};
use test_kit::{aedes, amqtt, mosquitto, observer, rabbitmq, rumqttd};

/// Each scenario runs with each of these, except for the skips that a broker lists.
const BROKERS: &[&dyn Broker] = &[&mosquitto::Mosquitto, &rumqttd::Rumqttd, &aedes::Aedes, &amqtt::Amqtt, &rabbitmq::Rabbitmq];

/// Time limit of a scenario: far more than needed, as the machine may be busy.
const LIMIT: Duration = Duration::from_secs(180);

/// Scenarios that run in parallel.
const PARALLEL: usize = 2;

#[derive(clap::Args)]
pub struct Args {
    /// List the scenarios without running them
    #[arg(long)]
    list: bool,
    /// Print every check
    #[arg(long, short)]
    verbose: bool,
    /// Only this broker; can be repeated [default: all, about five minutes]
    #[arg(long, value_name = "NAME")]
    broker: Vec<String>,
    /// Only scenarios whose name contains one of these words, for example: cut, tls, cut-wss
    words: Vec<String>,
    #[command(flatten, next_help_heading = "mJS, for the scenario javascript")]
    places: host_app::Places,
}

pub fn run(args: Args) -> Result<()> {
    let brokers = chosen(&args.broker)?;
    let wanted = |case: &Case| args.words.is_empty() || args.words.iter().any(|word| case.name().contains(word.as_str()));
    let cases: Vec<Case> = scenarios::ALL.iter().flat_map(Case::of).filter(wanted).collect();
    let clouds: Vec<Case> = clouds::ALL.iter().flat_map(Case::of).filter(wanted).collect();
    let mut scripts: Vec<Case> = javascript::ALL.iter().flat_map(Case::of).filter(wanted).collect();
    if cases.is_empty() && clouds.is_empty() && scripts.is_empty() {
        let all = scenarios::ALL.iter().chain(clouds::ALL).chain(javascript::ALL);
        let names: Vec<_> = all.map(|scenario| scenario.name).collect();
        bail!("no scenario matches; scenarios: {}", names.join(", "));
    }
    if args.list {
        list(&brokers, &cases, &clouds, &scripts);
        return Ok(());
    }
    if !scripts.is_empty() && !javascript::is_given(&args.places) {
        let what = "the scenario javascript needs copies of mongoose-os-libs/mjs and cesanta/mjs: --lib mjs:PATH --module mjs_module:PATH";
        if cases.is_empty() && clouds.is_empty() {
            bail!(what);
        }
        println!("not run: {what}");
        scripts.clear();
    }
    // All clouds are emulated by mosquitto, and scripts run with it alone.
    let with_clouds = has_clouds(&brokers) && !clouds.is_empty();
    let with_scripts = has_clouds(&brokers) && !scripts.is_empty();
    setup::ensure(&packages(&brokers, with_clouds))?;
    for broker in &brokers {
        broker.install().with_context(|| format!("cannot install {}", broker.name()))?;
    }
    eprintln!("building the library, the host and the apps of e2e/interop");
    let apps = build_apps(with_scripts.then_some(&args.places))?;
    let files = Certificates::make(dir().join("certificates"))?;
    let begun = Instant::now();
    let (mut passed, mut failed, mut total) = (0, Vec::new(), 0);
    let cases = brokers.into_iter().map(|broker| (broker, &cases, ""));
    let clouds = with_clouds.then_some((&mosquitto::Mosquitto as &dyn Broker, &clouds, ", emulating clouds"));
    let scripts = with_scripts.then_some((&mosquitto::Mosquitto as &dyn Broker, &scripts, ", with mJS"));
    for (broker, cases, role) in cases.chain(clouds).chain(scripts) {
        println!("{} {}{role}", broker.name(), broker.version()?);
        let (chosen, skipped): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.skip_reason(broker).is_none());
        let begun = Instant::now();
        run_cases(broker, &chosen, &apps, &files, |case, result, time| match result {
            Ok(checks) => {
                passed += 1;
                total += checks.len();
                println!("  ok      {:20} {:3} checks {:5.1} s", case.name(), checks.len(), time.as_secs_f64());
                if args.verbose {
                    checks.iter().for_each(|what| println!("            {what}"));
                }
            }
            Err(error) => {
                println!("  FAILED  {:20} {error:#}", case.name());
                failed.push((format!("{} with {}", case.name(), broker.name()), logs_of(broker, case)));
            }
        });
        println!("  {} scenarios in {:.0} s, {} skipped (see --list)", chosen.len(), begun.elapsed().as_secs_f64(), skipped.len());
    }
    println!("{total} checks in {:.0} s", begun.elapsed().as_secs_f64());
    println!("interop: {passed} passed, {} failed", failed.len());
    if failed.is_empty() {
        return Ok(());
    }
    for (name, logs) in &failed {
        logs.iter().for_each(|log| println!("\n{name}: the end of {}\n{}", log.display(), last_lines(log)));
    }
    let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
    bail!("{} of {} scenarios failed: {}; logs are in {}", failed.len(), passed + failed.len(), names.join(", "), dir().display());
}

/// Where a machine does not keep the logs, these are all that is left of a failure.
const SHOWN_LOGS: usize = 3;
const SHOWN_LINES: usize = 30;

/// The logs of a scenario that were written last.
fn logs_of(broker: &dyn Broker, case: &Case) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir_of(broker, case)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut logs: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "log")).collect();
    logs.sort_by_key(|path| std::cmp::Reverse(std::fs::metadata(path).and_then(|data| data.modified()).ok()));
    logs.truncate(SHOWN_LOGS);
    logs
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

/// All Debian packages that the scenarios need with these brokers; all brokers if there are none.
pub fn packages_of(names: &[String]) -> Result<Vec<Package>> {
    let brokers = chosen(names)?;
    Ok(packages(&brokers, has_clouds(&brokers)))
}

fn packages(brokers: &[&dyn Broker], with_clouds: bool) -> Vec<Package> {
    let common = [setup::COMPILERS, setup::TEST_TOOLS, observer::PACKAGES, scenarios::PACKAGES];
    let clouds = if with_clouds { clouds::PACKAGES } else { &[] };
    common.into_iter().chain([clouds]).chain(brokers.iter().map(|broker| broker.packages())).flatten().copied().collect()
}

/// All clouds are emulated by mosquitto.
fn has_clouds(brokers: &[&dyn Broker]) -> bool {
    brokers.iter().any(|broker| broker.name() == mosquitto::Mosquitto.name())
}

/// The brokers with these names; all if there are none.
fn chosen(names: &[String]) -> Result<Vec<&'static dyn Broker>> {
    if names.is_empty() {
        return Ok(BROKERS.to_vec());
    }
    let find = |name: &String| {
        let known = || BROKERS.iter().map(|broker| broker.name()).collect::<Vec<_>>().join(", ");
        BROKERS
            .iter()
            .find(|broker| broker.name() == name)
            .copied()
            .with_context(|| format!("unknown broker {name:?}; brokers: {}", known()))
    };
    names.iter().map(find).collect()
}

fn list(brokers: &[&dyn Broker], cases: &[Case], clouds: &[Case], scripts: &[Case]) {
    let all = cases.iter().chain(clouds).chain(scripts).map(|case| format!("{:20} {}", case.name(), case.scenario.about));
    let skips = brokers.iter().flat_map(|broker| {
        let skipped = cases.iter().filter_map(|case| case.skip_reason(*broker).map(|why| (case, why)));
        skipped.map(|(case, why)| format!("skipped with {:10} {:20} {why}", broker.name(), case.name()))
    });
    project::print_lines(all.chain(skips));
}

/// Where scenarios leave their files.
fn dir() -> PathBuf {
    project::target_dir().join("interop")
}

fn dir_of(broker: &dyn Broker, case: &Case) -> PathBuf {
    dir().join(broker.name()).join(case.name())
}

/// Builds the apps of the scenarios, from apps/ and examples/; those in JavaScript if there is
/// mJS.
fn build_apps(mjs: Option<&host_app::Places>) -> Result<Apps> {
    let mut apps = Apps::new();
    let path = |name: &str| {
        let own = project::root().join("e2e/interop/apps").join(name);
        if own.is_dir() { own } else { project::root().join("examples").join(name) }
    };
    let building = |name: &str| format!("building {}", path(name).display());
    let names: Vec<_> = scenarios::APPS.iter().chain(clouds::APPS).collect();
    for (number, name) in names.iter().enumerate() {
        eprintln!("app {} of {}: {name}", number + 1, names.len());
        apps.insert(name, host_app::build(&path(name), false).with_context(|| building(name))?);
    }
    for (name, places) in mjs.iter().flat_map(|places| javascript::APPS.iter().map(move |name| (name, places))) {
        apps.insert(name, host_app::build_with(&path(name), places, false).with_context(|| building(name))?);
    }
    Ok(apps)
}

/// A scenario with one transport.
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

    /// Why it is skipped with this broker, if it is.
    fn skip_reason(&self, broker: &dyn Broker) -> Option<&'static str> {
        broker.skips().iter().find(|entry| self.is(entry.what)).map(|entry| entry.why)
    }

    fn is(&self, what: &str) -> bool {
        what == self.scenario.name || what == self.transport.name() || what == self.name()
    }
}

/// Number of scenarios with each broker, without clouds: for the test of docs/testing.md.
pub fn cases_per_broker() -> Vec<(&'static str, usize)> {
    let count = |broker: &dyn Broker| scenarios::ALL.iter().flat_map(Case::of).filter(|case| case.skip_reason(broker).is_none()).count();
    BROKERS.iter().map(|broker| (broker.name(), count(*broker))).collect()
}

/// Runs scenarios with one broker, some in parallel, and reports each when it ends.
fn run_cases(
    broker: &dyn Broker,
    cases: &[&Case],
    apps: &Apps,
    files: &Certificates,
    mut report: impl FnMut(&Case, Result<Vec<String>>, Duration),
) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    // Children die with the thread that spawned them, so the threads must outlive the scenarios.
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL.min(cases.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let dir = dir_of(broker, case);
                    let result = Fixture::new(broker, case.transport, apps, files, dir, begun + LIMIT).and_then(|fixture| {
                        (case.scenario.run)(&fixture)?;
                        Ok(fixture.checks())
                    });
                    // The receiver is gone only if the report panicked.
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
    fn skips_name_an_existing_scenario_or_transport() {
        let cases: Vec<Case> = scenarios::ALL.iter().flat_map(Case::of).collect();
        for broker in BROKERS {
            for entry in broker.skips() {
                let known = cases.iter().any(|case| case.is(entry.what));
                assert!(known, "{}: no scenario or transport {}", broker.name(), entry.what);
            }
        }
    }
}
