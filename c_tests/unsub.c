/*
 * unsub(): what is sent to the broker, which of several subscriptions is removed, and who owns the
 * user data.
 */

#include "suite.h"

static void on_message(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  record("%s %.*s=%.*s", (const char *) ud, topic_len, topic, msg_len, msg);
  (void) nc;
}

/* mgos_mqtt_sub() was called in mgos_app_init(), with user data that must not be freed. */
static void of_plain_handler(void) {
  create_global();
  connect_up();
  expect("82 08 0001 0003 'a/1' 01");
  play("30 05 0003 'a/1'");
  expect_events("a a/1=\n");
  expect_that(app_unsub("a/1"));
  expect("a2 07 0002 0003 'a/1'");
  check("what mgos_mqtt_sub() made is removed");
  play("b0 02 0002 30 05 0003 'a/1'");
  expect_events(EITHER("g UNSUBACK 2\ng PUBLISH a/1=\n", "g UNSUBACK 0\ng PUBLISH a/1=\n"));
  check("messages go to the connection's handlers then");
}

static void connected(void) {
  create();
  app_sub("out", 1, "out");
  app_sub("in/x", 1, "in");
  connect_up();
  expect("82 *");
  expect("82 *");
  expect_that(app_unsub("in/x"));
  expect("a2 08 0003 0004 'in/x'");
  check("UNSUBSCRIBE is sent, and true is returned");
  expect_that(!app_unsub("in/x"));
  expect_that(!app_unsub("in/+"));
  expect_silence();
  check("false, and no packet, where there is no such subscription");
  drop();
  expect_events("cloud DISCONNECTED\ng CLOSE\n");
  come_back();
  expect(EITHER("82 08 0002 0003 'out' 01", "82 08 0004 0003 'out' 01"));
  expect_silence();
  check("removed filters are not subscribed again");
}

static void offline(void) {
  create();
  app_sub("a", 1, "a");
  expect_that(app_unsub("a"));
  connect_up();
  expect_silence();
  check("without a connection there is no packet");
}

static void one_of_two(void) {
  create();
  app_sub("a", 1, "old");
  app_sub("a", 1, "new");
  connect_up();
  expect("82 *");
  expect("82 *");
  expect_that(app_unsub("a"));
#ifdef MQTT_UPSTREAM
  expect("a2 05 0003 0001 'a'");
#endif
  expect_silence();
  play("30 04 0001 'a' 'm'");
  expect_events("old PUBLISH a=m\n");
  check("of two with the same filter the newer is removed");
  expect_that(app_unsub("a"));
  expect(EITHER("a2 05 0003 0001 'a'", "a2 05 0004 0001 'a'"));
  play("30 04 0001 'a' 'm'");
  expect_events("g PUBLISH a=m\n");
  check(EITHER("UNSUBSCRIBE is sent for the last of them", "UNSUBSCRIBE is sent for each of them"));
}

static void unsub_other(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  record_event(nc, ev, ev_data, ud);
  if (ev == MG_EV_MQTT_PUBLISH) app_unsub("a/#");
}

static void another_in_handler(void) {
  create();
  app_sub("a/#", 1, "other");
  app_sub_handler("a/1", 1, unsub_other, "a");
  connect_up();
  expect("82 *");
  expect("82 *");
  play("30 06 0003 'a/1' 'm'");
  expect("a2 07 0003 0003 'a/#'");
  expect_events("a PUBLISH a/1=m\n");
  check("one that is removed by a handler before its turn is not called");
}

#ifndef MQTT_UPSTREAM
static void unsub_self(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  const struct mg_mqtt_message *m = (const struct mg_mqtt_message *) ev_data;
  record_event(nc, ev, ev_data, ud);
  if (ev != MG_EV_MQTT_PUBLISH) return;
  app_unsub("a/1");
  /* The message is unchanged. */
  record("%.*s", (int) m->payload.len, m->payload.p);
}

/* The original continues with memory that it has freed. */
static void itself_in_handler(void) {
  create();
  app_sub("a/#", 1, "other");
  app_sub_handler("a/1", 1, unsub_self, "a");
  connect_up();
  expect("82 *");
  expect("82 *");
  play("32 08 0003 'a/1' 0007 'm'");
  expect("40 02 0007");
  expect("a2 07 0003 0003 'a/1'");
  expect_events("a PUBLISH a/1=m qos1 id7\nm\nother PUBLISH a/1=m qos1 id7\n");
  play("30 06 0003 'a/1' 'm'");
  expect_events("other PUBLISH a/1=m\n");
  check("a handler may remove its own subscription");
}

/* The original frees user data, which here are a string constant. */
static void user_data(void) {
  static char data[] = "static";
  create();
  app_sub("a", 1, data);
  expect_that(app_unsub("a"));
  check("user data remain the app's");
}
#endif

static const struct script scripts[] = {
    {"mgos_mqtt_unsub()", of_plain_handler},
    {"connected", connected},
    {"offline", offline},
    {"two of a filter", one_of_two},
    {"another in a handler", another_in_handler},
    HERE_ONLY("itself in a handler", itself_in_handler, "it goes on in memory that it has freed"),
    HERE_ONLY("user data", user_data, "it frees them, and crashes with a string constant"),
};

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_sub("a/1", on_message, "a");
  return suite_start(scripts, COUNT(scripts));
}
