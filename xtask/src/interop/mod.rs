//! `cargo xtask interop`: the whole library against real brokers. Apps in C from interop/, built as for `cargo xtask run`, talk to a broker
//! that runs on loopback for this one conversation; other clients (mosquitto_pub, mosquitto_sub) look on and join in.
//!
//! Here: the table of brokers, which conversations are held with which, and the report. A conversation is in talks/.

mod broker;
mod link;
mod mosquitto;
mod observer;
mod process;
mod stage;
mod talks;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use broker::Broker;
use stage::{Apps, Stage};
use talks::Talk;

use crate::{app, project, setup};

/// Each conversation is held with each of these.
const BROKERS: &[&dyn Broker] = &[&mosquitto::Mosquitto];

/// How long one conversation may take: far more than it needs, as the machine may be busy.
const LIMIT: Duration = Duration::from_secs(90);

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
    /// Only conversations with one of these words in their name
    words: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    let wanted = |talk: &Talk| args.words.is_empty() || args.words.iter().any(|word| talk.name.contains(word.as_str()));
    let talks: Vec<&Talk> = talks::ALL.iter().filter(|talk| wanted(talk)).collect();
    if talks.is_empty() {
        let names: Vec<_> = talks::ALL.iter().map(|talk| talk.name).collect();
        bail!("no conversation is called so; there are: {}", names.join(", "));
    }
    if args.list {
        for talk in talks {
            println!("{:12} {}", talk.name, talk.about);
        }
        return Ok(());
    }
    setup::ensure(setup::COMPILERS)?;
    for broker in BROKERS {
        setup::ensure(broker.packages())?;
    }
    eprintln!("building the library, the host and the apps of interop/");
    let apps = build_apps()?;
    let begun = Instant::now();
    let mut failed = 0;
    let mut checks = 0;
    for broker in BROKERS {
        println!("{} {}", broker.name(), broker.version()?);
        hold(*broker, &talks, &apps, |talk, result, time| match result {
            Ok(shown) => {
                checks += shown.len();
                println!("  ok      {:12} {:3} checks {:5.1} s", talk.name, shown.len(), time.as_secs_f64());
                if args.verbose {
                    shown.iter().for_each(|what| println!("            {what}"));
                }
            }
            Err(error) => {
                failed += 1;
                println!("  FAILED  {:12} {error:#}", talk.name);
            }
        });
    }
    let all = talks.len() * BROKERS.len();
    println!("{checks} checks in {:.0} s", begun.elapsed().as_secs_f64());
    println!("interop: {} passed, {failed} failed", all - failed);
    if failed > 0 {
        bail!("{failed} of {all} conversations failed; their logs are in {}", dir().display());
    }
    Ok(())
}

/// All that the conversations leave behind.
fn dir() -> std::path::PathBuf {
    project::target_dir().join("interop")
}

/// Build the apps that conversations use: those below interop/, and the examples.
fn build_apps() -> Result<Apps> {
    let mut apps = Apps::new();
    for name in talks::APPS {
        let root = project::root();
        let own = root.join("interop").join(name);
        let path: &Path = if own.is_dir() { &own } else { &root.join("examples").join(name) };
        apps.insert(name, app::build(path, false).with_context(|| format!("building {}", path.display()))?);
    }
    Ok(apps)
}

/// Hold conversations with one broker, several at a time, and report each as it ends.
fn hold(broker: &dyn Broker, talks: &[&Talk], apps: &Apps, mut report: impl FnMut(&Talk, Result<Vec<String>>, Duration)) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    // Children die with the thread that started them, so the threads are to last until all is over.
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(talks.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(talk) = talks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let dir = dir().join(broker.name()).join(talk.name);
                    let result = Stage::new(broker, apps, dir, begun + LIMIT).and_then(|stage| {
                        (talk.hold)(&stage)?;
                        Ok(stage.shown())
                    });
                    // Nobody listens only if the report has panicked.
                    let _ = sender.send((*talk, result, begun.elapsed()));
                }
            });
        }
        drop(sender);
        for (talk, result, time) in results {
            report(talk, result, time);
        }
    });
}
