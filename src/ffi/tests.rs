//! The pump, driven through the C API as an app, Mongoose and Mongoose OS drive it, with all of
//! these played by Rust: so that Miri, which can't run C, sees what it does with its pointers while
//! handlers, events and log hooks call back in.
//!
//! What the API is to do is shown by the C suite, with the real shim; here a few lives, and then
//! whatever can be done in their callbacks.
extern crate std;

mod app;
mod callbacks;
mod disk;
mod link;
mod moments;
mod queue_file;
mod seam;
mod slow;
mod upload;
mod world;
