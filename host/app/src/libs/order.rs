//! An order in which everything comes after what it needs, the same for the same needs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

type Needs = BTreeMap<String, BTreeSet<String>>;

/// The names of the map, each after those that it needs, else by the alphabet. Needs that are not
/// names of the map do not count.
pub fn sorted(needs: &Needs) -> Result<Vec<String>> {
    let mut walk = Walk { needs, done: Vec::new(), trail: Vec::new() };
    walk.visit_all(needs.keys())?;
    Ok(walk.done)
}

struct Walk<'a> {
    needs: &'a Needs,
    done: Vec<String>,
    /// From a name to what it needs, to what that needs.
    trail: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn visit_all(&mut self, names: impl Iterator<Item = &'a String>) -> Result<()> {
        let mut names: Vec<_> = names.filter(|name| self.needs.contains_key(*name)).collect();
        // As with the mos tool, boards comes last: it overrides the configuration of others.
        names.sort_by_key(|name| (*name == "boards", *name));
        names.into_iter().try_for_each(|name| self.visit(name))
    }

    fn visit(&mut self, name: &'a str) -> Result<()> {
        if self.done.iter().any(|done| done == name) {
            return Ok(());
        }
        if let Some(at) = self.trail.iter().position(|above| *above == name) {
            bail!("{} -> {name}", self.trail[at..].join(" -> "));
        }
        self.trail.push(name);
        self.visit_all(self.needs.get(name).into_iter().flatten())?;
        self.trail.pop();
        self.done.push(name.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(needs: &[(&str, &[&str])]) -> Result<Vec<String>> {
        let needs = needs.iter().map(|(name, needs)| ((*name).to_owned(), needs.iter().map(|need| (*need).to_owned()).collect()));
        sorted(&needs.collect())
    }

    #[test]
    fn what_is_needed_comes_first_then_the_alphabet_counts_and_boards_comes_last() {
        assert_eq!(sort(&[("a", &["c", "nowhere"]), ("boards", &[]), ("c", &[]), ("d", &[])]).unwrap(), ["c", "a", "d", "boards"]);
    }

    #[test]
    fn a_circle_is_named() {
        let error = sort(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]).unwrap_err();
        assert_eq!(error.to_string(), "b -> c -> b");
    }
}
