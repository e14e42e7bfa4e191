/*
 * LOG, its levels and prefix, and MGOS_EVENT_LOG. Where lines go on the host is up to Rust,
 * src/log.rs.
 */
#include "common/cs_dbg.h"
#include "test.h"

/* The line number is part of the text, so each test line is logged from here. */
static bool log_at(enum cs_log_level level, const char *file, int line,
                   const char *text) {
  int before = fake_log.count;
  if (cs_log_print_prefix(level, file, line)) cs_log_printf("%s", text);
  return fake_log.count > before;
}

static void prefix(void) {
  static const struct {
    const char *file;
    int line;
    const char *want;
  } rows[] = {
      {"main.c", 1, "main.c:1                x\n"},
      {"src/main.c", 123, "main.c:123              x\n"},
      {"/a/b\\c.c", 12, "c.c:12                  x\n"},
      {"a_file_of_18_chs.c", 1234, "a_file_of_18_chs.c:1234 x\n"},
      {"a_file_name_too_long.c", 1234, "a_file_name_too_lo:1234 x\n"},
      {"a_file_name_too_long.c", 7, "a_file_name_too_long.:7 x\n"},
      {"f.c", 123456, "f.c:123456              x\n"},
      {"", 5, ":5                      x\n"},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(rows); i++) {
    CHECK(log_at(LL_ERROR, rows[i].file, rows[i].line, "x"));
    CHECK_ROW_STR(rows[i].file, fake_log.text, rows[i].want);
    CHECK_INT(fake_log.fd, 2);
  }
}

static void levels(void) {
  cs_log_set_level(LL_INFO);
  CHECK(log_at(LL_INFO, "a.c", 1, "x"));
  CHECK_INT(fake_log.level, LL_INFO);
  CHECK(!log_at(LL_DEBUG, "a.c", 1, "x"));
  cs_log_set_level(LL_NONE);
  CHECK(!log_at(LL_ERROR, "a.c", 1, "x"));
  cs_log_set_level(LL_ERROR);
  CHECK(log_at(LL_ERROR, "a.c", 1, "x"));
  CHECK(!log_at(LL_WARN, "a.c", 1, "x"));

  cs_log_set_file_level("mg_a.c=4,main.c:12=0,b.c=,q=-1,x=1");
  cs_log_set_level(LL_INFO);
  /* The event is for INFO and above, so check the decision itself. */
  CHECK(cs_log_print_prefix(LL_VERBOSE_DEBUG, "src/mg_a.c", 9));
  cs_log_printf("to stderr only");
  CHECK(!log_at(LL_WARN, "main.c", 12, "x"));
  CHECK(!log_at(LL_WARN, "main.c", 123, "x")); /* a prefix is enough */
  CHECK(log_at(LL_INFO, "main.c", 99, "x"));   /* the global level */
  CHECK(log_at(LL_INFO, "b.c", 1, "x"));       /* an entry without a level */
  CHECK(!log_at(LL_ERROR, "q.c", 1, "x"));
  CHECK(log_at(LL_WARN, "xyz.c", 1, "x"));
  CHECK(!log_at(LL_INFO, "xyz.c", 1, "x"));
  cs_log_set_file_level("a.c=0,=2"); /* an empty name matches all */
  cs_log_set_level(LL_NONE);
  CHECK(!log_at(LL_INFO, "a.c", 1, "x"));
  CHECK(log_at(LL_INFO, "z.c", 1, "x"));
  cs_log_set_file_level(NULL);
  CHECK(!log_at(LL_INFO, "z.c", 1, "x"));
  cs_log_set_level(LL_INFO);
}

static int logging_argument(void) {
  LOG(LL_ERROR, ("inner"));
  return 5;
}

