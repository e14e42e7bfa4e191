/*
 * Printing JSON: json_printf and related functions, into buffers, strings and files. Changing JSON
 * is in test_json_edit.c.
 */
#include "common/cs_file.h"
#include "common/json_utils.h"
#include "frozen.h"
#include "test.h"

/* Checks the printed text and its length. */
#define PRINTS(want, ...)                                     \
  do {                                                        \
    char print_buf[512];                                      \
    struct json_out out = JSON_OUT_BUF(print_buf, sizeof(print_buf)); \
    int print_n;                                              \
    print_buf[0] = '\0';                                      \
    print_n = json_printf(&out, __VA_ARGS__);                 \
    CHECK_STR(print_buf, want);                               \
    CHECK_INT(print_n, strlen(want));                         \
  } while (0)

static int print_point(struct json_out *out, va_list *ap) {
  int x = va_arg(*ap, int), y = va_arg(*ap, int);
  return json_printf(out, "{x: %d, y: %d}", x, y);
}

static void names_and_text(void) {
  PRINTS("", "%s", "");
  PRINTS("{\"a\": 1, \"b_2\":[2]}", "{a: %d, b_2:[%d]}", 1, 2);
  PRINTS("{\"_x\":1}", "{_x:%d}", 1);
  PRINTS("{\"t\": \"true\"}", "{t: true}"); /* a name like any other */
  PRINTS("{1\"a\":2}", "{1a:2}");
  PRINTS("[1.5, -2, \"x\"]", "[1.5, -2, %Q]", "x");
  PRINTS("{\"k\":5}", "{%Q:%d}", "k", 5);
}

static void values(void) {
  PRINTS("[true,false,true]", "[%B,%B,%B]", 1, 0, -7);
  PRINTS("\"a\\\"b\\\\c\\n\\u0001\"", "%Q", "a\"b\\c\n\x01");
  PRINTS("null", "%Q", (char *) NULL);
  PRINTS("\"abc\"", "%.*Q", 3, "abcdef");
  PRINTS("\"abcd\"", "%.4Q", "abcdef");
  PRINTS("\"ab\"", "%.*Q", -1, "ab");
  PRINTS("null", "%.*Q", 3, (char *) NULL);
  PRINTS("\"616200ff\"", "%H", 4, "ab\0\xff");
  PRINTS("\"\"", "%H", 0, (char *) NULL);
  PRINTS("\"YWI=\"", "%V", "ab", 2);
  PRINTS("\"YWJjZGVm\"", "%V", "abcdef", 6);
  PRINTS("\"\"", "%V", (char *) NULL, 0);
  PRINTS("[{\"x\": 1, \"y\": 2},3]", "[%M,%d]", print_point, 1, 2, 3);
}

static void printf_conversions(void) {
  PRINTS("-1 -2 4294967295", "%d %i %u", -1, -2, ~0u);
  PRINTS("-5 5 -6 6", "%ld %lu %lld %llu", -5L, 5UL, -6LL, 6ULL);
  PRINTS("-9000000000 9000000000", "%" INT64_FMT " %" UINT64_FMT,
         (int64_t) -9000000000LL, (uint64_t) 9000000000ULL);
  PRINTS("7 -7 3", "%zu %zd %jd", (size_t) 7, (ptrdiff_t) -7, (intmax_t) 3);
  PRINTS("255 -1", "%hhu %hd", 255, -1);
  PRINTS("ff 0F 17", "%x %02X %o", 255, 15, 15);
  PRINTS("1.50 2.000000 1e+10", "%.2f %lf %g", 1.5, 2.0, 1e10);
  PRINTS("1.500000e+00|7", "%e|%d", 1.5, 7); /* the int is not lost */
  PRINTS("2.5|8", "%.1Lf|%d", (long double) 2.5, 8);
  PRINTS("    1|1    |00001|+1", "%5d|%-5d|%05d|%+d", 1, 1, 1, 1);
  PRINTS("   1|1   |0.50", "%*d|%*d|%.*f", 4, 1, -4, 1, 2, 0.5);
  PRINTS("foo:ba", "%s:%.*s", "foo", 2, "bar");
  PRINTS("ab|ab   |   ab", "%c%c|%-5s|%5s", 'a', 'b', "ab", "ab");
  PRINTS("100%", "100%%");
  PRINTS("5s", "%ds", 5); /* letters of conversions after one stay unquoted */
  PRINTS("5\"ms\"", "%dms", 5);
  PRINTS("\"1.2.3.4\"", "\"%d.%d.%d.%d\"", 1, 2, 3, 4);
  PRINTS("5\"k\"", "%lldk", 5LL);
  PRINTS("a text of more than sixty-four characters, for which there is no room "
         "on the stack",
         "%s",
         "a text of more than sixty-four characters, for which there is no room "
         "on the stack");
  {
    char want[32];
    snprintf(want, sizeof(want), "%p", (void *) want);
    PRINTS(want, "%p", (void *) want);
  }
}

