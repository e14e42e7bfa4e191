//! Variables of a manifest, `${...}` in its strings, and the `when:` of its conditions.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

/// Variables by their full name, e.g. `build_vars.SSL`.
#[derive(Debug)]
pub struct Vars {
    values: BTreeMap<String, String>,
    /// Names that manifests do not override.
    given: BTreeSet<String>,
}

impl Vars {
    /// Variables that every manifest has, and those that are given from outside.
    pub fn new(platform: &str, given: &[(&str, &str)]) -> Vars {
        let mut vars = Vars { values: BTreeMap::new(), given: BTreeSet::new() };
        for name in ["mos.platform", "mos.arch", "platform", "arch"] {
            vars.set(name, platform);
        }
        vars.set("build_vars.BOARD", "");
        for name in ["mos.version", "mos_version", "libs_version"] {
            vars.set(name, "latest");
        }
        for (name, value) in given {
            vars.set(name, value);
            vars.given.insert((*name).into());
        }
        vars
    }

    pub fn set(&mut self, name: &str, value: &str) {
        if !self.given.contains(name) {
            self.values.insert(name.into(), value.into());
        }
    }

    /// A value by its name, which may begin with `manifest.`; `X_path` is the old name of
    /// `mos.modules.X.path`.
    fn get(&self, name: &str) -> Option<&str> {
        let name = name.strip_prefix("manifest.").unwrap_or(name);
        let module = || self.values.get(&module_path(name.strip_suffix("_path")?));
        self.values.get(name).or_else(module).map(String::as_str)
    }

    /// Expands each `${NAME}`.
    pub fn expand(&self, text: &str) -> Result<String> {
        self.expand_with(text, |name| bail!("${{{name}}} is not defined"))
    }

    /// The same, but leaves alone what is not defined, as for values that nobody may use.
    pub fn expand_known(&self, text: &str) -> String {
        self.expand_with(text, |name| Ok(format!("${{{name}}}"))).unwrap_or_else(|_| text.into())
    }

    fn expand_with(&self, text: &str, undefined: impl Fn(&str) -> Result<String>) -> Result<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let Some(len) = rest[start..].find('}') else { break };
            let name = &rest[start + 2..start + len];
            out += &rest[..start];
            match self.get(name) {
                Some(value) => out += value,
                None => out += &undefined(name)?,
            }
            rest = &rest[start + len + 1..];
        }
        Ok(out + rest)
    }

    /// Evaluates a condition as the mos tool does, which knows `a == b`, `a != b` and `defined(a)`,
    /// has neither `!` nor `&&`, and separates words by blanks.
    pub fn holds(&self, when: &str) -> Result<bool> {
        match when.split_whitespace().collect::<Vec<_>>()[..] {
            [word] => match word.strip_prefix("defined(").and_then(|rest| rest.strip_suffix(')')) {
                Some(name) => Ok(self.get(name).is_some()),
                None => bail!("{word} is not a condition: a == \"b\", a != \"b\" or defined(a) expected"),
            },
            [left, "==", right] => Ok(self.operand(left)? == self.operand(right)?),
            [left, "!=", right] => Ok(self.operand(left)? != self.operand(right)?),
            _ => bail!("the mos tool cannot evaluate {when}: a == \"b\", a != \"b\" or defined(a) expected"),
        }
    }

    fn operand<'a>(&'a self, word: &'a str) -> Result<&'a str> {
        if let Some(inner) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return Ok(inner);
        }
        self.get(word).with_context(|| format!("{word} is not defined"))
    }
}

/// The variable with a module's directory.
pub fn module_path(name: &str) -> String {
    format!("mos.modules.{}.path", super::identifier(name))
}

/// The variable with a library's directory.
pub fn lib_path(name: &str) -> String {
    format!("mos.libs.{}.path", super::identifier(name))
}

#[cfg(test)]
mod tests {
    use super::super::PLATFORM;
    use super::*;

    #[test]
    fn conditions_compare_variables_with_strings() {
        let mut vars = Vars::new(PLATFORM, &[]);
        vars.set("build_vars.A", "1");
        for (when, expected) in [
            ("mos.platform == \"ubuntu\"", true),
            ("mos.platform != \"ubuntu\"", false),
            ("build_vars.A == \"2\"", false),
            ("build_vars.BOARD == \"\"", true),
            ("defined(build_vars.A)", true),
            ("defined(build_vars.B)", false),
            ("manifest.build_vars.A == \"1\"", true),
            ("defined(mos.modules.fs.path)", false),
        ] {
            assert_eq!(vars.holds(when).unwrap(), expected, "{when}");
        }
    }

    #[test]
    fn what_the_mos_tool_cannot_evaluate_is_an_error() {
        let mut vars = Vars::new(PLATFORM, &[]);
        vars.set("build_vars.A", "1");
        for when in [
            "build_vars.A",
            "!defined(build_vars.B)",
            "build_vars.A==\"1\"",
            "build_vars.A == 1",
            "build_vars.A == '1'",
            "build_vars.A == \"1\" && defined(build_vars.A)",
        ] {
            assert!(vars.holds(when).is_err(), "{when}");
        }
    }

    #[test]
    fn a_condition_on_an_undefined_variable_is_an_error() {
        assert_eq!(Vars::new(PLATFORM, &[]).holds("build_vars.B == \"1\"").unwrap_err().to_string(), "build_vars.B is not defined");
    }

    #[test]
    fn variables_are_expanded_also_by_their_old_names_and_undefined_ones_stay_where_that_is_allowed() {
        let mut vars = Vars::new(PLATFORM, &[]);
        vars.set(&module_path("my-js"), "/modules/js");
        assert_eq!(vars.expand("${mos.modules.my_js.path}/a ${my_js_path}/b ${arch}").unwrap(), "/modules/js/a /modules/js/b ubuntu");
        assert_eq!(vars.expand_known("${build_vars.NO} ${platform}"), "${build_vars.NO} ubuntu");
        assert_eq!(vars.expand("${build_vars.NO}").unwrap_err().to_string(), "${build_vars.NO} is not defined");
    }
}
