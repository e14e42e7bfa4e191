/*
 * What the original does not have: messages that are published in pieces, as the app reads them, and
 * are larger than its memory.
 */

#include <stdio.h>
#include <string.h>

#include "suite.h"

#define NO_SUCH "there is no such function"

#ifndef MQTT_UPSTREAM

#define LOST "cloud DISCONNECTED\ng CLOSE\n"

static const char *const results[] = {"acknowledged", "sent", "replaced", "expired", "given up", "lost", "freed"};

static uint8_t byte_at(size_t i) {
  return (uint8_t) (i * 2654435761u >> 13);
}

/* How far the app lets its message go. There it has nothing until the script lets it on; then it does
 * something, once, and returns this number. */
static size_t barrier;
static bool waits;
static void (*at_barrier)(void);
static int then_returns;
static size_t most;

static int read_bytes(void *arg, size_t offset, void *buf, size_t size) {
  uint8_t *to = (uint8_t *) buf;
  size_t i, n = size < most ? size : most;
  if (offset >= barrier) {
    void (*act)(void) = at_barrier;
    if (waits) return 0;
    at_barrier = NULL;
    if (act != NULL) act();
    return then_returns;
  }
  if (n > barrier - offset) n = barrier - offset;
  for (i = 0; i < n; i++) to[i] = byte_at(offset + i);
  (void) arg;
  return (int) n;
}

static void outcome(void *arg, uint16_t id, int result) {
  record("%s %u %s", (const char *) arg, id, results[result]);
}

struct message {
  const char *topic;
  size_t len;
  int qos;
  bool accepted;
};

static void pub_stream(void *arg) {
  struct message *m = (struct message *) arg;
  m->accepted = mgos_mqtt_conn_pub_stream(connection(), m->topic, m->len, m->qos, m->qos == 2, read_bytes, outcome, (void *) m->topic);
}

static void let_on_now(void *arg) {
  waits = false;
  (void) arg;
}

static void let_on(void) {
  in_app(let_on_now, NULL);
}

static bool publish(const char *topic, size_t len, int qos) {
  static struct message m;
  m.topic = topic;
  m.len = len;
  m.qos = qos;
  waits = true;
  in_app(pub_stream, &m);
  return m.accepted;
}

static void begin(void) {
  barrier = most = SIZE_MAX;
  at_barrier = NULL;
  then_returns = 0;
  create();
  connect_up();
}

/* The next bytes are those of the payload from `at` to `end`. */
static void expect_payload(size_t at, size_t end) {
  static uint8_t bytes[1 << 16];
  while (at < end) {
    size_t i, part = end - at < sizeof(bytes) ? end - at : sizeof(bytes);
    receive_bytes(bytes, part);
    for (i = 0; i < part; i++) {
      if (bytes[i] != byte_at(at + i)) fail("byte %lu of the payload is wrong", (unsigned long) (at + i));
    }
    at += part;
  }
}

/* The next bytes are a PUBLISH with this first byte, topic "f" and packet ID (0: none), up to `len` bytes
 * of its payload, which has `total`. */
static void expect_start(uint8_t first, uint16_t id, size_t total, size_t len) {
  size_t remaining = total + 3 + (id != 0 ? 2 : 0), n = 0;
  uint8_t head[16], bytes[16];
  head[n++] = first;
  do {
    head[n++] = (uint8_t) ((remaining & 0x7f) | (remaining > 0x7f ? 0x80 : 0));
    remaining >>= 7;
  } while (remaining > 0);
  memcpy(head + n, "\0\001f", 3);
  n += 3;
  if (id != 0) {
    head[n++] = (uint8_t) (id >> 8);
    head[n++] = (uint8_t) id;
  }
  receive_bytes(bytes, n);
  if (memcmp(bytes, head, n) != 0) fail("expected another PUBLISH, got %s", show_packet(bytes, n));
  expect_payload(0, len);
}

static void whole(void) {
  begin();
  expect_that(publish("f", 300000, 1));
  expect_start(0x32, 1, 300000, 300000);
  expect_events("");
  play("40 02 0001");
  expect_events("g PUBACK 1\nf 1 acknowledged\n");
  check("300,000 bytes are published in pieces at QoS 1, and the acknowledgement is told");
  expect_that(publish("f", 5, 0));
  expect_start(0x30, 0, 5, 5);
  expect_events("f 2 sent\n");
  expect_that(publish("f", 0, 0));
  expect_start(0x30, 0, 0, 0);
  expect_events("f 3 sent\n");
  check("at QoS 0 it is told that the link has taken the last byte, also of a message of no bytes");
  most = 1;
  expect_that(publish("f", 1000, 2));
  expect_start(0x35, 4, 1000, 1000);
  play("50 02 0004");
  expect("62 02 0004");
  play("70 02 0004");
  expect_events("g PUBREC 4\ng PUBCOMP 4\nf 4 acknowledged\n");
  expect_silence();
  check("at QoS 2 and retained, read byte by byte");
}

