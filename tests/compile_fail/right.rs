//! What the rule allows: borrow, release, run app code, borrow again.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;
use mgos_mqtt::ffi::shim::Log;

fn right(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((_, mut nc)) = c.live(t) else { return };
    let was = nc.id();
    if !nc.put(b"x") {
        c.say(t, Log::NoMemory);
    }
    // The connection may be gone, so ask.
    if let Some((connection, mut nc)) = c.live_as(t, was) {
        nc.close(true);
        connection.accounted = nc.unsent();
    }
}

fn main() {
    let _: fn(ConnectionRef<'_>, &mut NoApp) = right;
}
