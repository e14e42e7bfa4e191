/*
 * The growing buffer: contents, growth, taking over blocks. Failing allocations are in
 * test_no_memory.c.
 */
#include "test.h"

static void contents(void) {
  struct mbuf mb;
  mbuf_init(&mb, 0);
  CHECK(mb.buf == NULL);
  CHECK_INT(mbuf_append(&mb, "world", 5), 5);
  CHECK_INT(mbuf_insert(&mb, 0, "hello ", 6), 6);
  CHECK_MEM(mb.buf, mb.len, "hello world", 11);
  CHECK_INT(mbuf_insert(&mb, 5, ",", 1), 1);
  CHECK_INT(mbuf_insert(&mb, mb.len, "!", 1), 1);
  CHECK_MEM(mb.buf, mb.len, "hello, world!", 13);
  CHECK_INT(mbuf_insert(&mb, mb.len + 1, "x", 1), 0);
  mbuf_remove(&mb, 7);
  CHECK_MEM(mb.buf, mb.len, "world!", 6);
  mbuf_remove(&mb, 7); /* more than there is */
  mbuf_remove(&mb, 0);
  CHECK_MEM(mb.buf, mb.len, "world!", 6);
  mbuf_remove(&mb, 6);
  CHECK_INT(mb.len, 0);
  CHECK(mb.buf != NULL);
  CHECK_INT(mbuf_append(&mb, NULL, 3), 3); /* room only */
  CHECK_INT(mb.len, 3);
  mbuf_clear(&mb);
  CHECK_INT(mb.len, 0);
  CHECK_INT(mbuf_append(&mb, "", 0), 0);
  mbuf_free(&mb);
  CHECK(mb.buf == NULL && mb.len == 0 && mb.size == 0);
  mbuf_free(&mb);
}

static void sizes(void) {
  struct mbuf mb;
  size_t i;
  mbuf_init(&mb, 100);
  CHECK_INT(mb.size, 100);
  CHECK_INT(mb.len, 0);
  mbuf_append(&mb, NULL, 100);
  CHECK_INT(mb.size, 100);
  mbuf_append(&mb, "x", 1);
  CHECK_INT(mb.size, 151); /* 101 and half of it */
  mbuf_resize(&mb, 100);   /* would cut the contents */
  CHECK_INT(mb.size, 151);
  mbuf_resize(&mb, 200);
  CHECK_INT(mb.size, 200);
  mbuf_trim(&mb);
  CHECK_INT(mb.size, 101);
  mbuf_append(&mb, NULL, 100000 - 101);
  CHECK_INT(mb.size, 100000 + MBUF_SIZE_MAX_HEADROOM);
  mbuf_clear(&mb);
  mbuf_trim(&mb);
  CHECK(mb.buf == NULL && mb.size == 0);
  CHECK_INT(mbuf_append(&mb, "abc", SIZE_MAX), 0);
  for (i = 0; i < 1000; i++) mbuf_append(&mb, "0123456789", 10);
  CHECK_INT(mb.len, 10000);
  CHECK_MEM(mb.buf + 9990, 10, "0123456789", 10);
  CHECK_INT(mbuf_append(&mb, "abc", SIZE_MAX - 100), 0);
  CHECK_INT(mb.len, 10000);
  mbuf_free(&mb);
}

static void taking_over(void) {
  struct mbuf a, b;
  char *block = exact_copy("abc", 3);
  mbuf_init(&a, 10);
  CHECK_INT(mbuf_append_and_free(&a, block, 3), 3);
  CHECK(a.buf == block); /* not copied */
  CHECK_INT(mbuf_append_and_free(&a, exact_copy("def", 3), 3), 3);
  CHECK_MEM(a.buf, a.len, "abcdef", 6);
  mbuf_move(&a, &b);
  CHECK(a.buf == NULL && a.len == 0 && a.size == 0);
  CHECK_MEM(b.buf, b.len, "abcdef", 6);
  mbuf_free(&b);
}

void test_mbuf(void) {
  contents();
  sizes();
  taking_over();
}
