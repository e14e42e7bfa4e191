#pragma once

/*
 * Copyright the mgos-mqtt contributors. SPDX-License-Identifier: Apache-2.0
 *
 * Made from src/ffi by cbindgen: do not edit, run `cargo xtask header`.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mgos_mongoose.h"
#include "mgos_sys_config.h"

/**
 * @file
 * MQTT connections, any number of them, each with its own configuration. Most apps need only the
 * global one: see mgos_mqtt.h.
 *
 * Every function takes NULL for a connection, a string or a handler. It then logs an error and
 * returns 0, false or NULL; what it says of NULL otherwise holds. void functions report errors only
 * in the log. All of them may be called from handlers, timers, cloud events and log hooks, in the
 * firmware's main task.
 */

struct mgos_mqtt_conn;

/**
 * Why a connection, or an attempt to connect, has ended: `last_reason` of `struct
 * mgos_mqtt_stats`.
 */
enum mgos_mqtt_reason {
  /**
   * None has ended yet.
   */
  MGOS_MQTT_REASON_NONE,
  /**
   * The server or the network has closed it; or the app, through the Mongoose connection.
   */
  MGOS_MQTT_REASON_LOST,
  /**
   * The server cannot be reached.
   */
  MGOS_MQTT_REASON_UNREACHABLE,
  /**
   * The server has refused it, with CONNACK or, over WebSocket, with its HTTP response.
   */
  MGOS_MQTT_REASON_REFUSED,
  /**
   * The broker has violated the protocol.
   */
  MGOS_MQTT_REASON_VIOLATION,
  /**
   * No PINGRESP in time.
   */
  MGOS_MQTT_REASON_PING_TIMEOUT,
  /**
   * No CONNACK within `connect_timeout`.
   */
  MGOS_MQTT_REASON_CONNECT_TIMEOUT,
  /**
   * The app has called mgos_mqtt_conn_disconnect().
   */
  MGOS_MQTT_REASON_ASKED,
  /**
   * The configuration has changed, or its strings do not fit CONNECT.
   */
  MGOS_MQTT_REASON_CONFIG,
  /**
   * Out of memory.
   */
  MGOS_MQTT_REASON_NO_MEMORY,
  /**
   * The server was reached, but the TLS handshake failed or was cut short.
   */
  MGOS_MQTT_REASON_TLS,
};

/**
 * Events of the library, raised by mgos_event_trigger() from the event loop, never inside a call
 * that publishes. What happens within a second is raised as one event, with `struct
 * mgos_mqtt_event_arg` as its data. Add a handler with mgos_event_add_handler(), or for all of
 * them with mgos_event_add_group_handler(MGOS_MQTT_EVENT_GIVEN_UP, ...). New; the original has
 * none.
 */
enum mgos_mqtt_event {
  /**
   * Messages at QoS 1 or 2 were given up: not acknowledged, and no longer kept. They may have
   * arrived.
   */
  MGOS_MQTT_EVENT_GIVEN_UP = 1297175552,
  /**
   * Messages were set aside, as the broker closes the connection on each of them. They are kept
   * and retried at long intervals.
   */
  MGOS_MQTT_EVENT_SET_ASIDE,
  /**
   * Subscriptions were refused, with SUBACK 0x80 or by closing the connection.
   */
  MGOS_MQTT_EVENT_SUB_REFUSED,
};

/**
 * What became of a message published with mgos_mqtt_pub_opt() or mgos_mqtt_pub_stream(). New; the original
 * has no such thing.
 */
