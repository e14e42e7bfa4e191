/*
 * PUBLISH on an established connection: bytes, packet IDs, return values. Queued messages: queue.c.
 */

#include <stdarg.h>
#include <string.h>

#include "suite.h"

static void bytes(void) {
  create_global();
  connect_up();
  expect_number(app_pub("t/0", "zero", 0, false), 1);
  expect("30 09 0003 't/0' 'zero'");
  check("QoS 0 has no packet ID on the wire, but uses one");
  expect_number(app_pub("t/0", "zero", 0, true), 2);
  expect("31 09 0003 't/0' 'zero'");
  expect_number(app_pub("t/1", "one", 1, false), 3);
  expect("32 0a 0003 't/1' 0003 'one'");
  expect_number(app_pub("t/1", "one", 1, true), 4);
  expect("33 0a 0003 't/1' 0004 'one'");
  expect_number(app_pub("t/2", "two", 2, false), 5);
  expect("34 0a 0003 't/2' 0005 'two'");
  check("QoS 0, 1 and 2, retained and not; the packet ID is returned");
  expect_number(app_pub("t/3", "iii", 3, false), 6);
  expect("34 0a 0003 't/3' 0006 'iii'");
  check("QoS 3 is sent as QoS 2");
  expect_number(app_pub("t/e", "", 0, false), 7);
  expect("30 05 0003 't/e'");
  expect_number(app_pub("t/e", "", 1, false), 8);
  expect("32 07 0003 't/e' 0008");
  check("messages may be empty");
  expect_number(app_get_packet_id(), 9);
  expect_number(app_pub("t/1", "one", 1, false), 10);
  expect("32 0a 0003 't/1' 000a 'one'");
  check("mgos_mqtt_get_packet_id() uses a packet ID");
  play("40 02 0003");
  expect_events("g PUBACK 3\n");
  play("40 02 0042");
  expect_events("g PUBACK 66\n");
  check("PUBACK reaches the handlers, also one that answers nothing");
}

static void burst_in_app(void *arg) {
  static const char *const topics[] = {"m/0", "m/1", "m/2", "m/3", "m/4", "m/5", "m/6"};
  size_t i;
  for (i = 0; i < COUNT(topics); i++) app_pub(topics[i], "x", 1, false);
  (void) arg;
}

static void burst(void) {
  int i;
  connect_up();
  in_app(burst_in_app, NULL);
  for (i = 0; i < 7; i++) expect(text("32 08 0003 'm/%d' 00%02x 'x'", i, i + 1));
  expect_silence();
  check("seven in a burst are sent immediately, in order, whatever max_queue_length is");
  play("40 02 0001");
  expect_events("g PUBACK 1\n");
  check("the PUBACK of one that was dropped from the queue reaches the handlers");
  play("40 02 0007 40 02 0005 40 02 0006 40 02 0003 40 02 0004");
  expect_events("g PUBACK 7\ng PUBACK 5\ng PUBACK 6\ng PUBACK 3\ng PUBACK 4\n");
  expect_number(app_num_unsent_bytes(), 0);
  check("acknowledgements may come in any order");
}

static void exactly_once(void) {
  connect_up();
  expect_number(app_pub("t", "m", 2, false), 1);
  expect("34 06 0001 't' 0001 'm'");
  play("50 02 0001");
  expect("62 02 0001");
  expect_events("g PUBREC 1\n");
  play("50 02 0001");
  expect("62 02 0001");
  expect_events(EITHER("", "g PUBREC 1\n"));
  play("50 02 0033");
  expect("62 02 0033");
  expect_events("g PUBREC 51\n");
  check(EITHER("each PUBREC, repeated or unknown too, is answered with PUBREL and reaches the handlers, a repeated one once",
               "each PUBREC, repeated or unknown too, is answered with PUBREL and reaches the handlers"));
  expect_number(app_num_unsent_bytes(), EITHER(1, 0));
  play("70 02 0001");
  expect_events("g PUBCOMP 1\n");
  expect_silence();
  expect_number(app_num_unsent_bytes(), 0);
  check(EITHER("until PUBCOMP, which reaches the handlers, the message is kept", "PUBCOMP reaches the handlers"));
}

