/*
 * will: reports when it is connected, and waits to be killed; or disconnects with DISCONNECT if
 * will.leave is set.
 */

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      check_wait("the acknowledgement of a message");
      mgos_mqtt_pub("will/state", "here", 4, 1, mgos_sys_config_get_mqtt_will_retain());
      break;
    case MG_EV_MQTT_PUBACK:
      check_tell("connected");
      check_wait("the end");
      if (mgos_sys_config_get_will_leave()) mgos_mqtt_global_disconnect();
      break;
    case MG_EV_CLOSE:
      check(mgos_sys_config_get_will_leave() && nc == NULL, "MG_EV_CLOSE follows mgos_mqtt_global_disconnect()");
      check_done();
      break;
  }
  (void) ev_data;
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
