//! Runs programs under callgrind and reads total instructions from its files. How they are spread
//! over functions is shown by callgrind_annotate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use project::{files, output, read};

/// callgrind's files, by the name that the program gave each, with total instructions.
pub type Dumps = BTreeMap<String, (PathBuf, u64)>;

/// A line of callgrind_annotate's table of functions, without files and folders. `None` for any other
/// line, and for what calls the program, to which all is attributed.
pub fn function(line: &str) -> Option<String> {
    let (count, place) = line.split_once("%)")?;
    let name = place.split_once(" [").map_or(place, |(name, _)| name);
    let (_, name) = name.trim().split_once(':')?;
    let is_caller = name.starts_with("0x")
        || name == "(below main)"
        || ["libc_start", "bench/instructions.c:", "bench/callgrind.c:"].iter().any(|file| place.contains(file));
    (!is_caller).then(|| format!("{count}%)  {name}"))
}

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

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_shown_without_files_and_without_what_calls_the_program() {
        let line = |text: &str| super::function(text);
        let own = " 7,300 (10.04%)  ???:mgos_mqtt::wire::topic::check_name [/target/program.elf]";
        assert_eq!(line(own).as_deref(), Some(" 7,300 (10.04%)  mgos_mqtt::wire::topic::check_name"));
        let in_c = "   400 ( 0.55%)  /host/c/mbuf.c:mbuf_append [/target/program.elf]";
        assert_eq!(line(in_c).as_deref(), Some("   400 ( 0.55%)  mbuf_append"));
        assert_eq!(line("72,700 (100.0%)  ./csu/../csu/libc-start.c:__libc_start_main@@GLIBC_2.34 [/lib/libc.so.6]"), None);
        assert_eq!(line("72,700 (100.0%)  ???:0x000000000001ab70 [/lib/ld-linux-x86-64.so.2]"), None);
        assert_eq!(line("72,700 (100.0%)  bench/callgrind.c:main [/target/program.elf]"), None);
        assert_eq!(line("72,700 (100.0%)  PROGRAM TOTALS"), None);
        assert_eq!(line("Ir               file:function"), None);
    }
}
