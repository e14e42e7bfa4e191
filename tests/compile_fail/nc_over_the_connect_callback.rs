//! Must not compile. The connect callback may run the event loop, which frees `nc`.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((connection, nc)) = c.live(t) else { return };
    let len = c.call_connect_fn(t);
    connection.accounted = nc.last_unsent(len).len();
}

fn main() {}
