/*
 * mosquitto: a typical first app. A timer publishes a counter whenever there is a connection, a
 * subscription sets it.
 *
 *   counter/is    its value
 *   counter/set   its new value; "end" ends the app
 */

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"

static int s_counter, s_published;

static void step(void *arg) {
  if (!mgos_mqtt_global_is_connected()) return;
  check_wait("something to happen");
  if (mgos_mqtt_pubf("counter/is", 1, false, "%d", ++s_counter) > 0) s_published++;
  (void) arg;
}

static void on_set(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  char text[12];
  if (msg_len == 3 && memcmp(msg, "end", 3) == 0) {
    check(s_published > 0, "the counter was published");
    check_done();
  }
  snprintf(text, sizeof(text), "%.*s", msg_len, msg);
  s_counter = (int) strtol(text, NULL, 10);
  check(s_counter > 0, "the counter is set to %d", s_counter);
  (void) nc, (void) topic, (void) topic_len;
  (void) ud;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_mqtt_sub("counter/set", on_set, NULL);
  mgos_set_timer(mgos_sys_config_get_counter_interval(), MGOS_TIMER_REPEAT, step, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
