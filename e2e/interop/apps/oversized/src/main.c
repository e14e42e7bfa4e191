/*
 * oversized: of all messages on big/#, those within mqtt.recv_mbuf_limit arrive, on a single
 * connection; the others do not.
 */

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

static bool s_leaving = false;

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  if (ev == MG_EV_MQTT_SUBACK) check_tell("subscribed");
  if (ev != MG_EV_MQTT_PUBLISH) return;
  check(msg->len <= mgos_sys_config_get_mqtt_recv_mbuf_limit() && msg->payload.len < 100, "a message of %d bytes arrives", msg->len);
  /* After its acknowledgement is sent. */
  if (mg_vcmp(&msg->payload, "end") == 0) {
    s_leaving = true;
    mgos_mqtt_global_disconnect();
  }
  (void) nc;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  static bool s_subscribed = false;
  if (ev == MG_EV_MQTT_CONNACK && !s_subscribed) {
    s_subscribed = true;
    check_wait("the last message");
    mgos_mqtt_conn_sub(mgos_mqtt_conn_from_nc(nc), "big/#", 2, on_message, NULL);
  }
  if (ev == MG_EV_CLOSE) {
    check(s_leaving, "the connection stays up until the app disconnects");
    check_done();
  }
  (void) ev_data;
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_add_global_handler(on_event, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
