/* Uses a generated configuration as apps and the shim do; exit status 0 if everything holds. */

#include <float.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_utils.h"
#include "mgos_host.h"
#include "mgos_sys_config.h"
#include "stubs.h"

bool mgos_mqtt_init(void);
bool mgos_mqtt_init(void) {
  return true;
}

static void defaults(void) {
  /* An empty default is NULL; a non-empty one is the same pointer in every copy. */
  CHECK(mgos_sys_config_get_mqtt_user() == NULL);
  CHECK_STR(mgos_sys_config_get_mqtt_first(), "in front");
  CHECK_STR(mgos_sys_config_get_odd(), "a\"b\\ ?\?( \303\251\n1");
  CHECK(mgos_sys_config_get_low() == INT_MIN);
  CHECK(mgos_sys_config_get_mqtt_sub_deep() == UINT_MAX);
  CHECK(mgos_sys_config_get_no_default_b() == 0 && mgos_sys_config_get_no_default_s() == NULL);
  /* Overrides apply to the alias, except for keys that the alias overrides itself. */
  CHECK_STR(mgos_sys_config_get_mqtt_server(), "broker:1883");
  CHECK(mgos_sys_config_get_mqtt1_server() == NULL);
  CHECK(mgos_sys_config_get_mqtt_max_qos() == 1 && mgos_sys_config_get_mqtt1_max_qos() == 1);
  CHECK(mgos_sys_config_get_mqtt_reconnect_timeout_min() == 3.0);
  CHECK(!mgos_sys_config_get_mqtt_enable() && mgos_sys_config_get_mqtt1_enable());
  CHECK_STR(mgos_sys_config_get_mqtt_pub(), "/out");
  CHECK_STR(mgos_sys_config_get_mqtt1_pub(), "/out1");
  CHECK_STR(mgos_sys_config_get_default_mqtt1_pub(), "/out1");
  CHECK(mgos_sys_config_get_default_mqtt_cloud_events() == 1);
  CHECK(mgos_sys_config_get_adc_one_gain() == 1.5f && mgos_sys_config_get_adc_two_gain() == -2.0f);
  CHECK_STR(mgos_sys_config_get_adc_two_in_name(), "n");
}

static void layout(void) {
  const struct mgos_config_mqtt *mqtt = mgos_sys_config_get_mqtt();
  const struct mgos_config_mqtt *mqtt1 = mgos_sys_config_get_mqtt1(); /* the same type */
  CHECK(mqtt == &mgos_sys_config.mqtt && mqtt1 == &mgos_sys_config.mqtt1);
  CHECK(offsetof(struct mgos_config_mqtt, first) == 0);
  CHECK(offsetof(struct mgos_config_mqtt, enable) < offsetof(struct mgos_config_mqtt, pub));
#if !defined(MGOS_CONFIG_HAVE_MQTT_PUB) || !defined(MGOS_SYS_CONFIG_HAVE_MQTT1_PUB) || defined(MGOS_CONFIG_HAVE_TPL)
#error "which keys there are is not told right"
#endif
}

static void copies(void) {
  struct mgos_config_mqtt copy, stack;
  memset(&copy, 0x5a, sizeof(copy)); /* a copy must not read the destination */
  CHECK(mgos_config_mqtt_copy(mgos_sys_config_get_mqtt(), &copy));
  CHECK(copy.server == mgos_sys_config_get_mqtt_server()); /* a default needs no allocation */
  mgos_config_mqtt_free(&copy);
  CHECK(copy.server == NULL);
  mgos_config_mqtt_free(&copy);

  /* As apps do: a struct on the stack, with literals and short-lived strings. */
  mgos_config_mqtt_set_defaults(&stack);
  char text[] = "soon gone";
  stack.server = text;
  stack.user = "";
  stack.keep_alive = 7;
  stack.reconnect_timeout_max = 0.5;
  CHECK(mgos_config_mqtt_copy(&stack, &copy));
  memset(text, 'x', sizeof(text) - 1);
  CHECK_STR(copy.server, "soon gone");
  CHECK(copy.user == NULL && copy.keep_alive == 7 && copy.reconnect_timeout_max == 0.5);
  mgos_config_mqtt_free(&copy);

  /* An alias and its original can be freed and copied by each other's functions. */
  CHECK(mgos_config_mqtt1_copy(mgos_sys_config_get_mqtt(), &copy));
  CHECK_STR(copy.pub, "/out");
  CHECK(copy.sub.deep == UINT_MAX);
  mgos_config_mqtt_free(&copy);

  mgos_config_mqtt1_set_defaults(&copy);
  CHECK_STR(copy.pub, "/out1");
  CHECK(copy.enable);
}

