/*
 * The connection's handlers: which events they get, in which order, and in which state.
 */

#include <string.h>

#include "suite.h"

static void state_in_handler(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  const char *name = (ev == MG_EV_MQTT_CONNACK ? "CONNACK" : ev == MG_EV_CLOSE ? "CLOSE" : ev == MG_EV_MQTT_PUBACK ? "PUBACK" : NULL);
  if (name == NULL) return;
  record("%s %s, %sconnected, %lu bytes", (const char *) ud, name, app_is_connected() ? "" : "not ",
         (unsigned long) app_num_unsent_bytes());
  (void) nc, (void) ev_data;
}

static void on_cloud(int ev, void *ev_data, void *ud) {
  record("%s, %sconnected", (const char *) ud, app_is_connected() ? "" : "not ");
  (void) ev, (void) ev_data;
}

static void order(void) {
  create_global();
  app_add_handler(record_event, "second");
  app_add_handler(record_event, "third");
  app_connect();
  expect_connect();
  expect_that(!app_is_connected());
  expect_that(app_nc() != NULL);
  check("there is a connection before CONNACK, but it is not connected");
  play("20 02 00 00");
  expect_events("cloud CONNECTING\ncloud CONNECTED\nthird CONNACK\nsecond CONNACK\ng CONNACK\n");
  check("the newest handler is called first");
  expect_that(app_is_connected());
  drop();
  expect_events("cloud DISCONNECTED\nthird CLOSE\nsecond CLOSE\ng CLOSE\n");
  check("CLOSE comes after the cloud event, with no connection");
  expect_that(!app_is_connected());
  check("is_connected() from CONNACK to CLOSE");
}

static void states(void) {
  create();
  app_add_handler(state_in_handler, "h");
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTED, on_cloud, "CONNECTED");
  mgos_event_add_handler(MGOS_EVENT_CLOUD_DISCONNECTED, on_cloud, "DISCONNECTED");
  app_connect();
  expect_connect();
  play("20 02 00 00");
  expect_events("cloud CONNECTING\nCONNECTED, connected\ncloud CONNECTED\nh CONNACK, connected, 0 bytes\ng CONNACK\n");
  app_pub("t", "123", 1, false);
  expect("32 08 0001 't' 0001 '123'");
  play("40 02 0001");
  expect_events("h PUBACK, connected, 0 bytes\ng PUBACK 1\n");
  check("at PUBACK the message is gone from the queue");
  drop();
  expect_events("DISCONNECTED, not connected\ncloud DISCONNECTED\nh CLOSE, not connected, 0 bytes\ng CLOSE\n");
  check("at CLOSE it is not connected any more");
  mgos_event_remove_handler(MGOS_EVENT_CLOUD_CONNECTED, on_cloud, "CONNECTED");
  mgos_event_remove_handler(MGOS_EVENT_CLOUD_DISCONNECTED, on_cloud, "DISCONNECTED");
}

static void events(void) {
  unsigned before;
  connect_up();
  play("d0 00");
  play("40 02 0009 50 02 0009 62 02 0009 70 02 0009 90 03 0009 00");
#ifdef MQTT_UPSTREAM
  expect("62 02 0009");
  expect_events("g PUBACK 9\ng PUBREC 9\ng PUBREL 9\ng PUBCOMP 9\ng SUBACK 9\n");
  play("b0 02 0009");
  expect_events("g UNSUBACK 0\n");
  check("all acknowledgements reach the handlers, but not PINGRESP; UNSUBACK without its identifier");
#else
  expect("62 02 0009");
  expect("70 02 0009");
  expect_events("g PUBACK 9\ng PUBREC 9\ng PUBREL 9\ng PUBCOMP 9\ng SUBACK 9\n");
  play("b0 02 0009");
  expect_events("g UNSUBACK 9\n");
  check("all acknowledgements reach the handlers, but not PINGRESP");
#endif
  before = polls_seen();
  expect_silence();
  app_nc();
  expect_that(polls_seen() > before);
  check("and MG_EV_POLL repeatedly");
}

static void unsuccessful(void) {
  create();
  app_connect();
  expect_connect();
  expect_that(polls_seen() > 0);
  check("MG_EV_POLL comes before CONNACK, too");
  expect_events("cloud CONNECTING\n");
  drop();
  expect_connection();
  check("without CONNACK there is no MG_EV_CLOSE");
  expect_events(EITHER("cloud CONNECTERROR\ncloud CONNECTING\n", "cloud CONNECTING\n"));
}

static void pub_and_record(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == MG_EV_MQTT_PUBACK || ev == MG_EV_MQTT_PUBREC) app_pub("h", "m", 0, false);
  (void) nc, (void) ev_data, (void) ud;
}

static void acknowledged_in_handler(void) {
  create();
  app_add_handler(pub_and_record, "h");
  connect_up();
  app_pub("t", "m", 2, false);
  expect("34 06 0001 't' 0001 'm'");
  play("50 02 0001");
  expect("62 02 0001");
  expect("30 04 0001 'h' 'm'");
  expect_events("g PUBREC 1\n");
  check("PUBREL is sent before the handlers get PUBREC");
}

static void close_in_handler(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == MG_EV_MQTT_PUBLISH) nc->flags |= MG_F_CLOSE_IMMEDIATELY;
  (void) ev_data, (void) ud;
}

static void closed_by_app(void) {
  create();
  app_add_handler(close_in_handler, "h");
  connect_up();
  play("30 04 0001 't' 'm'");
  expect_close();
  expect_events("g PUBLISH t=m\ncloud DISCONNECTED\ng CLOSE\n");
  check("an app closes with MG_F_CLOSE_IMMEDIATELY");
  come_back();
  check("and the connection is re-established");
}

static const struct script scripts[] = {
    {"order of handlers", order},
    {"state in handlers", states},
    {"events", events},
    {"no CONNACK", unsuccessful},
    {"PUBREL", acknowledged_in_handler},
    {"closing", closed_by_app},
};

enum mgos_app_init_result mgos_app_init(void) {
  return suite_start(scripts, COUNT(scripts));
}
