//! Of src/heap, what makes allocations fail.

#[allow(dead_code)]
#[path = "../../../src/heap/testing.rs"]
pub mod testing;
