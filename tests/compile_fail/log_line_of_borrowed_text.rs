//! The text of a log line must not be borrowed from what its hook can free.

use mgos_mqtt::ffi::app::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;
use mgos_mqtt::ffi::shim::Log;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((_, nc)) = c.live(t) else { return };
    let (bytes, _) = nc.received();
    c.log_text(t, Log::Oversized, bytes, 0, 0);
}

fn main() {}
