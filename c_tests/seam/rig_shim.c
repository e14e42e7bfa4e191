/*
 * The contract's rig on shim/ itself, compiled with the headers of a firmware and unchanged. The firmware is the host's; the
 * server is a socket here. The core of the library is not there: contract.c plays it.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mgos.h"
#include "mgos_host_hooks.h"
#include "rig.h"

static int s_listener = -1, s_peer = -1, s_port;

const char *rig_name(void) {
  return "shim";
}

static void pause_1_ms(void) {
  struct timespec pause = {.tv_nsec = 1000000};
  nanosleep(&pause, NULL);
}

/* ---- Of the core: what shim/mgos_mqtt.c calls, and nothing here comes to ---- */

struct mgos_mqtt_conn *mgos_mqtt_core_global(void) {
  return NULL;
}

uint32_t mgos_mqtt_archive_missing_or_version_mismatch_1_0_0_rc_1(const struct mgos_config_mqtt *primary,
                                                             const struct mgos_config_mqtt *backup) {
  (void) primary, (void) backup;
  return 1;
}

uint16_t mgos_mqtt_core_pub_failed(struct mgos_mqtt_conn *c, const char *topic) {
  (void) c, (void) topic;
  return 0;
}

uint16_t mgos_mqtt_conn_pub(struct mgos_mqtt_conn *c, const char *topic, struct mg_str msg, int qos, bool retain) {
  (void) c, (void) topic, (void) msg, (void) qos, (void) retain;
  return 0;
}

uint16_t mgos_mqtt_pub(const char *topic, const void *message, size_t len, int qos, bool retain) {
  (void) topic, (void) message, (void) len, (void) qos, (void) retain;
  return 0;
}

size_t mgos_mqtt_num_unsent_bytes(void) {
  return 0;
}

/* ---- Memory ---- */

bool rig_can_fail(void) {
  return MGOS_HOST_HAS_ALLOC_FAULTS;
}

void rig_fail_after(unsigned n) {
#if MGOS_HOST_HAS_ALLOC_FAULTS
  mgos_host_fail_allocations(n, 1);
#else
  (void) n;
#endif
}

bool rig_has_failed(void) {
#if MGOS_HOST_HAS_ALLOC_FAULTS
  return mgos_host_fail_allocations(0, 0) > 0;
#else
  return false;
#endif
}

/* ---- The app ---- */

static unsigned s_calls;
static void (*s_hook)(void);
static char s_line[600];
static struct {
  int ev;
  void *data;
  const char *cloud;
} s_event;

static void called(void) {
  void (*hook)(void) = s_hook;
  s_calls++;
  s_hook = NULL;
  if (hook != NULL) hook();
}

static void on_log(int ev, void *ev_data, void *arg) {
  const struct mgos_debug_hook_arg *line = (const struct mgos_debug_hook_arg *) ev_data;
  char all[sizeof(s_line)];
  const char *own;
  if (line->len >= sizeof(all)) return;
  memcpy(all, line->data, line->len);
  all[line->len] = '\0';
  /* Mongoose has lines of its own. */
  own = strstr(all, " MQTT7 ");
  if (own == NULL) return;
  called();
  /* What stood in the caller's text may be gone. */
  own = strstr(memcpy(all, line->data, line->len), " MQTT7 ");
  snprintf(s_line, sizeof(s_line), "%.*s", (int) strcspn(own + 1, "\n"), own + 1);
  (void) ev, (void) arg;
}

static void on_cloud_event(int ev, void *ev_data, void *arg) {
  const struct mgos_cloud_arg *cloud = (const struct mgos_cloud_arg *) ev_data;
  s_event.cloud = cloud->type == MGOS_CLOUD_MQTT ? (const char *) arg : "another's";
  called();
  (void) ev;
}

static void on_own_event(int ev, void *ev_data, void *arg) {
  s_event.ev = ev;
  s_event.data = ev_data;
  s_event.cloud = NULL;
  called();
  (void) arg;
}

unsigned rig_calls(void) {
  return s_calls;
}

void rig_in_next_call(void (*hook)(void)) {
  s_hook = hook;
}

const char *rig_line(void) {
  return s_line;
}

bool rig_has_words(void) {
  return true;
}

const char *rig_event(int *ev, void **data) {
  *ev = s_event.ev;
  *data = s_event.data;
  return s_event.cloud;
}

void rig_read_options(const struct mg_send_mqtt_handshake_opts *opts, struct rig_options *to) {
  to->clean_session = opts->flags & MG_MQTT_CLEAN_SESSION;
  to->will_retain = opts->flags & MG_MQTT_WILL_RETAIN;
  to->keep_alive = opts->keep_alive;
  to->texts[0] = opts->will_topic;
  to->texts[1] = opts->will_message;
  to->texts[2] = opts->user_name;
  to->texts[3] = opts->password;
}

void rig_send_connect(struct mg_connection *nc, const char *client_id, struct mg_send_mqtt_handshake_opts *opts) {
  mg_send_mqtt_handshake_opt(nc, client_id, *opts);
}

