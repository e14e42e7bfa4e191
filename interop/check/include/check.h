/*
 * Reporting of checks, for the apps of the interop tests: lines on standard output, in the form that is known as TAP.
 * What reads them is not here (xtask/src/interop).
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

/* Prints "ok N - what it shows", or "not ok N - ..." when it does not hold. The app goes on either way. */
void check(bool holds, const char *fmt, ...) CHECK_PRINTF(2, 3);

/*
 * What the app is waiting for now, in words that complete "waiting for". Unless the next call comes within check.patience
 * seconds, the app says that it waited in vain, and ends.
 */
void check_wait(const char *what);

/* Prints "> ..." for the other side of the test, which acts on it. */
void check_tell(const char *fmt, ...) CHECK_PRINTF(1, 2);

/* This QoS, or the highest that the broker knows. */
int check_qos(int qos);

/* Ends the app: exit status 0 if every check held, else 1. */
void check_done(void);

#ifdef __cplusplus
}
#endif
