//! Must not compile. When the last guard ends, the connection may be freed.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionGuard;

fn wrong(guard: ConnectionGuard, t: &mut NoApp) -> usize {
    let connection = guard.get().get(t);
    drop(guard);
    connection.accounted
}

fn main() {}
