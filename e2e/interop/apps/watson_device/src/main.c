/*
 * watson_device: a registered device of IBM Watson IoT, in the style of the library watson: it tells
 * other parts of the app by events when the platform is connected. Its events carry the time, so it
 * waits for that.
 *
 *   iot-2/evt/EVENT/fmt/json       events
 *   iot-2/cmd/COMMAND/fmt/json     commands
 */

#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_sntp.h"

#define WATSON_EV_BASE MGOS_EVENT_BASE('W', 'T', 'S')
enum { WATSON_EV_CONNECT = WATSON_EV_BASE, WATSON_EV_CLOSE };

static bool s_connected;
static int s_connections;

static void send_event(const char *name, const char *text) {
  char *topic = NULL;
  char when[24] = "";
  mgos_strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", (int) mg_time());
  mg_asprintf(&topic, 0, "iot-2/evt/%s/fmt/json", name);
  check(mgos_mqtt_pubf(topic, 1, false, "{ts: %Q, d: %s}", when, text) > 0, "event %s is sent", name);
  free(topic);
}

static void go_on(void) {
  if (!s_connected || mgos_sntp_get_last_synced_uptime() == 0) return;
  send_event("status", "{\"light\":0}");
  check_wait("a command");
}

static void on_time(int ev, void *ev_data, void *arg) {
  check(mgos_sntp_get_last_synced_uptime() > 0, "the time is known");
  go_on();
  (void) ev;
  (void) ev_data;
  (void) arg;
}

static void on_watson(int ev, void *ev_data, void *arg) {
  struct mgos_cloud_arg cloud = {.type = MGOS_CLOUD_WATSON};
  s_connected = ev == WATSON_EV_CONNECT;
  mgos_event_trigger(s_connected ? MGOS_EVENT_CLOUD_CONNECTED : MGOS_EVENT_CLOUD_DISCONNECTED, &cloud);
  go_on();
  (void) ev_data;
  (void) arg;
}

static void on_cloud(int ev, void *ev_data, void *arg) {
  if (((struct mgos_cloud_arg *) ev_data)->type != MGOS_CLOUD_WATSON) return;
  if (ev == MGOS_EVENT_CLOUD_CONNECTED) {
    check(true, "Watson is connected, connection %d", ++s_connections);
  } else {
    check(true, "Watson is disconnected");
    check_wait("another connection");
  }
  (void) arg;
}

static void on_command(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  int light = -1;
  char text[24];
  check(json_scanf(msg, msg_len, "{light: %d}", &light) == 1, "a command arrives: %.*s %.*s", topic_len, topic, msg_len, msg);
  snprintf(text, sizeof(text), "{\"light\":%d}", light);
  send_event("status", text);
  (void) nc;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  if (ev == MG_EV_MQTT_CONNACK) mgos_event_trigger(WATSON_EV_CONNECT, NULL);
  if (ev == MG_EV_CLOSE) mgos_event_trigger(WATSON_EV_CLOSE, NULL);
  (void) nc;
  (void) ev_data;
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  cfg.enable = true;
  cfg.client_id = mgos_sys_config_get_watson_client_id();
  cfg.user = "use-token-auth";
  cfg.pass = mgos_sys_config_get_watson_token();
  cfg.cloud_events = false;
  check_wait("CONNACK");
  mgos_event_register_base(WATSON_EV_BASE, "watson");
  mgos_event_add_group_handler(WATSON_EV_BASE, on_watson, NULL);
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTED, on_cloud, NULL);
  mgos_event_add_handler(MGOS_EVENT_CLOUD_DISCONNECTED, on_cloud, NULL);
  mgos_event_add_handler(MGOS_EVENT_TIME_CHANGED, on_time, NULL);
  mgos_mqtt_sub("iot-2/cmd/+/fmt/json", on_command, NULL);
  mgos_mqtt_add_global_handler(on_event, NULL);
  return mgos_mqtt_set_config(&cfg) ? MGOS_APP_INIT_SUCCESS : MGOS_APP_INIT_ERROR;
}
