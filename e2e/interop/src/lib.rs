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
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use fixture::{Apps, Fixture};
use parking_lot::Mutex;
use project::files;
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
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(BROKERS.iter().map(|broker| broker.name())))]
    broker: Vec<String>,
    /// Only scenarios whose name contains one of these words, for example: cut, tls, cut-wss
    words: Vec<String>,
    #[command(flatten, next_help_heading = "mJS, for the scenario javascript")]
    places: host_app::Places,
}

pub fn run(args: Args) -> Result<()> {
    let brokers = chosen(&args.broker);
    let wanted = |case: &Case| args.words.is_empty() || args.words.iter().any(|word| case.name().contains(word.as_str()));
    let of = |scenarios: &'static [Scenario]| scenarios.iter().flat_map(Case::of).filter(wanted).collect::<Vec<_>>();
    let (cases, clouds, mut scripts) = (of(scenarios::ALL), of(clouds::ALL), of(javascript::ALL));
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
    setup::ensure(&packages(&brokers, !clouds.is_empty()))?;
    for broker in &brokers {
        broker.install().with_context(|| format!("cannot install {}", broker.name()))?;
    }
    eprintln!("building the library, the host and the apps of e2e/interop");
    let apps = build_apps((!scripts.is_empty()).then_some(&args.places))?;
    let files = Certificates::make(dir().join("certificates"))?;
    let begun = Instant::now();
    let (mut passed, mut failed, mut total) = (0, Vec::new(), 0);
    let mut groups: Vec<_> = brokers.iter().map(|broker| (*broker, &cases, "")).collect();
    // All clouds are emulated by mosquitto, and scripts run with it alone.
    for broker in brokers.iter().filter(|broker| is_mosquitto(**broker)) {
        groups.extend([(*broker, &clouds, ", emulating clouds"), (*broker, &scripts, ", with mJS")]);
    }
    for (broker, cases, role) in groups.into_iter().filter(|(_, cases, _)| !cases.is_empty()) {
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
    let mut logs = files::list(&dir_of(broker, case)).unwrap_or_default();
    logs.retain(|path| files::ends_in(path, &["log"]));
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
pub fn packages_of(names: &[String]) -> Vec<Package> {
    packages(&chosen(names), true)
}

fn packages(brokers: &[&dyn Broker], with_clouds: bool) -> Vec<Package> {
    let common = [setup::COMPILERS, setup::TEST_TOOLS, observer::PACKAGES, scenarios::PACKAGES];
    let clouds = if with_clouds && brokers.iter().any(|broker| is_mosquitto(*broker)) { clouds::PACKAGES } else { &[] };
    common.into_iter().chain([clouds]).chain(brokers.iter().map(|broker| broker.about().packages)).flatten().copied().collect()
}

/// Emulates all clouds, and runs the scripts.
fn is_mosquitto(broker: &dyn Broker) -> bool {
    broker.name() == mosquitto::Mosquitto.name()
}

/// The brokers with these names; all if there are none.
fn chosen(names: &[String]) -> Vec<&'static dyn Broker> {
    BROKERS.iter().copied().filter(|broker| names.is_empty() || names.iter().any(|name| name == broker.name())).collect()
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

/// Builds the apps of apps/ and examples/; those in JavaScript if there is mJS.
fn build_apps(mjs: Option<&host_app::Places>) -> Result<Apps> {
    let mut dirs = Vec::new();
    for parent in ["e2e/interop/apps", "examples"].map(|dir| project::root().join(dir)) {
        dirs.extend(files::list(&parent)?.into_iter().filter(|dir| dir.join("mos.yml").is_file() && !dir.ends_with("check")));
    }
    let name_of = |dir: &Path| dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_script = |dir: &Path| javascript::APPS.contains(&&*name_of(dir));
    dirs.retain(|dir| mjs.is_some() || !is_script(dir));
    dirs.sort();
    let mut apps = Apps::new();
    for (number, dir) in dirs.iter().enumerate() {
        eprintln!("app {} of {}: {}", number + 1, dirs.len(), name_of(dir));
        let built = match mjs.filter(|_| is_script(dir)) {
            Some(places) => host_app::build_with(dir, places, false),
            None => host_app::build(dir, false),
        };
        apps.insert(name_of(dir), built.with_context(|| format!("building {}", dir.display()))?);
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
        broker.about().skips.iter().find(|entry| self.is(entry.what)).map(|entry| entry.why)
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
    report: impl FnMut(&Case, Result<Vec<String>>, Duration) + Send,
) {
    let report = Mutex::new(report);
    // Children die with the thread that spawned them: here it outlives the scenario.
    project::some_at_a_time(PARALLEL, cases.len(), |i| {
        let (case, begun) = (cases[i], Instant::now());
        let fixture = Fixture::new(broker, case.transport, apps, files, dir_of(broker, case), begun + LIMIT);
        let result = fixture.and_then(|fixture| (case.scenario.run)(&fixture).map(|()| fixture.checks()));
        report.lock()(case, result, begun.elapsed());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_name_an_existing_scenario_or_transport() {
        let cases: Vec<Case> = scenarios::ALL.iter().flat_map(Case::of).collect();
        for broker in BROKERS {
            for entry in broker.about().skips {
                let known = cases.iter().any(|case| case.is(entry.what));
                assert!(known, "{}: no scenario or transport {}", broker.name(), entry.what);
            }
        }
    }
}
