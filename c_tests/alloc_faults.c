/*
 * Each allocation of a connection's life fails, one in each life, and the hook of the log line about it does what an app may
 * do there: each of acts.h. Whatever that is, the connection is fit for use afterwards, or was freed.
 *
 * Only on the host, in programs with sanitizers, can an app say which allocation fails; elsewhere lives are as they always are.
 * The broker is here, in the main task: it answers as it should, and nothing waits for a clock.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "acts.h"
#include "suite.h"

#ifndef MQTT_UPSTREAM

#ifdef MGOS_HOST_HAS_ALLOC_FAULTS
#include "mgos_host_hooks.h"
#else
#define MGOS_HOST_HAS_ALLOC_FAULTS 0
static uint32_t mgos_host_fail_allocations(uint32_t after, uint32_t count) {
  return after * count;
}
static void mgos_host_time_skip(int64_t micros) {
  usleep((useconds_t) micros);
}
#endif

/* How many allocations a life has, at least; and how often a hook must have acted in all lives. */
#define LEAST_ALLOCATIONS 60
#define LEAST_HOOKS 500

/* ---- The broker ---- */

static struct {
  int listener, socket, port;
  bool websocket, upgraded; /* it speaks WebSocket; the client has asked for it */
  uint8_t in[4096];
  size_t len;   /* of what has come in and is not dealt with */
  bool greeted; /* messages have been sent to the client */
} b = {.listener = -1, .socket = -1};

static void b_listen(void) {
  struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(sa);
  b.listener = socket(AF_INET, SOCK_STREAM, 0);
  if (b.listener < 0 || bind(b.listener, (struct sockaddr *) &sa, sizeof(sa)) != 0 || listen(b.listener, 8) != 0 ||
      getsockname(b.listener, (struct sockaddr *) &sa, &len) != 0) {
    abort();
  }
  fcntl(b.listener, F_SETFL, O_NONBLOCK);
  b.port = ntohs(sa.sin_port);
}

