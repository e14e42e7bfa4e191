/*
 * Copying and comparing whole files, and their digests.
 * Reading one into memory: common/cs_file.h.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef MGOS_HAVE_MBEDTLS
#include "mbedtls/md.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Copies a file over `to`. False, with a line in the log, if that fails. */
bool mgos_file_copy(const char *from, const char *to);

/* The same, unless `to` has the same contents already: then true at once. */
bool mgos_file_copy_if_different(const char *from, const char *to);

#ifdef MGOS_HAVE_MBEDTLS
/*
 * Computes a file's digest. `digest` has room for it. False if the file cannot
 * be read, or mbedTLS does not have the type.
 */
bool mgos_file_digest(const char *fname, mbedtls_md_type_t dt, uint8_t *digest);
#endif

#ifdef __cplusplus
}
#endif
