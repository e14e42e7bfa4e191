//! Must not compile. There is one token for each entry from C, and it cannot be copied.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let mut copy = *t;
    let first = c.get(t);
    let second = c.get(&mut copy);
    first.accounted = second.accounted;
}

fn main() {}
