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

/* Versions of the firmware and of the host; the build is not stamped: "". */
const char *mgos_sys_ro_vars_get_fw_version(void);
const char *mgos_sys_ro_vars_get_fw_id(void);
const char *mgos_sys_ro_vars_get_fw_timestamp(void);
const char *mgos_sys_ro_vars_get_mg_version(void);
const char *mgos_sys_ro_vars_get_mg_id(void);

#ifdef __cplusplus
}
#endif
