//! Must not compile. A shared reference to a connection beside a mutable one.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    connection.accounted = c.look(t).accounted + connection.accounted;
}

fn main() {}
