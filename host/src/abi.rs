//! The C structures of include/mongoose.h and related headers, field by field, and the C functions
//! that Rust calls. No behaviour. abi_layout.c has the compiler's view of the same layouts, for the
//! test below.
#![allow(missing_docs, reason = "the C header documents every name here")]

use libc::{c_char, c_double, c_int, c_uchar, c_uint, c_ulong, c_void, size_t, time_t};

/// `mg_event_handler_t`; `None` is NULL.
pub type Handler = Option<unsafe extern "C" fn(*mut MgConnection, c_int, *mut c_void, *mut c_void)>;

#[repr(C)]
pub struct Mbuf {
    pub buf: *mut c_char,
    pub len: size_t,
    pub size: size_t,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MgStr {
    pub p: *const c_char,
    pub len: size_t,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union SocketAddress {
    pub sa: libc::sockaddr,
    pub sin: libc::sockaddr_in,
    pub sin6: libc::sockaddr_in6,
}

#[repr(C)]
pub struct MgIface {
    pub mgr: *mut MgMgr,
    pub data: *mut c_void,
    pub vtable: *const c_void,
}

#[repr(C)]
pub struct MgMgr {
    pub active_connections: *mut MgConnection,
    pub user_data: *mut c_void,
    pub num_ifaces: c_int,
    pub num_calls: c_int,
    pub ifaces: *mut *mut MgIface,
    pub nameserver: *const c_char,
}

#[repr(C)]
pub struct MgConnection {
    pub next: *mut MgConnection,
    pub prev: *mut MgConnection,
    pub listener: *mut MgConnection,
    pub mgr: *mut MgMgr,
    pub sock: c_int,
    pub err: c_int,
    pub sa: SocketAddress,
    pub recv_mbuf_limit: size_t,
    pub recv_mbuf: Mbuf,
    pub send_mbuf: Mbuf,
    pub last_io_time: time_t,
    pub ev_timer_time: c_double,
    pub proto_handler: Handler,
    pub proto_data: *mut c_void,
    pub proto_data_destructor: Option<unsafe extern "C" fn(*mut c_void)>,
    pub handler: Handler,
    pub user_data: *mut c_void,
    pub priv_1: *mut c_void,
    pub priv_2: *mut c_void,
    pub mgr_data: *mut c_void,
    pub iface: *mut MgIface,
    pub flags: c_ulong,
    pub ssl_if_data: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MgAddSockOpts {
    pub user_data: *mut c_void,
    pub flags: c_uint,
    pub error_string: *mut *const c_char,
    pub iface: *mut MgIface,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MgBindOpts {
    pub user_data: *mut c_void,
    pub flags: c_uint,
    pub error_string: *mut *const c_char,
    pub iface: *mut MgIface,
    pub ssl_cert: *const c_char,
    pub ssl_key: *const c_char,
    pub ssl_ca_cert: *const c_char,
    pub ssl_cipher_suites: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MgConnectOpts {
    pub user_data: *mut c_void,
    pub flags: c_uint,
    pub error_string: *mut *const c_char,
    pub iface: *mut MgIface,
    pub nameserver: *const c_char,
    pub ssl_cert: *const c_char,
    pub ssl_key: *const c_char,
    pub ssl_ca_cert: *const c_char,
    pub ssl_cipher_suites: *const c_char,
    pub ssl_server_name: *const c_char,
    pub ssl_psk_identity: *const c_char,
    pub ssl_psk_key: *const c_char,
}

/// `MG_MAX_HTTP_HEADERS`
pub const HTTP_HEADERS: usize = 40;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct HttpMessage {
    pub message: MgStr,
    pub body: MgStr,
    pub method: MgStr,
    pub uri: MgStr,
    pub proto: MgStr,
    pub resp_code: c_int,
    pub resp_status_msg: MgStr,
    pub query_string: MgStr,
    pub header_names: [MgStr; HTTP_HEADERS],
    pub header_values: [MgStr; HTTP_HEADERS],
    pub content_length: size_t,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SntpMessage {
    pub kiss_of_death: c_int,
    pub time: c_double,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct WebsocketMessage {
    pub data: *mut c_uchar,
    pub size: size_t,
    pub flags: c_uchar,
}

pub const INVALID_SOCKET: c_int = -1;

pub const EV_POLL: c_int = 0;
pub const EV_ACCEPT: c_int = 1;
pub const EV_CONNECT: c_int = 2;
pub const EV_RECV: c_int = 3;
pub const EV_SEND: c_int = 4;
pub const EV_CLOSE: c_int = 5;
pub const EV_TIMER: c_int = 6;
pub const EV_HTTP_REPLY: c_int = 101;
pub const EV_WEBSOCKET_HANDSHAKE_DONE: c_int = 112;
pub const EV_WEBSOCKET_FRAME: c_int = 113;
pub const EV_WEBSOCKET_CONTROL_FRAME: c_int = 114;
pub const EV_SNTP_REPLY: c_int = 501;
pub const EV_SNTP_MALFORMED_REPLY: c_int = 502;
pub const EV_SNTP_FAILED: c_int = 503;

pub const WEBSOCKET_OP_CLOSE: c_int = 8;
pub const WEBSOCKET_OP_PING: c_int = 9;
pub const WEBSOCKET_OP_PONG: c_int = 10;

pub const F_LISTENING: c_ulong = 1 << 0;
pub const F_UDP: c_ulong = 1 << 1;
pub const F_RESOLVING: c_ulong = 1 << 2;
pub const F_CONNECTING: c_ulong = 1 << 3;
pub const F_SSL: c_ulong = 1 << 4;
pub const F_SSL_HANDSHAKE_DONE: c_ulong = 1 << 5;
pub const F_WANT_READ: c_ulong = 1 << 6;
pub const F_WANT_WRITE: c_ulong = 1 << 7;
pub const F_IS_WEBSOCKET: c_ulong = 1 << 8;
pub const F_RECV_AND_CLOSE: c_ulong = 1 << 9;
pub const F_SEND_AND_CLOSE: c_ulong = 1 << 10;
pub const F_CLOSE_IMMEDIATELY: c_ulong = 1 << 11;
pub const F_PROTO_1: c_ulong = 1 << 12;
pub const F_PROTO_2: c_ulong = 1 << 13;
pub const F_ENABLE_BROADCAST: c_ulong = 1 << 14;
/// MG_F_USER_1 to MG_F_USER_6.
pub const F_USER_ALL: c_ulong = 0x3f << 20;

/// `MG_SSL_ERROR`, the connect status of a failed TLS handshake.
pub const SSL_ERROR: c_int = -3;

/// `struct mgos_gpio`'s and timers' callback: `void (*)(void *)`.
pub type Callback = Option<unsafe extern "C" fn(*mut c_void)>;

unsafe extern "C" {
    pub fn mbuf_append(mb: *mut Mbuf, data: *const c_void, len: size_t) -> size_t;
    pub fn mbuf_remove(mb: *mut Mbuf, len: size_t);
    pub fn mbuf_resize(mb: *mut Mbuf, new_size: size_t);
    pub fn mbuf_trim(mb: *mut Mbuf);
    pub fn mbuf_free(mb: *mut Mbuf);

    pub fn cs_log_print_prefix(level: c_int, file: *const c_char, line: c_int) -> c_int;
    pub fn cs_log_printf(fmt: *const c_char, ...);
    pub fn mgos_debug_flush();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    unsafe extern "C" {
        static mgos_host_abi_layout: [u32; 48];
    }

    #[test]
    fn rust_and_c_agree_on_every_layout() {
        let ours = [
            size_of::<Mbuf>(),
            size_of::<SocketAddress>(),
            size_of::<MgMgr>(),
            offset_of!(MgMgr, num_calls),
            offset_of!(MgMgr, ifaces),
            size_of::<MgConnection>(),
            offset_of!(MgConnection, mgr),
            offset_of!(MgConnection, sock),
            offset_of!(MgConnection, err),
            offset_of!(MgConnection, sa),
            offset_of!(MgConnection, recv_mbuf_limit),
            offset_of!(MgConnection, recv_mbuf),
            offset_of!(MgConnection, send_mbuf),
            offset_of!(MgConnection, last_io_time),
            offset_of!(MgConnection, ev_timer_time),
            offset_of!(MgConnection, proto_handler),
            offset_of!(MgConnection, proto_data),
            offset_of!(MgConnection, proto_data_destructor),
            offset_of!(MgConnection, handler),
            offset_of!(MgConnection, user_data),
            offset_of!(MgConnection, priv_1),
            offset_of!(MgConnection, mgr_data),
            offset_of!(MgConnection, iface),
            offset_of!(MgConnection, flags),
            offset_of!(MgConnection, ssl_if_data),
            size_of::<MgAddSockOpts>(),
            size_of::<MgBindOpts>(),
            size_of::<MgConnectOpts>(),
            offset_of!(MgConnectOpts, error_string),
            offset_of!(MgConnectOpts, ssl_ca_cert),
            offset_of!(MgConnectOpts, ssl_psk_key),
            size_of::<crate::timers::TimerInfo>(),
            offset_of!(crate::timers::TimerInfo, cb_arg),
            size_of::<crate::net::IpInfo>(),
            size_of::<crate::net::EventData>(),
            offset_of!(crate::net::EventData, ip_info),
            size_of::<crate::uart::Config>(),
            offset_of!(crate::uart::Config, rx_buf_size),
            offset_of!(crate::uart::Config, tx_fc_type),
            size_of::<HttpMessage>(),
            offset_of!(HttpMessage, resp_status_msg),
            offset_of!(HttpMessage, header_values),
            offset_of!(HttpMessage, content_length),
            size_of::<WebsocketMessage>(),
            offset_of!(WebsocketMessage, flags),
            size_of::<SntpMessage>(),
            offset_of!(SntpMessage, time),
            0xabcd,
        ]
        .map(|n| n as u32);
        // SAFETY: defined in abi_layout.c with this type, never written to.
        assert_eq!(ours, unsafe { mgos_host_abi_layout });
    }
}
