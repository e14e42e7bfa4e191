/*
 * latest: a sensor that is read ten times a second, of which only the latest reading matters.
 *
 * While the broker is down each reading takes the place of the one before, so that one message is
 * queued and not hundreds; and one that is older than sensor.ttl is not sent at all. The app is told
 * what became of each.
 *
 * On this machine: cargo xtask run examples/latest -- --set mqtt.server=localhost:1883
 * Stop the broker for 15 s and start it again: one reading arrives, the latest.
 */

#include "mgos.h"
#include "mgos_mqtt.h"

/* Readings by what became of them, an `enum mgos_mqtt_result`. */
static unsigned int s_results[MGOS_MQTT_RESULT_FREED + 1];

static void on_result(void *arg, uint16_t id, int result) {
  s_results[result]++;
  (void) arg, (void) id;
}

static void publish_reading(void *arg) {
  static unsigned int s_seq = 0;
  struct mgos_mqtt_pub_opts opts;
  char topic[80], reading[40];
  snprintf(topic, sizeof(topic), "%s/reading", mgos_sys_config_get_device_id());
  snprintf(reading, sizeof(reading), "{\"seq\": %u}", s_seq++);
  memset(&opts, 0, sizeof(opts));
  opts.qos = 1;
  opts.replace = true;
  opts.ttl_ms = (uint32_t) mgos_sys_config_get_sensor_ttl();
  opts.cb = on_result;
  if (mgos_mqtt_pub_opt(topic, reading, strlen(reading), &opts) == 0) LOG(LL_ERROR, ("no memory for a reading"));
  (void) arg;
}

static void report(void *arg) {
  LOG(LL_INFO, ("readings: %u acknowledged, %u replaced, %u expired, %u given up", s_results[MGOS_MQTT_RESULT_ACKNOWLEDGED],
                s_results[MGOS_MQTT_RESULT_REPLACED], s_results[MGOS_MQTT_RESULT_EXPIRED], s_results[MGOS_MQTT_RESULT_GIVEN_UP]));
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  mgos_set_timer(mgos_sys_config_get_sensor_interval(), MGOS_TIMER_REPEAT, publish_reading, NULL);
  mgos_set_timer(1000, MGOS_TIMER_REPEAT, report, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
