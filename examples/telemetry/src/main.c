/*
 * telemetry: readings to a broker, commands from it.
 *
 * Topics, where ID is the device's id:
 *   ID/reading   out   {"seq": 7, "qos": 1, "temp": 21.48}; QoS 0, 1 and 2 in turn
 *   ID/command   in    {"cmd": "status", "id": 3}; also "pause", "resume", and "interval" with "ms"
 *   ID/answer    out   {"id": 3, "ok": true, "active": true, "interval": 1000, "next": 8}; QoS 1
 *
 * Takes a reading every telemetry.interval milliseconds, connected or not. Without a broker,
 * readings are queued at QoS 1 and 2, up to mqtt.max_queue_length, and lost at QoS 0. The app does
 * not care which broker it is, mqtt or its backup mqtt1: the library switches between them.
 *
 * On a device: mos build --platform esp32, with this project's mqtt in libs.
 * On this machine: cargo xtask run examples/telemetry -- --set mqtt.server=localhost:1883
 */

#include <math.h>

#include "mgos.h"
#include "mgos_mqtt.h"

static mgos_timer_id s_timer = MGOS_INVALID_TIMER_ID;
static unsigned int s_seq = 0; /* of the next reading */

/* ID/what, to be freed with free(). */
static char *topic_of(const char *what) {
  char *topic = NULL;
  mg_asprintf(&topic, 0, "%s/%s", mgos_sys_config_get_device_id(), what);
  return topic;
}

/* Simulates a sensor: a slow wave around 21 degrees. */
static double read_temperature(void) {
  return 21.0 + 2.5 * sin(mgos_uptime() / 20.0);
}

static void publish_reading(void *arg) {
  unsigned int seq = s_seq++;
  int qos = seq % 3;
  double temp = read_temperature();
  char *topic = topic_of("reading");
  uint16_t id = mgos_mqtt_pubf(topic, qos, false /* retain */, "{seq: %u, qos: %d, temp: %.2lf}", seq, qos, temp);
  /* 0: neither sent nor queued. At QoS 1 and 2 that means a full queue, or no memory. */
  LOG(LL_INFO, ("reading %u at QoS %d: %.2f%s", seq, qos, temp, (id == 0 ? ", dropped" : "")));
  free(topic);
  (void) arg;
}

static void set_active(bool active) {
  mgos_clear_timer(s_timer);
  s_timer = MGOS_INVALID_TIMER_ID;
  if (active) s_timer = mgos_set_timer(mgos_sys_config_get_telemetry_interval(), MGOS_TIMER_REPEAT, publish_reading, NULL);
}

static bool carry_out(const char *cmd, int ms) {
  bool active = (s_timer != MGOS_INVALID_TIMER_ID);
  if (strcmp(cmd, "status") == 0) return true;
  if (strcmp(cmd, "pause") == 0 || strcmp(cmd, "resume") == 0) {
    set_active(strcmp(cmd, "resume") == 0);
    return true;
  }
  if (strcmp(cmd, "interval") == 0 && ms >= 10) {
    mgos_sys_config_set_telemetry_interval(ms);
    set_active(active);
    return true;
  }
  return false;
}

static void on_command(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  char *cmd = NULL, *answer_topic;
  int id = 0, ms = 0;
  bool ok = false;
  json_scanf(msg, msg_len, "{cmd: %Q, id: %d, ms: %d}", &cmd, &id, &ms);
  if (cmd != NULL) ok = carry_out(cmd, ms);
  LOG(LL_INFO, ("command %.*s: %s", msg_len, msg, (ok ? "done" : "rejected")));
  answer_topic = topic_of("answer");
  mgos_mqtt_pubf(answer_topic, 1, false /* retain */, "{id: %d, ok: %B, active: %B, interval: %d, next: %u}", id, ok,
                 s_timer != MGOS_INVALID_TIMER_ID, mgos_sys_config_get_telemetry_interval(), s_seq);
  free(answer_topic);
  free(cmd);
  (void) nc;
  (void) topic;
  (void) topic_len;
  (void) ud;
}

static void on_cloud_event(int ev, void *ev_data, void *userdata) {
  switch (ev) {
    case MGOS_EVENT_CLOUD_CONNECTING:
      LOG(LL_INFO, ("cloud: connecting"));
      break;
    case MGOS_EVENT_CLOUD_CONNECTED:
      LOG(LL_INFO, ("cloud: connected"));
      break;
    case MGOS_EVENT_CLOUD_DISCONNECTED:
      LOG(LL_INFO, ("cloud: disconnected"));
      break;
    case MGOS_EVENT_CLOUD_CONNECTERROR:
      LOG(LL_INFO, ("cloud: cannot connect"));
      break;
  }
  (void) ev_data;
  (void) userdata;
}

enum mgos_app_init_result mgos_app_init(void) {
  char *commands = topic_of("command");
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTING, on_cloud_event, NULL);
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTED, on_cloud_event, NULL);
  mgos_event_add_handler(MGOS_EVENT_CLOUD_DISCONNECTED, on_cloud_event, NULL);
  mgos_event_add_handler(MGOS_EVENT_CLOUD_CONNECTERROR, on_cloud_event, NULL);
  mgos_mqtt_sub(commands, on_command, NULL);
  free(commands);
  set_active(mgos_sys_config_get_telemetry_active());
  return MGOS_APP_INIT_SUCCESS;
}
