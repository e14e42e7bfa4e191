/*
 * JSON (frozen.h) into a growing buffer (mbuf.h), as declared in common/json_utils.h. Parser and
 * printer are in frozen_*.c.
 */
#include "common/json_utils.h"

int mg_json_printer_mbuf(struct json_out *out, const char *buf, size_t len) {
  mbuf_append((struct mbuf *) out->u.data, buf, len);
  return (int) len;
}

void mg_json_emit_str(struct mbuf *b, const struct mg_str s, int quote) {
  struct json_out out = JSON_OUT_MBUF(b);
  if (quote) mbuf_append(b, "\"", 1);
  json_escape(&out, s.p, s.len);
  if (quote) mbuf_append(b, "\"", 1);
}
