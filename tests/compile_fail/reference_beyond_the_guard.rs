<<<<<<< HEAD
//! Must not compile. When the last guard ends, the connection may be freed.
=======
//! When the last guard ends, the connection may be freed: no reference may outlive it.
>>>>>>> 174462b2edb0405b099870f51263e1d4a0def74e

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionGuard;

fn wrong(guard: ConnectionGuard, t: &mut NoApp) -> usize {
    let connection = guard.get().get(t);
    drop(guard);
    connection.accounted
}

fn main() {}
