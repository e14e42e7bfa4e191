//! Stands where src/heap is for the files that are taken from src/ffi/tests: of it, what makes
//! allocations fail. Blocks of memory there are none here, as only the core has them.

#[allow(dead_code, reason = "the tests of src use the rest")]
#[path = "../../../src/heap/testing.rs"]
pub mod testing;
