/*
 * The configuration, as the core sees it: numbers and strings, read at the moment they are used. Apps add fields of their own to
 * the `mqtt` section, so only code compiled with the firmware knows where ours are.
 */

#include "mgos_mqtt_seam.h"

#include <stdlib.h>

#include "mgos.h"
#include "mgos_mqtt_server.h"

static int32_t ms(double seconds) {
  if (!(seconds > 0)) return 0;
  return seconds < INT32_MAX / 1000 ? (int32_t) (seconds * 1000) : INT32_MAX;
}

int32_t mgos_mqtt_shim_number(const struct mgos_config_mqtt *cfg, mgos_mqtt_number which) {
  switch (which) {
    case MGOS_MQTT_NUMBER_ENABLE:
      return !cfg->enable ? 0 : cfg->server == NULL || cfg->server[0] == '\0' ? 1 : 2;
    case MGOS_MQTT_NUMBER_RECONNECT_MIN:
      return ms(cfg->reconnect_timeout_min);
    case MGOS_MQTT_NUMBER_RECONNECT_MAX:
      return ms(cfg->reconnect_timeout_max);
    case MGOS_MQTT_NUMBER_CLEAN_SESSION:
      return cfg->clean_session;
    case MGOS_MQTT_NUMBER_KEEP_ALIVE:
      return cfg->keep_alive;
    case MGOS_MQTT_NUMBER_WILL_RETAIN:
      return cfg->will_retain;
    case MGOS_MQTT_NUMBER_MAX_QOS:
      return cfg->max_qos;
    case MGOS_MQTT_NUMBER_REQUIRE_TIME:
      return cfg->require_time;
    case MGOS_MQTT_NUMBER_CLOUD_EVENTS:
      return cfg->cloud_events;
    case MGOS_MQTT_NUMBER_MAX_QUEUE:
      return cfg->max_queue_length;
    case MGOS_MQTT_NUMBER_CONNECT_TIMEOUT:
      return ms(cfg->connect_timeout);
    case MGOS_MQTT_NUMBER_WS_ENABLE:
      return mgos_mqtt_server_is_ws(cfg);
    case MGOS_MQTT_NUMBER_ACK_TIMEOUT:
      return cfg->ack_timeout < 0 ? -1 : ms(cfg->ack_timeout);
    case MGOS_MQTT_NUMBER_TLS:
      if (cfg->ssl_psk_identity != NULL) return 3;
      return (cfg->ssl_cert != NULL) + (cfg->ssl_ca_cert != NULL);
    default:
      return 0;
  }
}

static const char *client_id(const struct mgos_config_mqtt *cfg) {
  return cfg->client_id != NULL ? cfg->client_id : mgos_sys_config_get_device_id();
}

void mgos_mqtt_shim_config_strings(const struct mgos_config_mqtt *cfg, const char **strings) {
  strings[0] = client_id(cfg);
  strings[1] = cfg->will_topic;
  strings[2] = cfg->will_message;
  strings[3] = cfg->user;
  strings[4] = cfg->pass;
}

/* FNV-1a, 32 bits, of a string with its end. */
static uint32_t hash(uint32_t h, const char *s) {
  for (; s != NULL && *s != '\0'; s++) h = (h ^ (uint8_t) *s) * 16777619u;
  return h * 16777619u;
}

uint32_t mgos_mqtt_shim_session_key(const struct mgos_config_mqtt *cfg) {
  uint32_t h = hash(hash(2166136261u, cfg->server), client_id(cfg));
  return h != 0 ? h : 1;
}

/* The firmware's own configurations change under the app's hands, and are meant to. */
static bool is_shared(const struct mgos_config_mqtt *cfg) {
  return cfg == mgos_sys_config_get_mqtt() || cfg == mgos_sys_config_get_mqtt1();
}

const struct mgos_config_mqtt *mgos_mqtt_shim_copy_config(const struct mgos_config_mqtt *cfg) {
  if (is_shared(cfg)) return cfg;
  struct mgos_config_mqtt *copy = (struct mgos_config_mqtt *) calloc(1, sizeof(*copy));
  if (copy != NULL && !mgos_config_mqtt_copy(cfg, copy)) {
    mgos_config_mqtt_free(copy);
    free(copy);
    copy = NULL;
  }
  return copy;
}

void mgos_mqtt_shim_free_config(const struct mgos_config_mqtt *cfg) {
  if (cfg == NULL || is_shared(cfg)) return;
  struct mgos_config_mqtt *copy = (struct mgos_config_mqtt *) cfg;
  mgos_config_mqtt_free(copy);
  free(copy);
}
