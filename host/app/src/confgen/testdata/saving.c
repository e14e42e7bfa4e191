/* The life cycle of the configuration: load, change, validate, save, reload. Runs in its own
 * directory. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgos_host.h"
#include "mgos_sys_config.h"
#include "stubs.h"

bool mgos_mqtt_init(void);
bool mgos_mqtt_init(void) {
  return true;
}

static bool no_port_0(const struct mgos_config *cfg, char **msg) {
  if (cfg->mqtt.server == NULL || strstr(cfg->mqtt.server, ":0") == NULL) return true;
  *msg = strdup("port 0");
  return false;
}

static void file_is(const char *expected) {
  char buf[500];
  FILE *fp = fopen(CONF_USER_FILE, "r");
  CHECK(fp != NULL);
  if (fp == NULL) return;
  buf[fread(buf, 1, sizeof(buf) - 1, fp)] = '\0';
  fclose(fp);
  CHECK_STR(buf, expected);
}

int main(void) {
  struct mgos_config again;
  char *msg = NULL;

  mgos_host_conf_set_defaults();
  CHECK(!mgos_sys_config_is_initialized());
  mgos_sys_config_set_debug_level(3);
  mgos_sys_config_set_device_mac("02:00:00:aa:bb:0c");
  mgos_host_conf_loaded();
  CHECK(mgos_sys_config_is_initialized());
  CHECK_STR(mgos_sys_config_get_device_id(), "host_AABB0C");
  CHECK(stub_log_level == 3);
  mgos_sys_config_set_device_mac("");
  mgos_sys_config_set_debug_level(2);
  mgos_sys_config_set_device_id("dev");

  CHECK(mgos_config_apply("{\"mqtt\": {\"server\": \"b:1\", \"max_qos\": 1}, \"mqtt1\": {\"enable\": true}}", true));
  file_is("{\n  \"device\": {\n    \"id\": \"dev\"\n  },\n  \"mqtt\": {\n    \"server\": \"b:1\",\n    \"max_qos\": 1\n"
          "  },\n  \"mqtt1\": {\n    \"enable\": true\n  }\n}");

  mgos_sys_config_register_validator(no_port_0);
  mgos_sys_config_set_mqtt_server("b:0");
  CHECK(!save_cfg(&mgos_sys_config, &msg));
  CHECK_STR(msg, "port 0");
  free(msg);
  CHECK(!mgos_sys_config_save(&mgos_sys_config, true, NULL));

  CHECK(mgos_sys_config_load_level(&again, MGOS_CONFIG_LEVEL_USER));
  CHECK_STR(again.mqtt.server, "b:1");
  CHECK(again.mqtt.max_qos == 1 && again.mqtt1.enable && again.mqtt.keep_alive == 60);
  mgos_config_free(&again);
  CHECK(load_config_defaults(&again));
  CHECK_STR(again.mqtt.server, "iot.eclipse.org:1883");
  mgos_config_free(&again);

  mgos_config_reset(MGOS_CONFIG_LEVEL_USER);
  CHECK(remove(CONF_USER_FILE) != 0);
  /* A second start in one process, as tests do it, must not leak. */
  mgos_host_conf_set_defaults();
  CHECK_STR(mgos_sys_config_get_device_id(), "host_?\?????");
  mgos_config_free(&mgos_sys_config);
  return failures != 0;
}
