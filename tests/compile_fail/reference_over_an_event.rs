//! Must not compile. A handler of the library's own events may free the connection.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;
use mgos_mqtt::ffi::types::mgos_mqtt_event;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    c.event(t, mgos_mqtt_event::GivenUp, 1, [1, 1]);
    connection.events_at = 0;
}

fn main() {}
