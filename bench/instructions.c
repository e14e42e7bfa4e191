/*
 * Whole operations through the C API; instructions are counted only while the library runs, by
 * callgrind.c on this machine or by chip.c. Runs on the Mongoose OS of qemu/port.c. Evaluated by
 * xtask/src/bench.rs.
 */

#include "instructions.h"

#include <string.h>

#include "port.h"

#include "mgos.h"
#include "mgos_mqtt.h"

/* Rounds per operation: one to warm up, then this many. */
#define ROUNDS 100
/* Initial size of the send buffer, so that its growth is not counted. */
#ifdef __linux__
#define BUFFER 65536
#else
#define BUFFER 1024
#endif
#define TOPIC "home/kitchen/temperature"
#define MOST 1000

/* Called by the platform; in no header. */
bool mgos_mqtt_init(void);

static unsigned s_pairs;
static bool s_measuring;
static unsigned s_messages;

void library_begins(void) {
  if (!s_measuring) return;
  s_pairs++;
  count_on();
}

void library_ends(void) {
  if (s_measuring) count_off();
}

void check_that(bool ok, const char *what, int line) {
  if (ok) return;
  machine_print("line ");
  print_number((unsigned long) line);
  machine_print(": not so: ");
  machine_print(what);
  machine_print("\n");
  machine_exit(1);
}

static struct mg_connection *nc(void) {
  struct mg_connection *nc = mgos_get_mgr()->active_connections;
  CHECK(nc != NULL);
  return nc;
}

/* ---- Measuring ---- */

/* Writes a number with at least `least` digits, and NUL. */
static void write_number(char *to, unsigned n, size_t least) {
  size_t digits = 1;
  unsigned rest;
  for (rest = n; rest > 9; rest /= 10) digits++;
  if (digits < least) digits = least;
  to[digits] = '\0';
  for (; digits > 0; n /= 10) to[--digits] = (char) ('0' + n % 10);
}

/* Runs an operation `rounds` times under a name, followed by a number if that is not negative. */
static void measure(const char *name, int number, unsigned rounds, void (*operation)(void)) {
  char line[96];
  size_t len = strlen(name);
  unsigned i;
  operation();
  count_forget();
  s_pairs = 0;
  s_measuring = true;
  for (i = 0; i < rounds; i++) operation();
  s_measuring = false;
  memcpy(line, name, len + 1);
  if (number >= 0) {
    memcpy(line + len, ", ", 2);
    write_number(line + len + 2, (unsigned) number, 1);
  }
  machine_print(line);
  machine_print("\t");
  print_number(rounds);
  machine_print("\t");
  print_number(s_pairs);
  count_report(line);
  machine_print("\n");
}

static void feed(const void *bytes, size_t len) {
  struct mbuf *m = &nc()->recv_mbuf;
  int num = (int) len;
  CHECK(m->len == 0 && m->size >= len);
  memcpy(m->buf, bytes, len);
  m->len = len;
  raise_event(nc(), MG_EV_RECV, &num);
  CHECK(m->len == 0);
}

static void feed_ack(unsigned first, unsigned id) {
  const unsigned char packet[4] = {(unsigned char) first, 2, (unsigned char) (id >> 8), (unsigned char) id};
  feed(packet, sizeof(packet));
}

static void feed_publish(const char *topic, int qos, unsigned id) {
  unsigned char packet[160];
  size_t topic_len = strlen(topic), at = 4 + topic_len;
  memset(packet, 'x', sizeof(packet));
  packet[0] = (unsigned char) (0x30 | qos << 1);
  packet[2] = 0;
  packet[3] = (unsigned char) topic_len;
  memcpy(packet + 4, topic, topic_len);
  if (qos > 0) {
    packet[at++] = (unsigned char) (id >> 8);
    packet[at++] = (unsigned char) id;
  }
  at += 64;
  CHECK(at <= 129);
  packet[1] = (unsigned char) (at - 2);
  feed(packet, at);
}

/* Checks the bytes that the library has sent since the last call: number, and first byte. */
static void expect_sent(size_t len, unsigned first) {
  struct mbuf *m = &nc()->send_mbuf;
  CHECK(m->len == len);
  CHECK(len == 0 || (unsigned char) m->buf[0] == first);
  m->len = 0;
}

