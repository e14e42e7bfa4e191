//! Consumed bytes are gone, so no reference to them may be kept across the call.

use mgos_mqtt::ffi::app::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) -> usize {
    let Some((_, mut nc)) = c.live(t) else { return 0 };
    let (bytes, _) = nc.received();
    nc.consume(0, 1);
    bytes.len()
}

fn main() {}
