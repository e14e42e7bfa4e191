/*
 * Small helpers: MIN, MAX, compile-time checks, random numbers, a restart that
 * waits.
 */

#pragma once

#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif

#define CS_CTASSERT_JOIN(a, b) a##b
#define CS_CTASSERT(pred, msg) \
  extern char CS_CTASSERT_JOIN(ASSERTION_FAILED_, msg)[!!(pred) ? 1 : -1]

#ifndef UNUSED_ARG
#define UNUSED_ARG __attribute__((unused))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* mgos_system_restart() in so many ms; raises MGOS_EVENT_REBOOT_AFTER before. */
void mgos_system_restart_after(int delay_ms);

/* A random number from `from` to `to`, drawn with rand(). */
float mgos_rand_range(float from, float to);

/* For scripts: one line to the log. */
void mgos_log(const char *filename, int line_no, int level, const char *msg);

#ifdef __cplusplus
}
#endif