/* ---- Operations ---- */

static const char *s_topic;
static char s_payload[64];

static uint16_t publish(int qos) {
  uint16_t id;
  library_begins();
  id = mgos_mqtt_pub(TOPIC, s_payload, sizeof(s_payload), qos, false);
  library_ends();
  CHECK(id != 0);
  return id;
}

static const size_t s_sent = 4 + sizeof(TOPIC) - 1 + sizeof(s_payload);

static void nothing(void) {
  library_begins();
  library_ends();
}

static void publish_qos0(void) {
  publish(0);
  expect_sent(s_sent, 0x30);
}

static void publish_qos1(void) {
  uint16_t id = publish(1);
  expect_sent(s_sent + 2, 0x32);
  feed_ack(0x40, id);
  expect_sent(0, 0);
}

static void publish_qos2(void) {
  uint16_t id = publish(2);
  expect_sent(s_sent + 2, 0x34);
  feed_ack(0x50, id);
  expect_sent(4, 0x62);
  feed_ack(0x70, id);
  expect_sent(0, 0);
}

static void poll(void) {
  raise_event(nc(), MG_EV_POLL, NULL);
  expect_sent(0, 0);
}

static void receive_qos0(void) {
  unsigned before = s_messages;
  feed_publish(s_topic, 0, 0);
  expect_sent(0, 0);
  CHECK(s_messages == before + 1);
}

static void receive_qos1(void) {
  unsigned before = s_messages;
  feed_publish(s_topic, 1, 7);
  expect_sent(4, 0x40);
  CHECK(s_messages == before + 1);
}

static void on_message(struct mg_connection *c, const char *topic, int topic_len, const char *msg, int msg_len, void *arg) {
  (void) c, (void) topic, (void) topic_len, (void) msg, (void) msg_len, (void) arg;
  s_messages++;
}

static void on_event(struct mg_connection *c, int ev, void *ev_data, void *arg) {
  (void) c, (void) ev, (void) ev_data, (void) arg;
}

/* ---- Subscriptions ---- */

static char s_filters[MOST][32];
static int s_num_filters;

/* Passes sent data to the broker and its responses back; afterwards buffers are empty. */
static void settle(void) {
  pass(20);
  mbuf_resize(&nc()->send_mbuf, BUFFER);
  mbuf_resize(&nc()->recv_mbuf, 1024);
}

/* Writes a filter: `format` with `n` in the place of its %03d. */
static void write_filter(char *to, const char *format, unsigned n) {
  size_t before = 0;
  while (format[before] != '%') before++;
  memcpy(to, format, before);
  write_number(to + before, n, 3);
  format += before + 4;
  memcpy(to + before + 3, format, strlen(format) + 1);
}

static void subscribe(const char *format, int upto) {
  for (; s_num_filters < upto; s_num_filters++) {
    write_filter(s_filters[s_num_filters], format, (unsigned) s_num_filters);
    mgos_mqtt_sub(s_filters[s_num_filters], on_message, NULL);
    if (s_num_filters % 32 == 31) pass(20);
  }
  settle();
}

static void unsubscribe(void) {
  while (s_num_filters > 0) {
    CHECK(mgos_mqtt_unsub(s_filters[--s_num_filters]));
    if (s_num_filters % 32 == 31) pass(20);
  }
  settle();
}

static void receive_all(const char *format, const char *topic, const char *name0, const char *name1, int most) {
  int n;
  s_topic = topic;
  for (n = 1; n <= most; n *= 10) {
    subscribe(format, n);
    measure(name0, n, ROUNDS, receive_qos0);
    if (name1 != NULL) measure(name1, n, ROUNDS, receive_qos1);
  }
}

/* Of each kind in turn: 30 that end alike, 30 that end differently and 40 with wildcards. The message is for the oldest. */
static void receive_mixed(void) {
  static const char *const formats[10] = {
      "home/dev%03d/set",
      "devices/set%03d",
      "home/+/set%03d",
      "home/dev%03d/set",
      "devices/set%03d",
      "home/dev%03d/+",
      "home/dev%03d/set",
      "devices/set%03d",
      "home/+/set%03d",
      "home/dev%03d/+",
  };
  unsigned n;
  for (n = 0; n < 100; n++) subscribe(formats[n % 10], (int) n + 1);
  s_topic = "home/dev000/set";
  measure("receive QoS 0, filters of all these kinds", 100, ROUNDS, receive_qos0);
}

