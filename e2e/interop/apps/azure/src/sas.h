/*
 * Shared access signatures, which Azure IoT Hub accepts as password. Used in main.c.
 */

#pragma once

#include <stdint.h>

/* A token for HOST/devices/DEVICE, signed with `key` (base64), valid until `expiry`, in seconds
 * since 1970. To be freed; NULL on failure. */
char *sas_make(const char *host, const char *device, const char *key, int64_t until);
