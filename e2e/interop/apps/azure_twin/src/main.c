/*
 * azure_twin: a device of Azure IoT Hub, in the style of the library azure.
 *
 *   $iothub/twin/GET/?$rid=N                           asks for the twin
 *   $iothub/twin/PATCH/properties/reported/?$rid=N     reports properties
 *   $iothub/twin/res/STATUS/?$rid=N                    answers both
 *   $iothub/twin/PATCH/properties/desired/?$version=N  desired properties change
 *   $iothub/methods/POST/METHOD/?$rid=N                calls a method, answered on
 *   $iothub/methods/res/STATUS/?$rid=N
 *   devices/DEVICE/messages/devicebound/PROPERTIES     a message with URL-encoded properties
 */

#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static char *s_host, *s_device, *s_key;
static int s_get, s_report, s_interval;

/* A parameter behind the ? of a topic, as a number; -1 without one. */
static int parameter(struct mg_str topic, const char *name) {
  const char *query = mg_strchr(topic, '?');
  char value[12];
  struct mg_str rest;
  if (query == NULL) return -1;
  rest = mg_mk_str_n(query + 1, topic.len - (size_t) (query + 1 - topic.p));
  return mg_get_http_var(&rest, name, value, sizeof(value)) > 0 ? atoi(value) : -1;
}

static void publish(struct mg_str topic, const char *text) {
  check(mgos_mqtt_pub(topic.p, text, strlen(text), 1, false) > 0, "%s is sent: %s", topic.p, text);
  free((char *) topic.p);
}

static struct mg_str topic(const char *fmt, int n) {
  char *text = NULL;
  size_t len = (size_t) mg_asprintf(&text, 0, fmt, n);
  return mg_mk_str_n(text, len);
}

static void report(void) {
  char text[40];
  snprintf(text, sizeof(text), "{\"interval\":%d}", s_interval);
  publish(topic("$iothub/twin/PATCH/properties/reported/?$rid=%d", s_report = ++s_get), text);
  check_wait("the answer to a report");
}

static void on_answer(struct mg_connection *nc, const char *t, int t_len, const char *msg, int msg_len, void *ud) {
  struct mg_str at = mg_mk_str_n(t, (size_t) t_len);
  int rid = parameter(at, "$rid");
  if (rid == s_report) {
    check(mg_strstr(at, mg_mk_str("/res/204/")) != NULL, "the report of %d is accepted", s_interval);
    check_tell("interval %d", s_interval);
    check_wait("a change, a method or a message");
    return;
  }
  check(rid == s_get && mg_strstr(at, mg_mk_str("/res/200/")) != NULL &&
            json_scanf(msg, msg_len, "{desired: {interval: %d}}", &s_interval) == 1,
        "the twin arrives: %.*s", msg_len, msg);
  report();
  (void) nc;
  (void) ud;
}

static void on_change(struct mg_connection *nc, const char *t, int t_len, const char *msg, int msg_len, void *ud) {
  check(parameter(mg_mk_str_n(t, (size_t) t_len), "$version") > 0 &&
            json_scanf(msg, msg_len, "{interval: %d}", &s_interval) == 1,
        "a desired property changes: %.*s", msg_len, msg);
  report();
  (void) nc;
  (void) ud;
}

static void on_method(struct mg_connection *nc, const char *t, int t_len, const char *msg, int msg_len, void *ud) {
  struct mg_str at = mg_mk_str_n(t, (size_t) t_len);
  bool known = mg_strstr(at, mg_mk_str("/POST/reset/")) != NULL;
  int rid = parameter(at, "$rid");
  check(rid >= 0, "a method is called: %.*s %.*s", t_len, t, msg_len, msg);
  if (known) {
    publish(topic("$iothub/methods/res/200/?$rid=%d", rid), "{\"done\":true}");
  } else {
    publish(topic("$iothub/methods/res/404/?$rid=%d", rid), "{\"error\":\"no such method\"}");
  }
  (void) nc;
  (void) ud;
}

static void on_message(struct mg_connection *nc, const char *t, int t_len, const char *msg, int msg_len, void *ud) {
  struct mg_str bag = mg_mk_str_n(t, (size_t) t_len), key, value;
  char *copy = (char *) mg_strdup_nul(bag).p;
  bool found = false;
  bag = mg_mk_str(strrchr(copy, '/') + 1);
  while ((bag = mg_next_query_string_entry_n(bag, &key, &value)).p != NULL) {
    if (mg_url_decode_n(key, &key, 0) < 0 || mg_url_decode_n(value, &value, 0) < 0) break;
    if (mg_vcmp(&key, "unit") == 0) found = mg_vcmp(&value, "°C & %") == 0;
  }
  free(copy);
  check(found, "a message arrives with its properties: %.*s", msg_len, msg);
  check_done();
  (void) nc;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  if (ev == MG_EV_MQTT_CONNACK) {
    check_wait("the twin");
    publish(topic("$iothub/twin/GET/?$rid=%d", ++s_get), "");
  }
  (void) nc;
  (void) ev_data;
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  struct mg_str cs = mg_mk_str(mgos_sys_config_get_azure_cs());
  char *devicebound = NULL;
  if (mg_http_parse_header2(&cs, "HostName", &s_host, 0) <= 0 || mg_http_parse_header2(&cs, "DeviceId", &s_device, 0) <= 0 ||
      mg_http_parse_header2(&cs, "SharedAccessKey", &s_key, 0) <= 0) {
    LOG(LL_ERROR, ("azure.cs is no connection string"));
    return MGOS_APP_INIT_ERROR;
  }
  check(strcmp(s_key, "a+key/==") == 0, "the key of the connection string for %s", s_host);
  mgos_sys_config_set_mqtt_client_id(s_device);
  mg_asprintf(&devicebound, 0, "devices/%s/messages/devicebound/#", s_device);
  mgos_mqtt_sub(devicebound, on_message, NULL);
  free(devicebound);
  mgos_mqtt_sub("$iothub/twin/res/#", on_answer, NULL);
  mgos_mqtt_sub("$iothub/twin/PATCH/properties/desired/#", on_change, NULL);
  mgos_mqtt_sub("$iothub/methods/POST/#", on_method, NULL);
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
