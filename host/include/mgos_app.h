/*
 * The two functions that an app may define, and what they return. Defaults for
 * both are in host/c/app/main.c.
 */

#pragma once

#include <stdbool.h>

#include "mgos_features.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mgos_app_init_result {
  MGOS_APP_INIT_SUCCESS = 0,
  MGOS_APP_INIT_ERROR = -2,
};

/*
 * Where an app begins: called once, after the libraries' own init. Anything but
 * MGOS_APP_INIT_SUCCESS ends the process with a message and a non-zero status.
 */
enum mgos_app_init_result mgos_app_init(void);

/* Called before anything else. No config, no network, no logging yet. */
void mgos_app_preinit(void);

#ifdef __cplusplus
}
#endif
