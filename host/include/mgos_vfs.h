/*
 * The file system, which on the host is the machine's: files by the C library's
 * functions and by the same under Mongoose OS' names, and its space. There are
 * no devices, file system types and mounts.
 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/platform.h"

#define MGOS_VFS_ROOT_DEV_NAME "root"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Bytes of the file system that holds `path`, as far as size_t can tell: all of
 * them, and those that are free for the app. 0 if there is no such path.
 */
size_t mgos_vfs_get_space_total(const char *path);
size_t mgos_vfs_get_space_used(const char *path);
size_t mgos_vfs_get_space_free(const char *path);

/* There is nothing to collect: true. */
bool mgos_vfs_gc(const char *path);

/* Each logs an error and returns false: the machine's mounts stay as they are. */
bool mgos_vfs_mkfs(const char *dev_type, const char *dev_opts,
                   const char *fs_type, const char *fs_opts);
bool mgos_vfs_mkfs_dev_name(const char *dev_name, const char *fs_type,
                            const char *fs_opts);
bool mgos_vfs_mount(const char *path, const char *dev_type,
                    const char *dev_opts, const char *fs_type,
                    const char *fs_opts);
bool mgos_vfs_mount_dev_name(const char *path, const char *dev_name,
                             const char *fs_type, const char *fs_opts);
bool mgos_vfs_umount(const char *path);

/* Does nothing. */
void mgos_vfs_umount_all(void);

#if defined(__unix__)
/* The system's calls of these names. */
int mgos_vfs_open(const char *filename, int flags, int mode);
int mgos_vfs_close(int vfd);
ssize_t mgos_vfs_read(int vfd, void *dst, size_t len);
ssize_t mgos_vfs_write(int vfd, const void *src, size_t len);
int mgos_vfs_stat(const char *path, struct stat *st);
int mgos_vfs_fstat(int vfd, struct stat *st);
off_t mgos_vfs_lseek(int vfd, off_t offset, int whence);
int mgos_vfs_unlink(const char *path);
int mgos_vfs_rename(const char *src, const char *dst);
DIR *mgos_vfs_opendir(const char *path);
struct dirent *mgos_vfs_readdir(DIR *pdir);
int mgos_vfs_closedir(DIR *pdir);
#endif

#ifdef __cplusplus
}
#endif
