//! Variables of a manifest, `${...}` in its strings, and the `when:` of its conditions.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::PLATFORM;

/// Variables by their full name, e.g. `build_vars.SSL`.
#[derive(Debug)]
pub struct Vars(BTreeMap<String, String>);

impl Vars {
    /// Variables that every manifest has.
    pub fn new() -> Vars {
        let mut vars = Vars(BTreeMap::new());
        for name in ["mos.platform", "platform", "arch"] {
            vars.set(name, PLATFORM);
        }
        for name in ["mos.version", "mos_version", "libs_version"] {
            vars.set(name, "latest");
        }
        vars
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    /// Expands each `${NAME}`.
    pub fn expand(&self, text: &str) -> Result<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let Some(len) = rest[start..].find('}') else { break };
            let name = &rest[start + 2..start + len];
            let Some(value) = self.0.get(name) else { bail!("${{{name}}} is not defined") };
            out += &rest[..start];
            out += value;
            rest = &rest[start + len + 1..];
        }
        Ok(out + rest)
    }

    /// Evaluates a condition: `a == b`, `a != b`, `defined(a)` or a single operand, joined by &&
    /// and ||.
    pub fn holds(&self, when: &str) -> Result<bool> {
        for choice in when.split("||") {
            let mut all = true;
            for part in choice.split("&&") {
                all &= self.part(part.trim())?;
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn part(&self, part: &str) -> Result<bool> {
        if let Some(rest) = part.strip_prefix('!').filter(|rest| !rest.starts_with('=')) {
            return Ok(!self.part(rest.trim())?);
        }
        if let Some(name) = part.strip_prefix("defined(").and_then(|rest| rest.strip_suffix(')')) {
            return Ok(self.0.contains_key(name.trim()));
        }
        for (operator, same) in [("==", true), ("!=", false)] {
            if let Some((left, right)) = part.split_once(operator) {
                return Ok((self.operand(left)? == self.operand(right)?) == same);
            }
        }
        Ok(!matches!(self.operand(part)?.as_str(), "" | "0" | "false"))
    }

    fn operand(&self, text: &str) -> Result<String> {
        let text = text.trim();
        for quote in ['"', '\''] {
            if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
                return self.expand(inner);
            }
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) || matches!(text, "true" | "false") {
            return Ok(text.into());
        }
        match self.0.get(text) {
            Some(value) => Ok(value.clone()),
            None => bail!("{text} is not defined"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_variables_with_strings() {
        let mut vars = Vars::new();
        vars.set("build_vars.A", "1");
        for (when, expected) in [
            ("mos.platform == \"ubuntu\"", true),
            ("mos.platform != \"ubuntu\"", false),
            ("build_vars.A", true),
            ("build_vars.A == \"2\"", false),
            ("defined(build_vars.A)", true),
            ("defined(build_vars.B)", false),
            ("!defined(build_vars.B)", true),
            ("mos.platform == \"esp32\" || build_vars.A == \"1\"", true),
            ("mos.platform == \"ubuntu\" && build_vars.A == \"2\"", false),
        ] {
            assert_eq!(vars.holds(when).unwrap(), expected, "{when}");
        }
    }

    #[test]
    fn a_condition_on_an_undefined_variable_is_an_error() {
        assert_eq!(Vars::new().holds("build_vars.B == \"1\"").unwrap_err().to_string(), "build_vars.B is not defined");
    }
}
