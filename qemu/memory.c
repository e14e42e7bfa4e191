/*
 * The heap: first fit, with blocks aligned to 4 bytes and never to 8 on 32-bit machines, as those
 * of umm_malloc may be. Freed memory is overwritten; the bytes around each block are checked.
 */

#include <string.h>

#include "port.h"

#define POOL (48 * 1024)
#define FREED 0xdd
#define USED_MARK 0x5a
#define FREE_MARK 0xa5
#define TAIL 4

/* Header of each block; its size keeps what follows off the multiples of 8 if pointers have 4
 * bytes. */
struct head {
  uint16_t size; /* of the block with header and tail, in units */
  uint8_t mark;
  uint8_t slack; /* unused bytes before the tail */
};

#if UINTPTR_MAX > 0xffffffff
#define UNIT 16
#define FIRST 12 /* aligns blocks to 16 */
#else
#define UNIT 8
#define FIRST 8
#endif

static uint8_t s_pool[POOL] __attribute__((aligned(16)));
static bool s_ready;
static size_t s_in_use, s_peak;
static unsigned s_until, s_count, s_blocks, s_requests;
static bool s_failed;

void *__wrap_malloc(size_t size);
void __wrap_free(void *block);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *s);

static struct head *first(void) {
  struct head *h = (struct head *) (s_pool + FIRST);
  if (!s_ready) {
    h->size = (uint16_t) ((POOL - 16) / UNIT);
    h->mark = FREE_MARK;
    memset(h + 1, FREED, h->size * UNIT - sizeof(*h));
    s_ready = true;
  }
  return h;
}

static struct head *next(struct head *h) {
  uint8_t *p = (uint8_t *) h + h->size * UNIT;
  return p < s_pool + FIRST + (POOL - 16) / UNIT * UNIT ? (struct head *) p : NULL;
}

static size_t asked(const struct head *h) {
  return h->size * UNIT - sizeof(*h) - TAIL - h->slack;
}

static bool fails(void) {
  if (s_until == 0) return false;
  if (s_until > 1) {
    s_until--;
    return false;
  }
  s_failed = true;
  if (--s_count == 0) s_until = 0;
  return true;
}

void memory_fail(unsigned n, unsigned count) {
  s_until = n;
  s_count = count;
  s_failed = false;
}

bool memory_has_failed(void) {
  return s_failed;
}

size_t memory_in_use(void) {
  return s_in_use;
}

unsigned memory_blocks(void) {
  return s_blocks;
}

unsigned memory_requests(void) {
  return s_requests;
}

size_t memory_peak(void) {
  return s_peak;
}

void memory_forget_peak(void) {
  s_peak = s_in_use;
}

static bool block_is_sound(struct head *h) {
  uint8_t *p = (uint8_t *) (h + 1), *end = (uint8_t *) h + h->size * UNIT;
  if (h->mark == USED_MARK) p += asked(h);
  else if (h->mark != FREE_MARK) return false;
  for (; p < end; p++) {
    if (*p != FREED) return false;
  }
  return true;
}

bool memory_is_sound(void) {
  struct head *h;
  for (h = first(); h != NULL; h = next(h)) {
    if (!block_is_sound(h)) return false;
  }
  return true;
}

void *__wrap_malloc(size_t size) {
  size_t units = (size + sizeof(struct head) + TAIL + UNIT - 1) / UNIT;
  struct head *h;
  s_requests++;
  if (fails() || size > POOL) return NULL;
  for (h = first(); h != NULL; h = next(h)) {
    struct head *after;
    while (h->mark == FREE_MARK && (after = next(h)) != NULL && after->mark == FREE_MARK) {
      h->size = (uint16_t) (h->size + after->size);
      memset(after, FREED, sizeof(*after));
    }
    if (h->mark != FREE_MARK || h->size < units) continue;
    if (h->size > units) {
      uint16_t rest = (uint16_t) (h->size - units);
      h->size = (uint16_t) units;
      after = next(h);
      after->size = rest;
      after->mark = FREE_MARK;
      after->slack = FREED;
    }
    h->mark = USED_MARK;
    h->slack = (uint8_t) (units * UNIT - sizeof(*h) - TAIL - size);
    s_in_use += size;
    s_blocks++;
    if (s_in_use > s_peak) s_peak = s_in_use;
    /* Fresh memory must not be mistaken for zeros. */
    memset(h + 1, 0xcc, size);
    return h + 1;
  }
  s_failed = true;
  return NULL;
}

void __wrap_free(void *block) {
  struct head *h;
  if (block == NULL) return;
  h = (struct head *) block - 1;
  CHECK(h->mark == USED_MARK && block_is_sound(h));
  s_in_use -= asked(h);
  s_blocks--;
  h->mark = FREE_MARK;
  h->slack = FREED;
  memset(block, FREED, h->size * UNIT - sizeof(*h));
}

void *__wrap_calloc(size_t n, size_t size) {
  void *block = __wrap_malloc(n * size);
  if (block != NULL) memset(block, 0, n * size);
  return block;
}

void *__wrap_realloc(void *block, size_t size) {
  void *to = __wrap_malloc(size);
  if (to == NULL || block == NULL) return to;
  size_t old = asked((struct head *) block - 1);
  memcpy(to, block, old < size ? old : size);
  __wrap_free(block);
  return to;
}

char *__wrap_strdup(const char *s) {
  size_t len = strlen(s) + 1;
  char *copy = (char *) __wrap_malloc(len);
  return copy != NULL ? (char *) memcpy(copy, s, len) : NULL;
}