static void b_hang_up(void) {
  /* At once, so that ports are not kept. */
  struct linger now = {.l_onoff = 1};
  if (b.socket < 0) return;
  setsockopt(b.socket, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(b.socket);
  b.socket = -1;
}

static void b_send_raw(const void *bytes, size_t len) {
  if (b.socket >= 0 && send(b.socket, bytes, len, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) abort();
}

static void b_send(const char *bytes, size_t len) {
  uint8_t frame[2 + 125] = {0x82, (uint8_t) len};
  memcpy(frame + 2, bytes, len);
  if (b.websocket) {
    b_send_raw(frame, 2 + len);
  } else {
    b_send_raw(bytes, len);
  }
}

static void b_answer(int type, uint8_t hi, uint8_t lo) {
  const char packet[] = {(char) type, 2, (char) hi, (char) lo};
  b_send(packet, sizeof(packet));
}

static void b_packet(const uint8_t *p, size_t len) {
  size_t topic = len > 3 ? (size_t) (p[2] << 8 | p[3]) : 0;
  switch (p[0] >> 4) {
    case 1:
      b_send("\x20\x02\0\0", 4);
      break;
    case 3:
      if (p[0] & 6) b_answer(p[0] & 2 ? 0x40 : 0x50, p[4 + topic], p[5 + topic]);
      break;
    case 5:
      b_answer(0x62, p[2], p[3]);
      break;
    case 6:
      b_answer(0x70, p[2], p[3]);
      break;
    case 8: {
      const char suback[] = {(char) 0x90, 3, (char) p[2], (char) p[3], 1};
      b_send(suback, sizeof(suback));
      if (b.greeted) break;
      b.greeted = true;
      b_send("\x30\x04\0\x01" "am", 6);
      b_send("\x32\x06\0\x01" "a\0\x07m", 8);
      b_send("\x34\x06\0\x01" "a\0\x08m", 8);
      b_send("\x32\x06\0\x01" "z\0\x09m", 8);
      break;
    }
    case 10:
      b_answer(0xb0, p[2], p[3]);
      break;
    case 12:
      b_send("\xd0\0", 2);
      break;
    case 14:
      b_hang_up();
      break;
  }
}

/* Deals with the packet at the front of what lies at `p`; returns its length, 0 if it is not there yet. Those of the app are short. */
static size_t b_next(const uint8_t *p, size_t len) {
  size_t size;
  if (len < 2 || p[1] & 0x80 || len < 2u + p[1]) return 0;
  size = 2u + p[1];
  b_packet(p, size);
  return size;
}

static size_t b_frame(uint8_t *p, size_t len) {
  size_t size, head = 6, at, i;
  if (len < 8) return 0;
  size = p[1] & 0x7f;
  if (size == 126) {
    size = (size_t) (p[2] << 8 | p[3]);
    head = 8;
  }
  if (len < head + size) return 0;
  for (i = 0; i < size; i++) p[head + i] ^= p[head - 4 + i % 4];
  /* The library puts whole packets into a frame. */
  for (at = 0; (p[0] & 15) == 2 && at < size && b.socket >= 0;) {
    size_t n = b_next(p + head + at, size - at);
    if (n == 0) abort();
    at += n;
  }
  if ((p[0] & 15) == 8) b_hang_up();
  return head + size;
}

static size_t b_request(void) {
  char accept[40], answer[300];
  char *end, *key;
  b.in[b.len] = '\0';
  end = strstr((char *) b.in, "\r\n\r\n");
  key = strstr((char *) b.in, "Sec-WebSocket-Key: ");
  if (end == NULL) return 0;
  if (key == NULL || key > end) {
    b_hang_up();
    return 0;
  }
  websocket_accept(key + 19, accept);
  snprintf(answer, sizeof(answer), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", accept);
  b_send_raw(answer, strlen(answer));
  b.upgraded = true;
  return (size_t) (end + 4 - (char *) b.in);
}

/* Whether something has happened. */
static bool b_round(void) {
  ssize_t got;
  size_t used;
  int on = 1, next = accept(b.listener, NULL, NULL);
  if (next >= 0) {
    b_hang_up();
    b.socket = next;
    b.len = 0;
    b.upgraded = false;
    fcntl(next, F_SETFL, O_NONBLOCK);
    /* What is sent is there at once: no time passes while it is waited for. */
    setsockopt(next, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  if (b.socket < 0) return next >= 0;
  got = recv(b.socket, b.in + b.len, sizeof(b.in) - 1 - b.len, 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) b_hang_up();
  if (got <= 0) return next >= 0;
  b.len += (size_t) got;
  do {
    used = b.websocket && !b.upgraded ? b_request() : b.websocket ? b_frame(b.in, b.len) : b_next(b.in, b.len);
    memmove(b.in, b.in + used, b.len - used);
    b.len -= used;
  } while (used > 0 && b.socket >= 0);
  return true;
}

/* ---- The app ---- */

static const struct act *s_act;  /* what the hook does, once; NULL for nothing */
static bool s_armed;
static unsigned s_hooks;         /* so often it has */
static unsigned s_unfit;         /* lives after which the connection was of no use */
static char s_first[100];        /* the first of them */
static char s_port[32];

static void on_log(int ev, void *ev_data, void *arg) {
  const struct mgos_debug_hook_arg *line = (const struct mgos_debug_hook_arg *) ev_data;
  char words[200];
  size_t len = line->len < sizeof(words) ? line->len : sizeof(words) - 1;
  memcpy(words, line->data, len);
  words[len] = '\0';
  /* It has no connection yet where that can't be made. */
  if (!s_armed || s_act == NULL || acts_conn == NULL || strstr(words, "out of memory") == NULL) return;
  s_armed = false;
  s_hooks++;
  s_act->call();
  (void) ev, (void) arg;
}

static void run(int rounds) {
  int idle;
  for (idle = 0; idle < rounds;) {
    mongoose_poll(0);
    if (b_round()) continue;
    idle++;
    mgos_host_time_skip(10000);
  }
}

/* With the allocation after the first `n` failing, or none. Returns whether there are as many. */
static bool live(unsigned n, bool starve) {
  bool failed;
  int seconds;
  b.greeted = false;
  s_armed = starve;
  mgos_host_fail_allocations(n, starve);
  acts_conn = mgos_mqtt_conn_create(7, &cfg);
  mgos_mqtt_conn_sub(acts_conn, "b", 1, do_nothing, NULL);
  mgos_mqtt_conn_sub(acts_conn, "a", 2, do_nothing, NULL);
  mgos_mqtt_conn_add_handler(acts_conn, do_nothing, NULL);
  mgos_mqtt_conn_connect(acts_conn);
  run(4);
  mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("m"), 0, false);
  mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("m"), 1, false);
  mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("m"), 2, false);
  mgos_mqtt_conn_pubf(acts_conn, "t", 1, false, "{a: %d}", 1);
  run(4);
  /* The connection is lost, and comes back. */
  mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("m"), 1, false);
  b_hang_up();
  run(12);
  mgos_mqtt_conn_unsub(acts_conn, "b");
  run(3);
  mgos_mqtt_conn_disconnect(acts_conn);
  run(4);
  failed = mgos_host_fail_allocations(0, 0) > 0;
  s_armed = false;
  if (acts_conn == NULL) {
    run(2);
    return failed;
  }
  mgos_mqtt_conn_set_connect_fn(acts_conn, NULL, NULL);
  mgos_mqtt_conn_set_config(acts_conn, &cfg);
  mgos_mqtt_conn_connect(acts_conn);
  for (seconds = 0; seconds < 60; seconds++) {
    run(20);
    if (mgos_mqtt_conn_is_connected(acts_conn) && mgos_mqtt_conn_num_unsent_bytes(acts_conn) == 0) break;
    mgos_host_time_skip(1000000);
  }
  if (seconds == 60 || mgos_mqtt_conn_pub(acts_conn, "t", mg_mk_str("end"), 1, false) == 0) {
    if (s_unfit++ == 0) snprintf(s_first, sizeof(s_first), "%s, allocation %u", s_act != NULL ? s_act->name : "none", n);
  }
  mgos_mqtt_conn_free(acts_conn);
  acts_conn = NULL;
  run(2);
  return failed;
}

static unsigned s_lives, s_allocations;
static volatile bool s_over;

static void all_lives(void *arg) {
  size_t i;
  unsigned n;
  s_lives = s_allocations = 0;
  b.websocket = cfg.ws_enable;
  snprintf(s_port, sizeof(s_port), "127.0.0.1:%d", b.port);
  cfg.server = s_port;
  mgos_event_add_handler(MGOS_EVENT_LOG, on_log, NULL);
  s_act = NULL;
  live(0, false);
  for (i = 0; MGOS_HOST_HAS_ALLOC_FAULTS && i < acts_count; i++) {
    s_act = &acts[i];
    for (n = 0; n < 500 && live(n, true); n++) s_lives++;
    s_allocations = n;
  }
  mgos_event_remove_handler(MGOS_EVENT_LOG, on_log, NULL);
  s_over = true;
  (void) arg;
}

/* Not within a timer, as other calls into the app are: the event loop is run there. */
static void begin_lives(void *arg) {
  s_over = !mgos_invoke_cb(all_lives, arg, false);
}

static void lives(void) {
  unsigned hooks = s_hooks, unfit = s_unfit;
  s_over = false;
  record_log(false);
  in_app(begin_lives, NULL);
  while (!s_over) usleep(10000);
  record_log(true);
  forget_events();
  if (s_unfit != unfit) fail("%u connections were of no use afterwards; the first: %s", s_unfit - unfit, s_first);
  if (!MGOS_HOST_HAS_ALLOC_FAULTS) {
    left_out("failing allocations", "only the host, with sanitizers, can make them fail");
    check("a life with all the memory that there is");
    return;
  }
  expect_that(s_allocations >= LEAST_ALLOCATIONS);
  hooks = s_hooks - hooks;
  if (hooks < LEAST_HOOKS) fail("hooks have acted only %u times in %u lives", hooks, s_lives);
  check(text("%u lives, an allocation failing in each; %u times the hook of the line about it has acted, in one of %u ways", s_lives,
             hooks, (unsigned) acts_count));
}

static void plain(void) {
  lives();
}

static void websocket(void) {
  cfg.ws_enable = true;
  lives();
}

/* Buffers that grow ask for less when they can't have what they want. */
static void fail_all(void) {
  mgos_host_fail_allocations(0, 100);
}

static void call_pubv(bool global, const char *json_fmt, ...) {
  va_list ap;
  unsigned id;
  va_start(ap, json_fmt);
  fail_all();
  id = global ? mgos_mqtt_pubv("gv", 1, false, json_fmt, ap) : mgos_mqtt_conn_pubv(connection(), "v", 1, false, json_fmt, ap);
  record("%u, failed %d", id, mgos_host_fail_allocations(0, 0) > 0);
  va_end(ap);
}

static void publish_without_memory(void *arg) {
  unsigned id;
  fail_all();
  id = mgos_mqtt_conn_pubf(connection(), "f", 1, false, "%d", 1);
  record("%u, failed %d", id, mgos_host_fail_allocations(0, 0) > 0);
  fail_all();
  id = mgos_mqtt_pubf("gf", 1, false, "%d", 1);
  record("%u, failed %d", id, mgos_host_fail_allocations(0, 0) > 0);
  call_pubv(false, "%d", 1);
  call_pubv(true, "%d", 1);
  (void) arg;
}

static void no_memory_for_json(void) {
  static const char *const topics[] = {"f", "gf", "v", "gv"};
  size_t i;
  if (!MGOS_HOST_HAS_ALLOC_FAULTS) {
    left_out("failing allocations", "only the host, with sanitizers, can make them fail");
    return;
  }
  create();
  in_app(publish_without_memory, NULL);
  expect_events("0, failed 1\n0, failed 1\n0, failed 1\n0, failed 1\n");
  for (i = 0; i < COUNT(topics); i++) expect_number(logged(text("out of memory %s\n", topics[i])), 1);
  expect_number(app_num_unsent_bytes(), 0);
  check("pubf() and pubv() without memory for the text return 0, with an error in the log");
}
#endif

static const struct script scripts[] = {
    HERE_ONLY("lives", plain, "it crashes"),
    HERE_ONLY("lives over WebSocket", websocket, "it crashes"),
    HERE_ONLY("JSON", no_memory_for_json, "it crashes"),
};

enum mgos_app_init_result mgos_app_init(void) {
#ifndef MQTT_UPSTREAM
  b_listen();
#endif
  return suite_start(scripts, COUNT(scripts));
}
