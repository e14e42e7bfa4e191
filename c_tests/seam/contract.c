/*
 * The contract of the seam: what each function that the core calls does, as their comments in src/ffi/shim.rs say. It is
 * checked on shim/ and on what stands in its place in the tests of the core; what the core has for these is played here.
 *
 * Not here: mgos_mqtt_core_global() and the others that shim/mgos_mqtt.c calls, which is no part of the stand-in; TLS,
 * which is Mongoose's; how mqtt.server is read (c_tests/server.c); the handshake of WebSocket with a server
 * (c_tests/websocket.c).
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Checks ---- */

static const char *s_function;
static unsigned s_passed, s_failed, s_expected;
static bool s_wrong;

static void wrong(int line, const char *what) {
  s_wrong = true;
  printf("# line %d: not so: %s\n", line, what);
}

#define expect(what) (s_expected++, (what) ? (void) 0 : wrong(__LINE__, #what))
#define expect_number(number, want)                                                                  \
  do {                                                                                               \
    long long got_ = (long long) (number), want_ = (long long) (want);                               \
    s_expected++;                                                                                    \
    if (got_ != want_) wrong(__LINE__, #number " is " #want), printf("# %lld, not %lld\n", got_, want_); \
  } while (0)

/* What was expected since the last of these holds. */
static void shown(const char *what) {
  unsigned *count = s_wrong ? &s_failed : &s_passed;
  ++*count;
  printf("%s %u - %s: %s: %s\n", s_wrong ? "not ok" : "ok", s_passed + s_failed, rig_name(), s_function, what);
  fflush(stdout);
  s_wrong = false;
}

static void left_out(const char *what, const char *why) {
  printf("# left out: %s: %s: %s: %s\n", rig_name(), s_function, what, why);
}

static bool s_failing, s_has_failed;
static unsigned s_nth;

/* From here on, to feed(), one allocation fails: where an act is done by with_failures(). */
static void fail_next(void) {
  if (s_failing) rig_fail_after(s_nth);
}

static void feed(void) {
  if (s_failing) s_has_failed = rig_has_failed();
}

/* Does it with each of its allocations failing, one at a time, until none is left to fail. Returns how many have failed. */
static unsigned with_failures(void (*act)(void)) {
  for (s_nth = 0; s_nth < 100; s_nth++) {
    s_failing = true;
    s_has_failed = false;
    act();
    s_failing = false;
    if (!s_has_failed) return s_nth;
    s_has_failed = false;
    /* It has left nothing that is in the way. */
    act();
  }
  expect(!"allocations come to an end");
  return s_nth;
}

/* ---- The core ---- */

static int s_object;
static struct mgos_mqtt_conn *const c = (struct mgos_mqtt_conn *) &s_object;

static struct {
  unsigned timers, up, down, time_set, reboot, closes, receives;
  void *owner; /* in the last event */
} s_core;

static struct mg_connection *s_nc; /* what the connection object has */

void mgos_mqtt_core_timer(struct mgos_mqtt_conn *conn) {
  expect(conn == c);
  s_core.timers++;
}

void mgos_mqtt_core_net(struct mgos_mqtt_conn *conn, uint32_t up) {
  expect(conn == c);
  expect(up <= 1);
  ++*(up ? &s_core.up : &s_core.down);
}

void mgos_mqtt_core_reboot(struct mgos_mqtt_conn *conn) {
  expect(conn == c);
  s_core.reboot++;
}

void mgos_mqtt_core_time_set(struct mgos_mqtt_conn *conn) {
  expect(conn == c);
  s_core.time_set++;
}

static struct {
  struct mg_connection *nc;
  mgos_mqtt_frames what;
} s_frames;

uint32_t mgos_mqtt_core_ws_frames(struct mgos_mqtt_conn *conn, struct mg_connection *nc, mgos_mqtt_frames what) {
  expect(conn == c);
  s_frames.nc = nc;
  s_frames.what = what;
  return 0x101;
}

struct mg_connection *mgos_mqtt_conn_nc(struct mgos_mqtt_conn *conn);

struct mg_connection *mgos_mqtt_conn_nc(struct mgos_mqtt_conn *conn) {
  expect(conn == c);
  return s_nc;
}

void mgos_mqtt_ev(struct mg_connection *nc, int ev, void *ev_data, void *user_data) {
  s_core.owner = user_data;
  if (ev == MG_EV_RECV) s_core.receives++;
  if (ev == MG_EV_CLOSE) {
    s_core.closes++;
    if (nc == s_nc) s_nc = NULL;
  }
  (void) ev_data;
}

/* ---- Clocks, timers, events ---- */

static void now(void) {
  uint32_t before = mgos_mqtt_shim_now(), passed;
  rig_pass(2500);
  passed = mgos_mqtt_shim_now() - before;
  expect(passed >= 2500 && passed < 4000);
  shown("it counts milliseconds");
  before = mgos_mqtt_shim_now();
  rig_pass(0xffffffff);
  passed = mgos_mqtt_shim_now() - before;
  expect((uint32_t) (passed + 1) < 1000);
  shown("modulo 2^32");
  int weeks;
  for (weeks = 0; weeks < 1000; weeks++) {
    before = mgos_mqtt_shim_now();
    rig_pass(604800001);
    passed = mgos_mqtt_shim_now() - before;
    expect(passed - 604800001 < 1000);
  }
  shown("for twenty years");
}

static void random_number(void) {
  uint32_t ones = 0, zeros = 0, halves = 0, last = mgos_mqtt_shim_random(), same = 0;
  int i;
  for (i = 0; i < 300; i++) {
    uint32_t n = mgos_mqtt_shim_random();
    ones |= n;
    zeros |= ~n;
    halves |= (n >> 16) ^ (n & 0xffff);
    same += n == last;
    last = n;
  }
  expect_number(ones, 0xffffffff);
  expect_number(zeros, 0xffffffff);
  shown("each of its 32 bits is set at times, and clear at times");
  expect_number(halves, 0xffff);
  expect(same < 3);
  shown("no bit is that of the other half, and no number that of before");
}

static void time_is_set(void) {
  rig_set_time(1000);
  expect_number(mgos_mqtt_shim_time_is_set(), 0);
  rig_set_time(1499999990);
  expect_number(mgos_mqtt_shim_time_is_set(), 0);
  rig_set_time(1500000000);
  expect_number(mgos_mqtt_shim_time_is_set(), 1);
  rig_set_time(2000000000);
  expect_number(mgos_mqtt_shim_time_is_set(), 1);
  shown("1 from July 2017 on");
}

static void timer_failing(void) {
  size_t timer, old;
  old = mgos_mqtt_shim_timer(0, 1000, c);
  fail_next();
  timer = mgos_mqtt_shim_timer(old, 60000, c);
  feed();
  expect(timer != 0);
  s_core.timers = 0;
  rig_pass(1500);
  rig_round();
  if (timer == old) {
    expect(s_has_failed);
    expect_number(s_core.timers, 1);
  } else {
    expect_number(s_core.timers, 0);
  }
  expect_number(mgos_mqtt_shim_timer(timer, -1, c), 0);
}

static void timer(void) {
  size_t first, second;
  unsigned calls = rig_calls();
  s_core.timers = 0;
  first = mgos_mqtt_shim_timer(0, 20000, c);
  expect(first != 0);
  rig_pass(15000);
  rig_round();
  expect_number(s_core.timers, 0);
  rig_pass(5000);
  rig_round();
  rig_round();
  expect_number(s_core.timers, 1);
  rig_pass(20000);
  rig_round();
  rig_round();
  expect_number(s_core.timers, 2);
  expect_number(mgos_mqtt_shim_timer(first, -1, c), 0);
  shown("it fires after that time, and repeats");

  s_core.timers = 0;
  first = mgos_mqtt_shim_timer(0, 1000, c);
  second = mgos_mqtt_shim_timer(first, 30000, c);
  expect(second != 0 && second != first);
  rig_pass(20000);
  rig_round();
  expect_number(s_core.timers, 0);
  rig_pass(10000);
  rig_round();
  expect_number(s_core.timers, 1);
  expect_number(mgos_mqtt_shim_timer(second, -1, c), 0);
  shown("another takes its place");

  s_core.timers = 0;
  first = mgos_mqtt_shim_timer(0, 0, c);
  expect(first != 0);
  rig_pass(5);
  rig_round();
  expect(s_core.timers > 0);
  expect_number(mgos_mqtt_shim_timer(first, -1, c), 0);
  shown("0 ms is the next round, or the one after it");

  s_core.timers = 0;
  first = mgos_mqtt_shim_timer(0, 1000, c);
  expect_number(mgos_mqtt_shim_timer(first, -1, c), 0);
  expect_number(mgos_mqtt_shim_timer(0, -1, c), 0);
  rig_pass(2000);
  rig_round();
  expect_number(s_core.timers, 0);
  shown("a negative time clears it");
  first = mgos_mqtt_shim_timer(0, INT32_MAX, c);
  expect(first != 0);
  rig_pass(1000000000);
  rig_round();
  expect_number(s_core.timers, 0);
  mgos_mqtt_shim_timer(first, -1, c);
  shown("it may be weeks away");
  expect_number(rig_calls(), calls);
  shown("the app is not called");

  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  rig_fail_after(0);
  expect_number(mgos_mqtt_shim_timer(0, 10, c), 0);
  expect(rig_has_failed());
  shown("without memory there is none");
  expect(with_failures(timer_failing) >= 1);
  shown("without memory the one before goes on");
  first = mgos_mqtt_shim_timer(0, 1000, c);
  rig_fail_after(0);
  expect_number(mgos_mqtt_shim_timer(first, -1, c), 0);
  expect(!rig_has_failed());
  shown("clearing takes no memory");
}

static void expect_net(unsigned up, unsigned down) {
  rig_net(true);
  rig_net(false);
  rig_net(true);
  expect_number(s_core.up, up);
  expect_number(s_core.down, down);
  s_core.up = s_core.down = 0;
}

static void watch_net_failing(void) {
  uint32_t on;
  fail_next();
  on = mgos_mqtt_shim_watch_net(c, 1);
  feed();
  expect_number(on, !s_has_failed);
  if (on) {
    expect_net(2, 1);
  } else {
    expect_net(0, 0);
  }
  mgos_mqtt_shim_watch_net(c, 0);
  expect_net(0, 0);
}

static void watch_net(void) {
  unsigned calls = rig_calls();
  s_core.up = s_core.down = 0;
  expect_number(mgos_mqtt_shim_watch_net(c, 1), 1);
  expect_net(2, 1);
  shown("each time that it comes up or goes down");
  expect_number(mgos_mqtt_shim_watch_net(c, 0), 0);
  expect_net(0, 0);
  expect_number(mgos_mqtt_shim_watch_net(c, 0), 0);
  expect_net(0, 0);
  shown("no more after 0, which may be said again");
  expect_number(rig_calls(), calls);
  shown("the app is not called");
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  expect(with_failures(watch_net_failing) >= 2);
  shown("without memory it is 0, and nothing is told");
}

static void set_time_twice(unsigned told) {
  s_core.time_set = 0;
  rig_set_time(1000);
  rig_set_time(1700000000);
  expect_number(s_core.time_set, told);
}

static void watch_time_failing(void) {
  fail_next();
  mgos_mqtt_shim_watch_time(c, 1);
  feed();
  set_time_twice(s_has_failed ? 0 : 2);
  mgos_mqtt_shim_watch_time(c, 0);
  set_time_twice(0);
}

static void watch_time(void) {
  unsigned calls = rig_calls();
  mgos_mqtt_shim_watch_time(c, 0);
  set_time_twice(0);
  mgos_mqtt_shim_watch_time(c, 1);
  set_time_twice(2);
  shown("each time that the clock is set, whatever to");
  mgos_mqtt_shim_watch_time(c, 1);
  mgos_mqtt_shim_watch_time(c, 1);
  set_time_twice(2);
  shown("once each time, however often it was said");
  mgos_mqtt_shim_watch_time(c, 0);
  set_time_twice(0);
  shown("no more after 0");
  expect_number(rig_calls(), calls);
  shown("the app is not called");
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  expect(with_failures(watch_time_failing) >= 1);
  shown("without memory it is not told");
}

static void reboot_twice(unsigned told) {
  s_core.reboot = 0;
  rig_reboot();
  rig_reboot();
  expect_number(s_core.reboot, told);
}

static void watch_reboot_failing(void) {
  fail_next();
  mgos_mqtt_shim_watch_reboot(c, 1);
  feed();
  reboot_twice(s_has_failed ? 0 : 2);
  mgos_mqtt_shim_watch_reboot(c, 0);
  reboot_twice(0);
}

static void watch_reboot(void) {
  unsigned calls = rig_calls();
  mgos_mqtt_shim_watch_reboot(c, 0);
  reboot_twice(0);
  mgos_mqtt_shim_watch_reboot(c, 1);
  mgos_mqtt_shim_watch_reboot(c, 1);
  reboot_twice(2);
  shown("each time that a restart is announced, once, however often it was said");
  mgos_mqtt_shim_watch_reboot(c, 0);
  reboot_twice(0);
  expect_number(rig_calls(), calls);
  shown("no more after 0, and the app is not called");
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  expect(with_failures(watch_reboot_failing) >= 1);
  shown("without memory it is not told");
}

static void wall_clock(void) {
  rig_set_time(1000);
  expect_number(mgos_mqtt_shim_wall_clock(), 0);
  rig_set_time(1700000000.5);
  expect(mgos_mqtt_shim_wall_clock() - 1700000000u <= 1);
  shown("seconds, or 0 before it is set");
}

#define QUEUE "seam_queue"

static void claim_failing(void) {
  fail_next();
  void *file = mgos_mqtt_shim_queue_claim(QUEUE);
  feed();
  expect((file == NULL) == s_has_failed);
  if (file != NULL) mgos_mqtt_shim_queue_release(file);
}

static void queue_claim(void) {
  void *other = mgos_mqtt_shim_queue_claim(QUEUE "2"), *file = mgos_mqtt_shim_queue_claim(QUEUE);
  expect(other != NULL && file != NULL && file != other);
  expect(mgos_mqtt_shim_queue_claim(QUEUE) == NULL);
  mgos_mqtt_shim_queue_release(other);
  expect(mgos_mqtt_shim_queue_claim(QUEUE) == NULL);
  mgos_mqtt_shim_queue_release(file);
  file = mgos_mqtt_shim_queue_claim(QUEUE);
  expect(file != NULL);
  mgos_mqtt_shim_queue_release(file);
  shown("a name once at a time");
  expect(mgos_mqtt_shim_queue_claim("") == NULL && mgos_mqtt_shim_queue_claim(NULL) == NULL);
  shown("no empty name, and not NULL");
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  expect(with_failures(claim_failing) >= 1);
  shown("NULL without memory");
}

static bool write_copy(void *file, uint32_t copy, const char *text) {
  int32_t fd = mgos_mqtt_shim_queue_open(file, copy, 1);
  size_t len = strlen(text);
  if (fd < 0) return false;
  uint32_t ok = mgos_mqtt_shim_queue_write(fd, (const uint8_t *) text, len / 2);
  ok &= mgos_mqtt_shim_queue_write(fd, (const uint8_t *) text + len / 2, len - len / 2);
  return mgos_mqtt_shim_queue_close(fd) == 1 && ok == 1;
}

static bool has_copy(void *file, uint32_t copy, const char *text) {
  uint8_t bytes[40];
  size_t len = strlen(text);
  int32_t fd = mgos_mqtt_shim_queue_open(file, copy, 0);
  if (fd < 0) return false;
  size_t n = mgos_mqtt_shim_queue_read(fd, bytes, 3);
  n += mgos_mqtt_shim_queue_read(fd, bytes + 3, sizeof(bytes) - 3);
  bool same = n == len && memcmp(bytes, text, len) == 0 && mgos_mqtt_shim_queue_read(fd, bytes, 1) == 0;
  return mgos_mqtt_shim_queue_close(fd) == 1 && same;
}

static void queue_files(void) {
  unsigned calls = rig_calls();
  void *file = mgos_mqtt_shim_queue_claim(QUEUE);
  expect(mgos_mqtt_shim_queue_open(file, 0, 0) == -1 && mgos_mqtt_shim_queue_open(file, 1, 0) == -1);
  shown("a copy that is not there can't be read");
  expect(write_copy(file, 0, "the first copy"));
  expect(has_copy(file, 0, "the first copy") && mgos_mqtt_shim_queue_open(file, 1, 0) < 0);
  expect(write_copy(file, 1, "the second, which is longer"));
  expect(write_copy(file, 1, "shorter"));
  expect(has_copy(file, 0, "the first copy") && has_copy(file, 1, "shorter"));
  shown("two copies, each written anew and read back, in pieces");
  mgos_mqtt_shim_queue_set_aside(file, 0);
  expect(mgos_mqtt_shim_queue_open(file, 0, 0) < 0 && has_copy(file, 1, "shorter"));
  mgos_mqtt_shim_queue_set_aside(file, 1);
  expect(mgos_mqtt_shim_queue_open(file, 1, 0) < 0);
  shown("one that is set aside is out of the way, and another over it");
  char name[200];
  memset(name, 'q', sizeof(name));
  strcpy(name + sizeof(name) - sizeof(".bad"), "");
  void *long_one = mgos_mqtt_shim_queue_claim(name);
  expect(write_copy(long_one, 0, "a long name") && has_copy(long_one, 0, "a long name"));
  mgos_mqtt_shim_queue_set_aside(long_one, 0);
  expect(mgos_mqtt_shim_queue_open(long_one, 0, 0) == -1);
  mgos_mqtt_shim_queue_release(long_one);
  remove(strcat(name, ".bad"));
  shown("a long name");
  expect_number(rig_calls(), calls);
  shown("the app is not called");
  mgos_mqtt_shim_queue_log(MGOS_MQTT_QUEUE_LOG_RESTORED, 7, file, NULL, 42);
  expect(rig_calls() == calls + 1 && strstr(rig_line(), QUEUE) != NULL);
  if (rig_has_words()) expect(strstr(rig_line(), "MQTT7 ") != NULL && strstr(rig_line(), "42 messages") != NULL);
  mgos_mqtt_shim_queue_log(MGOS_MQTT_QUEUE_LOG_REFUSED, 7, NULL, "other", 0);
  expect(rig_calls() == calls + 2 && strstr(rig_line(), "other") != NULL);
  mgos_mqtt_shim_queue_log(MGOS_MQTT_QUEUE_LOG_REFUSED, 7, NULL, NULL, 0);
  expect_number(rig_calls(), calls + 3);
  shown("a log line with the name of the file, for which the app is called");
  mgos_mqtt_shim_queue_release(file);
  remove(QUEUE ".bad");
}

static void cloud_event(void) {
  static const char *const names[] = {"CONNECTING", "CONNECTED", "DISCONNECTED", "CONNECTERROR"};
  int which;
  for (which = 0; which < 4; which++) {
    unsigned calls = rig_calls();
    int ev;
    void *data;
    const char *name;
    mgos_mqtt_shim_cloud_event((mgos_mqtt_cloud) which);
    name = rig_event(&ev, &data);
    expect(name != NULL && strcmp(name, names[which]) == 0);
    expect_number(rig_calls(), calls + 1);
  }
  shown("each calls the app, as an event of MQTT's");
}

static void event(void) {
  struct mgos_mqtt_event_arg arg = {c, 3, 4, 5};
  unsigned calls = rig_calls();
  int ev;
  void *data;
  mgos_mqtt_shim_event(MGOS_MQTT_EVENT_SET_ASIDE, &arg);
  expect(rig_event(&ev, &data) == NULL);
  expect_number(ev, MGOS_MQTT_EVENT_SET_ASIDE);
  expect(data == &arg);
  mgos_mqtt_shim_event(MGOS_MQTT_EVENT_GIVEN_UP, NULL);
  expect(rig_event(&ev, &data) == NULL);
  expect_number(ev, MGOS_MQTT_EVENT_GIVEN_UP);
  expect(data == NULL);
  expect_number(rig_calls(), calls + 2);
  shown("it calls the app, with these data");
}

static void free_heap(void) {
  size_t bytes = mgos_mqtt_shim_free_heap();
  expect(bytes > 1000);
  shown("a number of bytes");
}

/* ---- Configurations ---- */

static int32_t number_with(mgos_mqtt_number which, double value) {
  struct mgos_config_mqtt *cfg = rig_config();
  int32_t result;
  rig_set_number(cfg, which, value);
  result = mgos_mqtt_shim_number(cfg, which);
  rig_free(cfg);
  return result;
}

static int32_t number_with_server(mgos_mqtt_number which, const char *server) {
  struct mgos_config_mqtt *cfg = rig_config();
  int32_t result;
  rig_set_server(cfg, server);
  result = mgos_mqtt_shim_number(cfg, which);
  rig_free(cfg);
  return result;
}

static void number(void) {
  static const struct {
    mgos_mqtt_number which;
    int32_t value;
  } defaults[] = {
      {MGOS_MQTT_NUMBER_ENABLE, 2},           {MGOS_MQTT_NUMBER_RECONNECT_MIN, 2000},
      {MGOS_MQTT_NUMBER_RECONNECT_MAX, 60000}, {MGOS_MQTT_NUMBER_CLEAN_SESSION, 1},    {MGOS_MQTT_NUMBER_KEEP_ALIVE, 60},
      {MGOS_MQTT_NUMBER_WILL_RETAIN, 0},      {MGOS_MQTT_NUMBER_MAX_QOS, 2},          {MGOS_MQTT_NUMBER_REQUIRE_TIME, 0},
      {MGOS_MQTT_NUMBER_CLOUD_EVENTS, 1},     {MGOS_MQTT_NUMBER_MAX_QUEUE, 5},        {MGOS_MQTT_NUMBER_MAX_QUEUE_BYTES, 0},
      {MGOS_MQTT_NUMBER_CONNECT_TIMEOUT, 30000},
      {MGOS_MQTT_NUMBER_WS_ENABLE, 0},        {MGOS_MQTT_NUMBER_ACK_TIMEOUT, 20000},   {MGOS_MQTT_NUMBER_TLS, 0},
  };
  static const mgos_mqtt_number booleans[] = {MGOS_MQTT_NUMBER_CLEAN_SESSION,
                                              MGOS_MQTT_NUMBER_WILL_RETAIN,  MGOS_MQTT_NUMBER_REQUIRE_TIME,
                                              MGOS_MQTT_NUMBER_CLOUD_EVENTS, MGOS_MQTT_NUMBER_WS_ENABLE};
  static const mgos_mqtt_number integers[] = {MGOS_MQTT_NUMBER_KEEP_ALIVE, MGOS_MQTT_NUMBER_MAX_QOS,
                                              MGOS_MQTT_NUMBER_MAX_QUEUE, MGOS_MQTT_NUMBER_MAX_QUEUE_BYTES};
  static const mgos_mqtt_number times[] = {MGOS_MQTT_NUMBER_RECONNECT_MIN, MGOS_MQTT_NUMBER_RECONNECT_MAX,
                                           MGOS_MQTT_NUMBER_CONNECT_TIMEOUT, MGOS_MQTT_NUMBER_ACK_TIMEOUT};
  static const char *const websockets[] = {"ws://h", "wss://h", "WS://h:80/p", " wss://h"};
  struct mgos_config_mqtt *cfg = rig_config();
  unsigned calls = rig_calls();
  size_t i;
  expect_number(COUNT(defaults), MGOS_MQTT_NUMBER_TLS + 1);
  for (i = 0; i < COUNT(defaults); i++) {
    expect_number(defaults[i].which, i);
    expect_number(mgos_mqtt_shim_number(cfg, defaults[i].which), defaults[i].value);
  }
  rig_free(cfg);
  shown("each as the configuration has it by default");

  for (i = 0; i < COUNT(booleans); i++) {
    expect_number(number_with(booleans[i], 1), 1);
    expect_number(number_with(booleans[i], 0), 0);
  }
  shown("1 and 0 for true and false");

  for (i = 0; i < COUNT(integers); i++) {
    expect_number(number_with(integers[i], 0), 0);
    expect_number(number_with(integers[i], -1), -1);
    expect_number(number_with(integers[i], 70000), 70000);
    expect_number(number_with(integers[i], INT32_MAX), INT32_MAX);
    expect_number(number_with(integers[i], INT32_MIN), INT32_MIN);
  }
  shown("integers as they are, whatever that is");

  for (i = 0; i < COUNT(times); i++) {
    int32_t negative = times[i] == MGOS_MQTT_NUMBER_ACK_TIMEOUT ? -1 : 0;
    expect_number(number_with(times[i], 0), 0);
    expect_number(number_with(times[i], 0.05), 50);
    expect_number(number_with(times[i], 0.0009), 0);
    expect_number(number_with(times[i], 2147482.5), 2147482500);
    expect_number(number_with(times[i], 2147484), INT32_MAX);
    expect_number(number_with(times[i], 1e300), INT32_MAX);
    expect_number(number_with(times[i], HUGE_VAL), INT32_MAX);
    expect_number(number_with(times[i], NAN), 0);
    expect_number(number_with(times[i], -NAN), 0);
    expect_number(number_with(times[i], -0.0), 0);
    expect_number(number_with(times[i], -0.0001), negative);
    expect_number(number_with(times[i], -5), negative);
    expect_number(number_with(times[i], -1e300), negative);
    expect_number(number_with(times[i], -HUGE_VAL), negative);
  }
  shown("times in milliseconds, 0 for what is none, -1 for a negative ack_timeout, at most 2^31 - 1");

  expect_number(number_with(MGOS_MQTT_NUMBER_ENABLE, 0), 0);
  expect_number(number_with_server(MGOS_MQTT_NUMBER_ENABLE, NULL), 1);
  expect_number(number_with_server(MGOS_MQTT_NUMBER_ENABLE, ""), 1);
  expect_number(number_with_server(MGOS_MQTT_NUMBER_ENABLE, "h"), 2);
  shown("whether it is enabled, and names a server");
  for (i = 0; i < COUNT(websockets); i++) {
    expect_number(number_with_server(MGOS_MQTT_NUMBER_WS_ENABLE, websockets[i]), 1);
  }
  expect_number(number_with_server(MGOS_MQTT_NUMBER_WS_ENABLE, "mqtts://h"), 0);
  expect_number(number_with_server(MGOS_MQTT_NUMBER_WS_ENABLE, NULL), 0);
  shown("WebSocket by the server's scheme, too");
  for (i = 0; i <= 3; i++) {
    expect_number(number_with(MGOS_MQTT_NUMBER_TLS, (double) i), (int) i);
  }
  shown("what is configured for TLS");
  expect_number(rig_calls(), calls);
  shown("the app is not called");
}

/* NULL is equal to NULL alone. */
static bool equal(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void config_strings(void) {
  static const char *const texts[] = {"id", "will/topic", "will", "user", "password"};
  const char *strings[6] = {NULL, NULL, NULL, NULL, NULL, "untouched"};
  struct mgos_config_mqtt *cfg = rig_config();
  int i;
  for (i = 0; i < 5; i++) rig_set_text(cfg, i, NULL);
  for (i = 1; i < 5; i++) strings[i] = "not set";
  mgos_mqtt_shim_config_strings(cfg, strings);
  expect(equal(strings[0], "device"));
  for (i = 1; i < 5; i++) expect(strings[i] == NULL);
  shown("NULL where the configuration has none, and device.id for the client id");
  rig_set_device_id(NULL);
  mgos_mqtt_shim_config_strings(cfg, strings);
  expect(strings[0] == NULL);
  rig_set_device_id("device");
  shown("NULL where that is empty as well");
  for (i = 0; i < 5; i++) rig_set_text(cfg, i, texts[i]);
  mgos_mqtt_shim_config_strings(cfg, strings);
  for (i = 0; i < 5; i++) expect(equal(strings[i], texts[i]));
  expect(equal(strings[5], "untouched"));
  shown("five of them, in the order of CONNECT");
  for (i = 0; i < 5; i++) rig_set_text(cfg, i, "");
  mgos_mqtt_shim_config_strings(cfg, strings);
  for (i = 0; i < 5; i++) expect(equal(strings[i], ""));
  shown("empty ones that the app has put there stay so");
  rig_free(cfg);
}

static uint32_t key_of(const char *server, const char *client_id) {
  struct mgos_config_mqtt *cfg = rig_config();
  uint32_t key;
  rig_set_server(cfg, server);
  rig_set_text(cfg, 0, client_id);
  key = mgos_mqtt_shim_session_key(cfg);
  rig_free(cfg);
  return key;
}

static void session_key(void) {
  unsigned same = 0, zeros = 0, i;
  uint32_t before = 0;
  for (i = 0; i < 1000; i++) {
    char id[16];
    uint32_t key;
    snprintf(id, sizeof(id), "device-%u", i);
    key = key_of("h:1883", id);
    zeros += key == 0;
    same += key == before;
    before = key;
  }
  expect_number(zeros, 0);
  expect_number(same, 0);
  expect(key_of(NULL, NULL) != 0);
  shown("not 0, and another for another client id");
  expect_number(key_of("h:1883", "id"), key_of("h:1883", "id"));
  expect_number(key_of("h:1883", NULL), key_of("h:1883", "device"));
  shown("equal for equal ones, device.id included");
  expect(key_of("h:1883", "id") != key_of("h:1884", "id"));
  expect(key_of("ha", "b") != key_of("h", "ab"));
  expect(key_of("h", "id") != key_of(NULL, "id"));
  shown("another for another server");
}

static void expect_copy(const struct mgos_config_mqtt *copy) {
  const char *strings[5];
  mgos_mqtt_shim_config_strings(copy, strings);
  expect(equal(strings[0], "id"));
  expect(equal(strings[3], "user"));
  expect_number(mgos_mqtt_shim_number(copy, MGOS_MQTT_NUMBER_KEEP_ALIVE), 77);
  expect_number(mgos_mqtt_shim_number(copy, MGOS_MQTT_NUMBER_RECONNECT_MIN), 1500);
}

static void copying(void) {
  struct mgos_config_mqtt *cfg = rig_config();
  const struct mgos_config_mqtt *copy;
  rig_set_text(cfg, 0, "id");
  rig_set_text(cfg, 3, "user");
  rig_set_number(cfg, MGOS_MQTT_NUMBER_KEEP_ALIVE, 77);
  rig_set_number(cfg, MGOS_MQTT_NUMBER_RECONNECT_MIN, 1.5);
  fail_next();
  copy = mgos_mqtt_shim_copy_config(cfg);
  feed();
  if (copy != NULL) {
    expect(copy != cfg);
    expect_copy(copy);
    rig_set_text(cfg, 0, "another");
    rig_set_text(cfg, 3, NULL);
    rig_set_number(cfg, MGOS_MQTT_NUMBER_KEEP_ALIVE, 1);
    expect_copy(copy);
  } else {
    expect(s_has_failed);
  }
  rig_free(cfg);
  if (copy != NULL) expect_copy(copy);
  mgos_mqtt_shim_free_config(copy);
}

static void copy_config(void) {
  int i;
  copying();
  shown("it is deep");
  for (i = 0; i < 2; i++) {
    expect(mgos_mqtt_shim_copy_config(rig_system(i)) == rig_system(i));
    mgos_mqtt_shim_free_config(rig_system(i));
    expect_number(mgos_mqtt_shim_number(rig_system(i), MGOS_MQTT_NUMBER_KEEP_ALIVE), 60);
  }
  shown("the system's own are shared, and not freed");
  mgos_mqtt_shim_free_config(NULL);
  shown("NULL is fine to free");
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  expect(with_failures(copying) >= 1);
  rig_fail_after(0);
  expect(mgos_mqtt_shim_copy_config(rig_system(0)) == rig_system(0));
  expect(!rig_has_failed());
  shown("without memory it is NULL, and nothing is left");
}

/* ---- The log ---- */

static char s_text[600];

static void overwrite_text(void) {
  memset(s_text, 'x', sizeof(s_text) - 1);
}

static void log_text(mgos_mqtt_log what, const char *text, size_t len, int32_t a, int32_t b) {
  memcpy(s_text, text, len);
  rig_in_next_call(overwrite_text);
  mgos_mqtt_shim_log(what, 7, (const uint8_t *) s_text, len, a, b);
  expect(len == 0 || s_text[0] == 'x');
}

static void log_line(void) {
  static const int32_t numbers[] = {0, 1, -1, 255, 65535, INT32_MAX, INT32_MIN};
  char text[513];
  unsigned calls;
  uint32_t what;
  size_t i;
  for (what = 0; what <= MGOS_MQTT_LOG_BAD_TOPIC + 4; what++) {
    int32_t a = what > MGOS_MQTT_LOG_BAD_TOPIC ? (int32_t) (what - MGOS_MQTT_LOG_BAD_TOPIC) : 1;
    calls = rig_calls();
    if (what == MGOS_MQTT_LOG_BAD_TOPIC) continue;
    mgos_mqtt_shim_log(what > MGOS_MQTT_LOG_BAD_TOPIC ? MGOS_MQTT_LOG_BAD_TOPIC : (mgos_mqtt_log) what, 7, NULL, 0, a, 0);
    expect_number(rig_calls(), calls + 1);
    if (!rig_has_words()) continue;
    expect(strncmp(rig_line(), "MQTT7 ", 6) == 0);
    expect(strlen(rig_line()) > 10);
  }
  shown("each calls the app once, with a line of its own");

  log_text(MGOS_MQTT_LOG_DROPPED, "a/topic", 7, 0, 0);
  expect(strstr(rig_line(), "a/topic") != NULL);
  log_text(MGOS_MQTT_LOG_DROPPED, "cut here", 3, 0, 0);
  expect(strstr(rig_line(), "cut") != NULL && strstr(rig_line(), "here") == NULL);
  shown("the text is copied before the app is called");

  calls = rig_calls();
  memset(text, 't', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  for (what = 0; what < MGOS_MQTT_LOG_BAD_TOPIC; what++) {
    for (i = 0; i < COUNT(numbers); i++) {
      log_text((mgos_mqtt_log) what, text, sizeof(text) - 1, numbers[i], numbers[COUNT(numbers) - 1 - i]);
      expect(!rig_has_words() || strlen(rig_line()) < 210);
    }
  }
  expect_number(rig_calls(), calls + MGOS_MQTT_LOG_BAD_TOPIC * COUNT(numbers));
  shown("whatever the numbers and however long the text");
  if (!rig_has_words()) return left_out("control characters, and where it is cut", "here a line has no words");
  expect(strstr(rig_line(), "tttttttttt") == NULL || strlen(rig_line()) < 210);
  log_text(MGOS_MQTT_LOG_DROPPED, text, sizeof(text) - 1, 0, 0);
  text[96] = '\0';
  expect(strstr(rig_line(), text) != NULL);
  text[96] = 't', text[97] = '\0';
  expect(strstr(rig_line(), text) == NULL);
  shown("96 bytes of the text are shown");
  log_text(MGOS_MQTT_LOG_DROPPED, "a\r\nb\x1b[0m\x7f\xc2\x85-\xc3\xa9", 14, 0, 0);
  expect(strstr(rig_line(), "a??b?[0m?\xc2?-\xc3\xa9") != NULL);
  shown("control characters are not");
}

static void log_connecting(void) {
  struct mgos_config_mqtt *cfg = rig_config();
  unsigned calls = rig_calls();
  rig_set_server(cfg, "broker:1883");
  mgos_mqtt_shim_log_connecting(cfg, 7);
  expect(strstr(rig_line(), "broker:1883") != NULL);
  expect(!rig_has_words() || strstr(rig_line(), "MQTT7 ") != NULL);
  expect_number(rig_calls(), calls + 1);
  shown("it calls the app once, with a line that names the server");
  rig_set_server(cfg, "mqtt://joe:pa@ss@broker:1883");
  mgos_mqtt_shim_log_connecting(cfg, 7);
  expect(strstr(rig_line(), "broker:1883") != NULL);
  expect(strstr(rig_line(), "joe") == NULL && strstr(rig_line(), "ss") == NULL);
  shown("without a login in it");
  rig_free(cfg);
}

/* ---- Connections ---- */

static void open_it(struct mgos_config_mqtt *cfg) {
  memset(&s_core, 0, sizeof(s_core));
  s_nc = mgos_mqtt_shim_open(c, cfg, 7);
  expect(s_nc != NULL);
  if (s_nc == NULL) exit(1);
  rig_accept(s_nc);
}

/* A connection: over WebSocket up to the end of Mongoose's handshake. */
static void begin(bool websocket) {
  struct mgos_config_mqtt *cfg = rig_config();
  rig_set_number(cfg, MGOS_MQTT_NUMBER_WS_ENABLE, websocket);
  open_it(cfg);
  rig_free(cfg);
}

static void end(void) {
  int rounds;
  if (s_nc != NULL) mgos_mqtt_shim_close(s_nc, 0);
  for (rounds = 0; rounds < 100 && s_nc != NULL; rounds++) rig_round();
  expect(s_nc == NULL);
}

static void open_failing(void) {
  struct mgos_config_mqtt *cfg = rig_config();
  unsigned calls = rig_calls();
  memset(&s_core, 0, sizeof(s_core));
  fail_next();
  s_nc = mgos_mqtt_shim_open(c, cfg, 7);
  feed();
  rig_free(cfg);
  if (s_nc == NULL) {
    expect(s_has_failed);
    expect(rig_calls() > calls);
    if (rig_has_words()) expect(strstr(rig_line(), "can't connect: ") != NULL);
    /* Whatever has come of it knows nothing of the connection object. */
    rig_round();
    rig_round();
    expect(s_core.owner == NULL);
  } else {
    rig_accept(s_nc);
    expect(s_core.owner == c);
    end();
  }
}

static void limit_is(int limit, size_t expected) {
  struct mgos_config_mqtt *cfg = rig_config();
  size_t len = 99, got = 0;
  rig_set_limit(cfg, limit);
  open_it(cfg);
  mgos_mqtt_shim_received(s_nc, &len, &got);
  expect_number(len, 0);
  expect_number(got, expected);
  end();
  rig_free(cfg);
}

static void opening(void) {
  struct mgos_config_mqtt *cfg = rig_config();
  unsigned calls = rig_calls();
  rig_set_server(cfg, "");
  expect(mgos_mqtt_shim_open(c, cfg, 7) == NULL);
  expect(rig_calls() > calls);
  calls = rig_calls();
  rig_set_server(cfg, NULL);
  expect(mgos_mqtt_shim_open(c, cfg, 7) == NULL);
  expect(rig_calls() > calls);
  rig_free(cfg);
  shown("NULL for a server that is none, after a line in the log");
  begin(false);
  expect(s_core.owner == c);
  expect(mgos_mqtt_shim_owner(s_nc) == c);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 0);
  expect_number(mgos_mqtt_shim_app_sent(s_nc), -1);
  expect(!rig_has_handler_between(s_nc));
  end();
  expect_number(s_core.closes, 1);
  shown("a connection whose events come to us, with its owner");
  limit_is(INT32_MIN, INT32_MAX);
  limit_is(-1, INT32_MAX);
  limit_is(0, 64);
  limit_is(64, 64);
  limit_is(65, 65);
  limit_is(3072, 3072);
  shown("with the limit that the configuration has, at least 64");
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  expect(with_failures(open_failing) >= 2);
  shown("without memory NULL, after a line in the log");
}

/* ---- The connect callback ---- */

static struct rig_options s_options;
static char s_client_id[16];
static void *s_arg;

static void read_options(const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  rig_read_options(opts, &s_options);
  snprintf(s_client_id, sizeof(s_client_id), "%s", client_id != NULL ? client_id : "NULL");
  s_arg = arg;
}

static void sends_connect(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts,
                          void *arg) {
  read_options(client_id, opts, arg);
  expect_number(s_options.keep_alive, 300);
  expect(s_options.clean_session && s_options.will_retain);
  expect(equal(s_options.texts[0], "will/topic") && equal(s_options.texts[1], "will"));
  expect(equal(s_options.texts[2], "user") && equal(s_options.texts[3], "password"));
  rig_send_connect(nc, client_id, opts);
}

static void sends_nothing(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  read_options(client_id, opts, arg);
  (void) nc;
}

static void sets_protocol(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  rig_set_protocol_mqtt(nc);
  rig_send_connect(nc, client_id, opts);
  expect(rig_has_handler_between(nc));
  (void) arg;
}

static void runs_the_loop(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  uint8_t bytes[100];
  rig_send_connect(nc, client_id, opts);
  rig_peer_gets(nc, bytes, sizeof(bytes));
  expect_number(mgos_mqtt_shim_unsent(nc), 0);
  (void) arg;
}

static void ends_it(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts, void *arg) {
  rig_send_connect(nc, client_id, opts);
  end();
  (void) arg;
}

static void ends_it_and_begins_another(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts,
                                       void *arg) {
  ends_it(nc, client_id, opts, arg);
  begin(false);
}

static void call_connect_fn(void) {
  static const char *const texts[] = {"id", "will/topic", "will", "user", "password"};
  struct mgos_config_mqtt *cfg = rig_config();
  int arg, i;
  size_t len;
  for (i = 0; i < 5; i++) rig_set_text(cfg, i, texts[i]);
  rig_set_number(cfg, MGOS_MQTT_NUMBER_KEEP_ALIVE, 300);
  rig_set_number(cfg, MGOS_MQTT_NUMBER_WILL_RETAIN, 1);
  begin(false);
  len = mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, sends_connect, &arg);
  expect(len > 10);
  expect_number(mgos_mqtt_shim_unsent(s_nc), len);
  expect(s_arg == &arg && equal(s_client_id, "id"));
  shown("it is given what the configuration says");
  expect_number(mgos_mqtt_shim_app_sent(s_nc), 300);
  expect_number(mgos_mqtt_shim_app_sent(s_nc), -1);
  shown("app_sent() says so once, with the interval of its CONNECT");
  expect_number(mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, sends_connect, &arg), len);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 2 * len);
  expect_number(mgos_mqtt_shim_last_unsent(s_nc, len)[0], 0x10);
  shown("its own bytes are counted, not those of before");
  end();

  begin(false);
  rig_set_text(cfg, 0, NULL);
  for (i = 1; i < 5; i++) rig_set_text(cfg, i, NULL);
  rig_set_number(cfg, MGOS_MQTT_NUMBER_WILL_RETAIN, 0);
  rig_set_number(cfg, MGOS_MQTT_NUMBER_CLEAN_SESSION, 0);
  rig_set_number(cfg, MGOS_MQTT_NUMBER_KEEP_ALIVE, 65536 + 5);
  expect_number(mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, sends_nothing, NULL), 0);
  expect(s_arg == NULL && equal(s_client_id, "device"));
  expect(!s_options.clean_session && !s_options.will_retain);
  expect_number(s_options.keep_alive, 5);
  for (i = 0; i < 4; i++) expect(s_options.texts[i] == NULL);
  expect_number(mgos_mqtt_shim_app_sent(s_nc), -1);
  shown("0 if it sends nothing");

  expect(mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, sets_protocol, NULL) > 10);
  expect(!rig_has_handler_between(s_nc));
  expect_number(mgos_mqtt_shim_app_sent(s_nc), 5);
  mgos_mqtt_shim_set_keep_alive(s_nc, 9);
  expect(mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, sets_protocol, NULL) > 10);
  expect_number(mgos_mqtt_shim_app_sent(s_nc), 5);
  shown("mg_set_protocol_mqtt() puts nothing between, and leaves nothing behind");
  expect_number(mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, runs_the_loop, NULL), 0);
  shown("0 if all has been sent meanwhile");
  end();

  begin(false);
  expect_number(mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, ends_it, NULL), 0);
  begin(false);
  expect_number(mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, ends_it_and_begins_another, NULL), 0);
  expect(s_nc != NULL);
  end();
  rig_free(cfg);
  shown("0 if that was the end of the connection, which is not looked at again");
}

