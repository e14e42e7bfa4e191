/*
 * The scenarios that the library runs on the chip: each starts and ends without a connection.
 */

#include <string.h>

#include "port.h"

#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

/* ---- The app ---- */

static struct mgos_config_mqtt s_cfg, s_cfg2;

static struct {
  unsigned messages, connacks, pubacks, pubcomps, subacks, closes;
  char topic[64], payload[64];
  unsigned qos;
} app;

static void note(struct mg_str s, char *to, size_t size) {
  size_t n = s.len < size - 1 ? s.len : size - 1;
  memcpy(to, s.p, n);
  to[n] = '\0';
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  (void) nc, (void) arg;
  if (ev == MG_EV_MQTT_SUBACK) app.subacks++;
  if (ev != MG_EV_MQTT_PUBLISH) return;
  app.messages++;
  app.qos = m->qos;
  note(m->topic, app.topic, sizeof(app.topic));
  note(m->payload, app.payload, sizeof(app.payload));
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  (void) nc, (void) ev_data, (void) arg;
  if (ev == MG_EV_MQTT_CONNACK) app.connacks++;
  if (ev == MG_EV_MQTT_PUBACK) app.pubacks++;
  if (ev == MG_EV_MQTT_PUBCOMP) app.pubcomps++;
  if (ev == MG_EV_CLOSE) app.closes++;
}

static void configure(void) {
  memset(&app, 0, sizeof(app));
  mgos_config_mqtt_set_defaults(&s_cfg);
  mgos_config_mqtt_set_defaults(&s_cfg2);
  s_cfg.enable = s_cfg2.enable = true;
  s_cfg.server = "first";
  s_cfg2.server = "second";
  s_cfg.client_id = s_cfg2.client_id = "chip";
}

static struct mgos_mqtt_conn *begin(bool backup) {
  struct mgos_mqtt_conn *c = mgos_mqtt_conn_create2(1, &s_cfg, backup ? &s_cfg2 : NULL);
  if (c != NULL) mgos_mqtt_conn_add_handler(c, on_event, NULL);
  return c;
}

static struct mgos_mqtt_conn *online_with_limit(int recv_mbuf_limit) {
  struct mgos_mqtt_conn *c;
  configure();
  if (recv_mbuf_limit > 0) s_cfg.recv_mbuf_limit = recv_mbuf_limit;
  c = begin(false);
  CHECK(mgos_mqtt_conn_connect(c));
  pass(100);
  CHECK(mgos_mqtt_conn_is_connected(c));
  return c;
}

static struct mgos_mqtt_conn *online(void) {
  return online_with_limit(0);
}

static void finish(struct mgos_mqtt_conn *c) {
  mgos_mqtt_conn_free(c);
  pass(10000);
  CHECK(broker.link == NULL);
}

static uint16_t publish(struct mgos_mqtt_conn *c, const char *payload, int qos) {
  return mgos_mqtt_conn_pub(c, "up", mg_mk_str(payload), qos, false);
}

static bool is(const char *a, const char *b) {
  return strcmp(a, b) == 0;
}

/* Whether this many errors were logged since errors_logged() was last called; in firmware without
 * a log, none are. */
static bool logged(unsigned n) {
  return errors_logged() == (CS_ENABLE_STDIO ? n : 0);
}

/* A message that is not in memory: its bytes by their place. */
#define LARGE 1000000

static uint8_t byte_at(size_t i) {
  return (uint8_t) (i * 2654435761u >> 13);
}

static struct {
  uint32_t sum;
  size_t len, pause_at;
  int result;
} large;

static int read_large(void *arg, size_t offset, void *buf, size_t size) {
  uint8_t *to = (uint8_t *) buf;
  size_t i;
  /* As a slow file does, so that the event loop comes to rest now and then. */
  if (offset >= large.pause_at) {
    large.pause_at = offset + 65536;
    return 0;
  }
  for (i = 0; i < size; i++) to[i] = byte_at(offset + i);
  (void) arg;
  return (int) size;
}

static void on_result(void *arg, uint16_t id, int result) {
  large.result = result;
  (void) arg, (void) id;
}

static bool on_piece(struct mgos_mqtt_conn *c, const struct mgos_mqtt_piece *piece, void *arg) {
  (void) c, (void) arg;
  if (piece->data == NULL) return false;
  large.sum = sum_up(large.sum, (const uint8_t *) piece->data, piece->len);
  large.len += piece->len;
  return true;
}

/* Whether a failure that has happened was reported, if it can be. */
static bool failure_logged(void) {
  return (errors_logged() > 0) == CS_ENABLE_STDIO;
}

/* ---- Scenarios ---- */

