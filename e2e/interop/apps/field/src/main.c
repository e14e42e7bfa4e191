/*
 * field: behaviour of brokers and links in the field. field.part selects the part:
 *
 *   hang_up   a message of 5,000 bytes on which the broker hangs up, followed by three valid ones
 *   refused   three subscriptions, one of which the broker refuses, by SUBACK or by hanging up
 *   waiting   field.messages QoS 2 messages queued for this app's session
 *   cut       field.messages QoS 2 messages over a link that is cut; on field/out/clean, or with
 *             mqtt.clean_session false on field/out/kept
 *
 * Messages are numbers: 0, 1, ...
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mgos.h"
#include "mgos_event.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

#define GOOD 3
#define LATER 20

static int s_connected, s_published, s_acknowledged, s_stray;
static uint16_t s_large;          /* packet ID of the large message */
static uint8_t s_expected[65536]; /* outstanding acknowledgements by packet ID */
static int s_next, s_wrong, s_released;
static int s_set_aside, s_refused, s_given_up; /* as reported by the library's events */
static int s_subscribed, s_came;

static bool is_part(const char *part) {
  return strcmp(mgos_sys_config_get_field_part(), part) == 0;
}

static uint16_t publish(const char *topic, int number, int qos) {
  char text[12];
  uint16_t id = mgos_mqtt_pub(topic, text, snprintf(text, sizeof(text), "%d", number), qos, false);
  if (id == 0) check(false, "message %d is accepted for sending", number);
  s_expected[id]++;
  s_published++;
  return id;
}

static void on_acknowledged(uint16_t id) {
  if (s_expected[id] == 0) {
    s_stray++;
  } else {
    s_expected[id]--;
  }
  s_acknowledged++;
}

/* hang_up */

static void publish_later(void *arg) {
  if (s_published < GOOD + LATER) publish("field/out/good", s_published, 1);
  (void) arg;
}

static void check_hang_up(void) {
  struct mgos_mqtt_stats stats;
  static bool s_told = false;
  if (s_acknowledged < GOOD || s_set_aside == 0) return;
  if (!s_told) {
    s_told = true;
    check(s_stray == 0, "the valid messages are acknowledged with the packet IDs that mgos_mqtt_pub() returned");
    check(s_set_aside == 1 && s_given_up == 0, "MGOS_MQTT_EVENT_SET_ASIDE is raised once, and nothing is given up");
    check_tell("set aside after %d connections", s_connected);
    mgos_set_timer(50, MGOS_TIMER_REPEAT, publish_later, NULL);
  }
  if (s_acknowledged < GOOD + LATER) return;
  mgos_mqtt_conn_get_stats(mgos_mqtt_conn_from_nc(mgos_mqtt_get_global_conn()), &stats);
  check(stats.set_aside == 1 && stats.queued == 1, "the large message is still kept");
  check_tell("complete after %d connections", s_connected);
  check_done();
}

/* refused */

static void check_refused(void) {
  if (s_refused > 0 && s_subscribed == 2) check_tell("subscribed");
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  if (ev == MG_EV_MQTT_SUBACK) {
    s_subscribed++;
    check_refused();
  }
  if (ev != MG_EV_MQTT_PUBLISH) return;
  s_came |= (int) (intptr_t) ud;
  if (s_came != 3) return;
  check(true, "messages for the other two subscriptions arrive");
  check(s_refused == 1, "MGOS_MQTT_EVENT_SUB_REFUSED is raised once, with a count of 1");
  check_tell("complete after %d connections", s_connected);
  check_done();
  (void) nc;
  (void) msg;
}

static void on_forbidden(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == MG_EV_MQTT_PUBLISH) check(false, "no message comes for the refused subscription");
  (void) nc;
  (void) ev_data;
  (void) ud;
}

/* waiting */

static void check_waiting(void) {
  int all = mgos_sys_config_get_field_messages();
  /* Wait until the broker has released all, or it would send the last ones again. */
  if (all == 0 || s_released < all) return;
  check(s_next == all && s_wrong == 0, "%d queued QoS 2 messages arrive once and in order", all);
  check(s_connected == 1, "over one connection");
  check_done();
}

