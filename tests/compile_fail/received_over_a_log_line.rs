//! Must not compile. A log hook may run the event loop, which moves the receive buffer.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;
use mgos_mqtt::ffi::shim::Log;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) -> usize {
    let Some((_, nc)) = c.live(t) else { return 0 };
    let (bytes, _) = nc.received();
    c.say(t, Log::Oversized);
    bytes.len()
}

fn main() {}