enum mgos_mqtt_result {
  /**
   * The broker has acknowledged it: PUBACK at QoS 1, PUBCOMP at QoS 2.
   */
  MGOS_MQTT_RESULT_ACKNOWLEDGED,
  /**
   * At QoS 0: the link has taken its last byte. It may still be lost.
   */
  MGOS_MQTT_RESULT_SENT,
  /**
   * A newer message with `replace` and the same topic has taken its place before it was sent, or before
   * it was sent anew as the broker had lost the session.
   */
  MGOS_MQTT_RESULT_REPLACED,
  /**
   * It was not sent within `ttl_ms`.
   */
  MGOS_MQTT_RESULT_EXPIRED,
  /**
   * It was given up, as MGOS_MQTT_EVENT_GIVEN_UP says; it may have arrived.
   */
  MGOS_MQTT_RESULT_GIVEN_UP,
  /**
   * At QoS 0: the connection ended before the link had taken it.
   */
  MGOS_MQTT_RESULT_LOST,
  /**
   * mgos_mqtt_conn_free() was called.
   */
  MGOS_MQTT_RESULT_FREED,
};

/**
 * Callback of `mgos_mqtt_set_connect_fn()` and `mgos_mqtt_conn_set_connect_fn()`, which sends
 * CONNECT: `mg_send_mqtt_handshake_opt(nc, client_id, *opts)`. `opts` holds what the configuration
 * says, and may be changed; strings put there need to live until `mg_send_mqtt_handshake_opt()`
 * has returned. To give up, set MG_F_CLOSE_IMMEDIATELY in `nc->flags`.
 */
typedef void (*mgos_mqtt_connect_fn_t)(struct mg_connection *nc,
                                       const char *client_id,
                                       struct mg_send_mqtt_handshake_opts *opts,
                                       void *fn_arg);

/**
 * Callback of mgos_mqtt_pub_opt() and mgos_mqtt_pub_stream(): tells what became of the message with the
 * packet ID `id`, which is 0 only for a message in pieces that never began. `result`
 * is one of `enum mgos_mqtt_result`; `arg` is handed back.
 */
typedef void (*mgos_mqtt_result_fn_t)(void *arg, uint16_t id, int result);

/**
 * How a message is published: see mgos_mqtt_pub_opt(). All zeros: as mgos_mqtt_pub() does, at QoS 0.
 * New fields are added at the end.
 */
struct mgos_mqtt_pub_opts {
  /**
   * 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_set_max_qos().
   */
  int qos;
  /**
   * Whether the broker is to keep it for later subscribers.
   */
  bool retain;
  /**
   * At QoS 1 and 2: a newer message that is published with `replace` to the same topic takes the
   * place of this one in the queue, if this one has not been sent by then.
   */
  bool replace;
  /**
   * At QoS 1 and 2: the message is dropped if it is not sent within this many milliseconds; 0: no
   * limit. One that was sent is repeated until it is acknowledged, as the standard requires, unless
   * the broker loses the session.
   */
  uint32_t ttl_ms;
  /**
   * Called once, from the event loop, when it is known what became of the message; see `enum
   * mgos_mqtt_result`. Never inside the call that publishes, and not for a message that was
   * refused. Any function may be called in it. NULL: nobody is told.
   */
  mgos_mqtt_result_fn_t cb;
  /**
   * Handed back to `cb`; it stays the app's.
   */
  void *arg;
};

/**
 * Callback of mgos_mqtt_pub_stream(): writes the bytes of the message from `offset` on to `buf`, at most
 * `size`. Returns how many it has written; 0 if there are none yet, to be asked again soon; a negative
 * number to give the message up, which closes the connection. Any function may be called in it.
 *
 * `offset` is 0 again when the message is begun anew, and the same again if there was no memory for what
 * was written.
 */
typedef int (*mgos_mqtt_read_fn_t)(void *arg, size_t offset, void *buf, size_t size);

/**
 * Callback of mgos_mqtt_conn_finish(): the connection has ended. `left` is the number of messages that
 * are still kept and were not acknowledged; `arg` is handed back.
 */
typedef void (*mgos_mqtt_finish_fn_t)(void *arg, int left);

/**
 * A piece of a message, as mgos_mqtt_sub_stream() delivers it. All of it is gone when the handler
 * returns.
 */