static void arrays(void) {
  static const int ints[] = {1, -2, 3};
  static const int64_t longs[] = {1, -5000000000LL};
  static const uint8_t bytes[] = {200, 1};
  static const int16_t shorts[] = {-1, 7};
  static const double doubles[] = {1.5, 2};
  static const float floats[] = {0.5f};
  static const char *strings[] = {"a", NULL, "b\"c"};
#define ARRAY(a) (a), sizeof(a), sizeof((a)[0])
  PRINTS("[1, -2, 3]", "%M", json_printf_array, ARRAY(ints), "%d");
  PRINTS("[1, -5000000000]", "%M", json_printf_array, ARRAY(longs), "%lld");
  PRINTS("[1, -5000000000]", "%M", json_printf_array, ARRAY(longs),
         "%" INT64_FMT);
  PRINTS("[200, 1]", "%M", json_printf_array, ARRAY(bytes), "%u");
  PRINTS("[\"c8\", \"01\"]", "%M", json_printf_array, ARRAY(bytes),
         "\"%02x\"");
  PRINTS("[-1, 7]", "%M", json_printf_array, ARRAY(shorts), "%d");
  PRINTS("[1.5, 2.0]", "%M", json_printf_array, ARRAY(doubles), "%.1f");
  PRINTS("[0.50]", "%M", json_printf_array, ARRAY(floats), "%.2f");
  PRINTS("[\"a\", null, \"b\\\"c\"]", "%M", json_printf_array, ARRAY(strings),
         "%Q");
  PRINTS("[true, true]", "%M", json_printf_array, ARRAY(bytes), "%B");
  PRINTS("{\"a\":[1, -2, 3],\"b\":4}", "{a:%M,b:%d}", json_printf_array,
         ARRAY(ints), "%d", 4);
  PRINTS("[]", "%M", json_printf_array, (void *) NULL, (size_t) 8, (size_t) 4,
         "%d");
}

static void escaping(void) {
  static const struct {
    const char *s;
    size_t len;
    const char *want;
  } rows[] = {
      {"abc", 3, "abc"},
      {"\"\\/", 3, "\\\"\\\\/"},
      {"\b\f\n\r\t", 5, "\\b\\f\\n\\r\\t"},
      {"\0\x01\x0b\x10\x1f\x7f", 6, "\\u0000\\u0001\\u000b\\u0010\\u001f\\u007f"},
      {"\xd0\x96\xe2\x82\xac\xf0\x9f\x98\x80", 9,
       "\xd0\x96\xe2\x82\xac\xf0\x9f\x98\x80"},
      {"a\xd0", 2, "a\xd0"}, /* a truncated character: no read beyond it */
      {"\xd0\"", 2, "\xd0\\\""},
      {"", 0, ""},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    char buf[64] = "", *s = exact_copy(rows[i].s, rows[i].len);
    struct json_out out = JSON_OUT_BUF(buf, sizeof(buf));
    CHECK_INT(json_escape(&out, s, rows[i].len), strlen(rows[i].want));
    CHECK_STR(buf, rows[i].want);
    free(s);
  }
}

static void destinations(void) {
  char buf[8] = "#######", name[] = "/tmp/mgos_c_parts_XXXXXX", *s;
  struct json_out small = JSON_OUT_BUF(buf, 5), none = JSON_OUT_BUF(NULL, 0);
  struct mbuf mb;
  struct json_out to_mbuf = JSON_OUT_MBUF(&mb);
  int fd;
  CHECK_INT(json_printf(&small, "[%d,%d,%d]", 1, 2, 3), 7);
  CHECK_MEM(buf, 8, "[1,2\0##", 8); /* truncated, but NUL-terminated */
  CHECK_INT(json_printf(&none, "{a:%d}", 1), 7); /* only measured */
  s = json_asprintf("{a:%Q,b:%B}", "x", 1);
  CHECK_STR(s, "{\"a\":\"x\",\"b\":true}");
  free(s);
  s = json_asprintf("%s", "");
  CHECK_STR(s, "");
  free(s);
  mbuf_init(&mb, 0);
  CHECK_INT(json_printf(&to_mbuf, "{a:%d}", 1), 7);
  mg_json_emit_str(&mb, mg_mk_str("b\"c"), 1);
  mg_json_emit_str(&mb, mg_mk_str("d"), 0);
  CHECK_MEM(mb.buf, mb.len, "{\"a\":1}\"b\\\"c\"d", 14);
  mbuf_free(&mb);
  fd = mkstemp(name);
  CHECK(fd >= 0);
  close(fd);
  CHECK_INT(json_fprintf(name, "{a:%d}", 5), 7);
  s = json_fread(name);
  CHECK_STR(s, "{\"a\":5}\n");
  free(s);
  unlink(name);
  CHECK_INT(json_fprintf("/nonexistent/dir/file", "1"), -1);
  CHECK(json_fread("/nonexistent/dir/file") == NULL);
}

void test_json_print(void) {
  names_and_text();
  values();
  printf_conversions();
  arrays();
  escaping();
  destinations();
}