static uint16_t pubf(const char *fmt, ...) {
  uint16_t id;
  va_list ap;
  va_start(ap, fmt);
  id = mgos_mqtt_conn_pubv(connection(), "j", 1, true, fmt, ap);
  va_end(ap);
  return id;
}

static void formatted_in_app(void *arg) {
  record("id %d", mgos_mqtt_conn_pubf(connection(), "j", 0, false, "{a: %d, b: %Q}", 7, "x\"y"));
  record("id %d", pubf("[%B]", true));
  (void) arg;
}

static void formatted(void) {
  connect_up();
  in_app(formatted_in_app, NULL);
  expect_events("id 1\nid 2\n");
  expect("30 18 0001 'j' '{\"a\": 7, \"b\": \"x\\\"y\"}'");
  expect("33 0b 0001 'j' 0002 '[true]'");
  check("mgos_mqtt_pubf() and mgos_mqtt_pubv() accept the formats of json_printf()");
}

static size_t s_unsent[3];

static void three_in_app(void *arg) {
  app_pub("t", "123456789012345678901234", 0, false);
  s_unsent[0] = app_num_unsent_bytes();
  app_pub("t", "12345678901234567890123456789012345678901", 0, false);
  s_unsent[1] = app_num_unsent_bytes();
  app_pub("t", "1", 0, false);
  s_unsent[2] = app_num_unsent_bytes();
  (void) arg;
}

static void unsent(void) {
  char payload[2048];
  memset(payload, 'x', sizeof(payload));
  connect_up();
  in_app(three_in_app, NULL);
  expect("30 1b *");
  expect("30 2c *");
  expect("30 04 *");
  expect_number(s_unsent[0], 29);
  expect_number(s_unsent[1], 29 + 46);
  expect_number(s_unsent[2], 29 + 46 + 6);
  check("num_unsent_bytes counts the packets that wait for the link");
  expect_number(app_num_unsent_bytes(), 0);
  check("and no longer once they are sent");
  app_pub_bytes("t", payload, 2047, 1, false);
  expect("32 84 10 *");
  expect_number(app_num_unsent_bytes(), 2047);
  check("of a message in flight it counts the payload");
  play("40 02 0004");
  expect_events("g PUBACK 4\n");
  expect_number(app_num_unsent_bytes(), 0);
  check("until it is acknowledged");
}

static void large(void) {
  static char payload[65000];
  const uint8_t *packet;
  memset(payload, 'x', sizeof(payload));
  connect_up();
  app_pub_bytes("t", payload, sizeof(payload), 1, false);
  expect_number(receive_packet(&packet), 1 + 3 + 3 + 2 + 65000);
  expect_that(memcmp(packet, "\x32\xed\xfb\x03\x00\x01t\x00\x01xxx", 12) == 0);
  app_pub_bytes("t", payload, sizeof(payload), 0, false);
  expect_number(receive_packet(&packet), 1 + 3 + 3 + 65000);
  check("a message may be larger than any buffer");
}

/* In one call, so that nothing is sent in between. */
static void many_large(void *arg) {
  static char payload[100000];
  int i, taken = 0;
  memset(payload, 'x', sizeof(payload));
  for (i = 0; i < 20; i++) taken += app_pub_bytes("t", payload, sizeof(payload), 0, false) > 0;
  record("%d taken", taken);
  *(size_t *) arg = app_num_unsent_bytes();
  record("id %d", app_pub_bytes("t", payload, sizeof(payload), 1, false));
}

static void set_level(void *arg) {
  cs_log_set_level((enum cs_log_level) (intptr_t) arg);
}

