/*
 * Packets that a broker must not send: here each ends the connection, with the reason in the log;
 * in the original some do.
 */

#include <string.h>

#include "suite.h"

#define UP "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n"
#define LOST "cloud DISCONNECTED\ng CLOSE\n"

/* The original closes as well. */
#define CLOSES NULL
/* It closes, having read memory beyond the packet: a sanitizer ends the app. */
#define READS_BEYOND "reads beyond the packet"

/* A packet, and what the original's handlers get of it. */
static const struct {
  const char *what, *packet, *original;
} s_bad[] = {
    {"Remaining Length of five bytes", "30 ff ff ff ff ff", CLOSES},
    {"CONNACK of one byte", "20 01 00", CLOSES},
    {"PUBACK of one byte", "40 01 00", CLOSES},
    {"PUBREC of one byte", "50 01 00", CLOSES},
    {"SUBACK of one byte", "90 01 00", CLOSES},
    {"a topic longer than its packet", "30 05 0009 'abc'", CLOSES},
    {"QoS 1 with no room for an identifier", "32 05 0003 'abc'", CLOSES},
    {"PUBLISH of length 0", "30 00", READS_BEYOND},
    {"PUBLISH of length 1", "30 01 00", READS_BEYOND},
    {"a length in more bytes than needed, five", "d0 80 80 80 80 00", ""},
    {"PINGRESP with a body", "d0 02 0000", ""},
    {"PUBACK with more than an identifier", "40 04 0009 0000", "g PUBACK 9\n"},
    {"SUBACK without a code", "90 02 0009", "g SUBACK 9\n"},
    {"UNSUBACK without an identifier", "b0 00", "g UNSUBACK 0\n"},
    {"packet type 0", "00 00", ""},
    {"packet type 15", "f0 00", ""},
    {"QoS 3", "36 06 0001 'a' 0005 'm'", "g PUBLISH a=m qos3 id5\n"},
    {"an empty topic", "30 03 0000 'm'", "g PUBLISH =m\n"},
    {"a topic with NUL", "30 06 0003 61 00 62 'm'", "g PUBLISH a\\x00b=m\n"},
    {"a topic with a wildcard", "30 06 0003 'a/+' 'm'", "g PUBLISH a/+=m\n"},
    {"a topic that is not UTF-8", "30 05 0002 c3 28 'm'", "g PUBLISH \\xc3(=m\n"},
    {"DUP at QoS 0", "38 04 0001 'a' 'm'", "g PUBLISH a=m\n"},
    {"PUBREL with wrong flags", "60 02 0009", "g PUBREL 9\n"},
    {"Packet Identifier 0", "40 02 0000", "g PUBACK 0\n"},
    {"a SUBACK code that does not exist", "90 03 0009 03", "g SUBACK 9\n"},
    {"CONNECT", "10 0d 0004 'MQTT' 04 02 003c 0001 'x'", "g event 201\n"},
    {"SUBSCRIBE", "82 06 0009 0001 'a' 00", "g event 208\n"},
    {"UNSUBSCRIBE", "a2 05 0009 0001 'a'", "g event 210\n"},
    {"PINGREQ", "c0 00", "g event 212\n"},
    {"DISCONNECT", "e0 00", "g event 214\n"},
};

static void bad_packets(void) {
  size_t i;
  create();
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect_events(UP);
  for (i = 0; i < COUNT(s_bad); i++) {
    bool closes = EITHER(true, s_bad[i].original == CLOSES);
#ifdef MQTT_UPSTREAM
    if (strcmp(closes ? "" : s_bad[i].original, READS_BEYOND) == 0) {
      left_out(s_bad[i].what, READS_BEYOND);
      continue;
    }
#endif
    play(s_bad[i].packet);
    if (closes) {
      expect_close();
      expect_events(LOST);
      expect_number(logged("bad packet"), EITHER(i + 1, 0));
      come_back();
    } else {
      expect_events(s_bad[i].original);
      expect_silence();
    }
    check(text("%s: %s", s_bad[i].what, closes ? "closed" : "accepted"));
  }
}

static void second_connack(void) {
  create();
  app_sub("s", 1, "s");
  connect_up();
  expect("82 06 0001 0001 's' 01");
  play("20 02 00 00");
#ifdef MQTT_UPSTREAM
  expect("82 06 0002 0001 's' 01");
  expect_events("cloud CONNECTED\ng CONNACK\n");
  check("a second CONNACK is accepted like the first");
#else
  expect_close();
  expect_events(LOST);
  check("a second CONNACK: closed");
#endif
}

