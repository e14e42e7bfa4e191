//! The walks: commands that a document shows, run as they stand there, one after another, as a newcomer types them. Each checks that what
//! the document promises is to be seen. A command that is not found in the text any more is an error.
//!
//! Not here: commands that a step of `cargo xtask ci` runs anyway. Which those are, and what is run nowhere, is in commands.rs.

use anyhow::{Context, Result, ensure};

use super::place::{self, Place};
use super::text::{blocks, fence, spans};
use crate::process::Process;
use crate::project;

/// A walk through a part of a document.
pub struct Walk {
    pub name: &'static str,
    pub page: &'static str,
    /// Its blocks of commands, each known by how one of its lines begins.
    pub known_by: &'static [&'static str],
    walk: fn(&Place, &Text) -> Result<()>,
}

const RUN: &str = "cargo xtask run examples/telemetry";
const RUN_TRACED: &str = "cargo xtask run examples/telemetry -- --set mqtt.server=localhost:1883 --trace";

pub const ALL: &[Walk] = &[
    Walk { name: "c-program", page: "README.md", known_by: &["cargo xtask sdk"], walk: c_program },
    Walk { name: "trace", page: "README.md", known_by: &[RUN_TRACED], walk: trace },
    Walk { name: "host", page: "host/README.md", known_by: &[RUN], walk: host },
    Walk { name: "host-capture", page: "host/README.md", known_by: &["tshark "], walk: capture },
    Walk { name: "host-trace", page: "host/README.md", known_by: &[RUN_TRACED], walk: trace },
    Walk { name: "tls", page: "examples/tls/README.md", known_by: &["new client ", "cargo xtask run examples/tls"], walk: tls },
];

/// What a walk goes by.
struct Text {
    page: &'static str,
    whole: String,
    blocks: Vec<Vec<String>>,
}

impl Walk {
    pub fn run(&self) -> Result<()> {
        let text = Text::of(self)?;
        let place = Place::new(self.name)?;
        (self.walk)(&place, &text).with_context(|| format!("{}; what was printed is in {}", self.page, place.dir.display()))
    }
}

impl Text {
    fn of(walk: &Walk) -> Result<Text> {
        let file = project::root().join(walk.page);
        let whole = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let all = blocks(&whole);
        let find = |start: &&str| {
            let block = all.iter().find(|block| block.iter().any(|line| line.starts_with(start)));
            let block = block.with_context(|| format!("{} does not show the command {start:?} any more", walk.page))?;
            Ok(block.iter().map(|line| (*line).to_owned()).collect())
        };
        let blocks = walk.known_by.iter().map(find).collect::<Result<_>>()?;
        Ok(Text { page: walk.page, whole, blocks })
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

fn c_program(place: &Place, text: &Text) -> Result<()> {
    let program = fence(&text.whole, "c").with_context(|| format!("{} has no program in C any more", text.page))?;
    let source = text.line("cc ")?.split_whitespace().find(|word| word.ends_with(".c")).context("cc is not given a .c file")?;
    std::fs::write(place.dir.join(source), program)?;
    let promised = text.promise("greetings: ")?;
    let _broker = place.broker()?;
    let printed = place.run("", &text.lines())?;
    ensure!(printed.iter().any(|line| line == promised), "the program does not print {promised:?}:\n{}", printed.join("\n"));
    ensure!(!printed.iter().any(|line| line.contains("warning:")), "the compiler warns:\n{}", printed.join("\n"));
    Ok(())
}

fn host(place: &Place, text: &Text) -> Result<()> {
    let _broker = place.broker()?;
    let mut app = place.start("", text.line("cargo ")?)?;
    app.wait_for_text("cloud: connected")?;
    end(app)
}

fn trace(place: &Place, text: &Text) -> Result<()> {
    let _broker = place.broker()?;
    let mut app = place.start("", text.line("cargo ")?)?;
    for packet in ["-> CONNECT ", "<- CONNACK 0", "-> PUBLISH "] {
        app.wait_for(&format!("{packet:?} in the trace"), |line| (line.starts_with("trace ") && line.contains(packet)).then_some(()))?;
    }
    end(app)
}

fn capture(place: &Place, text: &Text) -> Result<()> {
    let _broker = place.broker()?;
    let mut app = place.start("", text.line("cargo ")?)?;
    app.wait_for_text("cloud: connected")?;
    app.wait_for_text(" at QoS 1")?;
    end(app)?;
    let seen = place.run("", &[text.line("tshark ")?])?;
    for packet in ["Connect Command", "Connect Ack", "Publish Message"] {
        ensure!(seen.iter().any(|line| line.contains(packet)), "tshark shows no {packet:?}:\n{}", seen.join("\n"));
    }
    Ok(())
}

/// Where the document has the broker's configuration written: taken away afterwards.
const TRY_CONF: &str = "/tmp/try.conf";

fn tls(place: &Place, text: &Text) -> Result<()> {
    const PORT: u16 = 8883;
    const FOLDER: &str = "examples/tls";
    ensure!(place::is_free(PORT), "port {PORT}, which {} has mosquitto on, is taken by another program", text.page);
    let lines = text.lines();
    let (broker, before) = lines.split_last().context("no commands")?;
    ensure!(broker.contains("mosquitto -c "), "the last line does not start mosquitto: {broker}");
    let promised = text.promise("has arrived")?;
    let result = (|| {
        place.run(FOLDER, before)?;
        let mut broker = place.start(FOLDER, broker)?;
        broker.wait_until_listening(place::on_loopback(PORT))?;
        let mut app = place.start("", text.line("cargo ")?)?;
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
    fn every_walk_finds_its_commands_in_its_document() {
        for walk in ALL {
            Text::of(walk).unwrap_or_else(|error| panic!("{}: {error:#}", walk.name));
        }
    }

    #[test]
    fn a_command_that_a_document_does_not_show_any_more_is_an_error() {
        let gone = Walk { known_by: &["cargo xtask no-such-command"], ..ALL[0] };
        assert!(Text::of(&gone).is_err());
        assert!(Text::of(&ALL[0]).unwrap().line("c++ ").is_err());
    }
}
