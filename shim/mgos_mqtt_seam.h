#pragma once

/*
 * Copyright the mgos-mqtt contributors. SPDX-License-Identifier: Apache-2.0
 *
 * Made from src/ffi by cbindgen: do not edit, run `cargo xtask header`.
 */

#include "mgos_mqtt.h"

/*
 * The seam between the shim, in C, and the core, in Rust: what each has for the other. Not for apps.
 *
 * Only pointers, lengths and fixed-width integers cross it.
 */

/**
 * Log lines, in the order of shim/log_lines.txt, which has their texts. What is shown in them: `s`, a
 * string, and `a` and `b`, numbers; what is shown by a word has its number in `b`.
 */
enum mgos_mqtt_log
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The transport is up (a = 0), or has failed: a = error, b = 1.
   */
  MGOS_MQTT_LOG_CONNECTED,
  /**
   * The connection is gone: b = why, a `Reason`; for `Reason::Tls` plus `Number::Tls` minus 1.
   */
  MGOS_MQTT_LOG_DISCONNECTED,
  /**
   * CONNACK 0: b = 1 if the broker has kept the session, else 0.
   */
  MGOS_MQTT_LOG_CONNACK,
  /**
   * CONNACK with another return code: a and b = the code.
   */
  MGOS_MQTT_LOG_REFUSED,
  /**
   * SUBSCRIBE was sent: s = filter, a = QoS.
   */
  MGOS_MQTT_LOG_SUB,
  /**
   * A subscription was removed: s = filter.
   */
  MGOS_MQTT_LOG_UNSUB,
  /**
   * SUBACK 0x80: s = filter.
   */
  MGOS_MQTT_LOG_SUB_FAILED,
  /**
   * PUBLISH was sent: s = topic, a = packet ID, b = first byte.
   */
  MGOS_MQTT_LOG_PUB,
  /**
   * A message was dropped from the queue: s = topic, a = packet ID.
   */
  MGOS_MQTT_LOG_OVERFLOW,
  /**
   * The next attempt follows in a milliseconds.
   */
  MGOS_MQTT_LOG_WAIT,
  /**
   * The app disconnects.
   */
  MGOS_MQTT_LOG_DISCONNECT,
  /**
   * `require_time` is set and the clock is not.
   */
  MGOS_MQTT_LOG_NO_TIME,
  /**
   * The configuration names no server.
   */
  MGOS_MQTT_LOG_NO_SERVER,
  /**
   * Out of memory.
   */
  MGOS_MQTT_LOG_NO_MEMORY,
  /**
   * The configuration is NULL.
   */
  MGOS_MQTT_LOG_NO_CONFIG,
  /**
   * No PINGRESP.
   */
  MGOS_MQTT_LOG_PING_TIMEOUT,
  /**
   * No CONNACK within a milliseconds.
   */
  MGOS_MQTT_LOG_CONNECT_TIMEOUT,
  /**
   * Several connections in a row have ended before CONNACK.
   */
  MGOS_MQTT_LOG_NO_CONNACK,
  /**
   * What was to be sent before the end was not sent in time.
   */
  MGOS_MQTT_LOG_CLOSE_TIMEOUT,
  /**
   * The broker has violated the protocol: a = first byte of the packet, b = `ProtocolError`.
   */
  MGOS_MQTT_LOG_VIOLATION,
  /**
   * A packet over the limit is dropped: s = topic, a = its size, b = the limit.
   */
  MGOS_MQTT_LOG_OVERSIZED,
  /**
   * A message could be neither sent nor kept: s = topic.
   */
  MGOS_MQTT_LOG_DROPPED,
  /**
   * A message does not fit a packet: s = topic.
   */
  MGOS_MQTT_LOG_TOO_LARGE,
  /**
   * A message exceeds `max_queue_bytes` by itself: s = topic.
   */
  MGOS_MQTT_LOG_OVER_QUEUE_BYTES,
  /**
   * A message is NULL and its length is not 0: s = topic.
   */
  MGOS_MQTT_LOG_NULL_MESSAGE,
  /**
   * `will_retain` without a complete will.
   */
  MGOS_MQTT_LOG_NO_WILL,
  /**
   * The will is left out because of its topic: s = topic.
   */
  MGOS_MQTT_LOG_BAD_WILL,
  /**
   * A password without a user name.
   */
  MGOS_MQTT_LOG_NO_USER,
  /**
   * An empty client ID with `clean_session` false.
   */
  MGOS_MQTT_LOG_NO_CLIENT_ID,
  /**
   * A string of the configuration does not fit CONNECT.
   */
  MGOS_MQTT_LOG_TOO_LONG,
  /**
   * A call needs a connection and has none.
   */
  MGOS_MQTT_LOG_NO_CONNECTION,
  /**
   * A handler is NULL: s = filter.
   */
  MGOS_MQTT_LOG_NO_HANDLER,
  /**
   * A topic name or filter has control characters: s = topic.
   */
  MGOS_MQTT_LOG_CONTROL_CHARACTERS,
  /**
   * The other server is tried: b = its number, 0 or 1.
   */
  MGOS_MQTT_LOG_SWITCHED,
  /**
   * A WebSocket frame that a server must not send: b = `FrameError`.
   */
  MGOS_MQTT_LOG_BAD_FRAME,
  /**
   * PUBACK for a message at QoS 2.
   */
  MGOS_MQTT_LOG_DOWNGRADED,
  /**
   * A message is not acknowledged in time, and sent again: a = packet ID.
   */
  MGOS_MQTT_LOG_OVERDUE,
  /**
   * A SUBSCRIBE or UNSUBSCRIBE is not answered in time, and sent again.
   */
  MGOS_MQTT_LOG_SUB_OVERDUE,
  /**
   * Nor a second time: s = filter.
   */
  MGOS_MQTT_LOG_SUB_UNANSWERED,
  /**
   * The broker closes the connection on a message: s = topic, a = packet ID, b = bytes of topic
   * and payload.
   */
  MGOS_MQTT_LOG_SET_ASIDE,
  /**
   * It has done so too often: s = topic, a = packet ID.
   */
  MGOS_MQTT_LOG_GIVEN_UP_ASIDE,
  /**
   * The broker closes the connection on a subscription: s = filter.
   */
  MGOS_MQTT_LOG_SUB_SET_ASIDE,
  /**
   * Messages were given up: a = how many, b = packet IDs of the first and the last, in the upper
   * and lower 16 bits.
   */
  MGOS_MQTT_LOG_GIVEN_UP,
  /**
   * Session present, though a new session was asked for.
   */
  MGOS_MQTT_LOG_SESSION_PRESENT,
  /**
   * The peer has closed several connections early.
   */
  MGOS_MQTT_LOG_SHORT_LIVED,
  /**
   * The link is congested: s = topic.
   */
  MGOS_MQTT_LOG_CONGESTED,
  /**
   * Messages that a handler should have acknowledged were not.
   */
  MGOS_MQTT_LOG_UNACKED,
  /**
   * Too many UNSUBSCRIBEs are unanswered.
   */
  MGOS_MQTT_LOG_UNSUB_FORGOTTEN,
  /**
   * A topic name or filter is invalid: s = topic, b = `TopicError`.
   */
  MGOS_MQTT_LOG_BAD_TOPIC,
  /**
   * The connection has ended inside a message that is published in pieces: s = topic, a = bytes
   * written.
   */
  MGOS_MQTT_LOG_CUT_OFF,
  /**
   * The shim: the reply to the WebSocket handshake exceeds the receive limit.
   */
  MGOS_MQTT_LOG_WS_TOO_LONG,
  /**
   * The shim: the server agrees to WebSocket, but not to MQTT over it.
   */
  MGOS_MQTT_LOG_WS_NO_MQTT,
  /**
   * The shim: the server does not agree to WebSocket: s = its words, a = HTTP status.
   */
  MGOS_MQTT_LOG_WS_REFUSED,
  /**
   * The shim: `mqtt.queue_file` is set in firmware that was built without it.
   */
  MGOS_MQTT_LOG_NO_QUEUE_FILE,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mgos_mqtt_log mgos_mqtt_log;
