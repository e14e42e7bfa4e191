/*
 * mgos_mqtt_conn_get_stats(): everything is counted, once. The original does not have this
 * function.
 */

#include <string.h>
#include <time.h>

#include "suite.h"

#define NO_STATS "there is no such function"

#ifndef MQTT_UPSTREAM

static struct mgos_mqtt_stats stats;

static void get(void *arg) {
  memset(&stats, 0xff, sizeof(stats));
  /* The global one has no name of its own. */
  struct mgos_mqtt_conn *c = connection();
  *(bool *) arg = c != NULL ? mgos_mqtt_conn_get_stats(c, &stats) : mgos_mqtt_get_stats(&stats);
}

/* Makes the app read the statistics into `stats`. */
static void look(void) {
  bool ok = false;
  in_app(get, &ok);
  expect_that(ok);
}

/* Waits until the last disconnect has this reason, in the log and in the statistics. */
static void expect_reason(const char *words, enum mgos_mqtt_reason reason) {
  expect_logged(text("disconnected: %s", words));
  look();
  expect_number(stats.last_reason, reason);
}

/* Connects, up to CONNECT, whatever it contains. */
static void begin(void) {
  create();
  app_connect();
  expect_connection();
  expect("10 *");
}

static void global(void *arg) {
  struct mgos_mqtt_conn *c = mgos_mqtt_conn_from_nc(mgos_mqtt_get_global_conn());
  struct mgos_mqtt_stats other;
  bool ok = mgos_mqtt_get_stats(&stats) && mgos_mqtt_conn_get_stats(c, &other);
  *(bool *) arg = ok && stats.sent == other.sent && mgos_mqtt_get_stat(0) == (int) stats.connects &&
                  mgos_mqtt_get_stat(3) == (int) stats.sent && mgos_mqtt_get_stat(14) == 0 && mgos_mqtt_get_stat(-1) == 0 &&
                  !mgos_mqtt_get_stats(NULL) && !mgos_mqtt_conn_get_stats(NULL, &other) &&
                  !mgos_mqtt_conn_get_stats(c, NULL);
}

static void messages(void) {
  bool same = false;
  create_global();
  look();
  expect_number(stats.connects + stats.disconnects + stats.last_reason + stats.sent + stats.received, 0);
  check("nothing before the first connection");
  app_sub("a", 1, "a");
  connect_up();
  expect("82 06 0001 0001 'a' 01");
  play("90 03 0001 01");
  expect_events("a SUBACK 1\n");
  app_pub("t", "m", 0, false);
  expect("30 04 0001 't' 'm'");
  app_pub("t", "m", 1, false);
  expect("32 06 0001 't' 0003 'm'");
  play("30 04 0001 'a' 'm'");
  play("34 06 0001 'b' 0007 'm'");
  expect("50 02 0007");
  play("3c 06 0001 'b' 0007 'm'");
  expect("50 02 0007");
  expect_events("a PUBLISH a=m\ng PUBLISH b=m qos2 id7\n");
  look();
  expect_number(stats.connects, 1);
  expect_number(stats.disconnects, 0);
  expect_number(stats.sent, 2);
  expect_number(stats.received, 2);
  expect_number(stats.queued, 1);
  play("40 02 0003");
  expect_events("g PUBACK 3\n");
  look();
  expect_number(stats.queued, 0);
  expect_number(stats.queued_max, 1);
  expect_number(stats.retried + stats.dropped + stats.oversized, 0);
  check("messages: sent, received, a QoS 2 message that is retransmitted once, queued");
  in_app(global, &same);
  expect_that(same);
  check("the global connection's are the same, as a structure or one by one; NULL is rejected");
}

static void bytes(void) {
  size_t len;
  const uint8_t *packet;
  create();
  app_connect();
  expect_connection();
  len = receive_packet(&packet);
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  app_pub("t", "m", 0, false);
  expect("30 04 0001 't' 'm'");
  play("d0 00");
  expect_silence();
  look();
  expect_number(stats.bytes_sent, len + 6 + 2);
  expect_number(stats.bytes_received, 4 + 2);
  check("bytes: everything transferred, including the app's own packets");
}

static void repeated(void) {
  cfg.clean_session = false;
  cfg.max_queue_length = 2;
  begin();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  app_pub("t", "1", 1, false);
  expect("32 06 0001 't' 0001 '1'");
  drop();
  expect_reason("lost", MGOS_MQTT_REASON_LOST);
  expect_connection();
  expect("10 *");
  play("20 02 01 00");
  expect("3a 06 0001 't' 0001 '1'");
  look();
  expect_number(stats.connects, 2);
  expect_number(stats.disconnects, 1);
  expect_number(stats.sent, 2);
  expect_number(stats.retried, 1);
  check("a retransmitted message counts as sent and as retried");
  app_disconnect();
  expect("e0 00");
  expect_close();
  expect_reason("requested by app", MGOS_MQTT_REASON_ASKED);
  expect_number(stats.connected_ms, 0);
  app_pub("t", "2", 0, false);
  app_pub("t", "3", 1, false);
  app_pub("t", "4", 1, false);
  look();
  expect_number(stats.dropped, 2);
  expect_number(stats.queued, 2);
  expect_number(stats.queued_max, 2);
  check("dropped are those for which 0 is returned and those given up for newer ones");
  forget_events();
}

