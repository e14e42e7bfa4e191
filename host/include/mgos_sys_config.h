/*
 * The app's own configuration: mgos_sys_config and its accessors (generated, mgos_config.h), and saving it.
 * On the host, saved values go to conf9.json in the working directory, which is read again at the next start.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/mg_str.h"

#include "mgos_config.h"
#include "mgos_config_util.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CONF_USER_FILE "conf9.json"

/* Layers of configuration. The host has the defaults and the user's; vendor levels are accepted and behave as defaults. */
enum mgos_config_level {
  MGOS_CONFIG_LEVEL_DEFAULTS = 0,
  MGOS_CONFIG_LEVEL_VENDOR_1 = 1,
  MGOS_CONFIG_LEVEL_VENDOR_2 = 2,
  MGOS_CONFIG_LEVEL_VENDOR_3 = 3,
  MGOS_CONFIG_LEVEL_VENDOR_4 = 4,
  MGOS_CONFIG_LEVEL_VENDOR_5 = 5,
  MGOS_CONFIG_LEVEL_VENDOR_6 = 6,
  MGOS_CONFIG_LEVEL_VENDOR_7 = 7,
  MGOS_CONFIG_LEVEL_VENDOR_8 = 8,
  MGOS_CONFIG_LEVEL_USER = 9,
};

/* True once the config has been loaded, before any library's init. */
bool mgos_sys_config_is_initialized(void);

/*
 * Save what differs from the defaults to conf9.json. False if a validator objects or the file cannot be
 * written; then *msg, if msg is given, may hold the reason, to be free()d. `try_once` is not supported: false.
 */
bool mgos_sys_config_save(const struct mgos_config *cfg, bool try_once, char **msg);

/* The same; a level other than the user's is refused. */
bool mgos_sys_config_save_level(const struct mgos_config *cfg, enum mgos_config_level level, bool try_once, char **msg);

/* Fill *cfg with the defaults and, for the user's level, conf9.json over them. `cfg` is to be freed by mgos_conf_free(). */
bool mgos_sys_config_load_level(struct mgos_config *cfg, enum mgos_config_level level);

/* Older names of the two above. */
bool save_cfg(const struct mgos_config *cfg, char **msg);
bool load_config_defaults(struct mgos_config *cfg);

/* Forget saved values: removes conf9.json, if `level` is 9 or below. Takes effect at the next start. */
void mgos_config_reset(int level);

/* Called before saving; false refuses, and *msg may be set to the reason, from malloc. */
typedef bool (*mgos_config_validator_fn)(const struct mgos_config *cfg, char **msg);
void mgos_sys_config_register_validator(mgos_config_validator_fn fn);
bool mgos_config_validate(const struct mgos_config *cfg, char **msg);

void device_get_mac_address(uint8_t mac[6]);
void device_set_mac_address(uint8_t mac[6]);

/* Replace the '?' in `str` by the last digits of the MAC address, in upper case. */
void mgos_expand_mac_address_placeholders(char *str);

/* Lay JSON over the running config, as far as conf_acl allows, and save it if asked. */
bool mgos_config_apply(const char *sys_config_subset_json, bool save);
bool mgos_config_apply_s(const struct mg_str sys_config_subset_json, bool save);

/* Lay JSON over one section's struct, e.g. section "mqtt", cfg a struct mgos_config_mqtt *. */
bool mgos_sys_config_parse_sub(const struct mg_str json, const char *section, void *cfg);

#ifdef __cplusplus
}
#endif
