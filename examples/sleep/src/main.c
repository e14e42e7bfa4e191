/*
 * sleep: wakes up, publishes one reading, and sleeps again as soon as the broker has it.
 *
 * mgos_mqtt_global_finish() waits until all readings are acknowledged, at most awake.most, and says
 * good-bye to the broker, so that it does not publish the will. What has not arrived by then is in
 * the file of the queue (mqtt.queue_file), and goes out first at the next start.
 *
 * On this machine: cargo xtask run examples/sleep -- --set mqtt.server=localhost:1883
 * Run it a few times, once with the broker stopped: it tells what is left, and sends it next time.
 */

#include "mgos.h"
#include "mgos_mqtt.h"

static void fall_asleep(void *arg, int left) {
  LOG(LL_INFO, ("asleep, %d readings left", left));
  /* A device would call mgos_system_deep_sleep() or its like here, and start anew. */
  exit(0);
  (void) arg;
}

enum mgos_app_init_result mgos_app_init(void) {
  char topic[80], reading[40];
  snprintf(topic, sizeof(topic), "%s/reading", mgos_sys_config_get_device_id());
  snprintf(reading, sizeof(reading), "{\"celsius\": %.1f}", mgos_rand_range(15, 25));
  if (mgos_mqtt_pub(topic, reading, strlen(reading), 1, false /* retain */) == 0) LOG(LL_ERROR, ("no memory for the reading"));
  /* The connection is made meanwhile, when the network is up. */
  if (!mgos_mqtt_global_finish((uint32_t) mgos_sys_config_get_awake_most(), fall_asleep, NULL)) return MGOS_APP_INIT_ERROR;
  return MGOS_APP_INIT_SUCCESS;
}
