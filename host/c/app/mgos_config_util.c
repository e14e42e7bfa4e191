/*
 * Operations on a config struct by its schema table: copying, freeing, writing as JSON, single
 * values. Not here: reading JSON (mgos_config_parse.c), the running config and its file
 * (mgos_sys_config.c).
 */

#include "mgos_config_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cs_dbg.h"
#include "common/json_utils.h"
#include "common/str_util.h"

#include "mgos_config.h"

bool mgos_conf_check_access_n(const struct mg_str key, struct mg_str acl) {
  struct mg_str glob;
  for (;;) {
    bool allow = true;
    acl = mg_next_comma_list_entry_n(acl, &glob, NULL);
    if (acl.p == NULL) return false;
    if (glob.len > 0 && (glob.p[0] == '-' || glob.p[0] == '+')) {
      allow = (glob.p[0] == '+');
      glob.p++;
      glob.len--;
    }
    if (glob.len > 0 && mg_match_prefix_n(glob, key) == key.len) return allow;
  }
}

bool mgos_conf_check_access(const struct mg_str key, const char *acl) {
  return mgos_conf_check_access_n(key, mg_mk_str(acl));
}

/* Finding a row */

const struct mgos_conf_entry *mgos_conf_find_schema_entry_s(const struct mg_str path,
                                                            const struct mgos_conf_entry *schema) {
  const struct mgos_conf_entry *e, *end = schema + schema->num_desc;
  const char *dot = mg_strchr(path, '.');
  size_t len = (dot != NULL ? (size_t) (dot - path.p) : path.len);
  for (e = schema + 1; e <= end; e += 1 + e->num_desc) {
    if (strlen(e->key) != len || memcmp(e->key, path.p, len) != 0) continue;
    if (dot == NULL) return e;
    if (e->type != CONF_TYPE_OBJECT) return NULL;
    return mgos_conf_find_schema_entry_s(mg_mk_str_n(dot + 1, path.len - len - 1), e);
  }
  return NULL;
}

const struct mgos_conf_entry *mgos_conf_find_schema_entry(const char *path, const struct mgos_conf_entry *schema) {
  return mgos_conf_find_schema_entry_s(mg_mk_str(path), schema);
}

/* Strings: NULL, one of the generated defaults, or from malloc */

bool mgos_conf_str_empty(const char *s) {
  return s == NULL || s[0] == '\0';
}

void mgos_conf_free_str(const char **sp) {
  if (*sp != NULL && !mgos_config_is_default_str(*sp)) free((void *) *sp);
  *sp = NULL;
}

bool mgos_conf_copy_str(const char *s, const char **copy) {
  mgos_conf_free_str(copy);
  if (mgos_conf_str_empty(s)) return true;
  *copy = (mgos_config_is_default_str(s) ? s : strdup(s));
  return *copy != NULL;
}

void mgos_conf_set_str(const char **vp, const char *v) {
  const char *copy = NULL;
  if (*vp == v) return;
  /* `v` may point into the old string. */
  mgos_conf_copy_str(v, &copy);
  mgos_conf_free_str(vp);
  *vp = copy;
}

/* Whole structs */

bool mgos_conf_copy(const struct mgos_conf_entry *schema, const void *src, void *dst) {
  bool ok = true;
  if (schema->type != CONF_TYPE_OBJECT) return false;
  for (int i = 1; i <= schema->num_desc; i++) {
    const struct mgos_conf_entry *e = schema + i;
    const char *from = (const char *) src + (e->offset - schema->offset);
    char *to = (char *) dst + (e->offset - schema->offset);
    switch (e->type) {
      case CONF_TYPE_INT:
      case CONF_TYPE_BOOL:
      case CONF_TYPE_UNSIGNED_INT:
        memcpy(to, from, sizeof(int));
        break;
      case CONF_TYPE_FLOAT:
        memcpy(to, from, sizeof(float));
        break;
      case CONF_TYPE_DOUBLE:
        memcpy(to, from, sizeof(double));
        break;
      case CONF_TYPE_STRING:
        /* Do not free what is in dst: it may be uninitialised. */
        *(const char **) to = NULL;
        ok = mgos_conf_copy_str(*(const char *const *) from, (const char **) to) && ok;
        break;
      case CONF_TYPE_OBJECT:
        break;
    }
  }
  return ok;
}

void mgos_conf_free(const struct mgos_conf_entry *schema, void *cfg) {
  if (schema->type != CONF_TYPE_OBJECT) return;
  for (int i = 1; i <= schema->num_desc; i++) {
    const struct mgos_conf_entry *e = schema + i;
    if (e->type == CONF_TYPE_STRING) mgos_conf_free_str((const char **) ((char *) cfg + (e->offset - schema->offset)));
  }
}

/* Writing as JSON */

struct emit_state {
  const char *cfg;
  const char *base;
  size_t origin; /* of cfg and base, relative to the table's offsets */
  bool pretty;
  struct mbuf *out;
  mgos_conf_emit_cb_t cb;
  void *cb_param;
};

