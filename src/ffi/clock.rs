//! The clocks of the firmware: uptime, which everything is timed by, and whether the wall clock is set.

use super::shim;

/// Uptime, milliseconds.
pub fn now() -> u32 {
    // SAFETY: reads a clock.
    unsafe { shim::mgos_mqtt_shim_now() }
}

/// True if the wall clock has been set.
pub fn time_is_set() -> bool {
    // SAFETY: reads a clock.
    unsafe { shim::mgos_mqtt_shim_time_is_set() != 0 }
}
