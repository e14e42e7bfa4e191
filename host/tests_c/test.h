/*
 * Minimal test support: checks that count failures and print their location, and stubs for what the
 * event loop (Rust) provides to C code.
 */
#ifndef HOST_TESTS_C_TEST_H_
#define HOST_TESTS_C_TEST_H_

#include "common/mbuf.h"
#include "common/mg_str.h"
#include "common/platform.h"
#include "mgos_debug.h"

/* Each group of tests is a function, run by its name: see main.c. */
void test_mbuf(void);
void test_str(void);
void test_text(void);
void test_queue(void);
void test_codec(void);
void test_rings(void);
void test_system(void);
void test_json_walk(void);
void test_json_scan(void);
void test_json_print(void);
void test_json_edit(void);
void test_log(void);
void test_mqtt_receive(void);
void test_mqtt_send(void);
void test_no_memory(void);

/* ---- Checks ---- */

void check(bool ok, const char *what, const char *file, int line);
void check_int(long long got, long long want, const char *what,
               const char *file, int line);
void check_str(const char *got, const char *want, const char *what,
               const char *file, int line);
void check_mem(const char *got, size_t got_len, const char *want,
               size_t want_len, const char *what, const char *file, int line);
void check_mgstr(struct mg_str got, const char *want, const char *what,
                 const char *file, int line);

#define CHECK(cond) check((cond), #cond, __FILE__, __LINE__)
#define CHECK_INT(got, want) \
  check_int((long long) (got), (long long) (want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want) \
  check_str((got), (want), #got, __FILE__, __LINE__)
#define CHECK_MEM(got, got_len, want, want_len) \
  check_mem((got), (got_len), (want), (want_len), #got, __FILE__, __LINE__)
/* Compares a struct mg_str with a literal. */
#define CHECK_MGSTR(got, want) \
  check_mgstr((got), (want), #got, __FILE__, __LINE__)

/* For tables: `what` names the row. */
#define CHECK_ROW_INT(what, got, want) \
  check_int((long long) (got), (long long) (want), (what), __FILE__, __LINE__)
#define CHECK_ROW_STR(what, got, want) \
  check_str((got), (want), (what), __FILE__, __LINE__)

/* ---- Stubs ---- */

/* The n-th allocation from now on fails, and all after it; -1: none does. */
extern int fake_malloc_countdown;

/* The result of mg_time(). */
extern double fake_time;

/* Data passed to mg_send(), on any connection. */
extern struct mbuf fake_sent;

/* MGOS_EVENT_LOG: the latest text, fd and level, and the number of events. */
struct fake_log {
  char text[2048];
  size_t len;
  int fd, level, count;
  void (*handler)(struct mgos_debug_hook_arg *arg); /* NULL: none */
};
extern struct fake_log fake_log;

/* The app's config: debug.event_level, and whether it is loaded. */
struct fake_conf {
  const char *something;
  int event_level;
};
extern struct fake_conf fake_conf;
extern bool fake_conf_loaded;

/* A copy without readable memory behind it (for valgrind and ASAN); to be freed. */
char *exact_copy(const char *s, size_t len);

#endif /* HOST_TESTS_C_TEST_H_ */