static void publish_others(void) {
  struct mg_connection *nc = app_nc();
  barrier = 7000;
  record("pub at QoS 0 %u", app_pub("x", "0", 0, false));
  record("pub at QoS 1 %u", app_pub("x", "1", 1, false));
  mg_mqtt_ping(nc);
  mg_mqtt_publish(nc, "own", 77, MG_MQTT_QOS(0), "hi", 2);
  app_sub("s", 0, "s");
  record("busy %d", mgos_mqtt_conn_pub_stream(connection(), "f", 1, 0, false, read_bytes, outcome, (void *) "f"));
}


static void let_all(void *arg) {
  barrier = SIZE_MAX;
  (void) arg;
}

static void others(void) {
  begin();
  app_sub("in", 2, "in");
  expect("82 *");
  play("90 03 0001 02");
  expect_events("in SUBACK 1\n");
  barrier = 5000;
  at_barrier = publish_others;
  expect_that(publish("f", 10000, 1));
  expect_start(0x32, 2, 10000, 5000);
  let_on();
  expect_events("pub at QoS 0 0\npub at QoS 1 4\nbusy 0\n");
  play("32 07 0002 'in' 0009 'a'");
  play("34 07 0002 'in' 0008 'b'");
  expect_events("in PUBLISH in=a qos1 id9\nin PUBLISH in=b qos2 id8\n");
  check("messages come in while one goes out in pieces, and nothing is written inside it");
  in_app(let_all, NULL);
  expect_payload(5000, 10000);
  expect("c0 00");
  expect("30 07 0003 'own' 'hi'");
  expect("40 02 0009");
  expect("50 02 0008");
  expect("82 *");
  expect("32 06 0001 'x' 0004 '1'");
  play("40 02 0002 d0 00");
  expect_events("g PUBACK 2\nf 2 acknowledged\n");
  check("what was written meanwhile follows its last byte, in order; then what was queued");
}