static void setters(void) {
  mgos_sys_config_set_mqtt_server("one");
  mgos_sys_config_set_mqtt_server("two:1");
  CHECK_STR(mgos_sys_config_get_mqtt_server(), "two:1");
  mgos_sys_config_set_mqtt_server(mgos_sys_config_get_mqtt_server() + 2); /* from inside the old string */
  CHECK_STR(mgos_sys_config_get_mqtt_server(), "o:1");
  mgos_sys_config_set_mqtt_server(mgos_sys_config_get_mqtt_server());
  mgos_sys_config_set_mqtt1_user("joe");
  mgos_sys_config_set_mqtt1_user("");
  CHECK(mgos_sys_config_get_mqtt1_user() == NULL);
  mgos_sys_config_set_mqtt_enable(1);
  CHECK(mgos_config_get_mqtt_enable(&mgos_sys_config) == 1);

  struct mg_str v;
  CHECK(mgos_sys_config_get(mg_mk_str("mqtt.server"), &v));
  CHECK(mg_vcmp(&v, "o:1") == 0);
  mg_strfree(&v);
  CHECK(mgos_sys_config_set(mg_mk_str("mqtt.keep_alive"), mg_mk_str("5"), true));
  CHECK(!mgos_sys_config_set(mg_mk_str("mqtt.keep_alive"), mg_mk_str("5s"), true));
  CHECK(mgos_sys_config_set(mg_mk_str("adc.two.in.name"), mg_mk_str("m"), true));
  CHECK(mgos_sys_config_get(mg_mk_str("adc.two"), &v));
  CHECK_STR(v.p, "{\"gain\":-2.000000,\"in\":{\"name\":\"m\"}}");
  mg_strfree(&v);
  CHECK(!mgos_sys_config_get(mg_mk_str("mqtt.nosuch"), &v) && !mgos_sys_config_get(mg_mk_str("mqtt.server.x"), &v));
}

static void parsing(void) {
  struct mgos_config_mqtt cfg;
  char *msg = NULL;
  CHECK(mgos_config_mqtt_parse(mg_mk_str("{\"server\": \"a\\u0041\303\251\", \"enable\": true, \"unknown\": [1, {\"x\": 2}],"
                                         " \"reconnect_timeout_min\": 1.25, \"sub\": {\"deep\": 9}}"),
                               &cfg));
  CHECK_STR(cfg.server, "aA\303\251");
  CHECK(cfg.enable == 1 && cfg.reconnect_timeout_min == 1.25 && cfg.sub.deep == 9);
  CHECK_STR(cfg.pub, "/out");
  CHECK(!mgos_conf_parse_sub_msg(mg_mk_str("{\"keep_alive\": 1, \"max_qos\": \"2\"}"), mgos_config_mqtt_get_schema(), "*",
                                 &cfg, &msg));
  CHECK_STR(msg, "[max_qos] is not a number");
  CHECK(cfg.keep_alive == 1);
  free(msg);
  msg = NULL;
  CHECK(!mgos_conf_parse_sub_msg(mg_mk_str("{\"server\": "), mgos_config_mqtt_get_schema(), "*", &cfg, &msg));
  CHECK_STR(msg, "Invalid JSON");
  free(msg);
  mgos_config_mqtt_free(&cfg);

  /* Keys denied by conf_acl stay unchanged, and the others are set. */
  mgos_sys_config_set_conf_acl("-mqtt.pass,mqtt.*");
  CHECK(mgos_config_apply("{\"mqtt\": {\"pass\": \"x\", \"user\": \"u\"}, \"device\": {\"id\": \"d\"}}", false));
  CHECK(mgos_sys_config_get_mqtt_pass() == NULL);
  CHECK_STR(mgos_sys_config_get_mqtt_user(), "u");
  CHECK_STR(mgos_sys_config_get_device_id(), "host_?\?????");

  struct mgos_config_tpl tpl;
  CHECK(mgos_config_tpl_parse(mg_mk_str("{\"in\": {\"name\": \"q\"}}"), &tpl));
  CHECK_STR(tpl.in.name, "q");
  CHECK(tpl.gain == 1.5f);
  mgos_config_tpl_free(&tpl);
}

static void writing(void) {
  struct mbuf mb;
  struct json_out out = JSON_OUT_MBUF(&mb);
  mbuf_init(&mb, 0);
  CHECK(mgos_config_adc_emit(mgos_sys_config_get_adc(), true, &out));
  mbuf_append(&mb, "", 1);
  CHECK_STR(mb.buf,
            "{\n  \"one\": {\n    \"gain\": 1.500000,\n    \"in\": {\n      \"name\": \"n\"\n    }\n  },\n"
            "  \"two\": {\n    \"gain\": -2.000000,\n    \"in\": {\n      \"name\": \"m\"\n    }\n  }\n}");
  mbuf_free(&mb);
}

static void host_table(void) {
  bool seen_section = false, seen_value = false;
  CHECK_STR(mgos_host_app_name, "te\"st");
  CHECK_STR(mgos_host_app_dir, "/apps/te\"st");
  CHECK(mgos_host_num_libs == 1 && mgos_host_libs[0].init == mgos_mqtt_init);
  CHECK(mgos_host_conf_base == &mgos_sys_config);
  for (uint32_t i = 0; i < mgos_host_conf_num_entries; i++) {
    const struct mgos_host_conf_entry *e = &mgos_host_conf_entries[i];
    if (strcmp(e->key, "mqtt1") == 0) {
      seen_section = true;
      CHECK(e->type == CONF_TYPE_OBJECT && e->def == NULL && e->offset == offsetof(struct mgos_config, mqtt1));
    }
    if (strcmp(e->key, "mqtt1.sub.deep") == 0) {
      seen_value = true;
      CHECK(e->type == CONF_TYPE_UNSIGNED_INT && e->offset == offsetof(struct mgos_config, mqtt1.sub.deep));
      CHECK_STR(e->def, "4294967295");
    }
    CHECK(strncmp(e->key, "tpl", 3) != 0);
  }
  CHECK(seen_section && seen_value);
}

int main(void) {
  mgos_config_set_defaults(&mgos_sys_config);
  defaults();
  layout();
  copies();
  setters();
  parsing();
  writing();
  host_table();
  mgos_config_free(&mgos_sys_config);
  return failures != 0;
}
