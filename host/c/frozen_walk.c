/*
 * The JSON parser of frozen.h: json_walk. All reading of JSON is based on it; see frozen_lookup.c,
 * frozen_scan.c, frozen_edit.c.
 *
 * Guarantees: no byte at or behind the given end is read; recursion is limited to JSON_MAX_DEPTH;
 * the path is truncated, never overrun.
 */
#include "frozen.h"

struct walker {
  const char *cur, *end;
  json_walk_callback_t callback;
  void *callback_data;
  int depth_left;
  const char *name; /* of the next value */
  size_t name_len;
  size_t path_len;
  char path[JSON_MAX_PATH_LEN];
};

#define END_OF_TEXT (-1)

#define TRY(expr)                  \
  do {                             \
    int try_rc = (expr);           \
    if (try_rc < 0) return try_rc; \
  } while (0)

static int parse_value(struct walker *w);

static bool is_alpha(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(int c) {
  return c >= '0' && c <= '9';
}

static bool is_xdigit(int c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The byte at the cursor. */
static int here(const struct walker *w) {
  return w->cur < w->end ? (unsigned char) *w->cur : END_OF_TEXT;
}

/* The byte at the cursor after skipping white space. */
static int next_token(struct walker *w) {
  int c;
  while ((c = here(w)) == ' ' || c == '\t' || c == '\r' || c == '\n') w->cur++;
  return c;
}

/* The error for an unexpected byte. */
static int unexpected(int c) {
  return c == END_OF_TEXT ? JSON_STRING_INCOMPLETE : JSON_STRING_INVALID;
}

static void extend_path(struct walker *w, const char *s, size_t n) {
  n = MIN(n, sizeof(w->path) - 1 - w->path_len);
  memcpy(w->path + w->path_len, s, n);
  w->path_len += n;
  w->path[w->path_len] = '\0';
}

static void cut_path(struct walker *w, size_t len) {
  w->path_len = len;
  w->path[len] = '\0';
}

static void report(struct walker *w, enum json_token_type type,
                   const char *start) {
  struct json_token t;
  if (w->callback == NULL) return;
  t.ptr = start;
  t.len = start == NULL ? 0 : (int) (w->cur - start);
  t.type = type;
  w->callback(w->callback_data, w->name, w->name_len, w->path, &t);
  w->name = NULL;
  w->name_len = 0;
}

/* Length of the character that starts with `c`; UTF-8 is not validated further. */
static int utf8_len(int c) {
  if (c < 0x80) return 1;
  if (c >= 0xf0) return 4;
  return c >= 0xe0 ? 3 : 2;
}

/* Skips what follows a backslash. */
static int parse_escape(struct walker *w) {
  int i, c = here(w);
  if (c == END_OF_TEXT) return JSON_STRING_INCOMPLETE;
  w->cur++;
  if (c != 'u') {
    return c != '\0' && strchr("\"\\/bfnrt", c) ? 0 : JSON_STRING_INVALID;
  }
  if (w->end - w->cur < 4) return JSON_STRING_INCOMPLETE;
  for (i = 0; i < 4; i++) {
    if (!is_xdigit(*w->cur++)) return JSON_STRING_INVALID;
  }
  return 0;
}

/* Skips a string up to its closing quote and stores its start. */
static int parse_string(struct walker *w, const char **start) {
  int c;
  *start = ++w->cur; /* the opening quote was checked */
  while ((c = here(w)) != '"') {
    if (c == END_OF_TEXT) return JSON_STRING_INCOMPLETE;
    if (c < ' ') return JSON_STRING_INVALID;
    if (w->end - w->cur < utf8_len(c)) return JSON_STRING_INCOMPLETE;
    w->cur += utf8_len(c);
    if (c == '\\') TRY(parse_escape(w));
  }
  return 0;
}

static int parse_digits(struct walker *w, bool (*is_one)(int)) {
  int c = here(w);
  if (!is_one(c)) return unexpected(c);
  while (is_one(here(w))) w->cur++;
  return 0;
}

static int parse_number(struct walker *w) {
  const char *start = w->cur;
  int c;
  if (here(w) == '-') w->cur++;
  if (w->end - w->cur > 1 && w->cur[0] == '0' && w->cur[1] == 'x') {
    w->cur += 2;
    TRY(parse_digits(w, is_xdigit));
  } else {
    TRY(parse_digits(w, is_digit));
    if (here(w) == '.') {
      w->cur++;
      TRY(parse_digits(w, is_digit));
    }
    if ((c = here(w)) == 'e' || c == 'E') {
      w->cur++;
      if ((c = here(w)) == '+' || c == '-') w->cur++;
      TRY(parse_digits(w, is_digit));
    }
  }
  report(w, JSON_TYPE_NUMBER, start);
  return 0;
}

static int parse_word(struct walker *w, const char *word,
                      enum json_token_type type) {
  const char *start = w->cur;
  for (; *word != '\0'; word++, w->cur++) {
    int c = here(w);
    if (c != *word) return unexpected(c);
  }
  report(w, type, start);
  return 0;
}

static int parse_array(struct walker *w) {
  const char *start = w->cur;
  size_t path_len = w->path_len;
  char index[16];
  int i, n;
  report(w, JSON_TYPE_ARRAY_START, NULL);
  w->cur++;
  for (i = 0; next_token(w) != ']'; i++) {
    n = snprintf(index, sizeof(index), "[%d]", i);
    extend_path(w, index, (size_t) n);
    w->name = index + 1;
    w->name_len = (size_t) n - 2;
    TRY(parse_value(w));
    cut_path(w, path_len);
    if (next_token(w) == ',') w->cur++;
  }
  w->cur++;
  w->name = NULL;
  report(w, JSON_TYPE_ARRAY_END, start);
  return 0;
}

/* A key, quoted or not. Becomes the name of the value that follows. */
static int parse_key(struct walker *w) {
  const char *start = w->cur;
  int c = here(w);
  if (c == '"') {
    TRY(parse_string(w, &start));
    w->name = start;
    w->name_len = (size_t) (w->cur - start);
    w->cur++;
    return 0;
  }
  if (!is_alpha(c)) return unexpected(c);
  while (is_alpha(c) || is_digit(c) || c == '_') {
    w->cur++;
    c = here(w);
  }
  w->name = start;
  w->name_len = (size_t) (w->cur - start);
  return 0;
}

static int parse_object(struct walker *w) {
  const char *start = w->cur;
  size_t path_len = w->path_len;
  int c;
  report(w, JSON_TYPE_OBJECT_START, NULL);
  w->cur++;
  while (next_token(w) != '}') {
    TRY(parse_key(w));
    extend_path(w, ".", 1);
    extend_path(w, w->name, w->name_len);
    if ((c = next_token(w)) != ':') return unexpected(c);
    w->cur++;
    TRY(parse_value(w));
    cut_path(w, path_len);
    if (next_token(w) == ',') w->cur++;
  }
  w->cur++;
  w->name = NULL;
  report(w, JSON_TYPE_OBJECT_END, start);
  return 0;
}

static int parse_nested(struct walker *w, int (*parse)(struct walker *)) {
  if (w->depth_left == 0) return JSON_DEPTH_LIMIT;
  w->depth_left--;
  TRY(parse(w));
  w->depth_left++;
  return 0;
}

static int parse_value(struct walker *w) {
  const char *start;
  int c = next_token(w);
  switch (c) {
    case '{':
      return parse_nested(w, parse_object);
    case '[':
      return parse_nested(w, parse_array);
    case '"':
      TRY(parse_string(w, &start));
      report(w, JSON_TYPE_STRING, start);
      w->cur++;
      return 0;
    case 't':
      return parse_word(w, "true", JSON_TYPE_TRUE);
    case 'f':
      return parse_word(w, "false", JSON_TYPE_FALSE);
    case 'n':
      return parse_word(w, "null", JSON_TYPE_NULL);
    default:
      if (c == '-' || is_digit(c)) return parse_number(w);
      return unexpected(c);
  }
}

int json_walk_args(const char *s, int len, const struct frozen_args *args) {
  struct walker w;
  if (s == NULL || len < 0) return JSON_STRING_INVALID;
  memset(&w, 0, sizeof(w));
  w.cur = s;
  w.end = s + len;
  w.callback = args->callback;
  w.callback_data = args->callback_data;
  w.depth_left = args->limit > 0 && args->limit < JSON_MAX_DEPTH
                     ? args->limit
                     : JSON_MAX_DEPTH;
  TRY(parse_value(&w));
  return (int) (w.cur - s);
}

int json_walk(const char *s, int len, json_walk_callback_t callback,
              void *callback_data) {
  struct frozen_args args;
  INIT_FROZEN_ARGS(&args);
  args.callback = callback;
  args.callback_data = callback_data;
  return json_walk_args(s, len, &args);
}
