//! The other side of the seam, as Rust sees it: the functions that shim/ provides, and the numbers
//! that both sides know.
//!
//! Only pointers, lengths and fixed-width integers cross. What the firmware's structures look like,
//! the shim knows and Rust does not. This file is also the source of the shim's header: cbindgen
//! turns it into shim/mgos_mqtt_seam.h.

use super::types::{mg_connection, mgos_config_mqtt, mgos_mqtt_conn, mgos_mqtt_connect_fn_t, mgos_mqtt_packet};
use core::ffi::{c_char, c_int, c_void};

/// Log lines, in the order of shim/log_lines.txt, which has their texts. What is shown in them: `s`, a
/// string, and `a` and `b`, numbers; what is shown by a word has its number in `b`.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// The transport is up (a = 0), or has failed: a = error, b = 1.
    Connected,
    /// The connection is gone: b = why, a `Reason`; for `Reason::Tls` plus `Number::Tls` minus 1.
    Disconnected,
    /// CONNACK 0: b = 1 if the broker has kept the session, else 0.
    Connack,
    /// CONNACK with another return code: a and b = the code.
    Refused,
    /// SUBSCRIBE was sent: s = filter, a = QoS.
    Sub,
    /// A subscription was removed: s = filter.
    Unsub,
    /// SUBACK 0x80: s = filter.
    SubFailed,
    /// PUBLISH was sent: s = topic, a = packet ID, b = first byte.
    Pub,
    /// A message was dropped from the queue: s = topic, a = packet ID.
    Overflow,
    /// The next attempt follows in a milliseconds.
    Wait,
    /// The app disconnects.
    Disconnect,
    /// `require_time` is set and the clock is not.
    NoTime,
    /// The configuration names no server.
    NoServer,
    /// Out of memory.
    NoMemory,
    /// The configuration is NULL.
    NoConfig,
    /// No PINGRESP.
    PingTimeout,
    /// No CONNACK within a milliseconds.
    ConnectTimeout,
    /// Several connections in a row have ended before CONNACK.
    NoConnack,
    /// What was to be sent before the end was not sent in time.
    CloseTimeout,
    /// The broker has violated the protocol: a = first byte of the packet, b = `ProtocolError`.
    Violation,
    /// A packet over the limit is dropped: s = topic, a = its size, b = the limit.
    Oversized,
    /// A message could be neither sent nor kept: s = topic.
    Dropped,
    /// A message does not fit a packet: s = topic.
    TooLarge,
    /// A message exceeds `max_queue_bytes` by itself: s = topic.
    OverQueueBytes,
    /// A message is NULL and its length is not 0: s = topic.
    NullMessage,
    /// `will_retain` without a complete will.
    NoWill,
    /// The will is left out because of its topic: s = topic.
    BadWill,
    /// A password without a user name.
    NoUser,
    /// An empty client ID with `clean_session` false.
    NoClientId,
    /// A string of the configuration does not fit CONNECT.
    TooLong,
    /// A call needs a connection and has none.
    NoConnection,
    /// A handler is NULL: s = filter.
    NoHandler,
    /// A topic name or filter has control characters: s = topic.
    ControlCharacters,
    /// The other server is tried: b = its number, 0 or 1.
    Switched,
    /// A WebSocket frame that a server must not send: b = `FrameError`.
    BadFrame,
    /// PUBACK for a message at QoS 2.
    Downgraded,
    /// A message is not acknowledged in time, and sent again: a = packet ID.
    Overdue,
    /// A SUBSCRIBE or UNSUBSCRIBE is not answered in time, and sent again.
    SubOverdue,
    /// Nor a second time: s = filter.
    SubUnanswered,
    /// The broker closes the connection on a message: s = topic, a = packet ID, b = bytes of topic
    /// and payload.
    SetAside,
    /// It has done so too often: s = topic, a = packet ID.
    GivenUpAside,
    /// The broker closes the connection on a subscription: s = filter.
    SubSetAside,
    /// Messages were given up: a = how many, b = packet IDs of the first and the last, in the upper
    /// and lower 16 bits.
    GivenUp,
    /// Session present, though a new session was asked for.
    SessionPresent,
    /// The peer has closed several connections early.
    ShortLived,
    /// The link is congested: s = topic.
    Congested,
    /// Messages that a handler should have acknowledged were not.
    Unacked,
    /// Too many UNSUBSCRIBEs are unanswered.
    UnsubForgotten,
    /// A topic name or filter is invalid: s = topic, b = `TopicError`.
    BadTopic,
    /// The connection has ended inside a message that is published in pieces: s = topic, a = bytes
    /// written.
    CutOff,
    /// The shim: the reply to the WebSocket handshake exceeds the receive limit.
    #[allow(dead_code, reason = "the shim's")]
    WsTooLong,
    /// The shim: the server agrees to WebSocket, but not to MQTT over it.
    #[allow(dead_code, reason = "the shim's")]
    WsNoMqtt,
    /// The shim: the server does not agree to WebSocket: s = its words, a = HTTP status.
    #[allow(dead_code, reason = "the shim's")]
    WsRefused,
    /// The shim: `mqtt.queue_file` is set in firmware that was built without it.
    #[allow(dead_code, reason = "the shim's")]
    NoQueueFile,
}