static void slow_broker(void) {
  const uint8_t *packet;
  size_t unsent = 0, len = 0;
  /* No more than 256 KB may wait. */
  int i, most = EITHER(2, 20);
  connect_up();
#ifndef MQTT_UPSTREAM
  in_app(set_level, (void *) LL_DEBUG);
#endif
  in_app(many_large, &unsent);
  expect_events(text("%d taken\nid 21\n", EITHER(2, 20)));
  expect_number(unsent, most * (1 + 3 + 3 + 100000));
  for (i = 0; i < most; i++) len += receive_packet(&packet);
  expect_number(len, most * (1 + 3 + 3 + 100000));
#ifdef MQTT_UPSTREAM
  receive_packet(&packet);
  check("QoS 0 is sent endlessly, whether the broker reads or not");
#else
  in_app(set_level, (void *) LL_INFO);
  expect_number(logged("the link is congested, dropped: t"), 18);
  check("QoS 0 is refused while too much waits for the link, with 0 and a log line");
  expect_number(receive_packet(&packet), 1 + 3 + 3 + 2 + 100000);
  expect_that(memcmp(packet, "\x32\xa5\x8d\x06\x00\x01t\x00\x15xxx", 12) == 0);
  expect_that(app_pub("t", "m", 0, false) > 0);
  expect("30 04 0001 't' 'm'");
  check("QoS 1 waits in the queue, and everything is sent once the link has caught up");
#endif
}

static void log_lines(void) {
  connect_up();
  in_app(set_level, (void *) LL_DEBUG);
  app_pub("a/b", "m", 1, true);
  expect("33 *");
  app_pub("c", "m", 0, false);
  expect("30 *");
  in_app(set_level, (void *) LL_INFO);
  expect_logged("pub -> 1 a/b @ 1 RETAIN");
  expect_logged("pub -> 2 c @ 0");
  check("each is in the log at level DEBUG");
}

static void not_connected(void) {
  create();
  expect_number(app_pub("t", "m", 0, false), EITHER(0, 1));
  check(EITHER("QoS 0 without a connection is dropped, and 0 returned", "QoS 0 without a connection is dropped, and a packet ID returned"));
  expect_number(app_pub("t", "m", 1, false), 2);
  check("the identifier is used up");
}

static void set_max_qos(void) {
  connect_up();
  app_set_max_qos(1);
  app_pub("t", "m", 2, false);
  expect("32 06 0001 't' 0001 'm'");
  app_set_max_qos(0);
  app_pub("t", "m", 2, false);
  expect("30 04 0001 't' 'm'");
  check("set_max_qos() reduces the QoS");
  app_set_max_qos(2);
  app_pub("t", "m", 2, false);
  expect(EITHER("34 06 0001 't' 0003 'm'", "30 04 0001 't' 'm'"));
  check(EITHER("and raises it back to the configured value", "but never raises it back to the configured value"));
}

#ifndef MQTT_UPSTREAM
static void global_max_qos(void *arg) {
  mgos_mqtt_set_max_qos(1);
  (void) arg;
}

/* The original does not define this function. */
static void set_global_max_qos(void) {
  in_app(global_max_qos, NULL);
  check("mgos_mqtt_set_max_qos() can be called");
}
#endif

static void bad_topics(void) {
  connect_up();
  expect_number(app_pub("a/#", "m", 0, false), EITHER(0, 1));
  expect_number(app_pub("+/a", "m", 1, false), EITHER(0, 2));
#ifdef MQTT_UPSTREAM
  expect("30 06 0003 'a/#' 'm'");
  expect("32 08 0003 '+/a' 0002 'm'");
  check("a topic with a wildcard is sent");
#else
  expect_number(app_pub("", "m", 1, false), 0);
  expect_number(app_pub("\xc3\x28", "m", 1, false), 0);
  expect_silence();
  expect_number(logged("invalid topic"), 4);
  check("a topic with a wildcard, empty or not UTF-8 is rejected, with an error in the log");
#endif
}

#ifndef MQTT_UPSTREAM
/* The original reads from address 0. */
static void null_message(void) {
  connect_up();
  expect_number(app_pub_bytes("t", NULL, 5, 0, false), 0);
  expect_number(app_pub_bytes("t", NULL, 5, 1, false), 0);
  expect_silence();
  expect_number(app_num_unsent_bytes(), 0);
  expect_number(logged("message is NULL, not sent: t"), 2);
  check("a NULL message with a length is rejected, with an error in the log");
  expect_that(app_pub_bytes("t", NULL, 0, 0, false) > 0);
  expect("30 03 0001 't'");
  check("NULL with length 0 is an empty message");
}

