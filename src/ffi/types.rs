//! The C types that cross the seam. Those of the firmware are opaque here.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_int, c_void};

/// What C declares as `bool`, returned in a whole register: C without a prototype, and mJS, read an
/// `int` there.
/// cbindgen:ignore
pub type ReturnedBool = u32;

/// What C declares as `uint16_t`, returned in a whole register.
/// cbindgen:ignore
pub type ReturnedU16 = u32;

/// What C passes as `bool`: true for anything but 0.
/// cbindgen:ignore
pub type PassedBool = u8;

/// A Mongoose connection: the firmware's, opaque.
#[repr(C)]
pub struct mg_connection {
    _opaque: [u8; 0],
}

/// The `mqtt` section of the configuration: the firmware's, opaque, as its fields differ from app
/// to app.
#[repr(C)]
pub struct mgos_config_mqtt {
    _opaque: [u8; 0],
}

/// The options of CONNECT: Mongoose's, opaque.
#[repr(C)]
pub struct mg_send_mqtt_handshake_opts {
    _opaque: [u8; 0],
}

/// An MQTT connection with automatic reconnect: opaque, made by mgos_mqtt_conn_create().
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

/// Why a connection, or an attempt to connect, has ended: `last_reason` of `struct
/// mgos_mqtt_stats`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// None has ended yet.
    None,
    /// The server or the network has closed it; or the app, through the Mongoose connection.
    Lost,
    /// The server cannot be reached.
    Unreachable,
    /// The server has refused it, with CONNACK or, over WebSocket, with its HTTP response.
    Refused,
    /// The broker has violated the protocol.
    Violation,
    /// No PINGRESP in time.
    PingTimeout,
    /// No CONNACK within `connect_timeout`.
    ConnectTimeout,
    /// The app has called mgos_mqtt_conn_disconnect().
    Asked,
    /// The configuration has changed, or its strings do not fit CONNECT.
    Config,
    /// Out of memory.
    NoMemory,
    /// The server was reached, but the TLS handshake failed or was cut short.
    Tls,
}

/// Events of the library, raised by mgos_event_trigger() from the event loop, never inside a call
/// that publishes. What happens within a second is raised as one event, with `struct
/// mgos_mqtt_event_arg` as its data. Add a handler with mgos_event_add_handler(), or for all of
/// them with mgos_event_add_group_handler(MGOS_MQTT_EVENT_GIVEN_UP, ...). New; the original has
/// none.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum mgos_mqtt_event {
    /// Messages at QoS 1 or 2 were given up: not acknowledged, and no longer kept. They may have
    /// arrived.
    GivenUp = 0x4d51_5400,
    /// Messages were set aside, as the broker closes the connection on each of them. They are kept
    /// and retried at long intervals.
    SetAside,
    /// Subscriptions were refused, with SUBACK 0x80 or by closing the connection.
    SubRefused,
}

/// What comes with the events of `enum mgos_mqtt_event`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mgos_mqtt_event_arg {
    /// The connection.
    pub conn: *mut mgos_mqtt_conn,
    /// How many messages or subscriptions.
    pub count: u32,
    /// Packet ID of the first message, as mgos_mqtt_pub() has returned it; 0 for subscriptions.
    pub first_id: u16,
    /// Packet ID of the last.
    pub last_id: u16,
}

/// What has happened to a connection since it was made. Counters are reset only by
/// mgos_mqtt_conn_free(), and wrap around after 4,294,967,295.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct mgos_mqtt_stats {
    /// How often the broker has accepted the connection.
    pub connects: u32,
    /// How often an accepted connection has ended.
    pub disconnects: u32,
    /// Why the last connection, or attempt to make one, has ended: `enum mgos_mqtt_reason`.
    pub last_reason: u32,
    /// PUBLISH packets sent by the library, including retransmissions.
    pub sent: u32,
    /// Of these, retransmissions in the same session (DUP).
    pub retried: u32,
    /// Messages received, for subscriptions or handlers. A QoS 2 message that the broker repeats
    /// counts once.
    pub received: u32,
    /// Messages given up: those for which 0 was returned; those dropped from the queue for newer
    /// ones; those sent without being kept, or no longer kept for newer ones, whose connection
    /// ended before the acknowledgement, though they may have arrived; and those set aside on which
    /// the broker has closed ten more connections.
    pub dropped: u32,
    /// Received packets that exceeded `recv_mbuf_limit` and were skipped.
    pub oversized: u32,
    /// Messages kept now, to be sent or acknowledged.
    pub queued: u32,
    /// The highest `queued` has been.
    pub queued_max: u32,
    /// Bytes that the link has taken: all packets, including those that the app has sent itself,
    /// and WebSocket frame headers; not what TLS and the opening of a WebSocket add.
    pub bytes_sent: u32,
    /// Bytes received, likewise.
    pub bytes_received: u32,
    /// Round-trip time of the last ping, milliseconds; 0 if there was none yet.
    pub ping_ms: u32,
    /// How long the connection has been up, milliseconds, modulo 2^32 (49.7 days); 0 while it is
    /// not.
    pub connected_ms: u32,
    /// Of the messages kept now, those set aside, as the broker closes the connection on each of
    /// them.
    pub set_aside: u32,
}

/// What became of a message published with mgos_mqtt_pub_opt() or mgos_mqtt_pub_stream(). New; the original
/// has no such thing.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum mgos_mqtt_result {
    /// The broker has acknowledged it: PUBACK at QoS 1, PUBCOMP at QoS 2.
    Acknowledged,
    /// At QoS 0: the link has taken its last byte. It may still be lost.
    Sent,
    /// A newer message with `replace` and the same topic has taken its place before it was sent, or before
    /// it was sent anew as the broker had lost the session.
    Replaced,
    /// It was not sent within `ttl_ms`.
    Expired,
    /// It was given up, as MGOS_MQTT_EVENT_GIVEN_UP says; it may have arrived.
    GivenUp,
    /// At QoS 0: the connection ended before the link had taken it.
    Lost,
    /// mgos_mqtt_conn_free() was called.
    Freed,
}