/// Numbers of the configuration.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// 0 if it is not enabled; 1 if it is and names no server, else 2.
    Enable,
    /// Milliseconds.
    ReconnectMin,
    /// Milliseconds.
    ReconnectMax,
    /// 1 or 0.
    CleanSession,
    /// Seconds.
    KeepAlive,
    /// 1 or 0.
    WillRetain,
    /// Negative for no limit.
    MaxQos,
    /// 1 or 0.
    RequireTime,
    /// 1 or 0.
    CloudEvents,
    /// Messages.
    MaxQueue,
    /// Bytes of topics and payloads; 0 or negative for no limit.
    MaxQueueBytes,
    /// Milliseconds; 0 for no limit.
    ConnectTimeout,
    /// 1 or 0: ws_enable, or a server that begins with ws:// or wss://.
    WsEnable,
    /// Milliseconds; 0 for the default, negative for none.
    AckTimeout,
    /// What is configured for TLS: 0 for nothing; 1 for CA certificates, or a client certificate
    /// without them, 2 for both, 3 for a pre-shared key.
    Tls,
}

/// Log lines about the file of the queue, with a number n.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum QueueLog {
    /// n messages were restored.
    Restored,
    /// One copy is incomplete, as after a power cut; the other was used.
    Incomplete,
    /// No copy is whole: what there is was set aside.
    Damaged,
    /// It can't be read or there is no memory for what is in it: it is left as it is.
    Unreadable,
    /// It could not be written, and is tried again.
    NotWritten,
    /// It is asked for too late, when there is a connection or something is queued.
    TooLate,
    /// Another connection uses it, it has no name, or there is no memory.
    Refused,
}

/// Cloud events.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// An attempt begins.
    Connecting,
    /// The broker has accepted the connection.
    Connected,
    /// The connection is gone.
    Disconnected,
    /// An attempt has failed.
    ConnectError,
}

/// What is to be done with WebSocket frames.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// Put what has been written into one.
    Into,
    /// Take what has come in out of them, up to a close that follows packets.
    OutOf,
    /// The same, with a close.
    OutOfToTheEnd,
    /// Write a close frame.
    Close,
}

