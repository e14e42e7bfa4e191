/*
 * recv_mbuf_limit: what fits, and what happens to larger packets. Packets that are invalid whatever
 * their size: malformed.c.
 */

#include <stdlib.h>
#include <string.h>

#include "suite.h"

/* Plays a PUBLISH of exactly `total` bytes, with `topic_len` bytes of topic, a packet ID at QoS 1
 * and 2, the rest payload. */
static void play_message(size_t total, size_t topic_len, int qos, int id) {
  uint8_t *packet = (uint8_t *) malloc(total), *p = packet;
  size_t len = total - 2;
  if (len > 127) len--;
  if (len > 16383) len--;
  *p++ = (uint8_t) (0x30 | qos << 1);
  for (size_t rest = len; p == packet + 1 || rest > 0; rest >>= 7) *p++ = (uint8_t) ((rest & 0x7f) | (rest > 127 ? 0x80 : 0));
  *p++ = (uint8_t) (topic_len >> 8);
  *p++ = (uint8_t) topic_len;
  memset(p, 't', topic_len);
  p += topic_len;
  if (qos > 0) {
    *p++ = (uint8_t) (id >> 8);
    *p++ = (uint8_t) id;
  }
  memset(p, 'x', (size_t) (packet + total - p));
  play_bytes(packet, total);
  free(packet);
}

static void largest(void) {
  create_global();
  app_sub("#", 1, "s");
  connect_up();
  expect("82 *");
  play_message(3072, 1, 1, 5);
  expect("40 02 0005");
  expect_events("s PUBLISH t=3064 bytes qos1 id5\n");
  check("a packet of exactly recv_mbuf_limit bytes is delivered");
}

static void too_large(void) {
  create();
  app_sub("#", 1, "s");
  connect_up();
  expect("82 *");
  play_message(3073, 1, 1, 5);
#ifdef MQTT_UPSTREAM
  expect_close();
  expect_events("cloud DISCONNECTED\ng CLOSE\n");
  check("one byte more: the connection is closed, without PUBACK");
  come_back();
#else
  expect("40 02 0005");
  expect_logged("packet of 3073 bytes exceeds mqtt.recv_mbuf_limit");
  check("one byte more: it is acknowledged, in the log, and not delivered");
  play_message(3073, 1, 2, 6);
  expect("50 02 0006");
  play("62 02 0006");
  expect("70 02 0006");
  expect_events("g PUBREL 6\n");
  check("at QoS 2 as well");
  play_message(500000, 1, 0, 0);
  play_message(20000, 9000, 1, 7);
  expect("40 02 0007");
  play("30 04 0001 't' 'm'");
  expect_events("s PUBLISH t=m\n");
  check("whatever its size and its topic's, and what follows is delivered");
#endif
}

static void burst(void) {
  int i;
  create();
  app_sub("#", 1, "s");
  connect_up();
  expect("82 *");
  uint8_t bytes[970 * 10];
  for (i = 0; i < 970; i++) memcpy(bytes + 10 * i, "\x30\x08\x00\x01t12345", 10);
  play_bytes(bytes, sizeof(bytes));
  play("32 05 0001 'u' 0001");
  expect("40 02 0001");
  check("many small packets in one segment may exceed the limit");
  forget_events();
}

static void other_limit(void) {
  cfg.recv_mbuf_limit = 200000;
  create();
  app_sub("#", 1, "s");
  connect_up();
  expect("82 *");
  play_message(125007, 60000, 1, 9);
  expect("40 02 0009");
  expect_events("s PUBLISH 60000 bytes=64999 bytes qos1 id9\n");
  check("with a higher limit, topics and messages may be larger");
}

static void no_limit(void) {
  cfg.recv_mbuf_limit = 0;
  create();
  app_connect();
  expect_connect();
  play("20 02 00 00");
#ifdef MQTT_UPSTREAM
  expect_silence();
  expect_silence();
  expect_that(!app_is_connected());
  expect_events("cloud CONNECTING\n");
  check("limit 0: nothing is read at all");
#else
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  check("limit 0: small packets are read");
#endif
}

static void negative(void) {
  uint8_t packet[6 + 5000];
  cfg.recv_mbuf_limit = -1;
  connect_up();
  memcpy(packet, "\x30\x8b\x27\0\1t", 6);
  memset(packet + 6, 'x', sizeof(packet) - 6);
  play_bytes(packet, sizeof(packet));
  expect_events("g PUBLISH t=5000 bytes\n");
  check("limit -1: none");
}

static const struct script scripts[] = {
    {"largest packet", largest},
    {"larger packet", too_large},
    {"burst", burst},
    {"other limit", other_limit},
    {"limit 0", no_limit},
    {"limit -1", negative},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
