/*
 * Scripts and checks: their order, the output, the exit status. Expectations are elsewhere.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "suite.h"

static const struct script *s_scripts;
static size_t s_num_scripts;
static const char *s_script;
static jmp_buf s_end_of_script;
static pthread_t s_thread;
static int s_passed, s_failed, s_left_out;

const char *script_name(void) {
  return s_script;
}

void check(const char *what) {
  s_passed++;
  printf("ok %d - %s: %s\n", s_passed + s_failed, s_script, what);
  fflush(stdout);
}

void left_out(const char *what, const char *why) {
  s_left_out++;
  printf("# left out: %s: %s: %s\n", s_script, what, why);
  fflush(stdout);
}

void fail(const char *fmt, ...) {
  va_list ap;
  s_failed++;
  printf("not ok %d - %s\n# ", s_passed + s_failed, s_script);
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  printf("\n");
  fflush(stdout);
  /* A mistake in a script: expectations do not belong in handlers. */
  if (!pthread_equal(pthread_self(), s_thread)) abort();
  show_log();
  longjmp(s_end_of_script, 1);
}

int patience(void) {
  const char *ms = getenv("SUITE_PATIENCE");
  return ms != NULL ? atoi(ms) : 15000;
}

static void leave(void *arg) {
  exit(s_failed == 0 && s_passed > 0 ? 0 : 1);
  (void) arg;
}

static void run_script(const struct script *script) {
  s_script = script->name;
  if (script->run == NULL) {
    s_left_out++;
    printf("# left out: %s\n", script->name);
    return;
  }
  if (setjmp(s_end_of_script) == 0) {
    broker_begin();
    app_begin();
    script->run();
    /* Anything unexpected is an error, too. */
    expect_no_more_events();
  }
  app_end();
  broker_end();
}

static void afterwards(void) {
  const uint8_t *packet;
  int waited = 0;
  create();
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  while (!app_is_connected() && waited++ < PATIENCE) usleep(1000);
  app_pub("t", "m", 1, false);
  /* An aborted script may have left handlers that publish and record. */
  do {
    receive_packet(&packet);
  } while (packet[0] != 0x32);
  play(text("40 02 %02x %02x", packet[5], packet[6]));
  while (app_num_unsent_bytes() > 0 && waited++ < PATIENCE) usleep(1000);
  expect_that(app_num_unsent_bytes() == 0);
  check("a connection, a message and its acknowledgement");
  forget_events();
}

static void *run_scripts(void *arg) {
  static const struct script end = {"afterwards", afterwards};
  size_t i;
  int failed;
  s_thread = pthread_self();
  for (i = 0; i < s_num_scripts; i++) run_script(&s_scripts[i]);
  /* Whatever failed for lack of memory, the library must work. The failing allocation may occur
   * here; then the second attempt succeeds. */
  if (getenv("SUITE_AFTERWARDS") != NULL) {
    unsetenv("SUITE_PATIENCE");
    failed = s_failed;
    run_script(&end);
    if (s_failed > failed) run_script(&end);
  }
  if (s_left_out > 0) printf("# %d left out\n", s_left_out);
  printf("%d passed, %d failed\n", s_passed, s_failed);
  fflush(stdout);
  in_app(leave, NULL);
  return arg;
}

enum mgos_app_init_result suite_start(const struct script *scripts, size_t num) {
  s_scripts = scripts;
  s_num_scripts = num;
  if (!app_start()) return MGOS_APP_INIT_ERROR;
  if (pthread_create(&s_thread, NULL, run_scripts, NULL) != 0) return MGOS_APP_INIT_ERROR;
  return MGOS_APP_INIT_SUCCESS;
}
