/* direct_calls: a minimal app, compiled with the cc command printed by `cargo xtask sdk`. */
#include "mgos.h"
#include "mgos_mqtt.h"

static void on_message(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int len, void *ud) {
  printf("ok 1 - an app compiled with cc gets its own message back: %.*s\n1..1\n", len, msg);
  exit(len == 2 ? 0 : 1);
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == MG_EV_MQTT_CONNACK) mgos_mqtt_pub("direct/calls", "hi", 2, 1, false);
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_sub("direct/calls", on_message, NULL);
  mgos_mqtt_add_global_handler(on_event, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
