/*
 * Diagnostic output: to the process's own streams, and round to the app as
 * MGOS_EVENT_LOG (which is how log lines get to MQTT). An app's plain printf
 * does not pass through here: it goes straight to the process's stdout.
 *
 * Called on the thread of the event loop only, as events are delivered there.
 */
#include "mgos_debug.h"

#include "mgos_event.h"
#include "mgos_host.h"

/* From cs_dbg.c. */
extern enum cs_log_level cs_log_cur_msg_level;

/* From the app's build; its header needs the generated config, so not here. */
bool mgos_sys_config_is_initialized(void);

/* The app's config, by way of the table that its build generates. Weak: a
 * program made of the host library alone has none. */
#pragma weak mgos_host_conf_entries
#pragma weak mgos_host_conf_num_entries
#pragma weak mgos_host_conf_base
#pragma weak mgos_sys_config_is_initialized

static int s_stdout_uart = 0;
static int s_stderr_uart = 0;
static int s_suspended = 0;
static bool s_in_debug = false;

/* debug.event_level as it stands now: an app may set it at any time. */
static bool event_level(int *level) {
  static uint32_t s_index = UINT32_MAX;
  uint32_t i;
  if (&mgos_host_conf_num_entries == NULL) {
    *level = LL_INFO;
    return true;
  }
  if (mgos_sys_config_is_initialized == NULL ||
      !mgos_sys_config_is_initialized()) {
    return false;
  }
  if (s_index == UINT32_MAX) {
    for (i = 0; i < mgos_host_conf_num_entries; i++) {
      if (strcmp(mgos_host_conf_entries[i].key, "debug.event_level") == 0) {
        s_index = i;
        break;
      }
    }
  }
  *level = LL_INFO;
  if (s_index != UINT32_MAX) {
    memcpy(level,
           (const char *) mgos_host_conf_base +
               mgos_host_conf_entries[s_index].offset,
           sizeof(*level));
  }
  return true;
}

void mgos_debug_write(int fd, const void *data, size_t len) {
  char buf[MGOS_DEBUG_TMP_BUF_SIZE];
  struct mgos_debug_hook_arg arg;
  enum cs_log_level old_level = cs_log_level;
  int max_level;
  if (s_in_debug) return;
  s_in_debug = true;
  cs_log_level = LL_NONE; /* saves handlers' log lines the trouble */
  if (s_suspended <= 0 && (fd == 1 || fd == 2)) {
    /* Through stdio, so that it keeps its order with printf. */
    FILE *fp = fd == 1 ? stdout : stderr;
    fwrite(data, 1, len, fp);
    fflush(fp);
  }
  if (event_level(&max_level) && (int) cs_log_cur_msg_level <= max_level) {
    memset(buf, 0, sizeof(buf));
    arg.fd = fd;
    arg.level = cs_log_cur_msg_level;
    arg.data = (const char *) data;
    arg.len = len;
    arg.buf = buf;
    mgos_event_trigger(MGOS_EVENT_LOG, &arg);
  }
  /* A handler that changed the level meant it to last. */
  if (cs_log_level == LL_NONE) cs_log_level = old_level;
  s_in_debug = false;
}

void mgos_debug_flush(void) {
  fflush(stdout);
  fflush(stderr);
}

bool mgos_set_stdout_uart(int uart_no) {
  s_stdout_uart = uart_no;
  return true;
}

bool mgos_set_stderr_uart(int uart_no) {
  s_stderr_uart = uart_no;
  return true;
}

int mgos_get_stdout_uart(void) {
  return s_stdout_uart;
}

int mgos_get_stderr_uart(void) {
  return s_stderr_uart;
}

void mgos_debug_suspend_uart(void) {
  s_suspended++;
}

void mgos_debug_resume_uart(void) {
  s_suspended--;
}

bool mgos_debug_uart_is_suspended(void) {
  return s_suspended > 0;
}

bool WEAK mgos_debug_uart_custom_cfg(int uart_no,
                                     struct mgos_uart_config *cfg) {
  (void) uart_no;
  (void) cfg;
  return true;
}

const void *mgos_debug_event_get_ptr(struct mgos_debug_hook_arg *arg) {
  return arg->data;
}

int mgos_debug_event_get_len(struct mgos_debug_hook_arg *arg) {
  return (int) arg->len;
}
