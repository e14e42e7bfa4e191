/*
 * The running configuration: applying it after loading, changing it at run time, saving to
 * conf9.json. Not here: --conf files and --set, which the host's loader reads.
 */

#include "mgos_sys_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cs_dbg.h"

#include "mgos_debug.h"
#include "mgos_host.h"

static bool s_loaded;
static mgos_config_validator_fn *s_validators;
static int s_num_validators;

bool mgos_sys_config_is_initialized(void) {
  return s_loaded;
}

void mgos_host_conf_set_defaults(void) {
  mgos_config_free(&mgos_sys_config);
  mgos_config_set_defaults(&mgos_sys_config);
}

static void take_mac(const char *text) {
  unsigned int b[6];
  uint8_t mac[6];
  char rest;
  if (mgos_conf_str_empty(text)) return;
  if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &rest) != 6) {
    LOG(LL_ERROR, ("device.mac must look like 02:00:00:12:34:56, not %s", text));
    return;
  }
  for (int i = 0; i < 6; i++) mac[i] = (uint8_t) b[i];
  device_set_mac_address(mac);
}

void mgos_host_conf_loaded(void) {
  int level = mgos_sys_config_get_debug_level();
  if (level > _LL_MIN && level < _LL_MAX) cs_log_set_level((enum cs_log_level) level);
  cs_log_set_file_level(mgos_sys_config_get_debug_file_level());
  mgos_set_stdout_uart(mgos_sys_config_get_debug_stdout_uart());
  mgos_set_stderr_uart(mgos_sys_config_get_debug_stderr_uart());
  if (!mgos_conf_str_empty(mgos_sys_config_get_sys_tz_spec())) {
    setenv("TZ", mgos_sys_config_get_sys_tz_spec(), 1);
    tzset();
  }
  take_mac(mgos_sys_config_get_device_mac());
  if (mgos_sys_config_get_device_id() != NULL) {
    char *id = strdup(mgos_sys_config_get_device_id());
    if (id != NULL) {
      mgos_expand_mac_address_placeholders(id);
      mgos_sys_config_set_device_id(id);
      free(id);
    }
  }
  s_loaded = true;
}

void mgos_sys_config_register_validator(mgos_config_validator_fn fn) {
  size_t size = (s_num_validators + 1) * sizeof(*s_validators);
  mgos_config_validator_fn *grown = (mgos_config_validator_fn *) realloc(s_validators, size);
  if (grown == NULL) return;
  s_validators = grown;
  s_validators[s_num_validators++] = fn;
}

bool mgos_config_validate(const struct mgos_config *cfg, char **msg) {
  *msg = NULL;
  for (int i = 0; i < s_num_validators; i++) {
    if (!s_validators[i](cfg, msg)) return false;
  }
  return true;
}

bool mgos_sys_config_load_level(struct mgos_config *cfg, enum mgos_config_level level) {
  memset(cfg, 0, sizeof(*cfg));
  if (level > MGOS_CONFIG_LEVEL_USER) return false;
  mgos_config_set_defaults(cfg);
  /* No file is fine: nothing was saved. */
  if (level == MGOS_CONFIG_LEVEL_USER) mgos_conf_parse_sub_f(CONF_USER_FILE, mgos_config_schema(), cfg);
  return true;
}

static bool save(const struct mgos_config *cfg, enum mgos_config_level level, bool try_once, char **msg) {
  struct mgos_config *defaults;
  bool ok;
  if (level != MGOS_CONFIG_LEVEL_USER || try_once) {
    *msg = strdup("on the host, config can be saved at the user level only, and not for one start only");
    return false;
  }
  if (!mgos_config_validate(cfg, msg)) return false;
  defaults = (struct mgos_config *) malloc(sizeof(*defaults));
  if (defaults == NULL) return false;
  mgos_sys_config_load_level(defaults, MGOS_CONFIG_LEVEL_VENDOR_8);
  ok = mgos_conf_emit_f(cfg, defaults, mgos_config_schema(), true /* pretty */, CONF_USER_FILE);
  if (ok) {
    LOG(LL_INFO, ("Saved to %s", CONF_USER_FILE));
  } else {
    *msg = strdup("cannot write " CONF_USER_FILE);
  }
  mgos_config_free(defaults);
  free(defaults);
  return ok;
}

bool mgos_sys_config_save_level(const struct mgos_config *cfg, enum mgos_config_level level, bool try_once,
                                char **msg) {
  char *reason = NULL;
  bool ok = save(cfg, level, try_once, &reason);
  if (!ok) LOG(LL_ERROR, ("Config not saved: %s", reason != NULL ? reason : "out of memory or refused"));
  if (msg != NULL) {
    *msg = reason;
  } else {
    free(reason);
  }
  return ok;
}

bool mgos_sys_config_save(const struct mgos_config *cfg, bool try_once, char **msg) {
  return mgos_sys_config_save_level(cfg, MGOS_CONFIG_LEVEL_USER, try_once, msg);
}

bool save_cfg(const struct mgos_config *cfg, char **msg) {
  return mgos_sys_config_save(cfg, false, msg);
}

bool load_config_defaults(struct mgos_config *cfg) {
  return mgos_sys_config_load_level(cfg, MGOS_CONFIG_LEVEL_VENDOR_8);
}

void mgos_config_reset(int level) {
  if (level <= MGOS_CONFIG_LEVEL_USER && remove(CONF_USER_FILE) == 0) LOG(LL_INFO, ("Removed %s", CONF_USER_FILE));
}

bool mgos_config_apply_s(const struct mg_str json, bool save_too) {
  bool ok = mgos_conf_parse(json, mgos_sys_config_get_conf_acl(), &mgos_sys_config);
  if (save_too) ok = save_cfg(&mgos_sys_config, NULL) && ok;
  return ok;
}

bool mgos_config_apply(const char *json, bool save_too) {
  return mgos_config_apply_s(mg_mk_str(json), save_too);
}

bool mgos_sys_config_parse_sub(const struct mg_str json, const char *section, void *cfg) {
  const struct mgos_conf_entry *e = mgos_conf_find_schema_entry(section, mgos_config_schema());
  if (e == NULL || e->type != CONF_TYPE_OBJECT || e->num_desc == 0) return false;
  return mgos_conf_parse_sub(json, e, cfg);
}
