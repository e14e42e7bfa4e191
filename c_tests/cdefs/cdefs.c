/*
 * What the firmware chooses with cdefs: MGOS_MQTT_SUBSCRIBE_QOS, the QoS of subscriptions that the app makes without one,
 * is 2; and MGOS_MQTT_ENABLE_DEBUG_TOPICS 0 leaves out the publishing of log lines.
 */

#include <string.h>

#include "suite.h"

static void on_message(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  record("%.*s=%.*s", topic_len, topic, msg_len, msg);
  (void) nc;
  (void) ud;
}

static void subscribe(void *arg) {
  mgos_mqtt_sub("a", on_message, NULL);
  mgos_mqtt_global_subscribe(mg_mk_str("b"), record_event, "b");
  (void) arg;
}

static void print_error(void *arg) {
  const char *line = (const char *) arg;
  mgos_debug_write(2, line, strlen(line));
}

static void global(void) {
  create_global();
  in_app(subscribe, NULL);
  connect_up();
  expect("82 06 0001 0001 'b' 02");
  expect("82 06 0002 0001 'a' 02");
  check("mgos_mqtt_sub() and mgos_mqtt_global_subscribe() request MGOS_MQTT_SUBSCRIBE_QOS");
  in_app(print_error, "a line\n");
  expect_silence();
  check("with MGOS_MQTT_ENABLE_DEBUG_TOPICS 0, no line is published to debug.stderr_topic");
  forget_events();
}

static const struct script scripts[] = {
    {"global", global},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