unsafe extern "C" {
    // What is not said to call the app does not call it. Nor does any of these change anything where
    // it says that there was no memory. c_tests/seam/contract.c checks what is said here, for shim/
    // and for what stands in its place in the tests.

    /// Uptime in milliseconds, modulo 2^32.
    pub fn mgos_mqtt_shim_now() -> u32;
    /// A random number, each of its 32 bits as likely as not.
    pub fn mgos_mqtt_shim_random() -> u32;
    /// Clears the timer `id` (0 for none), and, if `ms` is not negative, sets one that calls
    /// `mgos_mqtt_core_timer` every `ms` milliseconds, or every millisecond if `ms` is 0. Returns its id,
    /// or 0; without memory `id`, which then keeps running. Clearing takes no memory, and may be done
    /// while it fires.
    pub fn mgos_mqtt_shim_timer(id: usize, ms: i32, c: *mut mgos_mqtt_conn) -> usize;
    /// Calls `mgos_mqtt_core_net` whenever the network comes up or goes down (`on` = 1, which is said
    /// once), or no more (0, which may be said at any time). Returns 1 if it is called from now on; 0
    /// if not, as without memory.
    pub fn mgos_mqtt_shim_watch_net(c: *mut mgos_mqtt_conn, on: u32) -> u32;
    /// Calls `mgos_mqtt_core_time_set` whenever the wall clock is set, whatever to (`on` = 1), or no
    /// more (0). Either may be said again; it is called once each time. Without memory it is not called.
    pub fn mgos_mqtt_shim_watch_time(c: *mut mgos_mqtt_conn, on: u32);
    /// Writes the log line `what` for connection number `conn`, with the first bytes of the text at `s`
    /// (NULL if `len` is 0), control characters left out. Calls the app: hooks of the log, once the
    /// text has been copied.
    pub fn mgos_mqtt_shim_log(what: Log, conn: i32, s: *const u8, len: usize, a: i32, b: i32);
    /// Logs that an attempt begins, with the server's address, which there is, without a login. Calls
    /// the app.
    pub fn mgos_mqtt_shim_log_connecting(cfg: *const mgos_config_mqtt, conn: i32);
    /// Raises a cloud event. Calls the app.
    pub fn mgos_mqtt_shim_cloud_event(which: Cloud);
    /// Raises an event of the library's own, one of `enum mgos_mqtt_event`; `arg`: its `struct mgos_mqtt_event_arg`, which handlers are given as it is.
    /// Calls the app.
    pub fn mgos_mqtt_shim_event(event: i32, arg: *mut c_void);
    /// Bytes of heap that are free.
    pub fn mgos_mqtt_shim_free_heap() -> usize;

    /// A number of the configuration. Times are in milliseconds, rounded down, at most 2^31 - 1; 0 for
    /// one that is negative (but -1 for `AckTimeout`) or no number. Others are as they are there,
    /// negative or not.
    pub fn mgos_mqtt_shim_number(cfg: *const mgos_config_mqtt, which: Number) -> i32;
    /// Five strings of the configuration, in the order of CONNECT: client id (device.id where it has none), topic and message of the will, user name,
    /// password. NULL where it has none; one that the app has made empty stays so. They live as long
    /// as nobody changes the configuration.
    pub fn mgos_mqtt_shim_config_strings(cfg: *const mgos_config_mqtt, strings: *mut *const c_char);
    /// A number, not 0, that stands for the server's address and the client id together: equal for
    /// equal ones, and for others nearly never.
    pub fn mgos_mqtt_shim_session_key(cfg: *const mgos_config_mqtt) -> u32;
    /// A deep copy; the system's own configurations are shared instead. NULL without memory.
    pub fn mgos_mqtt_shim_copy_config(cfg: *const mgos_config_mqtt) -> *const mgos_config_mqtt;
    /// Frees what `mgos_mqtt_shim_copy_config` returned; NULL is fine.
    pub fn mgos_mqtt_shim_free_config(cfg: *const mgos_config_mqtt);
    /// The wall clock, seconds since 1970, modulo 2^32; 0 if it has not been set, see below.
    pub fn mgos_mqtt_shim_wall_clock() -> u32;
    /// 1 if the wall clock has been set: if it is at July 2017 or later.
    pub fn mgos_mqtt_shim_time_is_set() -> u32;

    /// Begins to connect; the events come to `mgos_mqtt_ev`, with `c`. NULL if that failed at once, also
    /// for want of memory; the reason has been logged, which calls the app.
    pub fn mgos_mqtt_shim_open(c: *mut mgos_mqtt_conn, cfg: *const mgos_config_mqtt, conn: i32) -> *mut mg_connection;
    /// Hands the options of CONNECT, as the configuration says (of `keep_alive` the lower 16 bits), to
    /// the app's connect callback, which is to send it. Returns how many bytes more wait to be sent
    /// afterwards; 0 if it was the end of `nc`, which is asked of `mgos_mqtt_conn_nc(c)` before `nc` is
    /// looked at again; another may be at its address. Calls the app.
    pub fn mgos_mqtt_shim_call_connect_fn(
        c: *mut mgos_mqtt_conn,
        nc: *mut mg_connection,
        cfg: *const mgos_config_mqtt,
        connect_fn: mgos_mqtt_connect_fn_t,
        arg: *mut c_void,
    ) -> usize;
    /// The last `len` bytes of what is to be sent; there are as many.
    pub fn mgos_mqtt_shim_last_unsent(nc: *mut mg_connection, len: usize) -> *const u8;
    /// What the app has sent by itself since this was last asked: -1 for nothing, else the keep-alive
    /// interval of its CONNECT, seconds. Neither this nor the next function is for a connection that
    /// Mongoose has data of its own at: over WebSocket, until these were taken over.
    pub fn mgos_mqtt_shim_app_sent(nc: *mut mg_connection) -> i32;
    /// Tells Mongoose's own MQTT functions the keep-alive interval, seconds, at most 65535. Nothing
    /// where there was no memory for what they work on.
    pub fn mgos_mqtt_shim_set_keep_alive(nc: *mut mg_connection, seconds: u32);

    /// Makes room for `size` bytes to be sent, and `spare` more, and returns where they are to be
    /// written. NULL without memory, and if that is more than memory can hold. Until something is
    /// written elsewhere, inserting up to `spare` bytes takes no memory.
    pub fn mgos_mqtt_shim_send_reserve(nc: *mut mg_connection, size: usize, spare: usize) -> *mut u8;
    /// Sends `size` bytes that have been written where `mgos_mqtt_shim_send_reserve` said.
    pub fn mgos_mqtt_shim_send(nc: *mut mg_connection, size: usize);
    /// Takes back the last `len` bytes of what the link has not taken yet; there are as many.
    pub fn mgos_mqtt_shim_unsend(nc: *mut mg_connection, len: usize);
    /// Inserts bytes, one at least, at `at` into what the link has not taken yet, which is no less.
    /// Returns where what follows them lies; NULL without memory.
    pub fn mgos_mqtt_shim_insert_unsent(nc: *mut mg_connection, at: usize, bytes: *const u8, len: usize) -> *mut u8;
    /// Bytes that the link has not taken yet.
    pub fn mgos_mqtt_shim_unsent(nc: *mut mg_connection) -> usize;
    /// What has been received and not consumed: where it lies (not if there is none), how much, and
    /// how long a packet may be: `recv_mbuf_limit`, at least 64. Over WebSocket up to 160 bytes more
    /// are received, once the request was sent.
    pub fn mgos_mqtt_shim_received(nc: *mut mg_connection, len: *mut usize, limit: *mut usize) -> *const u8;
    /// Removes `len` bytes at `at` from what has been received, if all of them are there. Returns how
    /// many are left.
    pub fn mgos_mqtt_shim_recv_consume(nc: *mut mg_connection, at: usize, len: usize) -> usize;
    /// Sends the request for WebSocket, with sub-protocol mqtt. 0 without memory, and if the app has
    /// changed the server to none: then nothing is sent.
    pub fn mgos_mqtt_shim_ws_upgrade(nc: *mut mg_connection, cfg: *const mgos_config_mqtt) -> u32;
    /// Looks at the reply to the WebSocket handshake: a `struct http_message`, or NULL while Mongoose
    /// has found none. 1 if the server agrees to WebSocket and to the sub-protocol. 0 if not, or if
    /// its reply does not fit `recv_mbuf_limit`: that has been logged, which calls the app. 2 while it
    /// may still come.
    pub fn mgos_mqtt_shim_ws_agreed(nc: *mut mg_connection, reply: *mut c_void, conn: i32) -> u32;
    /// Has Mongoose call us directly; with `all` = 1 its own data go as well, and those of its MQTT
    /// functions come in their place. 0 without memory for these; its own are gone all the same.
    pub fn mgos_mqtt_shim_ws_take_over(nc: *mut mg_connection, all: u32) -> u32;
    /// Calls `mgos_mqtt_core_ws_frames` with the same, where Mongoose has WebSocket, and returns
    /// what that does; 0 elsewhere.
    pub fn mgos_mqtt_shim_ws_frames(c: *mut mgos_mqtt_conn, nc: *mut mg_connection, what: Frames) -> u32;
    /// Has the event loop close the connection: at once (`after_sending` = 0, whatever was said before),
    /// or when all has been sent (1).
    pub fn mgos_mqtt_shim_close(nc: *mut mg_connection, after_sending: u32);
    /// Cuts the tie from a Mongoose connection to ours, which is going away: its events come with NULL.
    pub fn mgos_mqtt_shim_detach(nc: *mut mg_connection);
    /// The connection object that a Mongoose connection belongs to; NULL after `mgos_mqtt_shim_detach`.
    pub fn mgos_mqtt_shim_owner(nc: *mut mg_connection) -> *mut mgos_mqtt_conn;
    /// Calls the handler at `handler`: an `mg_event_handler_t`, which is not NULL, with a
    /// `struct mg_mqtt_message` made of `packet`, which has topic and payload where `topic_len` is not
    /// 0; or, where `ev` is 0, a `sub_handler_t` with topic and payload; NULL for none. The packet is
    /// at the front of what has been received. Calls the app, and looks at nothing afterwards.
    pub fn mgos_mqtt_shim_call(
        handler: *const c_void,
        nc: *mut mg_connection,
        ev: c_int,
        packet: *const mgos_mqtt_packet,
        user_data: *mut c_void,
    );

    /// Claims the file of a queue with this name, from which the names of its two copies are made.
    /// Returns a handle for the functions below. NULL if it is claimed already, for an empty
    /// name, and without memory.
    pub fn mgos_mqtt_shim_queue_claim(path: *const c_char) -> *mut c_void;
    /// Gives the claim back.
    pub fn mgos_mqtt_shim_queue_release(file: *mut c_void);
    /// Opens copy 0 or 1, to be read, or, with `to_write` = 1, to be written anew. Returns a number
    /// for the functions below; -1 if it is not there; -2 if it may be there and can't be opened, as
    /// without memory.
    pub fn mgos_mqtt_shim_queue_open(file: *mut c_void, copy: u32, to_write: u32) -> i32;
    /// Reads up to `len` bytes; returns how many.
    pub fn mgos_mqtt_shim_queue_read(fd: i32, to: *mut u8, len: usize) -> usize;
    /// Writes `len` bytes. Returns 1; 0 if not all could be written.
    pub fn mgos_mqtt_shim_queue_write(fd: i32, from: *const u8, len: usize) -> u32;
    /// Closes it. What was written survives a power cut from then on. Returns 1; 0 if that failed.
    pub fn mgos_mqtt_shim_queue_close(fd: i32) -> u32;
    /// Renames copy 0 or 1, which is damaged, so that it is not written over.
    pub fn mgos_mqtt_shim_queue_set_aside(file: *mut c_void, copy: u32);
    /// Writes a log line about the file for connection number `conn`, with the name that was claimed,
    /// or, for NULL, with `path`. Calls the app, once the text has been copied.
    pub fn mgos_mqtt_shim_queue_log(what: QueueLog, conn: i32, file: *mut c_void, path: *const c_char, n: u32);
    /// Calls `mgos_mqtt_core_reboot` when the device is about to restart (`on` = 1), or no more (0).
    /// Either may be said again; it is called once each time. Without memory it is not called.
    pub fn mgos_mqtt_shim_watch_reboot(c: *mut mgos_mqtt_conn, on: u32);
}
