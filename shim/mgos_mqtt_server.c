/*
 * Reads mqtt.server: [SCHEME://]HOST[:PORT][/PATH]. What Mongoose takes is HOST:PORT, and IPv6
 * addresses in brackets.
 */

#include "mgos_mqtt_server.h"

#include <string.h>

#include "mgos.h"

#ifndef MG_ENABLE_SSL
#define MG_ENABLE_SSL 0
#endif

#ifndef MG_ENABLE_IPV6
#define MG_ENABLE_IPV6 0
#endif

#if !CS_ENABLE_STDIO
#define FORM ""
#define NO_CA ""
#else
#define FORM "mqtt.server must be HOST[:PORT], " IPV6 "; mqtt://, mqtts://, ws:// or wss:// may precede it"
#if MG_ENABLE_IPV6
#define IPV6 "with IPv6 in brackets"
#else
#define IPV6 "without IPv6 (MG_ENABLE_IPV6)"
#endif
#if MG_ENABLE_SSL
#define NO_CA "mqtts:// and wss:// need mqtt.ssl_ca_cert"
#else
#define NO_CA "mqtts:// and wss:// need MG_ENABLE_SSL"
#endif
#endif

#define SPACES " \t\r\n"

/* What a scheme asks for. */
#define TLS 1
#define WEBSOCKET 2

/* Moves *s past spaces and a scheme, and returns what the scheme asks for. */
static int read_scheme(const char **s) {
  static const char schemes[][10] = {"0mqtt://", "0tcp://", "1mqtts://", "2ws://", "3wss://"};
  *s += strspn(*s, SPACES);
  for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
    size_t len = strlen(schemes[i] + 1);
    if (mg_ncasecmp(*s, schemes[i] + 1, len) != 0) continue;
    *s += len;
    return schemes[i][0] - '0';
  }
  return 0;
}

bool mgos_mqtt_server_is_ws(const struct mgos_config_mqtt *cfg) {
  const char *s = cfg->server;
  return cfg->ws_enable || (s != NULL && (read_scheme(&s) & WEBSOCKET));
}

const char *mgos_mqtt_server_read(const struct mgos_config_mqtt *cfg, struct mgos_mqtt_server *to) {
  /* Strings of the configuration become NULL when they are emptied. */
  const char *s = cfg->server != NULL ? cfg->server : "", *ca = cfg->ssl_ca_cert;
  int scheme = read_scheme(&s), port = 1883, path_len;
  if ((scheme & TLS) && (!MG_ENABLE_SSL || ca == NULL || ca[0] == '\0')) return NO_CA;
  if (scheme & WEBSOCKET) port = 80;
  if (ca != NULL) port = port == 80 ? 443 : 8883;
  const char *host = s;
  if (*s == '[') {
    s += strcspn(s, "]");
    if (*s++ == '\0' || !MG_ENABLE_IPV6) return FORM;
  } else {
    s += strcspn(s, ":/,@" SPACES);
  }
  to->host = host;
  to->host_len = (int) (s - host);
  if (to->host_len == 0) return FORM;
  if (*s == ':') {
    for (port = 0; (unsigned) (*++s - '0') < 10 && port < 65536;) port = port * 10 + (*s - '0');
  }
  to->port = port;
  to->with_port_len = (int) (s - host);
  path_len = *s == '/' ? (int) strcspn(s, SPACES) : 0;
  s += path_len;
  s += strspn(s, SPACES);
  /* Of a list of addresses Mongoose takes the first. */
  if (*s != '\0' && *s != ',') return FORM;
  if (!(scheme & WEBSOCKET)) {
    if (path_len > 1) return FORM;
    path_len = 0;
  }
  to->path_len = path_len;
  return (unsigned) port - 1 < 65535 ? NULL : FORM;
}