static void set_keep_alive(void) {
  begin(false);
  mgos_mqtt_shim_set_keep_alive(s_nc, 65535);
  expect_number(mgos_mqtt_shim_app_sent(s_nc), -1);
  shown("it is nothing that the app has sent");
  end();
}

/* ---- What is to be sent ---- */

static void put(const char *bytes, size_t len) {
  uint8_t *to = mgos_mqtt_shim_send_reserve(s_nc, len, 14);
  expect(to != NULL);
  if (to == NULL) exit(1);
  memcpy(to, bytes, len);
  mgos_mqtt_shim_send(s_nc, len);
}

static void expect_sent(const char *bytes, size_t len) {
  char got[2000];
  expect_number(rig_peer_gets(s_nc, got, sizeof(got)), len);
  expect(memcmp(got, bytes, len) == 0);
}

static void reserve_failing(void) {
  uint8_t *to, *tail;
  size_t before = mgos_mqtt_shim_unsent(s_nc);
  fail_next();
  to = mgos_mqtt_shim_send_reserve(s_nc, 100, 14);
  expect_number(mgos_mqtt_shim_unsent(s_nc), before);
  if (to == NULL) {
    feed();
    expect(s_has_failed);
    return;
  }
  memset(to, 'r', 100);
  mgos_mqtt_shim_send(s_nc, 100);
  /* The room has taken all the memory that there is. */
  tail = mgos_mqtt_shim_insert_unsent(s_nc, before, (const uint8_t *) "fourteen bytes", 14);
  feed();
  expect(tail != NULL);
  expect_number(mgos_mqtt_shim_unsent(s_nc), before + 114);
}

