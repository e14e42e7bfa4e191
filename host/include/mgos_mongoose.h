/*
 * The global event manager, and callbacks on each of its rounds.
 * Connections themselves: mongoose.h.
 */

#pragma once

#include <stdbool.h>

#include "mongoose.h"

#ifndef MGOS_RECV_MBUF_LIMIT
#define MGOS_RECV_MBUF_LIMIT 3072
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The manager that the main loop runs. */
struct mg_mgr *mgos_get_mgr(void);

/*
 * One round of the global manager, waiting at most `ms` ms: poll callbacks, then
 * mg_mgr_poll(), whose return value it returns.
 */
int mongoose_poll(int ms);

/* Wakes the main loop out of its waiting; from any thread. */
void mongoose_schedule_poll(bool from_isr);

/* Callbacks for each mongoose_poll(); the one added last is called first. */
typedef void (*mgos_poll_cb_t)(void *cb_arg);
void mgos_add_poll_cb(mgos_poll_cb_t cb, void *cb_arg);
void mgos_remove_poll_cb(mgos_poll_cb_t cb, void *cb_arg);

/* There is no watchdog: does nothing. */
void mgos_wdt_set_feed_on_poll(bool enable);

/* When on, each new low of the free heap is logged. */
void mgos_set_enable_min_heap_free_reporting(bool enable);

#ifdef __cplusplus
}
#endif
