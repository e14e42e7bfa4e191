/* Our client: an app that takes broker, QoS and number of messages from its configuration. See
 * echo.h. */

#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

#include "echo.h"

static bool publish(void) {
  return mgos_mqtt_pub(TOPIC, echo.payload, sizeof(echo.payload), echo.qos, false) != 0;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  (void) nc, (void) ev_data, (void) arg;
  if (ev == MG_EV_MQTT_SUBACK) echo_begin(publish);
  if (ev == MG_EV_MQTT_PUBLISH && echo_received(publish)) exit(0);
}

enum mgos_app_init_result mgos_app_init(void) {
  echo.qos = mgos_sys_config_get_echo_qos();
  echo.messages = mgos_sys_config_get_echo_messages();
  mgos_mqtt_global_subscribe(mg_mk_str(TOPIC), on_event, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
