<<<<<<< HEAD
//! Must not compile. Two mutable references to one connection are alive at once.
=======
//! Two mutable references to one connection must not exist at the same time.
>>>>>>> 174462b2edb0405b099870f51263e1d4a0def74e

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let first = c.get(t);
    let second = c.get(t);
    first.accounted = second.accounted;
}

fn main() {}
