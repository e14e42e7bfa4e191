/*
 * json_scanf and json_unescape of frozen.h: converts JSON values to C variables. Each conversion of
 * the format parses the whole text once, looking for values at its path.
 */
#include "common/cs_base64.h"
#include "common/str_util.h"
#include "frozen.h"

int json_unescape(const char *src, int slen, char *dst, int dlen) {
  static const char letters[] = "\"\\/bfnrt";
  static const char meanings[] = "\"\\/\b\f\n\r\t";
  int i, n = 0;
  for (i = 0; i < slen; i++, n++) {
    char c = src[i];
    if (c == '\\') {
      const char *letter;
      if (++i >= slen) return JSON_STRING_INCOMPLETE;
      if (src[i] == 'u') {
        if (slen - i < 5) return JSON_STRING_INCOMPLETE;
        /* A single byte; larger code points would need an encoding. */
        if (src[i + 1] != '0' || src[i + 2] != '0') return JSON_STRING_INVALID;
        {
          char byte[2];
          cs_from_hex(byte, src + i + 3, 2);
          c = byte[0];
        }
        i += 4;
      } else {
        letter = src[i] == '\0' ? NULL : strchr(letters, src[i]);
        if (letter == NULL) return JSON_STRING_INVALID;
        c = meanings[letter - letters];
      }
    }
    if (n < dlen) dst[n] = c;
  }
  return n;
}

/* A conversion of the format. */
struct scan {
  const char *path; /* of the values to convert */
  char type;        /* letter after '%'; numbers use `fmt` */
  const char *fmt;  /* for sscanf, from '%' on */
  void *target;
  void *target2; /* %H, %V, %M have two */
  int num_conversions;
  char *allocated; /* by an earlier value with the same path */
};

static bool scan_quoted(struct scan *sc, const struct json_token *t) {
  char **dst = (char **) sc->target;
  int n = json_unescape(t->ptr, t->len, NULL, 0);
  if (n < 0) return false;
  free(sc->allocated);
  *dst = sc->allocated = NULL;
  if (t->type == JSON_TYPE_NULL) return false;
  *dst = sc->allocated = (char *) malloc((size_t) n + 1);
  if (*dst == NULL) return false;
  json_unescape(t->ptr, t->len, *dst, n);
  (*dst)[n] = '\0';
  return true;
}

/* %H and %V: a block of at most `room` bytes and a NUL, and its length. */
static bool scan_bytes(struct scan *sc, const struct json_token *t) {
  bool hex = sc->type == 'H';
  char **dst = (char **) (hex ? sc->target2 : sc->target);
  int *len = (int *) (hex ? sc->target : sc->target2);
  size_t room = (size_t) t->len / 4 * 3 + 3;
  free(sc->allocated);
  *dst = sc->allocated = (char *) malloc(room + 1);
  *len = 0;
  if (*dst == NULL) return false;
  if (hex) {
    cs_from_hex(*dst, t->ptr, (size_t) t->len);
    *len = t->len / 2;
  } else {
    cs_base64_decode((const unsigned char *) t->ptr, t->len, *dst, len);
  }
  return true;
}

static bool scan_number(struct scan *sc, const struct json_token *t) {
  const char *conv = sc->fmt + 1;
  char buf[32], *end;
  bool is_long = conv[0] == 'l';
  char type = is_long ? conv[1] : conv[0];
  if (t->len >= (int) sizeof(buf)) return false;
  memcpy(buf, t->ptr, (size_t) t->len);
  buf[t->len] = '\0';
  if (type == 'd' || conv[0] == 'i') {
    long v = strtol(buf, &end, 0);
    if (*end != '\0') return false;
    if (is_long) {
      *(long *) sc->target = v;
    } else {
      *(int *) sc->target = (int) v;
    }
    return true;
  }
  if (type == 'u') {
    unsigned long v = strtoul(buf, &end, 0);
    if (*end != '\0') return false;
    if (is_long) {
      *(unsigned long *) sc->target = v;
    } else {
      *(unsigned *) sc->target = (unsigned) v;
    }
    return true;
  }
  return sscanf(buf, sc->fmt, sc->target) > 0;
}

