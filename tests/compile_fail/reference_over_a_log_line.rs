//! Must not compile. A log hook may free the connection that the reference points to.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;
use mgos_mqtt::ffi::shim::Log;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    c.say(t, Log::NoMemory);
    connection.accounted = 0;
}

fn main() {}
