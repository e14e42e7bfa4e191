#pragma once

/*
 * Copyright the mgos-mqtt contributors. SPDX-License-Identifier: Apache-2.0
 *
 * Made from src/ffi by cbindgen: do not edit, run `cargo xtask header`.
 */

#include "mgos_mqtt_conn.h"

/**
 * @file
 * MQTT on the global connection: the one that the `mqtt` section of the configuration describes,
 * with a backup server in `mqtt1`. It connects when the network comes up, and reconnects and
 * resubscribes by itself.
 *
 * void functions report errors only in the log. All functions may be called from handlers, timers,
 * cloud events and log hooks, in the firmware's main task. For more connections than this one, see
 * mgos_mqtt_conn.h.
 */

/**
 * Callback of `mgos_mqtt_sub()`, called with each message. Neither `topic` nor `msg` ends with a
 * NUL; both are gone when it returns.
 */
typedef void (*sub_handler_t)(struct mg_connection *nc,
                              const char *topic,
                              int topic_len,
                              const char *msg,
                              int msg_len,
                              void *ud);

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Adds a handler of the connection's events; the newest is called first. It may be added before
 * the configuration is known. It is given MG_EV_POLL; MG_EV_MQTT_CONNACK; MG_EV_MQTT_PUBLISH of
 * messages without a subscription; MG_EV_MQTT_SUBACK without one; MG_EV_MQTT_PUBACK, _PUBREC,
 * _PUBREL, _PUBCOMP, _UNSUBACK; MG_EV_CLOSE, with `nc` NULL, after a CONNACK.
 *
 * @param handler The handler. NULL, or without memory: an error in the log, and nothing else.
 * @param ud Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_add_global_handler(mg_event_handler_t handler, void *ud);

/**
 * Sets the callback that sends CONNECT in place of the library, on this and every later
 * connection.
 *
 * @param cb The callback. NULL: the library sends CONNECT again.
 * @param fn_arg Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_set_connect_fn(mgos_mqtt_connect_fn_t cb, void *fn_arg);

/**
 * The Mongoose connection: from the beginning of an attempt, so also before CONNACK, until
 * MG_EV_CLOSE.
 *
 * @return The connection; NULL while there is none.
 *
 * May be called from a handler.
 */
struct mg_connection *mgos_mqtt_get_global_conn(void);

/**
 * Connects now, without waiting for the network event or the next attempt, and also after
 * mgos_mqtt_global_disconnect().
 *
 * @return true if an attempt was begun, or one is under way, or the connection is up. false if the
 * configuration is not enabled or names no server, `require_time` is set and the clock is not, or
 * the attempt failed at once; except for a configuration that is not enabled, with the reason in
 * the log. When the clock is not set or the attempt failed, the next one follows by itself.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_global_connect(void);

/**
 * Disconnects when what has been written is sent, and stays so until mgos_mqtt_global_connect().
 * Ends the attempts to connect, too. What is queued and subscribed is kept.
 *
 * May be called from a handler.
 */
void mgos_mqtt_global_disconnect(void);

/**
 * Tells whether the connection is up: from CONNACK until MG_EV_CLOSE.
 *
 * @return true if it is up.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_global_is_connected(void);

/**
 * Publishes a message.
 *
 * At QoS 0 it is sent if the connection is up. At QoS 1 and 2 it is sent, now or when the
 * connection is up, and again after `ack_timeout` or a reconnection, until the broker has
 * acknowledged it. Up to `max_queue_length` messages are kept for that; one more takes the place
 * of the oldest, which is given up unless it is under way.
 *
 * ```c
 * mgos_mqtt_pub("room/temperature", "21.5", 4, 1, false);
 * ```
 *
 * @param topic The topic, not needed any more on return.
 * @param message The payload, not needed any more on return.
 * @param len Bytes of the payload.
 * @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_set_max_qos().
 * @param retain Whether the broker is to keep it for later subscribers.
 * @return The packet ID, > 0, repeated in MG_EV_MQTT_PUBACK (QoS 1) or MG_EV_MQTT_PUBCOMP (QoS 2),
 * on whichever connection that comes; MGOS_MQTT_EVENT_GIVEN_UP tells if the message was given up.
 * 0 if it was neither sent nor kept, with the reason in the log: at QoS 0, or without a queue, no
 * connection, a network that is down, or a link that takes no more; a topic that is empty, not
 * UTF-8, longer than 65,535 bytes or with a wildcard; no memory; `topic` NULL, `message` NULL
 * while `len` is not 0.
 *
 * May be called from a handler.
 */
