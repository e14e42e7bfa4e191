/*
 * Publishing of the log and of standard output: debug.stderr_topic, debug.stdout_topic.
 */

/* memmem() */
#define _GNU_SOURCE

#include <string.h>

#include "suite.h"

/* Fourteen bytes: seconds since 1970 with three decimals. */
#define TIME "?? ?? ?? ?? ?? ?? ?? ?? ?? ?? '.' ?? ?? ??"

struct setting {
  const char *out, *err;
  bool level;
};

static void set(void *arg) {
  const struct setting *s = (const struct setting *) arg;
  mgos_sys_config_set_debug_stdout_topic(s->out);
  mgos_sys_config_set_debug_stderr_topic(s->err);
  mgos_sys_config_set_mqtt_debug_use_log_level(s->level);
}

static void topics(const char *out, const char *err, bool level) {
  struct setting s = {out, err, level};
  in_app(set, &s);
}

static void print(void *arg) {
  const char *line = (const char *) arg;
  /* Not into the suite's lines. */
  mgos_debug_suspend_uart();
  mgos_debug_write(1, line, strlen(line));
  mgos_debug_resume_uart();
}

static void print_error(void *arg) {
  const char *line = (const char *) arg;
  mgos_debug_write(2, line, strlen(line));
}

static void count_line(int ev, void *ev_data, void *arg) {
  ++*(int *) arg;
  (void) ev, (void) ev_data;
}

static void log_line(void *arg) {
  mgos_event_add_handler(MGOS_EVENT_LOG, count_line, arg);
  record_log(false);
  LOG(LL_WARN, ("logged"));
  record_log(true);
  mgos_event_remove_handler(MGOS_EVENT_LOG, count_line, arg);
}

static void look_at_topic(void *arg) {
  strncpy((char *) arg, mgos_sys_config_get_debug_stdout_topic(), 20);
}

/* mos.yml sets the topic to out/??????. */
static void lines(void) {
  char topic[21] = "", payload[2049];
  const uint8_t *packet;
  int hooked = 0;
  size_t i;
  in_app(look_at_topic, topic);
  expect_that(strlen(topic) == 10 && memcmp(topic, "out/", 4) == 0);
  for (i = 4; i < 10; i++) expect_that(strchr("0123456789ABCDEF", topic[i]) != NULL);
  check("question marks in the topic are replaced by digits of the MAC address at start");
  create_global();
  connect_up();
  topics("out", NULL, false);
  in_app(print, "hello out");
  expect("30 27 0003 'out' 'suite 0 ' " TIME " ' 1|hello out'");
  topics("out", "err", false);
  in_app(print_error, "hello err");
  expect("30 27 0003 'err' 'suite 1 ' " TIME " ' 2|hello err'");
  check("device.id, a counter for both streams, the time, the stream's number, the line; QoS 0");
  topics("out", "err", true);
  in_app(print, "hello out");
  expect("30 28 0003 'out' 'suite 2 ' " TIME " ' -1|hello out'");
  in_app(print_error, "hello err");
  expect("30 27 0003 'err' 'suite 3 ' " TIME " ' 0|hello err'");
  check("debug_use_log_level: the level, -1 outside of LOG(), and 0 for the log");
  topics("out", NULL, false);
  memset(payload, 'x', sizeof(payload));
  payload[700] = '\0';
  in_app(print, payload);
  expect("30 da 05 0003 'out' 'suite 4 ' " TIME " ' 1|xxxx' *");
  check("a long line is not truncated");
  memset(payload, 'x', sizeof(payload));
  expect_that(app_pub_bytes("t", payload, 2047, 1, false) > 0);
  expect("32 *");
  in_app(print, "x");
  expect("30 1f 0003 'out' 'suite 5 ' " TIME " ' 1|x'");
  check("lines are published while less than 2048 bytes wait");
  expect_that(app_pub_bytes("t", "1", 1, 1, false) > 0);
  expect("32 *");
  in_app(print, "x");
  expect_silence();
  play("40 02 0008");
  expect_events("g PUBACK 8\n");
  in_app(print, "x");
  expect("30 1f 0003 'out' 'suite 6 ' " TIME " ' 1|x'");
  check("and not while more wait");
  expect_number(app_get_packet_id(), 10);
  check("each uses a packet ID");
  topics(NULL, "err", false);
  in_app(log_line, &hooked);
  /* Not every port of Mongoose OS passes LOG() to its hooks. */
  if (hooked > 0) {
    size_t len = receive_packet(&packet);
    expect_that(memcmp(packet + 4, "errsuite 7 ", 11) == 0);
    expect_that(memcmp(packet + 7 + 8 + 14, " 2|", 3) == 0 && memmem(packet, len, "logged", 6) != NULL);
    check("a line of LOG()");
  } else {
    left_out("a line of LOG()", NO_LOG_EVENT);
  }
  if (hooked > 0) {
    record_log(false);
    drop();
    expect_connect();
    play("20 02 00 00");
#ifdef MQTT_UPSTREAM
    expect_silence();
    check("CONNACK's line is not published yet");
#else
    size_t len = receive_packet(&packet);
    expect_that(packet[0] == 0x30 && memmem(packet, len, "CONNACK 0", 9) != NULL);
    check("CONNACK's line is the first of a connection");
#endif
    record_log(true);
    forget_events();
  } else {
    left_out("the first line of a connection", NO_LOG_EVENT);
  }
  topics(NULL, NULL, false);
}

static void take_id(void *arg) {
  *(int *) arg = mgos_mqtt_get_packet_id();
}

/* The global connection is down from here on. */
static void offline(void) {
  int before, after;
  connect_up();
  in_app(take_id, &before);
  topics("out", NULL, false);
  in_app(print, "x");
  expect_silence();
  topics(NULL, NULL, false);
  in_app(take_id, &after);
  expect_number(after, before + 2);
  check("lines go to the global connection only; while that is down they are lost, but use packet IDs");
}

static const struct script scripts[] = {
    {"lines", lines},
    {"another connection", offline},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