static void insert_failing(void) {
  static uint8_t many[5000];
  size_t before = mgos_mqtt_shim_unsent(s_nc);
  uint8_t *tail;
  fail_next();
  tail = mgos_mqtt_shim_insert_unsent(s_nc, 1, many, sizeof(many));
  feed();
  if (tail == NULL) {
    expect(s_has_failed);
    expect_number(mgos_mqtt_shim_unsent(s_nc), before);
  } else {
    expect_number(mgos_mqtt_shim_unsent(s_nc), before + sizeof(many));
    expect(tail == mgos_mqtt_shim_last_unsent(s_nc, before - 1));
  }
}

static void sending(void) {
  static const struct {
    size_t size, spare;
  } too_much[] = {{SIZE_MAX, 0}, {SIZE_MAX, 14}, {SIZE_MAX, SIZE_MAX}, {SIZE_MAX - 3, 14}, {SIZE_MAX - 13, 14}, {14, SIZE_MAX - 13},
                  {20, SIZE_MAX - 25}, {SIZE_MAX - 5, 0}, {SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1}};
  unsigned calls = rig_calls();
  const uint8_t *last;
  uint8_t *tail;
  size_t i;
  begin(false);
  put("abc", 3);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 3);
  put("defg", 4);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 7);
  last = mgos_mqtt_shim_last_unsent(s_nc, 5);
  expect(memcmp(last, "cdefg", 5) == 0);
  expect(memcmp(mgos_mqtt_shim_last_unsent(s_nc, 7), "abcdefg", 7) == 0);
  shown("what is written waits to be sent");
  expect_sent("abcdefg", 7);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 0);
  shown("the event loop sends it");

  put("abc", 3);
  tail = mgos_mqtt_shim_insert_unsent(s_nc, 1, (const uint8_t *) "12", 2);
  expect(tail != NULL && memcmp(tail, "bc", 2) == 0);
  tail[0] = 'B';
  expect_number(mgos_mqtt_shim_unsent(s_nc), 5);
  expect(mgos_mqtt_shim_insert_unsent(s_nc, 0, (const uint8_t *) "<", 1) != NULL);
  tail = mgos_mqtt_shim_insert_unsent(s_nc, 6, (const uint8_t *) ">", 1);
  expect(tail == mgos_mqtt_shim_last_unsent(s_nc, 7) + 7);
  expect_sent("<a12Bc>", 7);
  expect(mgos_mqtt_shim_insert_unsent(s_nc, 0, (const uint8_t *) "x", 1) != NULL);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 1);
  expect(rig_peer_gets(s_nc, s_text, sizeof(s_text)) == 1);
  shown("bytes are inserted into it, at either end and between");
  put("abcdefg", 7);
  mgos_mqtt_shim_unsend(s_nc, 0);
  mgos_mqtt_shim_unsend(s_nc, 3);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 4);
  put("h", 1);
  expect_sent("abcdh", 5);
  put("i", 1);
  mgos_mqtt_shim_unsend(s_nc, 1);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 0);
  shown("its end is taken back");

  put("", 0);
  expect_number(mgos_mqtt_shim_unsent(s_nc), 0);
  put("0123456789", 10);
  for (i = 0; i < COUNT(too_much); i++) {
    expect(mgos_mqtt_shim_send_reserve(s_nc, too_much[i].size, too_much[i].spare) == NULL);
    expect_number(mgos_mqtt_shim_unsent(s_nc), 10);
  }
  expect_sent("0123456789", 10);
  shown("there is no room for more than memory can hold");
  expect_number(rig_calls(), calls);
  shown("the app is not called");
  end();
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  begin(false);
  expect(with_failures(reserve_failing) >= 1);
  shown("without memory for the room NULL; the spare part of it takes none");
  end();
  begin(false);
  put("ab", 2);
  expect(with_failures(insert_failing) >= 1);
  shown("without memory nothing is inserted");
  end();
}

