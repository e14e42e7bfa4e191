/*
 * Read-only facts about the firmware, as the device's config exposes them.
 * What can be set: mgos_sys_config.h.
 */

#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* The app's name, and "host" for the architecture. */
const char *mgos_sys_ro_vars_get_app(void);
const char *mgos_sys_ro_vars_get_arch(void);

/* The MAC address: twelve upper-case hexadecimal digits. */
const char *mgos_sys_ro_vars_get_mac_address(void);

/*
 * The firmware's version, build and time: "", as the build is not stamped. The
 * host's version, and "host" for its build. The variables build_version, build_id,
 * build_timestamp, mg_build_version, mg_build_id and mg_build_timestamp, which code
 * declares itself, are the same values.
 */
const char *mgos_sys_ro_vars_get_fw_version(void);
const char *mgos_sys_ro_vars_get_fw_id(void);
const char *mgos_sys_ro_vars_get_fw_timestamp(void);
const char *mgos_sys_ro_vars_get_mg_version(void);
const char *mgos_sys_ro_vars_get_mg_id(void);

#ifdef __cplusplus
}
#endif