uint16_t mgos_mqtt_pub(const char *topic, const void *message, size_t len, int qos, bool retain);

/**
 * mgos_mqtt_pub_opt() with the size of the structure that the caller knows, so that a library compiled
 * against an older one keeps working. Apps call that one.
 */
uint16_t mgos_mqtt_pub_opt_sized(const char *topic,
                                 const void *message,
                                 size_t len,
                                 const struct mgos_mqtt_pub_opts *opts,
                                 size_t size);

/**
 * Keeps the queue in a file from now on, so that it survives a restart, and takes what is there.
 * Call it in mgos_app_init(), before anything is published. New; the original has no such function.
 *
 * Kept are the messages at QoS 1 and 2 that are queued or in flight, with what is left of their
 * `ttl_ms`, and the packet IDs of QoS 2 messages under way in both directions. Two copies are written
 * in turn, `path` with `.a` and `.b` at its end, so that a power cut at any time loses nothing that
 * was in the file.
 *
 * @param path The file's name, not needed any more on return.
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
bool mgos_mqtt_set_queue_file(const char *path,
                              uint32_t delay_ms);

/**
 * Disconnects gracefully, before deep sleep, an update or a restart: what is queued goes out and
 * is acknowledged, then DISCONNECT is sent, so that the broker does not publish the will. Then the
 * connection stays down, as after mgos_mqtt_global_disconnect(). New; the original has no such
 * function.
 *
 * Until the callback is called, nothing can be published: 0 is returned. Messages that are set aside,
 * as the broker closes the connection on them, are not waited for. If the connection is not up, and
 * something is queued, attempts to connect go on meanwhile. mgos_mqtt_global_disconnect() cuts the wait
 * short.
 *
 * @param timeout_ms How long to wait for acknowledgements, milliseconds, at most 2,147,483,647; 0: not
 * at all. DISCONNECT may take a second more.
 * @param cb Called once, from the event loop and never inside this call, when the connection is gone.
 * What is left is kept, and sent after the next mgos_mqtt_global_connect(), which `cb` may call. NULL:
 * nobody is told.
 * @param arg Handed back to `cb`; it stays the app's.
 * @return true if `cb` is going to be called. false if the connection is being ended so already, and
 * without memory; then nothing changes.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_global_finish(uint32_t timeout_ms,
                             mgos_mqtt_finish_fn_t cb,
                             void *arg);

/**
 * Removes the newest subscription with exactly this filter. When it was the last with this filter,
 * the broker is told, now or on the next connection to the same session.
 *
 * @param topic The filter.
 * @return true if it was removed. false if there is no such subscription, and for NULL; then
 * nothing changes.
 *
 * May be called from a handler, that of the subscription itself included.
 */
bool mgos_mqtt_unsub(const char *topic);

/**
 * Tells whether the message that a handler has been called with is a retained one: one that the
 * broker had kept and sends because of the subscription, and not one that was published just now.
 * New; the original has no such function.
 *
 * @return true if it is retained. false if it is not, in handlers of other events, where no handler
 * is running, and when the connection has ended meanwhile. For handlers of another connection than
 * the global one: mgos_mqtt_conn_is_retained().
 *
 * May be called from a handler.
 */
bool mgos_mqtt_is_retained(void);

/**
 * Tells whether the broker has kept the session of the connections before: with `clean_session`
 * false it has kept the subscriptions, and what was published to them meanwhile, and sends that. New;
 * the original has no such function.
 *
 * @return true if it has, as its last CONNACK says. false if it has begun a new session, with
 * `clean_session` true, when another broker or client id has been connected to, and between CONNECT
 * and CONNACK.
 *
 * May be called from a handler; at MG_EV_MQTT_CONNACK it tells of the connection that begins.
 */
bool mgos_mqtt_session_present(void);

/**
 * Bytes that are still to be sent: the payloads that are kept until the broker acknowledges them,
 * an empty one counting as a byte, and what the link has not taken yet.
 *
 * @return Bytes; 0 if nobody has used MQTT yet.
 *
 * May be called from a handler.
 */
size_t mgos_mqtt_num_unsent_bytes(void);

/**
 * Tells what has happened to the connection so far: how often it was connected and why it ended,
 * messages and bytes, the queue, the last ping. New; the original has no such function.
 *
 * @param stats To be filled; see `struct mgos_mqtt_stats`.
 * @return true. false for NULL, and if nobody has used MQTT yet; then nothing is filled in.
 *
 * May be called from a handler: what is being delivered has been counted.
 */
bool mgos_mqtt_get_stats(struct mgos_mqtt_stats *stats);

