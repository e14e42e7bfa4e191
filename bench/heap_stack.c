/*
 * Measures the library's heap and stack use, on a chip or on this machine: one line per figure.
 * Runs on the minimal Mongoose OS of qemu/, whose own use is not counted, nor are Mongoose's
 * connection buffers.
 */

#include <string.h>

#include "port.h"

#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

#define TOPIC "home/kitchen/temperature"
#define FILTER "home/kitchen/+"
#define PAINT 0x5e
#define ROUNDS 8

/* Called by the platform; in no header. */
bool mgos_mqtt_init(void);

static unsigned s_faults;

void check_that(bool ok, const char *what, int line) {
  if (ok) return;
  if (++s_faults > 20) machine_exit(1);
  machine_print("not so, line ");
  print_number((unsigned long) line);
  machine_print(": ");
  machine_print(what);
  machine_print("\n");
}

static void figure(const char *name, size_t value) {
  machine_print(name);
  machine_print("\t");
  print_number(value);
  machine_print("\n");
}

/* ---- Stack: painted before calling the library, inspected when it returns ---- */

static uint8_t *s_base;
static size_t s_deepest;

void library_begins(void) {
  uint8_t *lowest;
  size_t size;
  /* The stack pointer of the caller, who calls the library next. */
  s_base = (uint8_t *) __builtin_dwarf_cfa();
  machine_stack(&lowest, &size);
  if (size > 0) memset(lowest, PAINT, size);
}

void library_ends(void) {
  uint8_t *lowest;
  size_t size, i;
  machine_stack(&lowest, &size);
  for (i = 0; i < size && lowest[i] == PAINT; i++) {
  }
  if (size > 0 && (size_t) (s_base - lowest) - i > s_deepest) s_deepest = (size_t) (s_base - lowest) - i;
}

#define CALL(call)   \
  do {               \
    library_begins();\
    call;            \
    library_ends();  \
  } while (0)

/* ---- The heap ---- */

struct state {
  size_t bytes;
  unsigned blocks;
};

/* What the library has allocated, without the contents of connection buffers. */
static struct state heap(void) {
  struct state s = {memory_in_use() - port_bytes(), memory_blocks() - port_blocks()};
  struct mg_connection *nc;
  for (nc = mgos_get_mgr()->active_connections; nc != NULL; nc = nc->next) {
    s.bytes -= nc->recv_mbuf.size + nc->send_mbuf.size;
    s.blocks -= (nc->recv_mbuf.size > 0) + (nc->send_mbuf.size > 0);
  }
  return s;
}

static unsigned s_messages;
/* The topic that the handler publishes to; NULL for none. */
static struct mgos_mqtt_conn *s_answers;

static void on_message(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *arg) {
  (void) nc, (void) topic, (void) topic_len, (void) msg, (void) msg_len, (void) arg;
  s_messages++;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  (void) nc, (void) ev_data, (void) arg;
  if (ev != MG_EV_MQTT_PUBLISH || s_answers == NULL) return;
  s_messages++;
  CHECK(mgos_mqtt_conn_pub(s_answers, TOPIC, mg_mk_str("answer"), 1, false) != 0);
}

/* Reserve buffer space, so that buffers do not grow. */
static void settle(void) {
  struct mg_connection *nc;
  pass(20);
  nc = mgos_get_mgr()->active_connections;
  CHECK(nc != NULL && mgos_mqtt_global_is_connected());
  mbuf_resize(&nc->send_mbuf, 512);
  mbuf_resize(&nc->recv_mbuf, 512);
}

/* The mean over some additions; `beyond` is the number of bytes of each that belong to the app. */
static void report(const char *what, struct state before, struct state after, unsigned rounds, size_t beyond) {
  size_t i = 0;
  char name[80];
  CHECK((after.bytes - before.bytes) % rounds == 0 && (after.blocks - before.blocks) % rounds == 0);
  for (; what[i] != '\0'; i++) name[i] = what[i];
  strcpy(name + i, ", bytes");
  figure(name, (after.bytes - before.bytes) / rounds - beyond);
  strcpy(name + i, ", blocks");
  figure(name, (after.blocks - before.blocks) / rounds);
}

