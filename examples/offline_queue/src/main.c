/*
 * offline_queue: a reading at QoS 1 every readings.interval milliseconds, connected or not.
 *
 * While the broker is down the library keeps the newest mqtt.max_queue_length messages, in memory:
 * a reboot loses them. A further one displaces the oldest, so an app that must know which ones are
 * lost has to keep track, as this one does: it records the packet ID of each reading until the
 * broker has acknowledged it.
 *
 * On this machine: cargo xtask run examples/offline_queue -- --set mqtt.server=localhost:1883
 * Stop the broker for 15 s: the queue fills, readings are dropped. Start it: the rest arrives.
 */

#include "mgos.h"
#include "mgos_mqtt.h"

/* Unacknowledged readings, the oldest first: as many as the library keeps. */
static struct pending {
  uint16_t id;
  unsigned int seq;
} *s_pending;
static int s_num, s_max;

static void forget(int i) {
  s_num--;
  memmove(&s_pending[i], &s_pending[i + 1], (s_num - i) * sizeof(*s_pending));
}

static void publish_reading(void *arg) {
  static unsigned int s_seq = 0;
  unsigned int seq = s_seq++;
  char *topic = NULL;
  uint16_t id;
  mg_asprintf(&topic, 0, "%s/reading", mgos_sys_config_get_device_id());
  id = mgos_mqtt_pubf(topic, 1, false /* retain */, "{seq: %u, uptime: %.1lf}", seq, mgos_uptime());
  free(topic);
  (void) arg;
  if (id == 0) {
    /* Neither sent nor queued, for example without memory. The log has the reason. */
    LOG(LL_ERROR, ("reading %u lost", seq));
    return;
  }
  if (s_num == s_max) {
    LOG(LL_WARN, ("the queue is full: reading %u dropped for %u", s_pending[0].seq, seq));
    forget(0);
  }
  s_pending[s_num].id = id;
  s_pending[s_num++].seq = seq;
  LOG(LL_INFO, ("reading %u: %d unacknowledged, %lu bytes unsent", seq, s_num, (unsigned long) mgos_mqtt_num_unsent_bytes()));
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *user_data) {
  struct mg_mqtt_message *msg = (struct mg_mqtt_message *) ev_data;
  int i;
  (void) nc;
  (void) user_data;
  if (ev != MG_EV_MQTT_PUBACK) return;
  for (i = 0; i < s_num; i++) {
    if (s_pending[i].id != msg->message_id) continue;
    LOG(LL_INFO, ("reading %u acknowledged", s_pending[i].seq));
    forget(i);
    break;
  }
}

enum mgos_app_init_result mgos_app_init(void) {
  s_max = mgos_sys_config_get_mqtt_max_queue_length();
  s_pending = (struct pending *) calloc(s_max > 0 ? s_max : 1, sizeof(*s_pending));
  if (s_max < 1 || s_pending == NULL) {
    LOG(LL_ERROR, ("set mqtt.max_queue_length to 1 or more: without a queue nothing is kept"));
    return MGOS_APP_INIT_ERROR;
  }
  mgos_mqtt_add_global_handler(on_event, NULL);
  mgos_set_timer(mgos_sys_config_get_readings_interval(), MGOS_TIMER_REPEAT, publish_reading, NULL);
  return MGOS_APP_INIT_SUCCESS;
}
