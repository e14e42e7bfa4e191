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

#if CS_ENABLE_STDIO
#define WORDS(text) ("mqtt.server: " text)
#else
#define WORDS(text) ""
#endif

#define SPACES " \t\r\n"

/* What a scheme asks for. */
#define TLS 1
#define WEBSOCKET 2
#define UNKNOWN 4

/* Moves *s past spaces and a scheme, and returns what the scheme asks for. */
static int read_scheme(const char **s) {
  static const struct {
    char name[6];
    char asks_for;
  } schemes[] = {{"mqtt", 0}, {"tcp", 0}, {"mqtts", TLS}, {"ssl", TLS}, {"ws", WEBSOCKET}, {"wss", WEBSOCKET | TLS}};
  *s += strspn(*s, SPACES);
  const char *end = strstr(*s, "://");
  if (end == NULL) return 0;
  size_t len = (size_t) (end - *s);
  for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
    if (strlen(schemes[i].name) == len && mg_ncasecmp(*s, schemes[i].name, len) == 0) {
      *s = end + 3;
      return schemes[i].asks_for;
    }
  }
  return UNKNOWN;
}

bool mgos_mqtt_server_is_ws(const struct mgos_config_mqtt *cfg) {
  const char *s = cfg->server;
  return cfg->ws_enable || (s != NULL && (read_scheme(&s) & WEBSOCKET));
}

/* The number from `s` to `end`; 0 for one that is no port. */
static int read_port(const char *s, const char *end) {
  int port = 0;
  for (; s < end; s++) {
    if (*s < '0' || *s > '9') return 0;
    port = port * 10 + (*s - '0');
    if (port > 65535) return 0;
  }
  return port;
}

/* Where the host of an authority ends, before its port. NULL for IPv6 without brackets. */
static const char *end_of_host(const char *s, const char *end) {
  const char *colon = (const char *) memchr(s, ':', (size_t) (end - s));
  if (*s == '[') {
    const char *bracket = (const char *) memchr(s, ']', (size_t) (end - s));
    return bracket != NULL && (bracket + 1 == end || bracket[1] == ':') ? bracket + 1 : NULL;
  }
  if (colon == NULL) return end;
  return memchr(colon + 1, ':', (size_t) (end - colon - 1)) == NULL ? colon : NULL;
}

const char *mgos_mqtt_server_read(const struct mgos_config_mqtt *cfg, struct mgos_mqtt_server *to) {
  const char *s = cfg->server, *ca = cfg->ssl_ca_cert;
  int scheme = read_scheme(&s);
  size_t len = strcspn(s, "/," SPACES);
  const char *end = s + len, *path = end;
  /* Mongoose takes the first address of a list. */
  size_t path_len = *path == '/' ? strcspn(path, SPACES) : 0;
  const char *rest = path + path_len;
  rest += strspn(rest, SPACES);
  if ((scheme & UNKNOWN) || (*rest != '\0' && *rest != ',')) {
    return WORDS("write HOST:PORT, or mqtt://, mqtts://, ws:// or wss:// in front of it");
  }
  if ((scheme & TLS) && (ca == NULL || ca[0] == '\0')) return WORDS("mqtts:// and wss:// need mqtt.ssl_ca_cert");
  if ((scheme & TLS) && !MG_ENABLE_SSL) return WORDS("mqtts:// and wss:// need TLS (MG_ENABLE_SSL)");
  if (memchr(s, '@', len) != NULL) return WORDS("user and password belong in mqtt.user and mqtt.pass");
  if (path_len > 1 && !(scheme & WEBSOCKET)) return WORDS("a path needs ws:// or wss://, or belongs in mqtt.ws_path");
  const char *host_end = end_of_host(s, end);
  if (host_end == NULL) return WORDS("write an IPv6 address as [ADDRESS] or [ADDRESS]:PORT");
  if (s[0] == '[' && !MG_ENABLE_IPV6) return WORDS("this firmware has no IPv6 (MG_ENABLE_IPV6)");
  if (host_end == s) return WORDS("no host name; write HOST or HOST:PORT");
  to->host = s;
  to->host_len = (int) (host_end - s);
  to->with_port_len = (int) len;
  to->path = path;
  to->path_len = scheme & WEBSOCKET ? (int) path_len : 0;
  if (host_end == end) {
    to->port = scheme & WEBSOCKET ? (ca != NULL ? 443 : 80) : (ca != NULL ? 8883 : 1883);
  } else {
    to->port = read_port(host_end + 1, end);
    if (to->port == 0) return WORDS("the port must be 1 to 65535");
  }
  return NULL;
}
