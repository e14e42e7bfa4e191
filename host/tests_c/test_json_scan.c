/*
 * Reading JSON values by format: json_scanf and json_unescape. The parser is tested in
 * test_json_walk.c.
 */
#include "frozen.h"
#include "test.h"

/* Reads an int by a format. Stays -99 if nothing was found. */
static void ints(void) {
  static const struct {
    const char *json, *fmt;
    int found, value;
  } rows[] = {
      {"{a:1}", "{a:%d}", 1, 1},
      {"{\"a\" : -12 }", "{a:%d}", 1, -12},
      {"{a:1}", "{ a : %i }", 1, 1},
      {"{a:0x1f}", "{a:%d}", 1, 31},
      {"{a:\"77\"}", "{a:%d}", 1, 77},
      {"{a:1.5}", "{a:%d}", 0, -99},
      {"{a:null}", "{a:%d}", 0, -99},
      {"{a:true}", "{a:%d}", 0, -99},
      {"{b:1}", "{a:%d}", 0, -99},
      {"{a:{b:{c:5}}}", "{a:{b:{c:%d}}}", 1, 5},
      {"{a:{b:1},b:2}", "{b:%d}", 1, 2},
      {"{a:{b:1}}", "{a:{c:%d}}", 0, -99},
      {"{a:[1,2]}", "{a:%d}", 0, -99},
      {"{a:1,a:2}", "{a:%d}", 2, 2},
      {"{abc_d1:3}", "{abc_d1:%d}", 1, 3},
      {"{\"\xd0\x96\":4}", "{\xd0\x96:%d}", 1, 4},
      {"5", "%d", 1, 5},
      {"{a:1, b", "{a:%d}", 1, 1}, /* values before the end count */
      {"", "{a:%d}", 0, -99},
      {"{a:123456789012345678901234567890123}", "{a:%d}", 0, -99},
      {"{a:4294967295}", "{a:%u}", 1, -1},
      {"{a:10}", "{a:%x}", 1, 16},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    size_t len = strlen(rows[i].json);
    char *s = exact_copy(rows[i].json, len);
    int v = -99;
    CHECK_ROW_INT(rows[i].json, json_scanf(s, (int) len, rows[i].fmt, &v),
                  rows[i].found);
    CHECK_ROW_INT(rows[i].json, v, rows[i].value);
    free(s);
  }
}

static void other_types(void) {
  static const char s[] =
      "{i:-3,u:4000000000,l:-5000000000,f:1.5,t:true,z:false,n:null,"
      "q:\"a\\nb\\\"\",h:\"616263\",v:\"YWJj\",o:{x:[1,2]},c:\"k\"}";
  const int len = (int) sizeof(s) - 1;
  int i = 0, n = 0;
  unsigned u = 0;
  long l = 0;
  unsigned long ul = 0;
  long long ll = 0;
  unsigned char hhu = 0;
  short h = 0;
  double d = 0;
  float f = 0;
  bool t = false, z = true;
  char *q = NULL, *str = NULL, c = 0, text[32] = "";
  struct json_token tok;
  memset(&tok, 0, sizeof(tok));
  CHECK_INT(json_scanf(s, len, "{i:%d, u:%u, l:%ld, f:%lf}", &i, &u, &l, &d), 4);
  CHECK(i == -3 && u == 4000000000u && l == -5000000000L && d == 1.5);
  CHECK_INT(json_scanf(s, len, "{u:%lu, l:%lld, f:%f}", &ul, &ll, &f), 3);
  CHECK(ul == 4000000000ul && ll == -5000000000LL && f == 1.5f);
  CHECK_INT(json_scanf(s, len, "{i:%hd, i:%hhu, c:%c}", &h, &hhu, &c), 3);
  CHECK(h == -3 && hhu == 253 && c == 'k');
  CHECK_INT(json_scanf(s, len, "{t:%B, z:%B}", &t, &z), 2);
  CHECK(t && !z);
  t = true;
  CHECK_INT(json_scanf(s, len, "{n:%B}", &t), 1); /* anything except true */
  CHECK(!t);
  CHECK_INT(json_scanf(s, len, "{q:%Q}", &q), 1);
  CHECK_STR(q, "a\nb\"");
  free(q);
  q = (char *) "unchanged";
  CHECK_INT(json_scanf(s, len, "{n:%Q}", &q), 0);
  CHECK(q == NULL);
  q = (char *) "unchanged";
  CHECK_INT(json_scanf(s, len, "{missing:%Q}", &q), 0);
  CHECK_STR(q, "unchanged");
  CHECK_INT(json_scanf("{a:\"\\u0416\"}", 12, "{a:%Q}", &q), 0);
  CHECK_STR(q, "unchanged");
  CHECK_INT(json_scanf("{a:\"x\",a:\"y\"}", 13, "{a:%Q}", &q), 2);
  CHECK_STR(q, "y"); /* the first one was freed */
  free(q);
  CHECK_INT(json_scanf(s, len, "{i:%Q}", &q), 1); /* its text, whatever its type */
  CHECK_STR(q, "-3");
  free(q);
  CHECK_INT(json_scanf(s, len, "{h:%H}", &n, &str), 1);
  CHECK_MEM(str, (size_t) n + 1, "abc", 4);
  free(str);
  CHECK_INT(json_scanf(s, len, "{v:%V}", &str, &n), 1);
  CHECK_MEM(str, (size_t) n + 1, "abc", 4);
  free(str);
  CHECK_INT(json_scanf("{h:\"\",v:\"\"}", 11, "{h:%H}", &n, &str), 1);
  CHECK_MEM(str, (size_t) n + 1, "", 1);
  free(str);
  CHECK_INT(json_scanf(s, len, "{o:{x:%T}}", &tok), 1);
  CHECK_MEM(tok.ptr, (size_t) tok.len, "[1,2]", 5);
  CHECK_INT(tok.type, JSON_TYPE_ARRAY_END);
  CHECK_INT(json_scanf(s, len, "{o:%T}", &tok), 1);
  CHECK_MEM(tok.ptr, (size_t) tok.len, "{x:[1,2]}", 9);
  CHECK_INT(json_scanf(s, len, "{c:%s}", text), 1);
  CHECK_STR(text, "k");
}

