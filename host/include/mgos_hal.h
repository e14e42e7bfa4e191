/*
 * What the core asks of a platform, for libraries that call it directly.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "mgos_init.h"
#include "mgos_system.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Ends the process with status 0, without MGOS_EVENT_REBOOT. */
void mgos_dev_system_restart(void) __attribute__((noreturn));

/* The core's recursive lock. A single task runs all app code on the host. */
void mgos_lock(void);
void mgos_unlock(void);

/* The file system is the machine's, ready from the start: MGOS_INIT_OK. */
enum mgos_init_result mgos_fs_init(void);

#ifdef __cplusplus
}
#endif
