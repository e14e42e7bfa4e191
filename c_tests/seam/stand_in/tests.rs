//! The stand-in itself: of src/ffi/tests, what stands for shim/, Mongoose and Mongoose OS, from the very
//! files. Not here: the tests, and the app that they play.

#[allow(dead_code, reason = "the tests of src use the rest")]
#[path = "../../../src/ffi/tests/disk.rs"]
pub mod disk;
#[allow(dead_code, reason = "the tests of src use the rest")]
#[path = "../../../src/ffi/tests/link.rs"]
pub mod link;
#[allow(dead_code, reason = "the tests of src use the rest")]
#[path = "../../../src/ffi/tests/seam.rs"]
pub mod seam;
#[allow(dead_code, reason = "the tests of src use the rest")]
#[path = "../../../src/ffi/tests/world.rs"]
pub mod world;
