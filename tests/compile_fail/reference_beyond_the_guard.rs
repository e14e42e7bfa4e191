//! When the last guard ends, the connection may be freed: no reference may outlive it.

use mgos_mqtt::ffi::app::NoApp;
use mgos_mqtt::ffi::connection::ConnectionGuard;

fn wrong(guard: ConnectionGuard, t: &mut NoApp) -> usize {
    let connection = guard.get().get(t);
    drop(guard);
    connection.accounted
}

fn main() {}
