//! Runs programs under callgrind and reads total instructions from its files. How they are spread
//! over functions is shown by callgrind_annotate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use project::{files, output, read};

/// callgrind's files, by the name that the program gave each, with total instructions.
pub type Dumps = BTreeMap<String, (PathBuf, u64)>;

/// Runs a program that switches counting on and off. Returns its output, and the files in a new
/// directory beside it.
pub fn run(program: &Path, dir: &str, options: &[String], args: &[&str]) -> Result<(String, Dumps)> {
    let dir = program.with_file_name(dir);
    files::empty_dir(&dir)?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", "--collect-atstart=no"]).args(options);
    valgrind.arg(format!("--callgrind-out-file={}", dir.join("out").display()));
    let listing = output(valgrind.arg(program).args(args))?;
    let mut dumps = Dumps::new();
    for path in files::list(&dir)? {
        let text = read(&path)?;
        let after = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).map(str::trim);
        if let (Some(name), Some(total)) = (after("desc: Trigger: Client Request:"), after("summary:").or(after("totals:"))) {
            let total = total.parse().with_context(|| format!("{}: {total:?} is not a total", path.display()))?;
            dumps.insert(name.to_string(), (path.clone(), total));
        }
    }
    Ok((listing, dumps))
}
