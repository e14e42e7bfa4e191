/*
 * Software timers, called from the main loop. Hardware timers do not exist on
 * the host: mgos_set_hw_timer() gives a software timer of 1 ms at least.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MGOS_INVALID_TIMER_ID 0

typedef void (*timer_callback)(void *param);

typedef uintptr_t mgos_timer_id;

#define MGOS_TIMER_REPEAT (1 << 0)  /* again and again; else once */
#define MGOS_TIMER_RUN_NOW (1 << 1) /* the first time in the next round */

/*
 * Calls cb(cb_arg) in `msecs` ms, from the main loop. Returns the timer's id, never
 * MGOS_INVALID_TIMER_ID on the host. An id is not used again.
 */
mgos_timer_id mgos_set_timer(int msecs, int flags, timer_callback cb,
                             void *cb_arg);

/* As mgos_set_timer(), in microseconds. */
mgos_timer_id mgos_set_hw_timer(int usecs, int flags, timer_callback cb,
                                void *cb_arg);

/* Removes a timer; also from inside its own callback. Unknown ids are ignored. */
void mgos_clear_timer(mgos_timer_id id);

struct mgos_timer_info {
  int interval_ms; /* -1 for a timer that fires once */
  int msecs_left;  /* until it fires; below 0 when it is late */
  timer_callback cb;
  void *cb_arg;
};

/* False if there is no such timer (any more). */
bool mgos_get_timer_info(mgos_timer_id id, struct mgos_timer_info *info);

#ifdef __cplusplus
}
#endif
