//! Must not compile. A handler may free the connection that the reference points to.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::{ConnectionRef, Handler};

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp, handler: Handler) -> usize {
    let connection = c.look(t);
    unsafe { c.call_handler(t, handler, 0, core::ptr::null_mut()) };
    connection.accounted
}

fn main() {}
