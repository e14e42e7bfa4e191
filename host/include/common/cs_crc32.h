/*
 * The CRC-32 of zlib, Ethernet and PNG (reflected polynomial 0xEDB88320).
 */
#ifndef CS_COMMON_CS_CRC32_H_
#define CS_COMMON_CS_CRC32_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Returns the CRC of `len` bytes that follow data whose CRC is `crc`; begin
 * with 0. NULL or no bytes: returns `crc`.
 */
uint32_t cs_crc32(uint32_t crc, const void *data, uint32_t len);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_CRC32_H_ */
