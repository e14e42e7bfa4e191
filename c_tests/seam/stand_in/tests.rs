//! The stand-in: of src/ffi/tests, what is no test.

#[allow(dead_code)]
#[path = "../../../src/ffi/tests/link.rs"]
pub mod link;
#[allow(dead_code)]
#[path = "../../../src/ffi/tests/seam.rs"]
pub mod seam;
#[allow(dead_code)]
#[path = "../../../src/ffi/tests/world.rs"]
pub mod world;
