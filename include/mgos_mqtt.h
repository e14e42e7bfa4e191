#pragma once

/*
 * Copyright the mgos-mqtt contributors. SPDX-License-Identifier: Apache-2.0
 *
 * Made from src/ffi by cbindgen: do not edit, run `cargo xtask header`.
 */

#include "mgos_mqtt_conn.h"

/*
 * MQTT on the global connection: the one that the `mqtt` section of the configuration describes, with a backup server in
 * `mqtt1`. It connects when the network comes up, and comes back by itself.
 *
 * Each function here is one of mgos_mqtt_conn.h on that connection, and documented there in full.
 */

/**
 * Callback of `mgos_mqtt_sub()`: a message has come in. Neither `topic` nor `msg` ends with a NUL; both are gone when it returns.
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
 * Subscribes to a topic filter at QoS 1 on the global connection: mgos_mqtt_conn_sub() with a string that need not end with a NUL.
 */
void mgos_mqtt_global_subscribe(struct mg_str topic,
                                mg_event_handler_t handler,
                                void *ud);

/**
 * Adds a handler of the global connection's events: see mgos_mqtt_conn_add_handler(). May be called before the configuration is known.
 */
void mgos_mqtt_add_global_handler(mg_event_handler_t handler,
                                  void *ud);

/**
 * Sets the callback that sends CONNECT on the global connection: see mgos_mqtt_conn_set_connect_fn().
 */
void mgos_mqtt_set_connect_fn(mgos_mqtt_connect_fn_t cb,
                              void *fn_arg);

/**
 * The Mongoose connection of the global connection: from the beginning of an attempt, so also before CONNACK, until MG_EV_CLOSE. NULL otherwise.
 */
struct mg_connection *mgos_mqtt_get_global_conn(void);

/**
 * Connects the global connection now: see mgos_mqtt_conn_connect().
 */
bool mgos_mqtt_global_connect(void);

/**
 * Disconnects the global connection: see mgos_mqtt_conn_disconnect().
 */
void mgos_mqtt_global_disconnect(void);

/**
 * True if the global connection is up: see mgos_mqtt_conn_is_connected().
 */
bool mgos_mqtt_global_is_connected(void);

/**
 * Publishes `len` bytes on the global connection: see mgos_mqtt_conn_pub() for what is returned.
 */
uint16_t mgos_mqtt_pub(const char *topic, const void *message, size_t len, int qos, bool retain);

/**
 * Subscribes to a topic filter at QoS 1 on the global connection. `handler` is called with each message that matches; `ud` is handed back
 * to it and stays the app's. See mgos_mqtt_conn_sub() for the rest.
 */
void mgos_mqtt_sub(const char *topic,
                   sub_handler_t handler,
                   void *ud);

/**
 * Removes the newest subscription with exactly this filter from the global connection: see mgos_mqtt_conn_unsub().
 */
bool mgos_mqtt_unsub(const char *topic);

/**
 * Bytes that the global connection has still to send: see mgos_mqtt_conn_num_unsent_bytes().
 */
size_t mgos_mqtt_num_unsent_bytes(void);

/**
 * Fills `*stats` with what has happened to the global connection so far: see mgos_mqtt_conn_get_stats(). False for NULL, and if nobody has used MQTT yet.
 */
bool mgos_mqtt_get_stats(struct mgos_mqtt_stats *stats);

/**
 * One number of mgos_mqtt_get_stats(), for languages without C structures: `which` is its place in `struct mgos_mqtt_stats`, counted from 0. What is over
 * 2,147,483,647 comes out negative, less by 2^32. 0 if there is no such number, or nobody has used MQTT yet. May be called from a handler.
 */
int mgos_mqtt_get_stat(int which);

/**
 * A Packet Identifier for a packet that the app sends by itself on the global connection: never 0, never one that is in use. Each call returns the next.
 */
uint16_t mgos_mqtt_get_packet_id(void);

/**
 * Sets the highest QoS to be used on the global connection: see mgos_mqtt_conn_set_max_qos(). Declared by the original, but never defined.
 */
void mgos_mqtt_set_max_qos(int qos);

/**
 * Takes another configuration for the global connection: see mgos_mqtt_conn_set_config(). The first one makes the connection possible even if
 * `mqtt.enable` is false; it connects when the network comes up, or at mgos_mqtt_global_connect().
 */
bool mgos_mqtt_set_config(const struct mgos_config_mqtt *cfg);

/**
 * Publishes a message made from a format as of json_printf() on the global connection: see mgos_mqtt_conn_pubf().
 */
uint16_t mgos_mqtt_pubf(const char *topic, int qos, bool retain, const char *json_fmt, ...);

/**
 * mgos_mqtt_pubf() with the arguments in a va_list.
 */
uint16_t mgos_mqtt_pubv(const char *topic, int qos, bool retain, const char *json_fmt, va_list ap);

#ifdef __cplusplus
}  /* extern "C" */
#endif