static bool same(const struct emit_state *st, const struct mgos_conf_entry *e) {
  size_t at = e->offset - st->origin;
  if (st->base == NULL) return false;
  switch (e->type) {
    case CONF_TYPE_FLOAT:
      return *(const float *) (st->cfg + at) == *(const float *) (st->base + at);
    case CONF_TYPE_DOUBLE:
      return *(const double *) (st->cfg + at) == *(const double *) (st->base + at);
    case CONF_TYPE_STRING: {
      const char *a = *(const char *const *) (st->cfg + at), *b = *(const char *const *) (st->base + at);
      return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
    }
    case CONF_TYPE_OBJECT:
      for (int i = 1; i <= e->num_desc; i++) {
        if (e[i].type != CONF_TYPE_OBJECT && !same(st, e + i)) return false;
      }
      return true;
    default:
      return memcmp(st->cfg + at, st->base + at, sizeof(int)) == 0;
  }
}

static void put(struct emit_state *st, const char *text) {
  mbuf_append(st->out, text, strlen(text));
}

static void put_line(struct emit_state *st, int indent) {
  if (!st->pretty) return;
  put(st, "\n");
  while (indent-- > 0) put(st, " ");
}

static void emit(struct emit_state *st, const struct mgos_conf_entry *e, int indent) {
  const char *vp = st->cfg + (e->offset - st->origin);
  char buf[400]; /* the largest double has 309 digits before the point */
  switch (e->type) {
    case CONF_TYPE_INT:
      snprintf(buf, sizeof(buf), "%d", *(const int *) vp);
      put(st, buf);
      break;
    case CONF_TYPE_UNSIGNED_INT:
      snprintf(buf, sizeof(buf), "%u", *(const unsigned int *) vp);
      put(st, buf);
      break;
    case CONF_TYPE_BOOL:
      put(st, *(const int *) vp ? "true" : "false");
      break;
    case CONF_TYPE_FLOAT:
      snprintf(buf, sizeof(buf), "%f", (double) *(const float *) vp);
      put(st, buf);
      break;
    case CONF_TYPE_DOUBLE:
      snprintf(buf, sizeof(buf), "%f", *(const double *) vp);
      put(st, buf);
      break;
    case CONF_TYPE_STRING:
      mg_json_emit_str(st->out, mg_mk_str(*(const char *const *) vp), 1);
      break;
    case CONF_TYPE_OBJECT: {
      bool first = true;
      put(st, "{");
      for (const struct mgos_conf_entry *c = e + 1; c <= e + e->num_desc; c += 1 + c->num_desc) {
        if (same(st, c)) continue;
        if (!first) put(st, ",");
        first = false;
        put_line(st, indent + 2);
        mg_json_emit_str(st->out, mg_mk_str(c->key), 1);
        put(st, st->pretty ? ": " : ":");
        emit(st, c, indent + 2);
        if (st->cb != NULL) st->cb(st->out, st->cb_param);
      }
      put_line(st, indent);
      put(st, "}");
      break;
    }
  }
}

void mgos_conf_emit_cb(const void *cfg, const void *base, const struct mgos_conf_entry *schema, bool pretty,
                       struct mbuf *out, mgos_conf_emit_cb_t cb, void *cb_param) {
  struct emit_state st;
  struct mbuf own;
  mbuf_init(&own, 0);
  st.cfg = (const char *) cfg;
  st.base = (const char *) base;
  st.origin = schema->offset;
  st.pretty = pretty;
  st.out = (out != NULL ? out : &own);
  st.cb = cb;
  st.cb_param = cb_param;
  emit(&st, schema, 0);
  if (cb != NULL) cb(st.out, cb_param);
  mbuf_free(&own);
}

static void to_file(struct mbuf *data, void *param) {
  FILE **fp = (FILE **) param;
  if (*fp != NULL && fwrite(data->buf, 1, data->len, *fp) != data->len) {
    fclose(*fp);
    *fp = NULL;
  }
  mbuf_remove(data, data->len);
}

bool mgos_conf_emit_f(const void *cfg, const void *base, const struct mgos_conf_entry *schema, bool pretty,
                      const char *fname) {
  /* Write a new file, then rename it: a full disk leaves the old file intact. */
  char *tmp = NULL;
  bool ok = false;
  if (mg_asprintf(&tmp, 0, "%s.tmp", fname) > 0) {
    FILE *fp = fopen(tmp, "w");
    if (fp != NULL) {
      mgos_conf_emit_cb(cfg, base, schema, pretty, NULL, to_file, &fp);
      ok = (fp != NULL && fclose(fp) == 0 && rename(tmp, fname) == 0);
      if (!ok) remove(tmp);
    }
  }
  if (!ok) LOG(LL_ERROR, ("Cannot write %s", fname));
  free(tmp);
  return ok;
}

static void to_json_out(struct mbuf *data, void *param) {
  struct json_out *out = (struct json_out *) param;
  out->printer(out, data->buf, data->len);
  mbuf_remove(data, data->len);
}

bool mgos_conf_emit_json_out(const void *cfg, const void *base, const struct mgos_conf_entry *schema, bool pretty,
                             struct json_out *out) {
  mgos_conf_emit_cb(cfg, base, schema, pretty, NULL, to_json_out, out);
  return true;
}
