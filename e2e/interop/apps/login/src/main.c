/*
 * login: a broker with access control.
 *
 * With login.refusals 0 the broker must accept the connection and refuse one of three
 * subscriptions, to secret/a, without affecting the others. Otherwise it must refuse the connection
 * that many times, and the app must get an event each time.
 */

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

static int s_answered, s_connecting, s_refused;

static void on_message(struct mg_connection *nc, int ev, void *ev_data, void *ud) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  if (ev == MG_EV_MQTT_SUBACK && ++s_answered == 3) {
    check(true, "every subscription is answered, including the refused one");
    check_wait("messages for the accepted subscriptions");
    mgos_mqtt_pub("open/a", "a", 1, 1, false);
    mgos_mqtt_pub("secret/a", "not for us", 10, 1, false);
    mgos_mqtt_pub("open/b", "b", 1, 1, false);
  }
  if (ev != MG_EV_MQTT_PUBLISH) return;
  if (mg_vcmp(&msg->topic, "secret/a") == 0) check(false, "nothing comes from a refused subscription");
  if (mg_vcmp(&msg->topic, "open/b") != 0) return;
  check(true, "the subscriptions before and after the refused one work");
  check_done();
  (void) nc;
  (void) ud;
}

static void on_cloud_event(int ev, void *ev_data, void *ud) {
  const struct mgos_cloud_arg *arg = (const struct mgos_cloud_arg *) ev_data;
  int expected = mgos_sys_config_get_login_refusals();
  if (ev == MGOS_EVENT_CLOUD_CONNECTING) s_connecting++;
  if (ev == MGOS_EVENT_CLOUD_CONNECTED) check(expected == 0, "the broker accepts only who it is to accept");
  if (ev != MGOS_EVENT_CLOUD_CONNECTERROR) return;
  check(arg->type == MGOS_CLOUD_MQTT && !mgos_mqtt_global_is_connected() && s_connecting == s_refused + 1,
        "a refused connection raises MGOS_EVENT_CLOUD_CONNECTERROR, once for each attempt");
  check_wait("the next attempt");
  if (++s_refused == expected) check_done();
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTING, on_cloud_event, NULL);
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTED, on_cloud_event, NULL);
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTERROR, on_cloud_event, NULL);
  mgos_mqtt_global_subscribe(mg_mk_str("open/a"), on_message, NULL);
  mgos_mqtt_global_subscribe(mg_mk_str("secret/a"), on_message, NULL);
  mgos_mqtt_global_subscribe(mg_mk_str("open/b"), on_message, NULL);
  check_wait("the broker's answer to CONNECT");
  return MGOS_APP_INIT_SUCCESS;
}
