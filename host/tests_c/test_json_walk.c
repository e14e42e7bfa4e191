/*
 * The parser: events, lengths, errors, limits, and lookups. Reading values by format is in
 * test_json_scan.c.
 */
#include "frozen.h"
#include "test.h"

static struct mbuf s_events;

static void record(void *data, const char *name, size_t name_len,
                   const char *path, const struct json_token *t) {
  static const char types[] = "?sntfN{}[]";
  char line[2048];
  int n = snprintf(line, sizeof(line), "%c(%.*s,%s)%.*s ", types[t->type],
                   (int) name_len, name == NULL ? "" : name, path, t->len,
                   t->ptr == NULL ? "" : t->ptr);
  CHECK(data == &s_events);
  CHECK((name == NULL) == (name_len == 0) || name_len == 0);
  mbuf_append(&s_events, line, (size_t) n);
}

/* Parses a copy that ends exactly at its end. */
static int walk(const char *s, size_t len) {
  char *copy = exact_copy(s, len);
  int n;
  mbuf_clear(&s_events);
  n = json_walk(copy, (int) len, record, &s_events);
  mbuf_append(&s_events, "", 1);
  free(copy);
  return n;
}

static void events(void) {
  static const struct {
    const char *json;
    int result;
    const char *events;
  } rows[] = {
      {"true", 4, "t(,)true "},
      {" 12 ", 3, "n(,)12 "},
      {"{}", 2, "{(,) }(,){} "},
      {"[ ]", 3, "[(,) ](,)[ ] "},
      {"{ \"foo\": 123, \"bar\": [ 1, { \"baz\": true } ] }", 45,
       "{(,) n(foo,.foo)123 [(bar,.bar) n(0,.bar[0])1 {(1,.bar[1]) "
       "t(baz,.bar[1].baz)true }(,.bar[1]){ \"baz\": true } "
       "](,.bar)[ 1, { \"baz\": true } ] "
       "}(,){ \"foo\": 123, \"bar\": [ 1, { \"baz\": true } ] } "},
      {"{a_1:null,B:false}", 18,
       "{(,) N(a_1,.a_1)null f(B,.B)false }(,){a_1:null,B:false} "},
      {"\"a\\\"\\u00e9\\n\"", 13, "s(,)a\\\"\\u00e9\\n "},
      {"[\"\",\"\xd0\x96\"]", 9,
       "[(,) s(0,[0]) s(1,[1])\xd0\x96 ](,)[\"\",\"\xd0\x96\"] "},
      /* Lenient: commas may be missing or redundant. */
      {"[1 2,]", 6, "[(,) n(0,[0])1 n(1,[1])2 ](,)[1 2,] "},
      {"{a:1 b:2,}", 10, "{(,) n(a,.a)1 n(b,.b)2 }(,){a:1 b:2,} "},
      {"-0x1F", 5, "n(,)-0x1F "},
      {"-1.5e+10]", 8, "n(,)-1.5e+10 "},
      {"{\"\":1}", 6, "{(,) n(,.)1 }(,){\"\":1} "},
      /* Only the first value. */
      {"1 2", 1, "n(,)1 "},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    int n = walk(rows[i].json, strlen(rows[i].json));
    CHECK_ROW_INT(rows[i].json, n, rows[i].result);
    CHECK_ROW_STR(rows[i].json, s_events.buf, rows[i].events);
  }
}

static void errors(void) {
  static const struct {
    const char *json;
    int result;
  } rows[] = {
      {"", -2},         {"  ", -2},      {"{", -2},         {"{\"a", -2},
      {"{a", -2},       {"{a:", -2},     {"{a:1", -2},      {"{a:1,", -2},
      {"[", -2},        {"[1", -2},      {"[1,", -2},       {"\"", -2},
      {"\"a\\", -2},    {"\"\\u12", -2}, {"\"\xd0", -2},    {"tru", -2},
      {"-", -2},        {"1.", -2},      {"1e", -2},        {"1e+", -2},
      {"0x", -2},       {"x", -1},       {"}", -1},         {"{1:2}", -1},
      {"{a 1}", -1},    {"[1}", -1},     {"\"\n\"", -1},    {"\"\\x\"", -1},
      {"\"\\u12x4\"", -1}, {"trux", -1}, {"-a", -1},        {"1.x", -1},
      {"1ex", -1},      {"0xg", -1},     {"nul1", -1},      {"{_a:1}", -1},
      {"\\", -1},       {"'a'", -1},     {"{,}", -1},       {"[,]", -1},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    CHECK_ROW_INT(rows[i].json, walk(rows[i].json, strlen(rows[i].json)),
                  rows[i].result);
  }
  CHECK_INT(json_walk(NULL, 0, NULL, NULL), JSON_STRING_INVALID);
  CHECK_INT(json_walk("1", -1, NULL, NULL), JSON_STRING_INVALID);
  CHECK_INT(json_walk("[1,{a:2}]", 9, NULL, NULL), 9);
  /* Every prefix of a text is incomplete, and is not read beyond. */
  {
    static const char json[] =
        "{\"a\":[1.5e3,\"x\\u0041\",true,false,null,{b:0x12}],\"c\":\"d\"}";
    size_t len;
    for (len = 0; len < sizeof(json) - 1; len++) {
      CHECK_INT(walk(json, len), JSON_STRING_INCOMPLETE);
    }
    CHECK_INT(walk(json, len), len);
  }
}

