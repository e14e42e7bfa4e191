/*
 * Strings with a length, common/mg_str.h. All functions accept {NULL, 0} as empty string.
 */
#include "common/mg_str.h"

#include "common/mg_mem.h"
#include "common/str_util.h"

struct mg_str mg_mk_str(const char *s) {
  return mg_mk_str_n(s, s == NULL ? 0 : strlen(s));
}

struct mg_str mg_mk_str_n(const char *s, size_t len) {
  struct mg_str r;
  r.p = s;
  r.len = len;
  return r;
}

/* The result of a comparison when the common part is equal. */
static int by_length(size_t a, size_t b) {
  if (a == b) return 0;
  if (a > b) return a - b > INT_MAX ? INT_MAX : (int) (a - b);
  return b - a > INT_MAX ? -INT_MAX : -(int) (b - a);
}

int mg_vcmp(const struct mg_str *str, const char *cstr) {
  size_t n = strlen(cstr), common = MIN(str->len, n);
  int r = common == 0 ? 0 : strncmp(str->p, cstr, common);
  return r != 0 ? r : by_length(str->len, n);
}

int mg_vcasecmp(const struct mg_str *str, const char *cstr) {
  size_t n = strlen(cstr), common = MIN(str->len, n);
  int r = common == 0 ? 0 : mg_ncasecmp(str->p, cstr, common);
  return r != 0 ? r : by_length(str->len, n);
}

/* Bytes compare as `char`, signed or not depending on the platform. */
static int compare(struct mg_str a, struct mg_str b, bool fold) {
  size_t i, common = MIN(a.len, b.len);
  for (i = 0; i < common; i++) {
    int ca = fold ? tolower((unsigned char) a.p[i]) : a.p[i];
    int cb = fold ? tolower((unsigned char) b.p[i]) : b.p[i];
    if (ca != cb) return ca < cb ? -1 : 1;
  }
  if (a.len == b.len) return 0;
  return a.len < b.len ? -1 : 1;
}

int mg_strcmp(const struct mg_str a, const struct mg_str b) {
  return compare(a, b, false);
}

int mg_strncmp(const struct mg_str a, const struct mg_str b, size_t n) {
  return compare(mg_mk_str_n(a.p, MIN(a.len, n)),
                 mg_mk_str_n(b.p, MIN(b.len, n)), false);
}

int mg_strcasecmp(const struct mg_str a, const struct mg_str b) {
  return compare(a, b, true);
}

static struct mg_str duplicate(struct mg_str s, size_t room_behind) {
  char *p = NULL;
  if (s.p != NULL && s.len > 0 && s.len <= SIZE_MAX - room_behind) {
    p = (char *) MG_MALLOC(s.len + room_behind);
  }
  if (p == NULL) return mg_mk_str(NULL);
  memcpy(p, s.p, s.len);
  if (room_behind > 0) p[s.len] = '\0';
  return mg_mk_str_n(p, s.len);
}

struct mg_str mg_strdup(const struct mg_str s) {
  return duplicate(s, 0);
}

struct mg_str mg_strdup_nul(const struct mg_str s) {
  return duplicate(s, 1);
}

void mg_strfree(struct mg_str *s) {
  MG_FREE((void *) s->p);
  *s = mg_mk_str(NULL);
}

const char *mg_strchr(const struct mg_str s, int c) {
  return s.len == 0 ? NULL : (const char *) memchr(s.p, c, s.len);
}

const char *mg_strstr(const struct mg_str haystack,
                      const struct mg_str needle) {
  size_t i;
  if (needle.len == 0) return haystack.p;
  for (i = 0; haystack.len - i >= needle.len; i++) {
    if (memcmp(haystack.p + i, needle.p, needle.len) == 0) {
      return haystack.p + i;
    }
  }
  return NULL;
}

struct mg_str mg_strstrip(struct mg_str s) {
  while (s.len > 0 && isspace((unsigned char) s.p[0])) {
    s.p++;
    s.len--;
  }
  while (s.len > 0 && isspace((unsigned char) s.p[s.len - 1])) s.len--;
  return s;
}

int mg_str_starts_with(struct mg_str s, struct mg_str prefix) {
  return mg_strncmp(s, prefix, prefix.len) == 0;
}
