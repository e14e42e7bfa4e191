/*
 * A malicious broker or on-path attacker: what it cannot access, and what it cannot make the app
 * keep. Merely invalid packets are in malformed.c, merely large ones in limits.c.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

#define UP "cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n"
#define LOST "cloud DISCONNECTED\ng CLOSE\n"

static void set_level(void *arg) {
  cs_log_set_level((enum cs_log_level) (intptr_t) arg);
}

static void expect_no_credentials(void) {
  static const char *const secrets[] = {"us3r-n4me", "p4ss-w0rd", "9f86d081884c7d65"};
  size_t i;
  for (i = 0; i < COUNT(secrets); i++) {
    if (logged(secrets[i]) > 0) fail("%s is in the log", secrets[i]);
  }
}

/* A whole connection with everything that logs lines about credentials, or might. */
static void live(void) {
  struct mgos_config_mqtt another;
  create();
  app_sub("s", 1, "s");
  app_connect();
  expect_connection();
  expect("10 23 0004 'MQTT' 04 c2 003c 0001 'c' 0009 'us3r-n4me' 0009 'p4ss-w0rd'");
  play("20 02 00 04");
  expect_close();
  expect_connection();
  expect("10 *");
  play("20 02 00 05");
  expect_close();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect("82 *");
  app_pub("t", "m", 2, false);
  expect("34 *");
  another = cfg;
  another.user = NULL;
  app_set_config(&another);
#ifdef MQTT_UPSTREAM
  expect_close();
  expect_that(app_connect());
#endif
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_no_credentials();
  forget_events();
}

static void credentials(void) {
  int level;
  cfg.user = "us3r-n4me";
  cfg.pass = "p4ss-w0rd";
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 0;
  for (level = LL_ERROR; level <= LL_VERBOSE_DEBUG; level++) {
    in_app(set_level, (void *) (intptr_t) level);
    live();
    in_app(set_level, (void *) (intptr_t) LL_INFO);
    check(text("user name and password are not in the log at level %d", level));
  }
}

static void pre_shared_key(void) {
  cfg.ssl_psk_identity = "device";
  cfg.ssl_psk_key = "9f86d081884c7d659a2feaa0c55ad015";
  in_app(set_level, (void *) (intptr_t) LL_VERBOSE_DEBUG);
  create();
  app_connect();
  expect_connection();
  play("15 03 03 00 02 02 28");
  drop();
  expect_logged("TCP connected error");
  in_app(set_level, (void *) (intptr_t) LL_INFO);
  expect_no_credentials();
  check("the pre-shared key is not in the log, and the handshake does not continue without it");
  forget_events();
}

/*
 * A packet over the limit: its topic is the only string of a broker's that the library logs. The
 * original logs none, and closes.
 */
static void topics_in_the_log(void) {
  static const char evil[] = "a\r\nMQTT9 forged\x1b[2J\x7f\xc2\x9b" "2J";
  uint8_t packet[4000];
  size_t len = sizeof(evil) - 1;
  create();
  connect_up();
  memset(packet, 'x', sizeof(packet));
  packet[0] = 0x30;
  packet[1] = (uint8_t) (((sizeof(packet) - 3) & 127) | 128);
  packet[2] = (uint8_t) ((sizeof(packet) - 3) >> 7);
  packet[3] = 0;
  packet[4] = (uint8_t) len;
  memcpy(packet + 5, evil, len);
  play_bytes(packet, sizeof(packet));
#ifdef MQTT_UPSTREAM
  expect_close();
  expect_events(LOST);
#else
  expect_logged("dropped: a??MQTT9 forged?[2J?");
#endif
  expect_number(logged("\nMQTT9"), 0);
  expect_number(logged("\x1b"), 0);
  expect_number(logged("\xc2\x9b"), 0);
  check("a topic with line ends and escape sequences stays in its line");
}

static void status_in_the_log(void) {
  static const char reply[] = "HTTP/1.1 403 no\xc2\x9b" "2J\r\nContent-Length: 0\r\n\r\n";
  cfg.ws_enable = true;
  create();
  app_connect();
  expect_connection();
  play_bytes(reply, sizeof(reply) - 1);
#ifdef MQTT_UPSTREAM
  expect_connection();
#else
  expect_logged("does not agree to WebSocket: 403");
#endif
  expect_number(logged("\xc2\x9b"), 0);
  check("nor does what a WebSocket server says");
  forget_events();
}

#ifndef MQTT_UPSTREAM
static void play_qos2(int id) {
  play(text("34 05 0001 'a' %04x", id));
}

/* QoS 2 messages that are never released. */
static void never_released(void) {
  int id;
  create();
  connect_up();
  for (id = 1; id <= 1000; id++) {
    play_qos2(id);
    expect(text("50 02 %04x", id));
  }
  check("1000 QoS 2 messages with consecutive packet IDs may be open");
  /* Together with those, 64 runs of packet IDs. */
  for (id = 2002; id < 2002 + 2 * 63; id += 2) {
    play_qos2(id);
    expect(text("50 02 %04x", id));
  }
  play_qos2(1000);
  expect("50 02 03e8");
  /* An adjacent one belongs to the same run. */
  play_qos2(2003);
  expect("50 02 07d3");
  play_qos2(2501);
  expect_close();
  expect_logged("too many open QoS 2 messages");
  check("or 64 others; a broker that opens more is disconnected");
  forget_events();
}
#endif

/* ---- Floods without reading ---- */

static void quiet(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  (void) nc, (void) ev, (void) ev_data, (void) ud;
}

static volatile bool s_flooding;

/* Until the connection is closed, or this many bytes were accepted. */
static void *flood(void *arg) {
  static uint8_t bytes[56000];
  size_t i, rounds;
  for (i = 0; i < sizeof(bytes); i += 7) memcpy(bytes + i, "\x32\x05\x00\x01" "a\x00\x01", 7);
  /* The original's answers are copied for each kilobyte more: with all of it that takes minutes. */
  for (rounds = 0; rounds < EITHER(1000, 60); rounds++) play_bytes(bytes, sizeof(bytes));
  s_flooding = false;
  return arg;
}

static size_t s_most;

static void look(void *arg) {
  size_t len = ((struct mg_connection *) arg)->send_mbuf.len;
  if (len > s_most) s_most = len;
}

static void answers_unread(void) {
  pthread_t thread;
  struct mg_connection *nc;
  int ms;
  create();
  app_sub_handler("a", 1, quiet, "a");
  connect_up();
  expect("82 *");
  nc = app_nc();
  s_flooding = true;
  s_most = 0;
  expect_that(pthread_create(&thread, NULL, flood, NULL) == 0);
  for (ms = 0; ms < EITHER(1500, PATIENCE) && EITHER(s_flooding, s_most <= 20000); ms += 10) {
    usleep(10000);
    in_app(look, nc);
  }
  printf("# most bytes waiting to be sent: %lu\n", (unsigned long) s_most);
  /* Without memory for it the connection stays, and so does the flood. */
  while (!app_set_config(&cfg)) usleep(10000);
  pthread_join(thread, NULL);
  expect_that(EITHER(s_most < 20000, s_most > 20000));
  check(EITHER("responses that the broker does not read: its data is not read any more",
               "answers that the broker does not read are kept without end"));
  forget_events();
}

static const struct script scripts[] = {
    {"credentials", credentials},
    {"pre-shared key", pre_shared_key},
    {"topics in the log", topics_in_the_log},
    {"status in the log", status_in_the_log},
    HERE_ONLY("never released", never_released, "it keeps no state of messages at QoS 2"),
    {"answers unread", answers_unread},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
