//! Must not compile. A log hook may change the configuration, and free its strings.

use mgos_mqtt::ffi::token::NoApp;
use mgos_mqtt::ffi::connection::ConnectionRef;
use mgos_mqtt::ffi::shim::Log;

fn wrong(c: ConnectionRef<'_>, t: &mut NoApp) -> bool {
    let Some(config) = c.look(t).config() else { return false };
    let [client_id, ..] = config.connect_strings();
    c.say(t, Log::NoClientId);
    client_id.is_some()
}

fn main() {}
