//! Two mutable references to one connection must not exist at the same time.

use mgos_mqtt::ffi::app::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let first = c.get(t);
    let second = c.get(t);
    first.accounted = second.accounted;
}

fn main() {}
