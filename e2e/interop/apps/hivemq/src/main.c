/*
 * hivemq: a device at a HiveMQ broker: the public one, or one in its cloud, which requires TLS,
 * user name and password.
 *
 *   devices/ID/state    retained: "online", or "offline" by its will
 *   devices/ID/ask      requests a reading
 *   devices/ID/reading  the reading, at QoS 2
 */

#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static int s_connected;

/* To be freed. */
static char *topic(const char *rest) {
  char *topic = NULL;
  mg_asprintf(&topic, 0, "devices/%s/%s", mgos_sys_config_get_device_id(), rest);
  return topic;
}

static void on_ask(struct mg_connection *nc, const char *asked, int asked_len, const char *msg, int msg_len, void *ud) {
  char *to = topic("reading");
  check(mgos_mqtt_pubf(to, 2, false, "{for:%.*Q,celsius:%.1f}", msg_len, msg, 21.5) > 0, "%.*s asks for a reading", msg_len, msg);
  check_wait("the end of the exchange at QoS 2");
  free(to);
  (void) nc, (void) asked, (void) asked_len;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  char *state;
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      state = topic("state");
      mgos_mqtt_pub(state, "online", 6, 1, true);
      free(state);
      check(true, "connection %d", ++s_connected);
      check_wait("a request");
      break;
    case MG_EV_MQTT_PUBCOMP:
      check(true, "the reading has arrived, once");
      check_tell("read %d", s_connected);
      check_wait("the next event");
      break;
  }
  (void) nc, (void) ev_data;
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  char *state = topic("state"), *ask = topic("ask");
  /* The name in the topic is known only here. */
  mgos_sys_config_set_mqtt_will_topic(state);
  mgos_sys_config_set_mqtt_will_message("offline");
  mgos_sys_config_set_mqtt_will_retain(true);
  mgos_mqtt_sub(ask, on_ask, NULL);
  mgos_mqtt_add_global_handler(on_event, NULL);
  free(state);
  free(ask);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