struct mgos_mqtt_piece {
  /**
   * The topic, which does not end with a NUL.
   */
  const char *topic;
  /**
   * Bytes of the topic.
   */
  size_t topic_len;
  /**
   * Bytes of the message.
   */
  size_t total;
  /**
   * Where in the message this piece begins.
   */
  size_t offset;
  /**
   * The piece. NULL: the connection has ended, and the rest does not come. If the broker keeps the
   * session (`mqtt.clean_session` false), it sends a QoS 1 or 2 message again, from its beginning.
   */
  const void *data;
  /**
   * Bytes of the piece.
   */
  size_t len;
  /**
   * QoS of the message: 0, 1 or 2.
   */
  int qos;
  /**
   * Whether it is a retained message.
   */
  bool retained;
};

/**
 * Callback of mgos_mqtt_sub_stream(), called with each piece in turn; the last ends at `total`. Returns
 * whether it wants the rest: with false the rest is skipped, and the message acknowledged all the
 * same. Any function may be called in it.
 */
typedef bool (*mgos_mqtt_stream_handler_t)(struct mgos_mqtt_conn *c,
                                           const struct mgos_mqtt_piece *piece,
                                           void *arg);

/**
 * What has happened to a connection since it was made. Counters are reset only by
 * mgos_mqtt_conn_free(), and wrap around after 4,294,967,295.
 */
struct mgos_mqtt_stats {
  /**
   * How often the broker has accepted the connection.
   */
  uint32_t connects;
  /**
   * How often an accepted connection has ended.
   */
  uint32_t disconnects;
  /**
   * Why the last connection, or attempt to make one, has ended: `enum mgos_mqtt_reason`.
   */
  uint32_t last_reason;
  /**
   * PUBLISH packets sent by the library, including retransmissions.
   */
  uint32_t sent;
  /**
   * Of these, retransmissions in the same session (DUP).
   */
  uint32_t retried;
  /**
   * Messages received, for subscriptions or handlers. A QoS 2 message that the broker repeats
   * counts once.
   */
  uint32_t received;
  /**
   * Messages given up: those for which 0 was returned; those dropped from the queue for newer
   * ones; those sent without being kept, or no longer kept for newer ones, whose connection
   * ended before the acknowledgement, though they may have arrived; and those set aside on which
   * the broker has closed ten more connections.
   */
  uint32_t dropped;
  /**
   * Received packets that exceeded `recv_mbuf_limit` and were skipped.
   */
  uint32_t oversized;
  /**
   * Messages kept now, to be sent or acknowledged.
   */
  uint32_t queued;
  /**
   * The highest `queued` has been.
   */
  uint32_t queued_max;
  /**
   * Bytes that the link has taken: all packets, including those that the app has sent itself,
   * and WebSocket frame headers; not what TLS and the opening of a WebSocket add.
   */
  uint32_t bytes_sent;
  /**
   * Bytes received, likewise.
   */
  uint32_t bytes_received;
  /**
   * Round-trip time of the last ping, milliseconds; 0 if there was none yet.
   */
  uint32_t ping_ms;
  /**
   * How long the connection has been up, milliseconds, modulo 2^32 (49.7 days); 0 while it is
   * not.
   */
  uint32_t connected_ms;
  /**
   * Of the messages kept now, those set aside, as the broker closes the connection on each of
   * them.
   */
  uint32_t set_aside;
};

/**
 * What comes with the events of `enum mgos_mqtt_event`.
 */
struct mgos_mqtt_event_arg {
  /**
   * The connection.
   */
  struct mgos_mqtt_conn *conn;
  /**
   * How many messages or subscriptions.
   */
  uint32_t count;
  /**
   * Packet ID of the first message, as mgos_mqtt_pub() has returned it; 0 for subscriptions.
   */
  uint16_t first_id;
  /**
   * Packet ID of the last.
   */
  uint16_t last_id;
};

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a connection, with a backup server for when its own can't be reached.
 *
 * It connects when the network comes up, or at mgos_mqtt_conn_connect(), and stays connected from
 * then on.
 *
 * @param conn_id Shown in the log as MQTT0, MQTT1 and so on.
 * @param cfg Its configuration, which is copied; mgos_sys_config_get_mqtt() and
 * mgos_sys_config_get_mqtt1() are used as they are at each attempt. NULL:
 * mgos_mqtt_conn_set_config() follows.
 * @param cfg2 That of the backup server, likewise. NULL: there is none.
 * @return The connection, to be freed with mgos_mqtt_conn_free() if ever. NULL without memory,
 * with an error in the log.
 *
 * May be called from a handler.
 */