/**
 * One number of mgos_mqtt_get_stats(), for languages without C structures.
 *
 * @param which Its place in `struct mgos_mqtt_stats`, counted from 0.
 * @return The number; what is over 2,147,483,647 comes out negative, less by 2^32. 0 if there is
 * no such number, or nobody has used MQTT yet.
 *
 * May be called from a handler.
 */
int mgos_mqtt_get_stat(int which);

/**
 * A packet ID for a packet that the app sends by itself. Each call returns the next.
 *
 * @return The packet ID, never 0 and never one that is in use; 0 without memory for the connection
 * object.
 *
 * May be called from a handler.
 */
uint16_t mgos_mqtt_get_packet_id(void);

/**
 * Sets the highest QoS to be used in place of `mqtt.max_qos`, for brokers that do not support
 * more. Messages and subscriptions above it are silently downgraded. The original declares this
 * function and does not define it.
 *
 * @param qos 0, 1 or 2; negative: what the configuration says.
 *
 * May be called from a handler.
 */
void mgos_mqtt_set_max_qos(int qos);

/**
 * Changes the configuration. If there is a connection, or one coming up, it is closed and one with
 * the new configuration follows at once; what is queued and subscribed is kept. A configuration
 * that is not enabled closes the connection for good. The first one makes the connection possible
 * even if `mqtt.enable` is false; it connects when the network comes up, or at
 * mgos_mqtt_global_connect(). After this there is no backup server, unless the configuration is
 * the system's own.
 *
 * @param cfg The configuration, which is copied; the system's own are used as they are.
 * @return true if the configuration was taken. false, with an error in the log, if it is enabled
 * and names no server, without memory, and for NULL; then nothing changes.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_set_config(const struct mgos_config_mqtt *cfg);

/**
 * Publishes a message, with options: mgos_mqtt_pub() that can tell what becomes of the message, give
 * it a lifetime, and let a newer one take its place. New; the original has no such function.
 *
 * ```c
 * static void done(void *arg, uint16_t id, int result) {
 *   LOG(LL_INFO, ("reading %u: %s", id, result == MGOS_MQTT_RESULT_ACKNOWLEDGED ? "arrived" : "lost"));
 * }
 * ...
 * struct mgos_mqtt_pub_opts opts = {.qos = 1, .ttl_ms = 60000, .replace = true, .cb = done};
 * mgos_mqtt_pub_opt("room/temperature", "21.5", 4, &opts);
 * ```
 *
 * @param topic The topic, not needed any more on return.
 * @param message The payload, not needed any more on return.
 * @param len Bytes of the payload.
 * @param opts See `struct mgos_mqtt_pub_opts`; not needed any more on return. NULL: all zeros.
 * @return As mgos_mqtt_pub(): the packet ID, or 0 with the reason in the log; 0 also without memory
 * for the options. With 0, `opts->cb` is not called.
 *
 * May be called from a handler.
 */
static inline uint16_t mgos_mqtt_pub_opt(const char *topic, const void *message, size_t len,
                                         const struct mgos_mqtt_pub_opts *opts) {
  return mgos_mqtt_pub_opt_sized(topic, message, len, opts, sizeof(*opts));
}

/**
 * Subscribes to a topic filter, with a handler that is also told of SUBACK; at QoS 1, unless the
 * firmware is built with another MGOS_MQTT_SUBSCRIBE_QOS.
 *
 * @param topic The filter, which need not end with a NUL; not needed any more on return. Empty,
 * not UTF-8, or with a misplaced wildcard: an error in the log, and nothing else. Without memory:
 * likewise.
 * @param handler Called with MG_EV_MQTT_SUBACK when the broker has answered, and with
 * MG_EV_MQTT_PUBLISH for each message that matches. NULL: an error in the log, and nothing else.
 * @param ud Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_global_subscribe(const struct mg_str topic, mg_event_handler_t handler, void *ud);

/**
 * Subscribes to a topic filter, now or when the connection is up, and again at every later
 * connection; at QoS 1, unless the firmware is built with another MGOS_MQTT_SUBSCRIBE_QOS.
 *
 * ```c
 * static void on_message(struct mg_connection *nc, const char *topic, int topic_len,
 *                        const char *msg, int msg_len, void *ud) {
 *   LOG(LL_INFO, ("%.*s: %.*s", topic_len, topic, msg_len, msg));
 * }
 * ...
 * mgos_mqtt_sub("room/+/set", on_message, NULL);
 * ```
 *
 * @param topic The filter, not needed any more on return. NULL, empty, not UTF-8, or with a
 * misplaced wildcard: an error in the log, and nothing else. Without memory: likewise.
 * @param handler Called with each message that matches. NULL: the messages are acknowledged and
 * dropped.
 * @param ud Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_sub(const char *topic, sub_handler_t handler, void *ud);

/**
 * mgos_mqtt_pub_opt() for JavaScript, which has no C structures.
 *
 * @param topic As there.
 * @param message As there.
 * @param len As there.
 * @param how QoS + 4 for `retain` + 8 for `replace` + 16 if `cb` is to be called + 32 times the
 * lifetime in seconds.
 * @param cb As `opts->cb`.
 * @param arg As `opts->arg`.
 * @return As there.
 */
