//! The project's one runner.
fn main() {}
