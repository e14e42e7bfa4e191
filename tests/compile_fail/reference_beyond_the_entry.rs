//! A borrow ends with the entry from C in which it was made, and must not outlive it.

use mgos_mqtt::ffi::app::NoApp;
use mgos_mqtt::ffi::connection::{Connection, ConnectionRef};

fn wrong(c: ConnectionRef<'_>) -> &mut Connection {
    let mut t = unsafe { NoApp::enter() };
    c.get(&mut t)
}

fn main() {}
