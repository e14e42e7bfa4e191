//! Links a program, and explains what the linker reports. Not here: compiling (compile).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::compile::{Compiler, Language, from_environment, make};
use crate::manifest::identifier;

impl Compiler<'_> {
    /// Links objects and archives into a program, unless it is up to date.
    pub fn link(&self, program: &Path, inputs: &[PathBuf]) -> Result<()> {
        let cpp = self.plan.sources.iter().any(|(_, source)| Language::of(source) == Some(Language::Cpp));
        let mut command = self.command(if cpp { Language::Cpp } else { Language::C });
        command.args(["-g", "-Wl,--gc-sections", "-o"]).arg(program).args(self.link).args(&self.plan.link).args(inputs);
        command.args(["-lpthread", "-ldl", "-lm"]).args(from_environment("LDFLAGS"));
        make(program, command, inputs, |command| {
            let output = command.output().with_context(|| format!("cannot start {}", project::shown(command)))?;
            let messages = String::from_utf8_lossy(&output.stderr);
            eprint!("{messages}");
            let libs: Vec<&str> = self.plan.libs.found.iter().map(|lib| lib.name.as_str()).collect();
            ensure!(output.status.success(), "linking {} failed{}", program.display(), hints(&messages, &libs));
            Ok(())
        })
    }
}

/// What the linker's messages do not explain.
fn hints(messages: &str, libs: &[&str]) -> String {
    let missing = messages.split("undefined reference to `").skip(1).filter_map(|rest| rest.split_once('\'').map(|(name, _)| name));
    let missing: BTreeSet<&str> = missing.collect();
    let mut hints = String::new();
    for lib in libs {
        let init = format!("mgos_{}_init", identifier(lib));
        if missing.contains(init.as_str()) {
            hints += &format!("; the library {lib} has no function bool {init}(void), which a library with sources needs");
        }
    }
    if !libs.contains(&"mqtt") && missing.iter().any(|name| name.starts_with("mgos_mqtt_")) {
        hints += "; does mos.yml list the mqtt library under libs?";
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_function_is_explained_only_by_what_is_missing() {
        let undefined = |name: &str| format!("ld: a.c:5: in function `mgos_mqtt_x':\na.c:(.text+0x5): undefined reference to `{name}'\n");
        assert_eq!(hints(&undefined("mgos_mqtt_pub"), &["a"]), "; does mos.yml list the mqtt library under libs?");
        assert_eq!(hints(&undefined("mgos_mqtt_pub"), &["mqtt"]), "");
        assert_eq!(
            hints(&undefined("mgos_mqtt_extra_init"), &["mqtt", "mqtt-extra"]),
            "; the library mqtt-extra has no function bool mgos_mqtt_extra_init(void), which a library with sources needs"
        );
        assert_eq!(hints(&undefined("mgos_other_init"), &["a"]), "");
    }
}
