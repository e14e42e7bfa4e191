//! Must not compile. A log hook may run the event loop, which frees the Mongoose connection.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;
use mgos_mqtt::ffi::shim::Log;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((_, mut nc)) = c.live(t) else { return };
    c.say(t, Log::NoMemory);
    nc.close(true);
}

fn main() {}