#else
typedef uint32_t mgos_mqtt_log;
#endif // __STDC_VERSION__ >= 202311L
#endif

/**
 * Cloud events.
 */
enum mgos_mqtt_cloud
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * An attempt begins.
   */
  MGOS_MQTT_CLOUD_CONNECTING,
  /**
   * The broker has accepted the connection.
   */
  MGOS_MQTT_CLOUD_CONNECTED,
  /**
   * The connection is gone.
   */
  MGOS_MQTT_CLOUD_DISCONNECTED,
  /**
   * An attempt has failed.
   */
  MGOS_MQTT_CLOUD_CONNECT_ERROR,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mgos_mqtt_cloud mgos_mqtt_cloud;
#else
typedef uint32_t mgos_mqtt_cloud;
#endif // __STDC_VERSION__ >= 202311L
#endif

/**
 * Numbers of the configuration.
 */
enum mgos_mqtt_number
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * 0 if it is not enabled; 1 if it is and names no server, else 2.
   */
  MGOS_MQTT_NUMBER_ENABLE,
  /**
   * Milliseconds.
   */
  MGOS_MQTT_NUMBER_RECONNECT_MIN,
  /**
   * Milliseconds.
   */
  MGOS_MQTT_NUMBER_RECONNECT_MAX,
  /**
   * 1 or 0.
   */
  MGOS_MQTT_NUMBER_CLEAN_SESSION,
  /**
   * Seconds.
   */
  MGOS_MQTT_NUMBER_KEEP_ALIVE,
  /**
   * 1 or 0.
   */
  MGOS_MQTT_NUMBER_WILL_RETAIN,
  /**
   * Negative for no limit.
   */
  MGOS_MQTT_NUMBER_MAX_QOS,
  /**
   * 1 or 0.
   */
  MGOS_MQTT_NUMBER_REQUIRE_TIME,
  /**
   * 1 or 0.
   */
  MGOS_MQTT_NUMBER_CLOUD_EVENTS,
  /**
   * Messages.
   */
  MGOS_MQTT_NUMBER_MAX_QUEUE,
  /**
   * Bytes of topics and payloads; 0 or negative for no limit.
   */
  MGOS_MQTT_NUMBER_MAX_QUEUE_BYTES,
  /**
   * Milliseconds; 0 for no limit.
   */
  MGOS_MQTT_NUMBER_CONNECT_TIMEOUT,
  /**
   * 1 or 0: ws_enable, or a server that begins with ws:// or wss://.
   */
  MGOS_MQTT_NUMBER_WS_ENABLE,
  /**
   * Milliseconds; 0 for the default, negative for none.
   */
  MGOS_MQTT_NUMBER_ACK_TIMEOUT,
  /**
   * What is configured for TLS: 0 for nothing; 1 for CA certificates, or a client certificate
   * without them, 2 for both, 3 for a pre-shared key.
   */
  MGOS_MQTT_NUMBER_TLS,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mgos_mqtt_number mgos_mqtt_number;