/* ---- What is received ---- */

static const uint8_t *received(size_t *len) {
  size_t limit;
  return mgos_mqtt_shim_received(s_nc, len, &limit);
}

static void expect_received(const char *bytes) {
  size_t len;
  const uint8_t *got = received(&len);
  expect_number(len, strlen(bytes));
  expect(memcmp(got, bytes, len) == 0);
}

static void receiving(void) {
  unsigned calls = rig_calls();
  char many[300];
  size_t len;
  begin(false);
  rig_peer_sends(s_nc, "abc", 3);
  expect(s_core.receives >= 1);
  expect_received("abc");
  rig_peer_sends(s_nc, "defghij", 7);
  expect_received("abcdefghij");
  shown("what has come in stays");
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 0, 2), 8);
  expect_received("cdefghij");
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 3, 2), 6);
  expect_received("cdehij");
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 5, 1), 5);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 2, 0), 5);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 5, 0), 5);
  expect_received("cdehi");
  shown("until it is consumed, from either end or between");
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 0, 6), 5);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 5, 1), 5);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 6, 0), 5);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, SIZE_MAX, 1), 5);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 1, SIZE_MAX), 5);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, SIZE_MAX, SIZE_MAX), 5);
  expect_received("cdehi");
  shown("what is not there is not consumed");
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 0, 5), 0);
  received(&len);
  expect_number(len, 0);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 0, 0), 0);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 0, 1), 0);
  shown("all of it may be");
  end();

  limit_is(100, 100);
  begin(false);
  end();
  {
    struct mgos_config_mqtt *cfg = rig_config();
    rig_set_limit(cfg, 100);
    open_it(cfg);
    rig_free(cfg);
  }
  memset(many, 'm', sizeof(many));
  rig_peer_sends(s_nc, many, sizeof(many));
  received(&len);
  expect_number(len, 100);
  expect_number(mgos_mqtt_shim_recv_consume(s_nc, 0, 60), 40);
  rig_peer_sends(s_nc, "", 0);
  received(&len);
  expect_number(len, 100);
  shown("up to the limit; the rest when there is room");
  end();
  expect_number(rig_calls(), calls);
  shown("the app is not called");
}

