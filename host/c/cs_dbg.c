/*
 * The two halves of the LOG macro: whether a line is enabled, and formatting it for a single call
 * of mgos_debug_write. Its destination is up to mgos_debug.c.
 */
#include "common/cs_dbg.h"

#include "common/cs_time.h"
#include "common/mg_str.h"
#include "common/str_util.h"
#include "mgos_debug.h"

/* The arguments of a LOG call may log as well, between the two halves of the outer call, so lines
 * in progress form a stack. Deeper ones share the last slot. */
#define MAX_BEGUN_LINES 8

struct begun_line {
  enum cs_log_level level;
  char prefix[CS_LOG_PREFIX_LEN + 16]; /* 16: the time difference */
  size_t len;
};

#if CS_ENABLE_DEBUG
enum cs_log_level cs_log_level = LL_VERBOSE_DEBUG;
#else
enum cs_log_level cs_log_level = LL_ERROR;
#endif

/* The level of the line being printed; read by mgos_debug_write. */
enum cs_log_level cs_log_cur_msg_level = LL_NONE;

static struct begun_line s_lines[MAX_BEGUN_LINES];
static int s_num_lines = 0;
static char *s_file_level = NULL;
static FILE *s_log_file = NULL;

#if CS_LOG_ENABLE_TS_DIFF
static double s_last_ts = 0;
#endif

void cs_log_set_level(enum cs_log_level level) {
  cs_log_level = level;
#if CS_LOG_ENABLE_TS_DIFF
  s_last_ts = cs_time();
#endif
}

void cs_log_set_file_level(const char *file_level) {
  free(s_file_level);
  s_file_level = file_level == NULL ? NULL : strdup(file_level);
}

void cs_log_set_file(FILE *file) {
  s_log_file = file;
}

/* "file.c:123" padded with blanks to CS_LOG_PREFIX_LEN, at least one; a long file name is
 * truncated. Returns the length without the blanks. */
static size_t make_prefix(char *out, const char *fname, int line) {
  const char *base = fname + strlen(fname);
  char num[16];
  int num_len, name_len, room;
  while (base > fname && base[-1] != '/' && base[-1] != '\\') base--;
  num_len = snprintf(num, sizeof(num), ":%d", line);
  room = CS_LOG_PREFIX_LEN - 1 - num_len;
  name_len = (int) c_strnlen(base, (size_t) MAX(room, 0));
  memset(out, ' ', CS_LOG_PREFIX_LEN);
  memcpy(out, base, (size_t) name_len);
  memcpy(out + name_len, num, (size_t) num_len);
  return (size_t) (name_len + num_len);
}

/* The level that cs_log_set_file_level's list has for a line, else the global level. */
static int level_for(struct mg_str prefix) {
  struct mg_str list = mg_mk_str(s_file_level), name, level;
  while ((list = mg_next_comma_list_entry_n(list, &name, &level)).p != NULL) {
    if (level.len > 0 && mg_str_starts_with(prefix, name)) {
      return level.p[0] == '-' ? LL_NONE : level.p[0] - '0';
    }
  }
  return cs_log_level;
}

int cs_log_print_prefix(enum cs_log_level level, const char *fname, int line) {
  struct begun_line l;
  size_t used;
  if (s_file_level == NULL && level > cs_log_level) return 0;
  l.level = level;
  used = make_prefix(l.prefix, fname, line);
  l.len = CS_LOG_PREFIX_LEN;
  if (s_file_level != NULL &&
      (int) level > level_for(mg_mk_str_n(l.prefix, used))) {
    return 0;
  }
#if CS_LOG_ENABLE_TS_DIFF
  {
    double now = cs_time();
    l.len += (size_t) snprintf(l.prefix + l.len, sizeof(l.prefix) - l.len,
                               "%7u ", (unsigned) ((now - s_last_ts) * 1e6));
    s_last_ts = now;
  }
#endif
  if (s_num_lines < MAX_BEGUN_LINES) s_num_lines++;
  s_lines[s_num_lines - 1] = l;
  cs_log_cur_msg_level = level;
  return 1;
}

static void put_line(const char *line, size_t len) {
  if (s_log_file == NULL || s_log_file == stderr) {
    mgos_debug_write(2, line, len);
  } else {
    fwrite(line, 1, len, s_log_file);
    fflush(s_log_file);
  }
}

void cs_log_printf(const char *fmt, ...) {
  char small[512], *line = small;
  struct begun_line none = {LL_NONE, "", 0}, l = none;
  int text_len;
  va_list ap, again;
  if (s_num_lines > 0) l = s_lines[--s_num_lines];
  memcpy(line, l.prefix, l.len);
  va_start(ap, fmt);
  va_copy(again, ap);
  text_len = vsnprintf(line + l.len, sizeof(small) - l.len, fmt, ap);
  if (text_len < 0) text_len = 0;
  if (l.len + (size_t) text_len >= sizeof(small)) {
    line = (char *) malloc(l.len + (size_t) text_len + 1);
    if (line != NULL) {
      memcpy(line, l.prefix, l.len);
      vsnprintf(line + l.len, (size_t) text_len + 1, fmt, again);
    } else { /* better the start than nothing */
      line = small;
      text_len = (int) (sizeof(small) - l.len - 1);
    }
  }
  va_end(again);
  va_end(ap);
  line[l.len + (size_t) text_len] = '\n'; /* replaces the NUL */
  cs_log_cur_msg_level = l.level;
  put_line(line, l.len + (size_t) text_len + 1);
  if (line != small) free(line);
  cs_log_cur_msg_level =
      s_num_lines > 0 ? s_lines[s_num_lines - 1].level : LL_NONE;
}
