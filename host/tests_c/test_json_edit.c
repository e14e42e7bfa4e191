/*
 * Changing JSON text: json_setf inserts or removes a value, json_prettify reformats. Printing JSON
 * is in test_json_print.c.
 */
#include "frozen.h"
#include "test.h"

static void setting(void) {
  static const struct {
    const char *json, *path, *fmt; /* fmt NULL: remove; %d prints 7 */
    int result;
    const char *want;
  } rows[] = {
      {"{ \"a\": 1, \"b\": [ 2 ] }", ".a", "%d", 1, "{ \"a\": 7, \"b\": [ 2 ] }"},
      {"{ \"a\": 1, \"b\": [ 2 ] }", ".b", "%d", 1, "{ \"a\": 1, \"b\": 7 }"},
      {"{ \"a\": 1, \"b\": [ 2 ] }", ".b[]", "%d", 0,
       "{ \"a\": 1, \"b\": [ 2,7 ] }"},
      {"{ \"a\": 1, \"b\": [ 2 ] }", ".b", NULL, 1, "{ \"a\": 1 }"},
      {"{ \"a\": 1, \"b\": [ 2 ] }", ".a", NULL, 1, "{ \"b\": [ 2 ] }"},
      {"{ \"a\": 1, \"b\": [ 2 ] }", ".c", "%d", 0,
       "{ \"a\": 1, \"b\": [ 2 ],\"c\":7 }"},
      {"{\"a\":1}", ".x.y.z", "%d", 0, "{\"a\":1,\"x\":{\"y\":{\"z\":7}}}"},
      {"{\"a\":1}", ".x[]", "%d", 0, "{\"a\":1,\"x\":[7]}"},
      {"{\"a\":1}", ".x[0].y", "%d", 0, "{\"a\":1,\"x\":[{\"y\":7}]}"},
      {"{\"a\":{\"b\":1}}", ".a.c", "%d", 0, "{\"a\":{\"b\":1,\"c\":7}}"},
      {"{\"a\":{\"b\":1},\"c\":2}", ".a.b", NULL, 1, "{\"a\":{},\"c\":2}"},
      {"{\"a\":{\"b\":1},\"c\":2}", ".a", NULL, 1, "{\"c\":2}"},
      {"{\"a\":{\"b\":1},\"c\":2}", ".c", NULL, 1, "{\"a\":{\"b\":1}}"},
      {"{\"a\":[1, 2 , 3]}", ".a[1]", NULL, 1, "{\"a\":[1 , 3]}"},
      {"{\"a\":[1, 2 , 3]}", ".a[0]", NULL, 1, "{\"a\":[ 2 , 3]}"},
      {"{\"a\":[1, 2 , 3]}", ".a[2]", "%d", 1, "{\"a\":[1, 2 , 7]}"},
      {"{\"a\":[1, 2 , 3]}", ".a[9]", "%d", 0, "{\"a\":[1, 2 , 3,7]}"},
      /* Strings go with their quotes. */
      {"{\"a\":\"x\",\"b\":\"y\"}", ".a", "%d", 1, "{\"a\":7,\"b\":\"y\"}"},
      {"{\"a\":\"x\",\"b\":\"y\"}", ".b", NULL, 1, "{\"a\":\"x\"}"},
      {"{\"a\":\"x\",\"b\":\"y\"}", ".c", "%d", 0,
       "{\"a\":\"x\",\"b\":\"y\",\"c\":7}"},
      /* Into empty ones. */
      {"{}", ".a", "%d", 0, "{\"a\":7}"},
      {"[]", "[]", "%d", 0, "[7]"},
      {"{\"a\":{}}", ".a.b", "%d", 0, "{\"a\":{\"b\":7}}"},
      {"{\"a\":[]}", ".a[]", "%d", 0, "{\"a\":[7]}"},
      /* With an impossible path, nothing changes. */
      {"{\"a\":1}", ".a.b", "%d", 0, "{\"a\":1}"},
      {"{\"a\":{}}", ".a[]", "%d", 0, "{\"a\":{}}"},
      {"{\"a\":1}", ".b", NULL, 0, "{\"a\":1}"},
      {"{\"a\":", ".b", "%d", 0, "{\"a\":"},
      {"", ".b", "%d", 0, ""},
      {"{\"foobar\":1}", ".foo", "%d", 0, "{\"foobar\":1,\"foo\":7}"},
      /* All of it. */
      {"{\"a\":1}", "", "%d", 1, "7"},
      {"{\"a\":1}", "", NULL, 1, ""},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    size_t len = strlen(rows[i].json);
    char buf[128] = "", what[128], *s = exact_copy(rows[i].json, len);
    struct json_out out = JSON_OUT_BUF(buf, sizeof(buf));
    snprintf(what, sizeof(what), "%s at %s", rows[i].json, rows[i].path);
    CHECK_ROW_INT(what,
                  json_setf(s, (int) len, &out, rows[i].path, rows[i].fmt, 7),
                  rows[i].result);
    CHECK_ROW_STR(what, buf, rows[i].want);
    free(s);
  }
}

static void prettifying(void) {
  static const struct {
    const char *json, *want;
  } rows[] = {
      {"1", "1"},
      {"{}", "{}"},
      {"[]", "[]"},
      {"\"a\"", "\"a\""},
      {"{a:1,\"b\":[1,[],{}],c:{d:\"x\\n\"}}",
       "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    [],\n    {}\n  ],\n  \"c\": {\n"
       "    \"d\": \"x\\n\"\n  }\n}"},
      {"{\"]\":null,\"\":true}", "{\n  \"]\": null,\n  \"\": true\n}"},
  };
  size_t i;
  char name[] = "/tmp/mgos_c_parts_XXXXXX", *s;
  int fd;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    char buf[256] = "";
    struct json_out out = JSON_OUT_BUF(buf, sizeof(buf));
    CHECK_ROW_INT(rows[i].json,
                  json_prettify(rows[i].json, (int) strlen(rows[i].json), &out),
                  strlen(rows[i].json));
    CHECK_ROW_STR(rows[i].json, buf, rows[i].want);
  }
  fd = mkstemp(name);
  CHECK(fd >= 0);
  close(fd);
  CHECK_INT(json_prettify_file(name), -1); /* empty */
  json_fprintf(name, "{a:%d}", 1);
  CHECK_INT(json_prettify_file(name), 7);
  s = json_fread(name);
  CHECK_STR(s, "{\n  \"a\": 1\n}\n");
  free(s);
  json_fprintf(name, "{a:%s", "nonsense");
  CHECK_INT(json_prettify_file(name), JSON_STRING_INVALID);
  s = json_fread(name);
  CHECK_STR(s, "{\"a\":nonsense\n"); /* left as it was */
  free(s);
  unlink(name);
}

void test_json_edit(void) {
  setting();
  prettifying();
}
