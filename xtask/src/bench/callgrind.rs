//! Reads callgrind's files: total instructions, and how they are spread over functions. Running
//! callgrind is up to bench.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The files in a directory, by the name that the program gave each, with total instructions.
pub fn dumps(dir: &Path) -> Result<BTreeMap<String, (PathBuf, u64)>> {
    let mut dumps = BTreeMap::new();
    for path in project::files::list(dir)? {
        let text = project::read(&path)?;
        let after = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).map(str::trim);
        if let (Some(name), Some(total)) = (after("desc: Trigger: Client Request:"), after("summary:").or(after("totals:"))) {
            let total = total.parse().with_context(|| format!("{}: {total:?} is not a total", path.display()))?;
            dumps.insert(name.to_string(), (path.clone(), total));
        }
    }
    Ok(dumps)
}

/// Instructions of a function: its own, and including callees.
#[derive(Debug, Default, PartialEq)]
pub struct Cost {
    pub own: u64,
    pub inclusive: u64,
}

/// The functions in a file, by own cost in descending order. Recursive functions are counted twice
/// in part.
pub fn functions(text: &str) -> Vec<(String, Cost)> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut costs: BTreeMap<&str, Cost> = BTreeMap::new();
    let mut current = "";
    let mut called = false;
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            // Names are abbreviated: "(17) name" once, then "(17)".
            let (id, name) = function.split_once(' ').unwrap_or((function, ""));
            if !name.is_empty() {
                names.insert(id, name);
            }
            if line.starts_with("fn=") {
                current = id;
            }
        } else if line.starts_with("calls=") {
            called = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let Some(cost) = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok()) else { continue };
            let sum = costs.entry(current).or_default();
            sum.inclusive += cost;
            // The line after a call gives the callee's inclusive cost.
            if !std::mem::take(&mut called) {
                sum.own += cost;
            }
        }
    }
    let named = costs.into_iter().map(|(id, cost)| (names.get(id).copied().unwrap_or(id).to_string(), cost));
    let mut functions: Vec<_> = named.filter(|(_, cost)| cost.own > 0).collect();
    functions.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.own));
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_call_is_in_the_callers_inclusive_cost_only() {
        let text = "fn=(1) outer\n10 5\ncfn=(2) inner\ncalls=2 20\n11 40\n12 3\n\nfn=(2)\n20 30\ncfn=(3) least\ncalls=1 1\n* 10\n";
        let cost = |own, inclusive| Cost { own, inclusive };
        assert_eq!(functions(text), [("inner".into(), cost(30, 40)), ("outer".into(), cost(8, 48))]);
    }
}