#else
typedef uint32_t mgos_mqtt_number;
#endif // __STDC_VERSION__ >= 202311L
#endif

/**
 * What is to be done with WebSocket frames.
 */
enum mgos_mqtt_frames
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Put what has been written into one.
   */
  MGOS_MQTT_FRAMES_INTO,
  /**
   * Take what has come in out of them, up to a close that follows packets.
   */
  MGOS_MQTT_FRAMES_OUT_OF,
  /**
   * The same, with a close.
   */
  MGOS_MQTT_FRAMES_OUT_OF_TO_THE_END,
  /**
   * Write a close frame.
   */
  MGOS_MQTT_FRAMES_CLOSE,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mgos_mqtt_frames mgos_mqtt_frames;
#else
typedef uint32_t mgos_mqtt_frames;
#endif // __STDC_VERSION__ >= 202311L
#endif

/**
 * Log lines about the file of the queue, with a number n.
 */
enum mgos_mqtt_queue_log
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * n messages were restored.
   */
  MGOS_MQTT_QUEUE_LOG_RESTORED,
  /**
   * One copy is incomplete, as after a power cut; the other was used.
   */
  MGOS_MQTT_QUEUE_LOG_INCOMPLETE,
  /**
   * No copy is whole: what there is was set aside.
   */
  MGOS_MQTT_QUEUE_LOG_DAMAGED,
  /**
   * It can't be read or there is no memory for what is in it: it is left as it is.
   */
  MGOS_MQTT_QUEUE_LOG_UNREADABLE,
  /**
   * It could not be written, and is tried again.
   */
  MGOS_MQTT_QUEUE_LOG_NOT_WRITTEN,
  /**
   * It is asked for too late, when there is a connection or something is queued.
   */
  MGOS_MQTT_QUEUE_LOG_TOO_LATE,
  /**
   * Another connection uses it, it has no name, or there is no memory.
   */
  MGOS_MQTT_QUEUE_LOG_REFUSED,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mgos_mqtt_queue_log mgos_mqtt_queue_log;
