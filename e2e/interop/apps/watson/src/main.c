/*
 * watson: a device of IBM's IoT platform, or of a compatible successor.
 *
 * It starts with the open quickstart service, with only a client id. Once it has sent an event
 * there, it becomes a registered device at run time: a copy of the configuration is changed and
 * applied, and none of its strings outlive the call.
 *
 *   iot-2/evt/EVENT/fmt/json       reports
 *   iot-2/cmd/COMMAND/fmt/json     commands
 */

#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static int s_connected;
static uint16_t s_last;

/* An allocated copy of a setting, or NULL. */
static char *copy(const char *setting) {
  return setting != NULL ? strdup(setting) : NULL;
}

static void spoil(char *text) {
  if (text != NULL) memset(text, 'x', strlen(text));
  free(text);
}

static bool use_quickstart(void) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  char *id = NULL;
  bool taken;
  mg_asprintf(&id, 0, "d:quickstart:sensor:%s", mgos_sys_config_get_device_id());
  cfg.enable = true;
  cfg.server = mgos_sys_config_get_watson_quickstart();
  cfg.client_id = id;
  cfg.cloud_events = false;
  taken = mgos_mqtt_set_config(&cfg);
  spoil(id);
  return taken;
}

static bool use_registration(void) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  char *server = copy(mgos_sys_config_get_watson_host_name()), *id = copy(mgos_sys_config_get_watson_client_id());
  char *token = copy(mgos_sys_config_get_watson_token()), *ca = copy(mgos_sys_config_get_watson_ca_cert());
  bool taken;
  cfg.enable = true;
  cfg.server = server;
  cfg.client_id = id;
  cfg.user = "use-token-auth";
  cfg.pass = token;
  cfg.ssl_ca_cert = ca;
  cfg.cloud_events = false;
  taken = mgos_mqtt_set_config(&cfg);
  spoil(server);
  spoil(id);
  spoil(token);
  spoil(ca);
  return taken;
}

static void on_command(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  check(s_connected == 2, "a command reaches the registered device: %.*s %.*s", topic_len, topic, msg_len, msg);
  s_last = mgos_mqtt_pubf("iot-2/evt/done/fmt/json", 1, false, "{command:%.*Q}", msg_len, msg);
  check_wait("the acknowledgement of the last event");
  (void) nc;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      s_connected++;
      check(true, "connection %d", s_connected);
      check_wait("the acknowledgement of an event");
      s_last = mgos_mqtt_pubf("iot-2/evt/status/fmt/json", 1, false, "{d:{connection:%d}}", s_connected);
      break;
    case MG_EV_MQTT_PUBACK:
      if (msg->message_id != s_last) break;
      s_last = 0;
      check(true, "an event is acknowledged");
      check_tell("event %d", s_connected);
      check_wait("a command");
      if (s_connected == 1) check(use_registration(), "the device becomes a registered one while it is connected");
      break;
    case MG_EV_CLOSE:
      check(s_connected == 1 && nc == NULL, "the connection to quickstart ends");
      check_wait("the connection of the registered device");
      break;
  }
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_sub("iot-2/cmd/+/fmt/json", on_command, NULL);
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return use_quickstart() ? MGOS_APP_INIT_SUCCESS : MGOS_APP_INIT_ERROR;
}
