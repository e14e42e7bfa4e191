//! The walks: commands that a document shows, run as they stand there, one after another, as a newcomer types them. Each checks that what
//! the document promises is to be seen. A command that is not found in the text any more is an error.
//!
//! Not here: commands that a step of `cargo xtask ci` runs anyway. Which those are, and what is run nowhere, is in commands.rs.

use anyhow::{Context, Result, ensure};

use super::sandbox::{self, Sandbox};
use super::text::{blocks, fence, spans};
use crate::process::Process;
use crate::project;

/// A walk through a part of a document.
pub struct Example {
    pub name: &'static str,
    pub page: &'static str,
    /// Its blocks of commands, each known by how one of its lines begins.
    pub known_by: &'static [&'static str],
    run: fn(&Sandbox, &Text) -> Result<()>,
}

const RUN: &str = "cargo xtask run examples/telemetry";
const RUN_TRACED: &str = "cargo xtask run examples/telemetry -- --set mqtt.server=localhost:1883 --trace";

pub const ALL: &[Example] = &[
    Example { name: "c-program", page: "README.md", known_by: &["cargo xtask sdk"], run: c_program },
    Example { name: "trace", page: "README.md", known_by: &[RUN_TRACED], run: trace },
    Example { name: "host", page: "host/README.md", known_by: &[RUN], run: host },
    Example { name: "host-capture", page: "host/README.md", known_by: &["tshark "], run: capture },
    Example { name: "host-trace", page: "host/README.md", known_by: &[RUN_TRACED], run: trace },
    Example { name: "tls", page: "examples/tls/README.md", known_by: &["new client ", "cargo xtask run examples/tls"], run: tls },
];

/// What a walk goes by.
struct Text {
    page: &'static str,
    whole: String,
    blocks: Vec<Vec<String>>,
}

impl Example {
    pub fn run(&self) -> Result<()> {
        let text = Text::of(self)?;
        let sandbox = Sandbox::new(self.name)?;
        (self.run)(&sandbox, &text).with_context(|| format!("{}; what was printed is in {}", self.page, sandbox.dir.display()))
    }
}

impl Text {
    fn of(example: &Example) -> Result<Text> {
        let file = project::root().join(example.page);
        let whole = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let all = blocks(&whole);
        let find = |start: &&str| {
            let block = all.iter().find(|block| block.iter().any(|line| line.starts_with(start)));
            let block = block.with_context(|| format!("{} does not show the command {start:?} any more", example.page))?;
            Ok(block.iter().map(|line| (*line).to_owned()).collect())
        };
        let blocks = example.known_by.iter().map(find).collect::<Result<_>>()?;
        Ok(Text { page: example.page, whole, blocks })
    }

    /// The line that begins so, of any block.
    fn line(&self, start: &str) -> Result<&str> {
        let line = self.blocks.iter().flatten().find(|line| line.starts_with(start));
        line.map(String::as_str).with_context(|| format!("{} does not say {start:?} any more", self.page))
    }

    /// What is to be seen, as the page has it in backticks: the first that has these words in it.
    fn promise(&self, words: &str) -> Result<&str> {
        let promise = self.whole.lines().flat_map(spans).find(|span| span.contains(words));
        promise.with_context(|| format!("{} does not say any more what one sees: {words:?}", self.page))
    }

    /// All lines of its first block.
    fn lines(&self) -> Vec<&str> {
        self.blocks.iter().take(1).flatten().map(String::as_str).collect()
    }
}

/// End it as a user does, and see that it takes that well.
fn end(mut app: Process) -> Result<()> {
    app.signal(libc::SIGTERM);
    let status = app.wait_for_end()?;
    ensure!(status.success(), "after SIGTERM the app ended with {status}:\n{}", app.lines().join("\n"));
    Ok(())
}

fn c_program(sandbox: &Sandbox, text: &Text) -> Result<()> {
    let program = fence(&text.whole, "c").with_context(|| format!("{} has no program in C any more", text.page))?;
    let source = text.line("cc ")?.split_whitespace().find(|word| word.ends_with(".c")).context("cc is not given a .c file")?;
    std::fs::write(sandbox.dir.join(source), program)?;
    let promised = text.promise("greetings: ")?;
    let _broker = sandbox.broker()?;
    let printed = sandbox.run("", &text.lines())?;
    ensure!(printed.iter().any(|line| line == promised), "the program does not print {promised:?}:\n{}", printed.join("\n"));
    ensure!(!printed.iter().any(|line| line.contains("warning:")), "the compiler warns:\n{}", printed.join("\n"));
    Ok(())
}

fn host(sandbox: &Sandbox, text: &Text) -> Result<()> {
    let _broker = sandbox.broker()?;
    let mut app = sandbox.start("", text.line("cargo ")?)?;
    app.wait_for_text("cloud: connected")?;
    end(app)
}

fn trace(sandbox: &Sandbox, text: &Text) -> Result<()> {
    let _broker = sandbox.broker()?;
    let mut app = sandbox.start("", text.line("cargo ")?)?;
    for packet in ["-> CONNECT ", "<- CONNACK 0", "-> PUBLISH "] {
        app.wait_for(&format!("{packet:?} in the trace"), |line| (line.starts_with("trace ") && line.contains(packet)).then_some(()))?;
    }
    end(app)
}

fn capture(sandbox: &Sandbox, text: &Text) -> Result<()> {
    let _broker = sandbox.broker()?;
    let mut app = sandbox.start("", text.line("cargo ")?)?;
    app.wait_for_text("cloud: connected")?;
    app.wait_for_text(" at QoS 1")?;
    end(app)?;
    let seen = sandbox.run("", &[text.line("tshark ")?])?;
    for packet in ["Connect Command", "Connect Ack", "Publish Message"] {
        ensure!(seen.iter().any(|line| line.contains(packet)), "tshark shows no {packet:?}:\n{}", seen.join("\n"));
    }
    Ok(())
}

/// Where the document has the broker's configuration written: taken away afterwards.
const TRY_CONF: &str = "/tmp/try.conf";

fn tls(sandbox: &Sandbox, text: &Text) -> Result<()> {
    const PORT: u16 = 8883;
    const FOLDER: &str = "examples/tls";
    ensure!(sandbox::is_free(PORT), "port {PORT}, which {} has mosquitto on, is taken by another program", text.page);
    let lines = text.lines();
    let (broker, before) = lines.split_last().context("no commands")?;
    ensure!(broker.contains("mosquitto -c "), "the last line does not start mosquitto: {broker}");
    let promised = text.promise("has arrived")?;
    let result = (|| {
        sandbox.run(FOLDER, before)?;
        let mut broker = sandbox.start(FOLDER, broker)?;
        broker.wait_until_listening(sandbox::on_loopback(PORT))?;
        let mut app = sandbox.start("", text.line("cargo ")?)?;
        app.wait_for_text(promised)?;
        end(app)
    })();
    // Only one that was written is there.
    let _ = std::fs::remove_file(TRY_CONF);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_finds_its_commands_in_its_document() {
        for example in ALL {
            Text::of(example).unwrap_or_else(|error| panic!("{}: {error:#}", example.name));
        }
    }

    #[test]
    fn a_command_that_a_document_does_not_show_any_more_is_an_error() {
        let gone = Example { known_by: &["cargo xtask no-such-command"], ..ALL[0] };
        assert!(Text::of(&gone).is_err());
        assert!(Text::of(&ALL[0]).unwrap().line("c++ ").is_err());
    }
}
