/*
 * qos: messages published at QoS 0, 1 and 2, received through subscriptions at QoS 0, 1 and 2.
 *
 * First, each of the nine combinations gets MESSAGES messages in one burst, which exceeds what a
 * broker accepts ahead: each must come back exactly once, in order, at the lower of the two QoS.
 * Then retained messages, an empty payload, and one of LARGE bytes.
 */

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

#define MESSAGES 20
#define LARGE 262144

static struct mgos_mqtt_conn *s_conn;
static int s_subscribed;
static int s_next[3][3]; /* next number, by QoS of subscription and of message */
static int s_wrong;      /* out of order, duplicated, or at a wrong QoS */
static int s_acknowledged[3];
static int s_large_qos; /* QoS of the large message */
static bool s_draining;
static uint16_t s_retained_id, s_cleared_id;
static int s_retained; /* messages seen by the subscription for retained ones */

static void publish(const char *topic, const char *msg, int qos, bool retain, uint16_t *id) {
  uint16_t taken = mgos_mqtt_pub(topic, msg, strlen(msg), qos, retain);
  if (taken == 0) check(false, "%s is taken for sending", topic);
  if (id != NULL) *id = taken;
}

static int number_in(struct mg_str s) {
  char text[12];
  snprintf(text, sizeof(text), "%.*s", (int) s.len, s.p);
  return atoi(text);
}

/* The QoS at which a message must arrive. */
static bool as_expected(int qos, int sub, int pub) {
  sub = check_qos(sub), pub = check_qos(pub);
  return qos == (sub < pub ? sub : pub) || (!mgos_sys_config_get_qos_lowered() && (qos == sub || qos == pub));
}

static char large_byte(int i) {
  return (char) (i * 31 + i / 251);
}

static void publish_large(int qos) {
  char *msg = (char *) malloc(LARGE);
  for (int i = 0; i < LARGE; i++) msg[i] = large_byte(i);
  s_large_qos = qos;
  check_wait("the large message");
  check(mgos_mqtt_pub("qos/2/large", msg, LARGE, check_qos(qos), false) > 0, "a payload of %d bytes is accepted for sending at QoS %d", LARGE, qos);
  free(msg);
}

static void on_large(struct mg_mqtt_message *msg) {
  int same = 0;
  for (int i = 0; i < (int) msg->payload.len && i < LARGE; i++) same += (msg->payload.p[i] == large_byte(i));
  check(msg->payload.len == LARGE && same == LARGE, "all of its bytes come back, at QoS %d", msg->qos);
  if (s_large_qos == 2) {
    publish_large(1);
    return;
  }
  /* For observers that connect later. */
  publish("kept/3", "for later", 1, true, &s_cleared_id);
  check_wait("the last acknowledgement");
}

/* The second subscription for retained messages: nothing is left for it. */
static void on_cleared(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  if (ev == MG_EV_MQTT_SUBACK) publish("kept/2", "not retained", 1, false, NULL);
  if (ev != MG_EV_MQTT_PUBLISH || mg_vcmp(&msg->topic, "kept/3") == 0) return;
  check(mg_vcmp(&msg->topic, "kept/2") == 0 && mg_vcmp(&msg->payload, "not retained") == 0,
        "an empty retained message has removed the retained one: the next subscriber sees only what is new");
  mgos_mqtt_unsub("kept/+");
  publish_large(2);
  (void) nc;
  (void) ud;
}

static void on_retained(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  if (ev != MG_EV_MQTT_PUBLISH || mg_vcmp(&msg->topic, "kept/1") != 0) return;
  if (++s_retained == 1) {
    check(mg_vcmp(&msg->payload, "kept") == 0, "a later subscriber gets the retained message");
    publish("kept/1", "", 1, true, NULL);
    check_wait("a message without payload");
  } else {
    check(msg->payload.len == 0, "a message without payload arrives as such");
    mgos_mqtt_conn_sub(s_conn, "kept/+", 1, on_cleared, NULL);
    check_wait("the retained message");
  }
  (void) nc;
  (void) ud;
}

