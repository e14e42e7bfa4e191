//! The demo's output: one line per event, and a progress line below.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use crate::svg::Line;

/// Prints lines with the time since the start.
pub struct Timeline {
    start: Instant,
    terminal: bool,
    /// A progress line is on the screen.
    open: bool,
    last_progress: Instant,
    /// All lines printed.
    pub lines: Vec<Line>,
}

impl Timeline {
    pub fn new() -> Timeline {
        let now = Instant::now();
        Timeline { start: now, terminal: stdout().is_terminal(), open: false, last_progress: now, lines: Vec::new() }
    }

    pub fn print(&mut self, who: &str, what: &str) {
        self.close();
        let at = self.seconds();
        println!("{at:7.2}  {who:<9} {what}");
        self.lines.push((at, who.to_owned(), what.to_owned()));
        self.last_progress = Instant::now();
    }

    /// On a terminal the line updates itself; elsewhere it is printed after a few seconds without
    /// output.
    pub fn progress(&mut self, what: &str) {
        if self.terminal {
            print!("\r\x1b[2K{:7.2}  {:<9} {what}", self.seconds(), "...");
            // Nobody reads it if this fails.
            let _ = stdout().flush();
            self.open = true;
        } else if self.last_progress.elapsed() >= Duration::from_secs(2) {
            println!("{:7.2}  {:<9} {what}", self.seconds(), "...");
            self.last_progress = Instant::now();
        }
    }

    /// Clears the progress line.
    pub fn close(&mut self) {
        if self.open {
            print!("\r\x1b[2K");
            self.open = false;
        }
    }

    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
