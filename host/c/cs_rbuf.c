/*
 * Ring buffers of bytes in memory: common/cs_rbuf.h.
 * Of records in files: cs_frbuf.c.
 */
#include "common/cs_rbuf.h"

/* The byte `n` bytes behind `at`, wrapping around. */
static uint8_t *behind(cs_rbuf_t *b, uint8_t *at, size_t n) {
  size_t i = (size_t) (at - b->begin) + n;
  return b->begin + (i < b->size ? i : i - b->size);
}

/* How many of `n` bytes from `at` on lie in front of the end. */
static uint16_t contiguous(const cs_rbuf_t *b, const uint8_t *at, size_t n) {
  return (uint16_t) MIN((size_t) (b->end - at), n);
}

void cs_rbuf_init(cs_rbuf_t *b, uint16_t size) {
  memset(b, 0, sizeof(*b));
  b->begin = (uint8_t *) malloc(size);
  b->size = b->begin != NULL ? size : 0;
  b->end = b->begin + b->size;
  cs_rbuf_clear(b);
}

void cs_rbuf_deinit(cs_rbuf_t *b) {
  free(b->begin);
  memset(b, 0, sizeof(*b));
}

void cs_rbuf_clear(cs_rbuf_t *b) {
  b->head = b->tail = b->begin;
  b->used = b->in_flight = 0;
  b->avail = b->size;
}

void cs_rbuf_append(cs_rbuf_t *b, const void *data, uint16_t len) {
  const uint8_t *from = (const uint8_t *) data;
  len = MIN(len, b->avail);
  while (len > 0) {
    uint16_t n = contiguous(b, b->tail, len);
    memcpy(b->tail, from, n);
    cs_rbuf_advance_tail(b, n);
    from += n;
    len = (uint16_t) (len - n);
  }
}

void cs_rbuf_append_one(cs_rbuf_t *b, uint8_t byte) {
  cs_rbuf_append(b, &byte, 1);
}

uint8_t cs_rbuf_at(cs_rbuf_t *b, uint16_t i) {
  return *behind(b, b->head, i);
}

uint16_t cs_rbuf_get(cs_rbuf_t *b, uint16_t max, uint8_t **data) {
  size_t left = MIN((size_t) (b->used - b->in_flight), (size_t) max);
  uint16_t n;
  if (left == 0) return 0;
  *data = behind(b, b->head, b->in_flight);
  n = contiguous(b, *data, left);
  b->in_flight = (uint16_t) (b->in_flight + n);
  return n;
}

void cs_rbuf_consume(cs_rbuf_t *b, uint16_t len) {
  len = MIN(len, b->in_flight);
  if (len == 0) return;
  b->head = behind(b, b->head, len);
  b->in_flight = (uint16_t) (b->in_flight - len);
  b->used = (uint16_t) (b->used - len);
  b->avail = (uint16_t) (b->avail + len);
}

uint16_t cs_rbuf_contig_tail_space(cs_rbuf_t *b, uint8_t **data) {
  *data = b->tail;
  return contiguous(b, b->tail, b->avail);
}

void cs_rbuf_advance_tail(cs_rbuf_t *b, uint16_t len) {
  len = MIN(len, b->avail);
  if (len == 0) return;
  b->tail = behind(b, b->tail, len);
  b->used = (uint16_t) (b->used + len);
  b->avail = (uint16_t) (b->avail - len);
}
