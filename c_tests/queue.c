/*
 * QoS 1 and 2 messages that wait: for a connection, or for their acknowledgement.
 */

#include <string.h>

#include "suite.h"

#define LOST "cloud DISCONNECTED\ng CLOSE\n"

static void offline(void) {
  create_global();
  app_pub("t/0", "zero", 0, false);
  expect_number(app_pub("t/1", "one", 1, false), 2);
  expect_number(app_pub("t/2", "two", 2, true), 3);
  expect_number(app_num_unsent_bytes(), 6);
  connect_up();
#ifdef MQTT_UPSTREAM
  expect("3a 0a 0003 't/1' 0002 'one'");
  expect_silence();
  play("40 02 0002");
  expect("3d 0a 0003 't/2' 0003 'two'");
  check("queued messages are sent one by one, with DUP");
#else
  expect("32 0a 0003 't/1' 0002 'one'");
  expect("35 0a 0003 't/2' 0003 'two'");
  expect_silence();
  check("queued messages are sent in order, in a burst, without DUP");
  play("40 02 0002");
#endif
  expect_events("g PUBACK 2\n");
  play("50 02 0003");
  expect("62 02 0003");
  play("70 02 0003");
  expect_events("g PUBREC 3\ng PUBCOMP 3\n");
  expect_number(app_num_unsent_bytes(), 0);
  app_pub("t/1", "one", 1, false);
  expect("32 0a 0003 't/1' 0004 'one'");
  check("after that a message is sent immediately");
}

static void overflow(void) {
  int i;
  create();
  for (i = 1; i <= 7; i++) expect_number(app_pub(text("m/%d", i), "x", 1, false), i);
  expect_number(logged("queue overflow!"), EITHER(1, 2));
#ifdef MQTT_UPSTREAM
  check("each message over max_queue_length is in the log");
#else
  expect_logged("queue overflow! Message 1 dropped: m/1");
  expect_logged("2 messages were given up, packet ids 1 to 2\n");
  check("the first message over max_queue_length is in the log, and how many there were");
#endif
  connect_up();
  for (i = 3; i <= 7; i++) {
    expect(text("%s 08 0003 'm/%d' 00%02x 'x'", EITHER("32", "3a"), i, i));
#ifdef MQTT_UPSTREAM
    play(text("40 02 00%02x", i));
#endif
  }
#ifndef MQTT_UPSTREAM
  play("40 02 0003 40 02 0004 40 02 0005 40 02 0006 40 02 0007");
#endif
  expect_events("g PUBACK 3\ng PUBACK 4\ng PUBACK 5\ng PUBACK 6\ng PUBACK 7\n");
  expect_silence();
  check("the oldest are given up");
}

/* In flight and not acknowledged: sent again with the next connection. */
static void unacknowledged(void) {
  connect_up();
  app_pub("a", "1", 1, false);
  app_pub("b", "2", 1, false);
  expect("32 06 0001 'a' 0001 '1'");
  expect("32 06 0001 'b' 0002 '2'");
  drop();
  expect_events(LOST);
  come_back();
  expect(EITHER("32 06 0001 'a' 0001 '1'", "3a 06 0001 'a' 0001 '1'"));
  expect_silence();
  play("40 02 0001");
  expect(EITHER("32 06 0001 'b' 0002 '2'", "3a 06 0001 'b' 0002 '2'"));
  expect_events("g PUBACK 1\n");
  check(EITHER("with a new session one by one, with their packet IDs, without DUP",
               "with a new session one by one, with DUP and their old identifiers"));
}

