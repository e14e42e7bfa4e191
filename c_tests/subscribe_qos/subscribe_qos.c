/*
 * MGOS_MQTT_SUBSCRIBE_QOS is 2: the QoS of subscriptions that the app makes without one.
 */

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

static void chosen(void) {
  create_global();
  in_app(subscribe, NULL);
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect("82 06 0001 0001 'b' 02");
  expect("82 06 0002 0001 'a' 02");
  check("mgos_mqtt_sub() and mgos_mqtt_global_subscribe() request it");
  forget_events();
}

static const struct script scripts[] = {
    {"chosen", chosen},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