static void before_connack(void) {
  create();
  app_sub("a", 1, "a");
  app_connect();
  expect_connect();
#ifdef MQTT_UPSTREAM
  play("32 06 0001 'a' 0007 'm'");
  expect("40 02 0007");
  play("50 02 0009 40 02 0008 90 03 0007 00 d0 00");
  expect("62 02 0009");
  expect_events("cloud CONNECTING\na PUBLISH a=m qos1 id7\ng PUBREC 9\ng PUBACK 8\ng SUBACK 7\n");
  check("packets before CONNACK are accepted");
#else
  play("32 06 0001 'a' 0007 'm'");
  expect_close();
  expect_events("cloud CONNECTING\ncloud CONNECTERROR\n");
  expect_logged("bad packet");
  check("packets before CONNACK: closed");
#endif
}

static void session_present(void) {
  create();
  app_connect();
  expect_connect();
  play("20 02 01 00");
  expect_events(UP);
  app_pub("t", "m", 1, false);
  expect("32 06 0001 't' 0001 'm'");
  drop();
  expect_events(LOST);
  expect_connect();
  play("20 02 01 00");
  expect_events(UP);
  expect(EITHER("32 06 0001 't' 0001 'm'", "3a 06 0001 't' 0001 'm'"));
  expect_number(logged("the broker has kept a session although mqtt.clean_session is true"), EITHER(1, 0));
  check(EITHER("session present although a clean one was requested: treated as new, with one warning",
               "session present although a clean one was requested: accepted"));
}

static void wrong_acknowledgement(void) {
  connect_up();
  app_pub("t", "m", 2, false);
  expect("34 06 0001 't' 0001 'm'");
  play("40 02 0001");
#ifdef MQTT_UPSTREAM
  expect_events("g PUBACK 1\n");
  expect_number(app_num_unsent_bytes(), 0);
  app_pub("t", "m", 1, false);
  expect("32 06 0001 't' 0002 'm'");
  play("50 02 0002");
  expect("62 02 0002");
  expect_events("g PUBREC 2\n");
  expect_number(app_num_unsent_bytes(), 0);
  check("any acknowledgement completes any message");
#else
  expect_events("g PUBACK 1\n");
  expect_logged("PUBACK for a QoS 2 message: the broker supports QoS 1 only; set mqtt.max_qos to 1");
  expect_number(app_num_unsent_bytes(), 0);
  check("PUBACK for a message at QoS 2: the message has arrived, and the log says how to ask for no more");
  app_pub("t", "m", 1, false);
  expect("32 06 0001 't' 0002 'm'");
  play("50 02 0002");
  expect_close();
  expect_events(LOST);
  come_back();
  expect("32 06 0001 't' 0002 'm'");
  check("PUBREC for a message at QoS 1: closed, and the message is retransmitted");
#endif
}

static void suback_codes(void) {
  create();
  app_sub("a", 1, "a");
  connect_up();
  expect("82 *");
  play("90 04 0001 01 01");
#ifdef MQTT_UPSTREAM
  expect_events("a SUBACK 1\n");
  check("SUBACK with a code too many: accepted");
#else
  expect_close();
  expect_events(LOST);
  check("SUBACK with a code too many: closed");
#endif
}

#ifndef MQTT_UPSTREAM
/* Responses to valid packets before it: in the original they depend on the segments. */
static void behind_good_ones(void) {
  create();
  app_sub("a", 2, "a");
  connect_up();
  expect("82 *");
  play("32 06 0001 'a' 0007 'm' 34 06 0001 'a' 0008 'n' 62 02 0009 30 00 32 06 0001 'a' 000a 'o'");
  expect("40 02 0007");
  expect("50 02 0008");
  expect("70 02 0009");
  expect_close();
  expect_events("a PUBLISH a=m qos1 id7\na PUBLISH a=n qos2 id8\ng PUBREL 9\n" LOST);
  check("valid packets before an invalid one are answered before the connection is closed, and none after it is accepted");
}
#endif

static void long_one(void) {
  connect_up();
  play("30 ff ff ff 7f");
  expect_silence();
  expect_silence();
  check("a packet of 268435455 bytes that does not arrive is waited for");
}

static const struct script scripts[] = {
    {"bad packet", bad_packets},
    {"CONNACK", second_connack},
    {"before CONNACK", before_connack},
    {"session present", session_present},
    {"wrong acknowledgement", wrong_acknowledgement},
    {"SUBACK", suback_codes},
    HERE_ONLY("behind good ones", behind_good_ones, "what it still answers depends on how the packets come"),
    {"longest packet", long_one},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
