/*
 * Wall-clock time as a number of seconds, and UTC to such a number.
 * Time since the start, and setting the clock: mgos_time.h.
 */
#ifndef CS_COMMON_CS_TIME_H_
#define CS_COMMON_CS_TIME_H_

#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Seconds since 1970 with a fraction; the same as mg_time(). */
double cs_time(void);

/* Broken-down UTC time to seconds since 1970 (what timegm does). */
double cs_timegm(const struct tm *tm);

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_TIME_H_ */
