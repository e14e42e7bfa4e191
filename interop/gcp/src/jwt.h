/* JSON web tokens, as Google IoT Core takes them for a password. Their use is in main.c. */

#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Reads the private key, EC or RSA, from a file. */
bool jwt_use_key(const char *file);

/* A token for `audience`, valid for the given seconds since 1970. To be freed; NULL if it can't be signed. */
char *jwt_make(const char *audience, int64_t from, int64_t until);
