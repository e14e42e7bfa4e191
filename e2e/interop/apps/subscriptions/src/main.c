/*
 * subscriptions: two of them to one filter, removed one after the other. A message on subs/mark,
 * published afterwards, shows when everything earlier has arrived.
 */

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static int s_older, s_newer; /* messages seen by each handler */
static int s_unsubacks;
static int s_step;

static void say(const char *topic) {
  mgos_mqtt_pub(topic, "x", 1, 1, false);
}

static void on_suback(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev != MG_EV_MQTT_SUBACK) return;
  check_wait("the next message");
  say("subs/x");
  say("mark");
  (void) nc, (void) ev_data, (void) ud;
}

/* Publishes after the SUBACK of a last subscription, so of all: not every broker has acted on a
 * SUBSCRIBE before it forwards the PUBLISH behind it. */
static void say_once_subscribed(void) {
  check_wait("SUBACK");
  mgos_mqtt_global_subscribe(mg_mk_str("last"), on_suback, NULL);
}

static void on_older(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  s_older++;
  (void) nc, (void) topic, (void) topic_len, (void) msg, (void) msg_len, (void) ud;
}

static void on_newer(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  s_newer++;
  /* In its own handler, as apps do. */
  if (s_newer == 2) check(mgos_mqtt_unsub("subs/+"), "a handler removes its own subscription");
  (void) nc, (void) topic, (void) topic_len, (void) msg, (void) msg_len, (void) ud;
}

static void on_mark(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  /* Not every broker preserves the order across subscriptions. */
  static const int expected[] = {2, 4, 5, 5, 6};
  static int again = 0;
  check_wait("the next step");
  if (s_older + s_newer < expected[s_step] && again++ < 100) {
    say("mark");
    return;
  }
  switch (s_step++) {
    case 0:
      check(s_older == 1 && s_newer == 1, "both handlers of a filter get a message, once each");
      say("subs/x");
      say("mark");
      break;
    case 1:
      check(s_older == 2 && s_newer == 2 && s_unsubacks == 0, "no UNSUBSCRIBE is sent while one subscription to the filter remains");
      say("subs/x");
      say("mark");
      break;
    case 2:
      check(s_older == 3 && s_newer == 2, "the remaining handler gets the next message, the other does not");
      check(mgos_mqtt_unsub("subs/+"), "the last subscription is removed");
      check(!mgos_mqtt_unsub("subs/+"), "none is left to remove");
      say("subs/x");
      say("mark");
      break;
    case 3:
      check(s_older == 3 && s_newer == 2 && s_unsubacks == 1, "then UNSUBSCRIBE is sent, and nothing arrives any more");
      mgos_mqtt_sub("subs/+", on_newer, NULL);
      say_once_subscribed();
      break;
    case 4:
      check(s_older == 3 && s_newer == 3, "it can be subscribed again");
      check_done();
      break;
  }
  (void) nc, (void) topic, (void) topic_len, (void) msg, (void) msg_len, (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      say_once_subscribed();
      break;
    case MG_EV_MQTT_UNSUBACK:
      s_unsubacks++;
      break;
    case MG_EV_MQTT_PUBLISH:
      check(false, "no message arrives without a subscription");
      break;
  }
  (void) nc;
  (void) ev_data;
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  mgos_mqtt_sub("subs/+", on_older, NULL);
  mgos_mqtt_sub("subs/+", on_newer, NULL);
  mgos_mqtt_sub("mark", on_mark, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
