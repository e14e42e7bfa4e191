/*
 * What the firmware chooses with cdefs: MGOS_MQTT_SUBSCRIBE_QOS, the QoS of subscriptions that the app makes without one,
 * is 2; MGOS_MQTT_ENABLE_DEBUG_TOPICS 0 leaves out the publishing of log lines; MGOS_MQTT_ENABLE_QUEUE_FILE 1 has
 * mqtt.queue_file used.
 */

#include <stdio.h>
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

#ifdef MQTT_UPSTREAM
static void queue_file(void) {
  left_out("mqtt.queue_file", "there is no such key");
}
#else
static void queue_file(void) {
  FILE *file;
  expect_that(app_pub("t", "kept", 1, false) > 0);
  file = fopen("cdefs_queue.a", "rb");
  expect_that(file != NULL);
  fclose(file);
  check("with MGOS_MQTT_ENABLE_QUEUE_FILE 1, the queue is in the file that mqtt.queue_file names");
  connect_up();
  expect("32 *");
  play("40 02 0001");
  expect_events("g PUBACK 1\n");
  app_disconnect();
  expect("e0 00");
  expect_close();
  expect_events("cloud DISCONNECTED\ng CLOSE\n");
  remove("cdefs_queue.a");
  remove("cdefs_queue.b");
}
#endif

static void global(void) {
  create_global();
  queue_file();
  in_app(subscribe, NULL);
  connect_up();
  expect("82 06 ???? 0001 'b' 02");
  expect("82 06 ???? 0001 'a' 02");
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
