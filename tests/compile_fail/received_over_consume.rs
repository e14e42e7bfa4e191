//! Must not compile. What has been consumed is not there any more.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) -> usize {
    let Some((_, mut nc)) = c.live(t) else { return 0 };
    let (bytes, _) = nc.received();
    nc.consume(0, 1);
    bytes.len()
}

fn main() {}