#else
typedef uint32_t mgos_mqtt_queue_log;
#endif // __STDC_VERSION__ >= 202311L
#endif

/**
 * The packet at the beginning of a connection's receive buffer, to be shown to a handler.
 */
struct mgos_mqtt_packet {
  /**
   * Type and flags: its first byte.
   */
  uint8_t first;
  /**
   * Packet Identifier; 0 for none.
   */
  uint16_t id;
  /**
   * Bytes of the whole packet.
   */
  size_t size;
  /**
   * Bytes of a message's topic; 0 in other packets.
   */
  size_t topic_len;
  /**
   * Bytes of a message's payload.
   */
  size_t payload_len;
  /**
   * Where in the packet a message's topic begins.
   */
  size_t topic_at;
  /**
   * Where in the packet a message's payload begins.
   */
  size_t payload_at;
};

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Uptime in milliseconds, modulo 2^32.
 */
extern uint32_t mgos_mqtt_shim_now(void);

/**
 * A random number, each of its 32 bits as likely as not.
 */
extern uint32_t mgos_mqtt_shim_random(void);

/**
 * Clears the timer `id` (0 for none), and, if `ms` is not negative, sets one that calls
 * `mgos_mqtt_core_timer` every `ms` milliseconds, or every millisecond if `ms` is 0. Returns its id,
 * or 0; without memory `id`, which then keeps running. Clearing takes no memory, and may be done
 * while it fires.
 */
extern size_t mgos_mqtt_shim_timer(size_t id,
                                   int32_t ms,
                                   struct mgos_mqtt_conn *c);

/**
 * Calls `mgos_mqtt_core_net` whenever the network comes up or goes down (`on` = 1, which is said
 * once), or no more (0, which may be said at any time). Returns 1 if it is called from now on; 0
 * if not, as without memory.
 */
extern uint32_t mgos_mqtt_shim_watch_net(struct mgos_mqtt_conn *c, uint32_t on);

/**
 * Calls `mgos_mqtt_core_time_set` whenever the wall clock is set, whatever to (`on` = 1), or no
 * more (0). Either may be said again; it is called once each time. Without memory it is not called.
 */
extern void mgos_mqtt_shim_watch_time(struct mgos_mqtt_conn *c, uint32_t on);

/**
 * Writes the log line `what` for connection number `conn`, with the first bytes of the text at `s`
 * (NULL if `len` is 0), control characters left out. Calls the app: hooks of the log, once the
 * text has been copied.
 */
extern void mgos_mqtt_shim_log(mgos_mqtt_log what,
                               int32_t conn,
                               const uint8_t *s,
                               size_t len,
                               int32_t a,
                               int32_t b);

/**
 * Logs that an attempt begins, with the server's address, which there is, without a login. Calls
 * the app.
 */
extern void mgos_mqtt_shim_log_connecting(const struct mgos_config_mqtt *cfg, int32_t conn);

/**
 * Raises a cloud event. Calls the app.
 */
extern void mgos_mqtt_shim_cloud_event(mgos_mqtt_cloud which);

/**
 * Raises an event of the library's own, one of `enum mgos_mqtt_event`; `arg`: its `struct mgos_mqtt_event_arg`, which handlers are given as it is.
 * Calls the app.
 */
extern void mgos_mqtt_shim_event(int32_t event,
                                 void *arg);

/**
 * Bytes of heap that are free.
 */
