/*
 * Time, timers, events and Mongoose's connections, as far as the shim needs them. A connection
 * exchanges data with the broker within a round.
 */

#include "port.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mgos.h"
#include "mgos_mqtt_seam.h"

/* ---- Time ---- */

struct timer {
  struct timer *next;
  uint64_t at, every;
  timer_callback cb;
  void *arg;
};

static uint64_t s_now = 1000;
static struct timer *s_timers;
static struct mg_mgr s_mgr;
static unsigned s_errors;
static uint32_t s_random = 1;

static size_t s_bytes;
static unsigned s_blocks;

enum cs_log_level cs_log_level = LL_DEBUG;

/* ---- Memory of this file, counted separately from the library's ---- */

static void *take_block(size_t size) {
  void *block = malloc(size);
  if (block == NULL) return NULL;
  s_bytes += size;
  s_blocks++;
  return memset(block, 0, size);
}

static void give_block(void *block, size_t size) {
  s_bytes -= size;
  s_blocks--;
  free(block);
}

size_t port_bytes(void) {
  return s_bytes;
}

unsigned port_blocks(void) {
  return s_blocks;
}

/* That of a small device. */
size_t mgos_get_free_heap_size(void) {
  return 40 * 1024;
}

/* ---- Clock and timers ---- */

int64_t mgos_uptime_micros(void) {
  return (int64_t) s_now * 1000;
}

double mg_time(void) {
  return 1600000000.0 + (double) s_now / 1000;
}

float mgos_rand_range(float from, float to) {
  s_random = s_random * 1664525u + 1013904223u;
  return from + (to - from) * (float) (s_random >> 16) / 65536.0f;
}

mgos_timer_id mgos_set_timer(int ms, int flags, timer_callback cb, void *arg) {
  struct timer *t = (struct timer *) take_block(sizeof(*t));
  if (t == NULL) return MGOS_INVALID_TIMER_ID;
  t->at = s_now + (uint64_t) ms;
  t->every = flags & MGOS_TIMER_REPEAT ? (uint64_t) ms : 0;
  t->cb = cb;
  t->arg = arg;
  t->next = s_timers;
  s_timers = t;
  return (mgos_timer_id) t;
}

void mgos_clear_timer(mgos_timer_id id) {
  struct timer **p;
  for (p = &s_timers; *p != NULL; p = &(*p)->next) {
    if ((mgos_timer_id) *p == id) {
      struct timer *t = *p;
      *p = t->next;
      give_block(t, sizeof(*t));
      return;
    }
  }
}

static bool run_timer(void) {
  struct timer **p;
  for (p = &s_timers; *p != NULL; p = &(*p)->next) {
    struct timer t = **p;
    if (t.at > s_now) continue;
    if (t.every > 0) {
      (*p)->at = s_now + t.every;
    } else {
      mgos_clear_timer((mgos_timer_id) *p);
    }
    library_begins();
    t.cb(t.arg);
    library_ends();
    return true;
  }
  return false;
}

/* ---- Events ---- */

struct handler {
  struct handler *next;
  int ev;
  mgos_event_handler_t cb;
  void *arg;
};

static struct handler *s_handlers;

bool mgos_event_add_handler(int ev, mgos_event_handler_t cb, void *arg) {
  struct handler *h = (struct handler *) take_block(sizeof(*h));
  if (h == NULL) return false;
  h->ev = ev;
  h->cb = cb;
  h->arg = arg;
  h->next = s_handlers;
  s_handlers = h;
  return true;
}

bool mgos_event_remove_handler(int ev, mgos_event_handler_t cb, void *arg) {
  struct handler **p;
  for (p = &s_handlers; *p != NULL; p = &(*p)->next) {
    struct handler *h = *p;
    if (h->ev != ev || h->cb != cb || h->arg != arg) continue;
    *p = h->next;
    give_block(h, sizeof(*h));
    return true;
  }
  return false;
}

int mgos_event_trigger(int ev, void *ev_data) {
  struct handler *h, *next;
  int n = 0;
  for (h = s_handlers; h != NULL; h = next) {
    next = h->next;
    if (h->ev != ev) continue;
    h->cb(ev, ev_data, h->arg);
    n++;
  }
  return n;
}

void net_up(void) {
  mgos_event_trigger(MGOS_NET_EV_IP_ACQUIRED, NULL);
}

/* ---- Log lines: counted, not shown ---- */