/* ---- The end ---- */

static void closing(void) {
  char got[10];
  unsigned calls = rig_calls();
  struct mg_connection *nc;
  begin(false);
  put("last", 4);
  mgos_mqtt_shim_close(s_nc, 1);
  expect(s_nc != NULL && s_core.closes == 0);
  nc = s_nc;
  expect_number(rig_peer_gets(nc, got, sizeof(got)), 4);
  expect(s_nc == NULL && s_core.closes == 1);
  shown("when all has been sent, by the event loop");
  begin(false);
  mgos_mqtt_shim_close(s_nc, 1);
  rig_round();
  rig_round();
  expect(s_nc == NULL);
  shown("soon if nothing is to be sent");
  begin(false);
  put("unsent", 6);
  mgos_mqtt_shim_close(s_nc, 1);
  mgos_mqtt_shim_close(s_nc, 0);
  expect(s_nc != NULL && s_core.closes == 0);
  nc = s_nc;
  rig_round();
  rig_round();
  expect(s_nc == NULL && s_core.closes == 1);
  shown("at once, whatever was said before");
  expect_number(rig_calls(), calls);
  shown("the app is not called");
}

static void owner(void) {
  begin(false);
  expect(mgos_mqtt_shim_owner(s_nc) == c);
  rig_round();
  expect(s_core.owner == c);
  mgos_mqtt_shim_detach(s_nc);
  expect(mgos_mqtt_shim_owner(s_nc) == NULL);
  s_core.owner = c;
  rig_round();
  expect(s_core.owner == NULL);
  s_core.owner = c;
  end();
  expect(s_core.owner == NULL);
  shown("NULL after detach(), in events as well");
}

