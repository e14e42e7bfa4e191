/*
 * Strings with a length, mg_str.h: comparing, searching, copying. Other text helpers are in
 * test_text.c.
 */
#include "common/mg_str.h"
#include "test.h"

static int sign(int x) {
  return (x > 0) - (x < 0);
}

static void comparing(void) {
  static const struct {
    const char *a, *b;
    int vcmp, vcasecmp, strcmp3, strncmp2;
  } rows[] = {
      {"", "", 0, 0, 0, 0},      {"abc", "abc", 0, 0, 0, 0},
      {"abc", "abd", -1, -1, -1, 0}, {"b", "abc", 1, 1, 1, 1},
      {"ab", "abc", -1, -1, -1, 0},  {"abc", "ab", 1, 1, 1, 0},
      {"", "a", -1, -1, -1, -1},     {"a", "", 1, 1, 1, 1},
      {"ABC", "abc", -1, 0, -1, -1}, {"abC", "ABc", 1, 0, 1, 1},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    size_t len = strlen(rows[i].a);
    char *p = exact_copy(rows[i].a, len);
    struct mg_str a = mg_mk_str_n(p, len), b = mg_mk_str(rows[i].b);
    CHECK_ROW_INT(rows[i].a, sign(mg_vcmp(&a, rows[i].b)), rows[i].vcmp);
    CHECK_ROW_INT(rows[i].a, sign(mg_vcasecmp(&a, rows[i].b)),
                  rows[i].vcasecmp);
    CHECK_ROW_INT(rows[i].a, mg_strcmp(a, b), rows[i].strcmp3);
    CHECK_ROW_INT(rows[i].a, mg_strncmp(a, b, 2), rows[i].strncmp2);
    CHECK_ROW_INT(rows[i].a, mg_strcasecmp(a, b), rows[i].vcasecmp);
    free(p);
  }
  {
    struct mg_str null = MG_NULL_STR, a = MG_MK_STR("a\0b");
    CHECK_INT(mg_vcmp(&null, ""), 0);
    CHECK_INT(mg_vcmp(&null, "abc"), -3);
    CHECK_INT(mg_strcmp(null, null), 0);
    CHECK_INT(a.len, 3);
    CHECK_INT(mg_strcmp(a, mg_mk_str_n("a\0c", 3)), -1);
    CHECK_INT(mg_vcmp(&a, "a"), 2);
  }
}

static void copying(void) {
  struct mg_str s = MG_MK_STR_N("abcdef", 3), c;
  c = mg_strdup(s);
  CHECK_MGSTR(c, "abc");
  CHECK(c.p != s.p);
  mg_strfree(&c);
  CHECK(c.p == NULL && c.len == 0);
  mg_strfree(&c);
  c = mg_strdup_nul(s);
  CHECK_STR(c.p, "abc");
  CHECK_INT(c.len, 3);
  mg_strfree(&c);
  c = mg_strdup_nul(mg_mk_str(""));
  CHECK(c.p == NULL && c.len == 0);
  c = mg_mk_str(NULL);
  CHECK(c.p == NULL && c.len == 0);
  c = mg_strdup(c);
  CHECK(c.p == NULL && c.len == 0);
}

static void finding(void) {
  struct mg_str s = MG_MK_STR_N("hello world, hello", 12);
  CHECK(mg_strchr(s, 'w') == s.p + 6);
  CHECK(mg_strchr(s, ',') == s.p + 11);
  CHECK(mg_strchr(s, '\0') == NULL);
  CHECK(mg_strchr(mg_mk_str(NULL), 'x') == NULL);
  CHECK(mg_strstr(s, mg_mk_str("world")) == s.p + 6);
  CHECK(mg_strstr(s, mg_mk_str("hello")) == s.p);
  CHECK(mg_strstr(s, mg_mk_str(", h")) == NULL);
  CHECK(mg_strstr(s, mg_mk_str("")) == s.p);
  CHECK(mg_strstr(s, s) == s.p);
  CHECK(mg_strstr(mg_mk_str("ab"), s) == NULL);
  CHECK(mg_str_starts_with(s, mg_mk_str("hell")));
  CHECK(mg_str_starts_with(s, mg_mk_str("")));
  CHECK(!mg_str_starts_with(s, mg_mk_str("Hell")));
  CHECK(!mg_str_starts_with(mg_mk_str("he"), s));
  CHECK_MGSTR(mg_strstrip(mg_mk_str(" \t a b \r\n")), "a b");
  CHECK_INT(mg_strstrip(mg_mk_str(" \n ")).len, 0);
  CHECK_INT(mg_strstrip(mg_mk_str(NULL)).len, 0);
}

void test_str(void) {
  comparing();
  copying();
  finding();
}
