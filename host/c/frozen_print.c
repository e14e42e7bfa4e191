/*
 * The JSON printer of frozen.h: json_printf and related functions, escaping, and printing to
 * buffers and files. The C library formats what is not JSON; C arrays are in frozen_array.c.
 */
#include "common/cs_base64.h"
#include "common/mbuf.h"
#include "common/str_util.h"
#include "frozen.h"

static int put(struct json_out *out, const char *s, size_t len) {
  return out->printer(out, s, len);
}

int json_printer_buf(struct json_out *out, const char *s, size_t len) {
  size_t room = out->u.buf.size - out->u.buf.len;
  size_t n = MIN(len, room);
  if (n > 0) memcpy(out->u.buf.buf + out->u.buf.len, s, n);
  out->u.buf.len += n;
  if (out->u.buf.size > 0) {
    /* When full, the NUL replaces the last byte. */
    out->u.buf.buf[MIN(out->u.buf.len, out->u.buf.size - 1)] = '\0';
  }
  return (int) len;
}

int json_printer_file(struct json_out *out, const char *s, size_t len) {
  return (int) fwrite(s, 1, len, out->u.fp);
}

int json_escape(struct json_out *out, const char *str, size_t str_len) {
  static const char specials[] = "\"\\\b\f\n\r\t";
  static const char letters[] = "\"\\bfnrt";
  size_t i, plain = 0; /* str[plain ... i) needs no escape */
  int n = 0;
  for (i = 0; i < str_len; i++) {
    unsigned char c = (unsigned char) str[i];
    const char *special = c == '\0' ? NULL : strchr(specials, c);
    char esc[8];
    /* From 0x80 on it is UTF-8, which JSON accepts as is. */
    if (special == NULL && c >= ' ' && c != 0x7f) continue;
    if (i > plain) n += put(out, str + plain, i - plain);
    plain = i + 1;
    if (special != NULL) {
      snprintf(esc, sizeof(esc), "\\%c", letters[special - specials]);
    } else {
      snprintf(esc, sizeof(esc), "\\u%04x", c);
    }
    n += put(out, esc, strlen(esc));
  }
  if (i > plain) n += put(out, str + plain, i - plain);
  return n;
}

static int put_quoted(struct json_out *out, const char *s, size_t len) {
  int n = put(out, "\"", 1);
  n += json_escape(out, s, len);
  return n + put(out, "\"", 1);
}

static int put_hex(struct json_out *out, const unsigned char *p, int len) {
  char hex[3];
  int i, n = put(out, "\"", 1);
  for (i = 0; i < len; i++) {
    cs_to_hex(hex, p + i, 1);
    n += put(out, hex, 2);
  }
  return n + put(out, "\"", 1);
}

static int put_base64(struct json_out *out, const unsigned char *p, int len) {
  char group[5];
  int i, n = put(out, "\"", 1);
  for (i = 0; i < len; i += 3) {
    cs_base64_encode(p + i, MIN(len - i, 3), group, NULL);
    n += put(out, group, 4);
  }
  return n + put(out, "\"", 1);
}

/* A parsed conversion of the format. */
struct conversion {
  char spec[48];   /* for the C library, numbers in place of '*' */
  char length[3];  /* "", "h", "hh", "l", "ll", "j", "z", "t", "L" */
  char type;       /* the letter at the end, '\0' if there is none */
  bool plain;      /* flags between % and length */
  int precision;   /* -1 if not given */
  size_t consumed; /* length in the format */
};

/* A number or '*'. */
static int parse_number(const char **p, va_list *ap) {
  int n = 0;
  if (**p == '*') {
    (*p)++;
    return va_arg(*ap, int);
  }
  for (; **p >= '0' && **p <= '9'; (*p)++) {
    n = MIN(n * 10 + (**p - '0'), 1000000);
  }
  return n;
}

/* `fmt` points at the '%'. Takes the arguments of '*' from *ap. */
static void parse_conversion(const char *fmt, va_list *ap,
                             struct conversion *c) {
  const char *p = fmt + 1, *start;
  char flags[6] = "", num[16] = "", prec[16] = "";
  size_t n;
  memset(c, 0, sizeof(*c));
  c->precision = -1;
  start = p;
  n = strspn(p, "-+ #0");
  memcpy(flags, p, MIN(n, sizeof(flags) - 1));
  p += n;
  if (*p == '*' || (*p >= '1' && *p <= '9')) {
    /* A negative width becomes the flag '-' and the width. */
    snprintf(num, sizeof(num), "%d", parse_number(&p, ap));
  }
  if (*p == '.') {
    p++;
    c->precision = parse_number(&p, ap);
    if (c->precision >= 0) {
      snprintf(prec, sizeof(prec), ".%d", c->precision);
    }
  }
  c->plain = p == start;
  n = strspn(p, "hlLjzt");
  memcpy(c->length, p, MIN(n, sizeof(c->length) - 1));
  p += n;
  c->type = *p;
  if (c->type != '\0') p++;
  c->consumed = (size_t) (p - fmt);
  if (c->type == 's' || c->type == 'c') c->length[0] = '\0'; /* not wide */
  snprintf(c->spec, sizeof(c->spec), "%%%s%s%s%s%c", flags, num, prec,
           c->length, c->type);
}

