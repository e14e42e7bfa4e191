/*
 * What the core needs of Mongoose and of Mongoose OS: connections, buffers, timers, events, the clock. Compiled with the firmware's own
 * headers, so that no layout is assumed.
 */

#include "mgos_mqtt_seam.h"

#include <stdlib.h>
#include <string.h>

#include "mgos.h"
#include "mgos_mqtt_server.h"

#ifndef MG_ENABLE_HTTP_WEBSOCKET
#define MG_ENABLE_HTTP_WEBSOCKET 0
#endif

/* A firmware that has WebSocket for other things may leave MQTT over it out. */
#ifndef MGOS_MQTT_ENABLE_WS
#define MGOS_MQTT_ENABLE_WS MG_ENABLE_HTTP_WEBSOCKET
#endif

/* Where /etc/hosts is the system's. */
#define HAS_HOSTS_FILE (MG_ENABLE_SSL && CS_PLATFORM == CS_P_UNIX)

/* The least that nc->recv_mbuf_limit is taken for, bytes: enough for the beginning of any packet. */
#define LEAST_LIMIT 64

/* What the receive buffer of a connection over WebSocket holds beyond the limit, bytes: EXTRA of src/ffi/websocket.rs. */
#define WS_EXTRA 160

/* Before this, seconds, the wall clock has not been set: July 2017. */
#define TIME_IS_SET 1500000000

/* In 32 bits, as few of the processors can divide 64: 2^32 is 4294967 * 1000 + 296. */
uint32_t mgos_mqtt_shim_now(void) {
  uint64_t us = (uint64_t) mgos_uptime_micros();
  uint32_t high = (uint32_t) (us >> 32), low = (uint32_t) us;
  return high * 4294967u + low / 1000 + (high * 296 + low % 1000) / 1000;
}

/* 16 bits; the upper end can be among them, as a float rounds. */
static uint32_t random16(void) {
  return (uint32_t) mgos_rand_range(0, 65536) & 0xffff;
}

uint32_t mgos_mqtt_shim_random(void) {
  return random16() << 16 | random16();
}

uint32_t mgos_mqtt_shim_time_is_set(void) {
  return mg_time() >= TIME_IS_SET;
}

uint32_t mgos_mqtt_shim_wall_clock(void) {
  return mgos_mqtt_shim_time_is_set() ? (uint32_t) mg_time() : 0;
}

static void timer_cb(void *arg) {
  mgos_mqtt_core_timer((struct mgos_mqtt_conn *) arg);
}

size_t mgos_mqtt_shim_timer(size_t id, int32_t ms, struct mgos_mqtt_conn *c) {
  size_t timer = MGOS_INVALID_TIMER_ID;
  if (ms >= 0) {
    timer = (size_t) mgos_set_timer(ms > 0 ? (int) ms : 1, MGOS_TIMER_REPEAT, timer_cb, c);
    /* Without memory the old one must do. It is there, as it repeats. */
    if (timer == MGOS_INVALID_TIMER_ID) return id;
  }
  if (id != MGOS_INVALID_TIMER_ID) mgos_clear_timer((mgos_timer_id) id);
  return timer;
}

static void net_cb(int ev, void *ev_data, void *arg) {
  mgos_mqtt_core_net((struct mgos_mqtt_conn *) arg, ev == MGOS_NET_EV_IP_ACQUIRED);
  (void) ev_data;
}

uint32_t mgos_mqtt_shim_watch_net(struct mgos_mqtt_conn *c, uint32_t on) {
  if (on && mgos_event_add_handler(MGOS_NET_EV_IP_ACQUIRED, net_cb, c)) {
    if (mgos_event_add_handler(MGOS_NET_EV_DISCONNECTED, net_cb, c)) return 1;
  }
  mgos_event_remove_handler(MGOS_NET_EV_IP_ACQUIRED, net_cb, c);
  mgos_event_remove_handler(MGOS_NET_EV_DISCONNECTED, net_cb, c);
  return 0;
}

void mgos_mqtt_shim_event(int32_t event, void *arg) {
  mgos_event_trigger(event, arg);
}

size_t mgos_mqtt_shim_free_heap(void) {
  return mgos_get_free_heap_size();
}

static void time_cb(int ev, void *ev_data, void *arg) {
  mgos_mqtt_core_time_set((struct mgos_mqtt_conn *) arg);
  (void) ev, (void) ev_data;
}

void mgos_mqtt_shim_watch_time(struct mgos_mqtt_conn *c, uint32_t on) {
  mgos_event_remove_handler(MGOS_EVENT_TIME_CHANGED, time_cb, c);
  if (on) mgos_event_add_handler(MGOS_EVENT_TIME_CHANGED, time_cb, c);
}