static void connects(void) {
  struct mgos_mqtt_conn *c = online();
  CHECK(broker.num_connect == 1);
  CHECK(app.connacks == 1);
  CHECK(logged(0));
  mgos_mqtt_conn_disconnect(c);
  pass(1000);
  CHECK(broker.num_disconnect == 1);
  CHECK(!mgos_mqtt_conn_is_connected(c));
  CHECK(app.closes == 1);
  finish(c);
}

static void publishes(void) {
  struct mgos_mqtt_conn *c = online();
  CHECK(publish(c, "zero", 0) != 0);
  pass(10);
  CHECK(broker.num_publish == 1 && is(broker.payload, "zero") && is(broker.topic, "up") && broker.qos == 0);
  CHECK(publish(c, "one", 1) != 0);
  pass(10);
  CHECK(broker.num_publish == 2 && is(broker.payload, "one") && broker.qos == 1 && app.pubacks == 1);
  CHECK(publish(c, "two", 2) != 0);
  pass(10);
  CHECK(broker.num_publish == 3 && is(broker.payload, "two") && broker.qos == 2);
  CHECK(broker.num_pubrel == 1 && app.pubcomps == 1);
  CHECK(mgos_mqtt_conn_pubf(c, "up", 0, false, "n is %d", 42) != 0);
  pass(10);
  CHECK(is(broker.payload, "n is 42"));
  finish(c);
}

static void receives(void) {
  struct mgos_mqtt_conn *c = online();
  mgos_mqtt_conn_sub(c, "down/+", 2, on_message, NULL);
  pass(10);
  CHECK(broker.num_subscribe == 1 && app.subacks == 1);
  broker_publish("down/a", "zero", 0, 0);
  pass(10);
  CHECK(app.messages == 1 && is(app.payload, "zero") && is(app.topic, "down/a") && app.qos == 0);
  broker_publish("down/b", "one", 1, 7);
  pass(10);
  CHECK(app.messages == 2 && is(app.payload, "one") && app.qos == 1 && broker.num_puback == 1);
  broker_publish("down/c", "two", 2, 8);
  broker_publish("down/c", "two", 2, 8); /* again, before PUBREL: the same message */
  pass(10);
  CHECK(app.messages == 3 && is(app.payload, "two") && app.qos == 2);
  CHECK(broker.num_pubrec >= 1 && broker.num_pubcomp >= 1);
  CHECK(mgos_mqtt_conn_unsub(c, "down/+"));
  pass(10);
  CHECK(broker.num_unsubscribe == 1);
  broker_publish("down/a", "late", 0, 0);
  pass(10);
  CHECK(app.messages == 3);
  finish(c);
}

static void comes_back(void) {
  struct mgos_mqtt_conn *c = online();
  mgos_mqtt_conn_sub(c, "down", 1, on_message, NULL);
  pass(10);
  broker.deaf = true;
  CHECK(publish(c, "kept", 1) != 0);
  pass(10);
  CHECK(app.pubacks == 0);
  broker_hang_up();
  broker.deaf = false;
  pass(20000);
  CHECK(mgos_mqtt_conn_is_connected(c));
  CHECK(broker.num_connect == 2 && broker.num_subscribe == 2);
  CHECK(app.closes == 1 && app.pubacks == 1 && is(broker.payload, "kept"));
  broker_publish("down", "again", 0, 0);
  pass(10);
  CHECK(app.messages == 1);
  /* The broker goes silent: the link is given up, and a new one opened. */
  broker.deaf = true;
  pass(200000);
  CHECK(broker.num_ping > 0 && app.closes >= 2);
  broker.deaf = false;
  pass(200000);
  CHECK(mgos_mqtt_conn_is_connected(c));
  finish(c);
}

static void goes_to_the_backup(void) {
  struct mgos_mqtt_conn *c;
  configure();
  broker.down = "first";
  c = begin(true);
  CHECK(mgos_mqtt_conn_connect(c));
  pass(10);
  CHECK(!mgos_mqtt_conn_is_connected(c));
  pass(600000);
  CHECK(mgos_mqtt_conn_is_connected(c));
  CHECK(publish(c, "by the backup", 1) != 0);
  pass(10);
  CHECK(app.pubacks == 1);
  broker.down = "second";
  broker_hang_up();
  pass(600000);
  CHECK(mgos_mqtt_conn_is_connected(c));
  finish(c);
}

static void is_refused(void) {
  struct mgos_mqtt_conn *c;
  configure();
  broker.connect_code = 5;
  c = begin(false);
  CHECK(mgos_mqtt_conn_connect(c));
  pass(100);
  CHECK(!mgos_mqtt_conn_is_connected(c) && app.connacks == 0 && failure_logged());
  broker.connect_code = 0;
  pass(60000);
  CHECK(mgos_mqtt_conn_is_connected(c));
  finish(c);
}

