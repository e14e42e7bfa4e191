/*
 * Parses JSON into a config struct by its schema table. Not here: the reverse, and other functions
 * on schema tables (mgos_config_util.c).
 */

#include "mgos_config_util.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/cs_dbg.h"
#include "common/cs_file.h"
#include "common/str_util.h"
#include "frozen.h"

#include "mgos_config.h"

struct parse_state {
  const struct mgos_conf_entry *schema;
  const char *acl;
  char *cfg;
  char *problem; /* the first invalid value; from malloc */
};

/* Numbers end where the token does; 0x is allowed, as on a device. */
static bool read_number(const struct json_token *tok, const struct mgos_conf_entry *e, void *value) {
  char text[64], *end = NULL;
  if (tok->len <= 0 || (size_t) tok->len >= sizeof(text)) return false;
  memcpy(text, tok->ptr, tok->len);
  text[tok->len] = '\0';
  errno = 0;
  switch (e->type) {
    case CONF_TYPE_INT: {
      long long v = strtoll(text, &end, 0);
      if (errno != 0 || v < INT_MIN || v > INT_MAX) return false;
      *(int *) value = (int) v;
      break;
    }
    case CONF_TYPE_UNSIGNED_INT: {
      long long v = strtoll(text, &end, 0);
      if (errno != 0 || v < 0 || v > (long long) UINT_MAX) return false;
      *(unsigned int *) value = (unsigned int) v;
      break;
    }
    case CONF_TYPE_FLOAT:
      *(float *) value = strtof(text, &end);
      break;
    default:
      *(double *) value = strtod(text, &end);
      break;
  }
  return end == text + tok->len;
}

static bool read_string(const struct json_token *tok, const char **value) {
  char *s = NULL;
  if (tok->len > 0) {
    /* Unescaping never makes it longer. */
    int n;
    s = (char *) malloc(tok->len + 1);
    if (s == NULL) return false;
    n = json_unescape(tok->ptr, tok->len, s, tok->len);
    if (n < 0) {
      free(s);
      return false;
    }
    s[n] = '\0';
  }
  mgos_conf_free_str(value);
  *value = s;
  return true;
}

static const char *take(const struct mgos_conf_entry *e, const struct json_token *tok, void *value) {
  switch (e->type) {
    case CONF_TYPE_BOOL:
      if (tok->type != JSON_TYPE_TRUE && tok->type != JSON_TYPE_FALSE) return "is not a boolean";
      *(int *) value = (tok->type == JSON_TYPE_TRUE);
      return NULL;
    case CONF_TYPE_STRING:
      if (tok->type != JSON_TYPE_STRING) return "is not a string";
      return read_string(tok, (const char **) value) ? NULL : "could not be read as a string";
    case CONF_TYPE_OBJECT:
      return "is not an object";
    default:
      if (tok->type != JSON_TYPE_NUMBER) return "is not a number";
      return read_number(tok, e, value) ? NULL : "does not fit its type";
  }
}

static void on_value(void *arg, const char *name, size_t name_len, const char *path, const struct json_token *tok) {
  struct parse_state *st = (struct parse_state *) arg;
  const struct mgos_conf_entry *e = st->schema;
  const char *what;
  (void) name;
  (void) name_len;
  if (st->problem != NULL) return;
  if (tok->type == JSON_TYPE_OBJECT_START || tok->type == JSON_TYPE_OBJECT_END ||
      tok->type == JSON_TYPE_ARRAY_START) {
    return;
  }
  if (path[0] == '.') {
    path++;
    e = mgos_conf_find_schema_entry(path, st->schema);
  }
  if (e == NULL) {
    LOG(LL_DEBUG, ("Unknown key [%s]", path));
    return;
  }
  if (st->acl == NULL || !mgos_conf_check_access(mg_mk_str(path), st->acl)) {
    LOG(LL_ERROR, ("Not allowed to set [%s]", path));
    return;
  }
  what = take(e, tok, st->cfg + (e->offset - st->schema->offset));
  if (what != NULL) mg_asprintf(&st->problem, 0, "[%s] %s", path, what);
}

bool mgos_conf_parse_sub_msg(const struct mg_str json, const struct mgos_conf_entry *sub_schema, const char *acl,
                             void *cfg, char **msg) {
  struct parse_state st;
  /* The JSON may change the string that `acl` points to. */
  char *acl_copy = (acl != NULL ? strdup(acl) : NULL);
  int len;
  memset(&st, 0, sizeof(st));
  st.schema = sub_schema;
  st.acl = acl_copy;
  st.cfg = (char *) cfg;
  len = json_walk(json.p, json.len, on_value, &st);
  free(acl_copy);
  if (len <= 0 && st.problem == NULL) st.problem = strdup("Invalid JSON");
  if (st.problem == NULL) return true;
  LOG(LL_ERROR, ("%s", st.problem));
  if (msg != NULL) {
    *msg = st.problem;
  } else {
    free(st.problem);
  }
  return false;
}

bool mgos_conf_parse_sub(const struct mg_str json, const struct mgos_conf_entry *sub_schema, void *cfg) {
  return mgos_conf_parse_sub_msg(json, sub_schema, "*", cfg, NULL);
}

bool mgos_conf_parse_sub_f(const char *fname, const struct mgos_conf_entry *sub_schema, void *cfg) {
  size_t len = 0;
  char *data = cs_read_file(fname, &len);
  bool res;
  if (data == NULL) return false;
  res = mgos_conf_parse_sub(mg_mk_str_n(data, len), sub_schema, cfg);
  free(data);
  return res;
}

bool mgos_conf_parse_msg(const struct mg_str json, const char *acl, struct mgos_config *cfg, char **msg) {
  return mgos_conf_parse_sub_msg(json, mgos_config_schema(), acl, cfg, msg);
}

bool mgos_conf_parse(const struct mg_str json, const char *acl, struct mgos_config *cfg) {
  return mgos_conf_parse_msg(json, acl, cfg, NULL);
}
