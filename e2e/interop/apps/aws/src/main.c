/*
 * aws: a thing of AWS IoT, and its shadow.
 *
 * As in the shadow library: one handler for all events of the connection. At CONNACK it subscribes
 * to five topics in one packet; the response to that packet shows that the shadow is available; in
 * the next round of the loop it requests the state, and it acknowledges messages itself. The app
 * also has a subscription of its own.
 *
 *   $aws/things/THING/shadow/...   get, update; responses append /accepted, /rejected, /delta
 *   things/THING/orders            the app's own
 */

#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static const char *const s_topics[] = {"get/accepted", "get/rejected", "update/accepted", "update/rejected", "update/delta"};

#define TOPICS (sizeof(s_topics) / sizeof(s_topics[0]))

static int s_connected;
static bool s_want_get, s_orders;
static uint16_t s_subscribing;

static const char *thing(void) {
  const char *set = mgos_sys_config_get_aws_thing_name();
  return set != NULL ? set : mgos_sys_config_get_device_id();
}

/* To be freed. */
static char *shadow_topic(const char *rest) {
  char *topic = NULL;
  mg_asprintf(&topic, 0, "$aws/things/%s/shadow/%s", thing(), rest);
  return topic;
}

static void subscribe(struct mg_connection *nc) {
  struct mg_mqtt_topic_expression topics[TOPICS];
  for (size_t i = 0; i < TOPICS; i++) {
    topics[i].topic = shadow_topic(s_topics[i]);
    topics[i].qos = 1;
  }
  s_subscribing = mgos_mqtt_get_packet_id();
  mg_mqtt_subscribe(nc, topics, TOPICS, s_subscribing);
  for (size_t i = 0; i < TOPICS; i++) free((char *) topics[i].topic);
}

/* Published at QoS 2, which AWS does not accept: mqtt.max_qos reduces it. */
static void publish(const char *rest, const char *what) {
  char *topic = shadow_topic(rest);
  check(mgos_mqtt_pub(topic, what, strlen(what), 2, false) > 0, "%s: %s", rest, what);
  free(topic);
}

/* The part of a topic after .../shadow/. */
static struct mg_str rest_of(const struct mg_str topic) {
  char *prefix = shadow_topic("");
  size_t len = strlen(prefix);
  struct mg_str rest = MG_NULL_STR;
  if (topic.len > len && memcmp(topic.p, prefix, len) == 0) rest = mg_mk_str_n(topic.p + len, topic.len - len);
  free(prefix);
  return rest;
}

static void on_shadow(const struct mg_mqtt_message *msg) {
  const struct mg_str what = rest_of(msg->topic);
  int version = 0, light = -1;
  json_scanf(msg->payload.p, (int) msg->payload.len, "{version:%d,state:{light:%d}}", &version, &light);
  if (mg_vcmp(&what, "get/accepted") == 0) {
    check(version == 1, "the shadow's state arrives, %d bytes", (int) msg->payload.len);
    check_wait("the desired state");
    publish("update", "{\"state\":{\"reported\":{\"light\":0}},\"clientToken\":\"first\"}");
  } else if (mg_vcmp(&what, "update/delta") == 0) {
    check(version == 3 && light == 1, "the desired state arrives: %.*s", (int) msg->payload.len, msg->payload.p);
    publish("update", "{\"state\":{\"reported\":{\"light\":1}},\"clientToken\":\"second\"}");
  } else if (mg_vcmp(&what, "update/accepted") == 0) {
    check(version == 2 || version == 4, "an update is accepted, version %d", version);
    if (version == 4) check_wait("another connection");
    if (version == 4 && s_connected == 1) check_tell("its light is on");
    if (version == 4 && s_connected == 2) mgos_mqtt_global_disconnect();
  } else {
    check(false, "unexpected message on %.*s", (int) msg->topic.len, msg->topic.p);
  }
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  switch (ev) {
    case MG_EV_POLL:
      if (!s_want_get) break;
      s_want_get = false;
      publish("get", "{}");
      break;
    case MG_EV_MQTT_CONNACK:
      s_connected++;
      check(true, "connection %d", s_connected);
      check_wait("SUBACK for five subscriptions");
      subscribe(nc);
      break;
    case MG_EV_MQTT_SUBACK:
      if (msg->message_id != s_subscribing) break;
      check(true, "five subscriptions in one packet are acknowledged");
      check_wait("the shadow's state");
      s_want_get = true;
      break;
    case MG_EV_MQTT_PUBLISH:
      if (msg->qos > 0) mg_mqtt_puback(nc, msg->message_id);
      on_shadow(msg);
      break;
    case MG_EV_CLOSE:
      if (s_connected < 2) break;
      check(s_orders, "the app's own subscription works next to the shadow's");
      check_done();
      break;
  }
  (void) arg;
}

static void on_orders(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  s_orders = (msg_len == 5 && memcmp(msg, "hurry", 5) == 0);
  check(s_orders, "order received: %.*s", msg_len, msg);
  (void) nc, (void) topic, (void) topic_len;
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  char *orders = NULL;
  mg_asprintf(&orders, 0, "things/%s/orders", thing());
  mgos_mqtt_sub(orders, on_orders, NULL);
  free(orders);
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