/* ---- WebSocket ---- */

static void upgrade_failing(void) {
  struct mgos_config_mqtt *cfg = rig_config();
  uint32_t sent;
  begin(true);
  fail_next();
  sent = mgos_mqtt_shim_ws_upgrade(s_nc, cfg);
  feed();
  expect(sent == 1 || s_has_failed);
  expect(sent == (mgos_mqtt_shim_unsent(s_nc) > 0));
  rig_free(cfg);
  end();
}

static void ws_upgrade(void) {
  struct mgos_config_mqtt *cfg = rig_config();
  char got[1000];
  size_t len;
  begin(true);
  rig_set_number(cfg, MGOS_MQTT_NUMBER_WS_ENABLE, 1);
  expect(rig_has_handler_between(s_nc));
  expect_number(mgos_mqtt_shim_ws_upgrade(s_nc, cfg), 1);
  len = rig_peer_gets(s_nc, got, sizeof(got) - 1);
  got[len] = '\0';
  expect(strncmp(got, "GET", 3) == 0);
  if (rig_has_words()) expect(strstr(got, "Sec-WebSocket-Protocol: mqtt\r\n") != NULL);
  end();
  rig_free(cfg);
  shown("a request is sent");
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  expect(with_failures(upgrade_failing) >= 1);
  shown("without memory 0, and nothing is sent");
}