static void skips_the_oversized(void) {
  struct mgos_mqtt_conn *c;
  static uint8_t packet[4000];
  size_t len = sizeof(packet) - 3, i;
  c = online();
  mgos_mqtt_conn_sub(c, "#", 1, on_message, NULL);
  pass(10);
  packet[0] = 0x32;
  packet[1] = (uint8_t) (len & 127) | 128;
  packet[2] = (uint8_t) (len >> 7);
  memcpy(packet + 3, "\0\3big\0\11", 7);
  for (i = 10; i < sizeof(packet); i++) packet[i] = (uint8_t) i;
  broker_send(packet, sizeof(packet));
  broker_publish("small", "after it", 1, 10);
  pass(100);
  CHECK(mgos_mqtt_conn_is_connected(c) && app.closes == 0);
  CHECK(app.messages == 1 && is(app.payload, "after it"));
  CHECK(broker.num_puback == 2);
  CHECK(logged(1));
  finish(c);
}

static void closes_on_malformed_packets(void) {
  static const struct {
    uint8_t len, bytes[9];
  } bad[] = {
      {2, {0x00, 0x00}},                               /* type 0 */
      {2, {0xf0, 0x00}},                               /* type 15 */
      {5, {0xd0, 0xff, 0xff, 0xff, 0xff}},             /* length of five bytes */
      {6, {0x36, 0x04, 0x00, 0x00, 0x00, 0x01}},       /* QoS 3 */
      {5, {0x30, 0x03, 0x00, 0x09, 'a'}},              /* a topic longer than its packet */
      {7, {0x32, 0x05, 0x00, 0x01, 'a', 0x00, 0x00}},  /* packet ID 0 */
      {5, {0x30, 0x03, 0x00, 0x01, '#'}},              /* a wildcard in a topic name */
      {6, {0x30, 0x04, 0x00, 0x02, 0xc3, 0x28}},       /* not UTF-8 */
      {3, {0x40, 0x01, 0x00}},                         /* half a packet ID */
      {4, {0x41, 0x02, 0x00, 0x01}},                   /* reserved flags */
      {4, {0x20, 0x02, 0x00, 0x00}},                   /* a second CONNACK */
      {5, {0x90, 0x03, 0x00, 0x01, 0x03}},             /* an invalid SUBACK code */
  };
  size_t i;
  struct mgos_mqtt_conn *c = online();
  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    CHECK(mgos_mqtt_conn_is_connected(c));
    errors_logged();
    broker_send(bad[i].bytes, bad[i].len);
    pass(10);
    CHECK(!mgos_mqtt_conn_is_connected(c));
    CHECK(failure_logged());
    pass(120000);
  }
  CHECK(mgos_mqtt_conn_is_connected(c));
  finish(c);
}

static void moves_a_megabyte(void) {
  size_t before = memory_in_use(), i, n;
  static uint8_t part[500]; /* not on the stack, which is measured */
  uint8_t head[] = {0x32, 0, 0, 0, 0, 5, 'l', 'a', 'r', 'g', 'e', 0, 9};
  uint32_t sum = 0;
  unsigned ms;
  struct mgos_mqtt_conn *c;
  memset(&large, 0, sizeof(large));
  large.result = -1;
  for (i = 0; i < LARGE; i++) {
    uint8_t byte = byte_at(i);
    sum = sum_up(sum, &byte, 1);
  }
  c = online_with_limit(1024);
  CHECK(mgos_mqtt_conn_pub_stream(c, "up", LARGE, 1, false, read_large, on_result, NULL));
  for (ms = 0; ms < 60000 && large.result < 0; ms += 10) pass(10);
  CHECK(large.result == MGOS_MQTT_RESULT_ACKNOWLEDGED);
  CHECK(broker.large_len == LARGE && broker.large_sum == sum && is(broker.topic, "up"));

  mgos_mqtt_conn_sub_stream(c, "large", 1, on_piece, NULL);
  pass(100);
  for (i = 0, n = LARGE + 9; i < 3; i++, n >>= 7) head[1 + i] = (uint8_t) ((n & 0x7f) | (i < 2 ? 0x80 : 0));
  broker_send(head, 4);
  broker_send(head + 4, sizeof(head) - 4);
  for (i = 0; i < LARGE; i += sizeof(part)) {
    for (n = 0; n < sizeof(part); n++) part[n] = byte_at(i + n);
    broker_send(part, sizeof(part));
    pass(10);
  }
  CHECK(large.len == LARGE && large.sum == sum && broker.num_puback == 1);
  CHECK(memory_peak() - before < 8192);
  CHECK(logged(0));
  finish(c);
}

