/*
 * two_brokers: two connections, with messages forwarded between them.
 *
 * ID is the device's id:
 *   near  sensor/WHAT      goes to  far   ID/sensor/WHAT
 *   far   ID/switch/WHAT   goes to  near  switch/WHAT
 *
 * Set near.server and far.server; user, certificates and everything else are keys of the same
 * sections. Each connection has its own queue (near.max_queue_length, far.max_queue_length), and
 * reconnects by itself: while one broker is down, messages for it are queued.
 *
 * On this machine:
 *   cargo xtask run examples/two_brokers -- --set near.server=localhost:1883 --set far.server=localhost:1884
 */

#include "mgos.h"
#include "mgos_mqtt_conn.h"

static struct mgos_mqtt_conn *s_near, *s_far;

/* At QoS 1, acknowledged once it is in the queue for the other side. */
static void forward(struct mgos_mqtt_conn *to, const char *topic, struct mg_str payload) {
  uint16_t id = mgos_mqtt_conn_pub(to, topic, payload, 1, false /* retain */);
  LOG(LL_INFO, ("to %s: %s%s", (to == s_near ? "near" : "far"), topic, (id == 0 ? ", dropped" : "")));
}

static void on_sensor(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char *topic = NULL;
  /* SUBACK arrives here as well. */
  if (ev != MG_EV_MQTT_PUBLISH) return;
  mg_asprintf(&topic, 0, "%s/%.*s", mgos_sys_config_get_device_id(), (int) msg->topic.len, msg->topic.p);
  forward(s_far, topic, msg->payload);
  free(topic);
  (void) nc;
  (void) ud;
}

static void on_switch(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char *topic = NULL;
  size_t skip = strlen(mgos_sys_config_get_device_id()) + 1;
  if (ev != MG_EV_MQTT_PUBLISH) return;
  /* A message's topic is not NUL-terminated. */
  mg_asprintf(&topic, 0, "%.*s", (int) (msg->topic.len - skip), msg->topic.p + skip);
  forward(s_near, topic, msg->payload);
  free(topic);
  (void) nc;
  (void) ud;
}

/* One handler for both: user_data says which. */
static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *user_data) {
  const char *name = (const char *) user_data;
  if (ev == MG_EV_MQTT_CONNACK) LOG(LL_INFO, ("%s is connected", name));
  if (ev == MG_EV_CLOSE) LOG(LL_INFO, ("%s is disconnected", name));
  (void) nc;
  (void) ev_data;
}

enum mgos_app_init_result mgos_app_init(void) {
  char *switches = NULL;
  /* The numbers appear in the log: MQTT1, MQTT2. The global connection is MQTT0. */
  s_near = mgos_mqtt_conn_create(1, mgos_sys_config_get_near());
  s_far = mgos_mqtt_conn_create(2, mgos_sys_config_get_far());
  if (s_near == NULL || s_far == NULL) return MGOS_APP_INIT_ERROR;
  mgos_mqtt_conn_add_handler(s_near, on_event, "near");
  mgos_mqtt_conn_add_handler(s_far, on_event, "far");
  /* Once is enough: the library resubscribes after each reconnect. */
  mgos_mqtt_conn_sub(s_near, "sensor/+", 1, on_sensor, NULL);
  mg_asprintf(&switches, 0, "%s/switch/+", mgos_sys_config_get_device_id());
  mgos_mqtt_conn_sub(s_far, switches, 1, on_switch, NULL);
  free(switches);
  return MGOS_APP_INIT_SUCCESS;
}
