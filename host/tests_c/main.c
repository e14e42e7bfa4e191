/*
 * Runs a group of tests: `c_parts NAME`, or all of them without a name. Exits with 1 if a check
 * failed. Also defines the checks and stubs of test.h.
 */
#include "test.h"

#include "mgos_event.h"
#include "mgos_host.h"
#include "mongoose.h"

static int s_checks = 0, s_failures = 0;

static const struct {
  const char *name;
  void (*run)(void);
} s_groups[] = {
    {"mbuf", test_mbuf},
    {"str", test_str},
    {"text", test_text},
    {"queue", test_queue},
    {"codec", test_codec},
    {"rings", test_rings},
    {"system", test_system},
    {"json_walk", test_json_walk},
    {"json_scan", test_json_scan},
    {"json_print", test_json_print},
    {"json_edit", test_json_edit},
    {"log", test_log},
    {"mqtt_receive", test_mqtt_receive},
    {"mqtt_send", test_mqtt_send},
    {"no_memory", test_no_memory},
};

void check(bool ok, const char *what, const char *file, int line) {
  s_checks++;
  if (ok) return;
  s_failures++;
  printf("%s:%d: not so: %s\n", file, line, what);
}

void check_int(long long got, long long want, const char *what,
               const char *file, int line) {
  s_checks++;
  if (got == want) return;
  s_failures++;
  printf("%s:%d: %s is %lld, not %lld\n", file, line, what, got, want);
}

void check_mem(const char *got, size_t got_len, const char *want,
               size_t want_len, const char *what, const char *file, int line) {
  s_checks++;
  if ((got == NULL) == (want == NULL) && got_len == want_len &&
      (got_len == 0 || memcmp(got, want, got_len) == 0)) {
    return;
  }
  s_failures++;
  printf("%s:%d: %s is\n  [%.*s] (%lu bytes), not\n  [%.*s] (%lu bytes)\n",
         file, line, what, got == NULL ? 6 : (int) got_len,
         got == NULL ? "(NULL)" : got, (unsigned long) got_len,
         want == NULL ? 6 : (int) want_len, want == NULL ? "(NULL)" : want,
         (unsigned long) want_len);
}

void check_str(const char *got, const char *want, const char *what,
               const char *file, int line) {
  check_mem(got, got == NULL ? 0 : strlen(got), want,
            want == NULL ? 0 : strlen(want), what, file, line);
}

void check_mgstr(struct mg_str got, const char *want, const char *what,
                 const char *file, int line) {
  check_mem(got.p, got.len, want, strlen(want), what, file, line);
}

int main(int argc, char **argv) {
  size_t i;
  bool found = false;
  for (i = 0; i < ARRAY_SIZE(s_groups); i++) {
    if (argc > 1 && strcmp(argv[1], s_groups[i].name) != 0) continue;
    found = true;
    s_groups[i].run();
    mbuf_free(&fake_sent);
    printf("%s: %d checks so far, %d failed\n", s_groups[i].name, s_checks,
           s_failures);
  }
  if (!found) printf("no test group is called %s\n", argv[1]);
  return found && s_failures == 0 ? 0 : 1;
}

/* ---- Stubs ---- */

double fake_time = 1000;
struct mbuf fake_sent;
struct fake_log fake_log;
int fake_malloc_countdown = -1;

struct fake_conf fake_conf = {NULL, LL_INFO};
bool fake_conf_loaded = true;
void *const mgos_host_conf_base = &fake_conf;
const struct mgos_host_conf_entry mgos_host_conf_entries[] = {
    {"debug", 0, 0, NULL},
    {"debug.event_level", 0, offsetof(struct fake_conf, event_level), "2"},
};
const uint32_t mgos_host_conf_num_entries = ARRAY_SIZE(mgos_host_conf_entries);
bool mgos_sys_config_is_initialized(void);

bool mgos_sys_config_is_initialized(void) {
  return fake_conf_loaded;
}

double mg_time(void) {
  return fake_time;
}

void mg_send(struct mg_connection *nc, const void *buf, int len) {
  (void) nc;
  mbuf_append(&fake_sent, buf, (size_t) len);
}

int mgos_event_trigger(int ev, void *ev_data) {
  struct mgos_debug_hook_arg *arg = (struct mgos_debug_hook_arg *) ev_data;
  if (ev != MGOS_EVENT_LOG) return 0;
  fake_log.count++;
  fake_log.fd = arg->fd;
  fake_log.level = (int) arg->level;
  fake_log.len = MIN(arg->len, sizeof(fake_log.text) - 1);
  memcpy(fake_log.text, arg->data, fake_log.len);
  fake_log.text[fake_log.len] = '\0';
  if (fake_log.handler != NULL) fake_log.handler(arg);
  return 1;
}

char *exact_copy(const char *s, size_t len) {
  char *p = (char *) malloc(len > 0 ? len : 1);
  if (p == NULL) abort();
  memcpy(p, s, len);
  return p;
}

/* The linker's --wrap redirects all allocations here. */
void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool refuse(void) {
  if (fake_malloc_countdown < 0) return false;
  if (fake_malloc_countdown == 0) return true;
  fake_malloc_countdown--;
  return false;
}

void *__wrap_malloc(size_t size) {
  return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *p, size_t size) {
  return refuse() ? NULL : __real_realloc(p, size);
}

void *__wrap_calloc(size_t n, size_t size) {
  return refuse() ? NULL : __real_calloc(n, size);
}
