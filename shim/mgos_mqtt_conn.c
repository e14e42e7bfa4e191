/*
 * The log lines of the library, where the firmware's LOG macro is. Nothing else. Their texts can be
 * read in log_lines.txt; firmware carries the table that is made of it.
 *
 * The file is called like the original's, so that patterns in debug.file_level keep working.
 */

#include "mgos_mqtt_seam.h"

#include <stdio.h>
#include <string.h>

#include "mgos.h"

#if CS_ENABLE_STDIO

#include "mgos_mqtt_log_lines.h"

/* Bytes of a line, which the generator of the table keeps to, and how much it shows of a string. */
#define LINE 192
#define SHOWN 96

/* What is shown in a line, and where the next byte of it goes. */
struct line {
  char *to;
  const char *s;
  size_t len;
  int a, b;
};

/* Shows the string. The broker has chosen some of them: no control characters. */
static void show_string(struct line *line) {
  uint8_t before = 0;
  for (size_t i = 0; i < line->len && i < SHOWN; i++) {
    uint8_t c = (uint8_t) line->s[i];
    /* U+0080 to U+009F are control characters as well. */
    bool is_control = c < ' ' || c == 0x7f || (c >= 0x80 && c < 0xa0 && before == 0xc2);
    *line->to++ = is_control ? '?' : (char) c;
    before = c;
  }
}

static const uint8_t *next_text(const uint8_t *text) {
  return text + strlen((const char *) text) + 1;
}

static void show_one(struct line *line, uint8_t c) __attribute__((noinline));

/* Shows a byte of the table: from 128 on a pair of others. It calls itself, and so takes little stack. */
static void show(struct line *line, uint8_t c) {
  for (; c >= 128; c = pairs[2 * c - 255]) show(line, pairs[2 * c - 256]);
  show_one(line, c);
}

/* Shows a character, or what a code stands for. See log_lines.txt. */
static void show_one(struct line *line, uint8_t c) {
  const char *fmt = "%d%s%s", *dup = "", *retain = "";
  int n = line->a;
  if (c >= ' ') {
    *line->to++ = (char) c;
    return;
  }
  switch (c) {
    case 1:
      show_string(line);
      return;
    case 2:
      break;
    case 3:
      fmt = "0x%02x";
      break;
    case 4:
      n = line->b;
      break;
    case 5:
      n = line->b >> 1 & 3;
      if (line->b & 8) dup = " DUP";
      if (line->b & 1) retain = " RETAIN";
      break;
    case 6:
      line->to += snprintf(line->to, 24, "%u to %u", (unsigned) line->b >> 16, (unsigned) line->b & 0xffff);
      return;
    default: {
      const uint8_t *word = words;
      for (; c > 7; word = next_text(word)) c = (uint8_t) (c - (*word == 0));
      for (unsigned i = (unsigned) line->b; i > 0 && *next_text(word) != 0; i--) word = next_text(word);
      while (*word != 0) show(line, *word++);
      return;
    }
  }
  line->to += snprintf(line->to, 24, fmt, n, dup, retain);
}

static const char *format(char *to, struct line line, unsigned what) {
  const uint8_t *text = lines;
  line.to = to;
  for (; what > 0; what--) text = next_text(text);
  while (*text != 0) show(&line, *text++);
  *line.to = '\0';
  return to;
}

void mgos_mqtt_shim_log(mgos_mqtt_log what, int32_t conn, const uint8_t *s, size_t len, int32_t a, int32_t b) {
  struct line line = {NULL, (const char *) s, len, (int) a, (int) b};
  char text[LINE];
  LOG((enum cs_log_level) (levels[what >> 2] >> (what & 3) * 2 & 3), ("MQTT%d %s", (int) conn, format(text, line, what)));
}

void mgos_mqtt_shim_log_connecting(const struct mgos_config_mqtt *cfg, int32_t conn) {
  /* A login in a URL is not for the log. */
  const char *at = strrchr(cfg->server, '@');
  LOG(LL_INFO, ("MQTT%d connecting to %s", (int) conn, at != NULL ? at + 1 : cfg->server));
}

#else /* CS_ENABLE_STDIO */

void mgos_mqtt_shim_log(mgos_mqtt_log what, int32_t conn, const uint8_t *s, size_t len, int32_t a, int32_t b) {
  (void) what, (void) conn, (void) s, (void) len, (void) a, (void) b;
}

void mgos_mqtt_shim_log_connecting(const struct mgos_config_mqtt *cfg, int32_t conn) {
  (void) cfg, (void) conn;
}

#endif /* CS_ENABLE_STDIO */
