//! Steps of `cargo xtask test` and `ci`: cargo commands, one after another. Each says what it is,
//! and at the end which took how long.

use std::time::Instant;

use anyhow::{Context, Result};

/// What it is for, and what is passed to cargo.
pub type Step = (&'static str, &'static [&'static str]);

/// Runs the steps with these variables, until one fails.
pub fn run(steps: &[Step], variables: &[(&str, &str)]) -> Result<()> {
    let mut times = Vec::new();
    for (number, (what, words)) in steps.iter().enumerate() {
        println!("\n== {} of {}, {what}: cargo {}", number + 1, steps.len(), words.join(" "));
        let start = Instant::now();
        project::run(project::cargo().args(*words).envs(variables.iter().copied())).with_context(|| format!("{what}: failed"))?;
        times.push(start.elapsed().as_secs());
    }
    println!("\nall steps passed:");
    for ((what, words), seconds) in steps.iter().zip(times) {
        println!("{seconds:>6} s  {what}: cargo {}", words.join(" "));
    }
    Ok(())
}
