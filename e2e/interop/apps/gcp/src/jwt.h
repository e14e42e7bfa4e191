/* JSON web tokens, which Google IoT Core accepts as password. Used in main.c. */

#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Reads the private key, EC or RSA, from a file. */
bool jwt_use_key(const char *file);

/* A token for `audience`, valid for the given seconds since 1970. To be freed; NULL if signing
 * fails. */
char *jwt_make(const char *audience, int64_t from, int64_t until);
