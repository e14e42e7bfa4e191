/*
 * Logging: LOG(level, ("format", ...)). Lines go to the process's stderr and,
 * as the MGOS_EVENT_LOG event, to whoever wants them (see mgos_debug.h).
 */
#ifndef CS_COMMON_CS_DBG_H_
#define CS_COMMON_CS_DBG_H_

#include "common/platform.h"

/* 1 starts a program at the most verbose level. */
#ifndef CS_ENABLE_DEBUG
#define CS_ENABLE_DEBUG 0
#endif

/* "file.c:123" in front of each line is filled up, or cut, to this length. */
#ifndef CS_LOG_PREFIX_LEN
#define CS_LOG_PREFIX_LEN 24
#endif

/* 1 adds the microseconds since the previous line. */
#ifndef CS_LOG_ENABLE_TS_DIFF
#define CS_LOG_ENABLE_TS_DIFF 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum cs_log_level {
  LL_NONE = -1,
  LL_ERROR = 0,
  LL_WARN = 1,
  LL_INFO = 2,
  LL_DEBUG = 3,
  LL_VERBOSE_DEBUG = 4,

  /* Wider than needed, so that the enum stays signed everywhere. */
  _LL_MIN = -2,
  _LL_MAX = 5
};

/* Lines above this level are not printed. LL_ERROR until it is set. */
extern enum cs_log_level cs_log_level;
void cs_log_set_level(enum cs_log_level level);

/* Levels for single files: "mg_foo.c=3,my_:12=0,=1". Each name is compared
 * with the beginning of the line's prefix ("mg_foo.c:123"), first match wins,
 * an empty name matches all. Where nothing matches, the level above holds.
 * NULL removes the list. */
void cs_log_set_file_level(const char *file_level);

/* First half of LOG: says 1 if a line of this level from this place is to be
 * printed. Then cs_log_printf must follow, and prints it. */
int cs_log_print_prefix(enum cs_log_level level, const char *fname, int line);

#if CS_ENABLE_STDIO

/* Sends lines to a file instead; NULL: back to stderr. */
void cs_log_set_file(FILE *file);

/* Second half of LOG: the text, without a newline at its end. */
void cs_log_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

#define LOG(l, x)                                     \
  do {                                                \
    if (cs_log_print_prefix(l, __FILE__, __LINE__)) { \
      cs_log_printf x;                                \
    }                                                 \
  } while (0)

#else

#define LOG(l, x) ((void) (l))

#endif /* CS_ENABLE_STDIO */

#ifndef CS_NDEBUG
#define DBG(x) LOG(LL_VERBOSE_DEBUG, x)
#else
#define DBG(x)
#endif

#ifdef __cplusplus
}
#endif

#endif /* CS_COMMON_CS_DBG_H_ */
