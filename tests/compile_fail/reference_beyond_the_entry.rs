//! Must not compile. What is borrowed ends with the entry from C that it was borrowed in.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::{Connection, ConnectionRef};

fn wrong(c: ConnectionRef<'_>) -> &mut Connection {
    let mut t = unsafe { NoApp::enter() };
    c.get(&mut t)
}

fn main() {}