static void keeps_to_the_queue(void) {
  struct mgos_mqtt_conn *c;
  unsigned i;
  char payload[] = "message 0";
  configure();
  s_cfg.max_queue_length = 3;
  c = begin(false);
  for (i = 0; i < 6; i++) {
    payload[8] = (char) ('0' + i);
    CHECK(publish(c, payload, 1) != 0);
  }
  /* One line for the first, and one for all together. */
  CHECK(logged(1));
  pass(2000);
  CHECK(logged(1));
  CHECK(mgos_mqtt_conn_connect(c));
  pass(1000);
  CHECK(broker.num_publish == 3 && app.pubacks == 3 && is(broker.payload, "message 5"));
  finish(c);
}

/* ---- Memory ---- */

/* From here on all memory is available. */
static void must_work(struct mgos_mqtt_conn *c) {
  unsigned before;
  if (!mgos_mqtt_conn_is_connected(c)) mgos_mqtt_conn_connect(c);
  pass(300000);
  CHECK(mgos_mqtt_conn_is_connected(c));
  /* A subscription can report failure only in the log. */
  mgos_mqtt_conn_sub(c, "down", 2, on_message, NULL);
  pass(1000);
  before = app.messages;
  broker_publish("down", "back", 2, 99);
  pass(1000);
  CHECK(app.messages > before && is(app.payload, "back"));
  before = broker.num_pubrel;
  CHECK(publish(c, "works", 2) != 0);
  pass(1000);
  CHECK(broker.num_pubrel > before && is(broker.payload, "works"));
}

/* Whether an allocation of the last run did fail. */
static bool s_life_failed;

/* A whole run in which some allocations fail. What fails reports it, and nothing else is wrong. */
static void life(unsigned nth, unsigned count) {
  struct mgos_mqtt_conn *c;
  bool failed;
  uint16_t id;
  s_life_failed = false;
  broker_reset();
  configure();
  errors_logged();
  memory_fail(nth, count);
  c = begin(true);
  if (c == NULL) {
    CHECK(memory_has_failed());
    s_life_failed = true;
    memory_fail(0, 0);
    c = begin(true);
    CHECK(c != NULL);
    if (c == NULL) return;
  }
  /* These two can report failure only in the log: adding the handler, and subscribing. */
  CHECK(!memory_has_failed() || failure_logged());
  failed = memory_has_failed();
  mgos_mqtt_conn_sub(c, "down", 2, on_message, NULL);
  CHECK(memory_has_failed() == failed || failure_logged());
  id = publish(c, "early", 1);
  CHECK(id != 0 || (memory_has_failed() && failure_logged()));
  if (!mgos_mqtt_conn_connect(c)) CHECK(memory_has_failed());
  pass(3000);
  if (broker.link != NULL) broker_publish("down", "while it fails", 2, 5);
  pass(100);
  failed = memory_has_failed();
  id = publish(c, "then", 2);
  CHECK(id != 0 || memory_has_failed());
  /* Nothing failed, so it must have succeeded. */
  pass(100);
  if (!failed && !memory_has_failed()) CHECK(app.messages == 1 && app.pubacks == 1 && app.pubcomps == 1);
  broker_hang_up();
  pass(5000);
  mgos_mqtt_conn_set_config(c, &s_cfg2);
  mgos_mqtt_conn_disconnect(c);
  pass(100);
  s_life_failed |= memory_has_failed();
  memory_fail(0, 0);
  must_work(c);
  finish(c);
}

static void allocations_fail(unsigned count) {
  unsigned n = 0;
  do {
    size_t before = memory_in_use();
    n++;
    life(n, count);
    CHECK(memory_in_use() == before);
    CHECK(memory_is_sound());
    /* Until a run ends before the allocation that should fail. */
  } while (s_life_failed && n < 1000);
  CHECK(n > 20 && n < 1000);
}

static void one_allocation_fails(void) {
  allocations_fail(1);
}

static void ten_allocations_fail(void) {
  allocations_fail(10);
}

const struct scenario scenarios[] = {
    {"connects and disconnects", connects},
    {"publishes at each QoS", publishes},
    {"receives at each QoS", receives},
    {"comes back when the link drops or falls silent", comes_back},
    {"goes to the backup, and back", goes_to_the_backup},
    {"tries again when it is refused", is_refused},
    {"skips an oversized packet", skips_the_oversized},
    {"closes on malformed packets", closes_on_malformed_packets},
    {"publishes and receives a megabyte in pieces", moves_a_megabyte},
    {"keeps to the length of the queue", keeps_to_the_queue},
    {"one allocation fails, each in turn", one_allocation_fails},
    {"ten allocations in a row fail, from each on", ten_allocations_fail},
};
const size_t num_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);
