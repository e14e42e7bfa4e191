/*
 * multi_connection: the global connection and two more, to two brokers. A message circulates ROUNDS
 * times: from the global connection to the first of the others, at the same broker, from there to
 * the second, at the other broker.
 */

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

#define ROUNDS 50

static struct mgos_mqtt_conn *s_here, *s_there;
static int s_ready, s_rounds;

static int number_in(struct mg_str s) {
  char text[12];
  snprintf(text, sizeof(text), "%.*s", (int) s.len, s.p);
  return atoi(text);
}

static void begin_round(void) {
  mgos_mqtt_pubf("multi/here", 1, false, "%d", s_rounds);
}

/* Arrives at the first of the two: forward it to the other broker. */
static void on_here(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  if (ev == MG_EV_MQTT_SUBACK && ++s_ready == 2) begin_round();
  if (ev != MG_EV_MQTT_PUBLISH) return;
  if (mgos_mqtt_conn_from_nc(nc) != s_here) check(false, "a message comes on the connection that has subscribed");
  mgos_mqtt_conn_pub(s_there, "multi/there", msg->payload, check_qos(2), false);
  (void) ud;
}

static void on_there(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  if (ev == MG_EV_MQTT_SUBACK && ++s_ready == 2) begin_round();
  if (ev != MG_EV_MQTT_PUBLISH) return;
  if (mgos_mqtt_conn_from_nc(nc) != s_there) check(false, "a message comes on the connection that has subscribed");
  if (number_in(msg->payload) != s_rounds) check(false, "round %d is followed by the next", s_rounds);
  if (++s_rounds < ROUNDS) {
    begin_round();
    return;
  }
  check(true, "%d messages circulate over three connections and two brokers", ROUNDS);
  mgos_mqtt_conn_free(s_here);
  mgos_mqtt_conn_free(s_there);
  check(mgos_mqtt_global_is_connected(), "two connections are freed in a handler; the third stays");
  check_wait("an acknowledgement on the remaining connection");
  mgos_mqtt_pub("multi/left", "", 0, check_qos(2), false);
  (void) ud;
}

static void on_global(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  if (ev == MG_EV_MQTT_CONNACK) check(true, "the global connection is up");
  if (ev == MG_EV_MQTT_PUBLISH) check(false, "nothing comes to the global connection, which has not subscribed");
  if (ev != (check_qos(2) == 2 ? MG_EV_MQTT_PUBCOMP : MG_EV_MQTT_PUBACK) || s_rounds < ROUNDS) return;
  check(true, "the remaining connection keeps working");
  check_done();
  (void) nc;
  (void) ev_data;
  (void) ud;
}

static struct mgos_mqtt_conn *make(int id, const char *server, const char *topic, int qos, mg_event_handler_t handler) {
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  struct mgos_mqtt_conn *c;
  char client_id[20];
  snprintf(client_id, sizeof(client_id), "multi-%d", id);
  cfg.client_id = client_id;
  cfg.server = server;
  c = mgos_mqtt_conn_create(id, &cfg);
  check(c != NULL, "connection %d is created", id);
  mgos_mqtt_conn_sub(c, topic, qos, handler, NULL);
  return c;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_global, NULL);
  s_here = make(1, mgos_sys_config_get_mqtt_server(), "multi/here", 1, on_here);
  s_there = make(2, mgos_sys_config_get_other_server(), "multi/there", 2, on_there);
  check_wait("the message to circulate");
  return MGOS_APP_INIT_SUCCESS;
}
