//! `cargo xtask interop`: the whole library against real brokers. Apps in C from interop/, built as for `cargo xtask run`, talk to a broker
//! that runs on loopback for this one conversation; other clients (mosquitto_pub, mosquitto_sub) look on and join in.
//!
//! Here: the table of brokers, which conversations are held with which, and the report. A conversation is in talks/.

mod aedes;
mod amqtt;
pub mod broker;
mod clouds;
mod link;
pub mod mosquitto;
pub mod observer;
pub mod over;
mod rabbitmq;
mod rumqttd;
mod stage;
pub mod talks;
mod web;
mod workshop;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use broker::Broker;
use over::{Certificates, Over};
use stage::{Apps, Stage};
use talks::Talk;

use crate::{app, project, setup};

/// Each conversation is held with each of these, but for what it says it leaves out.
const BROKERS: &[&dyn Broker] = &[&mosquitto::Mosquitto, &rumqttd::Rumqttd, &aedes::Aedes, &amqtt::Amqtt, &rabbitmq::Rabbitmq];

/// How long one conversation may take: far more than it needs, as the machine may be busy.
const LIMIT: Duration = Duration::from_secs(180);

/// So many conversations at a time.
const AT_ONCE: usize = 2;

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
    let wanted = |part: &Part| args.words.is_empty() || args.words.iter().any(|word| part.name().contains(word.as_str()));
    let parts: Vec<Part> = talks::ALL.iter().flat_map(Part::of).filter(wanted).collect();
    let clouds: Vec<Part> = clouds::ALL.iter().flat_map(Part::of).filter(wanted).collect();
    if parts.is_empty() && clouds.is_empty() {
        let names: Vec<_> = talks::ALL.iter().chain(clouds::ALL).map(|talk| talk.name).collect();
        bail!("no conversation is called so; there are: {}", names.join(", "));
    }
    if args.list {
        list(&brokers, &parts, &clouds);
        return Ok(());
    }
    setup::ensure(setup::COMPILERS)?;
    setup::ensure(setup::TEST_TOOLS)?;
    setup::ensure(observer::PACKAGES)?;
    setup::ensure(talks::PACKAGES)?;
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
    let parts = brokers.into_iter().map(|broker| (broker, &parts, ""));
    let clouds = with_clouds.then_some((&mosquitto::Mosquitto as &dyn Broker, &clouds, ", in the place of clouds"));
    for (broker, parts, as_what) in parts.chain(clouds) {
        println!("{} {}{as_what}", broker.name(), broker.version()?);
        let (held, left_out): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part.left_out(broker).is_none());
        let begun = Instant::now();
        hold(broker, &held, &apps, &files, |part, result, time| match result {
            Ok(shown) => {
                passed += 1;
                checks += shown.len();
                println!("  ok      {:18} {:3} checks {:5.1} s", part.name(), shown.len(), time.as_secs_f64());
                if args.verbose {
                    shown.iter().for_each(|what| println!("            {what}"));
                }
            }
            Err(error) => {
                failed += 1;
                println!("  FAILED  {:18} {error:#}", part.name());
            }
        });
        println!("  {} held in {:.0} s, {} left out: see --list", held.len(), begun.elapsed().as_secs_f64(), left_out.len());
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

fn list(brokers: &[&dyn Broker], parts: &[Part], clouds: &[Part]) {
    for part in parts.iter().chain(clouds) {
        println!("{:18} {}", part.name(), part.talk.about);
    }
    for broker in brokers {
        for part in parts {
            if let Some(why) = part.left_out(*broker) {
                println!("not with {:10} {:18} {why}", broker.name(), part.name());
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
    for name in talks::APPS.iter().chain(clouds::APPS) {
        let root = project::root();
        let own = root.join("interop").join(name);
        let path: &Path = if own.is_dir() { &own } else { &root.join("examples").join(name) };
        apps.insert(name, app::build(path, false).with_context(|| format!("building {}", path.display()))?);
    }
    Ok(apps)
}

/// A conversation over one kind of connection.
struct Part {
    talk: &'static Talk,
    over: Over,
}

impl Part {
    fn of(talk: &'static Talk) -> impl Iterator<Item = Part> {
        talk.over.iter().map(move |&over| Part { talk, over })
    }

    fn name(&self) -> String {
        format!("{}-{}", self.talk.name, self.over.name())
    }

    /// Why it is not held with this broker, if so.
    fn left_out(&self, broker: &dyn Broker) -> Option<&'static str> {
        broker.left_out().iter().find(|entry| self.is(entry.what)).map(|entry| entry.why)
    }

    fn is(&self, what: &str) -> bool {
        what == self.talk.name || what == self.over.name() || what == self.name()
    }
}

/// How many conversations are held with which broker, those of clouds left aside: for the test of what docs/interop.md tells of it.
#[cfg(test)]
pub fn held_with_each_broker() -> Vec<(&'static str, usize)> {
    let held = |broker: &dyn Broker| talks::ALL.iter().flat_map(Part::of).filter(|part| part.left_out(broker).is_none()).count();
    BROKERS.iter().map(|broker| (broker.name(), held(*broker))).collect()
}

/// Hold conversations with one broker, several at a time, and report each as it ends.
fn hold(
    broker: &dyn Broker,
    parts: &[&Part],
    apps: &Apps,
    files: &Certificates,
    mut report: impl FnMut(&Part, Result<Vec<String>>, Duration),
) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    // Children die with the thread that started them, so the threads are to last until all is over.
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(parts.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let dir = dir().join(broker.name()).join(part.name());
                    let result = Stage::new(broker, part.over, apps, files, dir, begun + LIMIT).and_then(|stage| {
                        (part.talk.hold)(&stage)?;
                        Ok(stage.shown())
                    });
                    // Nobody listens only if the report has panicked.
                    let _ = sender.send((part, result, begun.elapsed()));
                }
            });
        }
        drop(sender);
        for (part, result, time) in results {
            report(part, result, time);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_leaves_out_is_a_conversation_or_a_kind_of_connection() {
        let parts: Vec<Part> = talks::ALL.iter().flat_map(Part::of).collect();
        for broker in BROKERS {
            for entry in broker.left_out() {
                let known = parts.iter().any(|part| part.is(entry.what));
                assert!(known, "{}: there is no {}", broker.name(), entry.what);
            }
        }
    }
}