static void limits(void) {
  struct frozen_args args;
  char deep[1000], name[600];
  size_t i;
  memset(deep, '[', 500);
  memset(deep + 500, ']', 500);
  CHECK_INT(walk(deep, 1000), JSON_DEPTH_LIMIT);
  CHECK_INT(json_walk(deep + 500 - JSON_MAX_DEPTH, 2 * JSON_MAX_DEPTH, NULL,
                      NULL),
            2 * JSON_MAX_DEPTH);
  CHECK_INT(json_walk(deep + 499 - JSON_MAX_DEPTH, 1000, NULL, NULL),
            JSON_DEPTH_LIMIT);
  INIT_FROZEN_ARGS(&args);
  args.callback = record;
  args.callback_data = &s_events;
  args.limit = 2;
  CHECK_INT(json_walk_args("[{a:1}]", 7, &args), 7);
  CHECK_INT(json_walk_args("[{a:[]}]", 8, &args), JSON_DEPTH_LIMIT);
  args.limit = 0;
  CHECK_INT(json_walk_args("[{a:[]}]", 8, &args), 8);
  /* A path that is too long is truncated; parsing continues. */
  i = (size_t) snprintf(name, sizeof(name), "{\"");
  memset(name + i, 'k', 400);
  i += 400;
  i += (size_t) snprintf(name + i, sizeof(name) - i, "\":[1],b:2}");
  CHECK_INT(walk(name, i), i);
  CHECK(strstr(s_events.buf, "n(b,.b)2") != NULL);
}

static void lookup(void) {
  static const char s[] =
      "{a:[10,{x:1},\"s\"],b:{k:1,\"l\":[2],m:{n:3}},e:[],f:\"\",ab:{z:9}}";
  const int len = (int) sizeof(s) - 1;
  struct json_token key, val;
  char got[128] = "";
  void *h = NULL;
  int idx;
  CHECK_INT(json_scanf_array_elem(s, len, ".a", 0, &val), 2);
  CHECK_MEM(val.ptr, (size_t) val.len, "10", 2);
  CHECK_INT(json_scanf_array_elem(s, len, ".a", 1, &val), 5);
  CHECK_INT(val.type, JSON_TYPE_OBJECT_END);
  CHECK_MEM(val.ptr, (size_t) val.len, "{x:1}", 5);
  CHECK_INT(json_scanf_array_elem(s, len, ".a", 3, &val), -1);
  CHECK(val.ptr == NULL && val.type == JSON_TYPE_INVALID);
  CHECK_INT(json_scanf_array_elem(s, len, ".b", 0, &val), -1);
  CHECK_INT(json_scanf_array_elem("[1,2]", 5, "", 1, &val), 1);
  while ((h = json_next_key(s, len, h, ".b", &key, &val)) != NULL) {
    size_t n = strlen(got);
    snprintf(got + n, sizeof(got) - n, "%.*s=%.*s;", key.len, key.ptr, val.len,
             val.ptr);
  }
  CHECK_STR(got, "k=1;l=[2];m={n:3};");
  got[0] = '\0';
  while ((h = json_next_elem(s, len, h, ".a", &idx, &val)) != NULL) {
    size_t n = strlen(got);
    snprintf(got + n, sizeof(got) - n, "%d=%.*s;", idx, val.len, val.ptr);
  }
  CHECK_STR(got, "0=10;1={x:1};2=s;");
  got[0] = '\0';
  while ((h = json_next_key(s, len, h, "", &key, NULL)) != NULL) {
    size_t n = strlen(got);
    snprintf(got + n, sizeof(got) - n, "%.*s;", key.len, key.ptr);
  }
  CHECK_STR(got, "a;b;e;f;ab;");
  /* ".a" is not a prefix path of ".ab". */
  CHECK((h = json_next_key(s, len, NULL, ".ab", &key, &val)) != NULL);
  CHECK(json_next_key(s, len, h, ".ab", NULL, NULL) == NULL);
  CHECK(json_next_elem(s, len, NULL, ".e", NULL, NULL) == NULL);
  CHECK(json_next_elem(s, len, NULL, ".none", &idx, &val) == NULL);
}

void test_json_walk(void) {
  events();
  errors();
  limits();
  lookup();
  mbuf_free(&s_events);
}
