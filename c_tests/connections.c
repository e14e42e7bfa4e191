/*
 * Multiple connections, each with its own configuration, packet IDs and handlers.
 */

#include <string.h>

#include "suite.h"

static struct mgos_mqtt_conn *s_second;

static void create_second(void *arg) {
  struct mgos_config_mqtt config = cfg;
  config.client_id = "second";
  config.server = text("127.0.0.1:%d", broker_port(1));
  s_second = mgos_mqtt_conn_create(42, &config);
  mgos_mqtt_conn_add_handler(s_second, record_event, arg);
  mgos_mqtt_conn_sub(s_second, "a", 0, record_event, EITHER((void *) "2a", strdup("2a")));
  record("%d", mgos_mqtt_conn_connect(s_second));
}

static void look_at_second(void *arg) {
  record("second %s", mgos_mqtt_conn_is_connected(s_second) ? "connected" : "not connected");
  record("id %d", mgos_mqtt_conn_pub(s_second, "t", mg_mk_str("second"), 1, false));
  record("%lu bytes", (unsigned long) mgos_mqtt_conn_num_unsent_bytes(s_second) / 100);
  (void) arg;
}

static void disconnect_second(void *arg) {
  mgos_mqtt_conn_disconnect(s_second);
  (void) arg;
}

static void two(void) {
  create();
  app_sub("a", 1, "a");
  connect_up();
  expect("82 06 0001 0001 'a' 01");
  in_app(create_second, (void *) "2");
  use_broker(1);
  expect_connection();
  expect("10 12 0004 'MQTT' 04 02 003c 0006 'second'");
  play("20 02 00 00");
  expect("82 06 0001 0001 'a' 00");
  expect_events("cloud CONNECTING\n1\ncloud CONNECTED\n2 CONNACK\n");
  expect_logged("MQTT42 ");
  check("a second connection has its own server and client id, and its number in the log");
  in_app(look_at_second, NULL);
  expect("32 0b 0001 't' 0002 'second'");
  expect_events("second connected\nid 2\n0 bytes\n");
  play("40 02 0002 30 04 0001 'a' 'm'");
  expect_events("2 PUBACK 2\n2a PUBLISH a=m\n");
  use_broker(0);
  app_pub("t", "first", 1, false);
  expect("32 0a 0001 't' 0002 'first'");
  play("40 02 0002 30 04 0001 'a' 'm'");
  expect_events("g PUBACK 2\na PUBLISH a=m\n");
  check("packet IDs, subscriptions and handlers are separate for each connection");
  drop();
  expect_events("cloud DISCONNECTED\ng CLOSE\n");
  come_back();
  expect("82 *");
  use_broker(1);
  in_app(disconnect_second, NULL);
  expect("e0 00");
  expect_close();
  expect_events("cloud DISCONNECTED\n2 CLOSE\n");
  expect_that(app_is_connected());
  check("one ends without the other");
}

static void from_nc(void *arg) {
  record("%d %d %d", mgos_mqtt_conn_from_nc(NULL) == NULL, app_nc() != NULL && mgos_mqtt_conn_from_nc(app_nc()) == connection(),
         mgos_mqtt_get_global_conn() == NULL);
  (void) arg;
}

static void from_connection(void) {
  connect_up();
  in_app(from_nc, NULL);
  expect_events("1 1 1\n");
  check("mgos_mqtt_conn_from_nc(); the global connection is another");
}

static void null_connection(void *arg) {
  record("%d %d %d %d %lu", mgos_mqtt_conn_connect(NULL), mgos_mqtt_conn_is_connected(NULL),
         mgos_mqtt_conn_pub(NULL, "t", mg_mk_str("m"), 1, false), mgos_mqtt_conn_unsub(NULL, "t"),
         (unsigned long) mgos_mqtt_conn_num_unsent_bytes(NULL));
  record("%d %d", mgos_mqtt_conn_pubf(NULL, "t", 1, false, "%d", 1), mgos_mqtt_conn_set_config(NULL, &cfg));
  mgos_mqtt_conn_disconnect(NULL);
  mgos_mqtt_conn_add_handler(NULL, record_event, NULL);
  mgos_mqtt_conn_set_connect_fn(NULL, NULL, NULL);
  mgos_mqtt_conn_sub(NULL, "t", 0, record_event, NULL);
  mgos_mqtt_conn_set_max_qos(NULL, 1);
  (void) arg;
}

