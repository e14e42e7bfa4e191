//! A handler may free the connection, so no reference to it may be kept across the call.

use mgos_mqtt::ffi::app::NoApp;
use mgos_mqtt::ffi::connection::{ConnectionRef, Handler};

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp, handler: Handler) -> usize {
    let connection = c.look(t);
    unsafe { c.call_handler(t, handler, 0, core::ptr::null_mut()) };
    connection.accounted
}

fn main() {}