struct mgos_mqtt_conn *mgos_mqtt_conn_create2(int conn_id,
                                              const struct mgos_config_mqtt *cfg,
                                              const struct mgos_config_mqtt *cfg2);

/**
 * Makes a connection without a backup server: mgos_mqtt_conn_create2() with `cfg2` NULL.
 *
 * @param conn_id As there.
 * @param cfg As there.
 * @return As there.
 *
 * May be called from a handler.
 */
struct mgos_mqtt_conn *mgos_mqtt_conn_create(int conn_id, const struct mgos_config_mqtt *cfg);

/**
 * Closes a connection without sending DISCONNECT, and frees it with its queue, subscriptions and
 * handlers, none of which is called any more. New; the original has no such function.
 *
 * @param c The connection, not to be used again. NULL: nothing happens.
 *
 * May be called from a handler, one of the connection itself included.
 */
void mgos_mqtt_conn_free(struct mgos_mqtt_conn *c);

/**
 * The connection that a Mongoose connection belongs to, for use in handlers.
 *
 * @param nc A Mongoose connection of this library, as handlers are given it.
 * @return The connection. NULL for NULL, which handlers of MG_EV_CLOSE are given.
 */
struct mgos_mqtt_conn *mgos_mqtt_conn_from_nc(struct mg_connection *nc);

/**
 * Adds a handler of the connection's events; the newest is called first. It is given:
 *
 * - MG_EV_POLL, at each round of the event loop;
 * - MG_EV_MQTT_CONNACK, when the broker has accepted the connection;
 * - MG_EV_MQTT_PUBLISH and MG_EV_MQTT_SUBACK that no subscription of this library has taken. Such
 *   a message is acknowledged by the library: at QoS 2 before the handlers are called, at QoS 1
 *   when they have returned. Once a handler of this connection has acknowledged one at QoS 1 by
 *   itself, with mg_mqtt_puback(), all of them at QoS 1 are the handlers' to acknowledge;
 * - MG_EV_MQTT_PUBACK, _PUBREC, _PUBREL, _PUBCOMP, _UNSUBACK;
 * - MG_EV_CLOSE, if there was a CONNACK before; `nc` is NULL then.
 *
 * `ev_data` of the MQTT events is a `struct mg_mqtt_message *`, gone when the handler returns.
 *
 * @param c The connection. NULL: an error in the log, and nothing else.
 * @param handler The handler. NULL: likewise. Without memory: likewise.
 * @param user_data Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_conn_add_handler(struct mgos_mqtt_conn *c,
                                mg_event_handler_t handler,
                                void *user_data);

/**
 * Sets the callback that sends CONNECT in place of the library, on this and every later
 * connection.
 *
 * @param c The connection. NULL: an error in the log, and nothing else.
 * @param fn The callback. NULL: the library sends CONNECT again.
 * @param fn_arg Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_conn_set_connect_fn(struct mgos_mqtt_conn *c,
                                   mgos_mqtt_connect_fn_t fn,
                                   void *fn_arg);

/**
 * Connects now, without waiting for the network event or the next attempt, and also after
 * mgos_mqtt_conn_disconnect().
 *
 * @param c The connection.
 * @return true if an attempt was begun, or one is under way, or the connection is up. false if the
 * configuration is not enabled or names no server, `require_time` is set and the clock is not, the
 * attempt failed at once, or `c` is NULL; except for a configuration that is not enabled, with the
 * reason in the log. When the clock is not set or the attempt failed, the next one follows by
 * itself.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_conn_connect(struct mgos_mqtt_conn *c);

/**
 * Disconnects when what has been written is sent, and stays so until mgos_mqtt_conn_connect().
 * Ends the attempts to connect, too. What is queued and subscribed is kept.
 *
 * @param c The connection. NULL: an error in the log, and nothing else.
 *
 * May be called from a handler.
 */
