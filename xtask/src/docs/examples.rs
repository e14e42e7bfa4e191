//! The examples: commands shown in a document, run verbatim and in order, as a newcomer would type
//! them. Each checks that what the document promises happens. A command that the text no longer
//! contains is an error.
//!
//! Not here: commands that a step of `cargo xtask ci` runs anyway. commands.rs lists those, and
//! those that are never run.

use anyhow::{Context, Result, ensure};
use project::process::Process;

use super::sandbox::{self, Sandbox};
use super::text::{blocks, fences, spans};

/// A part of a document with commands.
pub struct Example {
    pub name: &'static str,
    pub page: &'static str,
    /// Its command blocks, each identified by the start of one of its lines; none if the code of the
    /// page is only compiled.
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
    Example { name: "guide", page: "docs/guide.md", known_by: &[], run: guide },
    Example { name: "tls", page: "examples/tls/README.md", known_by: &["new client ", "cargo xtask run examples/tls"], run: tls },
];

/// The text that an example follows.
struct Text {
    page: &'static str,
    whole: String,
    blocks: Vec<Vec<String>>,
}

impl Example {
    pub fn run(&self) -> Result<()> {
        let text = Text::of(self)?;
        let sandbox = Sandbox::new(self.name)?;
        (self.run)(&sandbox, &text).with_context(|| format!("{}; the output is in {}", self.page, sandbox.dir.display()))
    }
}

impl Text {
    fn of(example: &Example) -> Result<Text> {
        let whole = project::read(example.page)?;
        let all = blocks(&whole);
        let find = |start: &&str| {
            let block = all.iter().find(|block| block.iter().any(|line| line.starts_with(start)));
            let block = block.with_context(|| format!("{} no longer shows the command {start:?}", example.page))?;
            Ok(block.iter().map(|line| (*line).to_owned()).collect())
        };
        let blocks = example.known_by.iter().map(find).collect::<Result<_>>()?;
        Ok(Text { page: example.page, whole, blocks })
    }

    /// The line of any block that starts like this.
    fn line(&self, start: &str) -> Result<&str> {
        let line = self.blocks.iter().flatten().find(|line| line.starts_with(start));
        line.map(String::as_str).with_context(|| format!("{} no longer contains {start:?}", self.page))
    }

    /// The expected output as quoted in the page: the first span in backticks that contains these
    /// words.
    fn expected_output(&self, words: &str) -> Result<&str> {
        let found = self.whole.lines().flat_map(spans).find(|span| span.contains(words));
        found.with_context(|| format!("{} no longer quotes the expected output: {words:?}", self.page))
    }

    /// All lines of its first block.
    fn lines(&self) -> Vec<&str> {
        self.blocks.iter().take(1).flatten().map(String::as_str).collect()
    }
}

/// Stops it as a user would, and checks that it exits cleanly.
fn end(mut app: Process) -> Result<()> {
    app.child.terminate();
    let status = app.wait_for_end()?;
    ensure!(status.success(), "after SIGTERM the app exited with {status}:\n{}", app.lines().join("\n"));
    Ok(())
}

fn c_program(sandbox: &Sandbox, text: &Text) -> Result<()> {
    let programs = fences(&text.whole, "c");
    let program = programs.first().with_context(|| format!("{} no longer contains a C program", text.page))?;
    let source = text.line("cc ")?.split_whitespace().find(|word| word.ends_with(".c")).context("cc is not given a .c file")?;
    fs_err::write(sandbox.dir.join(source), program)?;
    let expected = text.expected_output("greetings: ")?;
    let _broker = sandbox.broker()?;
    let printed = sandbox.run("", &text.lines())?;
    ensure!(printed.iter().any(|line| line == expected), "the program does not print {expected:?}:\n{}", printed.join("\n"));
    ensure!(!printed.iter().any(|line| line.contains("warning:")), "compiler warnings:\n{}", printed.join("\n"));
    Ok(())
}

/// What the guide's code expects of the app.
const APP: &str = "#include \"mgos.h\"
#include \"mgos_mqtt.h\"
const struct mgos_config_mqtt *mgos_sys_config_get_cloud(void);
void on_command(struct mg_connection *nc, int ev, void *ev_data, void *ud);
bool write_image(size_t offset, const void *data, size_t len);
void go_to_sleep(void);
static FILE *s_file;
static size_t s_size;
";

/// Compiles the C code of the guide: each block as it is, but for calls outside a function, which get
/// one around them.
fn guide(sandbox: &Sandbox, text: &Text) -> Result<()> {
    let blocks = fences(&text.whole, "c");
    ensure!(blocks.len() > 5, "{} has only {} blocks of C", text.page, blocks.len());
    let mut program = APP.to_owned();
    for (i, block) in blocks.into_iter().enumerate() {
        let (definitions, calls) = match block.find("\nmgos_") {
            Some(at) => block.split_at(at),
            None if block.starts_with("mgos_") => ("", block),
            None => (block, ""),
        };
        program += &definitions.replace("mgos_app_init(", &format!("mgos_app_init_{i}("));
        program += &format!("\nvoid calls_{i}(void) {{{calls}\n}}\n");
    }
    fs_err::write(sandbox.dir.join("guide.c"), program)?;
    sandbox.run("", &["cargo xtask sdk", "cc -std=gnu99 -Wall -Wno-unused-function -Werror -fsyntax-only -Itarget/sdk/include guide.c"])?;
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

/// Where the document writes the broker's configuration; removed afterwards.
const TRY_CONF: &str = "/tmp/try.conf";

fn tls(sandbox: &Sandbox, text: &Text) -> Result<()> {
    const PORT: u16 = 8883;
    const FOLDER: &str = "examples/tls";
    ensure!(sandbox::is_free(PORT), "port {PORT}, where {} expects mosquitto, is in use by another program", text.page);
    let lines = text.lines();
    let (broker, before) = lines.split_last().context("no commands")?;
    ensure!(broker.contains("mosquitto -c "), "the last line does not start mosquitto: {broker}");
    let expected = text.expected_output("has arrived")?;
    let result = (|| {
        sandbox.run(FOLDER, before)?;
        let mut broker = sandbox.start(FOLDER, broker)?;
        broker.wait_until_listening(sandbox::on_loopback(PORT))?;
        let mut app = sandbox.start("", text.line("cargo ")?)?;
        app.wait_for_text(expected)?;
        end(app)
    })();
    // It does not exist if an earlier command failed.
    let _ = fs_err::remove_file(TRY_CONF);
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
    fn a_command_that_a_document_no_longer_shows_is_an_error() {
        let gone = Example { known_by: &["cargo xtask no-such-command"], ..ALL[0] };
        assert!(Text::of(&gone).is_err());
        assert!(Text::of(&ALL[0]).unwrap().line("c++ ").is_err());
    }
}