extern size_t mgos_mqtt_shim_free_heap(void);

/**
 * A number of the configuration. Times are in milliseconds, rounded down, at most 2^31 - 1; 0 for
 * one that is negative (but -1 for `AckTimeout`) or no number. Others are as they are there,
 * negative or not.
 */
extern int32_t mgos_mqtt_shim_number(const struct mgos_config_mqtt *cfg, mgos_mqtt_number which);

/**
 * Five strings of the configuration, in the order of CONNECT: client id (device.id where it has none), topic and message of the will, user name,
 * password. NULL where it has none; one that the app has made empty stays so. They live as long
 * as nobody changes the configuration.
 */
extern void mgos_mqtt_shim_config_strings(const struct mgos_config_mqtt *cfg,
                                          const char **strings);

/**
 * A number, not 0, that stands for the server's address and the client id together: equal for
 * equal ones, and for others nearly never.
 */
extern uint32_t mgos_mqtt_shim_session_key(const struct mgos_config_mqtt *cfg);

/**
 * A deep copy; the system's own configurations are shared instead. NULL without memory.
 */
extern const struct mgos_config_mqtt *mgos_mqtt_shim_copy_config(const struct mgos_config_mqtt *cfg);

/**
 * Frees what `mgos_mqtt_shim_copy_config` returned; NULL is fine.
 */
extern void mgos_mqtt_shim_free_config(const struct mgos_config_mqtt *cfg);

/**
 * The wall clock, seconds since 1970, modulo 2^32; 0 if it has not been set, see below.
 */
extern uint32_t mgos_mqtt_shim_wall_clock(void);

/**
 * 1 if the wall clock has been set: if it is at July 2017 or later.
 */
extern uint32_t mgos_mqtt_shim_time_is_set(void);

/**
 * Begins to connect; the events come to `mgos_mqtt_ev`, with `c`. NULL if that failed at once, also
 * for want of memory; the reason has been logged, which calls the app.
 */
extern struct mg_connection *mgos_mqtt_shim_open(struct mgos_mqtt_conn *c,
                                                 const struct mgos_config_mqtt *cfg,
                                                 int32_t conn);

/**
 * Hands the options of CONNECT, as the configuration says (of `keep_alive` the lower 16 bits), to
 * the app's connect callback, which is to send it. Returns how many bytes more wait to be sent
 * afterwards; 0 if it was the end of `nc`, which is asked of `mgos_mqtt_conn_nc(c)` before `nc` is
 * looked at again; another may be at its address. Calls the app.
 */
extern size_t mgos_mqtt_shim_call_connect_fn(struct mgos_mqtt_conn *c,
                                             struct mg_connection *nc,
                                             const struct mgos_config_mqtt *cfg,
                                             mgos_mqtt_connect_fn_t connect_fn,
                                             void *arg);

/**
 * The last `len` bytes of what is to be sent; there are as many.
 */
extern const uint8_t *mgos_mqtt_shim_last_unsent(struct mg_connection *nc, size_t len);

/**
 * What the app has sent by itself since this was last asked: -1 for nothing, else the keep-alive
 * interval of its CONNECT, seconds. Neither this nor the next function is for a connection that
 * Mongoose has data of its own at: over WebSocket, until these were taken over.
 */
extern int32_t mgos_mqtt_shim_app_sent(struct mg_connection *nc);

/**
 * Tells Mongoose's own MQTT functions the keep-alive interval, seconds, at most 65535. Nothing
 * where there was no memory for what they work on.
 */
extern void mgos_mqtt_shim_set_keep_alive(struct mg_connection *nc, uint32_t seconds);

/**
 * Makes room for `size` bytes to be sent, and `spare` more, and returns where they are to be
 * written. NULL without memory, and if that is more than memory can hold. Until something is
 * written elsewhere, inserting up to `spare` bytes takes no memory.
 */
extern uint8_t *mgos_mqtt_shim_send_reserve(struct mg_connection *nc, size_t size, size_t spare);

/**
 * Sends `size` bytes that have been written where `mgos_mqtt_shim_send_reserve` said.
 */
