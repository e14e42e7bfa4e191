/*
 * cut: messages both ways over a connection that is cut repeatedly.
 *
 *   cut/in/1, cut/in/2     the numbers 0, 1, ...; each must arrive, at QoS 2 exactly once
 *   cut/out/1, cut/out/2   the same from here
 *
 * Once everything has arrived and is acknowledged, the app reports that, and exits on the message
 * "end" on cut/in/2.
 */

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

#define MOST 1000

static int s_connected, s_subscribed, s_published;
static int s_acknowledged[3];
static unsigned char s_came[3][MOST]; /* arrivals by QoS and number */

static int count(int qos, int least, int most) {
  int n = 0;
  for (int i = 0; i < mgos_sys_config_get_cut_messages(); i++) n += (s_came[qos][i] >= least && s_came[qos][i] <= most);
  return n;
}

static void look_at_the_count(void) {
  static bool s_told = false;
  int all = mgos_sys_config_get_cut_messages();
  int at_1 = (check_qos(2) == 2 ? all : 2 * all), at_2 = 2 * all - at_1;
  if (s_told || s_acknowledged[1] < at_1 || s_acknowledged[2] < at_2 || count(1, 1, 255) < all || count(2, 1, 255) < all) return;
  s_told = true;
  check(s_acknowledged[1] == at_1 && s_acknowledged[2] == at_2, "each message is acknowledged once");
  check_tell("complete");
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  int qos = (int) (intptr_t) ud, all = mgos_sys_config_get_cut_messages(), number;
  char text[12];
  if (ev == MG_EV_MQTT_SUBACK && ++s_subscribed == 2) check_tell("subscribed");
  if (ev != MG_EV_MQTT_PUBLISH) return;
  if (mg_vcmp(&msg->payload, "end") == 0) {
    check(count(1, 1, 255) == all, "%d QoS 1 messages arrive over %d connections", all, s_connected);
    if (mgos_sys_config_get_cut_once()) {
      check(count(2, 1, 1) == all, "%d QoS 2 messages arrive over %d connections, each exactly once", all, s_connected);
    } else {
      check(count(2, 1, 255) == all, "%d QoS 2 messages arrive over %d connections", all, s_connected);
    }
    check_done();
  }
  snprintf(text, sizeof(text), "%.*s", (int) msg->payload.len, msg->payload.p);
  number = atoi(text);
  if (number >= 0 && number < all && s_came[qos][number] < 255) s_came[qos][number]++;
  look_at_the_count();
  (void) nc;
}

static void publish_next(void *arg) {
  int all = mgos_sys_config_get_cut_messages();
  for (int i = 0; i < 3 && s_published < all; i++, s_published++) {
    char text[12];
    snprintf(text, sizeof(text), "%d", s_published);
    if (mgos_mqtt_pub("cut/out/1", text, strlen(text), 1, false) == 0 || mgos_mqtt_pub("cut/out/2", text, strlen(text), check_qos(2), false) == 0) {
      check(false, "message %d is accepted for sending", s_published);
    }
  }
  (void) arg;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      check_wait("the next connection, or the end");
      if (++s_connected > 1) break;
      mgos_mqtt_conn_sub(mgos_mqtt_conn_from_nc(nc), "cut/in/1", 1, on_message, (void *) 1);
      mgos_mqtt_conn_sub(mgos_mqtt_conn_from_nc(nc), "cut/in/2", 2, on_message, (void *) 2);
      /* Connected or not. */
      mgos_set_timer(10, MGOS_TIMER_REPEAT, publish_next, NULL);
      break;
    case MG_EV_MQTT_PUBACK:
      s_acknowledged[1]++;
      look_at_the_count();
      break;
    case MG_EV_MQTT_PUBCOMP:
      s_acknowledged[2]++;
      look_at_the_count();
      break;
  }
  (void) ev_data;
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
