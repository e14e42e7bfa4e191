//! The mqtt library of Mongoose OS, in Rust behind the original C API.
//!
//! Four layers, each knowing only the one below: [`wire`] turns bytes into packets and back; [`session`] is one MQTT session; [`conn`] is the life of a
//! connection with its reconnections; [`ffi`] is the C API. The first three are sans-IO: they never call C, read a clock or log.
//! docs/architecture.md has the picture.
#![no_std]

pub mod conn;
pub mod ffi;
pub mod heap;
pub mod session;
pub mod wire;

/// Nothing panics in firmware: this is here because the compiler asks for it, and `cargo xtask size` checks that it is not linked in.
#[cfg(all(feature = "archive", not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
