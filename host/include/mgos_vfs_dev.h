/*
 * Devices behind a file system, which the host does not have: nothing can be created or opened, and
 * each attempt logs an error.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/mg_str.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MGOS_VFS_DEV_NUM_ERASE_SIZES 8

struct mgos_vfs_dev;

enum mgos_vfs_dev_err {
  MGOS_VFS_DEV_ERR_NONE = 0,
  MGOS_VFS_DEV_ERR_INVAL = -1,
  MGOS_VFS_DEV_ERR_NOMEM = -2,
  MGOS_VFS_DEV_ERR_NOSPC = -3,
  MGOS_VFS_DEV_ERR_ACCESS = -4,
  MGOS_VFS_DEV_ERR_TIMEDOUT = -5,
  MGOS_VFS_DEV_ERR_CORRUPT = -6,
  MGOS_VFS_DEV_ERR_NXIO = -7,
  MGOS_VFS_DEV_ERR_IO = -8,
};

/* NULL or false. */
struct mgos_vfs_dev *mgos_vfs_dev_create(const char *type, const char *opts);
bool mgos_vfs_dev_create_and_register(const char *type, const char *opts, const char *name);
bool mgos_vfs_dev_register(struct mgos_vfs_dev *dev, const char *name);
bool mgos_vfs_dev_unregister(const char *name);
struct mgos_vfs_dev *mgos_vfs_dev_open(const char *name);

/* MGOS_VFS_DEV_ERR_NXIO, 0 or false, without a log line: the call that gave no device has one. */
enum mgos_vfs_dev_err mgos_vfs_dev_read(struct mgos_vfs_dev *dev, size_t offset, size_t len, void *dst);
enum mgos_vfs_dev_err mgos_vfs_dev_write(struct mgos_vfs_dev *dev, size_t offset, size_t len, const void *src);
enum mgos_vfs_dev_err mgos_vfs_dev_erase(struct mgos_vfs_dev *dev, size_t offset, size_t len);
size_t mgos_vfs_dev_get_size(struct mgos_vfs_dev *dev);
enum mgos_vfs_dev_err mgos_vfs_dev_get_erase_sizes(struct mgos_vfs_dev *dev, size_t sizes[MGOS_VFS_DEV_NUM_ERASE_SIZES]);
bool mgos_vfs_dev_close(struct mgos_vfs_dev *dev);

#ifdef __cplusplus
}
#endif