static void scan_inner(const char *str, int len, void *user_data) {
  int *sum = (int *) user_data;
  struct json_token t;
  int i, v;
  for (i = 0; json_scanf_array_elem(str, len, "", i, &t) >= 0; i++) {
    if (json_scanf(t.ptr, t.len, "{v:%d}", &v) == 1) *sum += v;
  }
}

static void formats(void) {
  static const char s[] =
      "{ \"method\": \"go\", \"args\": { \"list\": [ {v:1}, {v:2} ], \"n\": 7 },"
      " \"id\": 12, \"last\": true }";
  const int len = (int) sizeof(s) - 1;
  int sum = 0, n = 0, id = 0, other = -1;
  bool last = false;
  char *method = NULL;
  CHECK_INT(json_scanf(s, len,
                       "{id: %d, args: {n: %d, list: %M}, method: %Q, "
                       "last: %B, other: %d}",
                       &id, &n, scan_inner, &sum, &method, &last, &other),
            5);
  CHECK(id == 12 && n == 7 && sum == 3 && last && other == -1);
  CHECK_STR(method, "go");
  free(method);
  /* As on a device: white space behind a number hides the brace behind it. */
  n = id = 0;
  CHECK_INT(json_scanf(s, len, "{args: {n: %d }, id: %d}", &n, &id), 1);
  CHECK(n == 7 && id == 0);
  CHECK_INT(json_scanf(s, len, "{args: {n: %d}, id: %d}", &n, &id), 2);
  /* Adjacent conversions are allowed; a lone % must not crash. */
  CHECK_INT(json_scanf("5", 1, "%d%d", &n, &id), 2);
  CHECK(n == 5 && id == 5);
  CHECK_INT(json_scanf("5", 1, "%d%", &n, &id), 1);
  {
    char fmt[700], *p = fmt;
    int i;
    for (i = 0; i < 300; i++) *p++ = '{';
    strcpy(p, "a:%d}");
    CHECK_INT(json_scanf(s, len, fmt, &n), 0);
    memset(fmt, 'k', 400);
    fmt[0] = '{';
    strcpy(fmt + 400, ":%d}");
    CHECK_INT(json_scanf(s, len, fmt, &n), 0);
  }
}

static void unescaping(void) {
  static const struct {
    const char *src;
    int n;
    const char *dst;
  } rows[] = {
      {"", 0, ""},
      {"abc", 3, "abc"},
      {"\\\"\\\\\\/\\b\\f\\n\\r\\t", 8, "\"\\/\b\f\n\r\t"},
      {"\\u0041\\u00fFx", 3, "A\xffx"},
      {"\\", -2, NULL},
      {"a\\u004", -2, NULL},
      {"\\u0416", -1, NULL},
      {"\\x", -1, NULL},
  };
  size_t i;
  char out[32];
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    size_t len = strlen(rows[i].src);
    char *s = exact_copy(rows[i].src, len);
    int n = json_unescape(s, (int) len, out, sizeof(out));
    CHECK_ROW_INT(rows[i].src, n, rows[i].n);
    if (n >= 0) CHECK_MEM(out, (size_t) n, rows[i].dst, (size_t) rows[i].n);
    CHECK_ROW_INT(rows[i].src, json_unescape(s, (int) len, NULL, 0), rows[i].n);
    free(s);
  }
  memset(out, '#', sizeof(out));
  CHECK_INT(json_unescape("a\\nbcd", 6, out, 2), 5);
  CHECK_MEM(out, 3, "a\n#", 3);
  strcpy(out, "\\u0041\\tb"); /* in place */
  CHECK_INT(json_unescape(out, (int) strlen(out), out, sizeof(out)), 3);
  CHECK_MEM(out, 3, "A\tb", 3);
}

void test_json_scan(void) {
  ints();
  other_types();
  formats();
  unescaping();
}
