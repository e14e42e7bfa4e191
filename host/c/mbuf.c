/*
 * The growing byte buffer of common/mbuf.h. Blocks handed over by their owner
 * (mbuf_append_and_free, mbuf_move) are freed with free(), so all memory here comes from malloc.
 */
#include "common/mbuf.h"

void mbuf_init(struct mbuf *mb, size_t initial_capacity) {
  mb->buf = NULL;
  mb->len = mb->size = 0;
  mbuf_resize(mb, initial_capacity);
}

void mbuf_free(struct mbuf *mb) {
  free(mb->buf);
  mb->buf = NULL;
  mb->len = mb->size = 0;
}

void mbuf_resize(struct mbuf *mb, size_t new_size) {
  char *p;
  if (new_size == mb->size || new_size < mb->len) return;
  if (new_size == 0) {
    /* What realloc(p, 0) does differs between C libraries. */
    mbuf_free(mb);
    return;
  }
  p = (char *) realloc(mb->buf, new_size);
  if (p == NULL) return;
  mb->buf = p;
  mb->size = new_size;
}

void mbuf_trim(struct mbuf *mb) {
  mbuf_resize(mb, mb->len);
}

/* The size to request first for a buffer that must hold `need` bytes. */
static size_t generous_size(size_t need) {
  size_t more = (size_t) ((double) need * (MBUF_SIZE_MULTIPLIER - 1));
  if (more > MBUF_SIZE_MAX_HEADROOM) more = MBUF_SIZE_MAX_HEADROOM;
  return need + more;
}

size_t mbuf_insert(struct mbuf *mb, size_t off, const void *data, size_t n) {
  if (n == 0 || off > mb->len) return 0;
  if (n > (size_t) PTRDIFF_MAX - mb->len) return 0; /* no block is so large */
  if (mb->len + n > mb->size) {
    size_t need = mb->len + n;
    mbuf_resize(mb, generous_size(need));
    if (mb->size < need) mbuf_resize(mb, need);
    if (mb->size < need) return 0;
  }
  memmove(mb->buf + off + n, mb->buf + off, mb->len - off);
  if (data != NULL) memcpy(mb->buf + off, data, n);
  mb->len += n;
  return n;
}

size_t mbuf_append(struct mbuf *mb, const void *data, size_t n) {
  return mbuf_insert(mb, mb->len, data, n);
}

size_t mbuf_append_and_free(struct mbuf *mb, void *data, size_t n) {
  size_t done;
  if (mb->len == 0 && data != NULL) {
    free(mb->buf);
    mb->buf = (char *) data;
    mb->len = mb->size = n;
    return n;
  }
  done = mbuf_append(mb, data, n);
  free(data);
  return done;
}

void mbuf_remove(struct mbuf *mb, size_t n) {
  if (n == 0 || n > mb->len) return;
  memmove(mb->buf, mb->buf + n, mb->len - n);
  mb->len -= n;
}

void mbuf_clear(struct mbuf *mb) {
  mb->len = 0;
}

void mbuf_move(struct mbuf *from, struct mbuf *to) {
  *to = *from;
  from->buf = NULL;
  from->len = from->size = 0;
}