/* Passes a conversion to the C library, with an argument of its type. */
static int put_printf(struct json_out *out, const struct conversion *c,
                      va_list *ap) {
  char small[64], *text = small;
  const size_t size = sizeof(small);
  const char *spec = c->spec, l = c->length[0];
  int n = -1;
  switch (c->type) {
    case 'd':
    case 'i':
      if (strcmp(c->length, "ll") == 0) {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, long long));
      } else if (l == 'l') {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, long));
      } else if (l == 'j') {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, intmax_t));
      } else if (l == 'z' || l == 't') {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, ptrdiff_t));
      } else {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, int));
      }
      break;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
      if (strcmp(c->length, "ll") == 0) {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, unsigned long long));
      } else if (l == 'l') {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, unsigned long));
      } else if (l == 'j') {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, uintmax_t));
      } else if (l == 'z' || l == 't') {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, size_t));
      } else {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, unsigned));
      }
      break;
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
      if (l == 'L') {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, long double));
      } else {
        n = mg_asprintf(&text, size, spec, va_arg(*ap, double));
      }
      break;
    case 'c':
      n = mg_asprintf(&text, size, spec, va_arg(*ap, int));
      break;
    case 's':
      n = mg_asprintf(&text, size, spec, va_arg(*ap, const char *));
      break;
    case 'p':
      n = mg_asprintf(&text, size, spec, va_arg(*ap, void *));
      break;
    default: /* unknown conversion: no argument either */
      break;
  }
  n = n > 0 ? put(out, text, (size_t) n) : 0;
  if (text != small) free(text);
  return n;
}

/* The conversion at `*fmt`; moves `*fmt` behind it. */
static int put_conversion(struct json_out *out, const char **fmt,
                          va_list *ap) {
  struct conversion c;
  const char *p;
  size_t tail;
  int n = 0, len;
  parse_conversion(*fmt, ap, &c);
  *fmt += c.consumed;
  switch (c.type) {
    case '\0':
      return 0;
    case '%':
      return put(out, "%", 1);
    case 'B':
      return va_arg(*ap, int) ? put(out, "true", 4) : put(out, "false", 5);
    case 'Q':
      p = va_arg(*ap, const char *);
      if (p == NULL) return put(out, "null", 4);
      return put_quoted(out, p,
                        c.precision < 0 ? strlen(p) : (size_t) c.precision);
    case 'H':
      len = va_arg(*ap, int);
      p = va_arg(*ap, const char *);
      return put_hex(out, (const unsigned char *) p, len);
    case 'V':
      p = va_arg(*ap, const char *);
      len = va_arg(*ap, int);
      return put_base64(out, (const unsigned char *) p, len);
    case 'M':
      return va_arg(*ap, json_printf_callback_t)(out, ap);
    default:
      n = put_printf(out, &c, ap);
  }
  /* frozen treats letters that might belong to a conversion as part of it, so that they are not
   * quoted: "%ds" prints 5s. It knows "%lld", "%llu" and "%zu" as they are. */
  if ((c.plain && strcmp(c.length, "ll") == 0) ||
      (c.plain && strcmp(c.spec, "%zu") == 0)) {
    return n;
  }
  tail = strspn(*fmt, "sdfFeEgGlhuIcx.*-0123456789");
  if (tail > 0) n += put(out, *fmt, tail);
  *fmt += tail;
  return n;
}

int json_vprintf(struct json_out *out, const char *fmt, va_list xap) {
  int n = 0;
  va_list ap;
  va_copy(ap, xap); /* its address is needed, and xap may be an array type */
  while (*fmt != '\0') {
    size_t len = 0;
    if (*fmt == '%') {
      n += put_conversion(out, &fmt, &ap);
      continue;
    }
    /* A name: a letter or '_', then also digits. */
    if (isalpha((unsigned char) *fmt) || *fmt == '_') {
      while (isalnum((unsigned char) fmt[len]) || fmt[len] == '_') len++;
      n += put(out, "\"", 1);
      n += put(out, fmt, len);
      n += put(out, "\"", 1);
    } else {
      len = 1;
      n += put(out, fmt, 1);
    }
    fmt += len;
  }
  va_end(ap);
  return n;
}

int json_printf(struct json_out *out, const char *fmt, ...) {
  va_list ap;
  int n;
  va_start(ap, fmt);
  n = json_vprintf(out, fmt, ap);
  va_end(ap);
  return n;
}

/* ---- To memory and to files ---- */

struct growing_text {
  struct mbuf mb;
  bool failed;
};

static int growing_printer(struct json_out *out, const char *s, size_t len) {
  struct growing_text *t = (struct growing_text *) out->u.data;
  if (len > 0 && mbuf_append(&t->mb, s, len) == 0) t->failed = true;
  return (int) len;
}

char *json_vasprintf(const char *fmt, va_list ap) {
  struct growing_text t;
  struct json_out out;
  memset(&t, 0, sizeof(t));
  memset(&out, 0, sizeof(out));
  out.printer = growing_printer;
  out.u.data = &t;
  json_vprintf(&out, fmt, ap);
  growing_printer(&out, "", 1); /* the NUL */
  if (t.failed) mbuf_free(&t.mb);
  return t.mb.buf;
}

char *json_asprintf(const char *fmt, ...) {
  va_list ap;
  char *s;
  va_start(ap, fmt);
  s = json_vasprintf(fmt, ap);
  va_end(ap);
  return s;
}

int json_vfprintf(const char *file_name, const char *fmt, va_list ap) {
  struct json_out out = JSON_OUT_FILE(fopen(file_name, "wb"));
  int n;
  if (out.u.fp == NULL) return -1;
  n = json_vprintf(&out, fmt, ap);
  fputc('\n', out.u.fp);
  if (fclose(out.u.fp) != 0) n = -1;
  return n;
}

int json_fprintf(const char *file_name, const char *fmt, ...) {
  va_list ap;
  int n;
  va_start(ap, fmt);
  n = json_vfprintf(file_name, fmt, ap);
  va_end(ap);
  return n;
}
