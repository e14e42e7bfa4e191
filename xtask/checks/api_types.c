/*
 * The types of the C API as firmware relies on them: each function is assigned to a pointer of the
 * type that the original declares. `cargo xtask header --check` compiles this as C99 and C++11;
 * nothing links it.
 */

#include "mgos_mqtt.h"

/* The headers are self-contained and can be included in any order, more than once. */
#include "mgos_mqtt_conn.h"

#include "mgos_mqtt.h"

struct mgos_mqtt_conn *(*conn_create)(int, const struct mgos_config_mqtt *) = mgos_mqtt_conn_create;
struct mgos_mqtt_conn *(*conn_create2)(int, const struct mgos_config_mqtt *,
                                       const struct mgos_config_mqtt *) = mgos_mqtt_conn_create2;
struct mgos_mqtt_conn *(*conn_from_nc)(struct mg_connection *) = mgos_mqtt_conn_from_nc;
void (*conn_add_handler)(struct mgos_mqtt_conn *, mg_event_handler_t, void *) = mgos_mqtt_conn_add_handler;
void (*conn_set_connect_fn)(struct mgos_mqtt_conn *, mgos_mqtt_connect_fn_t, void *) = mgos_mqtt_conn_set_connect_fn;
bool (*conn_connect)(struct mgos_mqtt_conn *) = mgos_mqtt_conn_connect;
void (*conn_disconnect)(struct mgos_mqtt_conn *) = mgos_mqtt_conn_disconnect;
bool (*conn_is_connected)(struct mgos_mqtt_conn *) = mgos_mqtt_conn_is_connected;
uint16_t (*conn_pub)(struct mgos_mqtt_conn *, const char *, struct mg_str, int, bool) = mgos_mqtt_conn_pub;
uint16_t (*conn_pubv)(struct mgos_mqtt_conn *, const char *, int, bool, const char *, va_list) = mgos_mqtt_conn_pubv;
uint16_t (*conn_pubf)(struct mgos_mqtt_conn *, const char *, int, bool, const char *, ...) = mgos_mqtt_conn_pubf;
void (*conn_sub)(struct mgos_mqtt_conn *, const char *, int, mg_event_handler_t, void *) = mgos_mqtt_conn_sub;
bool (*conn_unsub)(struct mgos_mqtt_conn *, const char *) = mgos_mqtt_conn_unsub;
size_t (*conn_num_unsent_bytes)(struct mgos_mqtt_conn *) = mgos_mqtt_conn_num_unsent_bytes;
void (*conn_set_max_qos)(struct mgos_mqtt_conn *, int) = mgos_mqtt_conn_set_max_qos;
bool (*conn_get_stats)(struct mgos_mqtt_conn *, struct mgos_mqtt_stats *) = mgos_mqtt_conn_get_stats;
bool (*conn_set_config)(struct mgos_mqtt_conn *, const struct mgos_config_mqtt *) = mgos_mqtt_conn_set_config;

uint16_t (*conn_pub_opt)(struct mgos_mqtt_conn *, const char *, struct mg_str, const struct mgos_mqtt_pub_opts *) = mgos_mqtt_conn_pub_opt;
bool (*conn_finish)(struct mgos_mqtt_conn *, uint32_t, mgos_mqtt_finish_fn_t, void *) = mgos_mqtt_conn_finish;
bool (*conn_set_queue_file)(struct mgos_mqtt_conn *, const char *, uint32_t) = mgos_mqtt_conn_set_queue_file;
void (*conn_sub_stream)(struct mgos_mqtt_conn *, const char *, int, mgos_mqtt_stream_handler_t, void *) = mgos_mqtt_conn_sub_stream;
bool (*conn_pub_stream)(struct mgos_mqtt_conn *, const char *, size_t, int, bool, mgos_mqtt_read_fn_t, mgos_mqtt_result_fn_t,
                        void *) = mgos_mqtt_conn_pub_stream;
bool (*conn_is_retained)(struct mgos_mqtt_conn *) = mgos_mqtt_conn_is_retained;
bool (*conn_session_present)(struct mgos_mqtt_conn *) = mgos_mqtt_conn_session_present;

void (*global_subscribe)(const struct mg_str, mg_event_handler_t, void *) = mgos_mqtt_global_subscribe;
void (*add_global_handler)(mg_event_handler_t, void *) = mgos_mqtt_add_global_handler;
void (*set_connect_fn)(mgos_mqtt_connect_fn_t, void *) = mgos_mqtt_set_connect_fn;
struct mg_connection *(*get_global_conn)(void) = mgos_mqtt_get_global_conn;
bool (*global_connect)(void) = mgos_mqtt_global_connect;
void (*global_disconnect)(void) = mgos_mqtt_global_disconnect;
bool (*global_is_connected)(void) = mgos_mqtt_global_is_connected;
uint16_t (*pub)(const char *, const void *, size_t, int, bool) = mgos_mqtt_pub;
uint16_t (*pubf)(const char *, int, bool, const char *, ...) = mgos_mqtt_pubf;
uint16_t (*pubv)(const char *, int, bool, const char *, va_list) = mgos_mqtt_pubv;
void (*sub)(const char *, sub_handler_t, void *) = mgos_mqtt_sub;
bool (*unsub)(const char *) = mgos_mqtt_unsub;
size_t (*num_unsent_bytes)(void) = mgos_mqtt_num_unsent_bytes;
uint16_t (*get_packet_id)(void) = mgos_mqtt_get_packet_id;
void (*set_max_qos)(int) = mgos_mqtt_set_max_qos;
bool (*get_stats)(struct mgos_mqtt_stats *) = mgos_mqtt_get_stats;
int (*get_stat)(int) = mgos_mqtt_get_stat;
uint16_t (*pub_opt)(const char *, const void *, size_t, const struct mgos_mqtt_pub_opts *) = mgos_mqtt_pub_opt;
int (*pub_js)(const char *, const void *, int, int, mgos_mqtt_result_fn_t, void *) = mgos_mqtt_pub_js;
bool (*global_finish)(uint32_t, mgos_mqtt_finish_fn_t, void *) = mgos_mqtt_global_finish;
bool (*set_queue_file)(const char *, uint32_t) = mgos_mqtt_set_queue_file;
void (*sub_stream)(const char *, mgos_mqtt_stream_handler_t, void *) = mgos_mqtt_sub_stream;
bool (*pub_stream)(const char *, size_t, int, bool, mgos_mqtt_read_fn_t, mgos_mqtt_result_fn_t, void *) = mgos_mqtt_pub_stream;
bool (*is_retained)(void) = mgos_mqtt_is_retained;
bool (*session_present)(void) = mgos_mqtt_session_present;
bool (*set_config)(const struct mgos_config_mqtt *) = mgos_mqtt_set_config;

/* Callbacks. */
static void on_message(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  (void) nc, (void) topic, (void) topic_len, (void) msg, (void) msg_len, (void) ud;
}
sub_handler_t message_handler = on_message;

static void on_connect(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  mg_send_mqtt_handshake_opt(nc, client_id, *opts);
  (void) arg;
}
mgos_mqtt_connect_fn_t connect_callback = on_connect;