extern void mgos_mqtt_shim_send(struct mg_connection *nc, size_t size);

/**
 * Takes back the last `len` bytes of what the link has not taken yet; there are as many.
 */
extern void mgos_mqtt_shim_unsend(struct mg_connection *nc, size_t len);

/**
 * Inserts bytes, one at least, at `at` into what the link has not taken yet, which is no less.
 * Returns where what follows them lies; NULL without memory.
 */
extern uint8_t *mgos_mqtt_shim_insert_unsent(struct mg_connection *nc,
                                             size_t at,
                                             const uint8_t *bytes,
                                             size_t len);

/**
 * Bytes that the link has not taken yet.
 */
extern size_t mgos_mqtt_shim_unsent(struct mg_connection *nc);

/**
 * What has been received and not consumed: where it lies (not if there is none), how much, and
 * how long a packet may be: `recv_mbuf_limit`, at least 64. Over WebSocket up to 160 bytes more
 * are received, once the request was sent.
 */
extern const uint8_t *mgos_mqtt_shim_received(struct mg_connection *nc, size_t *len, size_t *limit);

/**
 * Removes `len` bytes at `at` from what has been received, if all of them are there. Returns how
 * many are left.
 */
extern size_t mgos_mqtt_shim_recv_consume(struct mg_connection *nc, size_t at, size_t len);

/**
 * Sends the request for WebSocket, with sub-protocol mqtt. 0 without memory, and if the app has
 * changed the server to none: then nothing is sent.
 */
extern uint32_t mgos_mqtt_shim_ws_upgrade(struct mg_connection *nc,
                                          const struct mgos_config_mqtt *cfg);

/**
 * Looks at the reply to the WebSocket handshake: a `struct http_message`, or NULL while Mongoose
 * has found none. 1 if the server agrees to WebSocket and to the sub-protocol. 0 if not, or if
 * its reply does not fit `recv_mbuf_limit`: that has been logged, which calls the app. 2 while it
 * may still come.
 */
extern uint32_t mgos_mqtt_shim_ws_agreed(struct mg_connection *nc, void *reply, int32_t conn);

/**
 * Has Mongoose call us directly; with `all` = 1 its own data go as well, and those of its MQTT
 * functions come in their place. 0 without memory for these; its own are gone all the same.
 */
extern uint32_t mgos_mqtt_shim_ws_take_over(struct mg_connection *nc, uint32_t all);

/**
 * Calls `mgos_mqtt_core_ws_frames` with the same, where Mongoose has WebSocket, and returns
 * what that does; 0 elsewhere.
 */
extern uint32_t mgos_mqtt_shim_ws_frames(struct mgos_mqtt_conn *c,
                                         struct mg_connection *nc,
                                         mgos_mqtt_frames what);

/**
 * Has the event loop close the connection: at once (`after_sending` = 0, whatever was said before),
 * or when all has been sent (1).
 */
extern void mgos_mqtt_shim_close(struct mg_connection *nc, uint32_t after_sending);

/**
 * Cuts the tie from a Mongoose connection to ours, which is going away: its events come with NULL.
 */
extern void mgos_mqtt_shim_detach(struct mg_connection *nc);

/**
 * The connection object that a Mongoose connection belongs to; NULL after `mgos_mqtt_shim_detach`.
 */
extern struct mgos_mqtt_conn *mgos_mqtt_shim_owner(struct mg_connection *nc);

/**
 * Calls the handler at `handler`: an `mg_event_handler_t`, which is not NULL, with a
 * `struct mg_mqtt_message` made of `packet`, which has topic and payload where `topic_len` is not
 * 0; or, where `ev` is 0, a `sub_handler_t` with topic and payload; NULL for none. The packet is
 * at the front of what has been received. Calls the app, and looks at nothing afterwards.
 */
extern void mgos_mqtt_shim_call(const void *handler,
                                struct mg_connection *nc,
                                int ev,
                                const struct mgos_mqtt_packet *packet,
                                void *user_data);

/**
 * Claims the file of a queue with this name, from which the names of its two copies are made.
 * Returns a handle for the functions below. NULL if it is claimed already, for an empty
 * name, and without memory.
 */
