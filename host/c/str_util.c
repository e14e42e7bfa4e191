/*
 * The text helpers of common/str_util.h, based on the C library's printf family.
 */
#include "common/str_util.h"

size_t c_strnlen(const char *s, size_t maxlen) {
  const char *end = maxlen == 0 ? s : (const char *) memchr(s, '\0', maxlen);
  return end == NULL ? maxlen : (size_t) (end - s);
}

int c_vsnprintf(char *buf, size_t buf_size, const char *format, va_list ap) {
  return vsnprintf(buf, buf_size, format, ap);
}

int c_snprintf(char *buf, size_t buf_size, const char *format, ...) {
  va_list ap;
  int n;
  va_start(ap, format);
  n = vsnprintf(buf, buf_size, format, ap);
  va_end(ap);
  return n;
}

const char *c_strnstr(const char *s, const char *find, size_t slen) {
  /* Without bytes nothing is found, not even "". */
  return slen == 0 ? NULL : mg_strstr(mg_mk_str_n(s, slen), mg_mk_str(find));
}

void cs_to_hex(char *to, const unsigned char *p, size_t len) {
  static const char digits[] = "0123456789abcdef";
  size_t i;
  for (i = 0; i < len; i++) {
    *to++ = digits[p[i] >> 4];
    *to++ = digits[p[i] & 15];
  }
  *to = '\0';
}

static int hex_digit(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = tolower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

void cs_from_hex(char *to, const char *p, size_t len) {
  size_t i;
  for (i = 0; i + 1 < len; i += 2) {
    *to++ = (char) (hex_digit((unsigned char) p[i]) << 4 |
                    hex_digit((unsigned char) p[i + 1]));
  }
  *to = '\0';
}

int64_t cs_to64(const char *s) {
  return strtoll(s, NULL, 10);
}

int mg_ncasecmp(const char *s1, const char *s2, size_t len) {
  size_t i;
  for (i = 0; i < len; i++) {
    int d = tolower((unsigned char) s1[i]) - tolower((unsigned char) s2[i]);
    if (d != 0 || s1[i] == '\0') return d;
  }
  return 0;
}

int mg_casecmp(const char *s1, const char *s2) {
  return mg_ncasecmp(s1, s2, SIZE_MAX);
}

int mg_avprintf(char **buf, size_t size, const char *fmt, va_list ap) {
  va_list again;
  int len;
  va_copy(again, ap);
  len = vsnprintf(*buf, size, fmt, ap);
  if (len < 0) {
    *buf = NULL;
  } else if ((size_t) len >= size) {
    *buf = (char *) MG_MALLOC((size_t) len + 1);
    len = *buf == NULL ? -1 : vsnprintf(*buf, (size_t) len + 1, fmt, again);
  }
  va_end(again);
  return len;
}

int mg_asprintf(char **buf, size_t size, const char *fmt, ...) {
  va_list ap;
  int len;
  va_start(ap, fmt);
  len = mg_avprintf(buf, size, fmt, ap);
  va_end(ap);
  return len;
}

/* A "key" or "key=value" up to `separator`; returns what follows it. */
static struct mg_str next_entry(struct mg_str list, char separator,
                                struct mg_str *val, struct mg_str *eq_val) {
  const char *sep, *eq;
  if (list.len == 0) return mg_mk_str(NULL);
  sep = mg_strchr(list, separator);
  *val = mg_mk_str_n(list.p, sep == NULL ? list.len : (size_t) (sep - list.p));
  if (eq_val != NULL) {
    *eq_val = mg_mk_str(NULL);
    if ((eq = mg_strchr(*val, '=')) != NULL) {
      *eq_val = mg_mk_str_n(eq + 1, (size_t) (val->p + val->len - (eq + 1)));
      val->len = (size_t) (eq - val->p);
    }
  }
  if (sep == NULL) return mg_mk_str_n(list.p + list.len, 0);
  return mg_mk_str_n(sep + 1, (size_t) (list.p + list.len - (sep + 1)));
}

struct mg_str mg_next_comma_list_entry_n(struct mg_str list, struct mg_str *val,
                                         struct mg_str *eq_val) {
  return next_entry(list, ',', val, eq_val);
}

const char *mg_next_comma_list_entry(const char *list, struct mg_str *val,
                                     struct mg_str *eq_val) {
  return next_entry(mg_mk_str(list), ',', val, eq_val).p;
}

struct mg_str mg_next_query_string_entry_n(struct mg_str list,
                                           struct mg_str *val,
                                           struct mg_str *eq_val) {
  return next_entry(list, '&', val, eq_val);
}

/* A pattern without alternatives. Returns the number of bytes matched; a pattern longer than the
 * string does not match, not even with a trailing star. */
static size_t match_one(struct mg_str pat, struct mg_str str) {
  size_t i, run;
  for (i = 0; i < pat.len && i < str.len && pat.p[i] != '*'; i++) {
    if (pat.p[i] != '?' && tolower((unsigned char) pat.p[i]) !=
                               tolower((unsigned char) str.p[i])) {
      break;
    }
  }
  if (i < str.len && i < pat.len && pat.p[i] == '*') {
    struct mg_str rest = mg_mk_str_n(pat.p + i + 1, pat.len - i - 1);
    if (rest.len > 0 && rest.p[0] == '*') {
      rest = mg_mk_str_n(rest.p + 1, rest.len - 1);
      run = str.len - i;
    } else {
      const char *slash = mg_strchr(mg_mk_str_n(str.p + i, str.len - i), '/');
      run = slash == NULL ? str.len - i : (size_t) (slash - str.p) - i;
    }
    if (rest.len == 0 || mg_vcmp(&rest, "$") == 0) return i + run;
    /* The longest run for which the rest matches. */
    for (;; run--) {
      size_t n = match_one(
          rest, mg_mk_str_n(str.p + i + run, str.len - i - run));
      if (n > 0) return i + run + n;
      if (run == 0) return 0;
    }
  }
  if (i < pat.len && pat.p[i] == '$') return i == str.len ? i : 0;
  return i == pat.len ? i : 0;
}

size_t mg_match_prefix_n(const struct mg_str pattern, const struct mg_str str) {
  size_t from = 0, to = 0;
  for (;; to++) {
    if (to == pattern.len || pattern.p[to] == '|' || pattern.p[to] == ',') {
      size_t n = match_one(mg_mk_str_n(pattern.p + from, to - from), str);
      if (n > 0 || to == pattern.len) return n;
      from = to + 1;
    }
  }
}

size_t mg_match_prefix(const char *pattern, int pattern_len, const char *str) {
  size_t len = pattern_len < 0 ? 0 : (size_t) pattern_len;
  return mg_match_prefix_n(mg_mk_str_n(pattern, len), mg_mk_str(str));
}