void mgos_mqtt_conn_disconnect(struct mgos_mqtt_conn *c);

/**
 * Tells whether a connection is up: from CONNACK until MG_EV_CLOSE.
 *
 * @param c The connection.
 * @return true if it is up. false for NULL.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_conn_is_connected(struct mgos_mqtt_conn *c);

/**
 * Tells whether the message that a handler has been called with is a retained one: one that the
 * broker had kept and sends because of the subscription, and not one that was published just now.
 * New; the original has no such function.
 *
 * @param c The connection, which handlers find with mgos_mqtt_conn_from_nc().
 * @return true if it is retained. false if it is not, in handlers of other events, where no handler
 * is running, when the connection has ended meanwhile, and for NULL. If a handler runs the event
 * loop, and another connection delivers meanwhile, each has its own message.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_conn_is_retained(struct mgos_mqtt_conn *c);

/**
 * Tells whether the broker has kept the session of the connections before: with `clean_session`
 * false it has kept the subscriptions, and what was published to them meanwhile, and sends that. New;
 * the original has no such function.
 *
 * @param c The connection.
 * @return true if it has, as its last CONNACK says. false if it has begun a new session, with
 * `clean_session` true, when another broker or client id has been connected to, between CONNECT and
 * CONNACK, and for NULL.
 *
 * May be called from a handler; at MG_EV_MQTT_CONNACK it tells of the connection that begins.
 */
bool mgos_mqtt_conn_session_present(struct mgos_mqtt_conn *c);

/**
 * Publishes a message.
 *
 * At QoS 0 it is sent if the connection is up. At QoS 1 and 2 it is sent, now or when the
 * connection is up, and again after `ack_timeout` or a reconnection, until the broker has
 * acknowledged it. Up to `max_queue_length` messages are kept for that; one more takes the place
 * of the oldest, which is given up unless it is under way. QoS 2 is exactly once within a session;
 * over a lost session, as with `clean_session` true after each reconnection, the message may
 * arrive twice.
 *
 * @param c The connection.
 * @param topic The topic, not needed any more on return.
 * @param msg The payload, not needed any more on return.
 * @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_conn_set_max_qos().
 * @param retain Whether the broker is to keep it for later subscribers.
 * @return The packet ID, > 0, repeated in MG_EV_MQTT_PUBACK (QoS 1) or MG_EV_MQTT_PUBCOMP (QoS 2),
 * on whichever connection that comes; MGOS_MQTT_EVENT_GIVEN_UP tells if the message was given up.
 * 0 if it was neither sent nor kept, with the reason in the log: at QoS 0, or without a queue, no
 * connection, a network that is down, or a link that takes no more; a topic that is empty, not
 * UTF-8, longer than 65,535 bytes or with a wildcard; no memory; `c` or `topic` NULL, `msg.p` NULL
 * while `msg.len` is not 0.
 *
 * May be called from a handler.
 */
uint16_t mgos_mqtt_conn_pub(struct mgos_mqtt_conn *c,
                            const char *topic,
                            struct mg_str msg,
                            int qos,
                            bool retain);

/**
 * mgos_mqtt_conn_pub_opt() with the size of the structure that the caller knows, so that a library
 * compiled against an older one keeps working. Apps call that one.
 */
uint16_t mgos_mqtt_conn_pub_opt_sized(struct mgos_mqtt_conn *c,
                                      const char *topic,
                                      struct mg_str msg,
                                      const struct mgos_mqtt_pub_opts *opts,
                                      size_t size);

