/*
 * The configuration, as the core sees it: numbers and strings, read at the moment they are used. Apps add fields of their own to
 * the `mqtt` section, so only code compiled with the firmware knows where ours are.
 */

#include "mgos_mqtt_seam.h"

#include <stddef.h>
#include <stdlib.h>

#include "mgos.h"
#include "mgos_mqtt_server.h"

/* Where a number stands, and whether it is a double, seconds; else it is an int. */
#define FIELD(name) \
  (offsetof(struct mgos_config_mqtt, name) << 1 | (sizeof(((struct mgos_config_mqtt *) 0)->name) == sizeof(double)))

/* In the order of mgos_mqtt_number; 0 for what has no field of its own. */
static const uint16_t fields[] = {
    [MGOS_MQTT_NUMBER_RECONNECT_MIN] = FIELD(reconnect_timeout_min),
    [MGOS_MQTT_NUMBER_RECONNECT_MAX] = FIELD(reconnect_timeout_max),
    [MGOS_MQTT_NUMBER_CLEAN_SESSION] = FIELD(clean_session),
    [MGOS_MQTT_NUMBER_KEEP_ALIVE] = FIELD(keep_alive),
    [MGOS_MQTT_NUMBER_WILL_RETAIN] = FIELD(will_retain),
    [MGOS_MQTT_NUMBER_MAX_QOS] = FIELD(max_qos),
    [MGOS_MQTT_NUMBER_REQUIRE_TIME] = FIELD(require_time),
    [MGOS_MQTT_NUMBER_CLOUD_EVENTS] = FIELD(cloud_events),
    [MGOS_MQTT_NUMBER_MAX_QUEUE] = FIELD(max_queue_length),
    [MGOS_MQTT_NUMBER_MAX_QUEUE_BYTES] = FIELD(max_queue_bytes),
    [MGOS_MQTT_NUMBER_CONNECT_TIMEOUT] = FIELD(connect_timeout),
    [MGOS_MQTT_NUMBER_ACK_TIMEOUT] = FIELD(ack_timeout),
};

int32_t mgos_mqtt_shim_number(const struct mgos_config_mqtt *cfg, mgos_mqtt_number which) {
  if (which == MGOS_MQTT_NUMBER_ENABLE) return !cfg->enable ? 0 : cfg->server == NULL || cfg->server[0] == '\0' ? 1 : 2;
  if (which == MGOS_MQTT_NUMBER_WS_ENABLE) return mgos_mqtt_server_is_ws(cfg);
  if (which == MGOS_MQTT_NUMBER_TLS) return cfg->ssl_psk_identity != NULL ? 3 : (cfg->ssl_cert != NULL) + (cfg->ssl_ca_cert != NULL);
  const char *field = (const char *) cfg + (fields[which] >> 1);
  if (!(fields[which] & 1)) return *(const int *) field;
  double seconds = *(const double *) field;
  if (!(seconds > 0)) return which == MGOS_MQTT_NUMBER_ACK_TIMEOUT && seconds < 0 ? -1 : 0;
  return seconds < INT32_MAX / 1000 ? (int32_t) (seconds * 1000) : INT32_MAX;
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
