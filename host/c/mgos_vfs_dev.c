/*
 * Devices behind a file system: there are none. Files are those of the machine (mgos_vfs.c).
 */

#include "mgos_vfs_dev.h"

#include "common/cs_dbg.h"

static void refuse(const char *name) {
  LOG(LL_ERROR, ("the host has no device %s: files are those of the machine", name != NULL ? name : "(NULL)"));
}

struct mgos_vfs_dev *mgos_vfs_dev_create(const char *type, const char *opts) {
  (void) opts;
  refuse(type);
  return NULL;
}

bool mgos_vfs_dev_create_and_register(const char *type, const char *opts, const char *name) {
  (void) type;
  (void) opts;
  refuse(name);
  return false;
}

bool mgos_vfs_dev_register(struct mgos_vfs_dev *dev, const char *name) {
  (void) dev;
  refuse(name);
  return false;
}

bool mgos_vfs_dev_unregister(const char *name) {
  refuse(name);
  return false;
}

struct mgos_vfs_dev *mgos_vfs_dev_open(const char *name) {
  refuse(name);
  return NULL;
}

enum mgos_vfs_dev_err mgos_vfs_dev_read(struct mgos_vfs_dev *dev, size_t offset, size_t len, void *dst) {
  (void) dev;
  (void) offset;
  (void) len;
  (void) dst;
  return MGOS_VFS_DEV_ERR_NXIO;
}

enum mgos_vfs_dev_err mgos_vfs_dev_write(struct mgos_vfs_dev *dev, size_t offset, size_t len, const void *src) {
  (void) dev;
  (void) offset;
  (void) len;
  (void) src;
  return MGOS_VFS_DEV_ERR_NXIO;
}

enum mgos_vfs_dev_err mgos_vfs_dev_erase(struct mgos_vfs_dev *dev, size_t offset, size_t len) {
  (void) dev;
  (void) offset;
  (void) len;
  return MGOS_VFS_DEV_ERR_NXIO;
}

size_t mgos_vfs_dev_get_size(struct mgos_vfs_dev *dev) {
  (void) dev;
  return 0;
}

enum mgos_vfs_dev_err mgos_vfs_dev_get_erase_sizes(struct mgos_vfs_dev *dev, size_t sizes[MGOS_VFS_DEV_NUM_ERASE_SIZES]) {
  (void) dev;
  (void) sizes;
  return MGOS_VFS_DEV_ERR_NXIO;
}

bool mgos_vfs_dev_close(struct mgos_vfs_dev *dev) {
  (void) dev;
  return false;
}
