#pragma once

/*
 * What mqtt.server says, for the rest of the shim; not for apps. How it is read:
 * mgos_mqtt_server.c.
 */

#include <stdbool.h>
#include <stddef.h>

#include "mgos_sys_config.h"

/* Strings point into the configuration, and do not end with a NUL. */
struct mgos_mqtt_server {
  const char *host; /* an IPv6 address with its brackets */
  int host_len;
  int with_port_len; /* of the host, and of the port behind it if it has one */
  int port;
  const char *path;
  int path_len; /* 0 for none */
};

/* Reads it. Returns what is wrong with it, in words for the log, or NULL. */
const char *mgos_mqtt_server_read(const struct mgos_config_mqtt *cfg, struct mgos_mqtt_server *to);

/* True if it or mqtt.ws_enable asks for WebSocket. */
bool mgos_mqtt_server_is_ws(const struct mgos_config_mqtt *cfg);
