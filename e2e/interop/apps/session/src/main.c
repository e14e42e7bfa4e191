/*
 * session: a session that outlives connections, with messages both ways while there is none.
 *
 *   session/in/1, session/in/2     the numbers 0, 1, ...; each must arrive exactly once
 *   session/out/1, session/out/2   the same, published while offline; the prefix is session.out
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

static int s_subscribed, s_connected, s_acknowledged[3];
static int s_next[3]; /* next number, by QoS; as many arrived before it */
static bool s_came[3][100];
static bool s_leaving;
static uint16_t s_farewell;
static int s_wrong, s_ended, s_released;

static int number_in(struct mg_str s) {
  char text[12];
  snprintf(text, sizeof(text), "%.*s", (int) s.len, s.p);
  return atoi(text);
}

/*
 * Wait until the broker knows that the last message has arrived, or it would send it again in the
 * next connection. At QoS 2 that is when it has released all; else when it acknowledges a message
 * sent after our acknowledgements.
 */
static void leave_if_all_is_settled(void) {
  if (s_ended < 2 || s_leaving) return;
  if (check_qos(2) < 2) {
    s_leaving = true;
    s_farewell = mgos_mqtt_pub("session/farewell", "", 0, 1, false);
  } else if (s_released == mgos_sys_config_get_session_messages() + 1) {
    s_leaving = true;
    mgos_mqtt_global_disconnect();
  }
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  int qos = (int) (intptr_t) ud, expected = mgos_sys_config_get_session_messages(), number;
  if (ev == MG_EV_MQTT_SUBACK && ++s_subscribed == 2) check_tell("subscribed");
  if (ev != MG_EV_MQTT_PUBLISH) return;
  /* Below QoS 2 a broker that was killed may have forgotten our acknowledgements. */
  if (expected == 0 && check_qos(2) < 2) return;
  if (mg_vcmp(&msg->payload, "end") != 0) {
    number = number_in(msg->payload);
    if (msg->qos != check_qos(qos) || number < 0 || number >= 100 || s_came[qos][number]) {
      s_wrong++;
    } else {
      s_came[qos][number] = true;
      if (mgos_sys_config_get_session_keeps_order() && number != s_next[qos]) s_wrong++;
    }
    s_next[qos]++;
    return;
  }
  check(s_wrong == 0 && s_next[qos] == expected, "%d messages at QoS %d, sent while the app was offline, arrive once%s", expected, qos,
        mgos_sys_config_get_session_keeps_order() ? " and in order" : "");
  s_ended++;
  leave_if_all_is_settled();
  (void) nc;
}

static uint16_t publish(int level, const char *text, int qos) {
  char topic[40];
  snprintf(topic, sizeof(topic), "%s/%d", mgos_sys_config_get_session_out(), level);
  return mgos_mqtt_pub(topic, text, strlen(text), qos, false);
}

static void publish_all(void) {
  int i, n = mgos_sys_config_get_session_publish(), kept = 0;
  for (i = 0; i < n; i++) {
    char text[12];
    snprintf(text, sizeof(text), "%d", i);
    if (publish(1, text, 1) > 0) kept++;
    if (publish(2, text, check_qos(2)) > 0) kept++;
  }
  check(kept == 2 * n, "%d messages are queued without a connection", kept);
  check(publish(0, "", 0) == 0, "a QoS 0 message is not, and mgos_mqtt_pub() returns 0");
  check_tell("published");
  check_wait("all to be acknowledged");
}

static void on_acknowledged(int qos) {
  int n = mgos_sys_config_get_session_publish();
  int at_1 = (check_qos(2) == 2 ? n : 2 * n), at_2 = 2 * n - at_1;
  s_acknowledged[qos]++;
  if (n == 0 || s_acknowledged[1] < at_1 || s_acknowledged[2] < at_2) return;
  check(s_acknowledged[1] == at_1 && s_acknowledged[2] == at_2, "each of them is acknowledged, once");
  check_done();
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      check_wait("the last message");
      if (++s_connected > 1) break;
      /* Before CONNACK, after which the session's messages arrive. */
      mgos_mqtt_conn_sub(mgos_mqtt_conn_from_nc(nc), "session/in/1", 1, on_message, (void *) 1);
      mgos_mqtt_conn_sub(mgos_mqtt_conn_from_nc(nc), "session/in/2", 2, on_message, (void *) 2);
      break;
    case MG_EV_MQTT_PUBACK:
      if (s_farewell > 0 && msg->message_id == s_farewell) mgos_mqtt_global_disconnect();
      on_acknowledged(1);
      break;
    case MG_EV_MQTT_PUBCOMP:
      on_acknowledged(2);
      break;
    case MG_EV_MQTT_PUBREL:
      s_released++;
      leave_if_all_is_settled();
      break;
    case MG_EV_CLOSE:
      if (s_ended == 2) check_done();
      if (s_connected == 1 && mgos_sys_config_get_session_publish() > 0) publish_all();
      break;
  }
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
