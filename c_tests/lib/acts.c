/*
 * The functions of the library, each as an app may call it on a connection from any of its callbacks: for the areas that try
 * all of them, nested_calls.c and alloc_faults.c.
 */

#include "acts.h"

#include "suite.h"

extern uint16_t mgos_mqtt_conn_get_packet_id(struct mgos_mqtt_conn *c);

struct mgos_mqtt_conn *acts_conn;

void do_nothing(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  (void) nc, (void) ev, (void) ev_data, (void) ud;
}

static void connect_now(void) {
  mgos_mqtt_conn_connect(acts_conn);
}
static void disconnect(void) {
  mgos_mqtt_conn_disconnect(acts_conn);
}
static void disconnect_and_connect(void) {
  mgos_mqtt_conn_disconnect(acts_conn);
  mgos_mqtt_conn_connect(acts_conn);
}
static void publish_0(void) {
  mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("m"), 0, false);
}
static void publish_1(void) {
  mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("m"), 1, false);
}
static void publish_2(void) {
  mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("m"), 2, true);
}
static void publish_json(void) {
  mgos_mqtt_conn_pubf(acts_conn, "t", 1, false, "{a: %d}", 1);
}
static void publish_many(void) {
  int i;
  for (i = 0; i < 20; i++) mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("m"), 1, false);
}
static void subscribe(void) {
  mgos_mqtt_conn_sub(acts_conn, "new", 1, do_nothing, NULL);
}
static void unsubscribe(void) {
  mgos_mqtt_conn_unsub(acts_conn, "b");
}
static void add_handler(void) {
  mgos_mqtt_conn_add_handler(acts_conn, do_nothing, NULL);
}
static void set_connect_fn(void) {
  mgos_mqtt_conn_set_connect_fn(acts_conn, NULL, NULL);
}
static void set_max_qos(void) {
  mgos_mqtt_conn_set_max_qos(acts_conn, 0);
}
static void ask(void) {
  mgos_mqtt_conn_is_connected(acts_conn);
  mgos_mqtt_conn_num_unsent_bytes(acts_conn);
  mgos_mqtt_conn_get_packet_id(acts_conn);
}
static void create_another(void) {
  struct mgos_mqtt_conn *c = mgos_mqtt_conn_create(99, NULL);
  mgos_mqtt_conn_connect(c);
#ifndef MQTT_UPSTREAM
  mgos_mqtt_conn_free(c);
#endif
}
#ifndef MQTT_UPSTREAM
static void unsubscribe_own(void) {
  mgos_mqtt_conn_unsub(acts_conn, "a");
}
static void set_config(bool enable) {
  struct mgos_config_mqtt config = cfg;
  config.enable = enable;
  config.client_id = "another";
  mgos_mqtt_conn_set_config(acts_conn, &config);
}
static void new_config(void) {
  set_config(true);
}
static void config_off(void) {
  set_config(false);
}
static void new_config_and_publish(void) {
  set_config(true);
  publish_0();
  publish_1();
  subscribe();
  unsubscribe_own();
}
static void free_it(void) {
  mgos_mqtt_conn_free(acts_conn);
  acts_conn = NULL;
}
#endif

const struct act acts[] = {
    {"connecting", connect_now},
    {"disconnecting", disconnect},
    {"disconnecting and connecting", disconnect_and_connect},
    {"publishing at QoS 0", publish_0},
    {"publishing at QoS 1", publish_1},
    {"publishing at QoS 2", publish_2},
    {"publishing JSON", publish_json},
    {"publishing many messages", publish_many},
    {"subscribing", subscribe},
    {"unsubscribing", unsubscribe},
    {"adding a handler", add_handler},
    {"setting the connect callback", set_connect_fn},
    {"setting the highest QoS", set_max_qos},
    {"asking", ask},
    {"making another connection", create_another},
#ifndef MQTT_UPSTREAM
    {"unsubscribing what is told of", unsubscribe_own},
    {"another configuration", new_config},
    {"a configuration that is off", config_off},
    {"another configuration, and publishing", new_config_and_publish},
    {"freeing the connection", free_it},
#endif
};

const size_t acts_count = COUNT(acts);
