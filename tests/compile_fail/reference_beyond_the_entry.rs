<<<<<<< HEAD
//! Must not compile. What is borrowed ends with the entry from C that it was borrowed in.
=======
//! A borrow ends with the entry from C in which it was made, and must not outlive it.
>>>>>>> 174462b2edb0405b099870f51263e1d4a0def74e

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::{Connection, ConnectionRef};

fn wrong(c: ConnectionRef<'_>) -> &mut Connection {
    let mut t = unsafe { NoApp::enter() };
    c.get(&mut t)
}

fn main() {}
