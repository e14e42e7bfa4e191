<<<<<<< HEAD
//! Must not compile. A shared reference to a connection beside a mutable one.
=======
//! A shared reference to a connection must not exist beside a mutable one.
>>>>>>> 174462b2edb0405b099870f51263e1d4a0def74e

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    connection.accounted = c.look(t).accounted + connection.accounted;
}

fn main() {}