static void cut_off(void) {
  int i;
  begin();
  barrier = 3000;
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 0;
  expect_that(publish("f", 10000, 1));
  for (i = 0; i < 3; i++) {
    if (i > 0) {
      expect_connection();
      expect("10 *");
      play("20 02 00 00");
      expect_events(LOST "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
    }
    expect_start(0x32, (uint16_t) (i + 1), 10000, 3000);
    drop();
  }
  expect_connection();
  expect_events(LOST "f 3 given up\ncloud CONNECTING\n");
  expect("10 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTED\ng CONNACK\n");
  expect_number(logged("disconnected after 3000 bytes of a message: f"), 3);
  expect_silence();
  check("cut off, it begins anew on the next connection; after three it is given up");
  then_returns = 0;
  barrier = SIZE_MAX;
  expect_that(publish("f", 100, 1));
  expect_start(0x32, 4, 100, 100);
  drop();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_events(LOST "f 4 given up\ncloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  expect_silence();
  check("unacknowledged when the connection ends, it is given up at once");
}

static void given_up(void) {
  begin();
  barrier = 1000;
  then_returns = -1;
  expect_that(publish("f", 10000, 0));
  expect_start(0x30, 0, 10000, 1000);
  let_on();
  expect_close();
  expect_events(LOST "f 1 given up\ncloud CONNECTING\n");
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTED\ng CONNACK\n");
  expect_silence();
  check("given up by the app inside, it ends the connection and is not begun again");
  barrier = 0;
  then_returns = 257;
  expect_that(publish("f", 10000, 0));
  expect_start(0x30, 0, 10000, 0);
  let_on();
  expect_close();
  expect_events(LOST "f 2 given up\ncloud CONNECTING\n");
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTED\ng CONNACK\n");
  check("and so does an app that says it has written more than it was asked for");
}

static void disconnect_inside(void) {
  app_disconnect();
}

static void disconnected(void) {
  begin();
  barrier = 1000;
  at_barrier = disconnect_inside;
  expect_that(publish("f", 10000, 1));
  expect_start(0x32, 1, 10000, 1000);
  let_on();
  expect_close();
  expect_events(LOST);
  check("disconnect() inside it closes the connection without DISCONNECT, which would be taken for payload");
  barrier = SIZE_MAX;
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  expect_start(0x32, 2, 10000, 10000);
  play("40 02 0002");
  expect_events("g PUBACK 2\nf 2 acknowledged\n");
  check("and it begins anew with the next");
}

static struct mgos_mqtt_conn *own;

static void free_own(void) {
  mgos_mqtt_conn_free(own);
}

static void use_own(void *arg) {
  waits = true;
  own = mgos_mqtt_conn_create(99, &cfg);
  mgos_mqtt_conn_pub_stream(own, "f", 10000, *(int *) arg, false, read_bytes, outcome, (void *) "own");
  mgos_mqtt_conn_connect(own);
}

static void free_now(void *arg) {
  free_own();
  (void) arg;
}

static void use_and_free(void *arg) {
  use_own(arg);
  free_own();
}

static void freed(void) {
  int qos;
  for (qos = 0; qos <= 1; qos++) {
    barrier = 1000;
    most = SIZE_MAX;
    then_returns = 0;
    at_barrier = free_own;
    in_app(use_own, &qos);
    expect_connect();
    play("20 02 00 00");
    expect_start(qos == 0 ? 0x30 : 0x32, qos == 0 ? 0 : 1, 10000, 1000);
    let_on();
    expect_close();
    expect_events("cloud CONNECTING\ncloud CONNECTED\nown 1 freed\n");
  }
  check("a connection that is freed while its message is read");
  barrier = 1000;
  in_app(use_own, &qos);
  expect_connect();
  play("20 02 00 00");
  expect_start(0x34, 1, 10000, 1000);
  in_app(free_now, NULL);
  expect_close();
  expect_events("cloud CONNECTING\ncloud CONNECTED\nown 1 freed\n");
  check("inside its message");
  in_app(use_and_free, &qos);
  expect_events("cloud CONNECTING\nown 0 freed\n");
  check("and before it has begun");
}

static void finished(void *arg, int left) {
  record("%s: %d left", (const char *) arg, left);
}

static void finish(void *arg) {
  mgos_mqtt_conn_finish(connection(), *(uint32_t *) arg, finished, (void *) "finished");
  record("then %d", mgos_mqtt_conn_pub_stream(connection(), "f", 1, 0, false, read_bytes, outcome, NULL));
}

static void finishes(void) {
  uint32_t ms = 60000;
  begin();
  expect_that(publish("f", 50000, 1));
  in_app(finish, &ms);
  expect_start(0x32, 1, 50000, 50000);
  play("40 02 0001");
  expect("e0 00");
  expect_close();
  expect_events("then 0\ng PUBACK 1\nf 1 acknowledged\n" LOST "finished: 0 left\n");
  check("finish() waits for it");
  barrier = 1000;
  ms = 200;
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  expect_that(publish("f", 50000, 0));
  expect_start(0x30, 0, 50000, 1000);
  in_app(finish, &ms);
  expect_close();
  expect_events("then 0\n" LOST "finished: 1 left\n");
  check("up to the app's limit; then it is left");
}

static void refused(void) {
  begin();
  expect_that(!publish("", 1, 0) && !publish("a/#", 1, 0) && !publish(NULL, 1, 0));
  expect_that(!publish("f", 268435451, 1) && !publish("f", SIZE_MAX, 0));
  expect_that(!mgos_mqtt_conn_pub_stream(NULL, "f", 1, 0, false, read_bytes, outcome, NULL));
  expect_that(!mgos_mqtt_conn_pub_stream(connection(), "f", 1, 0, false, NULL, outcome, NULL));
  expect_number(logged("invalid topic"), 3);
  expect_number(logged("larger than MQTT allows"), 2);
  expect_silence();
  check("a bad topic, a message too large for MQTT, and NULL are refused");
  expect_that(mgos_mqtt_conn_pub_stream(connection(), "f", 3, 0, false, read_bytes, NULL, NULL));
  expect_start(0x30, 0, 3, 3);
  expect_silence();
  check("nobody need be told");
}

#endif

static const struct script scripts[] = {
    HERE_ONLY("whole", whole, NO_SUCH),
    HERE_ONLY("others meanwhile", others, NO_SUCH),
    HERE_ONLY("cut off", cut_off, NO_SUCH),
    HERE_ONLY("given up", given_up, NO_SUCH),
    HERE_ONLY("disconnected", disconnected, NO_SUCH),
    HERE_ONLY("freed", freed, NO_SUCH),
    HERE_ONLY("finish", finishes, NO_SUCH),
    HERE_ONLY("refused", refused, NO_SUCH),
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