static void measure_heap(void) {
  struct state before = heap(), after;
  struct mgos_mqtt_conn *c = mgos_mqtt_conn_create(1, mgos_sys_config_get_mqtt());
  unsigned i, requests;
  CHECK(c != NULL);
  report("connection object", before, heap(), 1, 0);
  mgos_mqtt_conn_free(c);

  before = heap();
  for (i = 0; i < ROUNDS; i++) mgos_mqtt_add_global_handler(on_event, NULL);
  report("global handler", before, heap(), ROUNDS, 0);

  before = heap();
  net_up();
  settle();
  report("while connected", before, heap(), 1, 0);

  before = heap();
  for (i = 0; i < ROUNDS; i++) {
    mgos_mqtt_sub(FILTER, on_message, NULL);
    settle();
  }
  after = heap();
  report("subscription beyond its topic", before, after, ROUNDS, strlen(FILTER) + 1);
  while (mgos_mqtt_unsub(FILTER)) settle();

  broker.deaf = true;
  before = heap();
  for (i = 0; i < ROUNDS; i++) {
    CHECK(mgos_mqtt_pub(TOPIC, "payload", 7, 1, false) != 0);
    settle();
  }
  report("queued message beyond topic and payload", before, heap(), ROUNDS, strlen(TOPIC) + 1 + 7);
  broker.deaf = false;
  broker_hang_up();
  pass(70000);
  settle();
  before = heap();

  requests = memory_requests();
  CHECK(mgos_mqtt_pub(TOPIC, "payload", 7, 0, false) != 0);
  figure("publish QoS 0, allocations", memory_requests() - requests);

  mgos_mqtt_sub(FILTER, on_message, NULL);
  settle();
  broker_publish(TOPIC, "payload", 0, 0);
  requests = memory_requests();
  s_messages = 0;
  pass(0);
  CHECK(s_messages == 1);
  figure("receive QoS 0, allocations", memory_requests() - requests);
}

/* Everything with deep calls, once. */
static void go_deep(bool answer) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  struct mgos_mqtt_conn *c = NULL;
  int qos;
  s_deepest = 0;
  CALL(c = mgos_mqtt_conn_create2(1, &cfg, &cfg));
  if (answer) s_answers = c;
  CALL(mgos_mqtt_conn_add_handler(c, on_event, NULL));
  CALL(mgos_mqtt_conn_connect(c));
  pass(100);
  CALL(mgos_mqtt_conn_sub(c, FILTER, 2, on_event, NULL));
  CALL(mgos_mqtt_sub("#", on_message, NULL));
  pass(20);
  for (qos = 0; qos < 3; qos++) {
    CALL(mgos_mqtt_pub(TOPIC, "payload", 7, qos, false));
    CALL(mgos_mqtt_conn_pub(c, TOPIC, mg_mk_str("payload"), qos, false));
    pass(20);
    broker_publish(TOPIC, "payload", (unsigned) qos, 5);
    pass(20);
  }
  CALL(mgos_mqtt_conn_unsub(c, FILTER));
  CALL(mgos_mqtt_unsub("#"));
  pass(20);
  broker_hang_up();
  CALL(mgos_mqtt_pub(TOPIC, "queued", 6, 2, false));
  pass(70000);
  pass(70000);
  CALL(mgos_mqtt_conn_set_config(c, &cfg));
  pass(1000);
  CALL(mgos_mqtt_conn_disconnect(c));
  pass(1000);
  s_answers = NULL;
  CALL(mgos_mqtt_conn_free(c));
  pass(1000);
  CHECK(mgos_mqtt_global_is_connected());
}

int main(void) {
  struct mgos_config_mqtt *cfg = (struct mgos_config_mqtt *) mgos_sys_config_get_mqtt();
  uint8_t *lowest;
  size_t size;
  cs_log_level = LL_INFO;
  mgos_config_mqtt_set_defaults(cfg);
  cfg->enable = true;
  cfg->server = "broker";
  cfg->client_id = "bench";
  cfg->max_queue_length = 100;
  CHECK(mgos_mqtt_init());
  measure_heap();
  machine_stack(&lowest, &size);
  if (size > 0) {
    go_deep(false);
    figure("deepest stack", s_deepest);
    s_messages = 0;
    go_deep(true);
    CHECK(s_messages == 3);
    figure("deepest stack, with a handler that publishes", s_deepest);
  }
  CHECK(memory_is_sound() && broker.num_bad == 0);
  machine_exit(s_faults == 0 ? 0 : 1);
  return 0;
}
