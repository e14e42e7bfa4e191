//! `cargo xtask bench --throughput`: messages per second to a broker and back, and memory use, of
//! this library on the host and of two other clients, one after another against the same mosquitto.
//! The clients are in bench/throughput.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use project::process::Process;
use project::setup::{self, Package, installed, program};
use test_kit::broker::free_addresses;
use test_kit::mosquitto;

use crate::figures;

/// The result of one client at one QoS.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs per client.
const ROUNDS: u32 = 3;

/// A client under test.
struct Client {
    name: &'static str,
    program: PathBuf,
    ours: bool,
}

/// The clients that it is compared with, and the broker.
pub const PEERS: &[Package] = &[installed("libmosquitto-dev"), installed("libpaho-mqtt-dev"), program("mosquitto", "mosquitto")];

pub fn run(messages: u32, release: bool) -> Result<()> {
    setup::ensure(&[setup::COMPILERS, PEERS].concat())?;
    let dir = project::target_dir().join("throughput");
    fs_err::create_dir_all(&dir)?;
    let source = project::root().join("bench/throughput");
    let clients = [
        Client { name: "mgos-mqtt", program: host_app::build(&source, release)?.program, ours: true },
        Client { name: "libmosquitto", program: compile(&source, &dir, "mosquitto", "-lmosquitto")?, ours: false },
        Client { name: "paho-mqtt-c", program: compile(&source, &dir, "paho", "-lpaho-mqtt3a")?, ours: false },
    ];
    let (_broker, port) = broker(&dir)?;
    println!("{:<14} {:>12} {:>12} {:>12} {:>12}", "messages/s", "QoS 0", "QoS 1", "QoS 2", "memory, KiB");
    // Take turns and keep the best of several runs: other programs on the machine only slow a run
    // down.
    let mut results = [[0; 4]; 3];
    for _ in 0..ROUNDS {
        for (client, best) in clients.iter().zip(&mut results) {
            for qos in 0..3 {
                let (rate, memory) = client.run(&dir, port, qos, messages)?;
                best[qos] = rate.max(best[qos]);
                best[3] = memory.max(best[3]);
            }
        }
    }
    let row = |name: &str, cells: [String; 4]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>12}")).collect();
        println!("{name:<14}{cells}");
    };
    for (client, columns) in clients.iter().zip(results) {
        row(client.name, columns.map(figures::grouped));
    }
    for (client, theirs) in clients.iter().zip(results).skip(1) {
        row(&format!("to {}", client.name), [0, 1, 2, 3].map(|i| format!("{:.2}", results[0][i] as f64 / theirs[i] as f64)));
    }
    Ok(())
}

fn compile(source: &Path, dir: &Path, name: &str, library: &str) -> Result<PathBuf> {
    let program = dir.join(name);
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]).arg(source.join(format!("src/{name}.c")));
    project::run(cc.arg(library).arg("-o").arg(&program))?;
    Ok(program)
}

/// A mosquitto without queue limits, and its port.
fn broker(dir: &Path) -> Result<(Process, u16)> {
    let port = free_addresses::<1>()?[0].port();
    let conf = format!(
        "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\nset_tcp_nodelay true\n\
         log_dest stderr\nlog_type notice\nlog_type information\n"
    );
    let (mut command, end) = (mosquitto::started_with(dir, &conf)?, Instant::now() + 10 * PATIENCE);
    let mut process = Process::start("mosquitto", &mut command, &dir.join("mosquitto.log"), end)?;
    process.wait_for_text("running")?;
    Ok((process, port))
}

impl Client {
    /// Messages per second, and memory in KiB.
    fn run(&self, dir: &Path, port: u16, qos: usize, messages: u32) -> Result<(u64, u64)> {
        let mut command = Command::new(&self.program);
        if self.ours {
            for setting in [
                format!("mqtt.server=127.0.0.1:{port}"),
                format!("echo.qos={qos}"),
                format!("echo.messages={messages}"),
                "debug.level=1".into(),
            ] {
                command.args(["--set", &setting]);
            }
        } else {
            command.args([port.to_string(), qos.to_string(), messages.to_string()]);
        }
        command.current_dir(dir);
        let log = dir.join(format!("{}.log", self.name));
        let mut process = Process::start(self.name, &mut command, &log, Instant::now() + PATIENCE)?;
        let line = process.wait_for("the end", |line| line.strip_prefix("done ").map(String::from))?;
        let status = process.wait_for_end()?;
        ensure!(status.success(), "{}: {status}; see {}", self.name, log.display());
        let (rate, memory) = line.split_once(' ').with_context(|| format!("{}: {line:?} is not a result", self.name))?;
        Ok((rate.parse()?, memory.trim().parse()?))
    }
}