void rig_set_protocol_mqtt(struct mg_connection *nc) {
  mg_set_protocol_mqtt(nc);
}

void rig_read_message(const void *ev_data, struct rig_message *to) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  to->cmd = m->cmd;
  to->qos = m->qos;
  to->id = m->message_id;
  to->size = (size_t) m->len;
  to->topic = m->topic.p;
  to->topic_len = m->topic.len;
  to->payload = m->payload.p;
  to->payload_len = m->payload.len;
}

/* ---- Clocks and network ---- */

void rig_round(void) {
  mongoose_poll(0);
}

void rig_pass(int64_t ms) {
  mgos_host_time_skip(ms * 1000);
}

void rig_set_time(double seconds) {
  mgos_settimeofday(seconds, NULL);
}

void rig_net(bool up) {
  mgos_event_trigger(up ? MGOS_NET_EV_IP_ACQUIRED : MGOS_NET_EV_DISCONNECTED, NULL);
}

void rig_reboot(void) {
  mgos_event_trigger(MGOS_EVENT_REBOOT, NULL);
}

/* ---- Configurations ---- */

struct mgos_config_mqtt *rig_config(void) {
  struct mgos_config_mqtt *cfg = (struct mgos_config_mqtt *) calloc(1, sizeof(*cfg));
  char server[32];
  if (cfg == NULL || !mgos_config_mqtt_copy(mgos_sys_config_get_mqtt(), cfg)) abort();
  snprintf(server, sizeof(server), "127.0.0.1:%d", s_port);
  cfg->enable = true;
  rig_set_server(cfg, server);
  return cfg;
}

void rig_free(struct mgos_config_mqtt *cfg) {
  mgos_config_mqtt_free(cfg);
  free(cfg);
}

const struct mgos_config_mqtt *rig_system(int which) {
  return which == 0 ? mgos_sys_config_get_mqtt() : mgos_sys_config_get_mqtt1();
}

/* As an app does that fills it in by itself: "" stays. */
static void set(const char **field, const char *text) {
  mgos_conf_free_str(field);
  *field = text != NULL ? strdup(text) : NULL;
}

void rig_set_number(struct mgos_config_mqtt *cfg, mgos_mqtt_number which, double value) {
  switch (which) {
    case MGOS_MQTT_NUMBER_ENABLE:
      cfg->enable = (int) value;
      break;
    case MGOS_MQTT_NUMBER_RECONNECT_MIN:
      cfg->reconnect_timeout_min = value;
      break;
    case MGOS_MQTT_NUMBER_RECONNECT_MAX:
      cfg->reconnect_timeout_max = value;
      break;
    case MGOS_MQTT_NUMBER_CLEAN_SESSION:
      cfg->clean_session = (int) value;
      break;
    case MGOS_MQTT_NUMBER_KEEP_ALIVE:
      cfg->keep_alive = (int) value;
      break;
    case MGOS_MQTT_NUMBER_WILL_RETAIN:
      cfg->will_retain = (int) value;
      break;
    case MGOS_MQTT_NUMBER_MAX_QOS:
      cfg->max_qos = (int) value;
      break;
    case MGOS_MQTT_NUMBER_REQUIRE_TIME:
      cfg->require_time = (int) value;
      break;
    case MGOS_MQTT_NUMBER_CLOUD_EVENTS:
      cfg->cloud_events = (int) value;
      break;
    case MGOS_MQTT_NUMBER_MAX_QUEUE:
      cfg->max_queue_length = (int) value;
      break;
    case MGOS_MQTT_NUMBER_MAX_QUEUE_BYTES:
      cfg->max_queue_bytes = (int) value;
      break;
    case MGOS_MQTT_NUMBER_CONNECT_TIMEOUT:
      cfg->connect_timeout = value;
      break;
    case MGOS_MQTT_NUMBER_WS_ENABLE:
      cfg->ws_enable = (int) value;
      break;
    case MGOS_MQTT_NUMBER_ACK_TIMEOUT:
      cfg->ack_timeout = value;
      break;
    case MGOS_MQTT_NUMBER_TLS:
      set(&cfg->ssl_ca_cert, value == 1 || value == 2 ? "ca.pem" : NULL);
      set(&cfg->ssl_cert, value == 2 ? "client.pem" : NULL);
      set(&cfg->ssl_psk_identity, value == 3 ? "device" : NULL);
      break;
    default:
      abort();
  }
}

void rig_set_text(struct mgos_config_mqtt *cfg, int which, const char *text) {
  const char **fields[] = {&cfg->client_id, &cfg->will_topic, &cfg->will_message, &cfg->user, &cfg->pass};
  set(fields[which], text);
}

void rig_set_server(struct mgos_config_mqtt *cfg, const char *server) {
  set(&cfg->server, server);
}

void rig_set_limit(struct mgos_config_mqtt *cfg, int limit) {
  cfg->recv_mbuf_limit = limit;
}