static void without_a_queue(void) {
  int i;
  cfg.max_queue_length = 0;
  begin();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  for (i = 0; i < 70; i++) {
    app_pub("t", "m", 1, false);
    expect("32 06 0001 't' ?? ?? 'm'");
  }
  look();
  expect_number(stats.dropped, 6);
  check("without a queue: those whose identifiers are not kept any more");
  forget_events();
}

static void oversized(void) {
  uint8_t packet[3073] = {0x30, 0xfe, 0x17, 0, 1, 't'};
  connect_up();
  play_bytes(packet, sizeof(packet));
  expect_silence();
  look();
  expect_number(stats.oversized, 1);
  expect_number(stats.received, 0);
  check("a packet over the limit does not count as received message");
}

static void refused(void) {
  begin();
  play("20 02 00 05");
  expect_reason("refused", MGOS_MQTT_REASON_REFUSED);
  expect_number(stats.connects + stats.disconnects, 0);
  app_disconnect();
  check("why it ended: refused by CONNACK");
  forget_events();
}

static void violation(void) {
  connect_up();
  play("f0 00");
  expect_close();
  expect_reason("protocol violation", MGOS_MQTT_REASON_VIOLATION);
  app_disconnect();
  check("why it ended: protocol violation");
  forget_events();
}

static void no_pong(void) {
  cfg.keep_alive = 1;
  begin();
  play("20 02 00 00");
  expect("c0 00");
  while (packet_waits(PATIENCE)) expect("c0 00");
  expect_reason("no PINGRESP", MGOS_MQTT_REASON_PING_TIMEOUT);
  app_disconnect();
  check("why it ended: no ping response");
  forget_events();
}

static void pong(void) {
  const struct timespec pause = {.tv_sec = 0, .tv_nsec = 20000000};
  cfg.keep_alive = 1;
  begin();
  play("20 02 00 00");
  expect("c0 00");
  nanosleep(&pause, NULL);
  play("d0 00");
  expect("c0 00");
  look();
  /* The exact time depends on the machine, but it cannot be less than the broker waited. */
  expect_that(stats.ping_ms >= 20 && stats.connected_ms >= stats.ping_ms);
  check("the duration of a ping, and the time since CONNACK");
  forget_events();
}

static void connect_timeout(void) {
  cfg.connect_timeout = 0.2;
  begin();
  expect_close();
  expect_reason("connect timeout", MGOS_MQTT_REASON_CONNECT_TIMEOUT);
  app_disconnect();
  check("why it ended: no CONNACK in time");
  forget_events();
}

static void unreachable(void) {
  stop_listening();
  create();
  app_connect();
  expect_reason("cannot reach server", MGOS_MQTT_REASON_UNREACHABLE);
  app_disconnect();
  listen_again();
  check("why it ended: connection refused");
  forget_events();
}

/* Attempts to connect with TLS, to a server that answers so and hangs up. */
static void expect_tls_failure(const char *answer, const char *words) {
  create();
  app_connect();
  expect_connection();
  if (answer != NULL) play(answer);
  drop();
  expect_reason(words, MGOS_MQTT_REASON_TLS);
  app_disconnect();
  forget_events();
}

static void tls(void) {
  cfg.ssl_ca_cert = "*";
  expect_tls_failure("15 03 03 0002 0228", "TLS failed; check mqtt.ssl_ca_cert and mqtt.server");
  check("why it ended: TLS, with CA certificates");
}

static void tls_cut_short(void) {
  cfg.ssl_ca_cert = "*";
  expect_tls_failure(NULL, "TLS failed; check mqtt.ssl_ca_cert and mqtt.server");
  check("why it ended: the server hangs up in the TLS handshake");
}

static void tls_pre_shared_key(void) {
  cfg.ssl_psk_identity = "device";
  cfg.ssl_psk_key = "9f86d081884c7d659a2feaa0c55ad015";
  expect_tls_failure("15 03 03 0002 0233", "TLS failed; check mqtt.ssl_psk_identity, ssl_psk_key and ssl_cipher_suites");
  check("why it ended: TLS, with a pre-shared key");
}

static void reconfigured(void) {
  connect_up();
  expect_that(app_set_config(&cfg));
  expect_close();
  expect_reason("configuration", MGOS_MQTT_REASON_CONFIG);
  app_disconnect();
  check("why it ended: another configuration");
  forget_events();
}

#else /* MQTT_UPSTREAM */

static void nothing(void) {
  check("the original has no statistics");
}

#endif /* MQTT_UPSTREAM */

static const struct script scripts[] = {
#ifdef MQTT_UPSTREAM
    {"nothing", nothing},
#endif
    HERE_ONLY("messages", messages, NO_STATS),
    HERE_ONLY("bytes", bytes, NO_STATS),
    HERE_ONLY("repeated", repeated, NO_STATS),
    HERE_ONLY("without a queue", without_a_queue, NO_STATS),
    HERE_ONLY("oversized", oversized, NO_STATS),
    HERE_ONLY("refused", refused, NO_STATS),
    HERE_ONLY("violation", violation, NO_STATS),
    HERE_ONLY("ping not answered", no_pong, NO_STATS),
    HERE_ONLY("ping", pong, NO_STATS),
    HERE_ONLY("connect timeout", connect_timeout, NO_STATS),
    HERE_ONLY("not listening", unreachable, NO_STATS),
    HERE_ONLY("TLS", tls, NO_STATS),
    HERE_ONLY("TLS cut short", tls_cut_short, NO_STATS),
    HERE_ONLY("pre-shared key", tls_pre_shared_key, NO_STATS),
    HERE_ONLY("another configuration", reconfigured, NO_STATS),
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