int cs_log_print_prefix(enum cs_log_level level, const char *file, int line) {
  (void) file, (void) line;
  if (level == LL_ERROR) s_errors++;
  return level <= cs_log_level;
}

void cs_log_printf(const char *fmt, ...) {
  (void) fmt;
}

#ifndef __linux__
/* Lines are not shown, so they need not be formatted: only terminated. */
int snprintf(char *line, size_t size, const char *fmt, ...) {
  (void) fmt;
  if (size > 0) line[0] = '\0';
  return 0;
}
#endif

unsigned errors_logged(void) {
  unsigned n = s_errors;
  s_errors = 0;
  return n;
}

/* ---- Text ---- */

void print_number(unsigned long n) {
  char text[24];
  size_t i = sizeof(text) - 1;
  text[i] = '\0';
  do text[--i] = (char) ('0' + n % 10);
  while ((n /= 10) != 0);
  machine_print(text + i);
}

/* The conversions that the shim uses: %s, %.*s, %d, %u. */
static char *format(const char *fmt, va_list ap) {
  char text[160];
  size_t n = 0;
  for (; *fmt != '\0' && n < sizeof(text) - 1; fmt++) {
    char digits[12];
    const char *s = digits;
    size_t most = sizeof(text);
    if (*fmt != '%') {
      text[n++] = *fmt;
      continue;
    }
    if (*++fmt == '.') {
      most = (size_t) va_arg(ap, int);
      fmt += 2;
    }
    if (*fmt == 's') {
      s = va_arg(ap, const char *);
    } else {
      unsigned v = va_arg(ap, unsigned), i = sizeof(digits) - 1;
      digits[i] = '\0';
      do digits[--i] = (char) ('0' + v % 10);
      while ((v /= 10) != 0);
      s = digits + i;
    }
    for (; *s != '\0' && most > 0 && n < sizeof(text) - 1; most--) text[n++] = *s++;
  }
  text[n] = '\0';
  return strdup(text);
}

int mg_asprintf(char **buf, size_t size, const char *fmt, ...) {
  va_list ap;
  (void) size;
  va_start(ap, fmt);
  *buf = format(fmt, ap);
  va_end(ap);
  return *buf != NULL ? (int) strlen(*buf) : -1;
}

char *json_vasprintf(const char *fmt, va_list ap) {
  return format(fmt, ap);
}

struct mg_str mg_mk_str(const char *s) {
  struct mg_str str = {s, s != NULL ? strlen(s) : 0};
  return str;
}

void mgos_expand_mac_address_placeholders(char *s) {
  (void) s;
}

/* ---- WebSocket: not supported, and no scenario uses it ---- */

void mg_set_protocol_http_websocket(struct mg_connection *nc) {
  CHECK(nc == NULL);
}

void mg_send_websocket_handshake2(struct mg_connection *nc, const char *path, const char *host, const char *protocol,
                                  const char *extra_headers) {
  (void) path, (void) host, (void) protocol, (void) extra_headers;
  CHECK(nc == NULL);
}

struct mg_str *mg_get_http_header(struct http_message *hm, const char *name) {
  (void) hm, (void) name;
  return NULL;
}

int mg_ncasecmp(const char *a, const char *b, size_t len) {
  (void) a, (void) b, (void) len;
  return 1;
}

int mg_vcasecmp(const struct mg_str *a, const char *b) {
  (void) a, (void) b;
  return 1;
}

/* ---- Connections ---- */

struct mg_mgr *mgos_get_mgr(void) {
  return &s_mgr;
}

struct mg_connection *mg_connect_opt(struct mg_mgr *mgr, const char *address, mg_event_handler_t handler, void *user_data,
                                     struct mg_connect_opts opts) {
  struct mg_connection *nc = (struct mg_connection *) take_block(sizeof(*nc));
  if (nc == NULL) return NULL;
  (void) opts;
  nc->mgr = mgr;
  nc->handler = handler;
  nc->user_data = user_data;
  nc->flags = MG_F_CONNECTING;
  nc->recv_mbuf_limit = (size_t) ~0;
  nc->mgr_data = broker_accept(address);
  nc->next = mgr->active_connections;
  mgr->active_connections = nc;
  return nc;
}

void mg_send(struct mg_connection *nc, const void *bytes, int len) {
  mbuf_append(&nc->send_mbuf, bytes, (size_t) len);
}

void raise_event(struct mg_connection *nc, int ev, void *ev_data) {
  mg_event_handler_t handler = nc->proto_handler != NULL ? nc->proto_handler : nc->handler;
  library_begins();
  handler(nc, ev, ev_data, nc->user_data);
  library_ends();
}

