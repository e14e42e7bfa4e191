/*
 * mqtt.enable is false at start, as by default: what the functions do before set_config().
 */

#include "suite.h"

static void on_message(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  record("%s %.*s=%.*s", (const char *) ud, topic_len, topic, msg_len, msg);
  (void) nc;
}

static void call_all(void *arg) {
  record("connect %d, connected %d, nc %d", mgos_mqtt_global_connect(), mgos_mqtt_global_is_connected(),
         mgos_mqtt_get_global_conn() != NULL);
  record("pub %d %d, pubf %d", mgos_mqtt_pub("t", "m", 1, 0, false), mgos_mqtt_pub("t", "m", 1, 1, false),
         mgos_mqtt_pubf("t", 1, false, "%d", 1));
  record("unsub %d, unsent %lu", mgos_mqtt_unsub("nothing"), (unsigned long) mgos_mqtt_num_unsent_bytes());
  mgos_mqtt_global_disconnect();
  mgos_mqtt_set_connect_fn(NULL, NULL);
  (void) arg;
}

static void disabled(void) {
  in_app(call_all, NULL);
  expect_events("connect 0, connected 0, nc 0\npub 0 0, pubf 0\nunsub 0, unsent 0\n");
  check("every function can be called, and does nothing");
  app_ip_acquired();
  expect_no_connection(200);
  check("the network coming up does not connect");
}

#ifndef MQTT_UPSTREAM
static void null_config(void *arg) {
  record("%d", mgos_mqtt_set_config(NULL));
  (void) arg;
}
#endif

static void enable(void *arg) {
  record("%d", mgos_mqtt_set_config((const struct mgos_config_mqtt *) arg));
}

static void connect_now(void *arg) {
  record("connect %d", mgos_mqtt_global_connect());
  (void) arg;
}

static void disconnect(void *arg) {
  mgos_mqtt_global_disconnect();
  (void) arg;
}

static void enabled_later(void) {
#ifndef MQTT_UPSTREAM
  in_app(null_config, NULL);
  expect_events("0\n");
  expect_logged("configuration is NULL");
  check("set_config(NULL) is false, with an error in the log");
#else
  left_out("set_config(NULL)", "it crashes");
#endif
  in_app(enable, &cfg);
  expect_events("1\n");
  expect_no_connection(200);
  check("the first set_config() returns true, and does not connect by itself");
  in_app(connect_now, NULL);
  expect_connect();
  play("20 02 00 00");
#ifdef MQTT_UPSTREAM
  expect_events("cloud CONNECTING\nconnect 1\ncloud CONNECTED\n");
  check("earlier registrations are lost");
#else
  expect("82 06 ?? ?? 0001 's' 01");
  expect_events("cloud CONNECTING\nconnect 1\ncloud CONNECTED\nglobal CONNACK\n");
  play("30 04 0001 's' 'm'");
  expect_events("s s=m\n");
  check("handlers and subscriptions that were registered before it are there");
#endif
  in_app(disconnect, NULL);
  expect("e0 00");
  expect_close();
  expect_events(EITHER("cloud DISCONNECTED\nglobal CLOSE\n", "cloud DISCONNECTED\n"));
}

#ifndef MQTT_UPSTREAM
static void get_packet_id(void *arg) {
  record("%s", mgos_mqtt_get_packet_id() != 0 ? "an identifier" : "0");
  (void) arg;
}

/* The original crashes here. */
static void packet_id(void) {
  in_app(get_packet_id, NULL);
  expect_events("an identifier\n");
  check("mgos_mqtt_get_packet_id() can be called");
}
#endif

static const struct script scripts[] = {
    HERE_ONLY("packet id", packet_id, "it crashes"),
    {"not enabled", disabled},
    {"enabled later", enabled_later},
};

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(record_event, (void *) "global");
  mgos_mqtt_sub("s", on_message, (void *) "s");
  return suite_start(scripts, COUNT(scripts));
}