static void publish_all(void) {
  check_wait("all messages to come back and to be acknowledged");
  for (int i = 0; i < MESSAGES; i++) {
    for (int pair = 0; pair < 9; pair++) {
      char topic[20], text[12];
      snprintf(topic, sizeof(topic), "qos/%d/from/%d", pair / 3, pair % 3);
      snprintf(text, sizeof(text), "%d", i);
      /* At QoS 2 even if the broker is limited to 1: then PUBACK is the response. */
      publish(topic, text, pair % 3, false, NULL);
    }
  }
}

/* Number of messages at this QoS. */
static int messages_at(int qos) {
  int n = 0;
  for (int asked = 0; asked < 3; asked++) n += (check_qos(asked) == qos ? 3 * MESSAGES : 0);
  return n;
}

static bool all_arrived(void) {
  for (int sub = 0; sub < 3; sub++) {
    for (int pub = 0; pub < 3; pub++) {
      if (s_next[sub][pub] < MESSAGES) return false;
    }
  }
  return s_acknowledged[1] >= messages_at(1) && s_acknowledged[2] >= messages_at(2);
}

static void look_at_the_count(void) {
  static bool s_reported = false;
  if (s_reported || !all_arrived()) return;
  s_reported = true;
  check(s_wrong == 0, "%d messages of each of 9 QoS combinations come back once, in order, %s", MESSAGES,
        mgos_sys_config_get_qos_lowered() ? "at the lower QoS" : "at one of both");
  check(s_acknowledged[1] == messages_at(1), "each message at QoS 1 is acknowledged by one PUBACK");
  check(s_acknowledged[2] == messages_at(2), "each message at QoS 2 is completed by one PUBCOMP");
  s_draining = true;
  check_wait("mgos_mqtt_num_unsent_bytes() to return 0");
}

static void look_at_what_is_left(void) {
  if (!s_draining || mgos_mqtt_num_unsent_bytes() > 0) return;
  s_draining = false;
  check(true, "once everything is acknowledged, mgos_mqtt_num_unsent_bytes() returns 0");
  check_wait("the acknowledgement of a retained message");
  publish("kept/1", "kept", 1, true, &s_retained_id);
}

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  int sub = (int) (intptr_t) ud, pub, number;
  if (ev == MG_EV_MQTT_SUBACK) {
    if (++s_subscribed < 3) return;
    check(true, "subscriptions at QoS 0, 1 and 2, with and without wildcards, are acknowledged");
    publish_all();
    return;
  }
  if (ev != MG_EV_MQTT_PUBLISH) return;
  if (mg_vcmp(&msg->topic, "qos/2/large") == 0) {
    on_large(msg);
    return;
  }
  if (msg->topic.len != 12 || msg->payload.len == 0) {
    s_wrong++;
    return;
  }
  pub = msg->topic.p[11] - '0';
  number = number_in(msg->payload);
  if (!as_expected(msg->qos, sub, pub) || number != s_next[sub][pub]) {
    LOG(LL_ERROR, ("%.*s: %d at QoS %d, expected %d", (int) msg->topic.len, msg->topic.p, number, msg->qos, s_next[sub][pub]));
    s_wrong++;
  }
  s_next[sub][pub]++;
  look_at_the_count();
  (void) nc;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      check(msg->connack_ret_code == 0 && mgos_mqtt_global_is_connected(), "connected");
      check_wait("subscriptions to be acknowledged");
      s_conn = mgos_mqtt_conn_from_nc(nc);
      mgos_mqtt_conn_sub(s_conn, "qos/0/#", 0, on_message, (void *) 0);
      mgos_mqtt_conn_sub(s_conn, "qos/1/+/+", 1, on_message, (void *) 1);
      mgos_mqtt_conn_sub(s_conn, "+/2/#", 2, on_message, (void *) 2);
      break;
    case MG_EV_MQTT_PUBACK:
      s_acknowledged[1]++;
      look_at_the_count();
      if (msg->message_id == s_retained_id) {
        s_retained_id = 0;
        check_wait("the retained message");
        mgos_mqtt_conn_sub(s_conn, mgos_sys_config_get_qos_kept(), 1, on_retained, NULL);
      } else if (msg->message_id == s_cleared_id) {
        check_done();
      }
      break;
    case MG_EV_MQTT_PUBCOMP:
      s_acknowledged[2]++;
      look_at_the_count();
      break;
    case MG_EV_POLL:
      look_at_what_is_left();
      break;
    case MG_EV_CLOSE:
      check(false, "the connection stays up");
      check_done();
      break;
  }
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
