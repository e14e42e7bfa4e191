/*
 * gcp: a device of Google IoT Core, or of a compatible successor.
 *
 * A callback sends CONNECT: the client id is a path of more than a hundred characters, the user
 * name does not matter, the password is a token signed for this connection. Half a minute before
 * the token expires the app closes the connection, and the next one uses a new token.
 *
 *   /devices/DEVICE/config       the device's configuration, retained
 *   /devices/DEVICE/commands/#   commands
 *   /devices/DEVICE/events       reports
 */

#include <stdlib.h>

#include "check.h"
#include "jwt.h"
#include "mgos.h"
#include "mgos_mqtt.h"

/* The last connection stays up for the command. */
#define CONNECTIONS 3

static int s_attempts, s_connected, s_answered;
static uint16_t s_last;
static char *s_token;
static mgos_timer_id s_timer = MGOS_INVALID_TIMER_ID;

static const char *device(void) {
  const char *set = mgos_sys_config_get_gcp_device();
  return set != NULL ? set : mgos_sys_config_get_device_id();
}

/* A topic of this device, to be freed. */
static char *topic(const char *rest) {
  char *topic = NULL;
  mg_asprintf(&topic, 0, "/devices/%s/%s", device(), rest);
  return topic;
}

static void renew(void *arg) {
  struct mg_connection *nc = mgos_mqtt_get_global_conn();
  s_timer = MGOS_INVALID_TIMER_ID;
  if (s_connected == CONNECTIONS) return;
  check_wait("a connection with a new token");
  if (nc != NULL) nc->flags |= MG_F_SEND_AND_CLOSE;
  (void) arg;
}

static void on_connect(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  int ttl = mgos_sys_config_get_gcp_token_ttl();
  /* An expired token is one that was made earlier. */
  int64_t now = (int64_t) mg_time() - (s_attempts < mgos_sys_config_get_gcp_late() ? 2 * ttl : 0);
  char *id = NULL, *token = jwt_make(mgos_sys_config_get_gcp_project(), now, now + ttl);
  s_attempts++;
  if (token == NULL) {
    nc->flags |= MG_F_CLOSE_IMMEDIATELY;
    return;
  }
  /* Two expired tokens may be signed in the same second, and RSA signatures are deterministic. */
  if (s_attempts > mgos_sys_config_get_gcp_late()) {
    check(s_token == NULL || strcmp(token, s_token) != 0, "attempt %d has its own token", s_attempts);
  }
  free(s_token);
  s_token = strdup(token);
  mgos_clear_timer(s_timer);
  s_timer = mgos_set_timer((ttl - 30) * 1000, 0, renew, NULL);

  mg_asprintf(&id, 0, "projects/%s/locations/%s/registries/%s/devices/%s", mgos_sys_config_get_gcp_project(),
              mgos_sys_config_get_gcp_region(), mgos_sys_config_get_gcp_registry(), device());
  opts->user_name = "unused";
  opts->password = token;
  mg_send_mqtt_handshake_opt(nc, id, *opts);
  /* They must not be needed from here on. */
  memset(token, 'x', strlen(token));
  memset(id, 'x', strlen(id));
  free(token);
  free(id);
  (void) client_id;
  (void) arg;
}

static uint16_t send_event(const char *event) {
  char *to = topic("events");
  uint16_t id = mgos_mqtt_pubf(to, 1, false, "{event:%Q,connection:%d}", event, s_connected);
  check(id > 0, "an event is sent (\"%s\")", event);
  free(to);
  return id;
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  const char *kind = (const char *) arg;
  if (ev == MG_EV_MQTT_SUBACK && ++s_answered % 2 == 0) {
    check(true, "both subscriptions of connection %d are acknowledged", s_connected);
    send_event("up");
  }
  if (ev != MG_EV_MQTT_PUBLISH) return;
  check(msg->qos == 1, "%s arrives at QoS 1: %.*s", kind, (int) msg->payload.len, msg->payload.p);
  if (mg_vcmp(&msg->payload, "blink") == 0) s_last = send_event("blinked");
  (void) nc;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      s_connected++;
      check(s_attempts == mgos_sys_config_get_gcp_late() + s_connected,
            "the token of attempt %d is taken, after %d that were late", s_attempts, mgos_sys_config_get_gcp_late());
      check_wait("the end of this connection");
      break;
    case MG_EV_MQTT_PUBACK:
      if (((struct mg_mqtt_message *) ev_data)->message_id == s_last) mgos_mqtt_global_disconnect();
      break;
    case MG_EV_CLOSE:
      if (s_connected == CONNECTIONS) check_done();
      break;
  }
  (void) nc;
  (void) arg;
}

static void subscribe(const char *rest, char *kind) {
  char *to = topic(rest);
  mgos_mqtt_global_subscribe(mg_mk_str(to), on_message, kind);
  free(to);
}

enum mgos_app_init_result mgos_app_init(void) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  if (!jwt_use_key(mgos_sys_config_get_gcp_key())) return MGOS_APP_INIT_ERROR;
  cfg.enable = true;
  cfg.require_time = true;
  cfg.cloud_events = false;
  cfg.server = mgos_sys_config_get_gcp_server();
  if (cfg.ssl_ca_cert == NULL) cfg.ssl_ca_cert = "ca.pem";
  if (!mgos_mqtt_set_config(&cfg)) return MGOS_APP_INIT_ERROR;
  mgos_mqtt_set_connect_fn(on_connect, NULL);
  mgos_mqtt_add_global_handler(on_event, NULL);
  subscribe("config", "configuration");
  subscribe("commands/#", "a command");
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
