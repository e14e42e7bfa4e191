//! Must not compile. A token is made only at an entry from C, which takes unsafe.

use mgos_mqtt::ffi::token::NoApp;

fn wrong() -> NoApp {
    NoApp::enter()
}

fn main() {}