void rig_set_device_id(const char *id) {
  mgos_sys_config_set_device_id(id);
}

/* ---- Connections ---- */

/* Its own port: one that was given up may be waiting, too. */
static int port_of(struct mg_connection *nc) {
  struct sockaddr_in sa;
  socklen_t len = sizeof(sa);
  return getsockname(nc->sock, (struct sockaddr *) &sa, &len) == 0 ? ntohs(sa.sin_port) : -1;
}

void rig_accept(struct mg_connection *nc) {
  int on = 1, ms;
  if (s_peer >= 0) close(s_peer);
  s_peer = -1;
  for (ms = 0; ms < 5000 && (s_peer < 0 || (nc->flags & MG_F_CONNECTING)); ms++) {
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    mongoose_poll(0);
    if (s_peer < 0) s_peer = accept(s_listener, (struct sockaddr *) &from, &len);
    if (s_peer >= 0 && ntohs(from.sin_port) != port_of(nc)) {
      close(s_peer);
      s_peer = -1;
    }
    if (s_peer < 0) pause_1_ms();
  }
  if (s_peer < 0) abort();
  fcntl(s_peer, F_SETFL, O_NONBLOCK);
  setsockopt(s_peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void rig_peer_sends(struct mg_connection *nc, const void *bytes, size_t len) {
  size_t wanted = nc->recv_mbuf.len + len;
  int ms;
  if (wanted > nc->recv_mbuf_limit) wanted = nc->recv_mbuf_limit;
  if (send(s_peer, bytes, len, MSG_NOSIGNAL) != (ssize_t) len) abort();
  for (ms = 0; ms < 5000 && nc->recv_mbuf.len < wanted; ms++) {
    mongoose_poll(0);
    pause_1_ms();
  }
  mongoose_poll(0);
  mongoose_poll(0);
}

size_t rig_peer_gets(struct mg_connection *nc, void *bytes, size_t size) {
  size_t len = 0;
  int round;
  for (round = 0; round < 10; round++) {
    ssize_t got;
    mongoose_poll(0);
    got = recv(s_peer, (char *) bytes + len, size - len, 0);
    if (got > 0) len += (size_t) got;
    if (got < 0) pause_1_ms();
  }
  (void) nc;
  return len;
}

static unsigned s_freed;

static void free_data(void *data) {
  s_freed++;
  free(data);
}

void rig_ws_begun(struct mg_connection *nc) {
  nc->flags |= MG_F_IS_WEBSOCKET;
  nc->proto_data = malloc(100);
  nc->proto_data_destructor = free_data;
}

unsigned rig_ws_freed(void) {
  return s_freed;
}

void *rig_ws_reply(int code, const char *words, const char *protocol) {
  static struct http_message m;
  memset(&m, 0, sizeof(m));
  m.resp_code = code;
  m.resp_status_msg = mg_mk_str(words);
  m.header_names[0] = mg_mk_str("Upgrade");
  m.header_values[0] = mg_mk_str("websocket");
  if (protocol != NULL) {
    m.header_names[1] = mg_mk_str("Sec-WebSocket-Protocol");
    m.header_values[1] = mg_mk_str(protocol);
  }
  return &m;
}

bool rig_has_handler_between(struct mg_connection *nc) {
  return nc->proto_handler != NULL;
}

/* ---- Begin and end ---- */

static bool listen_somewhere(void) {
  struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(sa);
  s_listener = socket(AF_INET, SOCK_STREAM, 0);
  if (s_listener < 0 || bind(s_listener, (struct sockaddr *) &sa, sizeof(sa)) != 0 || listen(s_listener, 8) != 0 ||
      getsockname(s_listener, (struct sockaddr *) &sa, &len) != 0) {
    return false;
  }
  fcntl(s_listener, F_SETFL, O_NONBLOCK);
  s_port = ntohs(sa.sin_port);
  return true;
}

bool rig_begin(void) {
  return listen_somewhere() && mgos_event_add_handler(MGOS_EVENT_LOG, on_log, NULL) &&
         mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTING, on_cloud_event, "CONNECTING") &&
         mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTED, on_cloud_event, "CONNECTED") &&
         mgos_event_add_handler(MGOS_EVENT_CLOUD_DISCONNECTED, on_cloud_event, "DISCONNECTED") &&
         mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTERROR, on_cloud_event, "CONNECTERROR") &&
         mgos_event_add_group_handler(MGOS_MQTT_EVENT_GIVEN_UP, on_own_event, NULL);
}

/* Memory that is left is the sanitizers' to find, at exit. */
bool rig_end(void) {
  mgos_event_remove_handler(MGOS_EVENT_LOG, on_log, NULL);
  return mg_next(mgos_get_mgr(), NULL) == NULL || mg_next(mgos_get_mgr(), mg_next(mgos_get_mgr(), NULL)) == NULL;
}

enum mgos_app_init_result mgos_app_init(void) {
  exit(contract());
}