int mgos_mqtt_pub_js(const char *topic, const void *message, int len, int how,
                     mgos_mqtt_result_fn_t cb, void *arg);

/**
 * Subscribes to a topic filter with a handler that takes messages in pieces, as they come in: also
 * those that exceed mqtt.recv_mbuf_limit, up to the 256 MB that MQTT allows; at QoS 1, unless the
 * firmware is built with another MGOS_MQTT_SUBSCRIBE_QOS. New; the original has no such function.
 *
 * A message that fits comes as one piece. One that does not goes to the newest matching subscription
 * of this kind alone; others that match, of whatever kind, do not get it. Its topic has to fit the
 * limit. It is acknowledged when the last piece was taken; at QoS 2, once it was taken, it does not
 * come again.
 *
 * @param topic The filter, not needed any more on return. NULL, empty, not UTF-8, or with a
 * misplaced wildcard: an error in the log, and nothing else. Without memory: likewise.
 * @param handler Called with each piece. NULL: an error in the log, and nothing else.
 * @param arg Handed back to it; it stays the app's.
 *
 * May be called from a handler.
 */
void mgos_mqtt_sub_stream(const char *topic, mgos_mqtt_stream_handler_t handler, void *arg);

/**
 * Publishes a message in pieces, as the app reads them: one that is larger than the memory, as a
 * picture or a log file. New; the original has no such function.
 *
 * It begins when the connection is up and nothing else waits to be sent, and is one packet
 * on the wire: until its last byte other messages at QoS 1 and 2 wait in the queue, those at QoS 0
 * are refused, and no ping is sent. So it should take less than mqtt.keep_alive, after one and a half
 * of which a broker may close the connection; brokers also limit the size. It is not kept: if the
 * connection ends inside it, it is begun anew on the next, three times in all. After its last byte it
 * is sent no more. If nothing of it can be written for 30 seconds the connection is closed.
 *
 * @param topic The topic, not needed any more on return.
 * @param len Bytes of the message, at most 268,435,451 less those of the topic.
 * @param qos 0, 1 or 2; lowered to what is allowed, see mgos_mqtt_set_max_qos().
 * @param retain Whether the broker is to keep it for later subscribers.
 * @param read Called from the event loop for up to 256 bytes at a time, until `cb` is called.
 * @param cb Called once, from the event loop, with what became of it: see
 * mgos_mqtt_conn_pub_stream(). NULL: nobody is told.
 * @param arg Handed back to both; it stays the app's.
 * @return true if it is accepted. false, with the reason in the log, if another is under way, or
 * during mgos_mqtt_global_finish(); for an invalid topic; for a message too large for MQTT; without
 * memory; if `topic` or `read` is NULL. Then neither is called.
 *
 * May be called from a handler.
 */
bool mgos_mqtt_pub_stream(const char *topic, size_t len, int qos, bool retain,
                          mgos_mqtt_read_fn_t read, mgos_mqtt_result_fn_t cb, void *arg);

/**
 * Publishes a message formatted with json_printf().
 *
 * ```c
 * mgos_mqtt_pubf("room/state", 1, false, "{temperature: %.1f, on: %B}", 21.5, true);
 * ```
 *
 * @param topic The topic, not needed any more on return.
 * @param qos 0, 1 or 2.
 * @param retain Whether the broker is to keep it for later subscribers.
 * @param json_fmt The format.
 * @return As mgos_mqtt_pub(): the packet ID, or 0 with the reason in the log; 0 also if `json_fmt` is
 * NULL, and without memory for the message.
 *
 * May be called from a handler.
 */
uint16_t mgos_mqtt_pubf(const char *topic, int qos, bool retain, const char *json_fmt, ...);

/**
 * mgos_mqtt_pubf() with the arguments in a va_list.
 */
uint16_t mgos_mqtt_pubv(const char *topic, int qos, bool retain, const char *json_fmt, va_list ap);

#ifdef __cplusplus
}  /* extern "C" */
#endif