static void ws_agreed(void) {
  struct mgos_config_mqtt *cfg = rig_config();
  unsigned calls;
  char many[200];
  size_t limit, len;
  rig_set_number(cfg, MGOS_MQTT_NUMBER_WS_ENABLE, 1);
  rig_set_limit(cfg, 100);
  open_it(cfg);
  rig_ws_begun(s_nc);
  calls = rig_calls();
  expect_number(mgos_mqtt_shim_ws_agreed(s_nc, rig_ws_reply(101, "Switching Protocols", "mqtt"), 7), 1);
  expect_number(mgos_mqtt_shim_ws_agreed(s_nc, rig_ws_reply(101, "Switching Protocols", "MQTT"), 7), 1);
  expect_number(rig_calls(), calls);
  shown("1 for 101 with the sub-protocol");
  expect_number(mgos_mqtt_shim_ws_agreed(s_nc, rig_ws_reply(101, "Switching Protocols", NULL), 7), 0);
  expect_number(mgos_mqtt_shim_ws_agreed(s_nc, rig_ws_reply(101, "Switching Protocols", "chat"), 7), 0);
  expect_number(mgos_mqtt_shim_ws_agreed(s_nc, rig_ws_reply(404, "Not\r\n\x1b[0m Found", "mqtt"), 7), 0);
  expect_number(rig_calls(), calls + 3);
  if (rig_has_words()) expect(strstr(rig_line(), "404 Not???[0m Found;") != NULL);
  shown("0 for others, each with a line in the log");
  calls = rig_calls();
  memset(many, 'h', sizeof(many));
  mgos_mqtt_shim_received(s_nc, &len, &limit);
  expect_number(limit, 100);
  expect_number(mgos_mqtt_shim_ws_agreed(s_nc, NULL, 7), 2);
  /* Mongoose's handler must not come upon it. */
  expect_number(mgos_mqtt_shim_ws_take_over(s_nc, 0), 1);
  rig_peer_sends(s_nc, many, 99);
  expect_number(mgos_mqtt_shim_ws_agreed(s_nc, NULL, 7), 2);
  expect_number(rig_calls(), calls);
  rig_peer_sends(s_nc, many, 1);
  expect_number(mgos_mqtt_shim_ws_agreed(s_nc, NULL, 7), 0);
  expect_number(rig_calls(), calls + 1);
  shown("2 while a reply still fits the limit, 0 with a line in the log when it does not");
  rig_peer_sends(s_nc, many, sizeof(many));
  mgos_mqtt_shim_received(s_nc, &len, &limit);
  expect_number(len, 260);
  expect_number(limit, 100);
  shown("received() has 160 bytes more than the limit says");
  end();
  rig_set_limit(cfg, 0);
  open_it(cfg);
  rig_ws_begun(s_nc);
  mgos_mqtt_shim_received(s_nc, &len, &limit);
  expect_number(limit, 64);
  shown("the limit is at least 64 here, too");
  end();
  rig_free(cfg);
}

