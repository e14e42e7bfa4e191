/*
 * reconfigure: disconnects and connects, then switches to another broker at run time, with messages
 * queued meanwhile.
 *
 *   change/step   the step numbers that each broker must see
 */

#include <stdio.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static int s_connected, s_closed;
static uint16_t s_awaited;

static void step(int n) {
  char text[12];
  snprintf(text, sizeof(text), "%d", n);
  s_awaited = mgos_mqtt_pub("change/step", text, strlen(text), 1, false);
}

static void go_to_the_other(void) {
  /* As apps do it: a copy on the stack with a literal in it. */
  struct mgos_config_mqtt cfg = *mgos_sys_config_get_mqtt();
  cfg.server = mgos_sys_config_get_other_server();
  cfg.client_id = "reconfigured";
  check(mgos_mqtt_set_config(&cfg), "another configuration is accepted while connected");
  step(3);
  check(s_awaited > 0, "a message published right after that is queued");
}

static void connect_again(void *arg) {
  check(!mgos_mqtt_global_is_connected() && s_connected == 1, "after mgos_mqtt_global_disconnect() it stays disconnected");
  step(2);
  check(mgos_mqtt_global_connect(), "mgos_mqtt_global_connect() starts to connect");
  (void) arg;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  switch (ev) {
    case MG_EV_MQTT_CONNACK:
      s_connected++;
      check(s_connected == s_closed + 1, "connection %d follows the end of the one before", s_connected);
      check_wait("the next step");
      if (s_connected == 1) step(1);
      break;
    case MG_EV_MQTT_PUBACK:
      if (msg->message_id != s_awaited) break;
      check(true, "message %d is acknowledged", s_connected);
      if (s_connected == 1) mgos_mqtt_global_disconnect();
      if (s_connected == 2) go_to_the_other();
      if (s_connected == 3) check_done();
      break;
    case MG_EV_CLOSE:
      /* Longer than any wait before a reconnect. */
      if (++s_closed == 1) mgos_set_timer(800, 0, connect_again, NULL);
      break;
  }
  (void) nc;
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
