/*
 * The app's events and log lines: recorded in the main task, checked by the script.
 */

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

#define ROOM 65536
/* Mongoose itself logs much at LL_VERBOSE_DEBUG. */
#define LOG_ROOM (64 * ROOM)

static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static char s_events[ROOM];
static unsigned s_polls;

/* The log goes into a file, which any Mongoose OS supports. Offset of the script's part. */
static FILE *s_log_file;
static off_t s_log_start;

void record(const char *fmt, ...) {
  char line[1024];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(line, sizeof(line), fmt, ap);
  va_end(ap);
  pthread_mutex_lock(&s_lock);
  if (strlen(s_events) + strlen(line) + 2 < ROOM) strcat(strcat(s_events, line), "\n");
  pthread_mutex_unlock(&s_lock);
}

static const char *ack_name(int ev) {
  switch (ev) {
    case MG_EV_MQTT_SUBACK:
      return "SUBACK";
    case MG_EV_MQTT_PUBACK:
      return "PUBACK";
    case MG_EV_MQTT_PUBREC:
      return "PUBREC";
    case MG_EV_MQTT_PUBREL:
      return "PUBREL";
    case MG_EV_MQTT_PUBCOMP:
      return "PUBCOMP";
    case MG_EV_MQTT_UNSUBACK:
      return "UNSUBACK";
    default:
      return NULL;
  }
}

/* Strings of packets are not terminated, and may contain anything. */
static void print_str(char *out, size_t size, struct mg_str s) {
  size_t i, n = 0;
  out[0] = '\0';
  for (i = 0; i < s.len && n + 5 < size; i++) {
    n += (size_t) snprintf(out + n, size - n, isprint((unsigned char) s.p[i]) ? "%c" : "\\x%02x", (unsigned char) s.p[i]);
  }
}

void record_event(struct mg_connection *nc, int ev, void *ev_data, void *user_data) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  const char *tag = (const char *) user_data;
  char topic[200], payload[300];
  switch (ev) {
    case MG_EV_POLL:
      pthread_mutex_lock(&s_lock);
      s_polls++;
      pthread_mutex_unlock(&s_lock);
      break;
    case MG_EV_CLOSE:
      record("%s CLOSE%s", tag, nc != NULL ? " with nc" : "");
      break;
    case MG_EV_MQTT_CONNACK:
      record("%s CONNACK", tag);
      break;
    case MG_EV_MQTT_PUBLISH:
      if (m->topic.len < 40) {
        print_str(topic, sizeof(topic), m->topic);
      } else {
        snprintf(topic, sizeof(topic), "%lu bytes", (unsigned long) m->topic.len);
      }
      if (m->payload.len < 40) {
        print_str(payload, sizeof(payload), m->payload);
      } else {
        snprintf(payload, sizeof(payload), "%lu bytes", (unsigned long) m->payload.len);
      }
      if (m->qos > 0) {
        record("%s PUBLISH %s=%s qos%d id%d", tag, topic, payload, m->qos, m->message_id);
      } else {
        record("%s PUBLISH %s=%s", tag, topic, payload);
      }
      break;
    default:
      if (ack_name(ev) != NULL) {
        record("%s %s %d", tag, ack_name(ev), m->message_id);
      } else {
        record("%s event %d", tag, ev);
      }
  }
}

static void on_cloud_event(int ev, void *ev_data, void *arg) {
  const struct mgos_cloud_arg *cloud = (const struct mgos_cloud_arg *) ev_data;
  record("cloud %s%s", (const char *) arg, cloud->type == MGOS_CLOUD_MQTT ? "" : " of another type");
  (void) ev;
}

void record_log(bool on) {
  cs_log_set_file(on ? s_log_file : NULL);
}

static void count_line(int ev, void *ev_data, void *arg) {
  ++*(int *) arg;
  (void) ev, (void) ev_data;
}

static void log_line(void *arg) {
  mgos_event_add_handler(MGOS_EVENT_LOG, count_line, arg);
  record_log(false);
  LOG(LL_INFO, ("is MGOS_EVENT_LOG raised?"));
  record_log(true);
  mgos_event_remove_handler(MGOS_EVENT_LOG, count_line, arg);
}

