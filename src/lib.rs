//! The `mqtt` library of Mongoose OS, in Rust behind the original C API.
//!
//! Four layers, each using only the one below: [`wire`] parses and serialises packets; [`session`]
//! is one MQTT session; [`conn`] is the life cycle of a connection with its reconnects; `ffi` is
//! the C API. The first three are sans-IO: they never call C, read a clock or log. See
//! docs/architecture.md.
//!
//! C firmware links the archive and uses its headers. Rust firmware can use the first three layers
//! directly and brings its own sockets, timers and log. It must provide C's `malloc`, `realloc` and
//! `free`, which hold the queue and the subscriptions. Publishing a message at QoS 1:
//!
//! ```
//! use mgos_mqtt::session::{Framed, Limits, Notify, Session};
//! use mgos_mqtt::wire::{Connect, OutPacket, QoS, size};
//!
//! /// Serialises a packet for the socket.
//! fn bytes(out: &OutPacket<'_>) -> Vec<u8> {
//!     let remaining = out.remaining().expect("packet too large");
//!     let mut bytes = vec![0; size(remaining)];
//!     out.write(&mut &mut bytes[..], remaining).expect("the buffer has the size of the packet");
//!     bytes
//! }
//!
//! let now = 0; // milliseconds of uptime
//! let mut session = Session::<()>::default();
//! let fields = [Some(&b"device-1"[..]), None, None, None, None];
//! let connect = Connect { fields: &fields, clean_session: true, will_retain: false, keep_alive: 60 };
//! assert_eq!(bytes(&connect.packet(&mut [0; 10]).unwrap())[0], 0x10);
//! session.connect_sent(true, 60, now);
//!
//! // CONNACK was received.
//! let Ok(Framed::Packet(header, body)) = session.frame(&[0x20, 2, 0, 0], 3072) else { panic!() };
//! let (_, reaction) = session.receive(header, body, false, now).unwrap();
//! assert_eq!(reaction.notify, Notify::Accepted);
//! session.connack_delivered();
//!
//! let limits = Limits { max_qos: QoS::ExactlyOnce, max_queue: 5, max_bytes: 0, room: true };
//! session.publish(b"greetings", b"hello", QoS::AtLeastOnce, false, limits, now).unwrap();
//! while let Some(out) = session.next(true, now) {
//!     assert_eq!(bytes(&out), b"\x32\x12\0\x09greetings\0\x01hello");
//!     session.sent(20, now); // 20 bytes are in the send buffer
//! }
//! assert_eq!(session.queued(), 1); // until PUBACK
//! ```
#![no_std]
#![warn(missing_docs)]

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

/// Whether there are log lines. The archive for firmware without logging leaves them out, and what
/// is only done for them.
const LOGS: bool = cfg!(feature = "log");

/// Required by the compiler, never linked: firmware code does not panic, and `cargo xtask size`
/// checks that.
#[cfg(all(feature = "archive", not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