static void macros(void) {
  char big[1500];
  int before = fake_log.count;
  LOG(LL_INFO, ("%d %s", 12, "text"));
  CHECK_STR(fake_log.text + CS_LOG_PREFIX_LEN, "12 text\n");
  CHECK(strncmp(fake_log.text, "test_log.c:", 11) == 0);
  CHECK_INT(fake_log.count, before + 1); /* one line, one event */
  DBG(("not at this level"));
  CHECK_INT(fake_log.count, before + 1);
  /* A line logged while another one is being formatted. */
  LOG(LL_INFO, ("outer %d", logging_argument()));
  CHECK_INT(fake_log.count, before + 3);
  CHECK_STR(fake_log.text + CS_LOG_PREFIX_LEN, "outer 5\n");
  CHECK_INT(fake_log.level, LL_INFO);
  if (true)
    LOG(LL_INFO, ("a statement"));
  else
    LOG(LL_INFO, ("like any other"));
  CHECK_STR(fake_log.text + CS_LOG_PREFIX_LEN, "a statement\n");
  memset(big, 'b', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  LOG(LL_INFO, ("%s", big));
  CHECK_INT(fake_log.len, CS_LOG_PREFIX_LEN + sizeof(big));
  CHECK_INT(fake_log.text[fake_log.len - 1], '\n');
}

static void misbehave(struct mgos_debug_hook_arg *arg) {
  int count = fake_log.count;
  LOG(LL_ERROR, ("from a handler"));
  mgos_debug_write(1, "from a handler", 14);
  CHECK_INT(fake_log.count, count);
  CHECK_INT(mgos_debug_event_get_len(arg), 3);
  CHECK(mgos_debug_event_get_ptr(arg) == arg->data);
  memset(arg->buf, 'x', MGOS_DEBUG_TMP_BUF_SIZE);
}

static void change_level(struct mgos_debug_hook_arg *arg) {
  (void) arg;
  cs_log_set_level(LL_DEBUG);
}

static void events(void) {
  int before = fake_log.count;
  mgos_debug_write(1, "abc\0def", 7);
  CHECK_MEM(fake_log.text, fake_log.len, "abc\0def", 7);
  CHECK_INT(fake_log.fd, 1);
  CHECK_INT(fake_log.level, LL_NONE);
  CHECK_INT(fake_log.count, before + 1);
  fake_log.handler = misbehave;
  mgos_debug_write(2, "abc", 3);
  fake_log.handler = NULL;
  CHECK_INT(cs_log_level, LL_INFO);
  fake_log.handler = change_level;
  mgos_debug_write(2, "abc", 3);
  fake_log.handler = NULL;
  CHECK_INT(cs_log_level, LL_DEBUG);
  /* The current debug.event_level applies; before there is a config, none. */
  before = fake_log.count;
  CHECK(!log_at(LL_DEBUG, "a.c", 1, "x"));
  fake_conf.event_level = LL_DEBUG;
  CHECK(log_at(LL_DEBUG, "a.c", 1, "x"));
  fake_conf.event_level = LL_NONE;
  CHECK(!log_at(LL_ERROR, "a.c", 1, "x"));
  mgos_debug_write(1, "x", 1); /* not a LOG line, so below any limit */
  CHECK_INT(fake_log.count, before + 2);
  fake_conf.event_level = LL_INFO;
  fake_conf_loaded = false;
  CHECK(!log_at(LL_ERROR, "a.c", 1, "x"));
  fake_conf_loaded = true;
  cs_log_set_level(LL_INFO);
}

static void to_a_file(void) {
  char text[64] = "";
  FILE *f = tmpfile();
  int before = fake_log.count;
  CHECK(f != NULL);
  cs_log_set_file(f);
  cs_log_print_prefix(LL_INFO, "a.c", 1);
  cs_log_printf("to the file");
  cs_log_set_file(NULL);
  CHECK_INT(fake_log.count, before);
  rewind(f);
  CHECK(fgets(text, sizeof(text), f) != NULL);
  CHECK_STR(text, "a.c:1                   to the file\n");
  fclose(f);
  cs_log_print_prefix(LL_INFO, "a.c", 1);
  cs_log_printf("back");
  CHECK_INT(fake_log.count, before + 1);
}

static void uarts(void) {
  CHECK(mgos_set_stdout_uart(-1));
  CHECK(mgos_set_stderr_uart(2));
  CHECK_INT(mgos_get_stdout_uart(), -1);
  CHECK_INT(mgos_get_stderr_uart(), 2);
  mgos_debug_suspend_uart();
  mgos_debug_suspend_uart();
  mgos_debug_resume_uart();
  CHECK(mgos_debug_uart_is_suspended());
  mgos_debug_write(1, "NOT TO BE SEEN\n", 15);
  mgos_debug_resume_uart();
  CHECK(!mgos_debug_uart_is_suspended());
  mgos_debug_flush();
}

void test_log(void) {
  CHECK_INT(cs_log_level, LL_ERROR); /* until it is set */
  prefix();
  levels();
  macros();
  events();
  to_a_file();
  uarts();
}
