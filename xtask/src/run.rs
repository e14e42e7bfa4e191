//! `cargo xtask run`: builds a Mongoose OS app and replaces itself with it. Building is in app; the
//! host parses the app's options.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{app, setup};

#[derive(clap::Args)]
pub struct Args {
    /// Build host and library with optimisation
    #[arg(long)]
    release: bool,
    /// Only build; print the program's path
    #[arg(long)]
    build_only: bool,
    /// The app's directory, with its mos.yml
    app_dir: PathBuf,
    /// Options of the app: --conf FILE.json and --set KEY=VALUE (both can be repeated), --pcap
    /// FILE, --trace; the -- before them is optional
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    app_args: Vec<String>,
}

pub fn run(args: Args) -> Result<()> {
    setup::ensure(setup::COMPILERS)?;
    let built = app::build(&args.app_dir, args.release)?;
    if args.build_only {
        println!("{}", built.program.display());
        return Ok(());
    }
    eprintln!("running {} in {}", built.program.display(), built.files.display());
    let mut command = Command::new(&built.program);
    command.args(app_args(&args.app_args)?).current_dir(&built.files);
    // exec, so that signals and the exit status are the app's own.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", built.program.display()))
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
