/*
 * What a workstation cannot do: each call logs an error and fails, so that an app
 * that depends on it notices.
 */
#include "common/cs_dbg.h"
#include "mgos_bitbang.h"
#include "mgos_debug_hal.h"
#include "mgos_mongoose_internal.h"
#include "mgos_vfs.h"

/* ---- Bit-banging ---- */

uint32_t mgos_bitbang_n100_cal = 0;

void mgos_bitbang_write_bits(int gpio, enum mgos_delay_unit delay_unit, int t0h,
                             int t0l, int t1h, int t1l, const uint8_t *data,
                             size_t len) {
  LOG(LL_ERROR, ("bit-banging does not exist on the host: %lu bytes for pin %d "
                 "are lost",
                 (unsigned long) len, gpio));
  (void) delay_unit;
  (void) t0h;
  (void) t0l;
  (void) t1h;
  (void) t1l;
  (void) data;
}

void mgos_bitbang_write_bits_js(int gpio, enum mgos_delay_unit delay_unit,
                                uint32_t t, const uint8_t *data, size_t len) {
  mgos_bitbang_write_bits(gpio, delay_unit, 0, 0, 0, 0, data, len);
  (void) t;
}

/* ---- The log over UDP ---- */

enum mgos_init_result mgos_debug_udp_init(const char *dst) {
  LOG(LL_ERROR, ("the host does not log over UDP to %s: its log goes to stderr",
                 dst == NULL ? "(NULL)" : dst));
  return MGOS_INIT_DEBUG_INIT_FAILED;
}

void mgos_debug_udp_send(const struct mg_str prefix, const struct mg_str data) {
  (void) prefix;
  (void) data;
}

/* ---- HTTP servers ---- */

struct mg_connection *mgos_bind_http(const char *addr) {
  LOG(LL_ERROR, ("the host has no HTTP server: nothing listens on %s",
                 addr == NULL ? "(NULL)" : addr));
  return NULL;
}

bool mgos_add_http_endpoint(struct mg_connection *c, const char *uri,
                            mg_event_handler_t handler, void *user_data) {
  LOG(LL_ERROR, ("the host has no HTTP server: %s is not served",
                 uri == NULL ? "(NULL)" : uri));
  (void) c;
  (void) handler;
  (void) user_data;
  return false;
}

/* ---- Devices and mounts ---- */

static bool no_mounts(const char *what, const char *name) {
  LOG(LL_ERROR, ("cannot %s %s: the host's file system is the machine's, see "
                 "the app's directory",
                 what, name == NULL ? "(NULL)" : name));
  return false;
}

bool mgos_vfs_mkfs(const char *dev_type, const char *dev_opts,
                   const char *fs_type, const char *fs_opts) {
  (void) dev_opts;
  (void) fs_type;
  (void) fs_opts;
  return no_mounts("make a file system on", dev_type);
}

bool mgos_vfs_mkfs_dev_name(const char *dev_name, const char *fs_type,
                            const char *fs_opts) {
  (void) fs_type;
  (void) fs_opts;
  return no_mounts("make a file system on", dev_name);
}

bool mgos_vfs_mount(const char *path, const char *dev_type,
                    const char *dev_opts, const char *fs_type,
                    const char *fs_opts) {
  (void) dev_type;
  (void) dev_opts;
  (void) fs_type;
  (void) fs_opts;
  return no_mounts("mount", path);
}

bool mgos_vfs_mount_dev_name(const char *path, const char *dev_name,
                             const char *fs_type, const char *fs_opts) {
  (void) dev_name;
  (void) fs_type;
  (void) fs_opts;
  return no_mounts("mount", path);
}

bool mgos_vfs_umount(const char *path) {
  return no_mounts("unmount", path);
}
