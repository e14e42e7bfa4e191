/*
 * Uptime and wall time. Setting the wall time changes it for this process alone,
 * never the machine's clock.
 */

#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For MGOS_EVENT_TIME_CHANGED. */
struct mgos_time_changed_arg {
  double delta; /* new time less old, seconds */
};

struct timezone;

/* Time since start; never goes back. In seconds, and in microseconds. */
double mgos_uptime(void);
int64_t mgos_uptime_micros(void);

/* Wall time since 1970, microseconds. */
int64_t mgos_time_micros(void);

/*
 * Formats `time` (seconds since 1970) as local time, by strftime's rules. Returns
 * the length of the text, 0 if it does not fit, -1 if there is no such time.
 */
int mgos_strftime(char *s, int size, const char *fmt, int time);

/*
 * Sets the wall time (seconds since 1970) and raises MGOS_EVENT_TIME_CHANGED.
 * `tz` is ignored. Returns 0.
 */
int mgos_settimeofday(double time, struct timezone *tz);

#ifdef __cplusplus
}
#endif
