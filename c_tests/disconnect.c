/*
 * disconnect(): what is still sent, which events are raised, and that it lasts. Other disconnects:
 * reconnect.c, keepalive.c.
 */

#include <string.h>

#include "suite.h"

#define LOST "cloud DISCONNECTED\ng CLOSE\n"

static void disconnect_and_look(void *arg) {
  app_disconnect();
  record("still %sconnected", app_is_connected() ? "" : "not ");
  (void) arg;
}

static void connected(void) {
  create_global();
  app_sub("s", 1, "s");
  connect_up();
  expect("82 06 0001 0001 's' 01");
  in_app(disconnect_and_look, NULL);
  expect("e0 00");
  expect_close();
  expect_events("still connected\n" LOST);
  expect_that(!app_is_connected());
  check("DISCONNECT, the close, then the events");
  expect_no_connection(300);
  app_ip_acquired();
  expect_no_connection(100);
  check("it stays so, also when the network comes up");
  expect_that(app_pub("t", "m", 1, false) > 0);
  expect_number(app_num_unsent_bytes(), 1);
  expect_that(app_connect());
  come_back();
  expect(EITHER("82 06 0001 0001 's' 01", "82 06 0003 0001 's' 01"));
  expect(EITHER("32 06 0001 't' 0002 'm'", "3a 06 0001 't' 0002 'm'"));
  check("subscriptions and the queue are kept until connect()");
}

static void publish_and_disconnect(void *arg) {
  static char payload[3000];
  memset(payload, 'x', sizeof(payload));
  app_pub_bytes("t", payload, sizeof(payload), 0, false);
  app_disconnect();
  (void) arg;
}

static void flushed(void) {
  connect_up();
  in_app(publish_and_disconnect, NULL);
  expect("30 bb 17 0001 't' 'xxxx' *");
  expect("e0 00");
  expect_close();
  expect_events(LOST);
  check("what was published before is sent first");
}

static void disconnect_and_publish(void *arg) {
  app_disconnect();
  record("id %d", app_pub("t", "m", 0, false));
  (void) arg;
}

static void nothing_after(void) {
  connect_up();
  in_app(disconnect_and_publish, NULL);
  expect("e0 00");
#ifdef MQTT_UPSTREAM
  expect("30 04 0001 't' 'm'");
#endif
  expect_close();
  expect_events(EITHER("id 0\n" LOST, "id 1\n" LOST));
  check(EITHER("nothing is sent after DISCONNECT", "a message is sent after DISCONNECT"));
}

static void publish_and_disconnect_twice(void *arg) {
  expect_that(app_pub("t", "m", 0, false) > 0);
  app_disconnect();
  app_disconnect();
  (void) arg;
}

static void twice(void) {
  connect_up();
  in_app(publish_and_disconnect_twice, NULL);
  expect("30 04 0001 't' 'm'");
  expect("e0 00");
#ifdef MQTT_UPSTREAM
  expect("e0 00");
#endif
  expect_close();
  expect_events(LOST);
  check(EITHER("twice: what was written before goes out, and one DISCONNECT", "twice: what was written before goes out, and each DISCONNECT"));
}

static void before_connack(void) {
  create();
  app_connect();
  expect_connect();
  app_disconnect();
  expect("e0 00");
  expect_close();
  expect_no_connection(300);
  expect_events("cloud CONNECTING\n");
  check("before CONNACK: the same, without events");
}

static void connect_and_disconnect(void *arg) {
  app_connect();
  app_disconnect();
  (void) arg;
}

static void before_connect(void) {
  create();
  in_app(connect_and_disconnect, NULL);
#ifdef MQTT_UPSTREAM
  expect_connection();
  expect("e0 00");
  check("before CONNECT: only a DISCONNECT");
#else
  /* There may have been a connection or not. */
  if (connection_waits(200)) {
    expect_connection();
    expect_close();
  }
  check("before CONNECT: nothing is sent");
#endif
  forget_events();
}

static void disconnect_in_handler(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  record_event(nc, ev, ev_data, ud);
  if (ev == MG_EV_MQTT_PUBLISH) app_disconnect();
}

static void in_handler(void) {
  create();
  app_sub_handler("a", 1, disconnect_in_handler, "a");
  connect_up();
  expect("82 06 0001 0001 'a' 01");
  play("32 06 0001 'a' 0007 'm'");
  expect("40 02 0007");
  expect("e0 00");
  expect_close();
  expect_events("a PUBLISH a=m qos1 id7\n" LOST);
  check("in a message's handler: PUBACK, then DISCONNECT");
}

static void while_waiting(void) {
  cfg.reconnect_timeout_min = cfg.reconnect_timeout_max = 0.3;
  connect_up();
  drop();
  expect_events(LOST);
  expect_logged("connecting after");
  app_disconnect();
#ifdef MQTT_UPSTREAM
  expect_connect();
  check("while waiting to reconnect: no effect");
#else
  expect_no_connection(700);
  check("while waiting to reconnect: no further attempt");
#endif
  app_connect();
#ifndef MQTT_UPSTREAM
  expect_connect();
#endif
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\ng CONNACK\n");
  check("until connect()");
}

static const struct script scripts[] = {
    {"connected", connected},
    {"published before", flushed},
    {"published behind", nothing_after},
    {"twice", twice},
    {"before CONNACK", before_connack},
    {"before CONNECT", before_connect},
    {"in a handler", in_handler},
    {"waiting", while_waiting},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