/* ---- Scaling ---- */

static uint16_t s_ids[MOST + ROUNDS + 16];
static size_t s_oldest, s_newest;

/* Publishes a message and acknowledges the oldest. */
static void publish_and_acknowledge_oldest(void) {
  s_ids[s_newest++] = publish(1);
  feed_ack(0x40, s_ids[s_oldest++]);
  nc()->send_mbuf.len = 0;
}

static void grow_queue(void) {
  int n;
  for (n = 1; n <= MOST; n *= 10) {
    s_oldest = s_newest = 0;
    while (s_newest < (size_t) n - 1) {
      s_ids[s_newest++] = publish(1);
      nc()->send_mbuf.len = 0;
    }
    measure("publish QoS 1 and acknowledge the oldest, queue", n, ROUNDS, publish_and_acknowledge_oldest);
    while (s_oldest < s_newest) feed_ack(0x40, s_ids[s_oldest++]);
    nc()->send_mbuf.len = 0;
  }
}

static void reconnect(void) {
  unsigned subscribed = broker.num_subscribe;
  broker_hang_up();
  pass(70000);
  CHECK(mgos_mqtt_global_is_connected());
  CHECK(broker.num_subscribe == subscribed + (unsigned) s_num_filters);
}

static void grow_reconnect(void) {
  int n;
  for (n = 1; n <= MOST; n *= 10) {
    subscribe("devices/set%03d", n);
    measure("reconnect, subscriptions", n, 1, reconnect);
    settle();
  }
}

static void begin(void) {
  cs_log_level = LL_WARN;
  mgos_config_mqtt_set_defaults((struct mgos_config_mqtt *) mgos_sys_config_get_mqtt());
  mgos_sys_config_set_mqtt_enable(true);
  mgos_sys_config_set_mqtt_server("broker");
  mgos_sys_config_set_mqtt_client_id("bench");
  mgos_sys_config_set_mqtt_max_queue_length(2 * MOST);
  CHECK(mgos_mqtt_init());
  mgos_mqtt_add_global_handler(on_event, NULL);
  net_up();
  pass(100);
  CHECK(mgos_mqtt_global_is_connected());
  settle();
  measure("nothing", -1, ROUNDS, nothing);
}

void measure_operations(void) {
  begin();
  measure("publish QoS 0, 64 B", -1, ROUNDS, publish_qos0);
  measure("publish QoS 1, 64 B, and its PUBACK", -1, ROUNDS, publish_qos1);
  measure("publish QoS 2, 64 B, whole exchange", -1, ROUNDS, publish_qos2);
  measure("idle poll", -1, ROUNDS, poll);
  receive_all("devices/set%03d", "devices/set000", "receive QoS 0, subscriptions", "receive QoS 1 with PUBACK, subscriptions", 100);
  unsubscribe();
  receive_all("home/+/set%03d", "home/kitchen/set000", "receive QoS 0, filters home/+/setNNN", NULL, 100);
  unsubscribe();
  receive_all("home/dev%03d/set", "home/dev000/set", "receive QoS 0, filters home/devNNN/set", NULL, 100);
  unsubscribe();
  receive_all("home/dev%03d/+", "home/dev000/set", "receive QoS 0, filters home/devNNN/+", NULL, 100);
  unsubscribe();
  receive_mixed();
}

void measure_growth(void) {
  begin();
  receive_all("devices/set%03d", "devices/set000", "receive QoS 0, subscriptions", NULL, MOST);
  unsubscribe();
  receive_all("home/+/set%03d", "home/kitchen/set000", "receive QoS 0, filters home/+/setNNN", NULL, MOST);
  unsubscribe();
  receive_all("home/dev%03d/set", "home/dev000/set", "receive QoS 0, filters home/devNNN/set", NULL, MOST);
  unsubscribe();
  grow_queue();
  grow_reconnect();
}