void mgos_mqtt_shim_cloud_event(mgos_mqtt_cloud which) {
  static const int events[] = {MGOS_EVENT_CLOUD_CONNECTING, MGOS_EVENT_CLOUD_CONNECTED, MGOS_EVENT_CLOUD_DISCONNECTED,
                               MGOS_EVENT_CLOUD_CONNECTERROR};
  struct mgos_cloud_arg arg;
  memset(&arg, 0, sizeof(arg));
  arg.type = MGOS_CLOUD_MQTT;
  mgos_event_trigger(events[which], &arg);
}

/* Gives the connection what Mongoose's own MQTT functions work on, if the app calls them. False without memory. */
static bool add_proto_data(struct mg_connection *nc) {
  nc->proto_data = calloc(1, sizeof(struct mg_mqtt_proto_data));
  nc->proto_data_destructor = free;
  return nc->proto_data != NULL;
}

/* Has Mongoose do the opening handshake. */
static void websocket(struct mg_connection *nc) {
#if MGOS_MQTT_ENABLE_WS
  mg_set_protocol_http_websocket(nc);
#endif
  /* A frame's header, or a whole control frame, may stand behind a packet that is not there yet. */
  nc->recv_mbuf_limit += WS_EXTRA;
}

struct mg_connection *mgos_mqtt_shim_open(struct mgos_mqtt_conn *c, const struct mgos_config_mqtt *cfg, int32_t conn) {
  /* Mongoose says something else where it is something else, and nothing if all is well. */
  const char *error = "out of memory";
  struct mg_connect_opts opts;
  memset(&opts, 0, sizeof(opts));
#if CS_ENABLE_STDIO
  opts.error_string = &error;
#endif
#if MG_ENABLE_SSL
  opts.ssl_cert = cfg->ssl_cert;
  opts.ssl_key = cfg->ssl_key;
  opts.ssl_ca_cert = cfg->ssl_ca_cert;
  opts.ssl_server_name = cfg->ssl_server_name;
  opts.ssl_cipher_suites = cfg->ssl_cipher_suites;
  opts.ssl_psk_identity = cfg->ssl_psk_identity;
  opts.ssl_psk_key = cfg->ssl_psk_key;
#endif
  int limit = cfg->recv_mbuf_limit;
  bool ws = mgos_mqtt_server_is_ws(cfg);
  struct mgos_mqtt_server server;
  const char *wrong = mgos_mqtt_server_read(cfg, &server);
  char *address = NULL;
  struct mg_connection *nc = NULL;
  if (wrong != NULL) {
    error = wrong;
  } else if (ws && !MGOS_MQTT_ENABLE_WS) {
    error = "built without MQTT over WebSocket (MGOS_MQTT_ENABLE_WS, MG_ENABLE_HTTP_WEBSOCKET); set mqtt.ws_enable to false";
  } else {
#if HAS_HOSTS_FILE
    /* Mongoose has no name checked that is in the hosts file. Behind the address stands the name by itself. */
    int len = mg_asprintf(&address, 0, "%.*s:%d%c%.*s", server.host_len, server.host, server.port, '\0', server.host_len,
                          server.host);
    bool is_address = server.host[0] == '[' || (int) strspn(server.host, "0123456789.") == server.host_len;
    if (address != NULL && opts.ssl_server_name == NULL && !is_address) opts.ssl_server_name = address + len - server.host_len;
#else
    mg_asprintf(&address, 0, "%.*s:%d", server.host_len, server.host, server.port);
#endif
    if (address != NULL) nc = mg_connect_opt(mgos_get_mgr(), address, mgos_mqtt_ev, c, opts);
    free(address);
  }
  if (nc != NULL) {
    /* Negative: none, as in size_t. */
    if (limit < 0) limit = INT_MAX;
    if (limit < LEAST_LIMIT) limit = LEAST_LIMIT;
    nc->recv_mbuf_limit = (size_t) limit;
    if (ws) {
      websocket(nc);
    } else if (!add_proto_data(nc)) {
      mgos_mqtt_shim_detach(nc);
      mgos_mqtt_shim_close(nc, 0);
      nc = NULL;
    }
  }
  if (nc == NULL) LOG(LL_ERROR, ("MQTT%d can't connect: %s", (int) conn, error));
  (void) conn, (void) error;
  return nc;
}

#if MGOS_MQTT_ENABLE_WS

