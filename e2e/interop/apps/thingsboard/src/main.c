/*
 * thingsboard: a ThingsBoard device, whose access token is its user name.
 *
 *   v1/devices/me/telemetry                readings
 *   v1/devices/me/attributes               reports attributes; shared ones that change arrive here
 *   v1/devices/me/attributes/request/N     asks for attributes, answered on .../response/N
 *   v1/devices/me/rpc/request/N            a call, answered on .../response/N, in both directions
 */

#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

#define ME "v1/devices/me/"

static mgos_timer_id s_timer;
static int s_asked, s_called;

static void publish(const char *what, int id, const char *text) {
  char *topic = NULL;
  if (id > 0) mg_asprintf(&topic, 0, ME "%s/%d", what, id);
  check(mgos_mqtt_pub(topic != NULL ? topic : what, text, strlen(text), 1, false) > 0, "%s is sent: %s",
        topic != NULL ? topic : what, text);
  free(topic);
}

static void measure(void *arg) {
  mgos_mqtt_pubf(ME "telemetry", 1, false, "{temperature: %d, uptime: %.2f}", 21, mgos_uptime());
  (void) arg;
}

static void set_interval(int seconds) {
  mgos_sys_config_set_thingsboard_interval(seconds);
  mgos_clear_timer(s_timer);
  s_timer = mgos_set_timer(seconds * 1000, MGOS_TIMER_REPEAT | MGOS_TIMER_RUN_NOW, measure, NULL);
}

/* The number at the end of a topic. */
static int id_of(const char *topic, int topic_len) {
  char last[12] = "";
  int at = topic_len;
  while (at > 0 && topic[at - 1] != '/') at--;
  snprintf(last, sizeof(last), "%.*s", topic_len - at, topic + at);
  return atoi(last);
}

static void on_attributes(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  int interval = 0;
  bool is_answer = topic_len > (int) strlen(ME "attributes");
  json_scanf(msg, msg_len, is_answer ? "{shared: {interval: %d}}" : "{interval: %d}", &interval);
  /* Unlike ThingsBoard, a plain broker delivers the device's own report, too. */
  if (!is_answer && interval == 0) return;
  check(interval > 0 && (!is_answer || id_of(topic, topic_len) == s_asked), "a shared attribute arrives: %.*s %.*s", topic_len,
        topic, msg_len, msg);
  set_interval(interval);
  check_tell("interval %d", mgos_sys_config_get_thingsboard_interval());
  if (is_answer) publish("rpc/request", ++s_called, "{\"method\":\"getTime\",\"params\":{}}");
  check_wait("a call");
  (void) nc;
  (void) ud;
}

static void on_call(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  char *method = NULL;
  bool on = false;
  int pin = 4;
  /* The device's own call, as above. */
  if (id_of(topic, topic_len) <= s_called) return;
  json_scanf(msg, msg_len, "{method: %Q, params: %B}", &method, &on);
  if (method != NULL && strcmp(method, "setLight") == 0) {
    mgos_gpio_setup_output(pin, on);
    publish("rpc/response", id_of(topic, topic_len), mgos_gpio_read_out(pin) ? "{\"light\":true}" : "{\"light\":false}");
  } else {
    publish("rpc/response", id_of(topic, topic_len), "{\"error\":\"unknown method\"}");
  }
  free(method);
  (void) nc;
  (void) ud;
}

static void on_result(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  double now = 0;
  /* The device's own answer, as above. */
  if (id_of(topic, topic_len) != s_called) return;
  check(json_scanf(msg, msg_len, "{time: %lf}", &now) == 1 && now > 1e9,
        "the server answers a call: %.*s", msg_len, msg);
  check_tell("knows the time");
  (void) nc;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  if (ev == MG_EV_MQTT_CONNACK) {
    check_wait("attributes");
    publish(ME "attributes", 0, "{\"firmware\":\"1.0\"}");
    publish("attributes/request", ++s_asked, "{\"sharedKeys\":\"interval\"}");
  }
  (void) nc;
  (void) ev_data;
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_sub(ME "attributes", on_attributes, NULL);
  mgos_mqtt_sub(ME "attributes/response/+", on_attributes, NULL);
  mgos_mqtt_sub(ME "rpc/request/+", on_call, NULL);
  mgos_mqtt_sub(ME "rpc/response/+", on_result, NULL);
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
