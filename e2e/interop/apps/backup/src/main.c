/*
 * backup: says hello with each connection, to whichever broker it is; stops after three.
 */

#include <stdio.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static int s_connected;
static uint16_t s_hello;

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  char text[12];
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      snprintf(text, sizeof(text), "%d", ++s_connected);
      s_hello = mgos_mqtt_pub("backup/hello", text, strlen(text), 1, false);
      break;
    case MG_EV_MQTT_PUBACK:
      if (msg->message_id != s_hello) break;
      check(true, "connection %d is up, and a message is acknowledged", s_connected);
      check_wait("the next connection");
      check_tell("connected %d", s_connected);
      break;
  }
  (void) nc;
  (void) ud;
}

static void on_answer(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  check(msg_len == 4, "a subscription made once is active at every broker");
  if (s_connected == 3) check_done();
  (void) nc, (void) topic, (void) topic_len, (void) msg, (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  mgos_mqtt_sub("backup/answer", on_answer, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
