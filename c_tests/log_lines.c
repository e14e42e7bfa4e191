/*
 * The lines of the log that apps and test benches look for: those that are as the original's, and
 * those that are gone. What a line about an error says is in the area of that error.
 */

#include "suite.h"

/* A line of the original that this library does not print. */
#ifdef MQTT_UPSTREAM
#define EXPECT_GONE(text) expect_logged(text)
#else
#define EXPECT_GONE(text) expect_number(logged(text), 0)
#endif

static void set_level(void *arg) {
  cs_log_set_level((enum cs_log_level) (intptr_t) arg);
}

static void at_level(enum cs_log_level level) {
  in_app(set_level, (void *) (intptr_t) level);
}

static void kept(void) {
  at_level(LL_DEBUG);
  connect_up();
  app_sub("a", 1, "a");
  expect("82 06 0001 0001 'a' 01");
  expect_that(app_unsub("a"));
  expect("a2 05 0002 0001 'a'");
  app_pub("t", "m", 1, true);
  expect("33 06 0001 't' 0003 'm'");
  app_disconnect();
  expect("e0 00");
  expect_close();
  expect_logged(" connecting to 127.0.0.1:");
  expect_logged(" TCP connected ok (0)");
  expect_logged(" CONNACK 0");
  expect_logged(" sub a @ 1");
  expect_logged(" unsub a");
  expect_logged(" pub -> 3 t @ 1 RETAIN");
  expect_logged(" disconnect\n");
  expect_logged(EITHER(" disconnected: requested by app", " disconnected"));
  expect_logged("mgos_mqtt_conn.c");
  check("connecting, connected, CONNACK, sub, unsub, pub, disconnect, disconnected");
  at_level(LL_INFO);
  forget_events();
}

static void without_payload(void) {
  at_level(LL_DEBUG);
  connect_up();
  app_pub("t", "the payload", 0, false);
  expect("30 *");
  expect_logged(" pub -> 1 t @ 0");
  EXPECT_GONE("(11): [the payload]");
  check(EITHER("the line of a message has no payload", "the line of a message has its payload"));
  at_level(LL_INFO);
}

static void acknowledged(void) {
  at_level(LL_DEBUG);
  create();
  app_pub("t", "m", 1, false);
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect("?? 06 0001 't' 0001 'm'");
  play("40 02 0001");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\ng PUBACK 1\n");
  EXPECT_GONE(" event: 2");
  EXPECT_GONE(" ack 1");
  EXPECT_GONE(" queue drained");
  check(EITHER("events, acknowledgements and the drained queue have no lines", "they have lines of their own"));
  at_level(LL_INFO);
}

static void pinged(void) {
  at_level(LL_DEBUG);
  cfg.keep_alive = 1;
  create();
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect("c0 00");
  play("d0 00");
  expect("c0 00");
  EXPECT_GONE("Send PINGREQ");
  EXPECT_GONE("Recv PINGRESP");
  check(EITHER("pings have no lines", "pings have lines of Mongoose's"));
  at_level(LL_INFO);
  forget_events();
}

static const struct script scripts[] = {
    {"kept", kept},
    {"payload", without_payload},
    {"acknowledgement", acknowledged},
    {"ping", pinged},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
