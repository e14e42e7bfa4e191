//! There is one token per entry from C, so it must be neither copied nor cloned.

use mgos_mqtt::ffi::app::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let mut copy = *t;
    let first = c.get(t);
    let second = c.get(&mut copy);
    first.accounted = second.accounted;
}

fn main() {}
