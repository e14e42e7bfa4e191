/*
 * azure: a device of Azure IoT Hub.
 *
 * A callback sends CONNECT: it builds user name and password and frees them right after sending.
 * The app requests the device's twin, handles a method call and a message from the cloud, and
 * publishes telemetry at QoS 2, which the hub does not accept and mqtt.max_qos reduces to QoS 1.
 */

#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "sas.h"

/* From the connection string. */
static char *s_host, *s_device, *s_key;
static int s_attempts, s_answered, s_connected;
static uint16_t s_last;

static void on_connect(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  char *user = NULL, *token = sas_make(s_host, s_device, s_key, (int64_t) mg_time() + mgos_sys_config_get_azure_token_ttl());
  s_attempts++;
  if (token == NULL) {
    nc->flags |= MG_F_CLOSE_IMMEDIATELY;
    return;
  }
  mg_asprintf(&user, 0, "%s/%s/?api-version=2021-04-12", s_host, s_device);
  opts->user_name = user;
  opts->password = token;
  mg_send_mqtt_handshake_opt(nc, s_device, *opts);
  /* Overwrite, so that a later use would be noticed. */
  memset(user, 'x', strlen(user));
  memset(token, 'x', strlen(token));
  free(user);
  free(token);
  (void) client_id;
  (void) arg;
}

/* The request number at the end of a topic: ...?$rid=7 */
static int request_of(const struct mg_str topic) {
  const char *id = mg_strstr(topic, mg_mk_str("$rid="));
  int n = 0;
  if (id == NULL) return -1;
  for (id += 5; id < topic.p + topic.len && *id >= '0' && *id <= '9'; id++) n = 10 * n + (*id - '0');
  return n;
}

static void on_twin(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  int interval = 0;
  if (ev == MG_EV_MQTT_SUBACK) s_answered++;
  if (ev != MG_EV_MQTT_PUBLISH) return;
  json_scanf(msg->payload.p, (int) msg->payload.len, "{desired:{interval:%d}}", &interval);
  check(request_of(msg->topic) == s_connected && interval == 30, "the twin arrives for request %d: %.*s", s_connected,
        (int) msg->payload.len, msg->payload.p);
  check_tell("has its twin");
  (void) nc;
  (void) arg;
}

static void on_method(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char answer[64];
  if (ev == MG_EV_MQTT_SUBACK) s_answered++;
  if (ev != MG_EV_MQTT_PUBLISH) return;
  snprintf(answer, sizeof(answer), "$iothub/methods/res/200/?$rid=%d", request_of(msg->topic));
  check(mgos_mqtt_pub(answer, "{\"done\":true}", 13, 0, false) > 0, "a method is called and answered: %.*s", (int) msg->topic.len,
        msg->topic.p);
  (void) nc;
  (void) arg;
}

static void on_cloud_message(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char *to = NULL;
  if (ev == MG_EV_MQTT_SUBACK) s_answered++;
  if (ev != MG_EV_MQTT_PUBLISH) return;
  check(msg->qos == 1, "a message arrives from the cloud: %.*s", (int) msg->payload.len, msg->payload.p);
  mg_asprintf(&to, 0, "devices/%s/messages/events/", s_device);
  s_last = mgos_mqtt_pubf(to, 2, false, "{temperature:%d,connection:%d}", 21, s_connected);
  free(to);
  check_wait("the acknowledgement of telemetry");
  (void) nc;
  (void) arg;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char topic[40];
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      s_connected++;
      check(s_attempts == s_connected, "connection %d is accepted with the token of attempt %d", s_connected, s_attempts);
      check(s_answered == 3 * (s_connected - 1), "%d subscriptions were acknowledged before it", s_answered);
      check_wait("the twin");
      snprintf(topic, sizeof(topic), "$iothub/twin/GET/?$rid=%d", s_connected);
      mgos_mqtt_pub(topic, "", 0, 0, false);
      break;
    case MG_EV_MQTT_PUBACK:
      if (msg->message_id != s_last) break;
      check(true, "a message published at QoS 2 is acknowledged at QoS 1");
      check_tell("acknowledged");
      check_wait("the end of connection");
      if (s_connected == 2) mgos_mqtt_global_disconnect();
      break;
    case MG_EV_CLOSE:
      check_wait("another connection");
      if (s_connected == 2) check_done();
      break;
  }
  (void) nc;
  (void) arg;
}

/* The part of the connection string with this name, allocated. */
static char *part(const char *cs, const char *name) {
  const char *at = cs != NULL ? strstr(cs, name) : NULL;
  if (at == NULL) return NULL;
  at += strlen(name);
  return (char *) mg_strdup_nul(mg_mk_str_n(at, strcspn(at, ";"))).p;
}

static void subscribe(const char *topic, mg_event_handler_t handler) {
  mgos_mqtt_global_subscribe(mg_mk_str(topic), handler, NULL);
}

enum mgos_app_init_result mgos_app_init(void) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  char *topic = NULL, *server;
  s_host = part(mgos_sys_config_get_azure_cs(), "HostName=");
  s_device = part(mgos_sys_config_get_azure_cs(), "DeviceId=");
  s_key = part(mgos_sys_config_get_azure_cs(), "SharedAccessKey=");
  if (s_host == NULL || s_device == NULL || s_key == NULL) {
    LOG(LL_ERROR, ("azure.cs is no connection string"));
    return MGOS_APP_INIT_ERROR;
  }
  /* Tokens and user names do not contain the port. */
  server = strdup(s_host);
  s_host[strcspn(s_host, ":")] = '\0';
  cfg.enable = true;
  cfg.require_time = true;
  cfg.cloud_events = false;
  cfg.server = server;
  cfg.client_id = cfg.user = cfg.pass = NULL;
  cfg.ssl_cert = cfg.ssl_key = NULL;
  if (cfg.ssl_ca_cert == NULL) cfg.ssl_ca_cert = "ca.pem";
  if (!mgos_mqtt_set_config(&cfg)) return MGOS_APP_INIT_ERROR;
  free(server);
  mgos_mqtt_set_connect_fn(on_connect, NULL);
  mgos_mqtt_add_global_handler(on_event, NULL);
  mg_asprintf(&topic, 0, "devices/%s/messages/devicebound/#", s_device);
  subscribe(topic, on_cloud_message);
  free(topic);
  subscribe("$iothub/methods/POST/#", on_method);
  subscribe("$iothub/twin/res/#", on_twin);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