extern void *mgos_mqtt_shim_queue_claim(const char *path);

/**
 * Gives the claim back.
 */
extern void mgos_mqtt_shim_queue_release(void *file);

/**
 * Opens copy 0 or 1, to be read, or, with `to_write` = 1, to be written anew. Returns a number
 * for the functions below; -1 if it is not there; -2 if it may be there and can't be opened, as
 * without memory.
 */
extern int32_t mgos_mqtt_shim_queue_open(void *file, uint32_t copy, uint32_t to_write);

/**
 * Reads up to `len` bytes; returns how many.
 */
extern size_t mgos_mqtt_shim_queue_read(int32_t fd, uint8_t *to, size_t len);

/**
 * Writes `len` bytes. Returns 1; 0 if not all could be written.
 */
extern uint32_t mgos_mqtt_shim_queue_write(int32_t fd, const uint8_t *from, size_t len);

/**
 * Closes it. What was written survives a power cut from then on. Returns 1; 0 if that failed.
 */
extern uint32_t mgos_mqtt_shim_queue_close(int32_t fd);

/**
 * Renames copy 0 or 1, which is damaged, so that it is not written over.
 */
extern void mgos_mqtt_shim_queue_set_aside(void *file, uint32_t copy);

/**
 * Writes a log line about the file for connection number `conn`, with the name that was claimed,
 * or, for NULL, with `path`. Calls the app, once the text has been copied.
 */
extern void mgos_mqtt_shim_queue_log(mgos_mqtt_queue_log what,
                                     int32_t conn,
                                     void *file,
                                     const char *path,
                                     uint32_t n);

/**
 * Calls `mgos_mqtt_core_reboot` when the device is about to restart (`on` = 1), or no more (0).
 * Either may be said again; it is called once each time. Without memory it is not called.
 */
extern void mgos_mqtt_shim_watch_reboot(struct mgos_mqtt_conn *c, uint32_t on);

/**
 * Mongoose's handler of our connections; `user_data` is the connection object. Exported because
 * the original's is; apps have no use for it.
 */
void mgos_mqtt_ev(struct mg_connection *nc, int ev, void *ev_data, void *user_data);

/**
 * The timer that `mgos_mqtt_shim_timer` has set. It repeats, so that there is one even where memory
 * for the next is lacking.
 */
void mgos_mqtt_core_timer(struct mgos_mqtt_conn *c);

/**
 * The network has come up (`up` = 1) or gone down (0).
 */
void mgos_mqtt_core_net(struct mgos_mqtt_conn *c, uint32_t up);

/**
 * The wall clock has been set.
 */
void mgos_mqtt_core_time_set(struct mgos_mqtt_conn *c);

/**
 * The shim could not make a message for lack of memory: an error in the log, and the message
 * counts as dropped. Returns 0.
 */
uint16_t mgos_mqtt_core_pub_failed(struct mgos_mqtt_conn *c, const char *topic);

/**
 * Does what `mgos_mqtt_shim_ws_frames` was asked for. Returns 0; 1 if the server has closed the
 * WebSocket; 2 without memory; 256 and a `FrameError` if the server has broken the protocol.
 */
uint32_t mgos_mqtt_core_ws_frames(struct mgos_mqtt_conn *c,
                                  struct mg_connection *nc,
                                  mgos_mqtt_frames what);

/**
 * The global connection, made if need be; NULL without memory for it.
 */
struct mgos_mqtt_conn *mgos_mqtt_core_global(void);

/**
 * Gives the global connection the system's configurations; one that was set before stays. Returns
 * 1, or 0 without memory.
 *
 * The name is what the linker says is undefined when the firmware has the shim and not the archive
 * that belongs to it. `cargo xtask exports` checks that it has the version of Cargo.toml and
 * mos.yml.
 */
uint32_t mgos_mqtt_archive_missing_or_version_mismatch_1_0_0_rc_1(const struct mgos_config_mqtt *primary,
                                                                  const struct mgos_config_mqtt *backup);

/**
 * The device is about to restart.
 */
void mgos_mqtt_core_reboot(struct mgos_mqtt_conn *c);

#ifdef __cplusplus
}  /* extern "C" */
#endif
