/*
 * The app's side of a script: its connection, and calls from the script's thread into the main
 * task, the only place where the library may be used. Events are recorded in record.c.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

struct mgos_config_mqtt cfg, cfg_backup;

static struct mgos_config_mqtt s_defaults;
static struct mgos_mqtt_conn *s_conn;
static bool s_global; /* the connection is the global one */
static char s_server[2][32];

/* One call at a time. */
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t s_done = PTHREAD_COND_INITIALIZER;
static pthread_t s_app_thread;
static void (*s_call)(void *arg);
static void *s_arg;

static void take_call(void *arg) {
  void (*call)(void *);
  pthread_mutex_lock(&s_lock);
  call = s_call;
  pthread_mutex_unlock(&s_lock);
  if (call == NULL) return;
  call(s_arg);
  pthread_mutex_lock(&s_lock);
  s_call = NULL;
  pthread_cond_signal(&s_done);
  pthread_mutex_unlock(&s_lock);
  (void) arg;
}

void in_app(void (*fn)(void *arg), void *arg) {
  if (pthread_equal(pthread_self(), s_app_thread)) {
    fn(arg);
    return;
  }
  pthread_mutex_lock(&s_lock);
  s_arg = arg;
  s_call = fn;
  while (s_call != NULL) pthread_cond_wait(&s_done, &s_lock);
  pthread_mutex_unlock(&s_lock);
}

bool record_start(void);
void record_reset(void);

bool app_start(void) {
  s_app_thread = pthread_self();
  return mgos_config_mqtt_copy(mgos_sys_config_get_mqtt(), &s_defaults) && record_start() &&
         mgos_set_timer(1, MGOS_TIMER_REPEAT, take_call, NULL) != MGOS_INVALID_TIMER_ID;
}

void app_begin(void) {
  int i;
  struct mgos_config_mqtt *configs[] = {&cfg, &cfg_backup};
  s_conn = NULL;
  s_global = false;
  for (i = 0; i < 2; i++) {
    snprintf(s_server[i], sizeof(s_server[i]), "127.0.0.1:%d", broker_port(i));
    *configs[i] = s_defaults;
    configs[i]->enable = true;
    configs[i]->server = s_server[i];
    configs[i]->client_id = (i == 0 ? "c" : "backup");
  }
  record_reset();
}

static void forget_connection(void *arg) {
  struct mgos_config_mqtt off = s_defaults;
  off.enable = false;
  if (s_conn != NULL) mgos_mqtt_conn_set_config(s_conn, &off);
  /* The original must not be used after its configuration was changed on a live connection; log
   * lines do that. */
  if (s_global && app_is_connected()) {
    mgos_mqtt_global_disconnect();
  } else if (s_global) {
    mgos_mqtt_set_config(&off);
  }
  (void) arg;
}

void app_end(void) {
  int i;
  in_app(forget_connection, NULL);
  for (i = 0; i < 1000 && app_nc() != NULL; i++) {
  }
}

/* ---- Connecting ---- */

static void create_conn(void *arg) {
  static int id = 1;
  s_conn = mgos_mqtt_conn_create2(id++, &cfg, (const struct mgos_config_mqtt *) arg);
}

void create(void) {
  in_app(create_conn, NULL);
  app_add_handler(record_event, "g");
}

void create_with_backup(void) {
  cfg_backup.enable = true;
  in_app(create_conn, &cfg_backup);
  app_add_handler(record_event, "g");
}

static void configure(void *arg) {
  mgos_sys_config_set_mqtt_server(cfg.server);
  mgos_sys_config_set_mqtt_client_id(cfg.client_id);
  mgos_sys_config_set_mqtt_max_queue_length(cfg.max_queue_length);
  mgos_sys_config_set_mqtt_clean_session(cfg.clean_session);
  (void) arg;
}

void create_global(void) {
  s_global = true;
  in_app(configure, NULL);
  app_add_handler(record_event, "g");
}

struct mgos_mqtt_conn *connection(void) {
  return s_conn;
}

void connect_up(void) {
  if (s_conn == NULL && !s_global) create();
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
}

void come_back(void) {
  expect_connect();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
}

/* ---- The library's functions ---- */

struct args {
  const char *topic;
  const void *data;
  size_t len;
  int qos;
  bool retain;
  mg_event_handler_t handler;
  void *user_data;
  size_t result;
  struct mg_connection *nc;
};

static void do_connect(void *arg) {
  ((struct args *) arg)->result = s_global ? mgos_mqtt_global_connect() : mgos_mqtt_conn_connect(s_conn);
}

bool app_connect(void) {
  struct args a;
  in_app(do_connect, &a);
  return a.result;
}

static void do_disconnect(void *arg) {
  if (s_global) {
    mgos_mqtt_global_disconnect();
  } else {
    mgos_mqtt_conn_disconnect(s_conn);
  }
  (void) arg;
}

void app_disconnect(void) {
  in_app(do_disconnect, NULL);
}