uint32_t mgos_mqtt_shim_ws_upgrade(struct mg_connection *nc, const struct mgos_config_mqtt *cfg) {
  struct mgos_mqtt_server to;
  char *host = NULL;
  if (mgos_mqtt_server_read(cfg, &to) != NULL) return 0;
  mg_asprintf(&host, 0, "%.*s%c%.*s", to.with_port_len, to.host, '\0', to.path_len, to.host + to.with_port_len);
  if (host == NULL) return 0;
  const char *path = to.path_len > 0 ? host + to.with_port_len + 1 : cfg->ws_path != NULL ? cfg->ws_path : "/";
  mg_send_websocket_handshake2(nc, path, host, "mqtt", NULL);
  free(host);
  /* It does not say whether it had memory. */
  return nc->send_mbuf.len > 0;
}

uint32_t mgos_mqtt_shim_ws_agreed(struct mg_connection *nc, void *reply, int32_t conn) {
  struct http_message *hm = (struct http_message *) reply;
  if (hm == NULL) {
    /* Mongoose has looked at what is there, and waits for the rest. */
    if (nc->recv_mbuf.len < nc->recv_mbuf_limit - WS_EXTRA) return 2;
    mgos_mqtt_shim_log(MGOS_MQTT_LOG_WS_TOO_LONG, conn, NULL, 0, 0, 0);
    return 0;
  }
  struct mg_str *protocol = mg_get_http_header(hm, "Sec-WebSocket-Protocol");
  struct mg_str *words = &hm->resp_status_msg;
  if (hm->resp_code != 101) {
    mgos_mqtt_shim_log(MGOS_MQTT_LOG_WS_REFUSED, conn, (const uint8_t *) words->p, words->len, hm->resp_code, 0);
    return 0;
  }
  if (protocol != NULL && mg_vcasecmp(protocol, "mqtt") == 0) return 1;
  mgos_mqtt_shim_log(MGOS_MQTT_LOG_WS_NO_MQTT, conn, NULL, 0, 0, 0);
  return 0;
}

uint32_t mgos_mqtt_shim_ws_take_over(struct mg_connection *nc, uint32_t all) {
  nc->proto_handler = NULL;
  if (!all) return 1;
  if (nc->proto_data != NULL && nc->proto_data_destructor != NULL) nc->proto_data_destructor(nc->proto_data);
  return add_proto_data(nc);
}

uint32_t mgos_mqtt_shim_ws_frames(struct mgos_mqtt_conn *c, struct mg_connection *nc, mgos_mqtt_frames what) {
  return mgos_mqtt_core_ws_frames(c, nc, what);
}

#else /* MGOS_MQTT_ENABLE_WS */

uint32_t mgos_mqtt_shim_ws_frames(struct mgos_mqtt_conn *c, struct mg_connection *nc, mgos_mqtt_frames what) {
  (void) c, (void) nc, (void) what;
  return 0;
}

uint32_t mgos_mqtt_shim_ws_upgrade(struct mg_connection *nc, const struct mgos_config_mqtt *cfg) {
  (void) nc, (void) cfg;
  return 0;
}

uint32_t mgos_mqtt_shim_ws_agreed(struct mg_connection *nc, void *reply, int32_t conn) {
  (void) nc, (void) reply, (void) conn;
  return 0;
}

uint32_t mgos_mqtt_shim_ws_take_over(struct mg_connection *nc, uint32_t all) {
  (void) nc, (void) all;
  return 1;
}

#endif /* MGOS_MQTT_ENABLE_WS */

struct mg_connection *mgos_mqtt_conn_nc(struct mgos_mqtt_conn *c);

size_t mgos_mqtt_shim_call_connect_fn(struct mgos_mqtt_conn *c, struct mg_connection *nc, const struct mgos_config_mqtt *cfg,
                                      mgos_mqtt_connect_fn_t connect_fn, void *arg) {
  struct mg_send_mqtt_handshake_opts opts;
  const char *strings[5];
  mgos_mqtt_shim_config_strings(cfg, strings);
  memset(&opts, 0, sizeof(opts));
  if (cfg->clean_session) opts.flags |= MG_MQTT_CLEAN_SESSION;
  if (cfg->will_retain) opts.flags |= MG_MQTT_WILL_RETAIN;
  opts.keep_alive = (uint16_t) cfg->keep_alive;
  opts.will_topic = strings[1];
  opts.will_message = strings[2];
  opts.user_name = strings[3];
  opts.password = strings[4];
  void *pd = nc->proto_data;
  size_t before = nc->send_mbuf.len;
  /* A mark, in a field that Mongoose uses while it resolves a name, and not for us any more. */
  nc->priv_2 = &opts;
  connect_fn(nc, strings[0], &opts, arg);
  /* The callback may have run the event loop, and `nc` be gone; or another, made meanwhile, be in its place in memory. */
  if (mgos_mqtt_conn_nc(c) != nc || nc->priv_2 != &opts) return 0;
  /* It may have called mg_set_protocol_mqtt(): the data that made serve as well, its handler must not come between. */
  if (nc->proto_data != pd) free(pd);
  nc->proto_handler = NULL;
  return nc->send_mbuf.len > before ? nc->send_mbuf.len - before : 0;
}

