/*
 * A ring buffer of bytes, with a fixed size of up to 65535.
 * One of records in a file: cs_frbuf.h.
 */
#ifndef CS_COMMON_CS_RBUF_H_
#define CS_COMMON_CS_RBUF_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * `used` bytes are stored from `head` on, wrapping around at `end`; `in_flight`
 * of them were handed out by cs_rbuf_get() and not consumed yet. `avail` more
 * fit in, from `tail` on.
 */
typedef struct cs_rbuf {
  uint16_t size, used, in_flight, avail;
  uint8_t *begin, *end;
  uint8_t *head, *tail;
} cs_rbuf_t;

/* Allocates `size` bytes. Without memory the size is 0. */
void cs_rbuf_init(cs_rbuf_t *b, uint16_t size);
void cs_rbuf_deinit(cs_rbuf_t *b);

/* Discards the contents, also those handed out. */
void cs_rbuf_clear(cs_rbuf_t *b);

/* Append bytes. Bytes that do not fit in are dropped: look at `avail` first. */
void cs_rbuf_append(cs_rbuf_t *b, const void *data, uint16_t len);
void cs_rbuf_append_one(cs_rbuf_t *b, uint8_t byte);

/* The byte `i` bytes behind the head, which must be below `used`. */
uint8_t cs_rbuf_at(cs_rbuf_t *b, uint16_t i);

/*
 * Hands out up to `max` bytes that lie in one piece: sets *data and returns how
 * many. They count as in flight until they are consumed; a second call hands
 * out what follows them.
 */
uint16_t cs_rbuf_get(cs_rbuf_t *b, uint16_t max, uint8_t **data);

/* Removes `len` bytes that cs_rbuf_get() has handed out. */
void cs_rbuf_consume(cs_rbuf_t *b, uint16_t len);

/*
 * For writing without a copy: sets *data to the free space that lies in one
 * piece and returns its length; then cs_rbuf_advance_tail() adds what was
 * written there.
 */
uint16_t cs_rbuf_contig_tail_space(cs_rbuf_t *b, uint8_t **data);
void cs_rbuf_advance_tail(cs_rbuf_t *b, uint16_t len);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_RBUF_H_ */