static void call_pubv(struct mgos_mqtt_conn *c, const char *json_fmt, ...) {
  va_list ap;
  va_start(ap, json_fmt);
  record("pubv %u", mgos_mqtt_conn_pubv(c, "v", 1, false, json_fmt, ap));
  va_end(ap);
  va_start(ap, json_fmt);
  if (c != NULL) record("global pubv %u", mgos_mqtt_pubv("gv", 1, false, json_fmt, ap));
  va_end(ap);
}

static void null_formats(void *arg) {
  record("pubf %u", mgos_mqtt_conn_pubf(connection(), "f", 1, false, NULL));
  record("global pubf %u", mgos_mqtt_pubf("gf", 1, false, NULL));
  call_pubv(connection(), NULL);
  (void) arg;
}

static void null_connections(void *arg) {
  record("pubf %u", mgos_mqtt_conn_pubf(NULL, "f", 1, false, "%d", 1));
  call_pubv(NULL, "%d", 1);
  call_pubv(NULL, NULL);
  (void) arg;
}

/* The original reads from address 0. */
static void null_json(void) {
  create();
  in_app(null_formats, NULL);
  expect_events("pubf 0\nglobal pubf 0\npubv 0\nglobal pubv 0\n");
  expect_number(app_num_unsent_bytes(), 0);
  expect_number(logged("message is NULL, not sent: f\n"), 1);
  expect_number(logged("message is NULL, not sent: gf\n"), 1);
  expect_number(logged("message is NULL, not sent: v\n"), 1);
  expect_number(logged("message is NULL, not sent: gv\n"), 1);
  check("pubf() and pubv() refuse a NULL format, with an error in the log");
  in_app(null_connections, NULL);
  expect_events("pubf 0\npubv 0\npubv 0\n");
  expect_number(logged("connection is NULL"), 3);
  check("and a NULL connection, likewise");
}

static void null_topic(void) {
  connect_up();
  expect_number(app_pub(NULL, "m", 1, false), 0);
  expect_silence();
  expect_number(logged("invalid topic: empty"), 1);
  check("a NULL topic is rejected, with an error in the log");
}
#endif

/* The original sends them as well, without a warning. */
static void control_characters(void) {
  connect_up();
  app_pub("caf\xc3\xa9 \xe2\x82\xac", "m", 0, false);
  expect("30 0c *");
  expect_number(logged("control characters"), 0);
  app_pub("a\tb", "m", 0, false);
  expect("30 06 0003 'a' 09 'b' 'm'");
  expect_number(logged("control characters in a topic, which some brokers refuse: a?b"), EITHER(1, 0));
  app_pub("a\x7f", "m", 0, false);
  expect("30 05 0002 'a' 7f 'm'");
  app_sub("a/\x01", 0, "s");
  expect("82 08 0004 0003 'a/' 01 00");
  expect_number(logged("control characters"), EITHER(1, 0));
  check(EITHER("control characters in topics are sent, with one warning per connection object",
               "control characters in topics are sent"));
}

static const struct script scripts[] = {
    {"bytes of PUBLISH", bytes},
    {"burst", burst},
    {"QoS 2", exactly_once},
    {"JSON", formatted},
    {"unsent bytes", unsent},
    {"large messages", large},
    {"slow broker", slow_broker},
    {"log", log_lines},
    {"not connected", not_connected},
    {"max_qos", set_max_qos},
    HERE_ONLY("max_qos of the global connection", set_global_max_qos, "the function is declared and not defined"),
    {"bad topics", bad_topics},
    HERE_ONLY("NULL message", null_message, "it crashes"),
    HERE_ONLY("NULL for pubf() and pubv()", null_json, "it crashes"),
    HERE_ONLY("NULL topic", null_topic, "it crashes"),
    {"control characters", control_characters},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
