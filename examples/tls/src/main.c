/*
 * tls: TLS with certificates on both sides. That is only configuration, see mos.yml; the code is
 * that of any app.
 *
 * Publishes one message, ID/hello, after each connection. The log says why a handshake failed: a
 * certificate from another CA, for another name, or expired.
 *
 * README.md explains how to make test certificates, and how to run it.
 */

#include "mgos.h"
#include "mgos_mqtt.h"

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *user_data) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char *topic = NULL;
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      mg_asprintf(&topic, 0, "%s/hello", mgos_sys_config_get_device_id());
      mgos_mqtt_pubf(topic, 1, false /* retain */, "{server: %Q}", mgos_sys_config_get_mqtt_server());
      free(topic);
      break;
    case MG_EV_MQTT_PUBACK:
      LOG(LL_INFO, ("message %u has arrived, encrypted", msg->message_id));
      break;
    case MG_EV_CLOSE:
      LOG(LL_INFO, ("connection closed"));
      break;
  }
  (void) nc;
  (void) user_data;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