static void no_connection(void) {
  in_app(null_connection, NULL);
  expect_events("0 0 0 0 0\n0 0\n");
  check("every function accepts NULL as connection");
}

static void without_config(void *arg) {
  struct mgos_mqtt_conn *c = mgos_mqtt_conn_create(7, NULL);
  record("%d %d %d", c != NULL, mgos_mqtt_conn_connect(c), mgos_mqtt_conn_is_connected(c));
  *(struct mgos_mqtt_conn **) arg = c;
}

static void configure(void *arg) {
  struct mgos_mqtt_conn *c = (struct mgos_mqtt_conn *) arg;
  record("%d", mgos_mqtt_conn_set_config(c, &cfg));
  record("%d", mgos_mqtt_conn_connect(c));
}

static void disconnect(void *arg) {
  mgos_mqtt_conn_disconnect((struct mgos_mqtt_conn *) arg);
}

static void no_config(void) {
  struct mgos_mqtt_conn *c;
  in_app(without_config, &c);
  expect_events("1 0 0\n");
  in_app(configure, c);
  expect_connect();
  expect_events("1\ncloud CONNECTING\n1\n");
  in_app(disconnect, c);
  expect("e0 00");
  expect_close();
  check("a connection may be created without a configuration, and get one later");
}

#ifndef MQTT_UPSTREAM
static void null_arguments(void *arg) {
  record("%d", mgos_mqtt_conn_pub(connection(), NULL, mg_mk_str("m"), 1, false));
  record("%d", mgos_mqtt_conn_pub(connection(), "t", mg_mk_str_n(NULL, 0), 0, false) > 0);
  record("%d", mgos_mqtt_conn_pubf(connection(), "t", 1, false, NULL));
  record("%d", mgos_mqtt_conn_unsub(connection(), NULL));
  mgos_mqtt_conn_sub(connection(), NULL, 0, record_event, NULL);
  mgos_mqtt_conn_sub(connection(), "t", 0, NULL, NULL);
  mgos_mqtt_conn_add_handler(connection(), NULL, NULL);
  (void) arg;
}

static void no_arguments(void) {
  connect_up();
  in_app(null_arguments, NULL);
  expect("30 03 0001 't'");
  expect_silence();
  expect_events("0\n1\n0\n0\n");
  check("a NULL topic, handler or format is rejected");
}

static void free_self(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev != MG_EV_MQTT_PUBLISH) return;
  record("%s", (const char *) ud);
  mgos_mqtt_conn_free(mgos_mqtt_conn_from_nc(nc));
  (void) ev_data;
}

static void create_to_free(void *arg) {
  struct mgos_mqtt_conn *c = mgos_mqtt_conn_create(8, &cfg);
  mgos_mqtt_conn_sub(c, "a", 0, record_event, "a");
  mgos_mqtt_conn_sub(c, "#", 0, free_self, "freed");
  mgos_mqtt_conn_add_handler(c, record_event, "h");
  mgos_mqtt_conn_pub(c, "t", mg_mk_str("m"), 1, false);
  mgos_mqtt_conn_connect(c);
  (void) arg;
}

static void freed_in_handler(void) {
  in_app(create_to_free, NULL);
  expect_connect();
  play("20 02 00 00");
  expect("82 *");
  expect("82 *");
  expect("32 *");
  expect_events("cloud CONNECTING\ncloud CONNECTED\nh CONNACK\n");
  play("30 04 0001 'a' 'm' 30 04 0001 'a' 'm'");
  expect_close();
  expect_no_connection(200);
  expect_events("freed\n");
  check("mgos_mqtt_conn_free() in a handler: closed, without further events");
}
#endif

static const struct script scripts[] = {
    {"two connections", two},
    {"from nc", from_connection},
    {"NULL connection", no_connection},
    {"no configuration", no_config},
    HERE_ONLY("NULL arguments", no_arguments, "it crashes"),
    HERE_ONLY("free", freed_in_handler, "there is no such function"),
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
