//! Stands where src/ffi is for the files that are taken from there.

#[path = "../../../src/ffi/shim.rs"]
#[allow(dead_code, reason = "the tests of src use the rest")]
pub mod shim;
#[path = "tests.rs"]
pub mod tests;
#[path = "../../../src/ffi/types.rs"]
#[allow(dead_code, reason = "the tests of src use the rest")]
pub mod types;

pub mod conn_api {
    //! The contract's connection object has no more than this.

    use super::types::{mg_connection, mgos_mqtt_conn};

    unsafe extern "C" {
        pub fn mgos_mqtt_conn_nc(c: *mut mgos_mqtt_conn) -> *mut mg_connection;
    }

    pub unsafe fn mgos_mqtt_conn_free(_: *mut mgos_mqtt_conn) {}
}

pub mod events {
    //! What the contract is told.

    use super::types::{mg_connection, mgos_mqtt_conn};
    use core::ffi::{c_int, c_void};

    unsafe extern "C" {
        pub fn mgos_mqtt_ev(nc: *mut mg_connection, ev: c_int, ev_data: *mut c_void, user_data: *mut c_void);
        pub fn mgos_mqtt_core_timer(c: *mut mgos_mqtt_conn);
        pub fn mgos_mqtt_core_net(c: *mut mgos_mqtt_conn, up: u32);
        pub fn mgos_mqtt_core_time_set(c: *mut mgos_mqtt_conn);
        pub fn mgos_mqtt_core_reboot(c: *mut mgos_mqtt_conn);
    }
}

pub mod websocket {
    //! The same.

    use super::shim::Frames;
    use super::types::{mg_connection, mgos_mqtt_conn};

    unsafe extern "C" {
        pub fn mgos_mqtt_core_ws_frames(c: *mut mgos_mqtt_conn, nc: *mut mg_connection, what: Frames) -> u32;
    }
}

pub mod global {
    //! There is no global connection.

    use super::types::mgos_mqtt_conn;

    pub fn current() -> *mut mgos_mqtt_conn {
        core::ptr::null_mut()
    }

    pub fn forget(_: *mut mgos_mqtt_conn) {}
}