static void scan_cb(void *data, const char *name, size_t name_len,
                    const char *path, const struct json_token *t) {
  struct scan *sc = (struct scan *) data;
  bool done = true;
  (void) name;
  (void) name_len;
  /* The text of an object or array comes with its end. */
  if (t->ptr == NULL || strcmp(path, sc->path) != 0) return;
  switch (sc->type) {
    case 'B':
      *(bool *) sc->target = t->type == JSON_TYPE_TRUE;
      break;
    case 'T':
      *(struct json_token *) sc->target = *t;
      break;
    case 'M': {
      json_scanner_t scanner;
      memcpy(&scanner, &sc->target, sizeof(scanner));
      scanner(t->ptr, t->len, sc->target2);
      break;
    }
    case 'Q':
      done = scan_quoted(sc, t);
      break;
    case 'H':
    case 'V':
      done = scan_bytes(sc, t);
      break;
    default:
      done = scan_number(sc, t);
  }
  if (done) sc->num_conversions++;
}

/* The path at this point of the format. Fails if it gets too long, as no value can match. */
struct path {
  char text[JSON_MAX_PATH_LEN];
  bool too_long;
};

static void path_append(struct path *p, const char *s, size_t n) {
  size_t len = strlen(p->text);
  if (n >= sizeof(p->text) - len) {
    p->too_long = true;
    return;
  }
  memcpy(p->text + len, s, n);
  p->text[len + n] = '\0';
}

/* Truncates the path at its last dot; keeps the dot if `keep`. */
static void path_cut(struct path *p, bool keep) {
  char *dot = strrchr(p->text, '.');
  if (dot != NULL) dot[keep ? 1 : 0] = '\0';
}

int json_vscanf(const char *s, int len, const char *fmt, va_list ap) {
  struct path path;
  int num_conversions = 0;
  memset(&path, 0, sizeof(path));
  while (*fmt != '\0') {
    if (*fmt == '{') {
      path_append(&path, ".", 1);
      fmt++;
    } else if (*fmt == '}') {
      path_cut(&path, false);
      fmt++;
    } else if (*fmt == '%') {
      struct scan sc;
      char conv[32];
      size_t n = 2;
      memset(&sc, 0, sizeof(sc));
      sc.path = path.text;
      sc.type = fmt[1];
      sc.target = va_arg(ap, void *);
      if (sc.type == '\0') break;
      if (strchr("MVH", sc.type) != NULL) sc.target2 = va_arg(ap, void *);
      if (strchr("MVHBQT", sc.type) == NULL) {
        /* The conversion ends where the next item in the format starts. */
        static const char ends[] = ", \t\r\n]}";
        n = 1 + strcspn(fmt + 1, ", \t\r\n]}%");
        snprintf(conv, sizeof(conv), "%.*s", (int) n, fmt);
        sc.fmt = conv;
        sc.type = '\0';
        /* As in frozen: white space or a comma here hides the closing braces behind it. */
        if (fmt[n] != '}') n += strspn(fmt + n, ends);
      }
      if (!path.too_long) json_walk(s, len, scan_cb, &sc);
      num_conversions += sc.num_conversions;
      fmt += n;
    } else if (isalpha((unsigned char) *fmt) || (unsigned char) *fmt >= 0x80) {
      static const char ends[] = ": \r\n\t";
      size_t n = strcspn(fmt, ends);
      path_cut(&path, true);
      path_append(&path, fmt, n);
      fmt += n + strspn(fmt + n, ends);
    } else {
      fmt++;
    }
  }
  return num_conversions;
}

int json_scanf(const char *str, int len, const char *fmt, ...) {
  va_list ap;
  int n;
  va_start(ap, fmt);
  n = json_vscanf(str, len, fmt, ap);
  va_end(ap);
  return n;
}
