/*
 * Counts and prints checks, see check.h. e2e/interop/src/fixture.rs parses the lines.
 */

#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mgos.h"

static int s_checks, s_failed;
static const char *s_awaited;
static mgos_timer_id s_timer = MGOS_INVALID_TIMER_ID;

static void print(const char *fmt, va_list ap) {
  vprintf(fmt, ap);
  putchar('\n');
  /* The reader waits for exactly this line. */
  fflush(stdout);
}

void check(bool holds, const char *fmt, ...) {
  va_list ap;
  printf("%sok %d - ", (holds ? "" : "not "), ++s_checks);
  if (!holds) s_failed++;
  va_start(ap, fmt);
  print(fmt, ap);
  va_end(ap);
}

int check_qos(int qos) {
  int highest = mgos_sys_config_get_check_highest_qos();
  return qos < highest ? qos : highest;
}

void check_tell(const char *fmt, ...) {
  va_list ap;
  printf("> ");
  va_start(ap, fmt);
  print(fmt, ap);
  va_end(ap);
}

static void in_vain(void *arg) {
  check(false, "timed out waiting for %s", s_awaited);
  check_done();
  (void) arg;
}

void check_wait(const char *what) {
  s_awaited = what;
  mgos_clear_timer(s_timer);
  s_timer = mgos_set_timer(mgos_sys_config_get_check_patience() * 1000, 0, in_vain, NULL);
}

void check_done(void) {
  printf("1..%d\n", s_checks);
  fflush(stdout);
  exit(s_failed == 0 ? 0 : 1);
}

bool mgos_check_init(void);

bool mgos_check_init(void) {
  check_wait("the app to say what it waits for");
  return true;
}
