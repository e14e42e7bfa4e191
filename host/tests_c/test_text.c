/*
 * The text helpers of str_util.h: growing printf, comma lists, glob patterns, hex. Strings with a
 * length are in test_str.c.
 */
#include "common/str_util.h"
#include "test.h"

static void printing(void) {
  char buf[8], *p = buf;
  CHECK_INT(mg_asprintf(&p, sizeof(buf), "%s-%d", "ab", 12), 5);
  CHECK(p == buf);
  CHECK_STR(p, "ab-12");
  CHECK_INT(mg_asprintf(&p, sizeof(buf), "%s", "1234567"), 7);
  CHECK(p == buf);
  CHECK_INT(mg_asprintf(&p, sizeof(buf), "%s", "12345678"), 8);
  CHECK(p != buf);
  CHECK_STR(p, "12345678");
  free(p);
  p = NULL;
  CHECK_INT(mg_asprintf(&p, 0, "%05.1f|%.*s", 2.25, 2, "xyz"), 8);
  CHECK_STR(p, "002.2|xy");
  free(p);
  CHECK_INT(c_snprintf(buf, sizeof(buf), "%s", "123456789"), 9);
  CHECK_STR(buf, "1234567");
  CHECK_INT(c_strnlen("abc", 2), 2);
  CHECK_INT(c_strnlen("abc", 9), 3);
  CHECK_INT(c_strnlen("abc", 0), 0);
}

static void lists(void) {
  struct mg_str k, v, rest = mg_mk_str("a=1,bb,=x,c=,,d=e=f,");
  static const char *const want[][2] = {{"a", "1"}, {"bb", NULL}, {"", "x"},
                                        {"c", ""},  {"", NULL},   {"d", "e=f"}};
  size_t i = 0;
  while ((rest = mg_next_comma_list_entry_n(rest, &k, &v)).p != NULL) {
    CHECK(i < ARRAY_SIZE(want));
    if (i >= ARRAY_SIZE(want)) break;
    CHECK_MGSTR(k, want[i][0]);
    if (want[i][1] == NULL) {
      CHECK(v.p == NULL && v.len == 0);
    } else {
      CHECK_MGSTR(v, want[i][1]);
    }
    i++;
  }
  CHECK_INT(i, ARRAY_SIZE(want));
  CHECK(mg_next_comma_list_entry(NULL, &k, &v) == NULL);
  CHECK(mg_next_comma_list_entry("", &k, &v) == NULL);
  CHECK_STR(mg_next_comma_list_entry("x=y,z", &k, NULL), "z");
  CHECK_MGSTR(k, "x=y");
  rest = mg_next_query_string_entry_n(mg_mk_str("a=1,2&b=3"), &k, &v);
  CHECK_MGSTR(k, "a");
  CHECK_MGSTR(v, "1,2");
  CHECK_MGSTR(rest, "b=3");
}

static void patterns(void) {
  static const struct {
    const char *pattern, *str;
    int want;
  } rows[] = {
      {"a*f", "abcdefgh", 6},    {"a*f", "abcdexgh", 0},
      {"a*f|de*,xy", "defgh", 5}, {"?*", "abc", 3},
      {"?*", "", 0},             {"/a/", "/a/b/c", 3},
      {"/a/*", "/a/b/c", 4},     {"/a/**", "/a/b/c", 6},
      {"/*/c", "/a/b/c", 0},     {"/**/c", "/a/b/c", 6},
      {"**.c$", "/x/mg.c", 7},   {"**.c$", "/x/mg.cc", 0},
      {"*$", "abc", 3},          {"a?c", "abc", 3},
      {"ABC", "abcd", 3},        {"", "abc", 0},
      {"abc", "ab", 0},          {"x|y|z", "z", 1},
      {"a*", "a", 0},            {"a$", "a", 1},
      {"a$", "ab", 0},           {"**", "a/b", 3},
      {"a**b*c", "axxbyybzzc", 10}, {",", "x", 0},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    size_t n = strlen(rows[i].str), m = strlen(rows[i].pattern);
    char *s = exact_copy(rows[i].str, n), *p = exact_copy(rows[i].pattern, m);
    CHECK_ROW_INT(rows[i].pattern,
                  mg_match_prefix_n(mg_mk_str_n(p, m), mg_mk_str_n(s, n)),
                  rows[i].want);
    CHECK_ROW_INT(rows[i].pattern,
                  mg_match_prefix(p, (int) m, rows[i].str), rows[i].want);
    free(s);
    free(p);
  }
}

static void the_rest(void) {
  char hex[16];
  const char *s = "abcabd";
  cs_to_hex(hex, (const unsigned char *) "\x00\x7f\xff", 3);
  CHECK_STR(hex, "007fff");
  cs_from_hex(hex, "616B6", 5);
  CHECK_STR(hex, "ak");
  CHECK(c_strnstr(s, "abd", 6) == s + 3);
  CHECK(c_strnstr(s, "abd", 5) == NULL);
  CHECK(c_strnstr(s, "", 1) == s);
  CHECK(c_strnstr(s, "", 0) == NULL);
  CHECK_INT(mg_casecmp("FooBar", "fOObAR"), 0);
  CHECK(mg_casecmp("a", "B") < 0);
  CHECK(mg_casecmp("ab", "a") > 0);
  CHECK_INT(mg_ncasecmp("abX", "ABy", 2), 0);
  CHECK(mg_ncasecmp("abX", "ABy", 3) < 0);
  CHECK_INT(cs_to64(" -9000000000x"), -9000000000LL);
  CHECK_STR(CS_STRINGIFY_MACRO(LL_MAX_TEST), "LL_MAX_TEST");
  CHECK_INT(to64("77"), 77);
  CHECK_INT(ARRAY_SIZE(hex), 16);
}

void test_text(void) {
  printing();
  lists();
  patterns();
  the_rest();
}
