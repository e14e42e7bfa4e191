/*
 * Ring buffers, in memory (cs_rbuf.h) and in a file (cs_frbuf.h): wrapping
 * around, damaged files, lack of memory.
 */
#include "common/cs_frbuf.h"
#include "common/cs_rbuf.h"
#include "test.h"

static void memory(void) {
  cs_rbuf_t b;
  uint8_t *p = NULL;
  cs_rbuf_init(&b, 8);
  CHECK_INT(b.avail, 8);
  CHECK_INT(cs_rbuf_get(&b, 8, &p), 0);
  cs_rbuf_append(&b, "abcdef", 6);
  CHECK_INT(cs_rbuf_get(&b, 4, &p), 4);
  CHECK_MEM((char *) p, 4, "abcd", 4);
  CHECK_INT(cs_rbuf_get(&b, 100, &p), 2);
  CHECK_MEM((char *) p, 2, "ef", 2);
  CHECK_INT(cs_rbuf_get(&b, 100, &p), 0);
  cs_rbuf_consume(&b, 5);
  CHECK_INT(b.used, 1);
  CHECK_INT(b.in_flight, 1);

  /* Wraps around: two bytes in front of the end, three behind it. */
  cs_rbuf_append(&b, "ghijk", 5);
  CHECK_INT(b.avail, 2);
  CHECK_INT(cs_rbuf_at(&b, 0), 'f');
  CHECK_INT(cs_rbuf_at(&b, 5), 'k');
  CHECK_INT(cs_rbuf_get(&b, 100, &p), 2);
  CHECK_MEM((char *) p, 2, "gh", 2);
  CHECK_INT(cs_rbuf_get(&b, 100, &p), 3);
  CHECK_MEM((char *) p, 3, "ijk", 3);

  /* What does not fit in is dropped, and nothing more than was handed out goes. */
  cs_rbuf_append(&b, "xyz", 3);
  CHECK_INT(b.used, 8);
  cs_rbuf_append_one(&b, '!');
  CHECK_INT(b.used, 8);
  CHECK_INT(cs_rbuf_at(&b, 7), 'y');
  cs_rbuf_consume(&b, 100);
  CHECK_INT(b.used, 2);

  cs_rbuf_clear(&b);
  CHECK_INT(b.used, 0);
  CHECK_INT(cs_rbuf_contig_tail_space(&b, &p), 8);
  memcpy(p, "12345678", 8);
  cs_rbuf_advance_tail(&b, 8);
  CHECK_INT(cs_rbuf_contig_tail_space(&b, &p), 0);
  CHECK_INT(cs_rbuf_get(&b, 8, &p), 8);
  CHECK_MEM((char *) p, 8, "12345678", 8);
  cs_rbuf_deinit(&b);

  fake_malloc_countdown = 0;
  cs_rbuf_init(&b, 8);
  fake_malloc_countdown = -1;
  cs_rbuf_append(&b, "a", 1);
  CHECK_INT(b.used, 0);
  cs_rbuf_deinit(&b);
}

/* Takes the oldest record and compares it. */
static void expect(struct cs_frbuf *b, const char *want) {
  char *data = NULL;
  int len = cs_frbuf_get(b, &data);
  CHECK_MEM(data, len < 0 ? 0 : (size_t) len, want, strlen(want));
  free(data);
}

static void file(const char *name) {
  char *data = (char *) name;
  int i;
  /* Room for 20 bytes: three records of four characters, and a rest. */
  struct cs_frbuf *b = cs_frbuf_init(name, 32);
  CHECK(b != NULL);
  if (b == NULL) return;
  CHECK_INT(cs_frbuf_get(b, &data), 0);
  CHECK(data == NULL);
  CHECK(!cs_frbuf_append(b, "", 0));
  CHECK(!cs_frbuf_append(b, "0123456789012345678", 19));
  for (i = 0; i < 50; i++) {
    char text[16];
    snprintf(text, sizeof(text), "r%03d", i);
    CHECK(cs_frbuf_append(b, text, 4));
  }
  expect(b, "r047");
  cs_frbuf_deinit(b);

  /* Again, with what was left; the size is the file's. */
  b = cs_frbuf_init(name, 100);
  CHECK(b != NULL);
  if (b == NULL) return;
  expect(b, "r048");
  CHECK(cs_frbuf_append(b, "a record of 18 cha", 18));
  expect(b, "a record of 18 cha");
  CHECK_INT(cs_frbuf_get(b, &data), 0);

  CHECK(cs_frbuf_append(b, "kept", 4));
  fake_malloc_countdown = 0;
  CHECK(cs_frbuf_init(name, 32) == NULL);
  CHECK(cs_frbuf_get(b, &data) < 0 && data == NULL);
  fake_malloc_countdown = -1;
  expect(b, "kept");
  cs_frbuf_deinit(b);
}

static void damaged(const char *name) {
  static const char *const contents[] = {
      "", "not a ring buffer at all", "FRB1\0\0\0\0\0\0\0\0"};
  size_t i;
  for (i = 0; i < ARRAY_SIZE(contents); i++) {
    FILE *fp = fopen(name, "wb");
    if (fp == NULL) abort();
    fwrite(contents[i], 1, i == 2 ? 12 : strlen(contents[i]), fp);
    fclose(fp);
    CHECK(cs_frbuf_init(name, 32) == NULL);
    CHECK(strstr(fake_log.text, "is not a ring buffer: remove it") != NULL);
  }
  {
    /* A record whose length is beyond what is used. */
    const char bytes[] = "FRB1\x10\0\x04\0\0\0\0\0\xff\0abcdefghijklmn";
    char *data = NULL;
    struct cs_frbuf *b;
    FILE *fp = fopen(name, "wb");
    if (fp == NULL) abort();
    fwrite(bytes, 1, sizeof(bytes) - 1, fp);
    fclose(fp);
    b = cs_frbuf_init(name, 32);
    CHECK(b != NULL);
    if (b == NULL) return;
    CHECK_INT(cs_frbuf_get(b, &data), -1);
    CHECK(data == NULL);
    cs_frbuf_deinit(b);
  }
  CHECK(cs_frbuf_init("no/such/folder", 32) == NULL);
  unlink(name);
  CHECK(cs_frbuf_init(name, 14) == NULL);
  CHECK(strstr(fake_log.text, "more than 14 bytes, not 14") != NULL);
}

void test_rings(void) {
  char name[] = "/tmp/frbuf_XXXXXX";
  int fd = mkstemp(name);
  if (fd < 0) abort();
  close(fd);
  unlink(name);
  memory();
  file(name);
  damaged(name);
  unlink(name);
}
