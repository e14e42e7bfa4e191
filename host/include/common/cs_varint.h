/*
 * Numbers of variable length: seven bits a byte, lowest first (LEB128).
 */
#ifndef CS_COMMON_CS_VARINT_H_
#define CS_COMMON_CS_VARINT_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many bytes the number takes: 1 to 10. */
size_t cs_varint_llen(uint64_t num);

/* The same; and writes as many of these bytes as `buf_size` allows. */
size_t cs_varint_encode(uint64_t num, uint8_t *buf, size_t buf_size);

/*
 * Reads a number and its length in bytes. False, with *num and *llen unchanged,
 * if it is cut off or does not fit into 64 bits. `buf_size` may be too large for
 * a buffer that holds a whole number.
 */
bool cs_varint_decode(const uint8_t *buf, size_t buf_size, uint64_t *num,
                      size_t *llen);

/* For a buffer that holds a whole number; else returns 0, with *llen 0. */
uint64_t cs_varint_decode_unsafe(const uint8_t *buf, int *llen);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_VARINT_H_ */
