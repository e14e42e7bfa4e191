/*
 * Rewrites JSON text: json_setf (changes one value, leaves the rest as is), json_prettify, and
 * reading files for them.
 */
#include "common/cs_file.h"
#include "common/json_utils.h"
#include "common/mbuf.h"
#include "frozen.h"

static void put(struct json_out *out, const char *s, int len) {
  if (len > 0) out->printer(out, s, (size_t) len);
}

/* ---- json_setf ---- */

/* Offsets into the text; -1 while unknown. */
struct edit {
  const char *base;
  const char *path; /* of the value to change */
  int begin, end;   /* the value, if it exists */
  int before;       /* where the value in front of it ends, then ... */
  bool want_parent; /* ... checked against where its parent begins */
  int last_end;     /* where the latest value ended */
  size_t matched;   /* length of the path of the innermost container ... */
  int tail;         /* ... that exists, and the end of its last value */
  bool tail_is_first; /* it is empty: no comma */
  bool blocked;       /* the path leads through something that is not a container */
};

/* The separator at which the path `full` continues after its prefix `path`: '.', '[', or '\0' if it
 * is not a prefix. */
static char step_after(const char *path, const char *full) {
  size_t n = strlen(path);
  if (strncmp(path, full, n) != 0) return '\0';
  return full[n] == '.' || full[n] == '[' ? full[n] : '\0';
}

static void edit_cb(void *data, const char *name, size_t name_len,
                    const char *path, const struct json_token *t) {
  struct edit *e = (struct edit *) data;
  bool exact = strcmp(path, e->path) == 0;
  int begin, end;
  (void) name;
  (void) name_len;
  if (t->ptr == NULL) { /* a container begins: its text comes later */
    if (exact) e->before = e->last_end;
    return;
  }
  begin = (int) (t->ptr - e->base);
  end = begin + t->len;
  if (t->type == JSON_TYPE_STRING) { /* including its quotes */
    begin--;
    end++;
  }
  if (exact) {
    if (t->type != JSON_TYPE_OBJECT_END && t->type != JSON_TYPE_ARRAY_END) {
      e->before = e->last_end;
    }
    e->begin = begin;
    e->end = end;
    e->want_parent = true;
  } else {
    char step = step_after(path, e->path);
    bool object = t->type == JSON_TYPE_OBJECT_END;
    bool array = t->type == JSON_TYPE_ARRAY_END;
    if ((object || array) && e->want_parent && begin < e->begin) {
      if (e->before <= begin) e->before = begin + 1;
      e->want_parent = false;
    }
    if ((object && step == '.') || (array && step == '[')) {
      /* The innermost container has the longest path and ends first. */
      if (e->tail < 0) {
        e->matched = strlen(path);
        e->tail_is_first = e->last_end <= begin;
        e->tail = e->tail_is_first ? begin + 1 : e->last_end;
      }
    } else if (step != '\0') {
      e->blocked = true;
    }
  }
  e->last_end = end;
}

static void print_without(const struct edit *e, int len,
                          struct json_out *out) {
  int end = e->end;
  bool first = e->before > 0 && (e->base[e->before - 1] == '{' ||
                                 e->base[e->before - 1] == '[');
  if (e->path[0] == '\0') return; /* all of it goes */
  put(out, e->base, e->before);
  if (first) { /* then the comma to remove is the one behind */
    int i = end;
    while (i < len && isspace((unsigned char) e->base[i])) i++;
    if (i < len && e->base[i] == ',') end = i + 1;
  }
  put(out, e->base + end, len - end);
}

/* Prints the missing part of the path around the new value. The container that gets it exists and
 * is being processed. */
static void print_added(const char *missing, struct json_out *out,
                        const char *fmt, va_list ap) {
  char closing[JSON_MAX_PATH_LEN];
  size_t depth = 0;
  const char *p = missing;
  while (*p != '\0' && depth < sizeof(closing)) {
    bool array = *p == '[';
    size_t n;
    if (p != missing) {
      put(out, array ? "[" : "{", 1);
      closing[depth++] = array ? ']' : '}';
    }
    p++;
    if (array) { /* whatever the index, the value goes to the end */
      p += strcspn(p, "]");
      if (*p == ']') p++;
    } else {
      n = strcspn(p, ".[");
      json_printf(out, "%.*Q:", (int) n, p);
      p += n;
    }
  }
  json_vprintf(out, fmt, ap);
  while (depth > 0) put(out, &closing[--depth], 1);
}