static void take_over_failing(void) {
  unsigned freed = rig_ws_freed();
  begin(true);
  rig_ws_begun(s_nc);
  rig_fail_after(0);
  expect_number(mgos_mqtt_shim_ws_take_over(s_nc, 1), 0);
  expect(rig_has_failed());
  expect_number(mgos_mqtt_shim_app_sent(s_nc), -1);
  mgos_mqtt_shim_set_keep_alive(s_nc, 5);
  expect_number(mgos_mqtt_shim_app_sent(s_nc), -1);
  expect_number(rig_ws_freed(), freed + 1);
  end();
  expect_number(rig_ws_freed(), freed + 1);
}

static void ws_take_over(void) {
  unsigned calls, freed = rig_ws_freed();
  struct mgos_config_mqtt *cfg = rig_config();
  begin(true);
  rig_ws_begun(s_nc);
  calls = rig_calls();
  expect(rig_has_handler_between(s_nc));
  expect_number(mgos_mqtt_shim_ws_take_over(s_nc, 0), 1);
  expect(!rig_has_handler_between(s_nc));
  expect_number(rig_ws_freed(), freed);
  shown("nothing of Mongoose's comes between any more, and its data stay");
  expect_number(mgos_mqtt_shim_ws_take_over(s_nc, 1), 1);
  expect_number(rig_ws_freed(), freed + 1);
  expect_number(mgos_mqtt_shim_app_sent(s_nc), -1);
  expect_number(rig_calls(), calls);
  expect(mgos_mqtt_shim_call_connect_fn(c, s_nc, cfg, sets_protocol, NULL) > 10);
  expect_number(mgos_mqtt_shim_app_sent(s_nc), 60);
  end();
  expect_number(rig_ws_freed(), freed + 1);
  rig_free(cfg);
  shown("then they go, once, and what Mongoose's MQTT functions need is there");
  if (!rig_can_fail()) return left_out("without memory", "allocations can't be made to fail");
  take_over_failing();
  shown("without memory for that 0; the others go all the same");
}

static void ws_frames(void) {
  int what;
  begin(true);
  rig_ws_begun(s_nc);
  for (what = MGOS_MQTT_FRAMES_INTO; what <= MGOS_MQTT_FRAMES_CLOSE; what++) {
    expect_number(mgos_mqtt_shim_ws_frames(c, s_nc, (mgos_mqtt_frames) what), 0x101);
    expect(s_frames.nc == s_nc && s_frames.what == (mgos_mqtt_frames) what);
  }
  end();
  shown("the core is called with the same, and what it says is returned");
}

/* ---- Handlers ---- */

static struct rig_message s_message;
static int s_ev;
static unsigned s_handled;
static bool s_ends;

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *user_data) {
  s_ev = ev;
  s_handled++;
  expect(nc == s_nc);
  expect(user_data == &s_handled);
  rig_read_message(ev_data, &s_message);
  if (s_ends) end();
}

static void on_message(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  s_handled++;
  expect(nc == s_nc);
  expect(ud == &s_handled);
  s_message.topic = topic;
  s_message.topic_len = (size_t) topic_len;
  s_message.payload = msg;
  s_message.payload_len = (size_t) msg_len;
  if (s_ends) end();
}

typedef void (*any_function)(void);

static void call_with(any_function handler, int ev, const struct mgos_mqtt_packet *packet) {
  s_handled = 0;
  memset(&s_message, 0xff, sizeof(s_message));
  mgos_mqtt_shim_call((const void *) handler, s_nc, ev, packet, &s_handled);
}

static void call(void) {
  static const char publish[] = "\x35\x0b\0\x03t/u\x12\x34" "load";
  const struct mgos_mqtt_packet packet = {0x35, 0x1234, 13, 3, 4, 4, 9};
  const struct mgos_mqtt_packet ack = {0x50, 0x0102, 4, 0, 0, 0, 0};
  const struct mgos_mqtt_packet empty = {0x30, 0, 6, 2, 0, 4, 6};
  unsigned calls = rig_calls();
  const uint8_t *at;
  size_t len;
  begin(false);
  rig_peer_sends(s_nc, publish, sizeof(publish) - 1);
  at = received(&len);
  expect_number(len, 13);
  call_with((any_function) on_event, MG_EV_MQTT_PUBLISH, &packet);
  expect_number(s_handled, 1);
  expect_number(s_ev, MG_EV_MQTT_PUBLISH);
  expect_number(s_message.cmd, 3);
  expect_number(s_message.qos, 2);
  expect_number(s_message.id, 0x1234);
  expect_number(s_message.size, 13);
  expect(s_message.topic == (const char *) at + 4 && s_message.topic_len == 3);
  expect(s_message.payload == (const char *) at + 9 && s_message.payload_len == 4);
  shown("an event handler gets a message");
  call_with((any_function) on_message, 0, &packet);
  expect_number(s_handled, 1);
  expect(s_message.topic == (const char *) at + 4 && s_message.topic_len == 3);
  expect(s_message.payload == (const char *) at + 9 && s_message.payload_len == 4);
  call_with((any_function) on_message, 0, &empty);
  expect(s_message.topic_len == 2 && s_message.payload_len == 0);
  shown("a handler of mgos_mqtt_sub() gets topic and payload");
  call_with(NULL, 0, &packet);
  expect_number(s_handled, 0);
  shown("NULL for one of these is none");
  call_with((any_function) on_event, MG_EV_MQTT_PUBREC, &ack);
  expect_number(s_ev, MG_EV_MQTT_PUBREC);
  expect_number(s_message.cmd, 5);
  expect_number(s_message.qos, 0);
  expect_number(s_message.id, 0x0102);
  expect_number(s_message.size, 4);
  expect(s_message.topic == NULL && s_message.topic_len == 0);
  expect(s_message.payload == NULL && s_message.payload_len == 0);
  shown("other packets have neither topic nor payload");
  s_ends = true;
  call_with((any_function) on_event, MG_EV_MQTT_PUBLISH, &packet);
  expect(s_nc == NULL);
  begin(false);
  rig_peer_sends(s_nc, publish, sizeof(publish) - 1);
  call_with((any_function) on_message, 0, &packet);
  expect(s_nc == NULL);
  s_ends = false;
  shown("it may end the connection, which is not looked at again");
  expect_number(rig_calls(), calls);
}

/* ---- All of it ---- */

static const struct {
  const char *function;
  void (*run)(void);
} parts[] = {
    {"random", random_number},
    {"time_is_set", time_is_set},
    {"timer", timer},
    {"watch_net", watch_net},
    {"watch_time", watch_time},
    {"watch_reboot", watch_reboot},
    {"wall_clock", wall_clock},
    {"queue_claim, queue_release", queue_claim},
    {"queue_open, queue_read, queue_write, queue_close, queue_set_aside, queue_log", queue_files},
    {"cloud_event", cloud_event},
    {"event", event},
    {"free_heap", free_heap},
    {"number", number},
    {"config_strings", config_strings},
    {"session_key", session_key},
    {"copy_config, free_config", copy_config},
    {"log", log_line},
    {"log_connecting", log_connecting},
    {"open", opening},
    {"call_connect_fn, app_sent, last_unsent", call_connect_fn},
    {"set_keep_alive", set_keep_alive},
    {"send_reserve, send, insert_unsent, unsend, unsent, last_unsent", sending},
    {"received, recv_consume", receiving},
    {"close", closing},
    {"owner, detach", owner},
    {"ws_upgrade", ws_upgrade},
    {"ws_agreed, received", ws_agreed},
    {"ws_take_over", ws_take_over},
    {"ws_frames", ws_frames},
    {"call", call},
    /* Last, as it takes 49 days. */
    {"now", now},
};

int contract(void) {
  size_t i;
  if (!rig_begin()) return 1;
  for (i = 0; i < COUNT(parts); i++) {
    s_function = parts[i].function;
    parts[i].run();
  }
  s_function = "all";
  expect(rig_end());
  shown("nothing is left");
  printf("# %s: %u expectations\n", rig_name(), s_expected);
  printf("%u passed, %u failed\n", s_passed, s_failed);
  fflush(stdout);
  return s_failed == 0 ? 0 : 1;
}
