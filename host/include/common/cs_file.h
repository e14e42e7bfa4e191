/*
 * Whole files in memory, read or mapped.
 * Anything else that is done with files is the C library's.
 */
#ifndef CS_COMMON_CS_FILE_H_
#define CS_COMMON_CS_FILE_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The contents, malloc-ed and with a NUL behind them that *size does not
 * count; the caller frees them. NULL if the file cannot be read. */
char *cs_read_file(const char *path, size_t *size);

#ifdef CS_MMAP
/* The same mapped read-only, without the NUL. */
char *cs_mmap_file(const char *path, size_t *size);
#endif

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_FILE_H_ */
