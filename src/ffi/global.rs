//! The global connection: the one that the `mqtt` section of the configuration describes. It is
//! made when it is first needed, so that nothing is lost of what is registered before the
//! configuration is known.

use super::config::OwnConfig;
use super::connection::ConnectionGuard;
use super::lifecycle;
use super::token::NoApp;
use super::types::{mgos_config_mqtt, mgos_mqtt_conn};
use crate::conn::Slot;
use core::cell::Cell;
use core::ptr::null_mut;

struct Global(Cell<*mut mgos_mqtt_conn>);

// SAFETY: the firmware calls the library from one task only; see docs/architecture.md.
unsafe impl Sync for Global {}

static GLOBAL: Global = Global(Cell::new(null_mut()));

/// The global connection if there is one, else NULL.
pub fn current() -> *mut mgos_mqtt_conn {
    GLOBAL.0.get()
}

/// The connection is being freed.
pub fn forget(c: *mut mgos_mqtt_conn) {
    if current() == c {
        GLOBAL.0.set(null_mut());
    }
}

/// The global connection, made if need be; NULL without memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn mgos_mqtt_core_global() -> *mut mgos_mqtt_conn {
    if current().is_null() {
        // SAFETY: the first thing here that borrows, once.
        let t = &mut unsafe { NoApp::enter() };
        let made = lifecycle::create(t, 0, None, None);
        // The log line about it, without memory, may have run app code that has made one.
        if current().is_null() {
            GLOBAL.0.set(made);
        }
    }
    current()
}

/// Gives the global connection the system's configurations; one that was set before stays. Returns
/// 1, or 0 without memory.
///
/// The name is what the linker says is undefined when the firmware has the shim and not the archive
/// that belongs to it. `cargo xtask exports` checks that it has the version of Cargo.toml and
/// mos.yml.
///
/// # Safety
/// Both are alive as long as the firmware.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_archive_missing_or_version_mismatch_1_0_0_rc_1(
    primary: *const mgos_config_mqtt,
    backup: *const mgos_config_mqtt,
) -> u32 {
    let global = mgos_mqtt_core_global();
    // SAFETY: nothing is borrowed before this.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: the global connection is alive or NULL; nothing is borrowed yet.
    let Some(guard) = (unsafe { ConnectionGuard::new(global) }) else { return 0 };
    let connection = guard.get().get(t);
    if connection.config().is_none() && connection.core.slot() == Slot::Primary {
        // SAFETY: by the contract.
        connection.configs = unsafe { [OwnConfig::system(primary), OwnConfig::system(backup), OwnConfig::NONE] };
    }
    1
}
