/*
 * A growing byte buffer: receive and send buffers of connections, and whatever
 * apps build piece by piece. Every call is safe on a zeroed struct.
 */
#ifndef CS_COMMON_MBUF_H_
#define CS_COMMON_MBUF_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A buffer that must grow takes half as much again, but never more than this
 * many bytes beyond what is asked. */
#ifndef MBUF_SIZE_MULTIPLIER
#define MBUF_SIZE_MULTIPLIER 1.5
#endif
#ifndef MBUF_SIZE_MAX_HEADROOM
#ifdef BUFSIZ
#define MBUF_SIZE_MAX_HEADROOM BUFSIZ
#else
#define MBUF_SIZE_MAX_HEADROOM 1024
#endif
#endif

struct mbuf {
  char *buf;   /* malloc-ed, or NULL */
  size_t len;  /* bytes in use, from the start of buf */
  size_t size; /* bytes allocated; never below len */
};

/* Makes an empty buffer with room for `initial_capacity` bytes (or none, when
 * memory is short). */
void mbuf_init(struct mbuf *, size_t initial_capacity);

/* Gives the memory back; the struct is then an empty buffer again. */
void mbuf_free(struct mbuf *);

/* Adds bytes at the end. Returns `data_size`, or 0 when out of memory; the
 * buffer is then as it was. NULL data: room is made, contents undefined. */
size_t mbuf_append(struct mbuf *, const void *data, size_t data_size);

/* The same for a malloc-ed block, which it frees in either case. An empty
 * buffer takes the block over without copying. */
size_t mbuf_append_and_free(struct mbuf *, void *data, size_t data_size);

/* Puts bytes at offset `off` (0 ... len), moving the rest up. Returns
 * `data_size`; 0 when out of memory or when `off` is outside the buffer. */
size_t mbuf_insert(struct mbuf *, size_t off, const void *data,
                   size_t data_size);

/* Drops bytes from the front. Does nothing if there are not that many. */
void mbuf_remove(struct mbuf *, size_t data_size);

/* Changes the allocated size. Does nothing if the contents would not fit. */
void mbuf_resize(struct mbuf *, size_t new_size);

/* `to` takes over the memory of `from`, which becomes empty. What `to` held
 * before is not freed. */
void mbuf_move(struct mbuf *from, struct mbuf *to);

/* Forgets the contents, keeps the memory. */
void mbuf_clear(struct mbuf *);

/* Gives back the memory beyond the contents. */
void mbuf_trim(struct mbuf *);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_MBUF_H_ */
