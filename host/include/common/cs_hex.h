/*
 * Hex text to bytes, stopping at the first bad digit.
 * Bytes to hex text: cs_to_hex() in str_util.h.
 */
#ifndef CS_COMMON_CS_HEX_H_
#define CS_COMMON_CS_HEX_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the bytes to `dst` (room for len / 2) and their number to *dst_len.
 * Returns how many characters were used: `len` if all were good. */
int cs_hex_decode(const char *s, int len, unsigned char *dst, int *dst_len);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_HEX_H_ */