bool log_raises_event(void) {
  int lines = 0;
  in_app(log_line, &lines);
  return lines > 0;
}

bool record_start(void) {
  s_log_file = tmpfile();
  if (s_log_file == NULL) abort();
  setvbuf(s_log_file, NULL, _IOLBF, 0);
  record_log(true);
  return mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTING, on_cloud_event, "CONNECTING") &&
         mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTED, on_cloud_event, "CONNECTED") &&
         mgos_event_add_handler(MGOS_EVENT_CLOUD_DISCONNECTED, on_cloud_event, "DISCONNECTED") &&
         mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTERROR, on_cloud_event, "CONNECTERROR");
}

void record_reset(void) {
  s_log_start = lseek(fileno(s_log_file), 0, SEEK_END);
  pthread_mutex_lock(&s_lock);
  s_events[0] = '\0';
  s_polls = 0;
  pthread_mutex_unlock(&s_lock);
}

void forget_events(void) {
  app_end();
  record_reset();
}

unsigned polls_seen(void) {
  unsigned polls;
  pthread_mutex_lock(&s_lock);
  polls = s_polls;
  pthread_mutex_unlock(&s_lock);
  return polls;
}

static void nothing(void *arg) {
  (void) arg;
}

static void a_moment(void) {
  struct timespec pause = {.tv_nsec = 1000000};
  nanosleep(&pause, NULL);
}

/* Copies the recorded lines, and removes the expected number of them. */
static void take_events(char *got, const char *lines) {
  size_t want = strlen(lines);
  pthread_mutex_lock(&s_lock);
  strcpy(got, s_events);
  if (strncmp(got, lines, want) == 0) memmove(s_events, s_events + want, strlen(s_events + want) + 1);
  pthread_mutex_unlock(&s_lock);
}

void expect_events(const char *lines) {
  static char got[ROOM];
  size_t want = strlen(lines);
  int ms;
  /* The effects of earlier calls are complete after another call. */
  in_app(nothing, NULL);
  for (ms = 0; ms < PATIENCE; ms++) {
    take_events(got, lines);
    if (strlen(got) >= want || strncmp(got, lines, strlen(got)) != 0) break;
    a_moment();
  }
  if (want == 0 ? got[0] != '\0' : strncmp(got, lines, want) != 0) fail("expected these events:\n%s# got these:\n%s", lines, got);
}

void expect_no_more_events(void) {
  static char got[ROOM];
  in_app(nothing, NULL);
  take_events(got, "");
  /* The next attempt may have started. */
  if (got[0] != '\0' && strcmp(got, "cloud CONNECTING\n") != 0) fail("nobody has expected these events:\n%s", got);
}

/* Log lines since the script started, after all calls so far. */
static const char *read_log(void) {
  static char log[LOG_ROOM];
  ssize_t len;
  in_app(nothing, NULL);
  len = pread(fileno(s_log_file), log, sizeof(log) - 1, s_log_start);
  log[len > 0 ? len : 0] = '\0';
  return log;
}

void show_log(void) {
  fprintf(stderr, "%s", read_log());
}

unsigned logged(const char *what) {
  unsigned n = 0;
  const char *p;
  for (p = read_log(); (p = strstr(p, what)) != NULL; p++) n++;
  return n;
}

long logged_number(const char *what, unsigned nth) {
  const char *p;
  int ms;
  for (ms = 0; ms < PATIENCE && logged(what) <= nth; ms++) a_moment();
  for (p = strstr(read_log(), what); p != NULL && nth > 0; nth--) p = strstr(p + 1, what);
  if (p == NULL) fail("not in the log so often: %s", what);
  return strtol(p + strlen(what), NULL, 10);
}

void expect_logged(const char *what) {
  int ms;
  for (ms = 0; ms < PATIENCE && logged(what) == 0; ms++) a_moment();
  if (logged(what) == 0) fail("not in the log: %s", what);
}