static void on_waiting(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char text[12];
  if (ev == MG_EV_MQTT_SUBACK) check_tell("subscribed");
  if (ev != MG_EV_MQTT_PUBLISH) return;
  snprintf(text, sizeof(text), "%.*s", (int) msg->payload.len, msg->payload.p);
  if (msg->qos != 2 || atoi(text) != s_next) s_wrong++;
  s_next++;
  (void) nc;
  (void) ud;
}

/* cut */

static void publish_cut(void *arg) {
  char topic[40];
  snprintf(topic, sizeof(topic), "field/out/%s", mgos_sys_config_get_mqtt_clean_session() ? "clean" : "kept");
  for (int i = 0; i < 2 && s_published < mgos_sys_config_get_field_messages(); i++) publish(topic, s_published, check_qos(2));
  (void) arg;
}

static void end_cut(void *arg) {
  int all = mgos_sys_config_get_field_messages();
  check(s_acknowledged == all && s_stray == 0, "each of %d packet IDs is acknowledged once, over %d connections", all, s_connected);
  check(s_given_up == 0, "nothing is given up");
  check_done();
  (void) arg;
}

static void check_cut(void) {
  int all = mgos_sys_config_get_field_messages();
  static bool s_ending = false;
  if (s_acknowledged < all || s_ending) return;
  s_ending = true;
  /* Time for anything unexpected to arrive. */
  mgos_set_timer(500, 0, end_cut, NULL);
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      check_wait("the next connection, or the end");
      if (++s_connected > 1) break;
      if (is_part("cut")) mgos_set_timer(10, MGOS_TIMER_REPEAT, publish_cut, NULL);
      /* Before CONNACK, after which the session's messages arrive. */
      if (is_part("waiting")) mgos_mqtt_conn_sub(mgos_mqtt_conn_from_nc(nc), "field/in/waiting", 2, on_waiting, NULL);
      break;
    case MG_EV_MQTT_PUBACK:
      on_acknowledged(msg->message_id);
      if (is_part("hang_up")) check_hang_up();
      if (is_part("cut")) check_cut();
      break;
    case MG_EV_MQTT_PUBCOMP:
      on_acknowledged(msg->message_id);
      check_cut();
      break;
    case MG_EV_MQTT_PUBREL:
      s_released++;
      check_waiting();
      break;
    case MG_EV_CLOSE:
      s_subscribed = 0;
      break;
  }
  (void) nc;
  (void) ud;
}

static void on_library_event(int ev, void *ev_data, void *ud) {
  const struct mgos_mqtt_event_arg *arg = (const struct mgos_mqtt_event_arg *) ev_data;
  switch (ev) {
    case MGOS_MQTT_EVENT_GIVEN_UP:
      s_given_up += arg->count;
      break;
    case MGOS_MQTT_EVENT_SET_ASIDE:
      s_set_aside += arg->count;
      check(arg->first_id == s_large && arg->last_id == s_large, "MGOS_MQTT_EVENT_SET_ASIDE carries the packet ID of the large message");
      check_hang_up();
      break;
    case MGOS_MQTT_EVENT_SUB_REFUSED:
      s_refused += arg->count;
      check_refused();
      break;
  }
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  static char s_text[5000];
  mgos_mqtt_add_global_handler(on_event, NULL);
  mgos_event_add_group_handler(MGOS_MQTT_EVENT_GIVEN_UP, on_library_event, NULL);
  check_wait("CONNACK");
  if (is_part("hang_up")) {
    memset(s_text, 'x', sizeof(s_text));
    s_large = mgos_mqtt_pub("field/out/large", s_text, sizeof(s_text), 1, false);
    check(s_large > 0, "a message is queued without a connection");
    for (int i = 0; i < GOOD; i++) publish("field/out/good", i, 1);
  } else if (is_part("refused")) {
    mgos_mqtt_global_subscribe(mg_mk_str("field/in/a"), on_message, (void *) 1);
    mgos_mqtt_global_subscribe(mg_mk_str("forbidden/x"), on_forbidden, NULL);
    mgos_mqtt_global_subscribe(mg_mk_str("field/in/b"), on_message, (void *) 2);
  }
  return MGOS_APP_INIT_SUCCESS;
}