int json_vsetf(const char *s, int len, struct json_out *out,
               const char *json_path, const char *json_fmt, va_list ap) {
  struct edit e;
  memset(&e, 0, sizeof(e));
  e.base = s;
  e.path = json_path;
  e.begin = e.end = e.tail = -1;
  json_walk(s, len, edit_cb, &e);
  if (e.begin >= 0) {
    if (json_fmt == NULL) {
      print_without(&e, len, out);
    } else {
      put(out, s, e.begin);
      json_vprintf(out, json_fmt, ap);
      put(out, s + e.end, len - e.end);
    }
    return 1;
  }
  /* Nothing to remove, or nowhere to add. */
  if (json_fmt == NULL || e.blocked || e.tail < 0) {
    put(out, s, len);
    return 0;
  }
  put(out, s, e.tail);
  if (!e.tail_is_first) put(out, ",", 1);
  print_added(json_path + e.matched, out, json_fmt, ap);
  put(out, s + e.tail, len - e.tail);
  return 0;
}

int json_setf(const char *s, int len, struct json_out *out,
              const char *json_path, const char *json_fmt, ...) {
  va_list ap;
  int n;
  va_start(ap, json_fmt);
  n = json_vsetf(s, len, out, json_path, json_fmt, ap);
  va_end(ap);
  return n;
}

/* ---- json_prettify ---- */

struct pretty {
  struct json_out *out;
  int level;
  bool in_array[JSON_MAX_DEPTH + 1]; /* by level */
  bool first;                        /* nothing in this container yet */
};

static void new_line(struct pretty *p) {
  int i;
  put(p->out, "\n", 1);
  for (i = 0; i < p->level; i++) put(p->out, "  ", 2);
}

static void pretty_cb(void *data, const char *name, size_t name_len,
                      const char *path, const struct json_token *t) {
  struct pretty *p = (struct pretty *) data;
  bool array =
      t->type == JSON_TYPE_ARRAY_START || t->type == JSON_TYPE_ARRAY_END;
  (void) path;
  if (t->type == JSON_TYPE_OBJECT_END || t->type == JSON_TYPE_ARRAY_END) {
    p->level--;
    if (!p->first) new_line(p);
    put(p->out, array ? "]" : "}", 1);
    p->first = false;
    return;
  }
  if (p->level > 0) {
    if (!p->first) put(p->out, ",", 1);
    new_line(p);
    if (!p->in_array[p->level]) {
      put(p->out, "\"", 1);
      put(p->out, name, (int) name_len);
      put(p->out, "\": ", 3);
    }
  }
  if (t->ptr == NULL) {
    put(p->out, array ? "[" : "{", 1);
    p->in_array[++p->level] = array;
    p->first = true;
    return;
  }
  if (t->type == JSON_TYPE_STRING) put(p->out, "\"", 1);
  put(p->out, t->ptr, t->len);
  if (t->type == JSON_TYPE_STRING) put(p->out, "\"", 1);
  p->first = false;
}

int json_prettify(const char *s, int len, struct json_out *out) {
  struct pretty p;
  memset(&p, 0, sizeof(p));
  p.out = out;
  return json_walk(s, len, pretty_cb, &p);
}

int json_prettify_file(const char *file_name) {
  char *s = json_fread(file_name);
  struct mbuf text;
  struct json_out out = JSON_OUT_MBUF(&text);
  int n;
  FILE *fp;
  if (s == NULL) return -1;
  mbuf_init(&text, 0);
  n = json_prettify(s, (int) strlen(s), &out);
  free(s);
  if (n >= 0 && mbuf_append(&text, "\n", 1) == 0) n = -1;
  if (n >= 0 && (fp = fopen(file_name, "wb")) != NULL) {
    if (fwrite(text.buf, 1, text.len, fp) != text.len) n = -1;
    if (fclose(fp) != 0) n = -1;
  } else if (n >= 0) {
    n = -1;
  }
  mbuf_free(&text);
  return n;
}

char *json_fread(const char *file_name) {
  size_t size = 0;
  char *s = cs_read_file(file_name, &size);
  if (s != NULL && size == 0) {
    free(s);
    s = NULL;
  }
  return s;
}
