/*
 * killed: publishes RUN-0, RUN-1, ... to killed/1 and killed/2, at QoS 1 and 2 in turn, and says which were
 * accepted, until it is killed. Pauses while the queue is half full, as a full one drops messages. Without killed.run it exits when all that is left was acknowledged.
 */

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "mgos.h"
#include "mgos_mqtt.h"
#include "mgos_mqtt_conn.h"

static int s_number;

static void publish(void *arg) {
  struct mgos_mqtt_stats stats;
  char topic[20], text[32];
  int qos = 1 + s_number % 2;
  if (!mgos_mqtt_get_stats(&stats) || stats.queued >= 500) return;
  snprintf(topic, sizeof(topic), "killed/%d", qos);
  snprintf(text, sizeof(text), "%s-%d", mgos_sys_config_get_killed_run(), s_number);
  if (mgos_mqtt_pub(topic, text, strlen(text), qos, false) > 0) {
    check_tell("accepted %s", text);
    s_number++;
  }
  (void) arg;
}

static void leave(void *arg) {
  struct mgos_mqtt_stats stats;
  if (!mgos_mqtt_global_is_connected() || !mgos_mqtt_get_stats(&stats) || stats.queued > 0) return;
  check(true, "all that was left is acknowledged");
  check_done();
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  bool last = mgos_conf_str_empty(mgos_sys_config_get_killed_run());
  check_wait("the end");
  mgos_set_timer(last ? 200 : 2, MGOS_TIMER_REPEAT, last ? leave : publish, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
