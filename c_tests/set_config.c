/*
 * set_config() at run time, and the system's configuration, which is not copied. The effect of
 * settings on CONNECT: connect_bytes.c.
 */

#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define UP "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n"
#define LOST "cloud DISCONNECTED\ng CLOSE\n"

static void change_will(void *arg) {
  mgos_sys_config_set_mqtt_will_topic("w");
  mgos_sys_config_set_mqtt_will_message("gone");
  (void) arg;
}

static void shared(void) {
  create_global();
  connect_up();
  in_app(change_will, NULL);
  drop();
  expect_events(LOST);
  expect_connection();
  expect("10 16 0004 'MQTT' 04 06 003c 0001 'c' 0001 'w' 0004 'gone'");
  play("20 02 00 00");
  expect_events(UP);
  check("changes of the system's configuration take effect with the next connection");
}

static void on_live_connection(void) {
  connect_up();
  app_sub("s", 1, "s");
  expect("82 06 0001 0001 's' 01");
  app_pub("t", "m", 1, false);
  expect("32 06 0001 't' 0002 'm'");
  cfg.client_id = "new";
  expect_that(app_set_config(&cfg));
  expect_close();
  check("the connection is closed, without DISCONNECT");
#ifdef MQTT_UPSTREAM
  expect_that(app_is_connected());
  expect_no_connection(300);
  expect_events("");
  check("no event, no reconnect, and is_connected() is still true");
  expect_that(app_connect());
#endif
  expect_connection();
  expect("10 0f 0004 'MQTT' 04 02 003c 0003 'new'");
  play("20 02 00 00");
  expect(EITHER("82 06 0001 0001 's' 01", "82 06 0003 0001 's' 01"));
  expect(EITHER("32 06 0001 't' 0002 'm'", "3a 06 0001 't' 0002 'm'"));
#ifndef MQTT_UPSTREAM
  play("90 03 0001 01");
#endif
  expect_events(EITHER(LOST UP "s SUBACK 1\n", UP));
  check(EITHER("its events, and an immediate connection with the new configuration; nothing is lost",
               "connect() uses the new configuration; nothing is lost"));
}

static void while_waiting(void) {
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 0.3;
  connect_up();
  drop();
  expect_events(LOST);
  expect_logged("connecting after");
  cfg.client_id = "new";
  expect_that(app_set_config(&cfg));
  expect_connection();
  expect("10 0f 0004 'MQTT' 04 02 003c 0003 'new'");
  play("20 02 00 00");
  expect_events(UP);
  check("a new configuration ends a wait");
}

static void no_server(void) {
  connect_up();
  cfg.server = NULL;
  expect_that(!app_set_config(&cfg));
  expect_logged("requires server name");
  expect_silence();
  check("without a server: false, an error in the log, and nothing changes");
}

static void off(void) {
  connect_up();
  cfg.enable = false;
  expect_that(app_set_config(&cfg));
  expect_close();
  expect_no_connection(300);
  expect_events(EITHER(LOST, ""));
  expect_that(!app_connect());
  check("enable false: true, the connection is closed, and connect() is false");
#ifndef MQTT_UPSTREAM
  expect_number(app_pub("t", "m", 1, false), 0);
  cfg.enable = true;
  expect_that(app_set_config(&cfg));
  expect_that(app_connect());
  expect_connect();
  play("20 02 00 00");
  expect_events(UP);
  check("until another is set");
#else
  left_out("publishing at QoS 1 without a configuration", "it crashes");
#endif
}

#ifndef MQTT_UPSTREAM
static void null(void) {
  connect_up();
  expect_that(!app_set_config(NULL));
  expect_logged("configuration is NULL");
  expect_silence();
  check("NULL: false, an error in the log, and nothing changes");
}

static void set_and_use(void *arg) {
  record("%d", app_set_config(&cfg));
  record("id %d", app_pub("t", "m", 1, false));
  app_sub("s", 1, "s");
  record("%d", app_unsub("s"));
  (void) arg;
}

static void used_at_once(void) {
  connect_up();
  in_app(set_and_use, NULL);
  expect_close();
  expect_connect();
  play("20 02 00 00");
  expect("32 06 0001 't' 0001 'm'");
  expect_events("1\nid 1\n1\n" LOST UP);
  check("publishing and subscribing right after it is safe");
}
#endif

#ifndef MQTT_UPSTREAM
static void under_another_id(void) {
  cfg.clean_session = false;
  create();
  app_connect();
  expect_connection();
  expect("10 0d 0004 'MQTT' 04 00 003c 0001 'c'");
  play("20 02 00 00");
  app_pub("b", "2", 2, false);
  expect("34 06 0001 'b' 0001 '2'");
  play("34 06 0001 't' 0007 'm'");
  expect("50 02 0007");
  cfg.client_id = "new";
  expect_that(app_set_config(&cfg));
  expect_close();
  expect_connection();
  expect("10 0f 0004 'MQTT' 04 00 003c 0003 'new'");
  play("20 02 01 00");
  expect("34 06 0001 'b' 0001 '2'");
  play("34 06 0001 't' 0007 'm'");
  expect("50 02 0007");
  expect_events(UP "g PUBLISH t=m qos2 id7\n" LOST UP "g PUBLISH t=m qos2 id7\n");
  check("a session that the broker has kept for another client id is not mistaken for this one");
}
#endif

static void set_copy(void *arg) {
  struct mgos_config_mqtt copy = cfg;
  char *id = strdup("deep"), *user = strdup("joe");
  copy.client_id = id;
  copy.user = user;
  *(bool *) arg = mgos_mqtt_conn_set_config(connection(), &copy);
  memset(id, 'x', 4);
  memset(user, 'x', 3);
  free(id);
  free(user);
  memset(&copy, 0x55, sizeof(copy));
}

static void copied(void) {
  bool done = false;
  create();
  in_app(set_copy, &done);
  expect_that(done);
  app_connect();
  expect_connection();
  expect("10 15 0004 'MQTT' 04 82 003c 0004 'deep' 0003 'joe'");
  expect_events("cloud CONNECTING\n");
  check("the configuration is copied with its strings");
}

static void no_backup(void) {
  create_with_backup();
  cfg.client_id = "own";
  expect_that(app_set_config(&cfg));
  stop_listening();
  app_connect();
  logged_number("connecting after ", 4);
  use_broker(1);
  expect_no_connection(0);
  check("a configuration of the app's own has no backup");
  forget_events();
}

static void set_two(void *arg) {
  record("%d", app_set_config(&cfg));
  cfg.client_id = "two";
  record("%d", app_set_config(&cfg));
  (void) arg;
}

static void twice(void) {
  connect_up();
  in_app(set_two, NULL);
  expect_close();
#ifdef MQTT_UPSTREAM
  expect_that(app_connect());
#endif
  expect_connection();
  expect("10 0f 0004 'MQTT' 04 02 003c 0003 'two'");
  play("20 02 00 00");
  expect_events(EITHER("1\n1\n" LOST UP, "1\n1\n" UP));
  check("of two in a row the second takes effect");
}

static const struct script scripts[] = {
    {"system configuration", shared},
    {"live connection", on_live_connection},
    {"waiting", while_waiting},
    {"no server", no_server},
    {"enable false", off},
    HERE_ONLY("NULL", null, "it crashes"),
    HERE_ONLY("used at once", used_at_once, "it crashes"),
    HERE_ONLY("another client id", under_another_id, "it keeps no state of messages at QoS 2"),
    {"copied", copied},
    {"no backup", no_backup},
    {"twice", twice},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
