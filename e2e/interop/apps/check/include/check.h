/*
 * Reports checks of the interop apps on standard output, in TAP format. e2e/interop/src parses
 * them.
 */

#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CHECK_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define CHECK_PRINTF(fmt, first)
#endif

/* Prints "ok N - what it shows", or "not ok N - ..." if it does not hold. The app continues either
 * way. */
void check(bool holds, const char *fmt, ...) CHECK_PRINTF(2, 3);

/*
 * What the app is waiting for, completing "waiting for". Unless called again within check.patience
 * seconds, the app reports the timeout and exits.
 */
void check_wait(const char *what);

/* Prints "> ..." as a signal for the other side of the test. */
void check_tell(const char *fmt, ...) CHECK_PRINTF(1, 2);

/* The given QoS, or the highest that the broker supports. */
int check_qos(int qos);

/* Exits with status 0 if every check held, else 1. */
void check_done(void);

#ifdef __cplusplus
}
#endif
