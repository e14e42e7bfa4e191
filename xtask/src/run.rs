//! `cargo xtask run`: builds a Mongoose OS app and replaces itself with it. Building is in app; the
//! host parses the app's options.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use project::setup;

#[derive(clap::Args)]
pub struct Args {
    /// Build host and library with optimisation
    #[arg(long)]
    release: bool,
    /// Only build; print the program's path
    #[arg(long)]
    build_only: bool,
    #[command(flatten)]
    places: host_app::Places,
    /// The app's directory, with its mos.yml
    app_dir: PathBuf,
    /// The app's configuration overrides its defaults with this file; can be repeated
    #[arg(long, value_name = "FILE.json")]
    conf: Vec<String>,
    /// Set a single value of the app's configuration; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Capture what connections send and receive
    #[arg(long, value_name = "FILE")]
    pcap: Option<String>,
    /// Print each MQTT packet
    #[arg(long)]
    trace: bool,
    /// Options of the app, among them --help, which lists its configuration
    #[arg(last = true)]
    app_args: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::COMPILERS)?;
    let built = host_app::build_with(&args.app_dir, &args.places, args.release)?;
    if args.build_only {
        println!("{}", built.program.display());
        return Ok(());
    }
    eprintln!("running {} in {}", built.program.display(), built.files.display());
    let mut command = Command::new(&built.program);
    command.args(args.for_app()?).current_dir(&built.files);
    // exec, so that signals and the exit status are the app's own.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", built.program.display()))
}

impl Args {
    /// The app's arguments, wherever they are in the command line.
    fn for_app(&self) -> Result<Vec<String>> {
        let conf = self.conf.iter().map(|file| ["--conf", file]);
        let set = self.set.iter().map(|setting| ["--set", setting]);
        let pcap = self.pcap.iter().map(|file| ["--pcap", file]);
        let mut all: Vec<String> = conf.chain(set).chain(pcap).flatten().map(str::to_owned).collect();
        all.extend(self.trace.then(|| "--trace".into()));
        app_args(&[all, self.app_args.clone()].concat())
    }
}

/// Options that take a file name.
const FILES: [&str; 2] = ["--conf", "--pcap"];

/// The app's arguments: without `--`, and with file names made absolute.
fn app_args(args: &[String]) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let mut args = args.iter().filter(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        let attached = arg.split_once('=').filter(|(option, _)| FILES.contains(option));
        if let Some((option, file)) = attached {
            out.push(format!("{option}={}", absolute(option, file)?));
        } else {
            out.push(arg.clone());
            if FILES.contains(&arg.as_str())
                && let Some(file) = args.next()
            {
                out.push(absolute(arg, file)?);
            }
        }
    }
    Ok(out)
}

fn absolute(option: &str, file: &str) -> Result<String> {
    let path = std::path::absolute(Path::new(file)).with_context(|| format!("{option} {file:?}"))?;
    path.into_os_string().into_string().ok().with_context(|| format!("{option} {file}: the name is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Vec<String> {
        use clap::Parser;
        let crate::Command::Run(args) = crate::Cli::parse_from(line.split_whitespace()).command else { panic!("{line}") };
        assert_eq!((args.app_dir.to_str(), args.places.libs.len()), (Some("app"), 1), "{line}");
        args.for_app().unwrap()
    }

    #[test]
    fn options_of_the_build_and_of_the_app_may_be_anywhere() {
        let expected = ["--conf", "/a.json", "--set", "x.y=1", "--trace"];
        for line in [
            "xtask run --lib a:b --conf /a.json --set x.y=1 --trace app",
            "xtask run app --trace --lib a:b --set x.y=1 --conf /a.json",
            "xtask run app --lib a:b -- --conf /a.json --set x.y=1 --trace",
            "xtask run app --lib a:b -- --conf /a.json -- --set x.y=1 -- --trace",
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn file_names_become_absolute_and_dashes_between_options_are_dropped() {
        let given = ["--", "--conf", "/a.json", "--", "--set", "mqtt.server=b:1", "--conf=/c.json"];
        let args = app_args(&given.map(String::from)).unwrap();
        assert_eq!(args, ["--conf", "/a.json", "--set", "mqtt.server=b:1", "--conf=/c.json"]);
        let here = std::env::current_dir().unwrap().join("x.json");
        assert_eq!(app_args(&["--conf".into(), "x.json".into()]).unwrap()[1], here.to_str().unwrap());
        assert_eq!(app_args(&["--pcap=x.json".into()]).unwrap()[0], format!("--pcap={}", here.display()));
    }
}
