/*
 * Packets as text: from a script's hexadecimal to bytes, and from bytes to a description for
 * failure messages. No sockets.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char) tolower((unsigned char) c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t parse_hex(const char *hex, uint8_t *bytes, bool *any, size_t size, bool *open) {
  const char *p = hex;
  size_t n = 0;
  if (open != NULL) *open = false;
  while (*p != '\0') {
    bool wild = (p[0] == '?' && p[1] == '?');
    if (isspace((unsigned char) *p)) {
      p++;
      continue;
    }
    if (n == size) fail("the script has too long a packet: %.40s...", hex);
    if (*p == '\'') {
      for (p++; *p != '\'' && *p != '\0' && n < size; p++, n++) {
        bytes[n] = (uint8_t) *p;
        if (any != NULL) any[n] = false;
      }
      if (*p++ != '\'') fail("the script has an odd quote: %s", hex);
      continue;
    }
    if (*p == '*' && open != NULL && p[1] == '\0') {
      *open = true;
      break;
    }
    if (!(wild && any != NULL) && (digit(p[0]) < 0 || digit(p[1]) < 0)) fail("the script has odd hexadecimal at '%s'", p);
    bytes[n] = (uint8_t) (wild ? 0 : digit(p[0]) << 4 | digit(p[1]));
    if (any != NULL) any[n] = wild;
    n++;
    p += 2;
  }
  return n;
}

const char *show_packet(const uint8_t *packet, size_t len) {
  static const char *const names[] = {"type 0",    "CONNECT", "CONNACK",     "PUBLISH",  "PUBACK",  "PUBREC",   "PUBREL",     "PUBCOMP",
                                      "SUBSCRIBE", "SUBACK",  "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "type 15"};
  static char out[1024];
  size_t i, n;
  if (len == 0) return "nothing";
  n = (size_t) snprintf(out, sizeof(out), "%s, %lu bytes:", names[packet[0] >> 4], (unsigned long) len);
  for (i = 0; i < len && i < 80; i++) n += (size_t) snprintf(out + n, sizeof(out) - n, " %02x", packet[i]);
  n += (size_t) snprintf(out + n, sizeof(out) - n, "%s \"", i < len ? " ..." : "");
  for (i = 0; i < len && i < 80; i++) out[n++] = (char) (isprint(packet[i]) ? packet[i] : '.');
  snprintf(out + n, sizeof(out) - n, "\"");
  return out;
}

const char *text(const char *fmt, ...) {
  static char ring[8][512];
  static unsigned next;
  char *out = ring[next++ % 8];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(out, sizeof(ring[0]), fmt, ap);
  va_end(ap);
  return out;
}
