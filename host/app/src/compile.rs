//! Runs the compilers. An object is rebuilt only when its source, one of its headers or its command
//! changed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use project::files;

use super::Plan;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    C,
    Cpp,
}

impl Language {
    /// The language by file extension; `None` for files that are not compiled.
    pub fn of(file: &Path) -> Option<Language> {
        match file.extension()?.to_str()? {
            "c" => Some(Language::C),
            "cpp" | "cc" | "cxx" => Some(Language::Cpp),
            _ => None,
        }
    }

    fn compiler(self) -> OsString {
        let (variable, default) = match self {
            Language::C => ("CC", "cc"),
            Language::Cpp => ("CXX", "c++"),
        };
        std::env::var_os(variable).filter(|name| !name.is_empty()).unwrap_or_else(|| default.into())
    }
}

/// Compiles one program, and links it (link.rs).
pub struct Compiler<'a> {
    pub(super) plan: &'a Plan,
    /// Overrides the default C compiler.
    pub(super) cc: Option<&'static str>,
    /// Flags for C outside the mqtt library.
    pub(super) outside: &'static [&'static str],
    /// Flags for the linker.
    pub(super) link: &'static [&'static str],
}

impl<'a> Compiler<'a> {
    pub fn for_plan(plan: &'a Plan) -> Self {
        Compiler { plan, cc: None, outside: &[], link: &[] }
    }

    /// Compiles what is out of date, on all processors. Objects are returned in the order of the
    /// sources.
    pub fn compile(&self, sources: &[(String, PathBuf)]) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(self.plan.dir.join("obj"))?;
        let objects: Vec<PathBuf> = sources.iter().map(|(part, source)| self.object_of(part, source)).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let compile = |i: usize| self.compile_one(&sources[i].0, &sources[i].1, &objects[i]);
        project::some_at_a_time(threads, sources.len(), compile).into_iter().collect::<Result<()>>()?;
        Ok(objects)
    }

    /// The compiler, which also links.
    pub(super) fn command(&self, language: Language) -> Command {
        let own = self.cc.filter(|_| language == Language::C).map(OsString::from);
        Command::new(own.unwrap_or_else(|| language.compiler()))
    }

    /// Two sources with the same name in different directories need different objects.
    fn object_of(&self, part: &str, source: &Path) -> PathBuf {
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        let dir = source.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        self.plan.dir.join(format!("obj/{part}-{dir}-{name}.o"))
    }

    fn compile_one(&self, part: &str, source: &Path, object: &Path) -> Result<()> {
        let language = Language::of(source).with_context(|| format!("{} is neither C nor C++", source.display()))?;
        let mut command = self.command(language);
        match language {
            Language::C => command.arg("-std=gnu99").args(&self.plan.cflags).args(from_environment("CFLAGS")),
            Language::Cpp => command.arg("-std=gnu++17").args(&self.plan.cxxflags).args(from_environment("CXXFLAGS")),
        };
        if language == Language::C && part != "mqtt" {
            command.args(self.outside);
        }
        command.args(["-g", "-O1", "-Wall", "-ffunction-sections", "-fdata-sections", "-MMD", "-MP"]);
        command.args(self.plan.defines.iter().map(|(name, value)| format!("-D{name}={value}")));
        command.args(self.plan.includes.iter().flat_map(|dir| [Path::new("-I"), dir]));
        command.arg("-c").arg(source).arg("-o").arg(object);
        make(object, command, &dependencies(object), |command| {
            let status = command.status().with_context(|| format!("cannot start {}", project::shown(command)))?;
            // The compiler has said why.
            let way_out = match part {
                "app" | "gen" | "host" | "mqtt" | "area" => String::new(),
                lib => format!("; if the app works without this library, --without {lib} leaves it out"),
            };
            ensure!(status.success(), "{} does not compile on the host{way_out}", source.display());
            Ok(())
        })
    }
}

/// Extra flags from the environment, as make takes them.
pub(super) fn from_environment(variable: &str) -> Vec<OsString> {
    std::env::var(variable).unwrap_or_default().split_whitespace().map(OsString::from).collect()
}

/// Lets `run` make the output, unless it was made by this exact command after the last change to
/// its inputs. Without known inputs it is made.
pub(super) fn make(output: &Path, mut command: Command, inputs: &[PathBuf], run: impl FnOnce(&mut Command) -> Result<()>) -> Result<()> {
    let (shown, mut signature) = (project::shown(&command), output.as_os_str().to_owned());
    signature.push(".cmd");
    let signature = Path::new(&signature);
    let time = |path: &Path| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    let is_older = |made: SystemTime| inputs.iter().all(|input| time(input).is_some_and(|changed| changed < made));
    if !inputs.is_empty() && time(output).is_some_and(is_older) && fs::read_to_string(signature).is_ok_and(|old| old == shown) {
        return Ok(());
    }
    // First, so that a partial output of an interrupted compiler is not taken for complete.
    files::remove(signature)?;
    run(&mut command)?;
    Ok(fs::write(signature, shown)?)
}

/// The inputs of an object, from the compiler's dependency file.
fn dependencies(object: &Path) -> Vec<PathBuf> {
    let Ok(text) = fs::read_to_string(object.with_extension("d")) else { return Vec::new() };
    let Some((_, list)) = text.split_once(':') else { return Vec::new() };
    // Only the first rule; -MP adds an empty one for each header.
    let list = list.replace("\\\n", " ");
    let rule = list.lines().next().unwrap_or_default();
    // Blanks and hashes in a name are escaped.
    let rule = rule.replace("\\#", "#").replace("\\ ", "\0");
    rule.split_whitespace().map(|file| file.replace('\0', " ").into()).collect()
}
