/*
 * Single config values by row or path, and the '?' placeholders in strings.
 */

#include "mgos_config_util.h"

#include <stdlib.h>
#include <string.h>

#include "common/str_util.h"

#include "mgos_config.h"

static const void *at(const void *cfg, const struct mgos_conf_entry *e) {
  return (const char *) cfg + e->offset;
}

enum mgos_conf_type mgos_conf_value_type(struct mgos_conf_entry *e) {
  return e->type;
}

const char *mgos_conf_value_string(const void *cfg, const struct mgos_conf_entry *e) {
  return e->type == CONF_TYPE_STRING ? *(const char *const *) at(cfg, e) : NULL;
}

const char *mgos_conf_value_string_nonnull(const void *cfg, const struct mgos_conf_entry *e) {
  const char *s = mgos_conf_value_string(cfg, e);
  return s != NULL ? s : "";
}

int mgos_conf_value_int(const void *cfg, const struct mgos_conf_entry *e) {
  bool is_int = (e->type == CONF_TYPE_INT || e->type == CONF_TYPE_UNSIGNED_INT || e->type == CONF_TYPE_BOOL);
  return is_int ? *(const int *) at(cfg, e) : 0;
}

float mgos_conf_value_float(const void *cfg, const struct mgos_conf_entry *e) {
  return e->type == CONF_TYPE_FLOAT ? *(const float *) at(cfg, e) : 0;
}

double mgos_conf_value_double(const void *cfg, const struct mgos_conf_entry *e) {
  return e->type == CONF_TYPE_DOUBLE ? *(const double *) at(cfg, e) : 0;
}

bool mgos_config_get(const struct mg_str key, struct mg_str *value, const void *cfg,
                     const struct mgos_conf_entry *schema) {
  const struct mgos_conf_entry *e = mgos_conf_find_schema_entry_s(key, schema);
  char *text = NULL;
  int len = -1;
  memset(value, 0, sizeof(*value));
  if (e == NULL) return false;
  switch (e->type) {
    case CONF_TYPE_INT:
      len = mg_asprintf(&text, 0, "%d", mgos_conf_value_int(cfg, e));
      break;
    case CONF_TYPE_UNSIGNED_INT:
      len = mg_asprintf(&text, 0, "%u", (unsigned int) mgos_conf_value_int(cfg, e));
      break;
    case CONF_TYPE_BOOL:
      len = mg_asprintf(&text, 0, "%s", mgos_conf_value_int(cfg, e) ? "true" : "false");
      break;
    case CONF_TYPE_FLOAT:
      len = mg_asprintf(&text, 0, "%f", (double) mgos_conf_value_float(cfg, e));
      break;
    case CONF_TYPE_DOUBLE:
      len = mg_asprintf(&text, 0, "%f", mgos_conf_value_double(cfg, e));
      break;
    case CONF_TYPE_STRING:
      len = mg_asprintf(&text, 0, "%s", mgos_conf_value_string_nonnull(cfg, e));
      break;
    case CONF_TYPE_OBJECT: {
      struct mbuf out;
      mbuf_init(&out, 0);
      mgos_conf_emit_cb(at(cfg, e), NULL, e, false, &out, NULL, NULL);
      /* With a NUL that is not counted, as in the other cases. */
      mbuf_append(&out, "", 1);
      text = out.buf;
      len = (int) out.len - 1;
      break;
    }
  }
  if (len < 0) return false;
  value->p = text;
  value->len = len;
  return true;
}

static bool set_number(char *text, const struct mgos_conf_entry *e, void *vp) {
  char *end = text;
  switch (e->type) {
    case CONF_TYPE_INT:
      *(int *) vp = (int) strtol(text, &end, 10);
      break;
    case CONF_TYPE_UNSIGNED_INT:
      *(unsigned int *) vp = (unsigned int) strtoul(text, &end, 10);
      break;
    case CONF_TYPE_FLOAT:
      *(float *) vp = strtof(text, &end);
      break;
    default:
      *(double *) vp = strtod(text, &end);
      break;
  }
  return end != text && *end == '\0';
}

bool mgos_config_set(const struct mg_str key, const struct mg_str value, void *cfg,
                     const struct mgos_conf_entry *schema, bool free_strings) {
  const struct mgos_conf_entry *e = mgos_conf_find_schema_entry_s(key, schema);
  void *vp;
  if (e == NULL) return false;
  vp = (char *) cfg + e->offset;
  switch (e->type) {
    case CONF_TYPE_BOOL:
      if (mg_vcmp(&value, "true") != 0 && mg_vcmp(&value, "false") != 0) return false;
      *(int *) vp = (mg_vcmp(&value, "true") == 0);
      return true;
    case CONF_TYPE_STRING: {
      struct mg_str copy = mg_strdup_nul(value);
      if (value.len > 0 && copy.p == NULL) return false;
      if (free_strings) mgos_conf_free_str((const char **) vp);
      *(const char **) vp = (value.len > 0 ? copy.p : NULL);
      return true;
    }
    case CONF_TYPE_OBJECT:
      return mgos_conf_parse_sub(value, e, vp);
    default: {
      struct mg_str copy = mg_strdup_nul(value);
      bool ok = (copy.p != NULL && set_number((char *) copy.p, e, vp));
      mg_strfree(&copy);
      return ok;
    }
  }
}

void mgos_expand_placeholders(const struct mg_str src, struct mg_str *str) {
  size_t marks = 0, from = src.len;
  for (size_t i = 0; i < str->len; i++) marks += (str->p[i] == '?');
  /* Bytes of an address are two digits each: an odd number of '?' is not a placeholder. */
  if (marks % 2 != 0) return;
  for (size_t i = str->len; i > 0 && from > 0; i--) {
    if (str->p[i - 1] == '?') ((char *) str->p)[i - 1] = src.p[--from];
  }
}
