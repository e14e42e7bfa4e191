//! Must not compile. A handler of a cloud event may run the event loop, which frees `nc`.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;
use mgos_mqtt::ffi::shim::Cloud;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((_, mut nc)) = c.live(t) else { return };
    c.cloud_event(t, Cloud::ConnectError);
    nc.close(false);
}

fn main() {}
