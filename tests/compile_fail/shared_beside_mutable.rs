//! A shared reference to a connection must not exist beside a mutable one.

use mgos_mqtt::ffi::app::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    connection.accounted = c.look(t).accounted + connection.accounted;
}

fn main() {}