/**
 * Publishes a message in pieces, as the app reads them: one that is larger than the memory, as a picture
 * or a log file. New; the original has no such function.
 *
 * It begins when the connection is up and nothing else waits to be sent, and is one packet on
 * the wire: until its last byte other messages at QoS 1 and 2 wait in the queue, those at QoS 0 are
 * refused, and no ping is sent. So it should take less than `keep_alive`, after one and a half of which
 * a broker may close the connection; brokers also limit the size. It is not kept: if the connection ends
 * inside it, it is begun anew on the next, three times in all. After its last byte it is sent no more. If
 * nothing of it can be written for 30 seconds the connection is closed.
 *
 * @param c The connection. NULL: an error in the log, and false is returned.
 * @param topic The topic, not needed any more on return.
 * @param len Bytes of the message, at most 268,435,451 less those of the topic.
 * @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_conn_set_max_qos().
 * @param retain Whether the broker is to keep it for later subscribers.
 * @param read Called from the event loop for up to 256 bytes at a time, until `cb` is called.
 * @param cb Called once, from the event loop, with the packet ID (0 if it has not begun) and one of `enum
 * mgos_mqtt_result`: MGOS_MQTT_RESULT_ACKNOWLEDGED; at QoS 0 MGOS_MQTT_RESULT_SENT or _LOST;
 * MGOS_MQTT_RESULT_GIVEN_UP if three connections have ended inside it, if `read` gave it up, or if the
 * connection ended after its last byte and before it was acknowledged, though it may have arrived;
 * MGOS_MQTT_RESULT_FREED. NULL: nobody is told.
 * @param arg Handed back to both; it stays the app's.
 * @return true if it is accepted. false, with the reason in the log, if another is under way on this
 * connection, or during mgos_mqtt_conn_finish(); for a topic that is empty, not UTF-8, longer than 65,535
 * bytes or with a wildcard; for a message too large for MQTT; without memory; if `topic` or `read` is
 * NULL. Then neither is called.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_conn_pub_stream(struct mgos_mqtt_conn *c,
                               const char *topic,
                               size_t len,
                               int qos,
                               bool retain,
                               mgos_mqtt_read_fn_t read,
                               mgos_mqtt_result_fn_t cb,
                               void *arg);

/**
 * Keeps the queue in a file from now on, so that it survives a restart, and takes what is there.
 * Call it before the connection is begun and before anything is published on it, at each start of the
 * firmware. New; the original has no such function.
 *
 * Kept are the messages at QoS 1 and 2 that are queued or in flight, with what is left of their
 * `ttl_ms`, and the packet IDs of QoS 2 messages under way in both directions. Two copies are written
 * in turn, `path` with `.a` and `.b` at its end, so that a power cut at any time loses nothing that
 * was in the file.
 *
 * @param c The connection. NULL: an error in the log, and false is returned.
 * @param path The file's name, not needed any more on return. Two connections can't
 * have the same.
 * @param delay_ms At most one copy is written in this time, milliseconds. A message is in the file at the
 * latest after one and a half of it, and is never written if it is acknowledged within half of it. 0: a
 * message is in the file before publishing returns, and a QoS 2 message that was received is not
 * delivered again after a restart.
 * @return true if the queue is in the file from now on. false, with an error in the log, if `path` is
 * NULL or empty, another connection has it, the connection has begun or something is queued,
 * or there is not memory for all that is in the file, which is left as it is; then nothing changes. A
 * file that is damaged is renamed to `path` with `.bad` at its end, with an error in the log, and the
 * queue begins empty.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_conn_set_queue_file(struct mgos_mqtt_conn *c,
                                   const char *path,
                                   uint32_t delay_ms);

/**
 * Disconnects gracefully, before deep sleep, an update or a restart: what is queued goes out and
 * is acknowledged, then DISCONNECT is sent, so that the broker does not publish the will. Then the
 * connection stays down, as after mgos_mqtt_conn_disconnect(). New; the original has no such function.
 *
 * Until the callback is called, nothing can be published: 0 is returned. Messages that are set aside,
 * as the broker closes the connection on them, are not waited for. If the connection is not up, and
 * something is queued, attempts to connect go on meanwhile. mgos_mqtt_conn_disconnect() cuts the wait
 * short.
 *
 * @param c The connection. NULL: an error in the log, and false is returned.
 * @param timeout_ms How long to wait for acknowledgements, milliseconds, at most 2,147,483,647; 0: not
 * at all. DISCONNECT may take a second more.
 * @param cb Called once, from the event loop and never inside this call, when the connection is gone;
 * inside mgos_mqtt_conn_free() if that comes first. What is left is kept, and sent after the next
 * mgos_mqtt_conn_connect(), which `cb` may call. NULL: nobody is told.
 * @param arg Handed back to `cb`; it stays the app's.
 * @return true if `cb` is going to be called. false if the connection is being ended so already, and
 * without memory; then nothing changes.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_conn_finish(struct mgos_mqtt_conn *c,
                           uint32_t timeout_ms,
                           mgos_mqtt_finish_fn_t cb,
                           void *arg);

/**
 * Subscribes to a topic filter, now or when the connection is up, and again at every later
 * connection.
 *
 * Several subscriptions to the same filter all have their handlers called, the newest first. A
 * message is acknowledged by the library.
 *
 * @param c The connection. NULL: an error in the log, and nothing else.
 * @param topic The filter, not needed any more on return. NULL, empty, not UTF-8, or with a
 * misplaced wildcard: likewise. Without memory: likewise.
 * @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_conn_set_max_qos().
 * @param handler Called with MG_EV_MQTT_SUBACK when the broker has answered, and with
 * MG_EV_MQTT_PUBLISH for each message that matches. NULL: an error in the log, and nothing else.
 * @param user_data Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_conn_sub(struct mgos_mqtt_conn *c,
                        const char *topic,
                        int qos,
                        mg_event_handler_t handler,
                        void *user_data);

/**
 * Subscribes to a topic filter with a handler that takes messages in pieces, as they come in: also
 * those that exceed `recv_mbuf_limit`, up to the 256 MB that MQTT allows. New; the original has no such
 * function.
 *
 * A message that fits comes as one piece. One that does not goes to the newest matching subscription
 * of this kind alone; others that match, of whatever kind, do not get it. Its topic has to fit the
 * limit. It is acknowledged when the last piece was taken; at QoS 2, once it was taken, it does not
 * come again.
 *
 * @param c The connection. NULL: an error in the log, and nothing else.
 * @param topic The filter, not needed any more on return. NULL, empty, not UTF-8, or with a misplaced
 * wildcard: likewise. Without memory: likewise.
 * @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_conn_set_max_qos().
 * @param handler Called with each piece. NULL: an error in the log, and nothing else.
 * @param arg Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_conn_sub_stream(struct mgos_mqtt_conn *c,
                               const char *topic,
                               int qos,
                               mgos_mqtt_stream_handler_t handler,
                               void *arg);

/**
 * Removes the newest subscription with exactly this filter.
 *
 * When it was the last with this filter, the broker is told, now or on the next connection to the
 * same session, until it has confirmed that; at most 16 filters wait for it, beyond which the
 * oldest is forgotten with a warning in the log. Memory that `user_data` points to stays the
 * app's.
 *
 * @param c The connection.
 * @param topic The filter.
 * @return true if it was removed. false if there is no such subscription, and for NULL, with an
 * error in the log for a NULL connection; then nothing changes.
 *
 * May be called from a handler, that of the subscription itself included.
 */