const uint8_t *mgos_mqtt_shim_last_unsent(struct mg_connection *nc, size_t len) {
  return (const uint8_t *) nc->send_mbuf.buf + nc->send_mbuf.len - len;
}

int32_t mgos_mqtt_shim_app_sent(struct mg_connection *nc) {
  struct mg_mqtt_proto_data *pd = (struct mg_mqtt_proto_data *) nc->proto_data;
  if (pd == NULL || !(pd->last_control_time > 0)) return -1;
  pd->last_control_time = 0;
  return pd->keep_alive;
}

void mgos_mqtt_shim_set_keep_alive(struct mg_connection *nc, uint32_t seconds) {
  struct mg_mqtt_proto_data *pd = (struct mg_mqtt_proto_data *) nc->proto_data;
  if (pd != NULL) pd->keep_alive = (uint16_t) seconds;
}

uint8_t *mgos_mqtt_shim_send_reserve(struct mg_connection *nc, size_t size, size_t spare) {
  struct mbuf *m = &nc->send_mbuf;
  size += spare;
  /* More than a size_t holds. Where it is with m->len only, mbuf_resize() does nothing. */
  if (size < spare) return NULL;
  if (m->size - m->len < size) mbuf_resize(m, m->len + size);
  return m->size - m->len < size ? NULL : (uint8_t *) m->buf + m->len;
}

void mgos_mqtt_shim_send(struct mg_connection *nc, size_t size) {
  nc->send_mbuf.len += size;
  /* Nothing more, but Mongoose is to know that there is something to send. */
  mg_send(nc, "", 0);
}

void mgos_mqtt_shim_unsend(struct mg_connection *nc, size_t len) {
  nc->send_mbuf.len -= len;
}

uint8_t *mgos_mqtt_shim_insert_unsent(struct mg_connection *nc, size_t at, const uint8_t *bytes, size_t len) {
  if (mbuf_insert(&nc->send_mbuf, at, bytes, len) != len) return NULL;
  return (uint8_t *) nc->send_mbuf.buf + at + len;
}

size_t mgos_mqtt_shim_unsent(struct mg_connection *nc) {
  return nc->send_mbuf.len;
}

const uint8_t *mgos_mqtt_shim_received(struct mg_connection *nc, size_t *len, size_t *limit) {
  *len = nc->recv_mbuf.len;
  /* The part for frames is not for packets. */
  size_t extra = nc->flags & MG_F_IS_WEBSOCKET ? WS_EXTRA : 0;
  *limit = nc->recv_mbuf_limit > LEAST_LIMIT + extra ? nc->recv_mbuf_limit - extra : LEAST_LIMIT;
  return (const uint8_t *) nc->recv_mbuf.buf;
}

size_t mgos_mqtt_shim_recv_consume(struct mg_connection *nc, size_t at, size_t len) {
  struct mbuf *m = &nc->recv_mbuf;
  if (at > m->len || len > m->len - at) return m->len;
  size_t behind = m->len - at - len;
  if (behind > 0) memmove(m->buf + at, m->buf + at + len, behind);
  return m->len = at + behind;
}

void mgos_mqtt_shim_close(struct mg_connection *nc, uint32_t after_sending) {
  nc->flags |= after_sending ? MG_F_SEND_AND_CLOSE : MG_F_CLOSE_IMMEDIATELY;
}

void mgos_mqtt_shim_detach(struct mg_connection *nc) {
  nc->user_data = NULL;
}

struct mgos_mqtt_conn *mgos_mqtt_shim_owner(struct mg_connection *nc) {
  return (struct mgos_mqtt_conn *) nc->user_data;
}

void mgos_mqtt_shim_call(const void *handler, struct mg_connection *nc, int ev, const struct mgos_mqtt_packet *p, void *user_data) {
  const char *topic = nc->recv_mbuf.buf + p->topic_at, *payload = nc->recv_mbuf.buf + p->payload_at;
  if (ev == 0) {
    if (handler != NULL) ((sub_handler_t) handler)(nc, topic, (int) p->topic_len, payload, (int) p->payload_len, user_data);
    return;
  }
  struct mg_mqtt_message m;
  memset(&m, 0, sizeof(m));
  m.cmd = p->first >> 4;
  m.qos = p->first >> 1 & 3;
  m.message_id = p->id;
  m.len = (int) p->size;
  if (p->topic_len > 0) {
    m.topic.p = topic;
    m.topic.len = p->topic_len;
    m.payload.p = payload;
    m.payload.len = p->payload_len;
  }
  ((mg_event_handler_t) handler)(nc, ev, &m, user_data);
}
