/*
 * The log over UDP, which the host does not have: its log goes to stderr and to
 * the event MGOS_EVENT_LOG.
 */

#pragma once

#include <stdlib.h>

#include "common/mg_str.h"

#include "mgos_init.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Logs an error and returns MGOS_INIT_DEBUG_INIT_FAILED. */
enum mgos_init_result mgos_debug_udp_init(const char *dst);

/* Does nothing, as no destination can be set. */
void mgos_debug_udp_send(const struct mg_str prefix, const struct mg_str data);

#ifdef __cplusplus
}
#endif
