/*
 * Finds values in JSON text without converting them: json_scanf_array_elem, json_next_key,
 * json_next_elem of frozen.h. Each call parses the text from its start.
 */
#include "frozen.h"

struct elem_search {
  const char *path;
  struct json_token *token;
  bool found;
};

static void elem_cb(void *data, const char *name, size_t name_len,
                    const char *path, const struct json_token *t) {
  struct elem_search *es = (struct elem_search *) data;
  (void) name;
  (void) name_len;
  if (t->ptr == NULL || strcmp(path, es->path) != 0) return;
  *es->token = *t;
  es->found = true;
}

int json_scanf_array_elem(const char *s, int len, const char *path, int index,
                          struct json_token *token) {
  struct elem_search es;
  char full[JSON_MAX_PATH_LEN];
  memset(token, 0, sizeof(*token));
  es.path = full;
  es.token = token;
  es.found = false;
  if (snprintf(full, sizeof(full), "%s[%d]", path, index) >=
      (int) sizeof(full)) {
    return -1;
  }
  json_walk(s, len, elem_cb, &es);
  return es.found ? token->len : -1;
}

struct next_search {
  const void *after; /* where the last returned value starts, or NULL */
  const char *path;
  size_t path_len;
  struct json_token key, *val;
  int idx;
  bool found;
};

static void next_cb(void *data, const char *name, size_t name_len,
                    const char *path, const struct json_token *t) {
  struct next_search *ns = (struct next_search *) data;
  const char *child = path + ns->path_len;
  if (ns->found || strncmp(path, ns->path, ns->path_len) != 0) return;
  /* Direct children only. A key with a dot or bracket looks like a nested value and is skipped. */
  if ((child[0] != '.' && child[0] != '[') || strpbrk(child + 1, ".[")) return;
  if (name != NULL) { /* an END has none: keep that of START */
    memset(&ns->key, 0, sizeof(ns->key));
    ns->idx = -1;
    if (child[0] == '[') {
      ns->idx = atoi(name);
    } else {
      ns->key.ptr = name;
      ns->key.len = (int) name_len;
    }
  }
  if (t->ptr == NULL) return;
  if (ns->after != NULL && (const void *) t->ptr <= ns->after) return;
  if (ns->val != NULL) *ns->val = *t;
  ns->after = t->ptr;
  ns->found = true;
}

static void *next_value(const char *s, int len, void *handle, const char *path,
                        struct json_token *key, int *idx,
                        struct json_token *val) {
  struct next_search ns;
  memset(&ns, 0, sizeof(ns));
  ns.after = handle;
  ns.path = path;
  ns.path_len = strlen(path);
  ns.val = val;
  if (ns.path_len >= JSON_MAX_PATH_LEN) return NULL;
  json_walk(s, len, next_cb, &ns);
  if (!ns.found) return NULL;
  if (key != NULL) *key = ns.key;
  if (idx != NULL) *idx = ns.idx;
  return (void *) ns.after;
}

void *json_next_key(const char *s, int len, void *handle, const char *path,
                    struct json_token *key, struct json_token *val) {
  return next_value(s, len, handle, path, key, NULL, val);
}

void *json_next_elem(const char *s, int len, void *handle, const char *path,
                     int *idx, struct json_token *val) {
  return next_value(s, len, handle, path, NULL, idx, val);
}
