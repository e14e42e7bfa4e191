/*
 * Shared access signatures, as Azure IoT Hub takes them for a password. Their use is in main.c.
 */

#pragma once

#include <stdint.h>

/* A token for HOST/devices/DEVICE, signed with `key` (base64), valid until so many seconds since 1970. To be freed; NULL on failure. */
char *sas_make(const char *host, const char *device, const char *key, int64_t until);
