//! Must not compile. Two mutable references to one connection are alive at once.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let first = c.get(t);
    let second = c.get(t);
    first.accounted = second.accounted;
}

fn main() {}