bool mgos_mqtt_conn_unsub(struct mgos_mqtt_conn *c, const char *topic);

/**
 * Bytes that are still to be sent: the payloads that are kept until the broker acknowledges them,
 * an empty one counting as a byte, and what the link has not taken yet. Messages that are set
 * aside, as the broker closes the connection on them, do not count.
 *
 * @param c The connection.
 * @return Bytes; 0 for NULL.
 *
 * May be called from a handler.
 */
size_t mgos_mqtt_conn_num_unsent_bytes(struct mgos_mqtt_conn *c);

/**
 * Tells what has happened to a connection so far: how often it was connected and why it ended,
 * messages and bytes, the queue, the last ping, what is set aside. New; the original has no such
 * function.
 *
 * Only what the library sends counts as `sent`, not what the app writes with mg_mqtt_publish(): of
 * that there are the bytes.
 *
 * @param c The connection.
 * @param stats To be filled; see `struct mgos_mqtt_stats` for units, and for what is never reset.
 * @return true. false if either is NULL, without a line in the log; then nothing is filled in.
 *
 * May be called from a handler: what is being delivered has been counted.
 */
bool mgos_mqtt_conn_get_stats(struct mgos_mqtt_conn *c, struct mgos_mqtt_stats *stats);

/**
 * Sets the highest QoS to be used in place of `max_qos` in the configuration, for brokers that do
 * not support more. Messages and subscriptions above it are silently downgraded.
 *
 * @param c The connection. NULL: an error in the log, and nothing else.
 * @param qos 0, 1 or 2; negative: what the configuration says.
 *
 * May be called from a handler.
 */
