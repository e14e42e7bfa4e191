/*
 * Conversions: hex, base64, files, calendar time, of the headers common/cs_*.h; cs_dbg.h is in
 * test_log.c.
 */
#include "common/cs_base64.h"
#include "common/cs_file.h"
#include "common/cs_hex.h"
#include "common/cs_time.h"
#include "test.h"

static void hex(void) {
  static const struct {
    const char *text;
    int used;
    const char *bytes;
  } rows[] = {
      {"", 0, ""},        {"616263", 6, "abc"}, {"4A4b", 4, "JK"},
      {"616", 2, "a"},    {"61x2", 2, "a"},     {"612x", 2, "a"},
      {"6 1", 0, ""},     {"gg", 0, ""},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    int n = -1, len = (int) strlen(rows[i].text);
    unsigned char out[8];
    char *s = exact_copy(rows[i].text, (size_t) len);
    CHECK_ROW_INT(rows[i].text, cs_hex_decode(s, len, out, &n), rows[i].used);
    CHECK_MEM((char *) out, (size_t) n, rows[i].bytes, strlen(rows[i].bytes));
    free(s);
  }
}

static void collect(char c, void *mb) {
  mbuf_append((struct mbuf *) mb, &c, 1);
}

static void base64(void) {
  static const struct {
    const char *plain, *text;
  } rows[] = {
      {"", ""},           {"a", "YQ=="},      {"ab", "YWI="},
      {"abc", "YWJj"},    {"abcd", "YWJjZA=="}, {"\xff\xfe\xfb", "//77"},
      {">>>", "Pj4+"},
  };
  size_t i, j;
  int n;
  char out[32];
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    const char *plain = rows[i].plain, *text = rows[i].text;
    size_t len = strlen(plain);
    struct cs_base64_ctx ctx;
    struct mbuf mb;
    char *s;
    cs_base64_encode((const unsigned char *) plain, (int) len, out, &n);
    CHECK_ROW_STR(plain, out, text);
    CHECK_INT(n, strlen(text));
    mbuf_init(&mb, 0);
    cs_base64_init(&ctx, collect, &mb);
    for (j = 0; j < len; j++) cs_base64_update(&ctx, plain + j, 1);
    cs_base64_finish(&ctx);
    CHECK_MEM(mb.buf, mb.len, text[0] ? text : NULL, strlen(text));
    mbuf_free(&mb);
    s = exact_copy(text, strlen(text));
    CHECK_INT(cs_base64_decode((unsigned char *) s, (int) strlen(text), out, &n),
              strlen(text));
    CHECK_MEM(out, (size_t) n, plain, len);
    CHECK_INT(out[n], 0);
    free(s);
  }
  /* Stops at the first invalid character. */
  CHECK_INT(cs_base64_decode((const unsigned char *) "YWJj!WJj", 8, out, &n), 4);
  CHECK_STR(out, "abc");
  CHECK_INT(cs_base64_decode((const unsigned char *) "YWJjYW", 6, out, &n), 4);
  CHECK_INT(cs_base64_decode((const unsigned char *) "YQ==YWJj", 8, out, &n), 4);
  CHECK_STR(out, "a");
}

static void files(void) {
  char name[] = "/tmp/mgos_c_parts_XXXXXX", *data;
  size_t size = 77;
  int fd = mkstemp(name);
  CHECK(fd >= 0);
  CHECK_INT(write(fd, "some\0thing", 10), 10);
  close(fd);
  data = cs_read_file(name, &size);
  CHECK_INT(size, 10);
  CHECK_MEM(data, 11, "some\0thing\0", 11);
  free(data);
  unlink(name);
  CHECK(cs_read_file(name, &size) == NULL);
}

static void calendar(void) {
  struct tm tm;
  memset(&tm, 0, sizeof(tm));
  tm.tm_year = 70;
  tm.tm_mday = 1;
  CHECK_INT(cs_timegm(&tm), 0);
  tm.tm_year = 124; /* 2024-02-29 12:34:56 */
  tm.tm_mon = 1;
  tm.tm_mday = 29;
  tm.tm_hour = 12;
  tm.tm_min = 34;
  tm.tm_sec = 56;
  CHECK_INT(cs_timegm(&tm), 1709210096);
  fake_time = 12.5;
  CHECK(cs_time() == 12.5);
}

void test_codec(void) {
  hex();
  base64();
  files();
  calendar();
}
