/*
 * Where log lines and other diagnostic output go: the process's stdout and
 * stderr, and the MGOS_EVENT_LOG event. LOG itself is in common/cs_dbg.h.
 */
#ifndef MGOS_DEBUG_H_
#define MGOS_DEBUG_H_

#include "common/cs_dbg.h"
#include "common/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MGOS_DEBUG_UART_BAUD_RATE
#define MGOS_DEBUG_UART_BAUD_RATE 115200
#endif

/* Size of the scratch buffer that a handler of MGOS_EVENT_LOG is given. */
#ifndef MGOS_DEBUG_TMP_BUF_SIZE
#define MGOS_DEBUG_TMP_BUF_SIZE 96
#endif

/* What MGOS_EVENT_LOG carries. */
struct mgos_debug_hook_arg {
  int fd;                  /* 1 stdout, 2 stderr */
  enum cs_log_level level; /* of the LOG line; LL_NONE for other output */
  const char *data;        /* not NUL-terminated */
  size_t len;
  char *buf; /* MGOS_DEBUG_TMP_BUF_SIZE bytes, free for use by handlers */
};

/* Writes to the process's stdout (1) or stderr (2), then triggers
 * MGOS_EVENT_LOG if the level of the LOG call in progress is at most
 * debug.event_level. What a handler of that event writes or logs is dropped:
 * it would come round again without end. */
void mgos_debug_write(int fd, const void *buf, size_t len);

/* Flushes both streams. */
void mgos_debug_flush(void);

/* A device sends stdout and stderr to these UARTs. Here the number is only
 * remembered; both always succeed. */
bool mgos_set_stdout_uart(int uart_no);
bool mgos_set_stderr_uart(int uart_no);
int mgos_get_stdout_uart(void);
int mgos_get_stderr_uart(void);

/* While suspended (calls nest), nothing is written to the process's streams;
 * the event is still triggered. */
void mgos_debug_suspend_uart(void);
void mgos_debug_resume_uart(void);
bool mgos_debug_uart_is_suspended(void);

/* An app may define this to adjust its UART. Never called here. */
struct mgos_uart_config;
bool mgos_debug_uart_custom_cfg(int uart_no, struct mgos_uart_config *cfg);

/* For JavaScript's ffi: the fields of the event's argument. */
const void *mgos_debug_event_get_ptr(struct mgos_debug_hook_arg *arg);
int mgos_debug_event_get_len(struct mgos_debug_hook_arg *arg);

#ifdef __cplusplus
}
#endif

#endif /* MGOS_DEBUG_H_ */