void mgos_mqtt_conn_set_max_qos(struct mgos_mqtt_conn *c, int qos);

/**
 * Changes the configuration. If there is a connection, or one coming up, it is closed and one with
 * the new configuration follows at once; what is queued and subscribed is kept. A configuration
 * that is not enabled closes the connection for good. After this there is no backup server, unless
 * the configuration is the system's own.
 *
 * @param c The connection.
 * @param cfg The configuration, which is copied; the system's own are used as they are.
 * @return true if the configuration was taken. false, with an error in the log, if it is enabled
 * and names no server, without memory, and for NULL; then nothing changes.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_conn_set_config(struct mgos_mqtt_conn *c, const struct mgos_config_mqtt *cfg);

/**
 * Publishes a message, with options: mgos_mqtt_conn_pub() that can tell what becomes of the message,
 * give it a lifetime, and let a newer one take its place. New; the original has no such function.
 *
 * @param c The connection.
 * @param topic The topic, not needed any more on return.
 * @param msg The payload, not needed any more on return.
 * @param opts See `struct mgos_mqtt_pub_opts`; not needed any more on return. NULL: all zeros.
 * @return As mgos_mqtt_conn_pub(): the packet ID, or 0 with the reason in the log; 0 also without
 * memory for the options. With 0, `opts->cb` is not called.
 *
 * May be called from a handler.
 */
static inline uint16_t mgos_mqtt_conn_pub_opt(struct mgos_mqtt_conn *c, const char *topic,
                                              struct mg_str msg,
                                              const struct mgos_mqtt_pub_opts *opts) {
  return mgos_mqtt_conn_pub_opt_sized(c, topic, msg, opts, sizeof(*opts));
}

/**
 * Publishes a message formatted with json_printf().
 *
 * @param c The connection.
 * @param topic The topic, not needed any more on return.
 * @param qos 0, 1 or 2.
 * @param retain Whether the broker is to keep it for later subscribers.
 * @param json_fmt The format.
 * @return As mgos_mqtt_conn_pub(): the packet ID, or 0 with the reason in the log; 0 also if
 * `json_fmt` is NULL, and without memory for the message.
 *
 * May be called from a handler.
 */
uint16_t mgos_mqtt_conn_pubf(struct mgos_mqtt_conn *c, const char *topic, int qos, bool retain,
                             const char *json_fmt, ...);

/**
 * mgos_mqtt_conn_pubf() with the arguments in a va_list.
 */
uint16_t mgos_mqtt_conn_pubv(struct mgos_mqtt_conn *c, const char *topic, int qos, bool retain,
                             const char *json_fmt, va_list ap);

#ifdef __cplusplus
}  /* extern "C" */
#endif