static void kept_session(void) {
  cfg.clean_session = false;
  create();
  app_connect();
  expect_connection();
  expect("10 0d 0004 'MQTT' 04 00 003c 0001 'c'");
  play("20 02 00 00");
  app_pub("a", "1", 1, false);
  app_pub("b", "2", 2, false);
  expect("32 06 0001 'a' 0001 '1'");
  expect("34 06 0001 'b' 0002 '2'");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  drop();
  expect_events(LOST);
  expect_connection();
  expect("10 *");
  play("20 02 01 00");
  expect("3a 06 0001 'a' 0001 '1'");
  expect_silence();
  play("40 02 0001");
  expect("3c 06 0001 'b' 0002 '2'");
  check("with a persistent session one by one, with DUP and their old packet IDs");
  play("50 02 0002");
  expect("62 02 0002");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\ng PUBACK 1\ng PUBREC 2\n");
  drop();
  expect_events(LOST);
  expect_connection();
  expect("10 *");
  play("20 02 01 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
#ifdef MQTT_UPSTREAM
  expect_silence();
  check("an unanswered PUBREL is forgotten");
#else
  expect("62 02 0002");
  play("70 02 0002");
  expect_events("g PUBCOMP 2\n");
  check("an unanswered PUBREL is repeated");
#endif
}

static void lost_session(void) {
  cfg.clean_session = false;
  create();
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  app_pub("a", "1", 1, false);
  expect("32 06 0001 'a' 0001 '1'");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  drop();
  expect_events(LOST);
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect(EITHER("32 06 0001 'a' 0001 '1'", "3a 06 0001 'a' 0001 '1'"));
  check(EITHER("if the broker has lost the session, messages are sent as new", "messages are sent with DUP even if the broker has lost the session"));
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  play("40 02 0001");
  app_pub("b", "2", 2, false);
  expect("34 06 0001 'b' 0002 '2'");
  play("50 02 0002");
  expect("62 02 0002");
  expect_events("g PUBACK 1\ng PUBREC 2\n");
  drop();
  expect_events(LOST);
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
#ifdef MQTT_UPSTREAM
  expect_silence();
  check("messages with PUBREC are lost with the session");
#else
  expect("34 06 0001 'b' 0002 '2'");
  play("50 02 0002");
  expect("62 02 0002");
  play("70 02 0002");
  expect_events("g PUBREC 2\ng PUBCOMP 2\n");
  expect_silence();
  check("and so are messages with PUBREC");
#endif
}

static void burst(void) {
  int i;
  connect_up();
  for (i = 1; i <= 7; i++) app_pub(text("m/%d", i), "x", 1, false);
  for (i = 1; i <= 7; i++) expect(text("32 08 0003 'm/%d' 00%02x 'x'", i, i));
  expect_number(logged("queue overflow!"), EITHER(0, 2));
#ifndef MQTT_UPSTREAM
  expect_number(logged("given up") + logged("queue overflow"), 0);
  check("of a burst in flight none is given up");
#else
  left_out("what is under way", "the queue forgets it, as the log has said");
#endif
  drop();
  expect_events(LOST);
#ifndef MQTT_UPSTREAM
  expect_logged("2 messages were given up, packet ids 1 to 2\n");
  expect_number(logged("given up"), 1);
  check("but those without a copy are, if the connection ends before their acknowledgement");
#else
  left_out("the end of the connection", "the log says nothing more");
#endif
  come_back();
  for (i = 3; i <= 7; i++) {
    expect(text("%s 08 0003 'm/%d' 00%02x 'x'", EITHER("32", "3a"), i, i));
    /* Here the window grows: how much is sent ahead of its acknowledgement. */
    if (EITHER(i == 3 || i == 5, true)) {
      expect_silence();
      play(text("40 02 00%02x", EITHER((i + 3) / 2, i)));
      expect_events(text("g PUBACK %d\n", EITHER((i + 3) / 2, i)));
    }
  }
  expect_silence();
  check("of a burst the newest are kept for the next connection");
}

static void no_queue(void) {
  cfg.max_queue_length = 0;
  create();
  expect_number(app_pub("t", "m", 1, false), EITHER(0, 1));
  check(EITHER("max_queue_length 0: offline it is lost, and 0 returned", "max_queue_length 0: offline it is lost, and a packet ID returned"));
  connect_up();
  expect_silence();
  expect_number(app_pub("t", "m", 1, false), 2);
  expect("32 06 0001 't' 0002 'm'");
  drop();
  expect_events(LOST);
  come_back();
  expect_silence();
  check("connected it is sent, and not again");
}

static void pub_on_connack(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev != MG_EV_MQTT_CONNACK) return;
  app_pub("h/0", "m", 0, false);
  app_pub("h/1", "m", 1, false);
  (void) nc, (void) ev_data, (void) ud;
}

static void in_connack(void) {
  create();
  app_sub("s", 1, "s");
  app_add_handler(pub_on_connack, "h");
  connect_up();
  expect("82 06 0001 0001 's' 01");
  expect("30 06 0003 'h/0' 'm'");
  expect("32 08 0003 'h/1' 0003 'm'");
  check("published in CONNACK with an empty queue: immediately, after SUBSCRIBE");
}

static void in_connack_with_queue(void) {
  create();
  app_pub("q", "m", 1, false);
  app_add_handler(pub_on_connack, "h");
  connect_up();
  expect("30 06 0003 'h/0' 'm'");
  expect(EITHER("32 06 0001 'q' 0001 'm'", "3a 06 0001 'q' 0001 'm'"));
#ifdef MQTT_UPSTREAM
  play("40 02 0001");
  expect_events("g PUBACK 1\n");
#endif
  expect(EITHER("32 08 0003 'h/1' 0003 'm'", "3a 08 0003 'h/1' 0003 'm'"));
  check("with a queue: QoS 0 before it, QoS 1 after it");
}

static void pingresp(void) {
  connect_up();
  app_pub("a", "1", 1, false);
  app_pub("b", "2", 1, false);
  expect("32 06 0001 'a' 0001 '1'");
  expect("32 06 0001 'b' 0002 '2'");
  play("d0 00");
#ifdef MQTT_UPSTREAM
  expect("3a 06 0001 'a' 0001 '1'");
  expect_silence();
  play("d0 00");
  expect("3a 06 0001 'a' 0001 '1'");
  check("each PINGRESP causes the oldest message to be retransmitted");
#else
  play("30 04 0001 'f' 'x'");
  expect_events("g PUBLISH f=x\n");
  expect_silence();
  check("messages that are not overdue are not sent twice on one connection");
#endif
}

static void qos_lowered(void) {
  cfg.max_qos = 0;
  connect_up();
  app_pub("t", "m", 1, false);
  expect("30 04 0001 't' 'm'");
  check("max_qos 0: QoS 1 is sent as QoS 0");
  expect_number(app_num_unsent_bytes(), EITHER(0, 1));
  drop();
  expect_events(LOST);
  come_back();
#ifdef MQTT_UPSTREAM
  expect("38 04 0001 't' 'm'");
  check("and again with each connection, with DUP");
#else
  expect_silence();
  check("and not kept");
#endif
}

static const struct script scripts[] = {
    {"published offline", offline},
    {"overflow", overflow},
    {"unacknowledged", unacknowledged},
    {"kept session", kept_session},
    {"lost session", lost_session},
    {"burst", burst},
    {"no queue", no_queue},
    {"publishing in CONNACK", in_connack},
    {"publishing in CONNACK with a queue", in_connack_with_queue},
    {"PINGRESP", pingresp},
    {"max_qos 0", qos_lowered},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