/// Callback of mgos_mqtt_pub_opt() and mgos_mqtt_pub_stream(): tells what became of the message with the
/// packet ID `id`, which is 0 only for a message in pieces that never began. `result`
/// is one of `enum mgos_mqtt_result`; `arg` is handed back.
pub type mgos_mqtt_result_fn_t = Option<unsafe extern "C" fn(arg: *mut c_void, id: u16, result: c_int)>;

/// Callback of mgos_mqtt_conn_finish(): the connection has ended. `left` is the number of messages that
/// are still kept and were not acknowledged; `arg` is handed back.
pub type mgos_mqtt_finish_fn_t = Option<unsafe extern "C" fn(arg: *mut c_void, left: c_int)>;

/// How a message is published: see mgos_mqtt_pub_opt(). All zeros: as mgos_mqtt_pub() does, at QoS 0.
/// New fields are added at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mgos_mqtt_pub_opts {
    /// 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_set_max_qos().
    pub qos: c_int,
    /// Whether the broker is to keep it for later subscribers.
    pub retain: PassedBool,
    /// At QoS 1 and 2: a newer message that is published with `replace` to the same topic takes the
    /// place of this one in the queue, if this one has not been sent by then.
    pub replace: PassedBool,
    /// At QoS 1 and 2: the message is dropped if it is not sent within this many milliseconds; 0: no
    /// limit. One that was sent is repeated until it is acknowledged, as the standard requires, unless
    /// the broker loses the session.
    pub ttl_ms: u32,
    /// Called once, from the event loop, when it is known what became of the message; see `enum
    /// mgos_mqtt_result`. Never inside the call that publishes, and not for a message that was
    /// refused. Any function may be called in it. NULL: nobody is told.
    pub cb: mgos_mqtt_result_fn_t,
    /// Handed back to `cb`; it stays the app's.
    pub arg: *mut c_void,
}

impl mgos_mqtt_pub_opts {
    /// Those that an app which was compiled with a structure of `size` bytes has given.
    ///
    /// # Safety
    /// `opts` is NULL or points to `size` readable bytes, the beginning of such a structure.
    pub unsafe fn read(opts: *const mgos_mqtt_pub_opts, size: usize) -> Self {
        let mut known = mgos_mqtt_pub_opts { qos: 0, retain: 0, replace: 0, ttl_ms: 0, cb: None, arg: core::ptr::null_mut() };
        if !opts.is_null() {
            let size = size.min(size_of::<Self>());
            // SAFETY: `size` bytes are readable by the contract, and `known` is at least as large; a field
            // that is left out is zero, which is valid for all of them.
            unsafe { (&raw mut known).cast::<u8>().copy_from_nonoverlapping(opts.cast(), size) };
        }
        known
    }
}

/// A piece of a message, as mgos_mqtt_sub_stream() delivers it. All of it is gone when the handler
/// returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mgos_mqtt_piece {
    /// The topic, which does not end with a NUL.
    pub topic: *const c_char,
    /// Bytes of the topic.
    pub topic_len: usize,
    /// Bytes of the message.
    pub total: usize,
    /// Where in the message this piece begins.
    pub offset: usize,
    /// The piece. NULL: the connection has ended, and the rest does not come. If the broker keeps the
    /// session (`mqtt.clean_session` false), it sends a QoS 1 or 2 message again, from its beginning.
    pub data: *const c_void,
    /// Bytes of the piece.
    pub len: usize,
    /// QoS of the message: 0, 1 or 2.
    pub qos: c_int,
    /// Whether it is a retained message.
    pub retained: PassedBool,
}

/// Callback of mgos_mqtt_sub_stream(), called with each piece in turn; the last ends at `total`. Returns
/// whether it wants the rest: with false the rest is skipped, and the message acknowledged all the
/// same. Any function may be called in it.
pub type mgos_mqtt_stream_handler_t =
    Option<unsafe extern "C" fn(c: *mut mgos_mqtt_conn, piece: *const mgos_mqtt_piece, arg: *mut c_void) -> PassedBool>;

/// Callback of mgos_mqtt_pub_stream(): writes the bytes of the message from `offset` on to `buf`, at most
/// `size`. Returns how many it has written; 0 if there are none yet, to be asked again soon; a negative
/// number to give the message up, which closes the connection. Any function may be called in it.
///
/// `offset` is 0 again when the message is begun anew, and the same again if there was no memory for what
/// was written.
pub type mgos_mqtt_read_fn_t = Option<unsafe extern "C" fn(arg: *mut c_void, offset: usize, buf: *mut c_void, size: usize) -> c_int>;

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

/// Callback of `mgos_mqtt_set_connect_fn()` and `mgos_mqtt_conn_set_connect_fn()`, which sends
/// CONNECT: `mg_send_mqtt_handshake_opt(nc, client_id, *opts)`. `opts` holds what the configuration
/// says, and may be changed; strings put there need to live until `mg_send_mqtt_handshake_opt()`
/// has returned. To give up, set MG_F_CLOSE_IMMEDIATELY in `nc->flags`.
pub type mgos_mqtt_connect_fn_t = Option<
    unsafe extern "C" fn(nc: *mut mg_connection, client_id: *const c_char, opts: *mut mg_send_mqtt_handshake_opts, fn_arg: *mut c_void),
>;

/// Callback of `mgos_mqtt_sub()`, called with each message. Neither `topic` nor `msg` ends with a
/// NUL; both are gone when it returns.
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