static void do_is_connected(void *arg) {
  ((struct args *) arg)->result = s_global ? mgos_mqtt_global_is_connected() : mgos_mqtt_conn_is_connected(s_conn);
}

bool app_is_connected(void) {
  struct args a;
  in_app(do_is_connected, &a);
  return a.result;
}

static void do_pub(void *arg) {
  struct args *a = (struct args *) arg;
  if (s_global) {
    a->result = mgos_mqtt_pub(a->topic, a->data, a->len, a->qos, a->retain);
  } else {
    a->result = mgos_mqtt_conn_pub(s_conn, a->topic, mg_mk_str_n((const char *) a->data, a->len), a->qos, a->retain);
  }
}

uint16_t app_pub_bytes(const char *topic, const void *msg, size_t len, int qos, bool retain) {
  struct args a = {.topic = topic, .data = msg, .len = len, .qos = qos, .retain = retain};
  in_app(do_pub, &a);
  return (uint16_t) a.result;
}

uint16_t app_pub(const char *topic, const char *msg, int qos, bool retain) {
  return app_pub_bytes(topic, msg, strlen(msg), qos, retain);
}

static void do_get_packet_id(void *arg) {
  ((struct args *) arg)->result = mgos_mqtt_get_packet_id();
}

uint16_t app_get_packet_id(void) {
  struct args a;
  in_app(do_get_packet_id, &a);
  return (uint16_t) a.result;
}

static void do_num_unsent_bytes(void *arg) {
  ((struct args *) arg)->result = s_global ? mgos_mqtt_num_unsent_bytes() : mgos_mqtt_conn_num_unsent_bytes(s_conn);
}

size_t app_num_unsent_bytes(void) {
  struct args a;
  in_app(do_num_unsent_bytes, &a);
  return a.result;
}

static void do_set_max_qos(void *arg) {
  mgos_mqtt_conn_set_max_qos(s_conn, ((struct args *) arg)->qos);
}

void app_set_max_qos(int qos) {
  struct args a = {.qos = qos};
  in_app(do_set_max_qos, &a);
}

static void do_set_config(void *arg) {
  struct args *a = (struct args *) arg;
  const struct mgos_config_mqtt *config = (const struct mgos_config_mqtt *) a->data;
  a->result = s_global ? mgos_mqtt_set_config(config) : mgos_mqtt_conn_set_config(s_conn, config);
}

bool app_set_config(const struct mgos_config_mqtt *config) {
  struct args a = {.data = config};
  in_app(do_set_config, &a);
  return a.result;
}

static void do_unsub(void *arg) {
  struct args *a = (struct args *) arg;
  a->result = s_global ? mgos_mqtt_unsub(a->topic) : mgos_mqtt_conn_unsub(s_conn, a->topic);
}

bool app_unsub(const char *topic) {
  struct args a = {.topic = topic};
  in_app(do_unsub, &a);
  return a.result;
}

static void do_sub(void *arg) {
  struct args *a = (struct args *) arg;
  if (s_global) {
    mgos_mqtt_global_subscribe(mg_mk_str(a->topic), a->handler, a->user_data);
  } else {
    mgos_mqtt_conn_sub(s_conn, a->topic, a->qos, a->handler, a->user_data);
  }
}

void app_sub_handler(const char *topic, int qos, mg_event_handler_t handler, const char *tag) {
  /* The original frees user data when the subscription is removed; here they belong to the app. */
  struct args a = {.topic = topic, .qos = qos, .handler = handler, .user_data = EITHER((void *) tag, strdup(tag))};
  in_app(do_sub, &a);
}

void app_sub(const char *topic, int qos, const char *tag) {
  app_sub_handler(topic, qos, record_event, tag);
}

static void do_add_handler(void *arg) {
  struct args *a = (struct args *) arg;
  if (s_global) {
    mgos_mqtt_add_global_handler(a->handler, a->user_data);
  } else {
    mgos_mqtt_conn_add_handler(s_conn, a->handler, a->user_data);
  }
}

void app_add_handler(mg_event_handler_t handler, const char *tag) {
  struct args a = {.handler = handler, .user_data = (void *) tag};
  in_app(do_add_handler, &a);
}

static void find_nc(void *arg) {
  struct args *a = (struct args *) arg;
  struct mg_connection *nc = NULL;
  if (s_global) {
    nc = mgos_mqtt_get_global_conn();
  } else if (s_conn != NULL) {
    while ((nc = mg_next(mgos_get_mgr(), nc)) != NULL && nc->user_data != s_conn) {
    }
  }
  a->nc = nc;
}

struct mg_connection *app_nc(void) {
  struct args a;
  in_app(find_nc, &a);
  return a.nc;
}

static void ip_acquired(void *arg) {
  mgos_event_trigger(MGOS_NET_EV_IP_ACQUIRED, NULL);
  (void) arg;
}

void app_ip_acquired(void) {
  in_app(ip_acquired, NULL);
}
