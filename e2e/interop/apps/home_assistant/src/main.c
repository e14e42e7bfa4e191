/*
 * home_assistant: a switch and a sensor that Home Assistant discovers, in the style of the library
 * homeassistant.
 *
 * The entities come from a file. Each is announced by a retained message on
 * PREFIX/COMPONENT/DEVICE/ID/config, again whenever Home Assistant says on PREFIX/status that it is
 * online. States are retained on DEVICE/ID; the switch is set on DEVICE/ID/set. DEVICE/availability
 * says whether the device is there, by its will when it is not.
 */

#include <stdlib.h>

#include "check.h"
#include "common/queue.h"
#include "mgos.h"
#include "mgos_mqtt.h"

extern const char *mg_build_version, *mg_build_id;

struct entity {
  char *component, *id, *name, *unit;
  STAILQ_ENTRY(entity) next;
};

static STAILQ_HEAD(entities, entity) s_entities = STAILQ_HEAD_INITIALIZER(s_entities);
static char *s_availability;
static uint16_t s_last;

static const char *device(void) {
  return mgos_sys_config_get_device_id();
}

static bool load_entities(void) {
  struct json_token token;
  int i;
  char *text = json_fread(mgos_sys_config_get_homeassistant_config());
  if (text == NULL) return false;
  for (i = 0; json_scanf_array_elem(text, (int) strlen(text), ".entities", i, &token) > 0; i++) {
    struct entity *e = (struct entity *) calloc(1, sizeof(*e));
    json_scanf(token.ptr, token.len, "{component: %Q, id: %Q, name: %Q, unit: %Q}", &e->component, &e->id, &e->name, &e->unit);
    STAILQ_INSERT_TAIL(&s_entities, e, next);
  }
  free(text);
  return i > 0;
}

static void announce(const struct entity *e) {
  char *topic = NULL, *state = NULL, *set = NULL, *ssid = mgos_wifi_get_connected_ssid();
  struct mbuf config;
  struct json_out out = JSON_OUT_MBUF(&config);
  mbuf_init(&config, 200);
  mg_asprintf(&state, 0, "%s/%s", device(), e->id);
  mg_asprintf(&set, 0, "%s/set", state);
  json_printf(&out, "{name: %Q, unique_id: \"%s-%s\", state_topic: %Q, availability_topic: %Q", e->name, device(), e->id, state,
              s_availability);
  if (strcmp(e->component, "switch") == 0) json_printf(&out, ", command_topic: %Q", set);
  if (e->unit != NULL) json_printf(&out, ", unit_of_measurement: %Q", e->unit);
  json_printf(&out, ", device: {identifiers: [%Q], name: %Q, sw_version: \"%s %s\", connections: [[%Q, %Q]]}}",
              mgos_sys_ro_vars_get_mac_address(), MGOS_APP, mg_build_version, mg_build_id, "wifi", ssid == NULL ? "" : ssid);
  mg_asprintf(&topic, 0, "%s/%s/%s/%s/config", mgos_sys_config_get_homeassistant_discovery_prefix(), e->component, device(),
              e->id);
  check(mgos_mqtt_pub(topic, config.buf, config.len, 1, true) > 0, "%s is announced", e->name);
  free(ssid);
  free(set);
  free(state);
  free(topic);
  mbuf_free(&config);
}

static void announce_all(void) {
  struct entity *e;
  STAILQ_FOREACH(e, &s_entities, next) announce(e);
  mgos_mqtt_pub(s_availability, "online", 6, 1, true);
}

static void tell_led(void) {
  bool on = mgos_gpio_read_out(mgos_sys_config_get_board_led1_pin());
  char *topic = NULL;
  mg_asprintf(&topic, 0, "%s/led", device());
  s_last = mgos_mqtt_pub(topic, on ? "ON" : "OFF", on ? 2 : 3, 1, true);
  check(s_last > 0, "the switch is %s", on ? "on" : "off");
  free(topic);
}

static void tell_uptime(void *arg) {
  char *topic = NULL;
  if (!mgos_mqtt_global_is_connected()) return;
  mg_asprintf(&topic, 0, "%s/uptime", device());
  mgos_mqtt_pubf(topic, 0, false, "%.1f", mgos_uptime());
  free(topic);
  (void) arg;
}

static void on_set(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  struct mg_str want = mg_mk_str_n(msg, (size_t) msg_len);
  mgos_gpio_write(mgos_sys_config_get_board_led1_pin(), mg_vcasecmp(&want, "ON") == 0);
  tell_led();
  (void) nc, (void) topic, (void) topic_len;
  (void) ud;
}

static void on_status(struct mg_connection *nc, const char *topic, int topic_len, const char *msg, int msg_len, void *ud) {
  struct mg_str status = mg_mk_str_n(msg, (size_t) msg_len);
  check_wait("a command");
  if (mg_vcmp(&status, "online") == 0) announce_all();
  (void) nc, (void) topic, (void) topic_len;
  (void) ud;
}

static void on_event(struct mg_connection *nc, int ev, void *ev_data, void *arg) {
  if (ev == MG_EV_MQTT_CONNACK) {
    announce_all();
    tell_led();
    check_wait("Home Assistant");
  }
  (void) nc;
  (void) ev_data;
  (void) arg;
}

static void subscribe(const char *fmt, const char *what, sub_handler_t handler) {
  char *topic = NULL;
  mg_asprintf(&topic, 0, fmt, what);
  mgos_mqtt_sub(topic, handler, NULL);
  free(topic);
}

enum mgos_app_init_result mgos_app_init(void) {
  if (!load_entities()) {
    LOG(LL_ERROR, ("%s has no entities", mgos_sys_config_get_homeassistant_config()));
    return MGOS_APP_INIT_ERROR;
  }
  mgos_gpio_setup_output(mgos_sys_config_get_board_led1_pin(), false);
  mg_asprintf(&s_availability, 0, "%s/availability", device());
  mgos_sys_config_set_mqtt_will_topic(s_availability);
  subscribe("%s/status", mgos_sys_config_get_homeassistant_discovery_prefix(), on_status);
  subscribe("%s/led/set", device(), on_set);
  mgos_mqtt_add_global_handler(on_event, NULL);
  mgos_set_timer(200, MGOS_TIMER_REPEAT, tell_uptime, NULL);
  check_wait("CONNACK");
  return MGOS_APP_INIT_SUCCESS;
}
