/*
 * What an app's build hands to the host: the flat table of its config keys, its list of libraries, and the entry point.
 * Filled in by `cargo xtask run` for each app; no Mongoose OS app includes this file itself.
 */

#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One config key or section. The table is in the order of the struct: a section comes before what is in it.
 * This is what the loader reads JSON against, so that it need not know the struct.
 */
struct mgos_host_conf_entry {
  const char *key; /* full path, e.g. "mqtt.server" */
  int32_t type;    /* one of enum mgos_conf_type, see mgos_config_util.h */
  uint32_t offset; /* from mgos_host_conf_base */
  const char *def; /* the default as text; NULL for a section */
};

extern const struct mgos_host_conf_entry mgos_host_conf_entries[];
extern const uint32_t mgos_host_conf_num_entries;
/* -> mgos_sys_config, all zero until mgos_host_conf_set_defaults(). */
extern void *const mgos_host_conf_base;

/* A library that the app is linked with, in the order in which they are to be initialised. */
struct mgos_host_lib {
  const char *name;
  bool (*init)(void);
};

extern const struct mgos_host_lib mgos_host_libs[];
extern const uint32_t mgos_host_num_libs;

/* The app's name, as in its mos.yml. */
extern const char *const mgos_host_app_name;
/* Its directory on this machine, from which the MAC address is made; empty if it is built without cargo. */
extern const char *const mgos_host_app_dir;

/*
 * For the loader, in this order: every key gets its default; then, once the JSON is laid over,
 * device.id gets its MAC digits, the log its levels, and mgos_sys_config_is_initialized() becomes true.
 */
void mgos_host_conf_set_defaults(void);
void mgos_host_conf_loaded(void);

/* The whole life of the app: config, libraries, mgos_app_init(), the event loop. Returns the exit status. */
int mgos_host_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
