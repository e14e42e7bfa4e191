//! `--isolation`: many connections in one app (e2e/soak/apps/many), each with its own user, one of them
//! through a proxy that keeps cutting it. The others must keep their connection and must not lose,
//! duplicate or mix up messages.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use project::process::Process;
use test_kit::broker::{Running, Setup};
use test_kit::proxy::Proxy;
use test_kit::transport::Certificates;
use test_kit::workdir;

use super::broker::SoakBroker;
use super::draw;

const CONNECTIONS: usize = 64;

/// Messages per connection and QoS.
const MESSAGES: usize = 300;

/// Reached only by a hang.
const LIMIT: Duration = Duration::from_secs(180);

pub fn run(seed: u64, dir: &Path, files: &Certificates) -> Result<()> {
    eprintln!("building the library, the host and e2e/soak/apps/many");
    let built = host_app::build(&project::root().join("e2e/soak/apps/many"), false)?;
    let end = Instant::now() + LIMIT;
    let kind = SoakBroker::default();
    let setup = Setup { login: Some(("u0", "p0")), lines: access(dir)?, ..Setup::default() };
    let broker = Running::start(&kind, &setup, files, dir, end)?;
    let proxy = Proxy::start(&[broker.address], draw::plan(seed, 1000, vec![0]), Arc::new(()))?;

    let mut command = built.command(&[
        ("device.id", &"many"),
        ("debug.level", &1),
        ("many.connections", &CONNECTIONS),
        ("many.messages", &MESSAGES),
        ("many.server", &broker.address),
        ("many.cut", &proxy.endpoints[0]),
    ]);
    command.env("MGOS_HOST_SEED", seed.to_string());
    let mut app = Process::start("many", &mut command, &dir.join("many.log"), end)?;
    app.wait_for_text("isolation")?;
    // The cut connection must receive all of its messages, too.
    proxy.inject(false);
    app.wait_for_text("done")?;
    ensure!(app.wait_for_end()?.success(), "the app did not exit cleanly");

    let cuts = proxy.cuts();
    let lines = app.lines();
    let all: Vec<Report> = lines.iter().filter_map(|line| Report::parse(line)).collect();
    ensure!(all.len() == CONNECTIONS, "{} of {CONNECTIONS} connections reported", all.len());
    let (cut, others) = all.split_first().context("no connection")?;
    println!("{CONNECTIONS} connections in one app, {MESSAGES} messages each at QoS 1 and QoS 2, echoed back");
    println!("  the one that is cut: {} connections, {} cuts, {} duplicates at QoS 1", cut.connected, cuts, cut.flows[0].duplicated);
    let sum = |of: fn(&Report) -> usize| others.iter().map(of).sum::<usize>();
    println!(
        "  the other {}: {} connections, {} disconnects, {} messages arrived, {} duplicates, {} out of order",
        others.len(),
        sum(|one| one.connected),
        sum(|one| one.closed),
        sum(|one| one.flows.iter().map(|flow| flow.got).sum()),
        sum(|one| one.flows.iter().map(|flow| flow.duplicated).sum()),
        sum(|one| one.flows.iter().map(|flow| flow.reordered).sum()),
    );
    let bad: Vec<_> = all.iter().enumerate().filter(|(n, one)| !one.passed(*n == 0)).map(|(_, one)| format!("{one:?}")).collect();
    ensure!(bad.is_empty(), "FAIL:\n  {}", bad.join("\n  "));
    ensure!(cuts >= 50, "only {cuts} cuts: too few to disturb the others");
    println!("isolation: PASS");
    Ok(())
}

/// Lines of the broker's configuration: users and their topics.
fn access(dir: &Path) -> Result<String> {
    let users: String = (0..CONNECTIONS).map(|n| format!("u{n}:p{n}\n")).collect();
    let passwords = workdir::write(dir, "passwords", &users)?;
    project::run(Command::new("mosquitto_passwd").arg("-U").arg(&passwords))?;
    let rules = workdir::write(dir, "rules", "pattern readwrite many/%u/#\n")?;
    Ok(format!("password_file {}\nacl_file {}\n", passwords.display(), rules.display()))
}

/// Messages at one QoS.
#[derive(Debug)]
struct Flow {
    got: usize,
    duplicated: usize,
    reordered: usize,
    stray: usize,
}

/// What a connection reported.
#[derive(Debug)]
#[allow(dead_code, reason = "shown with Debug")]
struct Report {
    user: String,
    connected: usize,
    closed: usize,
    flows: [Flow; 2],
}

impl Report {
    /// Parses a line of e2e/soak/apps/many/src/main.c.
    fn parse(line: &str) -> Option<Report> {
        let mut words = line.strip_prefix("conn ")?.split(' ').skip(1);
        let user = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        let (connected, closed) = (number()?, number()?);
        let mut flow = || Some(Flow { got: number()?, duplicated: number()?, reordered: number()?, stray: number()? });
        Some(Report { user, connected, closed, flows: [flow()?, flow()?] })
    }

    /// A lost message shows as `reordered`: its successor comes before its turn.
    fn passed(&self, cut: bool) -> bool {
        let right =
            |flow: &Flow, once: bool| flow.got == MESSAGES && flow.reordered == 0 && flow.stray == 0 && (!once || flow.duplicated == 0);
        let connected = if cut { self.connected > 1 } else { self.connected == 1 && self.closed == 0 };
        connected && right(&self.flows[0], !cut) && right(&self.flows[1], true)
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn a_second_connection_or_a_duplicate_counts_as_disturbance() {
        let one = |line: &str| Report::parse(line).unwrap();
        assert!(one("conn 3 u3 1 0 300 0 0 0 300 0 0 0").passed(false));
        assert!(!one("conn 3 u3 2 1 300 0 0 0 300 0 0 0").passed(false));
        assert!(!one("conn 3 u3 1 0 300 1 0 0 300 0 0 0").passed(false));
        assert!(one("conn 0 u0 9 8 300 1 0 0 300 0 0 0").passed(true));
        assert!(!one("conn 0 u0 9 8 300 1 0 0 300 1 0 0").passed(true));
        assert!(!one("conn 0 u0 9 8 300 1 1 0 300 0 0 0").passed(true));
        assert!(Report::parse("conn 0 u0 9").is_none());
    }
}
