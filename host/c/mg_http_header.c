/*
 * Values within HTTP headers. Finding a header is in src/http/message.rs.
 */
#include "mongoose.h"

static bool separates(char c) {
  return c == ' ' || c == '\t' || c == ',' || c == ';';
}

/* The value of `name` in a header; {NULL, 0} if it is not there. */
static struct mg_str find_value(struct mg_str hdr, struct mg_str name) {
  const char *p = hdr.p, *end = hdr.p + hdr.len;
  while (p < end) {
    const char *key = p, *value;
    struct mg_str found;
    bool quoted;
    while (p < end && *p != '=' && !separates(*p)) p++;
    found = mg_mk_str_n(key, (size_t) (p - key));
    if (p == end || *p != '=') {
      p++;
      continue;
    }
    quoted = ++p < end && *p == '"';
    if (quoted) p++;
    value = p;
    while (p < end && (quoted ? *p != '"' : !separates(*p))) p++;
    if (mg_strcmp(found, name) == 0) {
      return mg_mk_str_n(value, (size_t) (p - value));
    }
    p++;
  }
  return mg_mk_str_n(NULL, 0);
}

int mg_http_parse_header2(struct mg_str *hdr, const char *var_name, char **buf,
                          size_t buf_size) {
  struct mg_str value;
  if (hdr == NULL) return 0;
  value = find_value(*hdr, mg_mk_str(var_name));
  if (buf_size > 0) **buf = '\0';
  if (value.p == NULL) return 0;
  if (value.len + 1 > buf_size) {
    char *block = (char *) malloc(value.len + 1);
    if (block == NULL) return 0;
    *buf = block;
  }
  memcpy(*buf, value.p, value.len);
  (*buf)[value.len] = '\0';
  return (int) value.len;
}

int mg_http_parse_header(struct mg_str *hdr, const char *var_name, char *buf,
                         size_t buf_size) {
  char *result = buf;
  int len = mg_http_parse_header2(hdr, var_name, &result, buf_size);
  if (result == buf) return len;
  free(result);
  return 0;
}
