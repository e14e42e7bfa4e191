//! The mqtt library of Mongoose OS, in Rust behind the original C API.
//!
//! Four layers, each knowing only the one below: [`wire`] turns bytes into packets and back; [`session`] is one MQTT session; [`conn`] is the life of a
//! connection with its reconnections; `ffi` is the C API. The first three are sans-IO: they never call C, read a clock or log.
//! docs/architecture.md has the picture.
//!
//! C firmware takes the archive and its headers. For firmware in Rust, the first three layers are the API; sockets, timers and the log are its
//! own, and so is a C library's `malloc`, `realloc` and `free`, in which queue and subscriptions are kept. A message at QoS 1, from CONNECT on:
//!
//! ```
//! use mgos_mqtt::session::{Limits, Session, Framed, Notify};
//! use mgos_mqtt::wire::{Connect, OutPacket, QoS, decode, size};
//!
//! /// What goes to the socket.
//! fn bytes(out: &OutPacket<'_>) -> Vec<u8> {
//!     let remaining = out.remaining().expect("more than a packet can carry");
//!     let mut bytes = vec![0; size(remaining)];
//!     out.write(&mut &mut bytes[..], remaining).expect("the buffer has the packet's size");
//!     bytes
//! }
//!
//! let now = 0; // milliseconds of uptime
//! let mut session = Session::<()>::default();
//! let fields = [Some(&b"device-1"[..]), None, None, None, None];
//! let connect = Connect { fields, clean_session: true, will_retain: false, keep_alive: 60 };
//! assert_eq!(bytes(&connect.packet(&mut [0; 10]).unwrap())[0], 0x10);
//! session.connect_sent(true, 60, now);
//!
//! // CONNACK has come.
//! let Ok(Framed::Packet(head, body)) = session.frame(&[0x20, 2, 0, 0], 3072) else { panic!() };
//! let reaction = session.receive(decode(head, body).unwrap(), false, now).unwrap();
//! assert_eq!(reaction.notify, Notify::Accepted);
//! session.connack_delivered();
//!
//! let limits = Limits { max_qos: QoS::ExactlyOnce, max_queue: 5, room: true };
//! session.publish(b"greetings", b"hello", QoS::AtLeastOnce, false, limits, now).unwrap();
//! while let Some(out) = session.next(true, now) {
//!     assert_eq!(bytes(&out), b"\x32\x12\0\x09greetings\0\x01hello");
//!     session.sent(20, now); // with so many bytes in the send buffer
//! }
//! assert_eq!(session.queued(), 1); // until PUBACK comes
//! ```
#![no_std]

pub mod conn;
#[cfg(not(feature = "internals"))]
mod ffi;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod ffi;
mod heap;
pub mod session;
pub mod wire;

pub use heap::OutOfMemory;

/// Nothing panics in firmware: this is here because the compiler asks for it, and `cargo xtask size` checks that it is not linked in.
#[cfg(all(feature = "archive", not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
