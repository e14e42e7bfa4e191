/*
 * Keep-alive: pings, and the effect of missing pings and responses. Checks the order of events, not
 * their timing.
 */

#include <time.h>

#include "suite.h"

#define LOST "cloud DISCONNECTED\ng CLOSE\n"

static void connect_with(int keep_alive) {
  cfg.keep_alive = keep_alive;
  create();
  app_connect();
  expect_connection();
  expect("10 *");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
}

static void sleep_ms(long ms) {
  struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&pause, NULL);
}

static void pings(void) {
  connect_with(1);
  expect("c0 00");
  play("d0 00");
  expect("c0 00");
  play("d0 00");
  expect_that(app_is_connected());
  expect_events("");
  check("PINGREQ, and PINGREQ again after its response; no event");
}

static void not_answered(void) {
  connect_with(1);
  expect("c0 00");
#ifndef MQTT_UPSTREAM
  /* The interval ends before the response is due: something has to be sent [MQTT-3.1.2-23]. */
  if (packet_waits(PATIENCE)) expect("c0 00");
#endif
  if (has_connection()) expect_close();
  expect_events(LOST);
  check("a ping that is not answered ends the connection, without DISCONNECT");
  expect_connection();
  expect("10 *");
  check("and another follows");
  forget_events();
}

/* Constant publishing, and no response to anything. */
static void dead_but_busy(void) {
  const uint8_t *packet;
  int i, pings = 0;
  connect_with(1);
  for (i = 0; i < 12 && app_is_connected(); i++) {
    app_pub("t", "m", 0, false);
    sleep_ms(250);
  }
#ifdef MQTT_UPSTREAM
  expect_that(app_is_connected());
  for (i = 0; i < 12; i++) {
    receive_packet(&packet);
    pings += (packet[0] == 0xc0);
  }
  expect_number(pings, 0);
  check("as long as the app sends there is no ping, and a dead broker is not noticed");
#else
  expect_that(!app_is_connected());
  while (i-- > 0 && pings == 0) {
    receive_packet(&packet);
    pings += (packet[0] == 0xc0);
  }
  expect_number(pings, 1);
  expect_events(LOST);
  check("a dead broker is noticed although the app keeps sending");
#endif
  forget_events();
}

/* A broker that sends messages but answers no ping. */
static void deaf_broker(void) {
  int i;
  connect_with(1);
  expect("c0 00");
  for (i = 0; i < 12 && app_is_connected(); i++) {
    play("30 04 0001 't' 'm'");
    sleep_ms(250);
  }
#ifdef MQTT_UPSTREAM
  expect_that(!app_is_connected());
  check("other packets do not count as ping response");
#else
  expect_that(app_is_connected());
  check("any received data extends the time");
  while (packet_waits(PATIENCE)) expect("c0 00");
  expect_that(!has_connection());
  expect_logged("no PINGRESP, closing");
  check("and when nothing more arrives the ping still counts as unanswered");
#endif
  forget_events();
}

static void unasked(void) {
  connect_up();
  play("d0 00");
  expect_silence();
  check("an unsolicited PINGRESP does no harm");
}

static const struct script scripts[] = {
    {"pings", pings},
    {"ping not answered", not_answered},
    {"dead broker", dead_but_busy},
    {"deaf broker", deaf_broker},
    {"PINGRESP", unasked},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