static void end(struct mg_connection *nc) {
  struct mg_connection **p;
  struct link *link = (struct link *) nc->mgr_data;
  raise_event(nc, MG_EV_CLOSE, NULL);
  for (p = &s_mgr.active_connections; *p != nc; p = &(*p)->next) {
  }
  *p = nc->next;
  if (link != NULL) link->used = false;
  if (broker.link == link) broker.link = NULL;
  if (nc->proto_data_destructor != NULL) nc->proto_data_destructor(nc->proto_data);
  mbuf_free(&nc->recv_mbuf);
  mbuf_free(&nc->send_mbuf);
  give_block(nc, sizeof(*nc));
}

/* Reads as much as fits; the rest waits in the link, as in a socket. */
static bool take(struct mg_connection *nc, struct link *link) {
  struct mbuf *m = &nc->recv_mbuf;
  size_t n = link->to_client_len;
  int num;
  if (m->len >= nc->recv_mbuf_limit) return false;
  if (n > nc->recv_mbuf_limit - m->len) n = nc->recv_mbuf_limit - m->len;
  if (n > 536) n = 536;
  if (n == 0) return false;
  if (m->size - m->len < n) mbuf_resize(m, m->len + n);
  if (m->size - m->len < n) n = m->size - m->len;
  if (n == 0) return false;
  memcpy(m->buf + m->len, link->to_client, n);
  m->len += n;
  memmove(link->to_client, link->to_client + n, link->to_client_len - n);
  link->to_client_len -= n;
  num = (int) n;
  raise_event(nc, MG_EV_RECV, &num);
  return true;
}

static bool give(struct mg_connection *nc, struct link *link) {
  struct mbuf *m = &nc->send_mbuf;
  size_t n = sizeof(link->from_client) - link->from_client_len;
  int num;
  if (n > m->len) n = m->len;
  if (n == 0) return false;
  memcpy(link->from_client + link->from_client_len, m->buf, n);
  link->from_client_len += n;
  mbuf_remove(m, n);
  if (m->len == 0) mbuf_free(m);
  num = (int) n;
  broker_read(link);
  raise_event(nc, MG_EV_SEND, &num);
  return true;
}

/* A round of one connection; true if something was transferred. */
static bool serve(struct mg_connection *nc) {
  struct link *link = (struct link *) nc->mgr_data;
  bool moved = false;
  if (nc->flags & MG_F_CONNECTING) {
    int status = link == NULL || link->refused ? -1 : 0;
    nc->flags &= ~(unsigned long) MG_F_CONNECTING;
    if (status != 0) nc->flags |= MG_F_CLOSE_IMMEDIATELY;
    raise_event(nc, MG_EV_CONNECT, &status);
    moved = true;
  } else if (!(nc->flags & MG_F_CLOSE_IMMEDIATELY)) {
    raise_event(nc, MG_EV_POLL, NULL);
  }
  if (!(nc->flags & MG_F_CLOSE_IMMEDIATELY) && link != NULL) {
    moved |= give(nc, link);
    if (!(nc->flags & (MG_F_SEND_AND_CLOSE | MG_F_CLOSE_IMMEDIATELY))) moved |= take(nc, link);
  }
  if ((nc->flags & MG_F_SEND_AND_CLOSE && nc->send_mbuf.len == 0) || (link != NULL && link->hung_up && link->to_client_len == 0)) {
    nc->flags |= MG_F_CLOSE_IMMEDIATELY;
  }
  if (nc->flags & MG_F_CLOSE_IMMEDIATELY) {
    end(nc);
    return true;
  }
  return moved;
}

static bool serve_all(void) {
  struct mg_connection *nc, *next;
  bool moved = false;
  for (nc = s_mgr.active_connections; nc != NULL; nc = next) {
    next = nc->next;
    moved |= serve(nc);
  }
  return moved;
}

void pass(unsigned ms) {
  uint64_t until = s_now + ms;
  for (;;) {
    unsigned rounds = 0;
    uint64_t at = s_now + 1000;
    struct timer *t;
    while ((serve_all() || run_timer()) && ++rounds < 500) {
    }
    CHECK(rounds < 500);
    if (s_now >= until) break;
    for (t = s_timers; t != NULL; t = t->next) {
      if (t->at < at) at = t->at;
    }
    s_now = at < until ? at : until;
  }
}
