//! The C types that cross the seam. Those of the firmware are opaque here.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_int, c_void};

/// A Mongoose connection: the firmware's, opaque.
#[repr(C)]
pub struct mg_connection {
    _opaque: [u8; 0],
}

/// The `mqtt` section of the configuration: the firmware's, opaque, as its fields differ from app to app.
#[repr(C)]
pub struct mgos_config_mqtt {
    _opaque: [u8; 0],
}

/// The options of CONNECT: Mongoose's, opaque.
#[repr(C)]
pub struct mg_send_mqtt_handshake_opts {
    _opaque: [u8; 0],
}

/// An MQTT connection that comes back by itself: opaque, made by mgos_mqtt_conn_create().
#[repr(C)]
pub struct mgos_mqtt_conn {
    _opaque: [u8; 0],
}

/// The packet at the beginning of a connection's receive buffer, to be shown to a handler.
#[repr(C)]
pub struct mgos_mqtt_packet {
    /// Type and flags: its first byte.
    pub first: u8,
    /// Packet Identifier; 0 for none.
    pub id: u16,
    /// Bytes of the whole packet.
    pub size: usize,
    /// Bytes of a message's topic; 0 in other packets.
    pub topic_len: usize,
    /// Bytes of a message's payload.
    pub payload_len: usize,
    /// Where in the packet a message's topic begins.
    pub topic_at: usize,
    /// Where in the packet a message's payload begins.
    pub payload_at: usize,
}

/// Mongoose's string with a length.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mg_str {
    /// Where it begins.
    pub p: *const c_char,
    /// Bytes.
    pub len: usize,
}

impl mg_str {
    /// Its bytes; empty where the pointer is NULL.
    ///
    /// # Safety
    /// `p` is NULL or points to `len` bytes that do not change while the slice is in use.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.p.is_null() {
            return &[];
        }
        // SAFETY: by the contract.
        unsafe { core::slice::from_raw_parts(self.p.cast(), self.len) }
    }
}

/// Mongoose's event handler.
pub type mg_event_handler_t = Option<unsafe extern "C" fn(nc: *mut mg_connection, ev: c_int, ev_data: *mut c_void, user_data: *mut c_void)>;

/// Callback of `mgos_mqtt_set_connect_fn()` and `mgos_mqtt_conn_set_connect_fn()`: called when CONNECT is to be sent, which it does by
/// `mg_send_mqtt_handshake_opt(nc, client_id, *opts)`. `opts` holds what the configuration says, to be changed at will; strings that it
/// is given need to live until `mg_send_mqtt_handshake_opt()` has returned. To give up, set MG_F_CLOSE_IMMEDIATELY in `nc->flags`.
pub type mgos_mqtt_connect_fn_t = Option<
    unsafe extern "C" fn(nc: *mut mg_connection, client_id: *const c_char, opts: *mut mg_send_mqtt_handshake_opts, fn_arg: *mut c_void),
>;

/// Callback of `mgos_mqtt_sub()`: a message has come in. Neither `topic` nor `msg` ends with a NUL; both are gone when it returns.
pub type sub_handler_t = Option<
    unsafe extern "C" fn(
        nc: *mut mg_connection,
        topic: *const c_char,
        topic_len: c_int,
        msg: *const c_char,
        msg_len: c_int,
        ud: *mut c_void,
    ),
>;
